"""Layers of click models: the activation Dice, and towers of hidden layers.

It imports only its neighbours here, because `transformers` copies these files next to a checkpoint's weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

ACTIVATIONS = ("dice", "prelu", "relu")
"""Activations of hidden layers by name."""


class Dice(nn.Module):
    """Data adaptive activation: f(s) = p(s) s + (1 - p(s)) a s, p(s) = sigmoid((s - E[s]) / sqrt(Var[s] + eps)).

    Zhou et al., "Deep Interest Network for Click-Through Rate Prediction", KDD 2018, equation 3 with its p(s). E and
    Var are of the batch in training and running averages in evaluation, so a row's output does not depend on other
    rows there. Values at padding enter neither.

    Args:
        width: Number of units; each has its statistics and its a.
        eps: Added to the variance.
        momentum: Share of the batch in the running averages.
    """

    mean: torch.Tensor
    variance: torch.Tensor

    def __init__(self, width: int, eps: float = 1e-8, momentum: float = 0.1) -> None:
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.slope = nn.Parameter(torch.zeros(width))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.ones(width))

    def forward(self, values: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Activate (..., width) values; `mask` is (...), False at padding."""
        numbers = values.float()
        mean, variance = self.mean.float(), self.variance.float()
        if self.training:
            seen = numbers.flatten(0, -2) if mask is None else numbers[mask]
            if len(seen) > 1:
                mean, variance = seen.mean(0), seen.var(0, unbiased=False)
                with torch.no_grad():
                    self.mean.lerp_(mean.to(self.mean.dtype), self.momentum)
                    self.variance.lerp_(variance.to(self.variance.dtype), self.momentum)
        share = torch.sigmoid((numbers - mean) * (variance + self.eps).rsqrt())
        return (numbers * (share + (1 - share) * self.slope.float())).to(values.dtype)


class Tower(nn.Module):
    """Hidden layers with an activation each.

    Args:
        inputs: Width of the input.
        widths: Widths of the layers.
        activation: A name in `ACTIVATIONS`.
        dropout: Dropout after each activation.

    Attributes:
        width: Width of the output.
    """

    def __init__(self, inputs: int, widths: Sequence[int], activation: str = "dice", dropout: float = 0.0) -> None:
        super().__init__()
        sizes = [inputs, *widths]
        self.layers = nn.ModuleList(nn.Linear(one, other) for one, other in zip(sizes, widths, strict=False))
        self.activations = nn.ModuleList(_activation(activation, width) for width in widths)
        self.dropout = nn.Dropout(dropout)
        self.width = sizes[-1]

    def forward(self, values: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """(..., width) outputs of (..., inputs) values; `mask` is (...), False at padding."""
        for layer, activation in zip(self.layers, self.activations, strict=True):
            values = layer(values)
            values = activation(values, mask) if isinstance(activation, Dice) else activation(values)
            values = self.dropout(values)
        return values


def _activation(name: str, width: int) -> nn.Module:
    if name == "dice":
        return Dice(width)
    return nn.PReLU(width) if name == "prelu" else nn.ReLU()
