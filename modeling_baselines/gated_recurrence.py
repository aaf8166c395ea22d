"""Gated recurrent layers of DIEN over histories of different lengths, without padding.

It imports only its neighbours here, because `transformers` copies these files next to a checkpoint's weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable


@dataclass(frozen=True)
class TimeOrder:
    """Order of events in which a recurrent layer reads them: the first event of all histories, then the second, ...

    Within a time, histories stand by length, the longest first. So the states before the events of a time are the
    first rows of the states of the time before.

    Attributes:
        order: (events,) places of the events in the order of rows, then times.
        inverse: (events,) places of the events in this order.
        sizes: Number of events per time.
        before: (events after the first time,) places in this order of the events just before.
    """

    order: torch.Tensor
    inverse: torch.Tensor
    sizes: list[int]
    before: torch.Tensor

    @classmethod
    def of(cls, lengths: torch.Tensor) -> TimeOrder:
        """Order of the events of histories of (rows,) lengths.

        Example:
            >>> TimeOrder.of(torch.tensor([1, 3, 0, 2])).order.tolist()
            [1, 4, 0, 2, 5, 3]
        """
        starts = lengths.cumsum(0) - lengths
        longest_first = lengths.argsort(descending=True, stable=True)
        column = torch.arange(int(lengths.max()) if len(lengths) else 0, device=lengths.device)
        there = column[:, None] < lengths[longest_first]
        times, ranks = there.nonzero().unbind(1)
        order = starts[longest_first[ranks]] + times
        places = torch.arange(len(order), device=order.device)
        counts = there.sum(1)
        sizes = counts.tolist()
        before = places[sizes[0] :] - counts[:-1].repeat_interleave(counts[1:]) if sizes else places
        return cls(order, torch.empty_like(order).scatter(0, order, places), sizes, before)


def gated_states(
    projected: torch.Tensor,
    attention: torch.Tensor | None,
    weight: torch.Tensor,
    new_bias: torch.Tensor | None,
    time: TimeOrder,
) -> torch.Tensor:
    """Compute the states after all events of a gated recurrence that starts at 0.

    u = a s(p_u + U_u h), r = s(p_r + U_r h), c = tanh(p_c + r * (U_c h + b)), h' = (1 - u) * h + u * c

    for an event's projected input p and attention a, the state h before it and h' after it.

    Args:
        projected: (events, 3 width) projected inputs (p_u, p_r, p_c), in the order of `time`.
        attention: (events,) attention; None for 1.
        weight: (3 width, width) weights U of the state.
        new_bias: (width,) b; None for 0.
        time: Order of the events.

    Returns:
        (events, width) states, in the order of `time` and the type of `weight`.
    """
    # Half precision would lose the small updates of long histories; autocast would change types within a step.
    kind = torch.promote_types(weight.dtype, torch.float32)
    a = None if attention is None else attention[:, None].to(kind)
    bias = None if new_bias is None else new_bias.to(kind)
    with torch.autocast(projected.device.type, enabled=False):
        states: torch.Tensor = _GatedStates.apply(projected.to(kind), a, weight.to(kind), bias, time)
    return states.to(weight.dtype)


class _GatedStates(torch.autograd.Function):
    """`gated_states` with its gradient by hand: autograd would store and walk a dozen small operations per time."""

    @staticmethod
    def forward(
        ctx: Any,
        projected: torch.Tensor,
        attention: torch.Tensor | None,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        time: TimeOrder,
    ) -> torch.Tensor:
        width, sizes = weight.shape[1], time.sizes
        gates, new = projected[:, : 2 * width].clone(), projected[:, 2 * width :].clone()
        kept = new.new_zeros(new.shape) if bias is None else bias.expand_as(new).clone()  # U_c h + b
        states = torch.empty_like(new)
        gate_weight, new_weight = weight[: 2 * width].t(), weight[2 * width :].t()
        at = sizes if attention is None else attention.split(sizes)
        before: torch.Tensor | None = None
        for gate, c, k, state, a in zip(
            gates.split(sizes), new.split(sizes), kept.split(sizes), states.split(sizes), at, strict=True
        ):
            if before is not None:
                before = before[: len(gate)]
                gate.addmm_(before, gate_weight)
                k.addmm_(before, new_weight)
            gate.sigmoid_()
            c.addcmul_(gate[:, width:], k).tanh_()
            if before is None:
                torch.mul(c, gate[:, :width], out=state)
            else:
                torch.sub(c, before, out=state).mul_(gate[:, :width])
            if attention is not None:
                state.mul_(a)
            if before is not None:
                state.add_(before)
            before = state
        ctx.save_for_backward(gates, new, kept, states, attention, weight)
        ctx.time, ctx.has_bias = time, bias is not None
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        gates, new, kept, states, attention, weight = ctx.saved_tensors
        sizes, width = ctx.time.sizes, weight.shape[1]
        first = sizes[0] if sizes else 0
        u, r = gates.chunk(2, dim=1)
        previous = states.index_select(0, ctx.time.before)
        step = new.clone()  # c - h
        step[first:] -= previous
        share = u if attention is None else u * attention
        to_new = share * (1 - new * new)  # dh'/d(input of tanh)
        # dh'/d(U_u h), dh'/d(U_r h), dh'/d(U_c h), side by side
        factors = torch.stack([step * share * (1 - u), to_new * kept * r * (1 - r), to_new * r], dim=1)
        with torch.autocast(grad.device.type, enabled=False):
            total, inner = _walk_back(grad.contiguous(), 1 - share, factors, weight, sizes)
            grad_weight = inner[first:].t() @ previous
        grad_projected = torch.cat([inner[:, : 2 * width], total * to_new], dim=1)
        grad_attention = None if attention is None else (total * step * u).sum(1, keepdim=True)
        grad_bias = inner[:, 2 * width :].sum(0) if ctx.has_bias else None
        return grad_projected, grad_attention, grad_weight, grad_bias, None


def _walk_back(
    grad: torch.Tensor, keep: torch.Tensor, factors: torch.Tensor, weight: torch.Tensor, sizes: list[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradients by the states, later events included, and by the products of the states before with `weight`.

    Args:
        grad: (events, width) gradients by the states, of all that reads them but the next event.
        keep: (events, width) share of the state before that stays.
        factors: (events, 3, width) derivatives of a state by the products.
        weight: (3 width, width) weights of the state.
        sizes: Number of events per time.

    Returns:
        (events, width) and (events, 3 width) gradients.
    """
    total, inner = grad.clone(), torch.empty_like(factors)
    flat = inner.view(len(inner), weight.shape[0])
    carried: torch.Tensor | None = None
    parts = list(zip(*(part.split(sizes) for part in (total, keep, factors, inner, flat)), strict=True))
    for place in range(len(sizes) - 1, -1, -1):
        now, kept, factor, by_part, by_product = parts[place]
        if carried is not None:
            now[: len(carried)] += carried
        torch.mul(now[:, None], factor, out=by_part)
        if place:
            carried = torch.mul(now, kept).addmm_(by_product, weight)
    return total, flat


