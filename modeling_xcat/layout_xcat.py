"""Mapping of events to histories, for padded and packed rows."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class SequenceLayout:
    """Histories laid out in rows.

    A row holds one padded history, or several packed ones; in both cases a history starts wherever `position_ids`
    is 0, and positions without an event are masked.

    Args:
        document_ids: (rows, length) number of the history within its row, -1 where there is no event.
        position_ids: (rows, length) position of the event within its history, from 0; 0 where there is no event.
    """

    document_ids: torch.Tensor
    position_ids: torch.Tensor

    @classmethod
    def from_inputs(
        cls, item_ids: torch.Tensor, attention_mask: torch.Tensor | None, position_ids: torch.Tensor | None
    ) -> SequenceLayout:
        """Read the layout from the model's inputs.

        Args:
            item_ids: (rows, length) item indices, 0 where there is no event.
            attention_mask: (rows, length), 0 where there is no event; taken from `item_ids` if None.
            position_ids: (rows, length), restarting at 0 with every history; counted from the mask if None, which
                makes each row one history, padded on either side.
        """
        mask = item_ids.ne(0) if attention_mask is None else attention_mask.bool()
        if position_ids is None:
            position_ids = mask.long().cumsum(1) - 1
        position_ids = position_ids.masked_fill(~mask, 0)
        starts = mask & position_ids.eq(0)
        return cls((starts.long().cumsum(1) - 1).masked_fill(~mask, -1), position_ids)

    @property
    def mask(self) -> torch.Tensor:
        """(rows, length) True where there is an event."""
        return self.document_ids.ge(0)

    def last(self, count: int) -> SequenceLayout:
        """The layout of the last (rows, count) places."""
        start = self.document_ids.shape[1] - count
        return SequenceLayout(self.document_ids[:, start:], self.position_ids[:, start:])

    def causal_mask(self) -> torch.Tensor:
        """(rows, 1, length, length) True where a query may see a key: same history, not later.

        A position without an event sees itself, so that no row of attention weights is empty.
        """
        length = self.document_ids.shape[1]
        index = torch.arange(length, device=self.document_ids.device)
        earlier = index[:, None] >= index[None, :]
        same = self.document_ids[:, :, None].eq(self.document_ids[:, None, :]) & self.mask[:, :, None]
        return ((same & earlier) | index[:, None].eq(index[None, :]))[:, None]

    def history_mask(self) -> torch.Tensor:
        """(rows, 1, length, length) True where a query may see a key: same history, earlier or later.

        A position without an event sees the others without one, so that no row of attention weights is empty.
        """
        return self.document_ids[:, :, None].eq(self.document_ids[:, None, :])[:, None]

    def memory_mask(self, document_ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """(rows, 1, length, memory) True where an event may see a memory token: same history, not later.

        Args:
            document_ids: (rows, memory) history of each memory token, -1 for none.
            positions: (rows, memory) first event position that may see the token.
        """
        same = self.document_ids[:, :, None].eq(document_ids[:, None, :]) & document_ids[:, None, :].ge(0)
        return (same & (positions[:, None, :] <= self.position_ids[:, :, None]))[:, None]

    def unpack_index(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Addresses of every event when each history gets its own row.

        Returns:
            flat: (events,) position of the event in the flattened rows.
            history: (events,) number of its history over the whole batch.
            position: (events,) position within the history.
        """
        flat = self.mask.flatten().nonzero().squeeze(1)
        starts = (self.mask & self.position_ids.eq(0)).flatten()
        history = starts.long().cumsum(0) - 1
        return flat, history[flat], self.position_ids.flatten()[flat]
