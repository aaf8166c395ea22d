"""Deep interest network (DIN), and mean pooling as its floor.

Zhou et al., "Deep Interest Network for Click-Through Rate Prediction", KDD 2018. It imports only its neighbours here,
because `transformers` copies these files next to a checkpoint's weights.
"""

from typing import Any

import torch
from huggingface_hub.dataclasses import strict

from .click_inputs import ClickInputs
from .click_layers import ACTIVATIONS, ActivationUnit, PairStates
from .deep_click import DeepClickConfig, DeepClickModel


@strict
class MeanPoolingConfig(DeepClickConfig):
    """Configuration of `MeanPoolingModel`; the fields of `DeepClickConfig`."""

    model_type = "xcat_mean_pooling"


@strict
class DINConfig(DeepClickConfig):
    """Configuration of `DINModel`: the fields of `DeepClickConfig`, and three more.

    Args:
        attention_sizes: Widths of the hidden layers of the activation unit.
        attention_activation: Their activation: "dice", "prelu" or "relu".
        normalize_attention: Whether the weights of a history's events sum to 1 (softmax); the paper leaves the softmax
            out, so that the sum tells how strong the interest is.

    Raises:
        ValueError: If a value is out of range.
    """

    model_type = "xcat_din"

    attention_sizes: list[int] | tuple[int, ...] = (80, 40)
    attention_activation: str = "dice"
    normalize_attention: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        self.attention_sizes = self._widths("attention_sizes")
        if self.attention_activation not in ACTIVATIONS:
            raise ValueError(
                f"DINConfig.attention_activation is {self.attention_activation!r}; give one of "
                f"{', '.join(ACTIVATIONS)}."
            )


class MeanPoolingModel(DeepClickModel):
    """Embedding and MLP: the mean of the events, its product with the candidate, candidate and context.

    The base model of the paper (section "Base model (Embedding & MLP)"), with a mean in place of the sum. The product
    is a feature in the authors' code of DIEN, and DIN has it here too, so that the two differ only in the weights of
    the events.
    """

    config_class: type[DeepClickConfig] = MeanPoolingConfig

    def __init__(self, config: MeanPoolingConfig) -> None:
        super().__init__(config)
        self.make_tower(2 * config.item_width)

    def interests(
        self, inputs: ClickInputs, events: torch.Tensor, candidate: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Compute the features of a history; see `DeepClickModel.interests`."""
        mean = inputs.mean_of(events)
        return torch.cat([mean, mean * candidate], dim=-1), None


class DINModel(DeepClickModel):
    """Sum of the events, each weighted by an activation unit that reads the event and the candidate (equation 3).

    v_U(A) = sum_j a(e_j, v_A) e_j, with a = MLP([h, c, h - c, h * c]) for the event's state h and the candidate's c.
    The weights are not normalised by default, as in the paper's section on the structure of the network. Hidden
    layers have `Dice`.
    """

    config_class = DINConfig

    def __init__(self, config: DINConfig) -> None:
        super().__init__(config)
        self.unit = ActivationUnit(
            config.item_width,
            config.attention_sizes,
            config.attention_activation,
            bias=not config.normalize_attention,
        )
        self.make_tower(2 * config.item_width)

    def event_weights(self, inputs: ClickInputs, events: torch.Tensor, candidate: torch.Tensor) -> torch.Tensor:
        """(all events,) weights of the events."""
        weights: torch.Tensor = self.unit(PairStates((events, None)), PairStates((candidate, inputs.owners)))
        return inputs.softmax_of(weights) if self.config.normalize_attention else weights

    def interests(
        self, inputs: ClickInputs, events: torch.Tensor, candidate: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Compute the features of a history; see `DeepClickModel.interests`."""
        weights = self.event_weights(inputs, events, candidate)
        interest = inputs.sum_of(weights[:, None] * events)
        return torch.cat([interest, interest * candidate], dim=-1), None


for _config in (MeanPoolingConfig, DINConfig):
    _config.register_for_auto_class()
for _model in (MeanPoolingModel, DINModel):
    _model.register_for_auto_class("AutoModel")
