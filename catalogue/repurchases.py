"""How often users come back to items, and after how many events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from ..modeling_baselines.reading import read_sequences
from ..modeling_xcat.configuration_xcat import NUM_SPECIAL_ROWS


def count_returns(train_rows: Iterable[Sequence[int]], rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Count events of items that their user had had before.

    An item's share of customers who buy it again, and the time until they do, are what repeat purchase is modelled by
    in Bhagat et al., "Buy It Again: Modeling Repeat Purchase Recommendations", KDD 2018; here in events.

    Args:
        train_rows: One sequence of item rows a user, the earliest event first.
        rows: Rows of the item table, `NUM_SPECIAL_ROWS` included.

    Returns:
        (rows,) int64 returns to each item, and (rows,) float32 sums over those of the logarithms of the events from
        the one before, counted with it; both 0 for special rows.

    Raises:
        ValueError: If a sequence names a row that is not in the item table.

    Example:
        >>> counts, gaps = count_returns([[2, 3, 2, 2], [3]], rows=4)
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
