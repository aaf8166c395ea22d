"""Arguments of the softmax loss, and the scores, bonuses and label masses computed from them."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

CHUNK_ELEMENTS = 2 * 2**20
"""Maximum scores per chunk (8 MiB in float32): small enough for the outer cache, large enough for fast products."""

_HIGHEST_PLAIN = 40.0
"""Bound on scores that keeps exponentials and their sums within bfloat16's range."""
LEAST_NORM = 1e-12
_HIGHEST_BONUS = 50.0

_kept = threading.local()


def workspace(rows: int, columns: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """A (rows, columns) buffer that the next call with this dtype overwrites.

    On a CPU it is kept between steps: allocating it page by page took as long as the arithmetic. Allocators of other
    devices keep memory themselves.
    """
    size = rows * columns
    if device.type != "cpu" or torch.compiler.is_compiling():  # compilers plan memory themselves
        return torch.empty(rows, columns, dtype=dtype, device=device)
    buffers: dict[Any, torch.Tensor] = _kept.__dict__
    if dtype not in buffers or buffers[dtype].numel() < size:
        buffers[dtype] = torch.empty(max(size, CHUNK_ELEMENTS), dtype=dtype)
    return buffers[dtype][:size].view(rows, columns)


@dataclass
class SoftmaxInputs:
    """Arguments of the loss, with the items in the dtype of the products."""

    states: torch.Tensor
    items: torch.Tensor
    targets: torch.Tensor
    soft_targets: torch.Tensor | None
    soft_weight: float
    log_inclusion: torch.Tensor | None
    weights: torch.Tensor | None
    needs_grad: bool
    bonus_items: torch.Tensor | None = None
    bonus: torch.Tensor | None = None
    bonus_apart: bool = False

    @property
    def adds_bonus(self) -> bool:
        """Whether scores have the bonus added."""
        return self.bonus is not None and not self.bonus_apart

    def exponentials_fit(self) -> bool:
        """Whether exponentials of scores fit the dtype of the products without subtracting a maximum.

        Their rounding error equals the error of the products' inputs. Scores are bounded by the norms
        (Cauchy-Schwarz); float16 has too narrow a range.
        """
        if self.items.dtype != torch.bfloat16 or self.log_inclusion is not None:
            return False
        bound = self.states.norm(dim=1).amax() * self.items.norm(dim=1).amax() if self.states.numel() else 0.0
        added = self.bonus if self.adds_bonus and self.bonus is not None and self.bonus.numel() else None
        # In both directions: a row of vanishing exponentials has no sum to divide by.
        furthest = 0.0 if added is None else added.abs().sum(1).amax()
        return bool(bound <= _HIGHEST_PLAIN and furthest <= _HIGHEST_PLAIN)

    def mean_at_labels(self, scores: torch.Tensor, events: slice) -> torch.Tensor:
        """(events,) mean of (events, items) scores under the label's mass."""
        wanted = scores.gather(1, self.targets[events, None]).squeeze(1)
        if self.soft_targets is None:
            return wanted
        share = self.soft_weight
        return (1 - share) * wanted + share * scores.gather(1, self.soft_targets[events]).float().mean(1)

    def pull_labels(self, grad_states: torch.Tensor, grad_items: torch.Tensor) -> None:
        """Subtract the label's part from float32 gradients."""
        share, soft = self.soft_weight, self.soft_targets
        scale = 1.0 if self.weights is None else self.weights[:, None]
        grad_states -= self.mean_item * scale
        pull = self.states.float() * scale
        grad_items.index_add_(0, self.targets, pull, alpha=-1.0 if soft is None else share - 1)
        if soft is not None:
            near = soft.shape[1]
            grad_items.index_add_(0, soft.flatten(), pull.repeat_interleave(near, 0), alpha=-share / near)

    @cached_property
    def mean_item(self) -> torch.Tensor:
        """(events, hidden) mean of items under the label's mass, float32."""
        share, soft = self.soft_weight, self.soft_targets
        mean = self.items[self.targets].float()
        return mean if soft is None else (1 - share) * mean + share * self.items[soft].float().mean(1)

    def scores(
        self, states: torch.Tensor, items: torch.Tensor, events: slice, start: int = 0
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(events, items) scores in float32, and a workspace of that shape in the dtype of the products.

        Items begin at `start`; the bonus of `events` is added.
        """
        size, device = (len(states), len(items)), states.device
        products = scores = torch.mm(states, items.T, out=workspace(*size, items.dtype, device))
        if items.dtype != torch.float32:
            scores = workspace(*size, torch.float32, device).copy_(products)
        if self.adds_bonus:
            self.add_bonus(scores, events, start)
        return scores, products

    def add_bonus(self, scores: torch.Tensor, events: slice, start: int = 0) -> None:
        """Add the bonus of some events to their (events, items from `start` on) scores."""
        inside, place = self.bonus_places(events, start, scores.shape[1])
        scores.scatter_add_(1, place, self.bonus[events] * inside)  # type: ignore[index]

    def bonus_places(self, events: slice, start: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Mask and positions of bonuses within `count` items from `start` on."""
        assert self.bonus_items is not None
        place = self.bonus_items[events] - start
        inside = (place >= 0) & (place < count)
        return inside, place * inside

    def bonus_values(self, scores: torch.Tensor, events: slice, start: int = 0) -> torch.Tensor:
        """Values of a (events, items from `start` on) matrix at items with a bonus; 0 for items outside it."""
        inside, place = self.bonus_places(events, start, scores.shape[1])
        return scores.gather(1, place) * inside

    def bonus_share(self, events: slice) -> torch.Tensor:
        """(events, bonuses) share of the label's mass of each item with a bonus."""
        assert self.bonus_items is not None
        items, soft = self.bonus_items[events], self.soft_targets
        mass = items.eq(self.targets[events, None]).float() * (1.0 if soft is None else 1 - self.soft_weight)
        for near in [] if soft is None else soft[events].T:
            mass += items.eq(near[:, None]) * (self.soft_weight / len(soft.T))  # type: ignore[union-attr]
        return mass

    def bonus_gradient(self, likely: torch.Tensor, events: slice) -> torch.Tensor:
        """Gradient of the bonus of some events, before their weights, from the softmax at items with a bonus.

        With a separate bonus ("apart") the softmax is without it, and is corrected to the softmax with it.
        """
        assert self.bonus is not None
        if self.bonus_apart:
            raised = likely * self.bonus[events].clamp(max=_HIGHEST_BONUS).exp()
            rest = (1 - likely.sum(1, keepdim=True)).clamp(min=0)  # mass of items without a bonus
            likely = raised / (rest + raised.sum(1, keepdim=True)).clamp(min=LEAST_NORM)
        return likely - self.bonus_share(events)
