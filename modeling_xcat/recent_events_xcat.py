"""The latest events before each query: input of item-to-item weights, repeat bias and re-ranker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from .export_xcat import is_exporting
from .layout_xcat import SequenceLayout


@dataclass(frozen=True)
class RecentEvents:
    """The latest events of histories, the latest first.

    Args:
        items: (queries, length) item indices; 0 beyond the history and at negative events, such as returned goods.
        counts: (queries, length) number of events with that item so far, at the latest event of the item; 0 at its
            earlier events, so every item is counted once.
        seen: (queries, n) item indices of whole histories, 0 for none, which discovery leaves out of the ranking; None
            to rank every item, those of the history too.
    """

    items: torch.Tensor
    counts: torch.Tensor
    seen: torch.Tensor | None = None

    def __getitem__(self, part: torch.Tensor | slice) -> RecentEvents:
        """The events of some of the queries."""
        return RecentEvents(self.items[part], self.counts[part], None if self.seen is None else self.seen[part])

    @property
    def discovers(self) -> bool:
        """Whether only items that the histories lack are ranked."""
        return self.seen is not None

    def discovering(self, histories: Sequence[Sequence[int]]) -> RecentEvents:
        """The same events, to rank only items that the histories lack.

        Args:
            histories: Item indices of each query's whole history, which may be longer than the events here.

        Example:
            >>> none = torch.zeros(2, 0, dtype=torch.long)
            >>> RecentEvents(none, none).discovering([[4, 2, 4], [3]]).seen.tolist()
            [[4, 2, 4], [3, 0, 0]]
        """
        rows = [torch.as_tensor(history).long() for history in histories]
        seen = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        return replace(self, seen=seen.to(self.items.device))

    def without(self, removed: torch.Tensor) -> RecentEvents:
        """The same events, of histories whose `seen` lacks an item.

        Args:
            removed: (queries,) item index per query, 0 for none.

        Example:
            >>> none = torch.zeros(2, 0, dtype=torch.long)
            >>> events = RecentEvents(none, none).discovering([[4, 2, 4], [3]])
            >>> events.without(torch.tensor([4, 0])).seen.tolist()
            [[0, 2, 0], [3, 0, 0]]
        """
        if self.seen is None:
            return self
        return replace(self, seen=self.seen.masked_fill(self.seen == removed[:, None], 0))

    def for_purpose_of(self, other: RecentEvents) -> RecentEvents:
        """The same events, to rank the items that `other` ranks."""
        return replace(self, seen=other.seen)

    @classmethod
    def of_queries(
        cls,
        item_ids: torch.Tensor,
        layout: SequenceLayout,
        query_positions: torch.Tensor,
        length: int,
        negative: torch.Tensor | None = None,
    ) -> RecentEvents:
        """Read the events from the rows of a model's input.

        Args:
            item_ids: (rows, length) item indices.
            layout: Positions of histories in the rows.
            query_positions: (queries,) positions in the flattened rows.
            length: Maximum events per history.
            negative: (rows, length) True at negative events. They keep their position, so the ages of the other events
                do not change. None without negative events.
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
    """Count, for every event in the flattened rows, its item's events so far, and find the item's next event.

    Returns:
        (events,) counts from 1, and (events,) flattened positions, past the end without a next event.
    """
    if is_exporting():
        return _occurrences_of_rows(item_ids, layout)
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


def _occurrences_of_rows(item_ids: torch.Tensor, layout: SequenceLayout) -> tuple[torch.Tensor, torch.Tensor]:
    """The same by comparing all pairs of events of a row, because in a graph no shape may depend on values."""
    rows, length = item_ids.shape
    place = torch.arange(length, device=item_ids.device)
    documents = layout.document_ids
    same = (item_ids[:, :, None] == item_ids[:, None, :]) & (documents[:, :, None] == documents[:, None, :])
    ordinals = (same & (place[:, None] >= place)).sum(2)
    later = torch.where(same & (place[:, None] < place), place, length).amin(2)
    start = torch.arange(rows, device=item_ids.device)[:, None] * length
    following = torch.where(later < length, start + later, rows * length)
    return ordinals.flatten(), following.flatten()
