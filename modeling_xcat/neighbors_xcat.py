"""Memories of pairs of items by the training log and by text, looked up rather than learnt."""

from __future__ import annotations

import torch
from torch import nn

from .configuration_xcat import REGRESSION_FROM, XCatConfig
from .recent_events_xcat import RecentEvents


class XCatItemTable(nn.Module):
    """For every item a few others and a number for each; what it holds is counted, not trained.

    Attributes:
        rows: (item rows, count) int32 rows of the others; 0 where there are fewer.
        similarities: (item rows, count) their numbers, 0 where there are fewer.
    """

    rows: torch.Tensor
    similarities: torch.Tensor

    def __init__(self, num_item_rows: int, count: int) -> None:
        super().__init__()
        self.register_buffer("rows", torch.zeros(num_item_rows, count, dtype=torch.int32))
        self.register_buffer("similarities", torch.zeros(num_item_rows, count))


class XCatSuccessors(XCatItemTable):
    """Which items come soon after each one: how often an event of the one is followed by the other, in shares.

    A first-order Markov chain (FPMC, Rendle et al. 2010, has it factorised): unlike the neighbour memory it has a
    direction. Only the second stage goes by it.
    """

    def __init__(self, config: XCatConfig) -> None:
        super().__init__(config.num_item_rows, config.num_successors)


class XCatNeighbors(XCatItemTable):
    """Adds to an item's score what the latest events of a history know of it as their neighbour.

    A dot product of learnt states is smooth: it cannot keep the many pairs of items that were taken together just a
    few times. A table of the items for which each one says the most can. What it says is the weight of a ridge
    regression of the one item on the other, by users and by texts (EASE, Steck 2019, within each item's nearest), and
    the bonus of item i is g sum over the latest events e of d^age(e) w(e, i), with the configuration's
    `neighbor_weight` g, `neighbor_decay` d and `neighbor_window`. Items of the history get none (from format version 2
    on), for what becomes of those is learnt (`XCatRepeats`), with states that know nothing of this memory; with
    `neighbor_history` they get as much as the best of the others. The table is solved for at once, so nothing in it is
    trained, and training leaves it out: it has seen the label it would be asked for. Before format version 4, w was
    the cosine of the sets of users (Sarwar et al. 2001) and the bonus g times the root of the sum.
    """

    def __init__(self, config: XCatConfig) -> None:
        super().__init__(config.num_item_rows, config.num_neighbors)
        self.config = config

    def bonus(
        self, recent: RecentEvents, weight: float | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What each query adds to the scores of which items.

        Args:
            recent: The events before the queries.
            weight: In place of the configuration's `neighbor_weight`.

        Returns:
            (pairs,) numbers of queries, (pairs,) item rows, (pairs,) bonuses; each pair once.
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
        return (
            distinct // size,
            distinct % size,
            float(self.config.neighbor_weight if weight is None else weight) * sums,
        )
