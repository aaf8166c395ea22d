"""Segments of users, and how often the users of each segment buy an item for the first time; for discovery."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from .configuration_xcat import TRENDS_FROM, XCatConfig
from .export_xcat import is_exporting

_TEMPERATURE = 0.05
"""Divides the cosines of a user with the segments: the nearest segments have most of the share."""
TRENDS = (
    "rate", "events", "events in 2 weeks", "events in 8 weeks", "first purchases in 2 weeks",
    "first purchases in 8 weeks", "trend",
)  # fmt: skip
"""Columns of `XCatSegments.trends`, with weeks of a year-long log; `catalogue/trends.py` computes them."""


@dataclass(frozen=True)
class SegmentScores:
    """A part of the score for discovery: shares of the segments times the items' rates there.

    Args:
        shares: (queries, segments) shares of the segments.
        rates: (item rows, segments) logarithm of the rates.
    """

    shares: torch.Tensor
    rates: torch.Tensor

    def block(self, start: int, end: int) -> torch.Tensor:
        """(queries, end - start) scores of item indices from `start` to below `end`."""
        return self.shares @ self.rates[start:end].T

    def of_items(self, rows: torch.Tensor) -> torch.Tensor:
        """(queries, n) scores of (queries, n) item indices."""
        return (self.rates[rows] @ self.shares[..., None]).squeeze(-1)


class XCatSegments(nn.Module):
    """Rates of first purchases by segment of users: popularity among users who lack an item.

    Popular items are often bought again, so popularity overrates them for users who lack them. The rate of an item
    divides its first purchases by the baskets in which it could have been one: those of users who did not have it yet.
    The segments are clusters of users with similar items. A user has a share in each segment, by the
    cosine with its centre, and the score is the mean logarithm of the rates with these shares. `catalogue/segments.py`
    computes the tables from the training log; they are not trained by gradients, and nothing is stored per user.

    Attributes:
        tastes: (item rows, width) vector of each item; their sum over a history is the user's.
        centers: (segments, width) unit vectors of the segments.
        rates: (item rows, segments) logarithm of the rates.
        trends: (item rows, trends) values of `TRENDS`, from format version 13 on.
    """

    tastes: torch.Tensor
    centers: torch.Tensor
    rates: torch.Tensor
    trends: torch.Tensor

    def __init__(self, config: XCatConfig) -> None:
        super().__init__()
        self.config = config
        rows, count, width = config.num_item_rows, config.num_segments, config.segment_width
        self.register_buffer("tastes", torch.zeros(rows, width))
        self.register_buffer("centers", torch.zeros(count, width))
        self.register_buffer("rates", torch.zeros(rows, count))
        if config.format_version >= TRENDS_FROM:
            self.register_buffer("trends", torch.zeros(rows, len(TRENDS)))

    def shares(self, histories: torch.Tensor) -> torch.Tensor:
        """Shares of the segments.

        Args:
            histories: (queries, n) item indices, 0 for none; an item counts once.

        Returns:
            (queries, segments) shares, which sum to 1; equal ones for a history without known items.
        """
        return self.shares_of(self.users(histories))

    def users(self, histories: torch.Tensor) -> torch.Tensor:
        """(queries, width) sums of `tastes` over the distinct items of histories; see `shares`."""
        ordered = histories.sort(dim=1).values
        again = torch.zeros_like(ordered, dtype=torch.bool)
        again[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
        ordered = ordered.masked_fill(again, 0)
        if is_exporting():  # the offsets of `embedding_bag` would depend on the number of histories
            return (self.tastes.float()[ordered] * ordered.gt(0)[..., None]).sum(1)
        return nn.functional.embedding_bag(ordered, self.tastes.float(), mode="sum", padding_idx=0)

    def shares_of(self, users: torch.Tensor) -> torch.Tensor:
        """(users, segments) shares of (users, width) sums of `tastes`."""
        cosines = nn.functional.normalize(users, dim=1) @ self.centers.float().T
        return torch.softmax(cosines / _TEMPERATURE, dim=1)

    def scores(self, histories: torch.Tensor) -> SegmentScores:
        """The rates as a part of the score; see `shares`."""
        return SegmentScores(self.shares(histories), self.rates.float())
