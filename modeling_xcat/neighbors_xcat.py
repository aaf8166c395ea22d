"""Item-to-item tables from the training log and from texts, counted or solved for, not trained."""

from __future__ import annotations

import torch
from torch import nn

from .configuration_xcat import REGRESSION_FROM, XCatConfig
from .first_stage_xcat import Bonus
from .recent_events_xcat import RecentEvents


class XCatItemTable(nn.Module):
    """A few other items per item with a number for each; not trained by gradients.

    Attributes:
        rows: (item rows, count) int32 indices of the other items; 0 for empty places.
        similarities: (item rows, count) their numbers, 0 for empty places.
    """

    rows: torch.Tensor
    similarities: torch.Tensor

    def __init__(self, num_item_rows: int, count: int) -> None:
        super().__init__()
        self.register_buffer("rows", torch.zeros(num_item_rows, count, dtype=torch.int32))
        self.register_buffer("similarities", torch.zeros(num_item_rows, count))


class XCatSuccessors(XCatItemTable):
    """First-order item transitions: share of an item's events that are soon followed by the other item.

    A first-order Markov chain (FPMC, Rendle et al. 2010, factorises it). Unlike item-to-item weights it has a
    direction. Only the re-ranker uses it.
    """

    def __init__(self, config: XCatConfig) -> None:
        super().__init__(config.num_item_rows, config.num_successors)


class XCatNeighbors(XCatItemTable):
    """Adds an item-to-item (EASE) score from the most recent events.

    A dot product of learned states is smooth: it cannot store the many item pairs that co-occur only a few times. A
    table with the best predicted items per item can. Its weights w come from a ridge regression of one item on the
    other, on users and on texts (EASE, Steck 2019, within each item's nearest). The bonus of item i is g sum over the
    latest events e of d^age(e) w(e, i), with the configuration's `neighbor_weight` g, `neighbor_decay` d and
    `neighbor_window`. Items of the history get no bonus (from format version 2 on), because the repeat bias
    (`XCatRepeats`) covers them; with `neighbor_history` they get the maximum of the other items.

    The table has a closed-form solution, so it is not trained. It is disabled during training: it was computed from
    the training events and would leak the label. Before format version 4, w was the cosine of the sets of users
    (Sarwar et al. 2001) and the bonus g times the root of the sum.
    """

    def __init__(self, config: XCatConfig) -> None:
        super().__init__(config.num_item_rows, config.num_neighbors)
        self.config = config

    def weight(self, discovers: bool) -> float:
        """`discover_neighbor_weight` for discovery if it is set, else `neighbor_weight`."""
        own = self.config.discover_neighbor_weight if discovers else None
        return float(self.config.neighbor_weight if own is None else own)

    def bonus(self, recent: RecentEvents, weight: float | None = None) -> Bonus:
        """Bonuses of each query.

        Args:
            recent: The events before the queries.
            weight: Used instead of the configuration's `neighbor_weight` or `discover_neighbor_weight`.
        """
        latest = recent.items[:, : self.config.neighbor_window]
        size, (queries, window) = len(self.rows), latest.shape
        decay = float(self.config.neighbor_decay) ** torch.arange(window, device=latest.device)
        values = self.similarities[latest] * decay[:, None]
        number = torch.arange(queries, device=latest.device)[:, None, None]
        keys = number * size + self.rows[latest].long()
        wanted = values > 0
        distinct, inverse = torch.unique(keys[wanted], return_inverse=True)
        sums = values.new_zeros(distinct.shape).index_add_(0, inverse, values[wanted])
        if self.config.format_version > 1:
            had = torch.unique((number[:, 0] * size + recent.items)[recent.items > 0])
            new = ~torch.isin(distinct, had)
            distinct, sums = distinct[new], sums[new]
            if self.config.neighbor_history:
                best = sums.new_zeros(queries).scatter_reduce_(0, distinct // size, sums, "amax")
                distinct, order = torch.cat([distinct, had]).sort()
                sums = torch.cat([sums, best[had // size]])[order]
        if self.config.format_version < REGRESSION_FROM:
            sums = sums.sqrt()
        factor = self.weight(recent.discovers) if weight is None else float(weight)
        return distinct // size, distinct % size, factor * sums

    def dense_bonus(self, recent: RecentEvents) -> torch.Tensor:
        """(queries, item rows) the bonuses of `bonus`, for exported graphs, where no shape depends on values."""
        latest = recent.items[:, : self.config.neighbor_window]
        decay = float(self.config.neighbor_decay) ** torch.arange(latest.shape[1], device=latest.device)
        values = (self.similarities[latest] * decay[:, None]).clamp(min=0)
        sums = values.new_zeros(latest.shape[0], len(self.rows))
        sums = sums.scatter_add(1, self.rows[latest].long().flatten(1), values.flatten(1))
        if self.config.format_version > 1:
            events = torch.zeros_like(sums).scatter_add(1, recent.items, recent.items.gt(0).to(sums.dtype))
            new = torch.where(events > 0, 0.0, sums)
            best = new.amax(1, keepdim=True) if self.config.neighbor_history else torch.zeros_like(new[:, :1])
            sums = torch.where(events > 0, best, sums)
        if self.config.format_version < REGRESSION_FROM:
            sums = sums.sqrt()
        return self.weight(recent.discovers) * sums
