"""Exact top-k items of a catalogue: in blocks for many queries, with 8-bit codes for a few."""

from __future__ import annotations

import os
from collections.abc import Callable

import torch

from .first_stage_xcat import FirstStage

BLOCK_SCORES = 1 << 22
"""Maximum scores in memory (16 MiB in float32)."""

CODES_FROM = 50_000
"""Minimum number of items, per query, to use codes: with more queries the products take longer than the reading."""

_FEW = 8
"""Queries up to which a product is faster the other way round, items times queries."""

_GROUP = 16
"""Items whose best score is compared first."""

_CODE_LIMIT = 127
_HALF_BF16 = 2.0**-8
_ROUNDING = 1e-5

Adjust = Callable[[torch.Tensor, int], None]
"""Changes (queries, block) scores in place: adds bonuses and sets filtered items to -inf. The second argument is the
item index of the first column."""


def _one_thread() -> None:
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    # OpenMP threads of a process do not exist in its forks; a fork that waits for them hangs.
    os.register_at_fork(after_in_child=_one_thread)


class ItemIndex:
    """Item embeddings of a catalogue, and their top k for queries.

    Many queries are ranked in blocks, so memory grows with queries times k, not with queries times items. For a few
    queries the time is dominated by reading the table, so a large table is also stored with 8 bits per number. The
    error of 8-bit scores is bounded; items within twice that bound of the top k are scored again in float32, so the
    result is exact.

    Args:
        items: (rows, hidden) result of `XCatModel.item_side`, float32.
        first_row: Index of the first item.

    Example:
        >>> index = ItemIndex(torch.tensor([[0.0, 0.0], [1.0, 3.0], [2.0, 1.0]]), first_row=1)
        >>> scores, rows = index.search(torch.eye(2), 2, lambda scores, start: None)
        >>> scores.tolist(), rows.tolist()
        ([[2.0, 1.0], [3.0, 1.0]], [[2, 1], [1, 2]])
    """

    def __init__(self, items: torch.Tensor, first_row: int = 0) -> None:
        self.items, self.first_row = items, first_row
        self._coded = None
        if (
            items.device.type == "cpu"
            and len(items) - first_row >= CODES_FROM
            and hasattr(torch, "_weight_int8pack_mm")
        ):
            self._coded = _coded(items[first_row:])

    def best(self, stage: FirstStage, k: int, hide: Adjust) -> tuple[torch.Tensor, torch.Tensor]:
        """Find the k items with the best scores before re-ranking; see `search`.

        Args:
            stage: The scores.
            k: Number of items.
            hide: The filter, such as an `ItemMask`.
        """

        def adjust(products: torch.Tensor, start: int) -> None:
            stage.add_to(products, start)
            hide(products, start)

        return self.search(stage.queries, k, adjust)

    def search(self, queries: torch.Tensor, k: int, adjust: Adjust) -> tuple[torch.Tensor, torch.Tensor]:
        """Find the k best items of every query, exactly.

        Args:
            queries: (queries, hidden) result of `XCatModel.query_side`.
            k: Number of items.
            adjust: See `Adjust`.

        Returns:
            (queries, k) float32 scores, best first, and their item indices; -inf fills up if the filter leaves fewer
            than k. The order of equal scores is not defined.
        """
        is_large = len(queries) * CODES_FROM <= len(self.items)
        if self._coded is not None and is_large and 2 * k <= len(self.items) // _GROUP:
            return self._search_codes(queries, k, adjust)
        return self._search_blocks(queries, k, adjust)

    def _search_blocks(self, queries: torch.Tensor, k: int, adjust: Adjust) -> tuple[torch.Tensor, torch.Tensor]:
        block = max(1024, BLOCK_SCORES // max(1, len(queries)))
        best = queries.new_full((len(queries), k), -torch.inf, dtype=torch.float32)
        rows = torch.zeros(len(queries), k, dtype=torch.long, device=queries.device)
        for start in range(self.first_row, len(self.items), block):
            items = self.items[start : start + block]
            few = len(queries) <= _FEW
            scores = (torch.mm(items, queries.T).T if few else torch.mm(queries, items.T)).float().contiguous()
            adjust(scores, start)
            values, places = scores.topk(min(k, scores.shape[1]), dim=1)
            best, order = torch.cat([best, values], dim=1).topk(k, dim=1)
            rows = torch.cat([rows, places + start], dim=1).gather(1, order)
        return best, rows

    def _search_codes(self, queries: torch.Tensor, k: int, adjust: Adjust) -> tuple[torch.Tensor, torch.Tensor]:
        assert self._coded is not None
        codes, scales, largest_scale, largest_norm = self._coded
        low = queries.to(torch.bfloat16)
        products = torch._weight_int8pack_mm(low, codes, scales)
        scores, rounded = products.float(), low.float()
        # Rounding errors of the query (bfloat16), the items (codes), the result (bfloat16) and the sums.
        error = (queries - rounded).norm(dim=1) * largest_norm + rounded.abs().sum(1) * largest_scale / 2
        error += (_HALF_BF16 + _ROUNDING) * torch.maximum(scores.amax(1), -scores.amin(1))
        adjust(scores, self.first_row)
        places, found = _candidates(scores, k, 2 * error)
        changed = found - products.gather(1, places).float()
        rows = places + self.first_row
        exact = (self.items[rows] * queries[:, None]).sum(2) + changed
        values, order = exact.masked_fill(found == -torch.inf, -torch.inf).topk(k, dim=1)
        return values, rows.gather(1, order).masked_fill(values == -torch.inf, 0)


def _candidates(scores: torch.Tensor, k: int, margin: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Items whose score is at most a margin below the k-th best one.

    The best score of each group of items is found in one pass; only the best groups are looked at again. A group has
    items from all parts of the catalogue, because similar items are often neighbours in it.

    Args:
        scores: (queries, items) scores; -inf for items that are left out.
        k: Number of best items, at most half of the number of groups.
        margin: (queries,) margin.

    Returns:
        (queries, n) items and their scores, n at least k; item 0 with -inf fills up.

    Example:
        >>> places, found = _candidates(torch.arange(130.0)[None], 1, torch.tensor([1.5]))
        >>> sorted(places[found > -torch.inf].tolist())
        [128, 129]
    """
    groups = scores.shape[1] // _GROUP
    inside, beyond = groups * _GROUP, torch.arange(groups * _GROUP, scores.shape[1])
    best = scores[:, :inside].view(-1, _GROUP, groups).amax(1)
    least = best.topk(k, dim=1).values[:, -1] - margin
    wanted = max(k, int((best >= least[:, None]).sum(1).max()))
    chosen = best.topk(wanted, dim=1).indices
    places = (chosen[:, None] + groups * torch.arange(_GROUP)[:, None]).flatten(1)
    places = torch.cat([places, beyond.expand(len(places), -1)], 1)
    found = scores.gather(1, places)
    least = found.topk(k, dim=1).values[:, -1] - margin
    query, place = ((found >= least[:, None]) & (found > -torch.inf)).nonzero(as_tuple=True)
    counts = torch.bincount(query, minlength=len(found))
    position = torch.arange(len(query)) - (counts.cumsum(0) - counts)[query]
    listed = torch.full((len(found), max(k, int(counts.max()))), -torch.inf)
    rows = torch.zeros(listed.shape, dtype=torch.long)
    listed[query, position], rows[query, position] = found[query, place], places[query, place]
    return rows, listed


def _coded(items: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Items in 8 bits: codes (items, hidden), their scales (items,) in bfloat16, the largest scale and norm."""
    # Rounded up, so that no code is clipped.
    scales = (items.abs().amax(1) / _CODE_LIMIT * (1 + _HALF_BF16)).clamp_(min=1e-20).to(torch.bfloat16)
    codes = torch.empty(items.shape, dtype=torch.int8)
    for start in range(0, len(items), 1 << 16):
        part = slice(start, start + (1 << 16))
        codes[part] = (items[part] / scales[part, None].float()).round_().clamp_(-_CODE_LIMIT, _CODE_LIMIT)
    return codes, scales, scales.float().max(), items.norm(dim=1).max()
