"""Which items come soon after which in training sequences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from ..modeling_baselines.cooccurrence import strongest
from ..modeling_baselines.reading import NUM_SPECIAL_ROWS, read_sequences

WINDOW = 3
"""How many events later an item still counts as a successor."""
MOST_PAIRS = 1 << 26
"""Pairs of events that are counted at most, of as many users, evenly spread, as have so many."""

_WHOLE = 6
"""One over any distance up to `WINDOW`, times this, is a whole number, so that sums do not depend on their order."""


def strongest_successors(
    train_rows: Iterable[Sequence[int]], rows: int, count: int, most_pairs: int = MOST_PAIRS
) -> tuple[torch.Tensor, torch.Tensor]:
    """The items that follow each one most often.

    An event d events later counts 1 / d up to `WINDOW`; the share of item b after item a is the sum of what is counted
    of b after all events of a, over the number of those. Unlike the similarity of two items it has a direction.

    Args:
        train_rows: One sequence of item rows a user, the earliest event first.
        rows: Rows of the item table, `NUM_SPECIAL_ROWS` included.
        count: Successors wanted of each item, which may be one itself; the lower row first among equals.
        most_pairs: Pairs of events that are counted at most.

    Returns:
        (rows, count) int32 rows and float32 shares, falling; 0 and 0 where there are fewer.

    Raises:
        ValueError: If a sequence names a row that is not in the item table.

    Example:
        >>> found, shares = strongest_successors([[2, 3, 4], [2, 4]], rows=5, count=2)
        >>> found.tolist()[2], shares.tolist()[2]
        ([4, 3], [0.75, 0.5])
    """
    parts = list(read_sequences(train_rows, rows))
    items = torch.cat([torch.zeros(0, dtype=torch.long), *(part for part, _ in parts)])
    lengths = torch.cat([torch.zeros(0, dtype=torch.long), *(sizes for _, sizes in parts)])
    step = max(1, -(-len(items) * WINDOW // most_pairs))
    if step > 1:
        spread = torch.arange(len(lengths)) % step == 0
        items, lengths = items[spread.repeat_interleave(lengths)], lengths[spread]
    users = torch.repeat_interleave(lengths)
    keys, counted = [], []
    for distance in range(1, min(WINDOW, len(items) - 1) + 1):
        earlier, later = items[:-distance], items[distance:]
        kept = (users[:-distance] == users[distance:]) & (torch.minimum(earlier, later) >= NUM_SPECIAL_ROWS)
        keys.append(earlier[kept] * rows + later[kept])
        counted.append(torch.full((len(keys[-1]),), _WHOLE // distance))
    pairs, inverse = torch.cat([items[:0], *keys]).unique(return_inverse=True)
    sums = torch.zeros(len(pairs), dtype=torch.long).index_add_(0, inverse, torch.cat([items[:0], *counted]))
    owners = pairs // rows
    shares = sums / (_WHOLE * torch.bincount(items, minlength=rows)[owners])
    return strongest(owners, pairs % rows, shares, rows, count)
