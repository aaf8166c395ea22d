"""Softmax cross-entropy without an (events x items) matrix in memory."""

from __future__ import annotations

from typing import Any

import torch

from .softmax_inputs_xcat import CHUNK_ELEMENTS, LEAST_NORM, SoftmaxInputs, workspace

_KEPT_ELEMENTS = 32 * 2**20
"""Maximum stored exponentials (64 MiB in bfloat16); the table's gradient is one product per such group of chunks."""


_BY_ITEMS_FROM = 131_072
"""Minimum number of items to compute the loss in blocks of items instead of chunks of events."""

_LEAST_BLOCK = 256
_ROWS_AT_ONCE = 16_384
_HIGHEST_SUM = 1024.0
"""Maximum sum of a row of float16 exponentials, to keep its products with items within range."""


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Summed cross-entropy whose gradients are computed in the forward pass, chunk by chunk.

    The backward pass recomputes nothing, and at most `_KEPT_ELEMENTS` exponentials exist at a time.
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
        unit_items: bool,
        product_dtype: torch.dtype,
        bonus_items: torch.Tensor | None,
        bonus: torch.Tensor | None,
        bonus_apart: bool,
    ) -> torch.Tensor:
        needs_grad = any(ctx.needs_input_grad)
        norms = items.norm(dim=1, keepdim=True).clamp_(min=LEAST_NORM) if unit_items else None
        low_items = items.to(product_dtype) if norms is None else _divided(items, norms, product_dtype)
        by_items = log_inclusion is None and len(items) > _BY_ITEMS_FROM
        problem = SoftmaxInputs(
            states, low_items, targets, soft_targets, soft_weight, log_inclusion, weights, needs_grad,
            bonus_items, bonus, bonus_apart,
        )  # fmt: skip
        total, *gradients = _by_items(problem) if by_items else _by_events(problem)
        if norms is not None and needs_grad:
            _through_norms(gradients[1], items, norms)
        # Not saved as tensors, because the backward pass scales them in place, without a copy of a large table.
        ctx.gradients = gradients
        ctx.dtypes = states.dtype, items.dtype, torch.float32
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        if ctx.gradients is None:
            raise RuntimeError("the gradients of this loss were used up by its first backward pass; compute it again")
        gradients, ctx.gradients = ctx.gradients, None
        states, items, bonus = [
            None if part is None else part.mul_(grad_outputs[0]).to(dtype)
            for part, dtype in zip(gradients, ctx.dtypes, strict=True)
        ]
        return states, items, *(None,) * 8, bonus, None


_Parts = tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]


