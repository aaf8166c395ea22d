"""First-order item transitions: items that soon follow an item in training sequences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from ..modeling_baselines.cooccurrence import strongest
from ..modeling_baselines.reading import NUM_SPECIAL_ROWS, read_sequences

WINDOW = 3
"""Maximum distance, in events, of a transition."""
MOST_PAIRS = 1 << 26
"""Maximum pairs of events that are counted. Of larger data, evenly spread users are counted."""

_WHOLE = 6
"""The weight 1 / distance, times this, is an integer for any distance up to `WINDOW`. Sums are then exact in any
order."""


def strongest_transitions(
    train_rows: Iterable[Sequence[int]],
    rows: int,
    count: int,
    most_pairs: int = MOST_PAIRS,
    event_weights: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the items that follow each item most often.

    An event d events later has weight 1 / d, for d up to `WINDOW`. The share of item b after item a is the sum of the
    weights of b after all events of a, divided by the number of events of a. Unlike a similarity it has a direction.

    Args:
        train_rows: One sequence of item indices per user, the earliest event first.
        rows: Rows of the item table, `NUM_SPECIAL_ROWS` included.
        count: Transitions to keep per item, possibly to itself; ties keep the lower index first.
        most_pairs: Maximum pairs of events that are counted.
        event_weights: (events,) weights of all events, user after user: a pair counts the product of both, and the
            divisor their sum for a. None for 1.

    Returns:
        (rows, count) int32 item indices and float32 shares, in descending order; 0 and 0 where there are fewer.

    Raises:
        ValueError: If a sequence contains an index that is not in the item table.

    Example:
        >>> found, shares = strongest_transitions([[2, 3, 4], [2, 4]], rows=5, count=2)
        >>> found.tolist()[2], shares.tolist()[2]
        ([4, 3], [0.75, 0.5])
    """
    parts = list(read_sequences(train_rows, rows))
    items = torch.cat([torch.zeros(0, dtype=torch.long), *(part for part, _ in parts)])
    lengths = torch.cat([torch.zeros(0, dtype=torch.long), *(sizes for _, sizes in parts)])
    weights = None if event_weights is None else event_weights.double()
    step = max(1, -(-len(items) * WINDOW // most_pairs))
    if step > 1:
        spread = torch.arange(len(lengths)) % step == 0
        events = spread.repeat_interleave(lengths)
        items, lengths = items[events], lengths[spread]
        weights = None if weights is None else weights[events]
    users = torch.repeat_interleave(lengths)
    keys, counted = [], [torch.zeros(0, dtype=torch.long if weights is None else torch.double)]
    for distance in range(1, min(WINDOW, len(items) - 1) + 1):
        earlier, later = items[:-distance], items[distance:]
        kept = (users[:-distance] == users[distance:]) & (torch.minimum(earlier, later) >= NUM_SPECIAL_ROWS)
        keys.append(earlier[kept] * rows + later[kept])
        whole = torch.full((len(keys[-1]),), _WHOLE // distance)
        counted.append(whole if weights is None else whole * (weights[:-distance] * weights[distance:])[kept])
    pairs, inverse = torch.cat([items[:0], *keys]).unique(return_inverse=True)
    values = torch.cat(counted)
    sums = torch.zeros(len(pairs), dtype=values.dtype).index_add_(0, inverse, values)
    owners = pairs // rows
    shares = sums / (_WHOLE * torch.bincount(items, weights, minlength=rows)[owners])
    return strongest(owners, pairs % rows, shares.float(), rows, count)
