"""Whether users come back to what they had: learnt, because shops differ in it."""

from __future__ import annotations

import torch
from torch import nn

from .configuration_xcat import XCatConfig
from .recent_events_xcat import RecentEvents

_AGES = 8
_COUNTS = 6
_SCALE = 100.0
"""Score units of a weight of 1: an optimiser moves a weight by about its learning rate a step, and the scores that
these compete with span tens of units."""


class XCatRepeats(nn.Module):
    """Adds to the scores of the items of a history, or takes from them, by how long ago and how often they were there.

    A grocer's customers come back to most of what they buy, a bookshop's to none. A dot product with item
    representations cannot say so: what is like the history is like its items most of all. As in RepeatNet (Ren et
    al. 2019) repeating has parameters of its own: the bonus is a_age + c_count, with the events since the latest time
    and the number of times in buckets that double.
    """

    def __init__(self, config: XCatConfig) -> None:
        super().__init__()
        self.config = config
        self.ages = nn.Parameter(torch.zeros(_AGES))
        self.counts = nn.Parameter(torch.zeros(_COUNTS))

    def values(self, recent: RecentEvents) -> torch.Tensor:
        """(queries, length) bonus of each event's item, at the latest event that names it; 0 at all others."""
        ages = torch.arange(1, recent.items.shape[1] + 1, device=recent.items.device)
        by_age = self.ages[_doubling(ages, _AGES)]
        by_count = self.counts[_doubling(recent.counts.clamp(min=1), _COUNTS)]
        return _SCALE * (by_age + by_count) * recent.counts.gt(0)

    def bonus(self, recent: RecentEvents) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What each query adds to the scores of which items.

        Args:
            recent: The events before the queries.

        Returns:
            (pairs,) numbers of queries, (pairs,) item rows, (pairs,) bonuses times `repeat_weight`; each pair once.
        """
        queries, places = recent.counts.nonzero(as_tuple=True)
        values = float(self.config.repeat_weight) * self.values(recent)
        return queries, recent.items[queries, places], values[queries, places]


def _doubling(numbers: torch.Tensor, buckets: int) -> torch.Tensor:
    """Bucket of whole numbers from 1: 1, 2 to 3, 4 to 7, and so on; the last takes all that are left."""
    return numbers.float().log2().floor().long().clamp(max=buckets - 1)