def _by_events(problem: SoftmaxInputs) -> _Parts:
    """Loss and gradients in chunks of events, each against all items: three products and one exponential per score.

    Exponentials are not normalised; the row sums divide the smaller factor of the products. They are computed chunk by
    chunk, within the outer cache, and stored for many chunks, so the table's gradient is accumulated once for all.
    """
    states, items, weights = problem.states, problem.items, problem.weights
    low_states = states.to(items.dtype)
    in_place = problem.exponentials_fit()
    total = states.new_zeros((), dtype=torch.float32)
    grad_states = torch.empty_like(states, dtype=torch.float32) if problem.needs_grad else None
    grad_items = None
    grad_bonus = torch.zeros_like(problem.bonus) if problem.needs_grad and problem.bonus is not None else None
    chunk = max(32, CHUNK_ELEMENTS // max(1, len(items)))
    at_once = chunk * max(1, _KEPT_ELEMENTS // (chunk * max(1, len(items)))) if problem.needs_grad else chunk
    for begin in range(0, len(states), at_once):
        whole = slice(begin, min(begin + at_once, len(states)))
        kept = workspace(whole.stop - begin, len(items), items.dtype, states.device)
        scales = []
        for start in range(begin, whole.stop, chunk):
            part = slice(start, min(start + chunk, whole.stop))
            exponentials = torch.mm(low_states[part], items.T, out=kept[start - begin : part.stop - begin])
            losses, likely, partition = _exponentials(problem, exponentials, part, in_place)
            total += losses.sum() if weights is None else losses @ weights[part]
            if grad_states is None:
                continue
            if items.dtype == torch.float16:  # maximum 65,504
                shrunk = (_HIGHEST_SUM / partition).clamp(max=1)
                exponentials, partition = exponentials.mul_(shrunk), partition * shrunk
            scale = partition.reciprocal() if weights is None else weights[part, None] / partition
            if grad_bonus is not None and likely is not None:
                grad_bonus[part] = problem.bonus_gradient(likely, part) * (scale * partition)
            grad_states[part] = torch.mm(exponentials, items) * scale
            scales.append(scale)
        if grad_states is not None:
            product = torch.mm(kept.T, (states[whole] * torch.cat(scales)).to(items.dtype)).float()
            grad_items = product if grad_items is None else grad_items.add_(product)
    if grad_states is not None:
        grad_items = torch.zeros_like(items, dtype=torch.float32) if grad_items is None else grad_items
        problem.pull_labels(grad_states, grad_items)
    return total, grad_states, grad_items, grad_bonus


def _exponentials(
    problem: SoftmaxInputs, products: torch.Tensor, part: slice, in_place: bool
) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor]:
    """Turn the (events, items) products of some events into exponentials of their scores, up to a factor per row.

    Args:
        problem: Arguments of the loss.
        products: Products; overwritten.
        part: The events.
        in_place: Whether to compute exponentials in the dtype of the products, without subtracting a maximum.

    Returns:
        (events,) losses, the (events, bonuses) softmax at items with a bonus, and (events, 1) sums of exponentials.
    """
    index = problem.targets[part, None]
    if in_place:
        if problem.adds_bonus:
            # Not scatter_add_, which copies all scores to float32 and back.
            bonus = problem.bonus[part]  # type: ignore[index]
            inside, place = problem.bonus_places(part, 0, products.shape[1])
            event, number = (inside & bonus.ne(0)).nonzero(as_tuple=True)
            raised = bonus[event, number].to(products.dtype)
            products.index_put_((event, place[event, number]), raised, accumulate=True)
        wanted = problem.mean_at_labels(products, part).float()
        products.exp_()
        # A sum in another dtype would make this copy in new memory.
        scores = workspace(len(products), products.shape[1], torch.float32, products.device).copy_(products)
        partition = scores.sum(1, keepdim=True)
        losses, scores = partition.log().squeeze(1) - wanted, products
    else:
        scores = products
        if products.dtype != torch.float32:
            scores = workspace(len(products), products.shape[1], torch.float32, products.device).copy_(products)
        if problem.adds_bonus:
            problem.add_bonus(scores, part)
        if problem.log_inclusion is not None:
            # Candidates represent the items they were sampled from; a target is always included and represents itself.
            scores.sub_(problem.log_inclusion)
            scores.scatter_add_(1, index, problem.log_inclusion[index])
        wanted = problem.mean_at_labels(scores, part)
        highest = scores.amax(1, keepdim=True)
        partition = scores.sub_(highest).exp_().sum(1, keepdim=True)
        losses = (partition.log() + highest).squeeze(1) - wanted
    likely = None if problem.bonus is None else problem.bonus_values(scores, part) / partition
    if scores is not products:
        products.copy_(scores)
    return losses, likely, partition


def _by_items(problem: SoftmaxInputs) -> _Parts:
    """Loss and gradients in blocks of items, each against all events, in two passes: four products per score.

    For large catalogues: chunks of events would have too few rows for fast products, and each chunk would read and
    write the gradient of the whole table.
    """
    states, items, weights = problem.states, problem.items, problem.weights
    low_states = states.to(items.dtype)
    block = max(_LEAST_BLOCK, CHUNK_ELEMENTS // max(1, len(states)))
    blocks = [slice(start, start + block) for start in range(0, len(items), block)]
    everyone = slice(None)
    highest = states.new_full((len(states), 1), -torch.inf, dtype=torch.float32)
    partition = torch.zeros_like(highest)
    for part in blocks:
        scores, _ = problem.scores(low_states, items[part], everyone, part.start)
        higher = torch.maximum(highest, scores.amax(1, keepdim=True))
        partition = partition * (highest - higher).exp() + scores.sub_(higher).exp_().sum(1, keepdim=True)
        highest = higher
    log_partition = partition.log() + highest
    losses = log_partition.squeeze(1) - (low_states.float() * problem.mean_item).sum(1)
    if problem.bonus is not None and not problem.bonus_apart:
        losses = losses - (problem.bonus_share(everyone) * problem.bonus).sum(1)
    total = losses.sum() if weights is None else losses @ weights
    if not problem.needs_grad:
        return total, None, None, None
    scale = torch.ones_like(log_partition) if weights is None else weights[:, None]
    grad_states = torch.zeros_like(states, dtype=torch.float32)
    likely = None if problem.bonus is None else torch.zeros_like(problem.bonus)
    grad_items = torch.empty_like(items, dtype=torch.float32)
    for part in blocks:
        scores, products = problem.scores(low_states, items[part], everyone, part.start)
        scores.sub_(log_partition).exp_()
        if likely is not None:
            likely += problem.bonus_values(scores, everyone, part.start)
        scores.mul_(scale)
        gradients = scores if items.dtype == torch.float32 else products.copy_(scores)
        grad_states += torch.mm(gradients, items[part])
        grad_items[part] = torch.mm(gradients.T, low_states)
    problem.pull_labels(grad_states, grad_items)
    grad_bonus = None if likely is None else problem.bonus_gradient(likely, everyone) * scale
    return total, grad_states, grad_items, grad_bonus


def _divided(items: torch.Tensor, norms: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Items divided by their norms, in another dtype, without an intermediate copy."""
    divided = torch.empty_like(items, dtype=dtype)
    for start in range(0, len(items), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        divided[part] = items[part] / norms[part]
    return divided


def _through_norms(gradient: torch.Tensor | None, items: torch.Tensor, norms: torch.Tensor) -> None:
    """Turn the gradient of unit vectors into that of the vectors, in place: the parallel part has no effect."""
    for start in range(0, len(items) if gradient is not None else 0, _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        vectors, rows = items[part], gradient[part]  # type: ignore[index]
        inverse = norms[part].reciprocal() * (norms[part] > LEAST_NORM)
        along = torch.linalg.vecdot(vectors.float(), rows)[:, None] * inverse**3
        rows.mul_(inverse).addcmul_(vectors, along, value=-1)


def chunked_cross_entropy(
    states: torch.Tensor,
    items: torch.Tensor,
    targets: torch.Tensor,
    *,
    soft_targets: torch.Tensor | None = None,
    soft_weight: float = 0.0,
    log_inclusion: torch.Tensor | None = None,
    weights: torch.Tensor | None = None,
    unit_items: bool = False,
    bonus_items: torch.Tensor | None = None,
    bonus: torch.Tensor | None = None,
    bonus_apart: bool = False,
) -> torch.Tensor:
    """Summed softmax cross-entropy of events against items, exact, in chunks.

    The loss of one event with scores s, target y and text neighbours t_1..t_K (label smoothing) is
    logsumexp(s) - (1 - w) s_y - w / K sum_k s_{t_k}. Products run in the autocast dtype where autocast is on; sums
    and exponentials are float32 always.

    Args:
        states: (events, hidden) behaviour states, already divided by the temperature.
        items: (items, hidden) item representations.
        targets: (events,) index of the right item.
        soft_targets: (events, K) items that share the label's mass (label smoothing), or None.
        soft_weight: The share w of that mass.
        log_inclusion: (items,) log sampling probability of each candidate, for sampled softmax:
            it is subtracted from the scores, except from the target's (Bengio and Senecal 2008; Yi et al. 2019).
        weights: (events,) factor of each event's loss; None for 1.
        unit_items: Whether only the direction of an item counts: as if `items` were normalised, without the copies of
            the table that this would need.
        bonus_items: (events, n) index of items whose score gets a bonus, or None.
        bonus: (events, n) added to their scores; if an event has an item twice, both are added. It gets a
            gradient.
        bonus_apart: Whether the loss and all other gradients are computed without the bonus, and the bonus gets the
            gradient of the loss with it: it is fitted on top of the model's fixed scores.

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
        states,
        items,
        targets,
        soft_targets,
        soft_weight,
        log_inclusion,
        weights,
        unit_items,
        dtype,
        bonus_items,
        bonus,
        bonus_apart,
    )
    return total
