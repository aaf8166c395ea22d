"""A guaranteed share of a group of items at every length of the list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from ...evaluation.audits.popularity import tail_rows
from ...modeling_xcat.arguments_xcat import finite_number, whole_number
from ...modeling_xcat.conditions_xcat import Condition
from ..rerank import MOST_PLACES, Candidates
from .limits import matching

LONG_TAIL = "long-tail"
"""The group of all items but the most popular ones with 80 % of the training events, as in the audit."""
_ROUNDING = 1e-9
"""So that .3 of 10 items is 3, whatever the rounding of the product."""


@dataclass(frozen=True)
class Share:
    """Guarantee a group of items its share of the list.

    Of the first n items, at least `share * n`, rounded down, are of the group, for every n up to `within`. Each place
    gets the most relevant item that keeps the guarantee, as in FA*IR (Zehlike et al., CIKM 2017) with a fixed share.
    If the pool has too few items of the group, all of them are in the first places.

    Args:
        group: `long-tail`, or a condition on the catalogue, such as `brand=Acme`.
        share: Above 0, at most 1.
        within: Number of first places with the guarantee.

    Raises:
        ValueError: If the condition cannot be read, or a number is out of its range.
    """

    binding: ClassVar[bool] = True
    group: str | Condition
    share: float
    within: int = 10

    def __post_init__(self) -> None:
        if self.group != LONG_TAIL:
            object.__setattr__(self, "group", Condition.read(self.group))
        object.__setattr__(self, "share", finite_number("share", self.share))
        if not 0 < self.share <= 1:
            raise ValueError(f"share is {self.share:g}; give a share above 0, at most 1, such as 0.3")
        object.__setattr__(self, "within", whole_number("within", self.within, most=MOST_PLACES))

    def __call__(self, candidates: Candidates) -> torch.Tensor:
        """(users, n) keys: the items of the first places in steps, one step per guaranteed item."""
        there = candidates.tiers > -torch.inf
        inside = self._members(candidates) & there
        keys = torch.zeros_like(candidates.relevance)
        places = torch.arange(keys.shape[1], device=keys.device).expand(keys.shape)
        taken, owed, step = ~there, 0, self.within
        for length in range(1, min(self.within, keys.shape[1]) + 1):
            due = int(self.share * length + _ROUNDING)
            short = (inside & taken).sum(dim=1, keepdim=True) < due
            wanted = torch.where(short & (inside & ~taken).any(dim=1, keepdim=True), inside & ~taken, ~taken)
            first = places.masked_fill(~wanted, keys.shape[1]).amin(dim=1, keepdim=True)
            chosen = (places == first) & wanted
            keys = torch.where(chosen, float(step), keys)
            taken = taken | chosen
            if due > owed:
                owed, step = due, step - 1
        return keys

    def _members(self, candidates: Candidates) -> torch.Tensor:
        """(users, n) whether candidates are of the group."""
        if self.group != LONG_TAIL:
            return matching(candidates, self.group)
        tail = torch.from_numpy(tail_rows(candidates.known_data.counts.cpu().numpy()))
        return tail.to(candidates.rows.device)[candidates.rows]
