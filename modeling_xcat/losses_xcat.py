"""Next-item objectives that never hold (events x items) at once."""

from __future__ import annotations

import threading
from typing import Any

import torch

_CHUNK_ELEMENTS = 2 * 2**20
"""Scores held at a time (8 MiB in float32): small enough for the outer cache, large enough for full products."""

_kept = threading.local()


def _workspace(rows: int, columns: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """(rows, columns) of memory that is overwritten by the next call with this dtype.

    On a CPU it is kept between steps: fresh memory of this size comes from the kernel page by page, which took as long
    as the arithmetic. Other devices have allocators that keep it themselves.
    """
    size = rows * columns
    if device.type != "cpu":
        return torch.empty(rows, columns, dtype=dtype, device=device)
    buffers: dict[Any, torch.Tensor] = _kept.__dict__
    if dtype not in buffers or buffers[dtype].numel() < size:
        buffers[dtype] = torch.empty(max(size, _CHUNK_ELEMENTS), dtype=dtype)
    return buffers[dtype][:size].view(rows, columns)


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Summed cross-entropy whose gradients are made in the forward pass, chunk by chunk.

    Three products an event and item (scores, and the gradients of both sides) and one exponential are the least an
    exact softmax can do; nothing is computed again in the backward pass, and no more than `_CHUNK_ELEMENTS` scores
    exist at a time. Exponentials are not normalised: the sum of each row divides the narrow side of the products.
    """

    @staticmethod
    def forward(
        ctx: Any,
        states: torch.Tensor,
        items: torch.Tensor,
        targets: torch.Tensor,
        soft_targets: torch.Tensor | None,
        soft_weight: float,
        log_inclusion: torch.Tensor | None,
        weights: torch.Tensor | None,
        product_dtype: torch.dtype,
    ) -> torch.Tensor:
        needs_grad = any(ctx.needs_input_grad[:2])
        low_items, low_states = items.to(product_dtype), states.to(product_dtype)
        total = states.new_zeros((), dtype=torch.float32)
        grad_states = torch.empty_like(states, dtype=torch.float32) if needs_grad else None
        grad_items = torch.zeros_like(items, dtype=torch.float32) if needs_grad else None
        chunk = max(32, _CHUNK_ELEMENTS // max(1, items.shape[0]))
        for start in range(0, states.shape[0], chunk):
            part = slice(start, start + chunk)
            index, soft = targets[part, None], None if soft_targets is None else soft_targets[part]
            products = _workspace(len(index), len(items), product_dtype, states.device)
            torch.mm(low_states[part], low_items.T, out=products)
            scores = products
            if product_dtype != torch.float32:
                scores = _workspace(len(index), len(items), torch.float32, states.device).copy_(products)
            if log_inclusion is not None:
                # Candidates stand for the items they were drawn from; a target is always there, so stands for itself.
                scores.sub_(log_inclusion)
                scores.scatter_add_(1, index, log_inclusion[index])
            wanted = scores.gather(1, index).squeeze(1)
            if soft is not None:
                wanted = (1 - soft_weight) * wanted + soft_weight * scores.gather(1, soft).mean(1)
            highest = scores.amax(1, keepdim=True)
            partition = scores.sub_(highest).exp_().sum(1, keepdim=True)
            losses = (partition.log() + highest).squeeze(1) - wanted
            total += losses.sum() if weights is None else losses @ weights[part]
            if grad_states is None or grad_items is None:
                continue
            if soft is None:
                scores.scatter_add_(1, index, -partition)
            else:
                scores.scatter_add_(1, index, (soft_weight - 1) * partition)
                scores.scatter_add_(1, soft, (-soft_weight / soft.shape[1] * partition).expand_as(soft))
            scale = partition.reciprocal() if weights is None else weights[part, None] / partition
            gradients = scores if product_dtype == torch.float32 else products.copy_(scores)
            grad_states[part] = torch.mm(gradients, low_items) * scale
            grad_items += torch.mm(gradients.T, (states[part] * scale).to(product_dtype))
        ctx.save_for_backward(grad_states, grad_items)
        ctx.dtypes = states.dtype, items.dtype
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        grad_states, grad_items = ctx.saved_tensors
        scale = grad_outputs[0]
        states_dtype, items_dtype = ctx.dtypes
        return (
            (grad_states * scale).to(states_dtype),
            (grad_items * scale).to(items_dtype),
            *(None,) * 6,
        )


def chunked_cross_entropy(
    states: torch.Tensor,
    items: torch.Tensor,
    targets: torch.Tensor,
    *,
    soft_targets: torch.Tensor | None = None,
    soft_weight: float = 0.0,
    log_inclusion: torch.Tensor | None = None,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Summed softmax cross-entropy of events against items, exact, in chunks.

    The loss of one event with scores s, target y and soft targets t_1..t_K is
    logsumexp(s) - (1 - w) s_y - w / K sum_k s_{t_k}. Products run in the autocast dtype where autocast is on; sums
    and exponentials are float32 always.

    Args:
        states: (events, hidden) behaviour states, already divided by the temperature.
        items: (items, hidden) item representations.
        targets: (events,) index of the right item.
        soft_targets: (events, K) items that share the label's mass, or None.
        soft_weight: The share w of that mass.
        log_inclusion: (items,) logarithm of the probability that each candidate was drawn, for sampled softmax:
            it is subtracted from the scores, except from the target's (Bengio and Senecal 2008; Yi et al. 2019).
        weights: (events,) factor of each event's loss; None for 1.

    Returns:
        Scalar sum over events, float32, in nats.

    Example:
        >>> states, items = torch.eye(3), torch.eye(3)
        >>> loss = chunked_cross_entropy(states, items, torch.tensor([0, 1, 2]))
        >>> round(loss.item() / 3, 4)
        0.5514
    """
    kind = states.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else states.dtype
    total: torch.Tensor = _ChunkedCrossEntropy.apply(
        states, items, targets, soft_targets, soft_weight, log_inclusion, weights, dtype
    )
    return total


def generalised_bce(
    states: torch.Tensor,
    items: torch.Tensor,
    targets: torch.Tensor,
    *,
    sampling_rate: float,
    calibration: float,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Summed generalised binary cross-entropy of events against sampled items (gSASRec, Petrov and Macdonald 2023).

    Binary cross-entropy over few negatives makes a model overconfident; raising the positive's probability to the
    power beta = a (t (1 - 1/a) + 1/a), with sampling rate a and calibration t, undoes it (their equations 8 and 10):
    t = 0 is plain binary cross-entropy, t = 1 is calibrated fully.

    Args:
        states: (events, hidden) behaviour states, already divided by the temperature.
        items: (candidates, hidden) representations of the sampled items, the targets among them.
        targets: (events,) index of the right candidate; for each event all others are its negatives.
        sampling_rate: Negatives as a share of the items that could be.
        calibration: t, from 0 to 1.
        weights: (events,) factor of each event's loss; None for 1.

    Returns:
        Scalar sum over events of the mean over candidates, float32, in nats.

    Example:
        >>> states, items = torch.zeros(1, 2), torch.ones(3, 2)
        >>> loss = generalised_bce(states, items, torch.tensor([0]), sampling_rate=1, calibration=0)
        >>> round(loss.item(), 4)  # the mean of three fair coins
        0.6931
    """
    beta = sampling_rate * (calibration * (1 - 1 / sampling_rate) + 1 / sampling_rate)
    scores = torch.mm(states, items.T).float()
    index = targets[:, None]
    positive = scores.gather(1, index)
    negative = torch.nn.functional.softplus(scores).scatter(1, index, 0.0).sum(1)
    losses = (beta * torch.nn.functional.softplus(-positive.squeeze(1)) + negative) / scores.shape[1]
    return losses.sum() if weights is None else losses @ weights


def sample_candidates(
    targets: torch.Tensor, item_counts: torch.Tensor, num_negatives: int, first_row: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw the candidates of a sampled softmax: the batch's targets and uniform negatives, each item once.

    An item with training probability p is among the n targets of a batch with probability 1 - (1 - p)^n, and among
    K uniform draws out of V with 1 - (1 - 1/V)^K; the two are independent (mixed negative sampling, Yang et al. 2020).

    Args:
        targets: (events,) rows of the targets.
        item_counts: (item rows,) training events of each item.
        num_negatives: Uniform draws, with replacement.
        first_row: First row that is an item.

    Returns:
        (candidates,) sorted rows, and the (candidates,) logarithm of the probability of each being there.
    """
    num_items = item_counts.shape[0] - first_row
    draws = torch.randint(first_row, item_counts.shape[0], (num_negatives,), device=targets.device)
    rows = torch.unique(torch.cat([targets, draws]))
    share = item_counts[rows].double() / item_counts.sum().clamp(min=1)
    log_absent = len(targets) * torch.log1p(-share.clamp(max=1 - 1e-9)) + num_negatives * torch.log1p(
        torch.tensor(-1.0 / max(num_items, 2), dtype=torch.float64, device=targets.device)
    )
    return rows, torch.log(-torch.expm1(log_absent)).float()
