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
    rows there. Give it the values of events only: padding would change both.

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
        numbers = values.float()
        mean, variance = self.mean.float(), self.variance.float()
        if self.training and len(numbers) > 1:
            mean, variance = numbers.mean(0), numbers.var(0, unbiased=False)
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

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """(rows, width) outputs of (rows, inputs) values."""
        for layer, activation in zip(self.layers, self.activations, strict=True):
            values = self.dropout(activation(layer(values)))
        return values


def _activation(name: str, width: int) -> nn.Module:
    if name == "dice":
        return Dice(width)
    return nn.PReLU(width) if name == "prelu" else nn.ReLU()


class ActivationUnit(nn.Module):
    """Weights of events for a candidate: MLP([h, c, h - c, h * c]) of an event's state h and a candidate's state c.

    The unit of DIN. Its first layer is applied in parts: W [h, c, h - c, h * c] = (W_1 + W_3) h + (W_2 - W_3) c
    + W_4 (h * c), which saves half of the products. Only events are computed, no padding.

    Args:
        width: Width of the states.
        widths: Widths of the hidden layers.
        activation: A name in `ACTIVATIONS`.
        normalize: Whether the weights of a history sum to 1 (softmax).
    """

    def __init__(self, width: int, widths: Sequence[int], activation: str, *, normalize: bool) -> None:
        super().__init__()
        self.normalize = normalize
        self.first = nn.Linear(4 * width, widths[0])
        self.activation = _activation(activation, widths[0])
        self.rest = Tower(widths[0], widths[1:], activation)
        self.output = nn.Linear(widths[-1], 1, bias=not normalize)  # a softmax ignores a bias

    def forward(
        self, mask: torch.Tensor, events: torch.Tensor, candidates: torch.Tensor, owners: torch.Tensor
    ) -> torch.Tensor:
        """Weights of the events of histories.

        Args:
            mask: (rows, events) True for events.
            events: (rows, events, width) states.
            candidates: (candidates, width) states.
            owners: (events of all rows,) candidate of each event.

        Returns:
            (rows, events) weights, 0 where there is no event.
        """
        one, two, three, four = self.first.weight.chunk(4, dim=1)
        states = events[mask]
        hidden = nn.functional.linear(states, one + three)
        hidden = hidden + nn.functional.linear(candidates, two - three, self.first.bias)[owners]
        hidden = hidden + nn.functional.linear(states * candidates[owners], four)
        found = self.output(self.rest(self.activation(hidden))).squeeze(-1)
        weights = found.new_zeros(mask.shape)  # autocast may have changed the type
        weights[mask] = found
        return masked_softmax(weights, mask) if self.normalize else weights


def masked_softmax(scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """(rows, events) softmax over the events of each row; 0 where there is no event, and for an empty history."""
    numbers = scores.float()
    masked = numbers.masked_fill(~mask, torch.finfo(numbers.dtype).min)
    weights: torch.Tensor = masked.softmax(-1).to(scores.dtype) * mask
    return weights


def next_event_loss(
    states: torch.Tensor, events: torch.Tensor, negatives: torch.Tensor, pairs: torch.Tensor
) -> torch.Tensor:
    """Auxiliary loss of DIEN: the state after event t shall tell event t + 1 from a negative.

    L = -1/N sum_t [log s(<h_t, e_(t+1)>) + log(1 - s(<h_t, n_(t+1)>))], over the N pairs; s is the sigmoid.

    Args:
        states: (rows, events, width) states h, which know nothing of later events.
        events: (rows, events, width) states e of the events.
        negatives: (rows, events, width) states n of a negative per event.
        pairs: (rows, events) True for events with a negative and an event before; the first column is not used.

    Returns:
        The loss; 0 without pairs.
    """
    counted = pairs[:, 1:]
    before, after, other = (part[counted] for part in (states[:, :-1], events[:, 1:], negatives[:, 1:]))
    chosen, refused = (before * after).sum(-1).float(), (before * other).sum(-1).float()
    losses = nn.functional.softplus(-chosen) + nn.functional.softplus(refused)
    return losses.sum() / max(1, len(losses))


class SelfAttention(nn.Module):
    """Multi-head self-attention without output projection: softmax(Q K' / sqrt(width of a head)) V per head.

    Args:
        width: Width of the states.
        heads: Number of heads, a divisor of the width.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.projections = nn.Linear(width, 3 * width, bias=False)

    def forward(self, states: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
        """Outputs of the heads.

        Args:
            states: (rows, length, width) states.
            allowed: (rows, length, length) True where a query (second axis) attends to a key; one key or more each.

        Returns:
            (rows, length, heads, width of a head) outputs.
        """
        rows, length, width = states.shape
        parts = self.projections(states).view(rows, length, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        read = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=allowed[:, None])
        return read.transpose(1, 2)


def earlier_events(mask: torch.Tensor) -> torch.Tensor:
    """(rows, events, events) True where an event (second axis) attends to itself or an earlier event (third axis)."""
    length = mask.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=mask.device).tril()
    # Padding attends to itself, because a softmax over nothing is not a number.
    return (causal & mask[:, None]) | torch.eye(length, dtype=torch.bool, device=mask.device)
