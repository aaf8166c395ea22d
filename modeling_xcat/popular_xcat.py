"""Popular items for users without known events, varied by category."""

from __future__ import annotations

import torch


def popular_rows(
    categories: torch.Tensor, counts: torch.Tensor, allowed: torch.Tensor, k: int
) -> list[tuple[int, float]]:
    """The most popular items, varied so that no category fills the list.

    An item's score is its number of training events divided by its rank within its category, so categories get places
    in proportion to their events (D'Hondt's method). Items without a category count as one category; in a
    catalogue without categories the order is by popularity.

    Args:
        categories: (rows,) code of the category of every row, -1 for none.
        counts: (rows,) training events of every row.
        allowed: (rows,) True for rows that may be recommended.
        k: Number of items.

    Returns:
        At most k pairs of an item row and its score, best first; earlier rows first among equals.

    Example:
        >>> codes, counts = torch.tensor([-1, -1, 0, 0, 1]), torch.tensor([0, 0, 9, 8, 5])
        >>> popular_rows(codes, counts, torch.tensor([False, False, True, True, True]), 2)
        [(2, 9.0), (4, 5.0)]
    """
    rows = allowed.nonzero().squeeze(1)
    rows = rows[counts[rows].argsort(descending=True, stable=True)]
    ranks = torch.ones(len(rows), dtype=torch.long, device=rows.device)
    if bool((categories >= 0).any()):
        order = categories[rows].argsort(stable=True)
        lengths = torch.unique_consecutive(categories[rows][order], return_counts=True)[1]
        first = (lengths.cumsum(0) - lengths).repeat_interleave(lengths)
        ranks[order] = torch.arange(1, len(rows) + 1, device=rows.device) - first
    scores = counts[rows] / ranks
    order = ranks.argsort(stable=True)  # items without events also vary by category
    best = order[scores[order].argsort(descending=True, stable=True)][:k]
    return list(zip(rows[best].tolist(), scores[best].tolist(), strict=True))
