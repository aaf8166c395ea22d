"""XCatRecommender: external ids in, recommendations with reasons out."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from ..checkpoints.load import bare_model, load_model, load_processor
from ..exporting.runtime import OnnxGraphs
from ..modeling_xcat.arguments_xcat import finite_number
from ..modeling_xcat.filters_xcat import Filters
from ..modeling_xcat.hub_xcat import HUB_ARGUMENTS, locate_checkpoint
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..modeling_xcat.past_xcat import XCatPast
from ..modeling_xcat.ranked_xcat import catalogue_scores
from ..modeling_xcat.recommending_xcat import Recommendations
from ..modeling_xcat.unknown_users_xcat import OnUnknown
from ..tokenization.processing_xcat import XCatProcessor
from .explanation.explainer import Explanations
from .lists import ListMaker, ListOptions
from .live_catalogue import LiveCatalogue
from .onnx_ranker import OnnxItemRanker, graphs_folder
from .requests import read_requests
from .rerank import Reranker, pool_size, rerank_scores
from .rerankers.knob import Explore
from .rerankers.words import read_rerankers, rules_of_request
from .sessions.users import UserSessions
from .target_recommendations import TargetRecommender

if TYPE_CHECKING:
    from datasets import Dataset

    from ..exporting.graph_export import ExportResult
    from ..tokenization.policy.content_policy import ContentPolicy


class XCatRecommender(ListMaker, TargetRecommender, UserSessions, Explanations, LiveCatalogue):
    """Recommends items of a checkpoint's catalogue, with the model's state at the time of construction.

    See `ItemRanker` for subclasses of the model, `TargetRecommender` for brands, `ClickPredictions` for clicks,
    `UserSessions` for users whose events arrive one by one, and `LiveCatalogue` to add and delete items.

    Args:
        model: A trained model.
        processor: The processor with its catalogue.
        rerankers: Rules that reorder the best items of each user, one after the other. Scores are still those of the
            model; `score_rows` follows the order of the rules. Words such as "mmr=0.3" are rules, too.

    Attributes:
        pool: Number of best items that rules reorder; None for `pool_size`, ten times the list and at least 200.

    Raises:
        ValueError: If model and catalogue do not have the same items.
    """

    def __init__(
        self, model: XCatForNextItem, processor: XCatProcessor, rerankers: str | Sequence[str | Reranker] = ()
    ) -> None:
        self.rerankers: list[Reranker] = read_rerankers(rerankers)
        self.pool: int | None = None
        self._place(model, processor)

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | os.PathLike[str],
        *,
        model_class: type[XCatForNextItem] = XCatForNextItem,
        rerankers: str | Sequence[str | Reranker] = (),
        backend: str = "torch",
        onnx: str | os.PathLike[str] | None = None,
        index: str | os.PathLike[str] | None = None,
        policy: str | Mapping[str, Any] | ContentPolicy | None = None,
        **kwargs: Any,
    ) -> XCatRecommender:
        """Load a recommender from a checkpoint folder or a hub repository, without running its code.

        An adapter is loaded onto the base named in it, or onto `base=`; see `checkpoints.adapters.load_adapted`.

        Args:
            name_or_path: A folder, or NAMESPACE/NAME on the hub.
            model_class: The class that the model was saved as, if it is a class of your own.
            rerankers: Rules that reorder the best items of each user; see the class.
            backend: "torch", or "onnx" to run the behaviour model and the text encoder in ONNX Runtime.
            onnx: Folder of the graphs of `export`; None for the folder `onnx` of the checkpoint.
            index: Folder of an index of `xcat index` or `save_index`, or "qdrant://HOST:PORT/COLLECTION"; None for the
                exact index of the checkpoint.
            policy: Content policy instead of that of the checkpoint, as of `LivePolicy.policy`; None for that of the
                checkpoint, whose `policy.json` is read again when it changes.
            **kwargs: Arguments of `locate_checkpoint` (`revision`, `token`, `cache_dir`, `local_files_only`, ...), and
                of the model's `from_pretrained`.

        Raises:
            OSError: If there is no such checkpoint, or a file of it is missing.
            ValueError: If it is not a checkpoint of this library, was saved as another class, has a damaged file,
                or is malicious; or if the index is damaged or of another checkpoint (`IndexFilesError`).
        """
        base = kwargs.pop("base", None)
        place = {name: kwargs.pop(name) for name in HUB_ARGUMENTS if name in kwargs}
        folder = locate_checkpoint(name_or_path, **place)
        graphs = graphs_folder(backend, onnx, folder)
        if not (folder / "config.json").is_file():
            from ..checkpoints.adapters import is_adapter, load_adapted

            if is_adapter(folder):
                if graphs is not None:
                    raise ValueError(
                        f"{name_or_path} is an adapter, which has no graphs; leave backend={backend!r} out"
                    )
                adapted, processor = load_adapted(name_or_path, base, model_class=model_class, **place, **kwargs)
                return cls(bare_model(adapted), processor, rerankers)._completed(index, policy, name_or_path)
        model = load_model(folder, str(name_or_path), model_class, **kwargs)
        recommender = cls(model, load_processor(folder, str(name_or_path)), rerankers)
        if graphs is not None:
            recommender.ranker = OnnxItemRanker(
                model, recommender.vocabulary, OnnxGraphs(graphs), recommender.processor.policy
            )
        return recommender._completed(index, policy, name_or_path)

    def export(
        self, onnx: str | os.PathLike[str], *, dtype: str = "fp32", rows: Dataset | None = None
    ) -> ExportResult:
        """Export the model as ONNX graphs, verified against torch; see `write_graphs` for the arguments.

        `from_pretrained(checkpoint, backend="onnx", onnx=...)` runs them.
        """
        from ..exporting.graph_export import write_graphs

        return write_graphs(self.model, self.processor, onnx, dtype=dtype, rows=rows)

    @property
    def trained(self) -> np.ndarray:
        """(rows,) True for items with training events."""
        trained: np.ndarray = (self.model.model.items.item_counts > 0).cpu().numpy()
        return trained

    @torch.no_grad()
    def score_rows(self, rows: Sequence[dict[str, Any]], *, discover: bool = False) -> torch.Tensor:
        """Scores (users, item rows) for dataset rows, as of `recommend(exclude_seen=discover)`; special rows are -inf.

        Column c is the item `recommender.column_ids[c]`, as in the model's `score_catalogue`. A row with a text `ask`
        is scored for what the user asks for, too; see `query` of `recommend`.
        """
        histories, asks = [row["items"] for row in rows], None
        if any(row.get("ask") for row in rows):
            asks = self.ranker.read_asks(self.processor.ask_inputs([row.get("ask") or "" for row in rows]))
        states, recent = self.ranker.states(self.processor.collate(rows, layout=self.ranker.layout))
        recent = recent.discovering(histories) if discover else recent
        scores = catalogue_scores(self.model.model, states, recent, self.ranker.items, asks)
        return self.reranked(scores, histories)

    def reranked(self, scores: torch.Tensor, histories: Sequence[Sequence[int]]) -> torch.Tensor:
        """Scores (users, item rows) in the order of the rules, as `rerank_scores`; unchanged without rules."""
        if not self.rerankers:
            return scores
        depth = self.pool or pool_size(1)
        return rerank_scores(scores, histories, self.vocabulary, self.rerankers, depth, self.item_data)

    def discover_rows(self, rows: Sequence[dict[str, Any]]) -> torch.Tensor:
        """Scores for discovery: `score_rows` with the values chosen for items new to users, -inf for the others."""
        return self.score_rows(rows, discover=True)

    @property
    def column_ids(self) -> list[str]:
        """Item ids of the columns of `score_rows` and `score_catalogue`; `[PAD]` and `[UNK]` come first."""
        return self.vocabulary.decode(np.arange(len(self.vocabulary)))

    @property
    def cold_boost(self) -> float:
        """Added to the scores of cold items (no training events): `untrained_bonus`; set, it is for both purposes."""
        return float(self.model.config.untrained_bonus)

    @cold_boost.setter
    def cold_boost(self, value: float) -> None:
        self.model.config.use_cold_boost(finite_number("cold_boost", value))

    def recommend(
        self,
        history: Sequence[str] = (),
        k: int = 10,
        *,
        query: str | None = None,
        texts: str | Sequence[str] | None = None,
        event_types: Sequence[str] | None = None,
        ratings: Sequence[float | None] | None = None,
        timestamps: Sequence[Any] | None = None,
        event_texts: Sequence[str | None] | None = None,
        exclude_seen: bool = True,
        exclude_categories: str | Sequence[str] = (),
        only_categories: str | Sequence[str] | None = None,
        cross_category: bool = False,
        only_items: Collection[str] | None = None,
        filters: str | Sequence[Any] = (),
        allow_sensitive: str | Sequence[str] = (),
        rerank: str | Reranker | Sequence[str | Reranker] | None = None,
        explore: Explore | float | None = None,
        cold_boost: float | None = None,
        on_unknown: OnUnknown = "popular",
        explain: bool | Literal["history", "query"] = True,
        profile: bool = True,
        past: XCatPast | None = None,
    ) -> Recommendations:
        """Recommend items to one user.

        Args:
            history: External item ids, oldest first, in any list, array or column; empty for a new customer. Without a
                query, too, the list has the popular items of each category.
            k: Number of recommendations; fewer if the filters leave fewer items.
            query: What the user asks for, such as "warm tent for two", in a language that the text encoder reads; the
                history may be empty. For a model that was trained to read queries.
            texts: The user's own texts (queries, reviews, chat), for a model that reads interests.
            event_types: Type of each event, for a model that was trained on several types; None for the model's first
                target type, such as purchase.
            ratings: Rating of each event, None for a missing one.
            timestamps: Time of each event, None for unknown: seconds or milliseconds since 1970, datetimes, timestamps
                of pandas or NumPy, or ISO 8601 texts, all of one kind and unit. Events are sorted by time if the
                times do not ascend.
            event_texts: Text written at each event (a review), for a model that reads interests.
            exclude_seen: Leave out the items of the history, and rank by what was chosen for items new to users.
            exclude_categories: Categories to leave out.
            only_categories: Categories to recommend from.
            cross_category: Recommend only items whose category the history does not contain.
            only_items: Ids of the items to recommend from, such as the items in stock; None for all.
            filters: Conditions on columns of the catalogue that every item has to keep, such as `["price<20",
                "brand!=Acme"]`; see `Condition`.
            allow_sensitive: Sensitive categories of the content policy, such as "alcohol", that are recommended
                although the history lacks them.
            rerank: Re-ranking rules in place of the recommender's, such as `[MMR(0.3), Calibrate(0.5)]` or
                "mmr=0.3,calibrate=0.5"; see `read_rerankers`.
            explore: "familiar", "balanced", "adventurous", or a number from 0 to 1, for the rules of
                `exploration_rules` before the others; None for none.
            cold_boost: Added to the scores of cold items, instead of `XCatRecommender.cold_boost` of the checkpoint.
            on_unknown: Result for a user without a known item; see `OnUnknown`.
            explain: Whether to find the history events with most influence on each recommendation, and the words of
                the query that raise its score. "history" finds only the events, "query" only the words.
            profile: False for a list that is the same for everybody: popular items within the filters, or those of the
                query. Nothing about the user counts; the history and its details are ignored.
            past: Cached states of the history, which save the encoding of events that they have; see `session`.

        Returns:
            Recommendations, best first, and facts about their input: `basis`, `unknown_items`, `gaps_known`, `notes`.

        Raises:
            ValueError: If an argument has the wrong shape or an invalid value, k is not positive, a category, a column
                of `filters` or an item of `only_items` is unknown, the filters use categories and the catalogue has
                none, the model does not read the given texts or query, or the history has no known item and
                `on_unknown` is "error".
        """
        request = self.list_request(
            history, k, query=query, texts=texts, event_types=event_types, ratings=ratings, timestamps=timestamps,
            event_texts=event_texts, exclude_seen=exclude_seen, exclude_categories=exclude_categories,
            only_categories=only_categories, cross_category=cross_category, only_items=only_items, filters=filters,
            allow_sensitive=allow_sensitive, rerank=rerank, explore=explore, cold_boost=cold_boost,
            on_unknown=on_unknown, explain=explain, profile=profile,
        )  # fmt: skip
        return self._lists(request.requests, request.options, pasts=None if past is None else [past])[0]

    def recommend_many(
        self,
        histories: Sequence[Sequence[str]],
        k: int = 10,
        *,
        queries: Sequence[str | None] | None = None,
        texts: Sequence[str | Sequence[str] | None] | None = None,
        event_types: Sequence[Sequence[str]] | None = None,
        ratings: Sequence[Sequence[float | None]] | None = None,
        timestamps: Sequence[Sequence[Any]] | None = None,
        event_texts: Sequence[Sequence[str | None]] | None = None,
        filters: Filters | str | Sequence[Any] | None = None,
        rerank: str | Reranker | Sequence[str | Reranker] | None = None,
        explore: Explore | float | None = None,
        cold_boost: float | None = None,
        on_unknown: OnUnknown = "popular",
        explain: bool | Literal["history", "query"] = True,
        profile: bool = True,
        batch_size: int = 256,
    ) -> list[Recommendations]:
        """Recommend items to many users; see `recommend`.

        Args:
            histories: One history per user.
            k: Recommendations per user.
            queries: What each user asks for, or None, as `query` of `recommend`.
            texts: One entry per user, or None.
            event_types: Type of each event, one list per user, or None, as in `recommend`.
            ratings: Rating of each event, one list per user, or None.
            timestamps: Time of each event, one list per user, or None; the same kind and unit for all users.
            event_texts: Text written at each event, one list per user, or None.
            filters: Filters on the recommended items, the same for all users: `Filters(...)`, or conditions as
                `filters` of `recommend`; None for the defaults.
            rerank: As in `recommend`.
            explore: As in `recommend`.
            cold_boost: As in `recommend`.
            on_unknown: As in `recommend`; "error" counts all users without a known item.
            explain: Whether to find the reasons of each recommendation, as in `recommend`; see `Influences`.
            profile: As in `recommend`.
            batch_size: Users scored per batch.
        """
        requests = read_requests(
            histories, texts=texts, event_types=event_types, ratings=ratings, timestamps=timestamps,
            event_texts=event_texts, queries=queries,
        )  # fmt: skip
        wanted = filters if isinstance(filters, Filters) else Filters(conditions=filters or ())
        rules = rules_of_request(rerank, explore, self.rerankers)
        options = ListOptions(k, wanted, rules, cold_boost, on_unknown, explain, profile)
        return self._lists(requests, options, batch_size)
