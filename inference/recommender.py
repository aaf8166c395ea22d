"""XCatRecommender: external ids in, recommendations with reasons out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError

from ..modeling_xcat.configuration_xcat import XCatConfig
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..tokenization.processing_xcat import XCatProcessor
from ..tokenization.vocabulary import NUM_SPECIAL_ROWS
from .explanation import event_attention, event_shares

REASONS = 3


@dataclass(frozen=True)
class Reason:
    """An event of the history that a recommendation rests on, with its share from 0 to 1."""

    item_id: str
    title: str
    weight: float


@dataclass(frozen=True)
class Recommendation:
    """One recommended item."""

    item_id: str
    score: float
    title: str
    category: str | None
    because: tuple[Reason, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {**asdict(self), "because": [asdict(reason) for reason in self.because]}


@dataclass(frozen=True)
class Filters:
    """Which items may be recommended.

    Args:
        exclude_seen: Leave out the items of the history.
        exclude_categories: Categories to leave out.
        only_categories: Categories to keep to; None for all.
        cross_category: Keep to categories that the history does not contain.
    """

    exclude_seen: bool = True
    exclude_categories: Sequence[str] = ()
    only_categories: Sequence[str] | None = None
    cross_category: bool = False


class XCatRecommender:
    """Recommends items of a checkpoint's catalogue.

    Args:
        model: A trained model.
        processor: The processor that carries its catalogue.

    Raises:
        ValueError: If model and catalogue do not have the same items.
    """

    def __init__(self, model: XCatForNextItem, processor: XCatProcessor) -> None:
        self.model = model.eval()
        self.processor = processor
        self.vocabulary = processor.catalogue
        if len(self.vocabulary) != model.config.num_item_rows:
            raise ValueError(
                f"the catalogue has {self.vocabulary.num_items} items and the model {model.config.num_items}; "
                "take both from one checkpoint"
            )
        self._codes = torch.from_numpy(self.vocabulary.category_codes.astype(np.int64))
        self._categories = {name: code for code, name in enumerate(self.vocabulary.categories)}
        with torch.no_grad():
            self._items = model.model.item_side(model.model.items().float())

    @classmethod
    def from_pretrained(cls, name_or_path: str | os.PathLike[str], **kwargs: Any) -> XCatRecommender:
        """Load a recommender from a checkpoint folder or a hub repository; `kwargs` go to both loaders.

        Raises:
            OSError: If there is no such checkpoint, or a file of it is missing.
            ValueError: If it is no checkpoint of ours, or a file of it is damaged.
        """
        kind = XCatConfig.get_config_dict(name_or_path, **kwargs)[0].get("model_type")
        if kind != XCatConfig.model_type:
            raise ValueError(f"{name_or_path} is no checkpoint of xcat fit: its config.json says model_type {kind!r}")
        try:
            model = XCatForNextItem.from_pretrained(name_or_path, dtype=torch.float32, use_safetensors=True, **kwargs)
        except SafetensorError as error:
            raise ValueError(f"the weights of {name_or_path} are damaged ({error}); copy them again") from error
        return cls(model, XCatProcessor.from_pretrained(name_or_path, **kwargs))

    @property
    def trained(self) -> np.ndarray:
        """(rows,) True for items that the model's training events named."""
        trained: np.ndarray = (self.model.model.items.item_counts > 0).cpu().numpy()
        return trained

    def score_rows(self, rows: Sequence[dict[str, Any]]) -> torch.Tensor:
        """Scores (users, item rows) for dataset rows; special rows are -inf."""
        return self._scores(self.processor.collate(rows))[0]

    def recommend(
        self,
        history: Sequence[str],
        k: int = 10,
        *,
        texts: str | Sequence[str] | None = None,
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
            texts: The user's own texts: queries, reviews, chat.
            exclude_seen: Leave out the items of the history.
            exclude_categories: Categories to leave out.
            only_categories: Categories to keep to.
            cross_category: Keep to categories that the history does not contain.
            explain: Whether to find the events that carried each recommendation.

        Returns:
            Recommendations, best first.

        Raises:
            ValueError: If the history is empty or all of it unknown, k is not positive, or a category is unknown.
        """
        filters = Filters(exclude_seen, exclude_categories, only_categories, cross_category)
        return self.recommend_many([history], k, texts=[texts], filters=filters, explain=explain)[0]

    @torch.no_grad()
    def recommend_many(
        self,
        histories: Sequence[Sequence[str]],
        k: int = 10,
        *,
        texts: Sequence[str | Sequence[str] | None] | None = None,
        filters: Filters | None = None,
        explain: bool = True,
        batch_size: int = 256,
    ) -> list[list[Recommendation]]:
        """Recommend items to many users; see `recommend`.

        Args:
            histories: One history a user.
            k: Recommendations wanted a user.
            texts: One entry a user, or None.
            filters: Which items may be recommended, the same for all users; None for the defaults.
            explain: Whether to find the events that carried each recommendation.
            batch_size: Users scored at a time.
        """
        if k < 1:
            raise ValueError(f"k is {k}; give at least 1")
        filters = filters or Filters()
        allowed = self._allowed_by_category(filters)
        texts = texts if texts is not None else [None] * len(histories)
        results = []
        for start in range(0, len(histories), batch_size):
            part = slice(start, start + batch_size)
            rows = self.processor.history_rows(histories[part])
            for user, row in enumerate(rows, start=start):
                if (row["items"] < NUM_SPECIAL_ROWS).all() and not texts[user]:
                    raise ValueError(
                        f"history {user}: none of its {len(row['items'])} items is in the catalogue, for example "
                        f"{str(histories[user][0])!r}; give item ids of the items table"
                    )
            inputs = self.processor(histories[part], texts[part], layout="right")
            scores, attention = self._scores(dict(inputs), explain)
            for user, row in enumerate(rows):
                self._filter(scores[user], row["items"], allowed, filters)
            best = scores.topk(min(k, scores.shape[1]), dim=1)
            for user, row in enumerate(rows):
                weights = attention[user] if attention is not None else None
                results.append(self._present(row["items"], best.values[user], best.indices[user], weights, explain))
        return results

    @torch.no_grad()
    def _scores(self, inputs: dict[str, Any], explain: bool = False) -> tuple[torch.Tensor, torch.Tensor | None]:
        query_positions = inputs.pop("query_positions")
        base = self.model.model
        output = base(**inputs, output_attentions=explain)
        states = output.last_hidden_state.flatten(0, 1)[query_positions]
        attention = event_attention(output, query_positions, base.config.max_history) if explain else None
        return base.score_states(states, self._items), attention

    def _allowed_by_category(self, filters: Filters) -> torch.Tensor:
        allowed = torch.ones(len(self.vocabulary), dtype=torch.bool)
        if filters.only_categories is not None:
            allowed = torch.isin(self._codes, self._category_codes(filters.only_categories))
        if filters.exclude_categories:
            allowed &= ~torch.isin(self._codes, self._category_codes(filters.exclude_categories))
        return allowed

    def _category_codes(self, names: Sequence[str]) -> torch.Tensor:
        unknown = [name for name in names if name not in self._categories]
        if unknown:
            known = ", ".join(sorted(self._categories)[:10])
            raise ValueError(
                f"{unknown[0]!r} is no category of the catalogue's {len(self._categories)}; "
                f"it has, for example, {known}"
            )
        return torch.tensor([self._categories[name] for name in names])

    def _filter(self, scores: torch.Tensor, items: np.ndarray, allowed: torch.Tensor, filters: Filters) -> None:
        scores[~allowed] = -torch.inf
        rows = torch.from_numpy(items)
        if filters.exclude_seen:
            scores[rows] = -torch.inf
        if filters.cross_category:
            known = torch.unique(self._codes[rows])
            scores[torch.isin(self._codes, known) | (self._codes < 0)] = -torch.inf

    def _present(
        self,
        items: np.ndarray,
        scores: torch.Tensor,
        rows: torch.Tensor,
        attention: torch.Tensor | None,
        explain: bool,
    ) -> list[Recommendation]:
        kept = torch.isfinite(scores)
        rows, scores = rows[kept], scores[kept]
        read = items[-self.model.config.max_history :]
        reasons: list[tuple[Reason, ...]] = [()] * len(rows)
        if explain and len(rows):
            weights = attention[: len(read)] if attention is not None else None
            shares = event_shares(weights, self._items[torch.from_numpy(read)], self._items[rows])
            reasons = [self._reasons(read, share) for share in shares]
        found = []
        for row, score, because in zip(rows.tolist(), scores.tolist(), reasons, strict=True):
            item = self.vocabulary.item(row)
            title = item.get("title") or item["item_id"]
            found.append(Recommendation(item["item_id"], round(score, 6), title, item.get("category"), because))
        return found

    def _reasons(self, items: np.ndarray, shares: torch.Tensor) -> tuple[Reason, ...]:
        by_item: dict[int, float] = {}
        for row, share in zip(items.tolist(), shares.tolist(), strict=True):
            if row >= NUM_SPECIAL_ROWS and share > 0:
                by_item[row] = by_item.get(row, 0.0) + share
        best = sorted(by_item.items(), key=lambda pair: -pair[1])[:REASONS]
        known = [(self.vocabulary.item(row), share) for row, share in best]
        return tuple(Reason(i["item_id"], i.get("title") or i["item_id"], round(share, 4)) for i, share in known)
