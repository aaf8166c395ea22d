"""Rules that limit how many items of a kind are at the front. They also bind the rules after them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from ...modeling_xcat.arguments_xcat import whole_number
from ...modeling_xcat.conditions_xcat import Condition
from ..rerank import MOST_PLACES, Candidates


@dataclass(frozen=True)
class MaxPer:
    """Move items back when the value of a column already has its maximum of items.

    Items without a value are never moved.

    Args:
        column: Column of the catalogue, such as brand.
        most: Maximum of items per value at the front.

    Raises:
        ValueError: If `most` is below 1.
    """

    binding: ClassVar[bool] = True
    column: str
    most: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "most", whole_number("most", self.most, most=MOST_PLACES))

    def __call__(self, candidates: Candidates) -> torch.Tensor:
        """(users, n) 1 for items within the maximum, 0 for the others."""
        return _within(candidates.known_data.codes(self.column), candidates, self.most)


@dataclass(frozen=True)
class MaxPerCategory:
    """Move items back when their category already has its maximum of items.

    Items without a category are never moved.

    Args:
        most: Maximum of items per category at the front.

    Raises:
        ValueError: If `most` is below 1.
    """

    binding: ClassVar[bool] = True
    most: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "most", whole_number("most", self.most, most=MOST_PLACES))

    def __call__(self, candidates: Candidates) -> torch.Tensor:
        """(users, n) 1 for items within the maximum of their category, 0 for the others."""
        return _within(candidates.vocabulary.category_codes, candidates, self.most)


@dataclass(frozen=True)
class OnePerProduct:
    """One variant per product: of items with the same title or parent, only the first is at the front.

    Titles are compared without case and surplus blanks.

    Args:
        column: Column that variants share, such as parent_asin.
    """

    binding: ClassVar[bool] = True
    column: str = "title"

    def __call__(self, candidates: Candidates) -> torch.Tensor:
        """(users, n) 1 for the first variant of each product, 0 for the others."""
        return _within(candidates.known_data.products(self.column), candidates, 1)


@dataclass(frozen=True)
class AtLeast:
    """Move items forward that keep a condition, so that enough of them are among the first places.

    Args:
        condition: A condition on the catalogue, such as `category=tents`.
        count: Number of such items.
        within: Number of first places.

    Raises:
        ValueError: If the condition cannot be read, or `count` is above `within`.
    """

    binding: ClassVar[bool] = True
    condition: str | Condition
    count: int
    within: int = 10

    def __post_init__(self) -> None:
        object.__setattr__(self, "condition", Condition.read(self.condition))
        for name in ("count", "within"):
            object.__setattr__(self, name, whole_number(name, getattr(self, name), most=MOST_PLACES))
        if self.count > self.within:
            raise ValueError(f"count is {self.count} and within {self.within}; count is at most within")

    def __call__(self, candidates: Candidates) -> torch.Tensor:
        """(users, n) 1 for the items of the first places, 0 for the others."""
        wanted = matching(candidates, self.condition) & (candidates.tiers > -torch.inf)
        reserved = wanted & (wanted.cumsum(dim=1) <= self.count)
        others = (~reserved).cumsum(dim=1) <= self.within - reserved.sum(dim=1, keepdim=True)
        return (reserved | others).double()


def matching(candidates: Candidates, condition: str | Condition) -> torch.Tensor:
    """(users, n) whether the candidates keep a condition.

    Raises:
        ValueError: As `ItemConditions.keeping`.
    """
    kept = candidates.known_data.conditions.keeping(Condition.read(condition))
    return kept.to(candidates.rows.device)[candidates.rows]


def _within(codes: object, candidates: Candidates, most: int) -> torch.Tensor:
    """(users, n) 1 for items that are among the first `most` of their code, and for items without one."""
    own = torch.as_tensor(codes).long().to(candidates.rows.device)[candidates.rows]
    order = own.argsort(dim=1, stable=True)  # groups items by code, best first
    grouped = own.gather(1, order)
    place = torch.arange(own.shape[1], device=own.device).expand_as(own)
    begins = torch.ones_like(grouped, dtype=torch.bool)
    begins[:, 1:] = grouped[:, 1:] != grouped[:, :-1]
    within = place - torch.where(begins, place, 0).cummax(1).values
    kept = (within < most) | (grouped < 0)
    return torch.zeros_like(candidates.scores).scatter(1, order, kept.to(candidates.scores.dtype))
