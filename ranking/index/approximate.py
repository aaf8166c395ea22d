"""Search with an approximate index: it finds a pool of items, and the pool has the exact scores of the model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from ...modeling_xcat.configuration_xcat import NUM_SPECIAL_ROWS
from ...modeling_xcat.first_stage_xcat import FirstStage
from ...modeling_xcat.item_mask_xcat import ItemMask
from ...modeling_xcat.ranking_xcat import ItemIndex
from .kinds import Finder

SELECTIVE = 0.5
"""Share of the items that a filter keeps, below which every item is scored: an index would have to look so far for
enough of them that it would take longer."""
FRESH_ITEMS = 2_000
"""Maximum number of new or changed items that are scored in every request, before they are added to the index."""
EXTRA = 100
"""Items that a finder finds beside a multiple of the wanted ones."""
_QUERIES_AT_ONCE = 64


@dataclass(frozen=True)
class ApproximateIndex:
    """Item embeddings with a finder; a drop-in for `ItemIndex`.

    The finder indexes the parts of a score that are a product of a query and an item: embeddings, rates by segment,
    and the cold-item boost (`product_items`). Fresh items join what it found, and so do items with item-to-item
    weights or a repeat bias. The pool then has the exact scores, so only its choice is approximate.

    Every item is scored instead, as without an index, for a query in words (every item has a score of its own for it),
    for a filter that keeps less than `SELECTIVE` of the items, and for a pool with fewer items than wanted.

    Args:
        items: (rows, hidden) item embeddings, float32.
        finder: Finds items.
        effort: Effort of its search.
        fresh: (n,) indices of items that the finder lacks, or has with an earlier vector.
        cold_row: Index of a cold item, to read the cold-item boost from; 0 for none.
        segments: Number of segments of the model.
    """

    items: torch.Tensor
    finder: Finder
    effort: int
    fresh: torch.Tensor
    cold_row: int = 0
    segments: int = 0

    @cached_property
    def exact(self) -> ItemIndex:
        """The same items without a finder."""
        return ItemIndex(self.items, first_row=NUM_SPECIAL_ROWS)

    def best(self, stage: FirstStage, k: int, hide: ItemMask) -> tuple[torch.Tensor, torch.Tensor]:
        """Find the k best items of every query; see `ItemIndex.best`."""
        if stage.asked is not None or hide.least_share < SELECTIVE or k * self.finder.oversampling >= len(self.items):
            return self.exact.best(stage, k, hide)
        pool = self._pool(stage, k, hide)
        scores, rows = [], []
        for part in torch.arange(len(pool), device=pool.device).split(_QUERIES_AT_ONCE):
            found = self._scored(stage.of_queries(part), pool[part], hide, part)
            values, places = found.topk(min(k, found.shape[1]), dim=1)
            scores.append(values)
            rows.append(pool[part].gather(1, places))
        best, listed = torch.cat(scores), torch.cat(rows)
        if best.shape[1] < k or bool(best[:, -1].isneginf().any()):
            return self.exact.best(stage, k, hide)
        return best, listed

    def _scored(self, stage: FirstStage, pool: torch.Tensor, hide: ItemMask, users: torch.Tensor) -> torch.Tensor:
        """(queries, n) scores of pools of some users; -inf for items that are left out."""
        scores = stage.scores_of(pool, self.items)
        kept = hide.of_users(users).keeps(pool)
        if stage.seen is not None and stage.seen.shape[1]:
            ordered = stage.seen.sort(dim=1).values
            place = torch.searchsorted(ordered, pool).clamp(max=ordered.shape[1] - 1)
            kept &= ordered.gather(1, place) != pool
        return scores.masked_fill(~kept, -torch.inf)

    def _pool(self, stage: FirstStage, k: int, hide: ItemMask) -> torch.Tensor:
        """(queries, n) different item indices to score, 0 for none."""
        count = self.finder.oversampling * k + EXTRA + (0 if stage.seen is None else stage.seen.shape[1])
        queries = product_queries(stage, self.cold_row, self.segments)
        found = torch.from_numpy(self._found(queries, count, hide)).to(self.items.device)
        found = found.masked_fill(found >= len(self.items), 0)  # added to a shared finder after this index was made
        parts = [found, self.fresh.expand(len(found), -1), *_with_bonus(stage)]
        pool = torch.cat(parts, 1).sort(dim=1).values
        again = torch.zeros_like(pool, dtype=torch.bool)
        again[:, 1:] = pool[:, 1:] == pool[:, :-1]
        return pool.masked_fill(again, 0)

    def _found(self, queries: np.ndarray, count: int, hide: ItemMask) -> np.ndarray:
        if not hide.by_user:
            return self._find(queries, count, None if hide.everything else hide.allowed)
        parts = [self._find(queries[user : user + 1], count, hide.of_user(user)) for user in range(len(queries))]
        return np.concatenate(parts)

    def _find(self, queries: np.ndarray, count: int, allowed: torch.Tensor | None) -> np.ndarray:
        if allowed is None:
            return self.finder.find(queries, count, self.effort, None)
        share = max(SELECTIVE, float(allowed.float().mean()))  # fewer of the near items are allowed: look further
        return self.finder.find(queries, count, round(self.effort / share**2), allowed.cpu().numpy())

    def changed(self, items: torch.Tensor, rows: torch.Tensor, cold_row: int, vectors: Any) -> ApproximateIndex:
        """An index with new and changed items, which the next search finds; this one does not change.

        Args:
            items: (rows, hidden) embeddings of all items.
            rows: (n,) indices of the new and changed ones.
            cold_row: Index of a cold item, 0 for none.
            vectors: Computes (n, width) `product_items` of item indices.
        """
        fresh = torch.unique(torch.cat([self.fresh, rows]))
        finder = self.finder
        if len(fresh) > FRESH_ITEMS:
            finder, fresh = finder.added(fresh.cpu().numpy(), vectors(fresh)), fresh[:0]
        return replace(self, items=items, finder=finder, fresh=fresh, cold_row=cold_row)


def product_items(base: Any, items: torch.Tensor, rows: torch.Tensor) -> np.ndarray:
    """(n, width) float32 vectors of items whose products with `product_queries` are scores without pair bonuses.

    Args:
        base: The `XCatModel`.
        items: (rows, hidden) item embeddings.
        rows: (n,) item indices.
    """
    parts = [items[rows]]
    if base.segments is not None:
        parts.append(base.segments.rates[rows].float())
    parts.append((base.items.item_counts[rows] == 0).float()[:, None])
    vectors: np.ndarray = torch.cat(parts, 1).cpu().numpy()
    return vectors


def product_queries(stage: FirstStage, cold_row: int, segments: int) -> np.ndarray:
    """(queries, width) float32 vectors; see `product_items`.

    Args:
        stage: The scores.
        cold_row: Index of a cold item, 0 for none.
        segments: Number of segments of the model.
    """
    boost = 0.0 if stage.boosts is None or not cold_row else float(stage.boosts[cold_row])
    count = len(stage.queries)
    shares = stage.queries.new_zeros(count, segments) if stage.segments is None else stage.segments.shares
    vectors = torch.cat([stage.queries, shares, stage.queries.new_full((count, 1), boost)], 1)
    queries: np.ndarray = vectors.cpu().numpy()
    return queries


def _with_bonus(stage: FirstStage) -> list[torch.Tensor]:
    """(queries, n) indices of items with a positive bonus, 0 for none; one entry per kind of bonus."""
    listed = []
    for queries, rows, values in stage.bonuses:
        queries, rows = queries[values > 0], rows[values > 0]
        counts = torch.bincount(queries, minlength=len(stage.queries))
        order = queries.argsort(stable=True)
        place = torch.arange(len(queries), device=rows.device) - (counts.cumsum(0) - counts)[queries[order]]
        found = rows.new_zeros(len(counts), int(counts.max()) if len(counts) else 0)
        found[queries[order], place] = rows[order]
        listed.append(found)
    return listed
