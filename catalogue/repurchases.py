"""Repurchases: how often users buy an item again, and after how many events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from ..modeling_baselines.reading import read_sequences
from ..modeling_xcat.configuration_xcat import NUM_SPECIAL_ROWS


def count_repurchases(train_rows: Iterable[Sequence[int]], rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Count the events of items that are earlier in the user's history too.

    Bhagat et al. ("Buy It Again: Modeling Repeat Purchase Recommendations", KDD 2018) model repeat purchases by an
    item's share of customers who buy it again, and the time until they do. Here time is counted in events.

    Args:
        train_rows: One sequence of item indices per user, the earliest event first.
        rows: Rows of the item table, `NUM_SPECIAL_ROWS` included.

    Returns:
        (rows,) int64 repurchases per item, and (rows,) float32 sums of their log distances, in events since the user's
        previous event of the item; both 0 for special rows.

    Raises:
        ValueError: If a sequence contains an index that is not in the item table.

    Example:
        >>> counts, gaps = count_repurchases([[2, 3, 2, 2], [3]], rows=4)
        >>> counts.tolist(), round(gaps[2].exp().item(), 4)
        ([0, 0, 2, 0], 2.0)
    """
    counts, gaps = torch.zeros(rows, dtype=torch.long), torch.zeros(rows, dtype=torch.double)
    for items, sizes in read_sequences(train_rows, rows):
        owned, order = (torch.repeat_interleave(sizes) * rows + items).sort(stable=True)
        again = owned[1:] == owned[:-1]
        returned, distances = items[order][1:][again], (order[1:] - order[:-1])[again]
        counts += torch.bincount(returned, minlength=rows)
        gaps.index_add_(0, returned, distances.double().log())
    counts[:NUM_SPECIAL_ROWS], gaps[:NUM_SPECIAL_ROWS] = 0, 0
    return counts, gaps.float()
