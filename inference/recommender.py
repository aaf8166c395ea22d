"""XCatRecommender: external ids in, recommendations with reasons out."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import torch

from ..modeling_xcat.filters_xcat import Filters
from ..modeling_xcat.hub_xcat import HUB_ARGUMENTS, locate_checkpoint
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..modeling_xcat.recommending_xcat import ItemRanker, Recommendation
from ..tokenization.processing_xcat import XCatProcessor
from ..tokenization.text_columns import TEXT_COLUMNS
from ..tokenization.vocabulary import NUM_SPECIAL_ROWS, VOCABULARY_FILE, ItemVocabulary
from ..training.checkpoints import load_model
from ..training.interests import interest_reader

logger = logging.getLogger(__name__)

_T = TypeVar("_T")


def saved_text_columns(folder: str | os.PathLike[str]) -> tuple[str, ...]:
    """As `XCatRecommender.text_columns`, of a checkpoint folder; the usual names where its base has to say.

    Args:
        folder: A checkpoint folder.
    """
    file = Path(folder) / "processor_config.json"
    if not file.is_file():
        return TEXT_COLUMNS
    settings = json.loads(file.read_text(encoding="utf-8")).get("interest_settings")
    return () if settings is None else tuple(settings["text_columns"])


def saved_item_ids(folder: str | os.PathLike[str]) -> pa.ChunkedArray | None:
    """Item ids of a checkpoint folder; None for an adapter whose base has them.

    Args:
        folder: A checkpoint folder.
    """
    there = (Path(folder) / VOCABULARY_FILE).is_file()
    return ItemVocabulary.load(folder).column("item_id") if there else None


class XCatRecommender:
    """Recommends items of a checkpoint's catalogue, with the model as it is when the recommender is made.

    See `ItemRanker` for how subclasses of the model are served.

    Args:
        model: A trained model.
        processor: The processor that carries its catalogue.

    Raises:
        ValueError: If model and catalogue do not have the same items.
    """

    def __init__(self, model: XCatForNextItem, processor: XCatProcessor) -> None:
        self.ranker = ItemRanker(model, processor.catalogue)
        self.model, self.processor, self.vocabulary = model, processor, processor.catalogue
        self._interests = interest_reader(model, processor)

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | os.PathLike[str],
        *,
        model_class: type[XCatForNextItem] = XCatForNextItem,
        **kwargs: Any,
    ) -> XCatRecommender:
        """Load a recommender from a checkpoint folder or a hub repository, of which no code is run.

        An adapter is loaded onto the base that it names, or onto `base=`; see `training.adapters.load_adapted`.

        Args:
            name_or_path: A folder, or NAMESPACE/NAME on the hub.
            model_class: The class that the model was saved as, where that is a subclass.
            **kwargs: Arguments of `locate_checkpoint` (`revision`, `token`, `cache_dir`, `local_files_only`, ...), and
                of the model's `from_pretrained`.

        Raises:
            OSError: If there is no such checkpoint, or a file of it is missing.
            ValueError: If it is no checkpoint of ours, was saved as another class, a file of it is damaged, or it was
                made to do harm.
        """
        base = kwargs.pop("base", None)
        place = {name: kwargs.pop(name) for name in HUB_ARGUMENTS if name in kwargs}
        folder = locate_checkpoint(name_or_path, **place)
        if not (folder / "config.json").is_file():
            from ..training.adapters import bare_model, is_adapter, load_adapted

            if is_adapter(folder):
                adapted, processor = load_adapted(name_or_path, base, model_class=model_class, **place, **kwargs)
                return cls(bare_model(adapted), processor)
        model = load_model(folder, str(name_or_path), model_class, **kwargs)
        return cls(model, XCatProcessor.from_pretrained(folder))

    @property
    def trained(self) -> np.ndarray:
        """(rows,) True for items that the model's training events named."""
        trained: np.ndarray = (self.model.model.items.item_counts > 0).cpu().numpy()
        return trained

    @property
    def text_columns(self) -> tuple[str, ...]:
        """Columns of events whose texts the model reads as interests; none for a model that reads none."""
        return () if self._interests is None else self._interests.settings.text_columns

    @torch.no_grad()
    def score_rows(self, rows: Sequence[dict[str, Any]]) -> torch.Tensor:
        """Scores (users, item rows) for dataset rows; special rows are -inf."""
        scores: torch.Tensor = self.model.model.score_states(
            *self.ranker.states(self.processor.collate(rows))[:2], self.ranker.items
        )
        return scores

    def recommend(
        self,
        history: Sequence[str],
        k: int = 10,
        *,
        texts: str | Sequence[str] | None = None,
        event_types: Sequence[str] | None = None,
        ratings: Sequence[float | None] | None = None,
        timestamps: Sequence[int | None] | None = None,
        event_texts: Sequence[str | None] | None = None,
        exclude_seen: bool = True,
        exclude_categories: Sequence[str] = (),
        only_categories: Sequence[str] | None = None,
        cross_category: bool = False,
        explain: bool = True,
    ) -> list[Recommendation]:
        """Recommend items to one user.

        Args:
            history: External item ids, oldest first.
            k: Recommendations wanted; fewer come back where the filters leave fewer.
            texts: The user's own texts (queries, reviews, chat), for a model that reads interests.
            event_types: Kind of each event, for a model that was trained on several kinds.
            ratings: Rating of each event, None for none.
            timestamps: Seconds since 1970 of each event, None for unknown.
            event_texts: What the user wrote at each event (a review), for a model that reads interests.
            exclude_seen: Leave out the items of the history.
            exclude_categories: Categories to leave out.
            only_categories: Categories to keep to.
            cross_category: Keep to categories that the history does not contain.
            explain: Whether to find the events that carried each recommendation.

        Returns:
            Recommendations, best first.

        Raises:
            ValueError: If the history is empty or all of it unknown, k is not positive, a category is unknown, or the
                model does not read the texts that are given.
        """
        filters = Filters(exclude_seen, exclude_categories, only_categories, cross_category)
        return self.recommend_many(
            [history],
            k,
            texts=[texts],
            event_types=None if event_types is None else [event_types],
            ratings=None if ratings is None else [ratings],
            timestamps=None if timestamps is None else [timestamps],
            event_texts=None if event_texts is None else [event_texts],
            filters=filters,
            explain=explain,
        )[0]

    @torch.no_grad()
    def recommend_many(
        self,
        histories: Sequence[Sequence[str]],
        k: int = 10,
        *,
        texts: Sequence[str | Sequence[str] | None] | None = None,
        event_types: Sequence[Sequence[str]] | None = None,
        ratings: Sequence[Sequence[float | None]] | None = None,
        timestamps: Sequence[Sequence[int | None]] | None = None,
        event_texts: Sequence[Sequence[str | None]] | None = None,
        filters: Filters | None = None,
        explain: bool = True,
        batch_size: int = 256,
    ) -> list[list[Recommendation]]:
        """Recommend items to many users; see `recommend`.

        Args:
            histories: One history a user.
            k: Recommendations wanted a user.
            texts: One entry a user, or None.
            event_types: Kind of each event, one list a user, or None.
            ratings: Rating of each event, one list a user, or None.
            timestamps: Seconds since 1970 of each event, one list a user, or None.
            event_texts: What was written at each event, one list a user, or None.
            filters: Which items may be recommended, the same for all users; None for the defaults.
            explain: Whether to find the events that carried each recommendation.
            batch_size: Users scored at a time.
        """
        for name, number in (("k", k), ("batch_size", batch_size)):
            if number < 1:
                raise ValueError(f"{name} is {number}; give at least 1")
        for name, given in (("texts", texts), ("event_texts", event_texts)):
            if given is not None and len(given) != len(histories):
                raise ValueError(f"{name} must have one entry a history: {len(histories)}, got {len(given)}")
        self._check_texts(texts)
        if event_texts is not None and self._interests is None:
            logger.warning("this model reads no interests, so event_texts make no difference")
        filters = filters or Filters()
        self.ranker.filter.allowed(filters)  # refused before anything is computed
        results = list[list[Recommendation]]()
        for start in range(0, len(histories), batch_size):
            part = slice(start, start + batch_size)
            rows = self.processor.history_rows(
                histories[part],
                event_types=_cut(event_types, part),
                ratings=_cut(ratings, part),
                timestamps=_cut(timestamps, part),
            )
            for user, row in enumerate(rows, start=start):
                if (row["items"] < NUM_SPECIAL_ROWS).all() and not (texts is not None and texts[user]):
                    raise ValueError(
                        f"history {user}: none of its {len(row['items'])} items is in the catalogue, for example "
                        f"{str(histories[user][0])!r}; give item ids of the items table"
                    )
            if self._interests is not None:
                self._interests.add_to_rows(
                    rows,
                    histories[part],
                    self.processor.max_history,
                    ratings=_cut(ratings, part),
                    timestamps=_cut(timestamps, part),
                    event_texts=_cut(event_texts, part),
                    texts=_cut(texts, part),
                )
            read = _cut(texts, part) if self.model.model.reads_user_texts else None
            inputs = self.processor.inputs_of(rows, read, layout="right")
            results += self.ranker.recommend(inputs, [row["items"] for row in rows], k, filters, explain)
        return results

    def _check_texts(self, texts: Sequence[str | Sequence[str] | None] | None) -> None:
        """Refuse texts that would make no difference."""
        if self._interests is None and not self.model.model.reads_user_texts and any(texts or ()):
            raise ValueError(
                f"texts: {sum(map(bool, texts or ()))} of {len(texts or ())} users have texts, and this model does "
                "not read what users write; leave texts out, or train a model with interests='words'"
            )


def _cut(values: Sequence[_T] | None, part: slice) -> Sequence[_T] | None:
    return None if values is None else values[part]
