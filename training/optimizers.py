"""AdamW that updates only the table rows used in a step."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from typing import Any

import torch


class RowAdamW(torch.optim.AdamW):
    """AdamW for dense and for row-sparse gradients.

    For a sparse gradient, moments, weights and weight decay are updated only in the rows of the gradient (as in
    `torch.optim.SparseAdam`, which supports neither weight decay nor dense parameters). So the cost of a step depends
    on the batch, not on the size of the catalogue. Moments of unused rows take no memory: their pages are never
    written.

    Example:
        >>> table = torch.nn.Embedding(4, 1, sparse=True)
        >>> before = table.weight.detach().clone()
        >>> table(torch.tensor([2])).sum().backward()
        >>> _ = RowAdamW(table.parameters(), lr=0.1, weight_decay=0.0).step()
        >>> (table.weight != before).squeeze(1).tolist()
        [False, False, True, False]
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step; a closure is evaluated before it."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        sparse = []
        for group in self.param_groups:
            for parameter in group["params"]:
                gradient = parameter.grad
                if gradient is not None and gradient.is_sparse:
                    self._step_rows(parameter, gradient.coalesce(), group)
                    sparse.append((parameter, gradient))
                    parameter.grad = None
        super().step()
        for parameter, gradient in sparse:
            parameter.grad = gradient
        return loss

    def _step_rows(self, parameter: torch.Tensor, gradient: torch.Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(())
            state["exp_avg"], state["exp_avg_sq"] = _untouched(parameter), _untouched(parameter)
        state["step"] += 1
        count, (low, high) = float(state["step"]), group["betas"]
        rows, values = gradient.indices()[0], gradient.values()
        first = state["exp_avg"][rows].lerp_(values, 1 - low)
        second = state["exp_avg_sq"][rows].mul_(high).addcmul_(values, values, value=1 - high)
        state["exp_avg"][rows], state["exp_avg_sq"][rows] = first, second
        scale = (second / (1 - high**count)).sqrt_().add_(group["eps"])
        weights = parameter[rows].mul_(1 - group["lr"] * group["weight_decay"])
        parameter[rows] = weights.addcdiv_(first, scale, value=-group["lr"] / (1 - low**count))


def _untouched(parameter: torch.Tensor) -> torch.Tensor:
    """Zeros that use memory only after they are written, if the system supports it (small pages, mapped lazily)."""
    if parameter.device.type != "cpu" or parameter.numel() == 0 or not hasattr(mmap, "MADV_NOHUGEPAGE"):
        return torch.zeros_like(parameter)
    pages = mmap.mmap(-1, parameter.numel() * parameter.element_size())
    pages.madvise(mmap.MADV_NOHUGEPAGE)
    return torch.frombuffer(pages, dtype=parameter.dtype).view(parameter.shape)


def clip_row_gradients(parameters: list[torch.nn.Parameter], max_norm: float) -> torch.Tensor:
    """Like `torch.nn.utils.clip_grad_norm_`, also for row-sparse gradients.

    Args:
        parameters: Parameters; parameters without a gradient are skipped.
        max_norm: Maximum Euclidean norm of all gradients together.

    Returns:
        The norm before clipping.
    """
    values = []
    for parameter in parameters:
        if parameter.grad is not None and parameter.grad.is_sparse:
            parameter.grad = parameter.grad.coalesce()
            values.append(parameter.grad.values())
        elif parameter.grad is not None:
            values.append(parameter.grad)
    norm = torch.nn.utils.get_total_norm(values)
    factor = (max_norm / (norm + 1e-6)).clamp(max=1.0)
    for value in values:
        value.mul_(factor)
    return norm
