"""Rules of the shop: boost, bury and pin items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from ...modeling_xcat.arguments_xcat import finite_number, item_ids
from ...modeling_xcat.conditions_xcat import Condition
from ..rerank import Candidates
from .limits import matching


@dataclass(frozen=True)
class Boost:
    """Add to the relevance of the items that keep a condition.

    Args:
        condition: A condition on the catalogue, such as `brand=Acme`.
        amount: Added to their relevance, which is from 0 to 1; negative to move them back.

    Raises:
        ValueError: If the condition cannot be read, or the amount is not a number.
    """

    condition: str | Condition
    amount: float = 0.1

    def __post_init__(self) -> None:
        object.__setattr__(self, "condition", Condition.read(self.condition))
        object.__setattr__(self, "amount", finite_number("amount", self.amount))

    def __call__(self, candidates: Candidates) -> torch.Tensor:
        """(users, n) sort keys."""
        return candidates.relevance + self.amount * matching(candidates, self.condition)


@dataclass(frozen=True)
class Bury:
    """Move the items that keep a condition behind all others.

    Args:
        condition: A condition on the catalogue, such as `category=gift cards`.

    Raises:
        ValueError: If the condition cannot be read.
    """

    binding: ClassVar[bool] = True
    condition: str | Condition

    def __post_init__(self) -> None:
        object.__setattr__(self, "condition", Condition.read(self.condition))

    def __call__(self, candidates: Candidates) -> torch.Tensor:
        """(users, n) 0 for these items, 1 for the others."""
        return (~matching(candidates, self.condition)).double()


@dataclass(frozen=True)
class Pin:
    """Put items first, in their order, for every user, even if they are not among the best items.

    Filters take precedence: an item that they leave out is not shown. Neither is an item of the history, unless
    `exclude_seen=False`.

    Args:
        pinned: Ids of the items.

    Raises:
        ValueError: If they are not a list of ids.
    """

    binding: ClassVar[bool] = True
    pinned: Sequence[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "pinned", item_ids("pinned", self.pinned) or ())

    def __call__(self, candidates: Candidates) -> torch.Tensor:
        """(users, n) sort keys: 0 for all other items."""
        keys = torch.zeros_like(candidates.relevance)
        for place, row in enumerate(candidates.vocabulary.encode(list(self.pinned)).tolist()):
            keys = keys.masked_fill(candidates.rows == row, len(self.pinned) - place)
        return keys
