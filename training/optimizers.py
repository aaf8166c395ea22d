"""AdamW that updates only the rows of a table that a step has touched."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from typing import Any

import torch


class RowAdamW(torch.optim.AdamW):
    """AdamW for dense and for row-sparse gradients.

    A parameter with a sparse gradient has its moments, its weights and its weight decay brought forward in the rows of
    that gradient only (as in `torch.optim.SparseAdam`, which knows neither weight decay nor other parameters), so that
    a step costs what the batch names, not what the catalogue holds. Moments of rows that no step has touched take no
    memory: their pages are never written.

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
    """Zeros that take memory only where they are written, where the system can do that: small pages, mapped lazily."""
    if parameter.device.type != "cpu" or parameter.numel() == 0 or not hasattr(mmap, "MADV_NOHUGEPAGE"):
        return torch.zeros_like(parameter)
    pages = mmap.mmap(-1, parameter.numel() * parameter.element_size())
    pages.madvise(mmap.MADV_NOHUGEPAGE)
    return torch.frombuffer(pages, dtype=parameter.dtype).view(parameter.shape)


def clip_row_gradients(parameters: list[torch.nn.Parameter], max_norm: float) -> torch.Tensor:
    """As `torch.nn.utils.clip_grad_norm_`, for gradients some of which are sparse by rows.

    Args:
        parameters: Parameters, of which those without a gradient are passed over.
        max_norm: Largest Euclidean norm of all gradients together.

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
