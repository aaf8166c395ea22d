"""Next-item objectives that never hold (events x items) at once."""

from __future__ import annotations

from typing import Any

import torch

_CHUNK_ELEMENTS = 4 * 2**20
"""Scores held at a time (16 MiB in float32): small enough for the outer cache, large enough for full products."""


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Summed cross-entropy whose gradients are made in the forward pass, chunk by chunk.

    Three products an event and item (scores, and the gradients of both sides) are the least an exact softmax can do;
    nothing is computed again in the backward pass, and no more than `_CHUNK_ELEMENTS` scores exist at a time.
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
        product_dtype: torch.dtype,
    ) -> torch.Tensor:
        needs_grad = any(ctx.needs_input_grad[:2])
        low_items = items.to(product_dtype)
        low_states = states.to(product_dtype)
        total = states.new_zeros((), dtype=torch.float32)
        grad_states = torch.zeros_like(states, dtype=torch.float32) if needs_grad else None
        grad_items = torch.zeros_like(items, dtype=torch.float32) if needs_grad else None
        chunk = max(32, _CHUNK_ELEMENTS // max(1, items.shape[0]))
        for start in range(0, states.shape[0], chunk):
            part = slice(start, start + chunk)
            scores = torch.mm(low_states[part], low_items.T).float()
            index = targets[part, None]
            if log_inclusion is not None:
                # Candidates stand for the items they were drawn from; a target is always there, so stands for itself.
                scores -= log_inclusion
                scores.scatter_add_(1, index, log_inclusion[index])
            log_partition = torch.logsumexp(scores, dim=1)
            hard = scores.gather(1, index).squeeze(1)
            wanted = hard if soft_targets is None else (
                (1 - soft_weight) * hard + soft_weight * scores.gather(1, soft_targets[part]).mean(1)
            )  # fmt: skip
            total += (log_partition - wanted).sum()
            if grad_states is None or grad_items is None:
                continue
            grad = torch.exp(scores.sub_(log_partition[:, None]), out=scores)
            ones = torch.ones_like(hard)[:, None]
            if soft_targets is None:
                grad.scatter_add_(1, index, -ones)
            else:
                grad.scatter_add_(1, index, -(1 - soft_weight) * ones)
                width = soft_targets.shape[1]
                grad.scatter_add_(1, soft_targets[part], -soft_weight / width * ones.expand(-1, width))
            low_grad = grad.to(product_dtype)
            grad_states[part] = torch.mm(low_grad, low_items)
            grad_items += torch.mm(low_grad.T, low_states[part])
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
            None,
            None,
            None,
            None,
            None,
        )


def chunked_cross_entropy(
    states: torch.Tensor,
    items: torch.Tensor,
    targets: torch.Tensor,
    *,
    soft_targets: torch.Tensor | None = None,
    soft_weight: float = 0.0,
    log_inclusion: torch.Tensor | None = None,
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
        states, items, targets, soft_targets, soft_weight, log_inclusion, dtype
    )
    return total


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
