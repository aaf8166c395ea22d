"""Deep interest evolution network (DIEN).

Zhou et al., "Deep Interest Evolution Network for Click-Through Rate Prediction", AAAI 2019. It imports only its
neighbours here, because `transformers` copies these files next to a checkpoint's weights.
"""

from typing import Any

import torch
from huggingface_hub.dataclasses import strict
from torch import nn

from .click_inputs import ClickInputs
from .deep_click import DeepClickConfig, DeepClickModel
from .gated_recurrence import AUGRU, GRU, TimeOrder


@strict
class DIENConfig(DeepClickConfig):
    """Configuration of `DIENModel`: the fields of `DeepClickConfig`, and one more.

    Args:
        auxiliary_weight: Weight of the auxiliary loss (alpha in the paper).

    Raises:
        ValueError: If a value is out of range.
    """

    model_type = "xcat_dien"

    auxiliary_weight: float | int = 1.0

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        self._check_at_least({"auxiliary_weight": 0})


class DIENModel(DeepClickModel):
    """GRU over the events with an auxiliary loss, attention to its states, and a GRU with that attention.

    * Section "Interest extractor layer": a GRU over the states of the events gives h_t. The auxiliary loss trains h_t
      to tell event t + 1 from a negative, over real events only; each event has its own negative.
    * Section "Interest evolving layer": attention a_t = softmax_t(h_t W e_a) over real events, for the candidate's
      state e_a, and `AUGRU`. The feature is its state after the last real event.

    As in the authors' code, the mean of the events and its product with the candidate are further features.
    Loss = log loss + `auxiliary_weight` * auxiliary loss.
    """

    config_class = DIENConfig
    needs_negatives = True

    def __init__(self, config: DIENConfig) -> None:
        super().__init__(config)
        width = config.item_width
        self.extractor = GRU(width)
        self.attention = nn.Linear(width, width, bias=False)
        self.evolution = AUGRU(width)
        self.make_tower(3 * width)

    @property
    def auxiliary_weight(self) -> float:
        """Weight of the auxiliary loss in the loss."""
        return float(self.config.auxiliary_weight)

    def event_weights(self, inputs: ClickInputs, states: torch.Tensor, candidate: torch.Tensor) -> torch.Tensor:
        """(all events,) attention to GRU states."""
        queries = self.attention(candidate).index_select(0, inputs.owners)
        return inputs.softmax_of((states * queries).sum(-1))

    def interests(
        self, inputs: ClickInputs, events: torch.Tensor, candidate: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Compute the features of a history; see `DeepClickModel.interests`."""
        time = TimeOrder.of(inputs.lengths)
        states = self.extractor(events.index_select(0, time.order), time)
        in_rows = states.index_select(0, time.inverse)
        attention = self.event_weights(inputs, in_rows, candidate)
        evolved = self.evolution(states, attention.index_select(0, time.order), time)
        filled = inputs.lengths > 0  # the state of an empty history stays 0
        ends = (inputs.lengths.cumsum(0) - 1)[filled]
        final = evolved.new_zeros(candidate.shape).index_put((filled,), evolved[time.inverse[ends]])
        mean = inputs.mean_of(events)
        features = torch.cat([final, mean, mean * candidate], dim=-1)
        return features, self.next_event_loss(inputs, in_rows, events)


DIENConfig.register_for_auto_class()
DIENModel.register_for_auto_class("AutoModel")
