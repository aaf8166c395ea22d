"""Masked events (BERT4Rec): a bidirectional encoder, and the masks of training and of prediction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from .behavior_xcat import BEHAVIOR_ENCODERS, XCatTransformerEncoder
from .configuration_xcat import NUM_SPECIAL_ROWS, XCatConfig
from .layout_xcat import SequenceLayout

LAST_ONLY = 0.1
"""Share of the histories of a training step whose only mask is at their end, as in prediction."""
EVENT_CODES = ("event_type_ids", "rating_ids", "time_gap_ids")
"""Inputs of the model with one code per event."""
_HIDDEN_ROW = 1
"""Item index at a mask; the mask replaces its representation."""


@BEHAVIOR_ENCODERS.register("bidirectional")
class XCatBidirectionalEncoder(XCatTransformerEncoder):
    """Self-attention over whole histories, in which masks stand for items (BERT4Rec, Sun et al. 2019, section 3).

    Sun et al., "BERT4Rec: Sequential Recommendation with Bidirectional Encoder Representations from Transformer", CIKM
    2019. The mask is a trained vector outside the item table, so it is never recommended.
    """

    reads_next = False

    def __init__(self, config: XCatConfig) -> None:
        super().__init__(config)
        self.mask_embedding = nn.Embedding(1, config.hidden_size)

    def attention_mask(self, layout: SequenceLayout) -> torch.Tensor:
        """(rows, 1, length, length) True where a query may see a key: the same history."""
        return layout.history_mask()

    def hide(self, item_embeds: torch.Tensor, masked: torch.Tensor) -> torch.Tensor:
        """(rows, length, hidden) representations with the mask where (rows, length) `masked` is True."""
        return torch.where(masked[..., None], self.mask_embedding.weight.to(item_embeds.dtype), item_embeds)


@dataclass(frozen=True)
class Slots:
    """Histories with one row each: their latest events, and one more slot for the event after them.

    Args:
        events: (histories, slots) position of the slot's event in the flattened rows; -1 for no event.
        before: (histories, slots) position of the event before the slot; -1 for none.
        ends: (histories, slots) True at the slot after the last event.
    """

    events: torch.Tensor
    before: torch.Tensor
    ends: torch.Tensor

    @classmethod
    def after(cls, layout: SequenceLayout, max_history: int) -> Slots:
        """Slots of the histories of a layout, at most `max_history` each: the oldest events are left out.

        Example:
            >>> layout = SequenceLayout.from_inputs(torch.tensor([[7, 8, 9, 5]]), None, torch.tensor([[0, 1, 2, 0]]))
            >>> found = Slots.after(layout, max_history=3)
            >>> found.events.tolist(), found.ends.long().tolist()
            ([[1, 2, -1], [3, -1, -1]], [[0, 0, 1], [0, 1, 0]])
        """
        flat, history, position = layout.unpack_index()
        lengths = torch.bincount(history)
        kept = lengths.clamp(max=max_history - 1)
        slot = position - (lengths - kept)[history]
        width = int(kept.max()) + 1 if len(kept) else 1
        events = flat.new_full((len(lengths), width + 1), -1)  # the first column is for an event before the first slot
        there = slot >= -1
        events[history[there], slot[there] + 1] = flat[there]
        ends = torch.arange(width, device=flat.device) == kept[:, None]
        return cls(events[:, 1:], events[:, :-1], ends)

    def of_events(self, values: torch.Tensor, empty: int = 0) -> torch.Tensor:
        """(histories, slots) values of the slots' events, from (rows, length) values; `empty` without an event."""
        found: torch.Tensor = values.flatten()[self.events.clamp(min=0)]
        return found.masked_fill(self.events < 0, empty)

    def of_labels(self, values: torch.Tensor, empty: int) -> torch.Tensor:
        """The same for values that stand at the event before, such as labels."""
        found: torch.Tensor = values.flatten()[self.before.clamp(min=0)]
        return found.masked_fill(self.before < 0, empty)

    def at_events_before(self, states: torch.Tensor, chosen: torch.Tensor, item_ids: torch.Tensor) -> torch.Tensor:
        """States of slots, at the events before them.

        Args:
            states: (histories, slots, hidden) states.
            chosen: (histories, slots) True for slots after an event.
            item_ids: (rows, length) events of the layout.

        Returns:
            (rows, length, hidden) states; zeros at events before other slots.
        """
        placed = states.new_zeros(item_ids.numel(), states.shape[-1])
        placed = placed.index_put((self.before[chosen],), states[chosen])
        return placed.view(*item_ids.shape, -1)


