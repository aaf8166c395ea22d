"""Inputs and outputs shared by all click models: histories, candidates and context features of a batch.

It imports only its neighbours here, because `transformers` copies these files next to a checkpoint's weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from transformers.utils import ModelOutput

HISTORY_INPUTS = ("category_ids", "rating_ids", "event_ages", "negative_ids", "negative_category_ids")
"""Names of the inputs with one value per event, beside `item_ids`."""


@dataclass
class ClickOutput(ModelOutput):
    """Output of a click model.

    Attributes:
        loss: Binary cross-entropy, plus the auxiliary loss of the model with its weight; None without labels.
        logits: (rows,) float32 log odds that the user clicks the candidate.
        auxiliary_loss: Auxiliary loss without its weight; None for a model without one, and in evaluation.
    """

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    auxiliary_loss: torch.Tensor | None = None


@dataclass(frozen=True)
class ClickInputs:
    """A batch as click models read it: the events of each history stand at its left end, in order of time.

    Attributes:
        items: (rows, events) item indices; 0 is no event.
        mask: (rows, events) True for events.
        candidates: (rows,) item indices.
        candidate_categories: (rows,) category indices; 0 for none.
        categories: (rows, events) category indices; 0 for none.
        users: (rows,) user indices; 0 for an unknown user.
        ratings: (rows, events) rating buckets; 0 for none.
        ages: (rows, events) seconds from the event to the impression; negative for unknown.
        negatives: (rows, events) an item that the user did not choose at that event, for auxiliary losses; 0 for none.
        negative_categories: (rows, events) its category.
        dense: (rows, features) numbers.
        categorical: (rows, features) indices; 0 for none.
    """

    items: torch.Tensor
    mask: torch.Tensor
    candidates: torch.Tensor
    candidate_categories: torch.Tensor
    categories: torch.Tensor
    users: torch.Tensor
    ratings: torch.Tensor
    ages: torch.Tensor
    negatives: torch.Tensor | None
    negative_categories: torch.Tensor | None
    dense: torch.Tensor
    categorical: torch.Tensor

    @property
    def lengths(self) -> torch.Tensor:
        """(rows,) number of events."""
        return self.mask.sum(1)

    @cached_property
    def owners(self) -> torch.Tensor:
        """(all events,) row of each event, in the order of rows, then times: the order of `values[mask]`."""
        return self.mask.nonzero()[:, 0]

    @property
    def recency(self) -> torch.Tensor:
        """(rows, events) 1 for the last event, 2 for the one before; 0 and less for no event."""
        return self.lengths[:, None] - torch.arange(self.mask.shape[1], device=self.mask.device)

    def sum_of(
        self, states: torch.Tensor, places: torch.Tensor | None = None, weights: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Sums over the events of each row.

        Args:
            states: (states, width) states of the events.
            places: (all events,) state of each event; None if the states are those of the events, in their order.
            weights: (all events,) weight of each event; None for 1.

        Returns:
            (rows, width) sums; zeros for an empty history.
        """
        starts = self.lengths.cumsum(0) - self.lengths
        if places is None:
            places = torch.arange(len(states), device=states.device)
        weights = None if weights is None else weights.to(states.dtype)
        # A bag per row: without padding, and in a fixed order on every device, unlike index_add.
        return torch.nn.functional.embedding_bag(places, states, starts, mode="sum", per_sample_weights=weights)

    def mean_of(self, states: torch.Tensor) -> torch.Tensor:
        """(rows, width) means of (all events, width) states over the events of each row; zeros for an empty one."""
        return self.sum_of(states) / self.lengths.clamp(min=1)[:, None].to(states.dtype)

    def softmax_of(self, scores: torch.Tensor) -> torch.Tensor:
        """(all events,) weights of (all events,) scores, whose sum over the events of each row is 1."""
        numbers = scores.float()
        padded = numbers.new_full(self.mask.shape, torch.finfo(numbers.dtype).min)
        padded[self.mask] = numbers
        return padded.softmax(-1)[self.mask].to(scores.dtype)


def left_aligned(
    item_ids: torch.Tensor, events: Mapping[str, torch.Tensor], max_history: int
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Move the events of each history to its left end, so that padding on either side cannot change a result.

    Args:
        item_ids: (rows, length) item indices; 0 is no event, at any position.
        events: More (rows, length) tensors, moved in the same way.
        max_history: Number of latest events to keep.

    Returns:
        (rows, events) item indices and the other tensors; `events` is the longest history, at least 1.

    Example:
        >>> left_aligned(torch.tensor([[0, 0, 5, 6], [7, 0, 8, 9]]), {}, max_history=2)[0].tolist()
        [[5, 6], [8, 9]]
    """
    present = item_ids > 0
    newer = present.flip(1).cumsum(1).flip(1) - present.long()  # number of later events
    present = present & (newer < max_history)
    order = (~present).long().argsort(dim=1, stable=True)
    longest = max(1, int(present.sum(1).max())) if present.numel() else 1
    if not item_ids.shape[1]:
        empty = item_ids.new_zeros(len(item_ids), 1)
        return empty, {name: values.new_zeros(empty.shape) for name, values in events.items()}
    order, kept = order[:, :longest], present.gather(1, order)[:, :longest]
    moved = {name: values.gather(1, order).masked_fill(~kept, 0) for name, values in events.items()}
    return item_ids.gather(1, order).masked_fill(~kept, 0), moved


def draw_negatives(
    item_ids: torch.Tensor, category_ids: torch.Tensor, generator: torch.Generator | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw a negative per event from all events of a batch, so frequent items are drawn more often.

    The authors of DIEN draw from all events too. An event's own item is never its negative.

    Args:
        item_ids: (rows, events) item indices; 0 is no event.
        category_ids: (rows, events) their categories.
        generator: Generator of the draw, on the device of `item_ids`; None for the global one.

    Returns:
        (rows, events) item indices and their categories; 0 where there is no event, or no other item was drawn in
        four attempts.
    """
    present = item_ids > 0
    pool, pool_categories = item_ids[present], category_ids[present]
    negatives, categories = torch.zeros_like(item_ids), torch.zeros_like(category_ids)
    if not len(pool):
        return negatives, categories
    for _ in range(4):
        drawn = torch.randint(len(pool), item_ids.shape, generator=generator, device=item_ids.device)
        taken = present & (negatives == 0) & (pool[drawn] != item_ids)
        negatives = torch.where(taken, pool[drawn], negatives)
        categories = torch.where(taken, pool_categories[drawn], categories)
    return negatives, categories
