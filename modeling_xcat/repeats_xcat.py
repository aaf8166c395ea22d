"""Repeat bias: learned, because repeat consumption differs between data sets."""

from __future__ import annotations

import torch
from torch import nn

from .configuration_xcat import XCatConfig
from .first_stage_xcat import Bonus
from .recent_events_xcat import RecentEvents

_AGES = 8
_COUNTS = 6
_SCALE = 100.0
"""Score units of a weight of 1: an optimiser moves a weight by about its learning rate per step, and scores span tens
of units."""


class XCatRepeats(nn.Module):
    """Adds a bonus or penalty to items of the history, by recency and number of their events.

    Repeat consumption is common in groceries and rare for books. A dot product with item representations cannot model
    it: the items most similar to a history are the items in it. As in RepeatNet (Ren et al. 2019) repeats have
    separate parameters: the bonus is a_age + c_count, with the number of events since the latest one of the item, and
    the number of its events, in buckets of doubling size.
    """

    def __init__(self, config: XCatConfig) -> None:
        super().__init__()
        self.config = config
        self.ages = nn.Parameter(torch.zeros(_AGES))
        self.counts = nn.Parameter(torch.zeros(_COUNTS))

    def values(self, recent: RecentEvents) -> torch.Tensor:
        """(queries, length) bonus of each event's item, at the item's latest event; 0 at all others."""
        ages = torch.arange(1, recent.items.shape[1] + 1, device=recent.items.device)
        by_age = self.ages[_doubling(ages, _AGES)]
        by_count = self.counts[_doubling(recent.counts.clamp(min=1), _COUNTS)]
        return _SCALE * (by_age + by_count) * recent.counts.gt(0)

    def bonus(self, recent: RecentEvents, weight: float | None = None) -> Bonus:
        """Bonuses of each query.

        Args:
            recent: The events before the queries.
            weight: Used instead of the configuration's `repeat_weight`; 1 is the bias that was trained.
        """
        queries, places = recent.counts.nonzero(as_tuple=True)
        values = float(self.config.repeat_weight if weight is None else weight) * self.values(recent)
        return queries, recent.items[queries, places], values[queries, places]

    def dense_bonus(self, recent: RecentEvents) -> torch.Tensor:
        """(queries, item rows) the bonuses of `bonus`, for exported graphs, where no shape depends on values."""
        values = float(self.config.repeat_weight) * self.values(recent)
        return values.new_zeros(values.shape[0], self.config.num_item_rows).scatter_add(1, recent.items, values)


def _doubling(numbers: torch.Tensor, buckets: int) -> torch.Tensor:
    """Bucket of whole numbers from 1: 1, 2 to 3, 4 to 7, and so on; the last one takes all larger numbers."""
    return numbers.float().log2().floor().long().clamp(max=buckets - 1)
