"""Views of packed histories for pretraining: masked from both sides, and with dropped items and texts."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .layout_xcat import SequenceLayout


def mirrored(layout: SequenceLayout) -> torch.Tensor:
    """Addresses that reverse the order of the events of each history.

    Args:
        layout: Histories in rows; the events of a history are adjacent.

    Returns:
        (rows x length,) position in the flattened rows of the event that takes each place; a place without an event
        keeps itself. Applied twice, it changes nothing.

    Example:
        >>> layout = SequenceLayout.from_inputs(torch.tensor([[5, 6, 7, 8, 0]]), None, torch.tensor([[0, 1, 2, 0, 0]]))
        >>> mirrored(layout).tolist()
        [2, 1, 0, 3, 4]
    """
    flat, history, position = layout.unpack_index()
    lengths = torch.bincount(history)
    places = torch.arange(layout.document_ids.numel(), device=flat.device)
    return places.index_copy(0, flat, flat - position + lengths[history] - 1 - position)


def last_events(layout: SequenceLayout) -> torch.Tensor:
    """(histories,) position in the flattened rows of the last event of each history."""
    flat, history, _ = layout.unpack_index()
    last = torch.ones_like(history, dtype=torch.bool)
    last[:-1] = history[:-1] != history[1:]
    return flat[last]


@dataclass(frozen=True)
class DroppedView:
    """Histories without some of their events, and with hidden texts at others.

    The remaining events keep their places in the rows and get new positions.

    Args:
        attention_mask: (rows, length) 1 at the remaining events.
        position_ids: (rows, length) positions among the remaining events of each history.
        hidden: (rows, length) True where the text of a remaining event is hidden.
        last: (histories,) position in the flattened rows of the last remaining event of each history.
    """

    attention_mask: torch.Tensor
    position_ids: torch.Tensor
    hidden: torch.Tensor
    last: torch.Tensor

    @classmethod
    def draw(cls, layout: SequenceLayout, probability: float) -> DroppedView:
        """Drop each event, and hide the text of each remaining event, with the same probability.

        A history that would lose all events keeps its last one. The last remaining event keeps its text, so no view
        is without any.

        Args:
            layout: Histories in rows.
            probability: Probability of both.
        """
        flat, history, _ = layout.unpack_index()
        kept = torch.rand(len(flat), device=flat.device) >= probability
        histories = int(history[-1]) + 1 if len(history) else 0
        alive = torch.zeros(histories, dtype=torch.bool, device=flat.device)
        alive[history[kept]] = True
        kept |= torch.isin(flat, last_events(layout)[~alive])
        order = kept.long().cumsum(0) - 1
        first = torch.full((histories,), len(flat), device=flat.device)
        first = first.scatter_reduce(0, history[kept], order[kept], "amin")
        rows = layout.document_ids
        mask = torch.zeros_like(rows).flatten().index_copy(0, flat, kept.long()).view_as(rows)
        position = torch.zeros_like(rows).flatten()
        position = position.index_copy(0, flat[kept], (order - first[history])[kept]).view_as(rows)
        last = last_events(SequenceLayout.from_inputs(mask, mask, position))
        hidden = mask.bool() & (torch.rand(mask.shape, device=flat.device) < probability)
        hidden.view(-1)[last] = False
        return cls(mask, position, hidden, last)
