"""Deep interest evolution network (DIEN).

Zhou et al., "Deep Interest Evolution Network for Click-Through Rate Prediction", AAAI 2019. It imports only its
neighbours here, because `transformers` copies these files next to a checkpoint's weights.
"""

from typing import Any

import torch
from huggingface_hub.dataclasses import strict
from torch import nn

from .click_inputs import ClickInputs
from .click_layers import masked_softmax, next_event_loss
from .deep_click import DeepClickConfig, DeepClickModel


@strict
class DIENConfig(DeepClickConfig):
    """Configuration of `DIENModel`: the fields of `DeepClickConfig`, and one more.

    Args:
        auxiliary_weight: Weight of the auxiliary loss (alpha in equation 7).

    Raises:
        ValueError: If a value is out of range.
    """

    model_type = "xcat_dien"

    auxiliary_weight: float | int = 1.0

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        self._check_at_least({"auxiliary_weight": 0})


class AUGRU(nn.Module):
    """GRU whose update gate is multiplied by the attention to each event (equations 2 to 5, 15 and 16).

    u = a s(W_u i + U_u h), r = s(W_r i + U_r h), c = tanh(W_c i + r * U_c h), h' = (1 - u) * h + u * c

    for an event's input i and attention a, the state h before it and h' after it. An attention of 0 keeps the state.

    Args:
        width: Width of inputs and states.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.input = nn.Linear(width, 3 * width)
        self.state = nn.Linear(width, 3 * width, bias=False)

    def step(self, projected: torch.Tensor, attention: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        """One event.

        Args:
            projected: (rows, 3 width) result of `input`.
            attention: (rows, 1) attention.
            state: (rows, width) state before.

        Returns:
            (rows, width) state after.
        """
        update, reset, new = projected.chunk(3, dim=-1)
        update_of, reset_of, new_of = self.state(state).chunk(3, dim=-1)
        update = attention * torch.sigmoid(update + update_of)
        new = torch.tanh(new + torch.sigmoid(reset + reset_of) * new_of)
        return torch.lerp(state, new.to(state.dtype), update.to(state.dtype))  # autocast may change the types

    def forward(self, inputs: torch.Tensor, attention: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """State after the last event of each history.

        Rows are sorted by length, so that a step computes only the histories that have the event.

        Args:
            inputs: (rows, events, width) inputs.
            attention: (rows, events) attention; 0 where there is no event.
            lengths: (rows,) number of events, on the CPU, at least 1.

        Returns:
            (rows, width) states.
        """
        both = _packed(torch.cat([inputs, attention[..., None]], dim=-1), lengths)
        sizes = both.batch_sizes.tolist()
        projected = self.input(both.data[:, :-1]).split(sizes)
        state, finished = inputs.new_zeros(len(inputs), inputs.shape[-1]), []
        for now, at, size in zip(projected, both.data[:, -1:].split(sizes), sizes, strict=True):
            finished.append(state[size:])
            state = self.step(now, at, state[:size])
        assert both.unsorted_indices is not None
        return torch.cat([state, *reversed(finished)])[both.unsorted_indices]


def _packed(values: torch.Tensor, lengths: torch.Tensor) -> nn.utils.rnn.PackedSequence:
    return nn.utils.rnn.pack_padded_sequence(values, lengths, batch_first=True, enforce_sorted=False)


class DIENModel(DeepClickModel):
    """GRU over the events with an auxiliary loss, attention to its states, and a GRU with that attention.

    * Interest extractor (equations 2 to 5): a GRU over the states of the events gives h_t. The auxiliary loss (6)
      trains h_t to tell event t + 1 from a negative, over real events only; each event has its own negative.
    * Attention (14): a_t = softmax_t(h_t W e_a) over real events, for the candidate's state e_a.
    * Interest evolution (15, 16): `AUGRU`. The feature is its state after the last real event.

    As in the authors' code, the mean of the events and its product with the candidate are further features. Equations
    have the numbers of the paper; loss (7) = log loss + `auxiliary_weight` * auxiliary loss.
    """

    config_class = DIENConfig
    needs_negatives = True

    def __init__(self, config: DIENConfig) -> None:
        super().__init__(config)
        width = config.item_width
        self.extractor = nn.GRU(width, width, batch_first=True)
        self.attention = nn.Linear(width, width, bias=False)
        self.evolution = AUGRU(width)
        self.make_tower(3 * width)

    @property
    def auxiliary_weight(self) -> float:
        """Weight of the auxiliary loss in the loss."""
        return float(self.config.auxiliary_weight)

    def event_weights(self, inputs: ClickInputs, states: torch.Tensor, candidate: torch.Tensor) -> torch.Tensor:
        """(rows, events) attention to GRU states; 0 where there is no event."""
        return masked_softmax((states @ self.attention(candidate)[..., None]).squeeze(-1), inputs.mask)

    def interests(
        self, inputs: ClickInputs, events: torch.Tensor, candidate: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Compute the features of a history; see `DeepClickModel.interests`."""
        lengths = inputs.lengths.clamp(min=1).cpu()  # an empty history has attention 0, and its state stays 0
        packed, _ = self.extractor(_packed(events, lengths))
        states, _ = nn.utils.rnn.pad_packed_sequence(packed, batch_first=True, total_length=events.shape[1])
        final = self.evolution(states, self.event_weights(inputs, states, candidate), lengths)
        mean = inputs.mean_of(events)
        auxiliary_loss = None
        if (negatives := self.negative_states(inputs)) is not None:
            assert inputs.negatives is not None
            auxiliary_loss = next_event_loss(states, events, negatives, inputs.mask & (inputs.negatives > 0))
        return torch.cat([final, mean, mean * candidate], dim=-1), auxiliary_loss


DIENConfig.register_for_auto_class()
DIENModel.register_for_auto_class("AutoModel")
