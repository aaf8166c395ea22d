"""The score before re-ranking, defined once for training, evaluation and serving."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from .asks_xcat import AskScores
from .configuration_xcat import NUM_SPECIAL_ROWS
from .export_xcat import is_exporting
from .items_xcat import SomeItems
from .segments_xcat import SegmentScores

Bonus = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""(pairs,) query numbers, (pairs,) item indices and (pairs,) bonuses; each pair once."""


@dataclass(frozen=True)
class FirstStage:
    """Queries with everything that is added to their dot products with items: score = product + bonuses + boost.

    Args:
        queries: (queries, hidden) result of `XCatModel.query_side`, float32.
        bonuses: Bonuses of pairs of query and item, such as item-to-item weights and repeat bias.
        boosts: (item rows,) settings that are added to every query's scores, such as the cold-item boost, or None.
            They are no evidence, so the re-ranker does not see them.
        asked: The view of the score for what the users ask for, or None.
        seen: (queries, n) item indices that get no score, 0 for none; None to score every item. See `RecentEvents`.
        segments: Rates of first purchases by segment of users, for discovery, or None.
        dense: (queries, item rows) all bonuses in one tensor instead of pairs, in an exported graph; else None.

    Example:
        >>> pair = torch.tensor([0]), torch.tensor([3]), torch.tensor([0.5])
        >>> stage = FirstStage(torch.ones(1, 2), [pair])
        >>> stage.scores(torch.tensor([[0.0, 0.0], [0.0, 0.0], [1.0, 2.0], [1.0, 1.0]])).tolist()
        [[-inf, -inf, 3.0, 2.5]]
    """

    queries: torch.Tensor
    bonuses: Sequence[Bonus] = ()
    boosts: torch.Tensor | None = None
    asked: AskScores | None = None
    seen: torch.Tensor | None = None
    segments: SegmentScores | None = None
    dense: torch.Tensor | None = None

    def scores(self, item_side: torch.Tensor) -> torch.Tensor:
        """(queries, item rows) scores for (item rows, hidden) item embeddings; special rows and `seen` are -inf."""
        scores = self.queries @ item_side.T
        for queries, rows, values in self.bonuses:
            scores[queries, rows] += values
        if self.dense is not None:
            scores = scores + self.dense
        if self.segments is not None:
            scores += self.segments.block(0, scores.shape[1])
        if self.boosts is not None:
            scores += self.boosts
        if self.asked is not None:
            scores += self.asked.block(0, scores.shape[1])
        if self.seen is not None:
            scores.scatter_(1, self.seen, -torch.inf)
        scores[:, :NUM_SPECIAL_ROWS] = -torch.inf
        return scores

    def scores_of(self, rows: torch.Tensor, item_side: torch.Tensor | SomeItems) -> torch.Tensor:
        """(queries, n) scores of (queries, n) item indices; as `scores`, without the rest of the catalogue."""
        if are_alike(rows):
            products = self.queries @ item_side[rows[0]].T
        else:
            products = (item_side[rows] @ self.queries[..., None]).squeeze(-1)
        scores = products + self.given(rows)
        if self.segments is not None:
            scores += self.segments.of_items(rows)
        size = len(item_side)
        wanted = torch.arange(len(rows), device=rows.device)[:, None] * size + rows
        for queries, items, values in self.bonuses:
            keys, order = (queries * size + items).sort()
            if len(keys):
                place = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
                scores += values[order][place] * keys[place].eq(wanted)
        return scores.masked_fill(rows < NUM_SPECIAL_ROWS, -torch.inf)

    def of_queries(self, queries: torch.Tensor) -> FirstStage:
        """The score of some of the queries, by their (n,) different numbers; without what the users ask for."""
        place = torch.full((len(self.queries),), -1, device=queries.device)
        place[queries] = torch.arange(len(queries), device=queries.device)
        inside = [(place[numbers], rows, values, place[numbers] >= 0) for numbers, rows, values in self.bonuses]
        return FirstStage(
            self.queries[queries],
            [(numbers[kept], rows[kept], values[kept]) for numbers, rows, values, kept in inside],
            self.boosts,
            None,
            None if self.seen is None else self.seen[queries],
            None if self.segments is None else replace(self.segments, shares=self.segments.shares[queries]),
        )

    def add_to(self, products: torch.Tensor, start: int) -> None:
        """Turn products into scores, in place.

        Args:
            products: (queries, block) dot products with a block of items.
            start: Item index of the first column.
        """
        end = start + products.shape[1]
        for queries, rows, values in self.bonuses:
            inside = (rows >= start) & (rows < end)
            products[queries[inside], rows[inside] - start] += values[inside]
        if self.segments is not None:
            products += self.segments.block(start, end)
        if self.boosts is not None:
            products += self.boosts[start:end]
        if self.asked is not None:
            products += self.asked.block(start, end)
        if self.seen is not None:
            query, place = ((self.seen >= start) & (self.seen < end)).nonzero(as_tuple=True)
            products[query, self.seen[query, place] - start] = -torch.inf

    def given(self, rows: torch.Tensor) -> torch.Tensor:
        """Boosts and ask scores of (queries, n) item indices; the re-ranker of the history does not see them."""
        given = torch.zeros(rows.shape, device=rows.device) if self.boosts is None else self.boosts[rows]
        return given if self.asked is None else given + self.asked.of_items(rows)


def are_alike(rows: torch.Tensor) -> bool:
    """Whether several queries have the same (queries, n) items in the same order; False in an exported graph.

    Example:
        >>> are_alike(torch.tensor([[5, 9], [5, 9]])), are_alike(torch.tensor([[5, 9], [9, 5]]))
        (True, False)
    """
    return not is_exporting() and len(rows) > 1 and bool((rows == rows[0]).all())
