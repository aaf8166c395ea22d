"""Base class of click models with a network: embeddings, features of the interests, and a tower of hidden layers.

It imports only its neighbours here, because `transformers` copies these files next to a checkpoint's weights.
"""

from typing import Any

import torch
from huggingface_hub.dataclasses import strict
from torch import nn

from .click_inputs import ClickInputs
from .click_layers import ACTIVATIONS, BatchNorm, Tower, next_event_losses
from .click_model import ClickConfig, ClickModel, ContextStates, ItemStates


@strict
class DeepClickConfig(ClickConfig):
    """Options of the click models with a network: the fields of `ClickConfig`, and three more.

    Args:
        hidden_sizes: Widths of the hidden layers before the output.
        activation: Their activation: "dice", "prelu" or "relu".
        normalize_input: Whether their input is normalised by batch.

    Raises:
        ValueError: If a value is out of range.
    """

    hidden_sizes: list[int] | tuple[int, ...] = (200, 80)
    activation: str = "dice"
    normalize_input: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        self.hidden_sizes = self._widths("hidden_sizes")
        if self.activation not in ACTIVATIONS:
            raise ValueError(
                f"{type(self).__name__}.activation is {self.activation!r}; give one of {', '.join(ACTIVATIONS)}."
            )

    def _check_heads(self, heads: int) -> None:
        if heads < 1 or self.item_width % heads:
            raise ValueError(
                f"{type(self).__name__}.num_heads is {heads}; give a divisor of {self.item_width}, the width of an "
                "item's id and category embeddings."
            )


class DeepClickModel(ClickModel):
    """Base class: logit = output(tower([candidate, interests, context])).

    A subclass defines `interests`, and tells their width to `make_tower` at the end of its `__init__`.
    """

    config_class = DeepClickConfig

    def __init__(self, config: DeepClickConfig) -> None:
        super().__init__(config)
        self.items = ItemStates(config)
        self.context = ContextStates(config)

    def make_tower(self, interest_width: int) -> None:
        """Make the layers above interests of a width, and initialise all weights."""
        config = self.config
        width = config.item_width + interest_width + config.context_width
        self.norm = BatchNorm(width) if config.normalize_input else nn.Identity()
        self.tower = Tower(width, config.hidden_sizes, config.activation, config.dropout)
        self.output = nn.Linear(self.tower.width, 1)
        self.post_init()

    def interests(
        self, inputs: ClickInputs, events: torch.Tensor, candidate: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Compute the features of a history for a candidate.

        Args:
            inputs: The batch.
            events: (all events, width) states of the events of all rows, in the order of `inputs.owners`.
            candidate: (rows, width) states.

        Returns:
            (rows, interest width) features, and the auxiliary loss or None.
        """
        raise NotImplementedError

    def click_logits(self, inputs: ClickInputs) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Compute logits; see `ClickModel.click_logits`."""
        there = inputs.mask
        events = self.items(inputs.items[there], inputs.categories[there], inputs.ratings[there])
        candidate = self.items(inputs.candidates, inputs.candidate_categories)
        features, auxiliary_loss = self.interests(inputs, events, candidate)
        hidden = self.norm(torch.cat([candidate, features, self.context(inputs, candidate.dtype)], dim=-1))
        return self.output(self.tower(hidden)).squeeze(-1), auxiliary_loss

    def next_event_loss(self, inputs: ClickInputs, states: torch.Tensor, events: torch.Tensor) -> torch.Tensor | None:
        """Auxiliary loss of DIEN: the state after event t shall tell event t + 1 from a negative.

        Args:
            inputs: The batch.
            states: (all events, width) states h, which depend on no later event.
            events: (all events, width) states of the events.

        Returns:
            Mean of `next_event_losses` over the events with an event before and a negative; 0 without such an event,
            None for a batch without negatives.
        """
        if inputs.negatives is None or inputs.negative_categories is None:
            return None
        negatives = inputs.negatives[inputs.mask]
        owners = inputs.owners
        after = (negatives[1:] > 0) & (owners[1:] == owners[:-1])
        after_events = after.nonzero()[:, 0] + 1
        refused = self.items(negatives[after_events], inputs.negative_categories[inputs.mask][after_events])
        losses = next_event_losses(states[after_events - 1], events[after_events], refused)
        return losses.sum() / max(1, len(losses))
