"""From the inputs of a model to recommendations with reasons: the one way of ranking for every recommender."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from .configuration_xcat import NUM_SPECIAL_ROWS
from .explanation_xcat import by_position, event_attention, event_shares
from .filters_xcat import Filters, ItemFilter
from .ranking_xcat import Adjust, ItemIndex
from .recent_xcat import RecentEvents

REASONS = 3
"""Events named per recommendation."""


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


class ItemRanker:
    """Ranks the catalogue of a model, with the model as it is when the ranker is made.

    A subclass of the model is served with its own `query_side`, `item_side`, `bonuses` and `second_stage`; one that
    has a `score_states` of its own is served through that alone.

    Args:
        model: A trained `XCatForNextItem`; it is put into evaluation mode.
        vocabulary: Its catalogue, an `ItemVocabulary`.

    Raises:
        ValueError: If model and catalogue do not have the same items.
    """

    def __init__(self, model: Any, vocabulary: Any) -> None:
        if len(vocabulary) != model.config.num_item_rows:
            raise ValueError(
                f"the catalogue has {vocabulary.num_items} items and the model {model.config.num_items}; "
                "take both from one checkpoint"
            )
        self.model, self.vocabulary = model.eval(), vocabulary
        self.filter = ItemFilter(vocabulary, model.device)
        with torch.no_grad():
            self.items: torch.Tensor = model.model.item_side(model.model.items().float())
        self._counts = model.model.items.item_counts
        self._index = ItemIndex(self.items, first_row=NUM_SPECIAL_ROWS)

    @torch.no_grad()
    def recommend(
        self, inputs: dict[str, Any], histories: Sequence[Any], k: int, filters: Filters, explain: bool = True
    ) -> list[list[Recommendation]]:
        """Recommend items to some users.

        Args:
            inputs: Inputs of the model, one history per row, padded on the right, with `query_positions`.
            histories: Item rows of each user, all of them.
            k: Recommendations per user; fewer come back where the filters leave fewer.
            filters: Which items may be recommended.
            explain: Whether to find the events that carried each recommendation.

        Raises:
            ValueError: If a category of the filters is unknown.
        """
        hide = self.filter.hide(filters, self.filter.allowed(filters), histories)
        states, recent, attention = self.states(inputs, explain)
        scores, best, of_candidates = self._ranked(states, recent, k, hide)
        results = []
        for user, items in enumerate(histories):
            read = torch.as_tensor(items)[-self.model.config.max_history :].long()
            weights = None if attention is None else attention[user].expand(len(best[user]), -1)
            if of_candidates is not None:
                weights = by_position(of_candidates[user], len(read))
            results.append(self._present(read, scores[user], best[user], weights, explain))
        return results

    @torch.no_grad()
    def states(
        self, inputs: dict[str, Any], explain: bool = False
    ) -> tuple[torch.Tensor, RecentEvents, torch.Tensor | None]:
        """States, the latest events for the memories, and attention over events if it is wanted."""
        base = self.model.model
        if base.items.item_counts is not self._counts:
            raise RuntimeError(
                "the model's catalogue or its device is another than when this recommender was made; make a new "
                "XCatRecommender(model, processor)"
            )
        if self.model.training:  # since then
            self.model.eval()
        placed = {name: value.to(base.device) for name, value in inputs.items()}
        states, recent, output = base.encode_queries(**placed, output_attentions=explain)
        positions = placed["query_positions"]
        attention = event_attention(output, positions, base.config.max_history) if explain else None
        return states.float(), recent, attention

    def _ranked(
        self, states: torch.Tensor, recent: RecentEvents, k: int, hide: Adjust
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """The k best rows of every query with their scores, and what they attend to where there is a second stage."""
        base = self.model.model
        if _scores_of_its_own(base):
            scores = base.score_states(states, recent, self.items)
            hide(scores, 0)
            return *scores.topk(min(k, scores.shape[1]), dim=1), None
        queries = base.query_side(states)
        adjust = self._with_bonus(hide, recent)
        if not base.has_second_stage:
            return *self._index.search(queries, k, adjust), None
        count = min(max(k, base.config.num_candidates), base.config.num_items)
        scores, rows = self._index.search(queries, count, adjust)
        candidates = min(base.config.num_candidates, count)
        rescored, attention = base.second_stage(
            queries, recent, rows[:, :candidates], scores[:, :candidates], self.items
        )
        best, order = rescored.sort(dim=1, descending=True, stable=True)
        first = rows.gather(1, order)
        attention = attention.gather(1, order[..., None].expand_as(attention))
        return (
            torch.cat([best, scores[:, candidates:]], 1)[:, :k],
            torch.cat([first, rows[:, candidates:]], 1)[:, :k],
            torch.nn.functional.pad(attention, (0, 0, 0, count - candidates))[:, :k],
        )

    def _with_bonus(self, hide: Adjust, recent: RecentEvents) -> Adjust:
        base = self.model.model
        bonuses = base.bonuses(recent)

        def adjust(scores: torch.Tensor, start: int) -> None:
            for queries, rows, values in bonuses:
                inside = (rows >= start) & (rows < start + scores.shape[1])
                scores[queries[inside], rows[inside] - start] += values[inside]
            if base.config.untrained_bonus:
                scores += base.untrained_bonus(slice(start, start + scores.shape[1]))
            hide(scores, start)

        return adjust

    def _present(
        self,
        read: torch.Tensor,
        scores: torch.Tensor,
        rows: torch.Tensor,
        attention: torch.Tensor | None,
        explain: bool,
    ) -> list[Recommendation]:
        kept = torch.isfinite(scores)
        rows, scores = rows[kept], scores[kept]
        reasons: list[tuple[Reason, ...]] = [()] * len(rows)
        if explain and len(rows):
            weights = attention[kept, : len(read)] if attention is not None else None
            shares = event_shares(weights, self.items[read], self.items[rows])
            reasons = [self._reasons(read, share) for share in shares]
        found = []
        for row, score, because in zip(rows.tolist(), scores.tolist(), reasons, strict=True):
            item = self.vocabulary.item(row)
            title = item.get("title") or item["item_id"]
            found.append(Recommendation(item["item_id"], round(score, 6), title, item.get("category"), because))
        return found

    def _reasons(self, items: torch.Tensor, shares: torch.Tensor) -> tuple[Reason, ...]:
        by_item: dict[int, float] = {}
        for row, share in zip(items.tolist(), shares.tolist(), strict=True):
            if row >= NUM_SPECIAL_ROWS and share > 0:
                by_item[row] = by_item.get(row, 0.0) + share
        best = sorted(by_item.items(), key=lambda pair: -pair[1])[:REASONS]
        known = [(self.vocabulary.item(row), share) for row, share in best]
        return tuple(Reason(i["item_id"], i.get("title") or i["item_id"], round(share, 4)) for i, share in known)


def _scores_of_its_own(model: Any) -> bool:
    """Whether a subclass has another `score_states`; by name, since code of the hub has classes of its own."""
    defining = next(cls for cls in type(model).__mro__ if "score_states" in vars(cls))
    return defining.__name__ != "XCatModel"
