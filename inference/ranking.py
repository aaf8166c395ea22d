"""The best items of a catalogue, block by block: never users x items in memory."""

from __future__ import annotations

from collections.abc import Callable

import torch

BLOCK_SCORES = 1 << 22
"""Scores held at a time (16 MiB in float32)."""

Hide = Callable[[torch.Tensor, int], None]
"""Sets to -inf, in place, what must not be recommended of (queries, block) scores; the second argument is the row of
the first column."""


def top_items(
    queries: torch.Tensor, items: torch.Tensor, k: int, hide: Hide, *, first_row: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the k best items of every query, exactly.

    Scores are made, filtered and reduced to their best in blocks of `BLOCK_SCORES`, so that memory grows with queries
    times k, not with queries times items. The least that this can do is to read the item table once a batch.

    Args:
        queries: (queries, hidden) result of `XCatModel.query_side`.
        items: (rows, hidden) result of `XCatModel.item_side`.
        k: Items wanted.
        hide: Filter; see `Hide`.
        first_row: First row that is an item.

    Returns:
        (queries, k) scores, best first, and their rows; a score of -inf stands where the filter left fewer than k.
        Equal scores are in no particular order.

    Example:
        >>> queries, items = torch.eye(2), torch.tensor([[0.0, 0.0], [1.0, 3.0], [2.0, 1.0]])
        >>> scores, rows = top_items(queries, items, 2, lambda scores, start: None, first_row=1)
        >>> scores.tolist(), rows.tolist()
        ([[2.0, 1.0], [3.0, 1.0]], [[2, 1], [1, 2]])
    """
    block = max(1024, BLOCK_SCORES // max(1, len(queries)))
    best = queries.new_full((len(queries), k), -torch.inf, dtype=torch.float32)
    rows = torch.zeros(len(queries), k, dtype=torch.long, device=queries.device)
    for start in range(first_row, len(items), block):
        scores = torch.mm(queries, items[start : start + block].T).float()
        hide(scores, start)
        values, places = scores.topk(min(k, scores.shape[1]), dim=1)
        merged = torch.cat([best, values], dim=1)
        candidates = torch.cat([rows, places + start], dim=1)
        best, order = merged.topk(k, dim=1)
        rows = candidates.gather(1, order)
    return best, rows
