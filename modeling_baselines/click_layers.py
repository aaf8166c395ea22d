"""Layers of click models: the activation Dice, and towers of hidden layers.

It imports only its neighbours here, because `transformers` copies these files next to a checkpoint's weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import nn

ACTIVATIONS = ("dice", "prelu", "relu")
"""Activations of hidden layers by name."""


class Dice(nn.Module):
    """Data adaptive activation: f(s) = p(s) s + (1 - p(s)) a s, p(s) = sigmoid((s - E[s]) / sqrt(Var[s] + eps)).

    Zhou et al., "Deep Interest Network for Click-Through Rate Prediction", KDD 2018, section "Data adaptive activation
    function". E and Var are of the batch in training and running averages in evaluation, so a row's output does not
    depend on other rows there. Give it the values of events only: padding would change both.

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

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Activate (rows, width) values."""
        numbers, slope = values.float(), self.slope.float()
        if self.training and len(numbers) > 1:
            mean = numbers.mean(0)
            centred = numbers - mean
            variance = centred.square().mean(0)  # half the time of torch.var and its gradient
            with torch.no_grad():
                self.mean.lerp_(mean.to(self.mean.dtype), self.momentum)
                self.variance.lerp_(variance.to(self.variance.dtype), self.momentum)
        else:
            centred, variance = numbers - self.mean.float(), self.variance.float()
        share = torch.sigmoid(centred * (variance + self.eps).rsqrt())
        return (numbers * torch.addcmul(slope, share, 1 - slope)).to(values.dtype)


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation of (rows, width) values; a batch of one row is normalised by the running averages.

    Ioffe and Szegedy, "Batch Normalization", ICML 2015. In evaluation a row's output does not depend on other rows.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002, the name of the base class
        """(rows, width) normalised values."""
        if not self.training or len(input) > 1:
            return super().forward(input)
        return nn.functional.batch_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
        )


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

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """(rows, width) outputs of (rows, inputs) values."""
        for layer, activation in zip(self.layers, self.activations, strict=True):
            values = self.dropout(activation(layer(values)))
        return values


def _activation(name: str, width: int) -> nn.Module:
    if name == "dice":
        return Dice(width)
    return nn.PReLU(width) if name == "prelu" else nn.ReLU()


class PairStates:
    """(pairs, width) states, each a sum of rows of tables; a layer is applied to the tables, which have fewer rows.

    Args:
        *parts: A table (rows, width), and the (pairs,) row of each pair; None if each pair has its own.
    """

    def __init__(self, *parts: tuple[torch.Tensor, torch.Tensor | None]) -> None:
        self.parts = parts

    def states(self) -> torch.Tensor:
        """(pairs, width) states."""
        return _sum(table if places is None else table.index_select(0, places) for table, places in self.parts)

    def linear(self, weight: torch.Tensor) -> torch.Tensor:
        """(pairs, outputs) products with a (outputs, width) weight."""
        return PairStates(*((nn.functional.linear(table, weight), places) for table, places in self.parts)).states()


def _sum(tensors: Iterable[torch.Tensor]) -> torch.Tensor:
    first, *others = tensors
    for other in others:
        first = first + other
    return first


class ActivationUnit(nn.Module):
    """Scores of events for a candidate: MLP([h, c, h - c, h * c]) of an event's state h and a candidate's state c.

    The unit of DIN. Its first layer is applied in parts: W [h, c, h - c, h * c] = (W_1 + W_3) h + (W_2 - W_3) c
    + W_4 (h * c), which saves half of the products.

    Args:
        width: Width of the states.
        widths: Widths of the hidden layers.
        activation: A name in `ACTIVATIONS`.
        bias: Whether the output has a bias; a softmax over the scores ignores it.
    """

    def __init__(self, width: int, widths: Sequence[int], activation: str, *, bias: bool) -> None:
        super().__init__()
        self.first = nn.Linear(4 * width, widths[0])
        self.activation = _activation(activation, widths[0])
        self.rest = Tower(widths[0], widths[1:], activation)
        self.output = nn.Linear(widths[-1], 1, bias=bias)

    def forward(self, events: PairStates, candidates: PairStates) -> torch.Tensor:
        """Scores of pairs of an event and a candidate.

        Args:
            events: States of the events.
            candidates: States of the candidates.

        Returns:
            (pairs,) scores.
        """
        one, two, three, four = self.first.weight.chunk(4, dim=1)
        products = nn.functional.linear(events.states() * candidates.states(), four, self.first.bias)
        hidden = products + events.linear(one + three) + candidates.linear(two - three)
        scores: torch.Tensor = self.output(self.rest(self.activation(hidden))).squeeze(-1)
        return scores


def next_event_losses(states: torch.Tensor, events: torch.Tensor, negatives: torch.Tensor) -> torch.Tensor:
    """Loss of each state before an event: it shall tell the event from a negative.

    L = -log s(<h_t, e_(t+1)>) - log(1 - s(<h_t, n_(t+1)>)); s is the sigmoid.

    Args:
        states: (pairs, width) states h, which depend on no later event.
        events: (pairs, width) states e of the next events.
        negatives: (pairs, width) states n of their negatives.

    Returns:
        (pairs,) float32 losses.
    """
    chosen, refused = (states * events).sum(-1).float(), (states * negatives).sum(-1).float()
    return nn.functional.softplus(-chosen) + nn.functional.softplus(refused)
