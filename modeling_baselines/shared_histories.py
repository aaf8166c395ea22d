"""Distinct histories of a batch: what depends on no candidate is computed once for pairs that share a history.

It imports only its neighbours here, because `transformers` copies these files next to a checkpoint's weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .click_inputs import ClickInputs


@dataclass(frozen=True)
class SharedHistories:
    """Distinct histories of a batch; a history with which a longer one begins is left out.

    The state of an event that reads only itself and earlier events is then the same in all of them.

    Attributes:
        lengths: (histories,) number of events of the distinct histories.
        first: (distinct events,) an event of the batch per event of the distinct histories, in their order.
        places: (all events,) place of each event of the batch among the distinct events.
    """

    lengths: torch.Tensor
    first: torch.Tensor
    places: torch.Tensor

    @classmethod
    def of(cls, inputs: ClickInputs) -> SharedHistories:
        """Distinct histories of a batch; events are equal if item, category and rating are.

        Args:
            inputs: The batch.
        """
        rows, times = inputs.mask.nonzero().unbind(1)
        keys = torch.stack([inputs.items, inputs.categories, inputs.ratings], dim=-1)
        # Sorted, so a history stands just before the longer ones that begin with it: 0, no event, is the smallest.
        unique, inverse = torch.unique(keys, dim=0, return_inverse=True)
        kept = torch.ones(len(unique), dtype=torch.bool, device=rows.device)
        kept[:-1] = ~((unique[:-1] == unique[1:]).all(-1) | (unique[:-1, :, 0] == 0)).all(1)
        row_numbers = torch.arange(len(inverse), device=rows.device)
        row_of = torch.full_like(kept, len(inverse), dtype=torch.long).scatter_reduce(0, inverse, row_numbers, "amin")
        lengths = inputs.lengths[row_of[kept]]
        ends = lengths.cumsum(0)
        events = torch.arange(int(lengths.sum()), device=rows.device)
        shift = inputs.lengths.cumsum(0)[row_of[kept]] - ends
        first = events + shift.repeat_interleave(lengths)
        history = (kept.cumsum(0) - kept.long())[inverse]  # per row, the next history that is kept
        return cls(lengths, first, (ends - lengths)[history[rows]] + times)
