"""The items that a batch of users may get, for the search of the best ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch


@dataclass(frozen=True)
class ItemMask:
    """The filter of a batch of users, applied to blocks of scores or to chosen items.

    Args:
        allowed: (rows,) True for items that every user may get.
        codes: (rows,) category code of every item, -1 for none.
        known: (users, categories + 1) True for categories whose items the user does not get; the last column, for
            items without a category, is False. None if no category is left out by user.

    Example:
        >>> mask = ItemMask(torch.tensor([True, False, True]), torch.tensor([0, 0, 1]))
        >>> mask.keeps(torch.tensor([[2, 1]])).tolist(), mask.of_user(0).tolist()
        ([[True, False]], [True, False, True])
    """

    allowed: torch.Tensor
    codes: torch.Tensor
    known: torch.Tensor | None = None

    @cached_property
    def everything(self) -> bool:
        """Whether `allowed` has every item."""
        return bool(self.allowed.all())

    def __call__(self, scores: torch.Tensor, start: int) -> None:
        """Set the scores of items that are left out to -inf, in place; see `Adjust`."""
        stop = start + scores.shape[1]
        if not self.everything:
            scores.masked_fill_(~self.allowed[start:stop], -torch.inf)
        if self.known is not None:
            scores.masked_fill_(self.known[:, self.codes[start:stop]], -torch.inf)

    def keeps(self, rows: torch.Tensor) -> torch.Tensor:
        """(users, n) True for (users, n) item indices that the user may get."""
        kept = self.allowed[rows]
        return kept if self.known is None else kept & ~self.known.gather(1, self.codes[rows] % self.known.shape[1])

    @cached_property
    def least_share(self) -> float:
        """Share of the item indices that a user may get, of the user with the fewest."""
        if self.known is None:
            return 1.0 if self.everything else float(self.allowed.float().mean())
        width = self.known.shape[1]
        sizes = torch.bincount(self.codes % width, weights=self.allowed.double(), minlength=width)
        return float((~self.known).double().mv(sizes).min()) / len(self.codes)

    def of_users(self, users: torch.Tensor) -> ItemMask:
        """The mask of some of the users."""
        return self if self.known is None else replace(self, known=self.known[users])

    def of_user(self, user: int) -> torch.Tensor:
        """(rows,) True for the items that one user may get."""
        return self.allowed if self.known is None else self.allowed & ~self.known[user][self.codes]

    def only(self, rows: torch.Tensor) -> ItemMask:
        """A mask that leaves out all but some of the items."""
        listed = torch.zeros_like(self.allowed)
        listed[rows] = True
        return replace(self, allowed=self.allowed & listed)