def draw_masks(eligible: torch.Tensor, probability: float) -> torch.Tensor:
    """Draw the masks of a training step.

    Each eligible slot is masked with the probability. A share `LAST_ONLY` of the histories, and a history without a
    mask, has one mask, at its last eligible slot: Sun et al. train on such samples too (section 3.6).

    Args:
        eligible: (histories, slots) True at slots that may be masked.
        probability: Probability of a mask.

    Returns:
        (histories, slots) True at masks.
    """
    device = eligible.device
    drawn = eligible & (torch.rand(eligible.shape, device=device) < probability)
    later = eligible.flip(1).cumsum(1).flip(1)
    last = eligible & (later == 1)
    only = (torch.rand(len(eligible), 1, device=device) < LAST_ONLY) | ~drawn.any(1, keepdim=True)
    return torch.where(only, last, drawn)


@dataclass(frozen=True)
class ClozeBatch:
    """Inputs and labels of a training step with masks.

    Args:
        item_ids: (histories, slots) item indices, 1 at masks.
        attention_mask: (histories, slots) 1 where there is an event or a mask.
        masked: (histories, slots) True at masks.
        targets: (masks,) item indices behind the masks.
        slots: The slots.
    """

    item_ids: torch.Tensor
    attention_mask: torch.Tensor
    masked: torch.Tensor
    targets: torch.Tensor
    slots: Slots

    @classmethod
    def draw(
        cls, item_ids: torch.Tensor, labels: torch.Tensor, layout: SequenceLayout, max_history: int, probability: float
    ) -> ClozeBatch:
        """Draw masks among the events that have a label; the first event of a history has none.

        Args:
            item_ids: (rows, length) item indices.
            labels: (rows, length) item index of the event after each event; below the first item for no label.
            layout: Histories in the rows.
            max_history: Slots that the model reads.
            probability: Probability of a mask.
        """
        slots = Slots.after(layout, max_history)
        wanted = slots.of_labels(labels, -1)
        eligible = wanted >= NUM_SPECIAL_ROWS
        items = torch.where(slots.ends, wanted.clamp(min=0), slots.of_events(item_ids))
        masked = draw_masks(eligible, probability)
        there = (slots.events >= 0) | (slots.ends & eligible)
        items = items.masked_fill(masked, _HIDDEN_ROW)
        return cls(items, there.long(), masked, wanted[masked], slots)

    @classmethod
    def ends(cls, item_ids: torch.Tensor, layout: SequenceLayout, max_history: int) -> ClozeBatch:
        """One mask after each history, for prediction; see `draw`."""
        slots = Slots.after(layout, max_history)
        items = slots.of_events(item_ids).masked_fill(slots.ends, _HIDDEN_ROW)
        there = (slots.events >= 0) | slots.ends
        return cls(items, there.long(), slots.ends, items[:0, 0], slots)

    def inputs(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Inputs of the model for the slots.

        Args:
            given: Inputs for the (rows, length) events; those of events that are no mask are kept, and masks have the
                code 0, which is unknown.
        """
        kept = {name: value for name, value in given.items() if name not in ("attention_mask", "position_ids")}
        for name in EVENT_CODES:
            if (value := given.get(name)) is not None:
                kept[name] = self.slots.of_events(value).masked_fill(self.masked, 0)
        return {**kept, "item_ids": self.item_ids, "attention_mask": self.attention_mask, "masked": self.masked}


def check_last_events(layout: SequenceLayout, query_positions: torch.Tensor) -> None:
    """Refuse queries at other events than the last: the state there would have read later events.

    Raises:
        ValueError: If there is such a query.
    """
    last = torch.zeros(layout.document_ids.numel(), dtype=torch.bool, device=query_positions.device)
    flat, history, _ = layout.unpack_index()
    ends = torch.ones_like(history, dtype=torch.bool)
    ends[:-1] = history[:-1] != history[1:]
    last[flat[ends]] = True
    inside = int((~last[query_positions]).sum())
    if inside:
        raise ValueError(
            f"{inside} of {len(query_positions)} query_positions are not at the last event of a history, and a "
            "bidirectional encoder predicts only the event after the last; give histories that end there"
        )
