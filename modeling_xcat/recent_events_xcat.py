"""The latest events before each query: what the memories that are looked up rather than learnt go by."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .layout_xcat import SequenceLayout


@dataclass(frozen=True)
class RecentEvents:
    """The latest events of histories, the latest first.

    Args:
        items: (queries, length) item rows; 0 where a history is shorter, and at negative events, such as returns.
        counts: (queries, length) how often the history has named that item by then, where this event is the latest
            to do so; 0 at earlier events of the same item, so that every item is counted once.
    """

    items: torch.Tensor
    counts: torch.Tensor

    def __getitem__(self, part: torch.Tensor | slice) -> RecentEvents:
        """The events of some of the queries."""
        return RecentEvents(self.items[part], self.counts[part])

    @classmethod
    def of_queries(
        cls,
        item_ids: torch.Tensor,
        layout: SequenceLayout,
        query_positions: torch.Tensor,
        length: int,
        negative: torch.Tensor | None = None,
    ) -> RecentEvents:
        """Read them off the rows of a model's input.

        Args:
            item_ids: (rows, length) item rows.
            layout: Where histories lie in the rows.
            query_positions: (queries,) positions in the flattened rows.
            length: Events wanted of each history, at most.
            negative: (rows, length) True at events that do not count as having their item. They keep their place, so
                that the ages of the other events are the same. None for no such events.
        """
        if negative is not None:
            item_ids = item_ids.masked_fill(negative, 0)
        ages = torch.arange(length, device=item_ids.device)
        within = layout.position_ids.flatten()[query_positions, None] >= ages
        places = (query_positions[:, None] - ages).clamp(min=0)
        ordinals, following = _occurrences(item_ids, layout)
        latest = within & (following[places] > query_positions[:, None])
        items = item_ids.flatten()[places] * within
        if negative is not None:
            latest = latest & items.ne(0)
        return cls(items, ordinals[places] * latest)


def _occurrences(item_ids: torch.Tensor, layout: SequenceLayout) -> tuple[torch.Tensor, torch.Tensor]:
    """Of every event in the flattened rows: how often its history has named its item by then, and where it is next.

    Returns:
        (events,) counts from 1, and (events,) flattened positions, past the end where the item does not come again.
    """
    items, total = item_ids.flatten(), item_ids.numel()
    starts = (layout.mask & layout.position_ids.eq(0)).flatten().long().cumsum(0)
    keys, order = torch.sort(starts * (items.max() + 1 if total else 1) + items, stable=True)
    first = torch.ones_like(keys, dtype=torch.bool)
    first[1:] = keys[1:] != keys[:-1]
    index = torch.arange(total, device=items.device)
    run = torch.where(first, index, 0).cummax(0).values
    ordinals = torch.empty_like(items).index_copy_(0, order, index - run + 1)
    following = torch.full_like(items, total)
    again = ~first[1:]
    following[order[:-1][again]] = order[1:][again]
    return ordinals, following