class AUGRU(nn.Module):
    """GRU whose update gate is multiplied by the attention to each event.

    Zhou et al., "Deep Interest Evolution Network for Click-Through Rate Prediction", AAAI 2019, section "Interest
    evolving layer":

    u = a s(W_u i + U_u h), r = s(W_r i + U_r h), c = tanh(W_c i + r * U_c h), h' = (1 - u) * h + u * c

    for an event's input i and attention a, the state h before it and h' after it. An attention of 0 keeps the state.

    Args:
        width: Width of inputs and states.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.input = nn.Linear(width, 3 * width)
        self.state = nn.Linear(width, 3 * width, bias=False)

    def forward(self, inputs: torch.Tensor, attention: torch.Tensor, time: TimeOrder) -> torch.Tensor:
        """States after all events.

        Args:
            inputs: (events, width) inputs, in the order of `time`.
            attention: (events,) attention.
            time: Order of the events.

        Returns:
            (events, width) states, in the order of `time`.
        """
        return gated_states(self.input(inputs), attention, self.state.weight, None, time)


class GRU(nn.GRU):
    """`torch.nn.GRU` of one layer that reads events in a `TimeOrder`; on a CPU its training is several times faster.

    Args:
        width: Width of inputs and states.
    """

    def __init__(self, width: int) -> None:
        super().__init__(width, width)

    def forward(self, inputs: torch.Tensor, time: TimeOrder) -> torch.Tensor:  # type: ignore[override]
        """States after all events.

        Args:
            inputs: (events, width) inputs, in the order of `time`.
            time: Order of the events.

        Returns:
            (events, width) states, in the order of `time`.
        """
        if inputs.is_cuda and time.sizes:  # cuDNN has one kernel for all times
            packed = nn.utils.rnn.PackedSequence(inputs, torch.tensor(time.sizes))
            states: torch.Tensor = super().forward(packed)[0].data
            return states
        read, kept, read_bias, kept_bias = (_with_update_gate(part) for part in self.all_weights[0])
        width = self.hidden_size
        kept_gate_bias = nn.functional.pad(kept_bias[: 2 * width], (0, width))
        projected = nn.functional.linear(inputs, read, read_bias + kept_gate_bias)
        return gated_states(projected, None, kept, kept_bias[2 * width :], time)


def _with_update_gate(parameter: torch.Tensor) -> torch.Tensor:
    """A parameter of torch's GRU (reset, keep, new) as (update, reset, new); update = 1 - keep = s(-input of keep)."""
    reset, keep, new = parameter.chunk(3)
    return torch.cat([-keep, reset, new])
