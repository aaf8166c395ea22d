"""The items that a batch of users may get, for the search of the best ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch


@dataclass(frozen=True)
class ItemMask:
    """The filter of a batch of users, applied to blocks of scores or to chosen items.

    Args:
        allowed: (rows,) True for items that every user may get, or (users, rows) if users have different filters.
        codes: (rows,) category code of every item, -1 for none.
        known: (users, categories + 1) True for categories whose items the user does not get; the last column, for
            items without a category, is False. None if no category is left out by user.
        sensitive: (rows,) bits of the sensitive categories of every item; None for none. See `ItemPolicy`.
        opted: (users,) bits of the sensitive categories that each user may get.

    Example:
        >>> mask = ItemMask(torch.tensor([True, False, True]), torch.tensor([0, 0, 1]))
        >>> mask.keeps(torch.tensor([[2, 1]])).tolist(), mask.of_user(0).tolist()
        ([[True, False]], [True, False, True])
    """

    allowed: torch.Tensor
    codes: torch.Tensor
    known: torch.Tensor | None = None
    sensitive: torch.Tensor | None = None
    opted: torch.Tensor | None = None

    @property
    def by_user(self) -> bool:
        """Whether users may get different items."""
        return self.known is not None or self.opted is not None or not self.is_shared

    @property
    def is_shared(self) -> bool:
        """Whether `allowed` is that of every user."""
        return self.allowed.dim() == 1

    @cached_property
    def everything(self) -> bool:
        """Whether `allowed` has every item."""
        return bool(self.allowed.all())

    def __call__(self, scores: torch.Tensor, start: int) -> None:
        """Set the scores of items that are left out to -inf, in place; see `Adjust`."""
        stop = start + scores.shape[1]
        if not self.everything:
            scores.masked_fill_(~self.allowed[..., start:stop], -torch.inf)
        if self.known is not None:
            scores.masked_fill_(self.known[:, self.codes[start:stop]], -torch.inf)
        if self.opted is not None and self.sensitive is not None:
            scores.masked_fill_((self.sensitive[start:stop] & ~self.opted[:, None]) != 0, -torch.inf)

    def keeps(self, rows: torch.Tensor) -> torch.Tensor:
        """(users, n) True for (users, n) item indices that the user may get."""
        kept = self.allowed[rows] if self.is_shared else self.allowed.gather(1, rows)
        if self.known is not None:
            kept = kept & ~self.known.gather(1, self.codes[rows] % self.known.shape[1])
        if self.opted is not None and self.sensitive is not None:
            kept = kept & ((self.sensitive[rows] & ~self.opted[:, None]) == 0)
        return kept

    @cached_property
    def least_share(self) -> float:
        """Share of the item indices that a user may get, of the user with the fewest."""
        if not self.is_shared:
            return min(float(self.of_user(user).float().mean()) for user in range(len(self.allowed)))
        if not self.by_user:
            return 1.0 if self.everything else float(self.allowed.float().mean())
        free = torch.ones(1, 1) if self.known is None else ~self.known
        cells, places, kinds = torch.zeros_like(self.codes), torch.zeros_like(self.codes), self.codes[:1]
        if self.known is not None:
            cells = self.codes % free.shape[1]
        open_to = torch.ones(1, 1)
        if self.opted is not None and self.sensitive is not None:
            kinds, places = self.sensitive.unique(return_inverse=True)
            open_to = (kinds & ~self.opted[:, None]) == 0
        width, weights = free.shape[1], self.allowed.double()
        sizes = torch.bincount(places * width + cells, weights=weights, minlength=len(kinds) * width)
        per_user = torch.einsum("kw,uk->uw", sizes.view(len(kinds), width), open_to.to(sizes)) * free.to(sizes)
        return float(per_user.sum(1).min()) / len(self.codes)

    def of_users(self, users: torch.Tensor) -> ItemMask:
        """The mask of some of the users."""
        known, opted = (None if own is None else own[users] for own in (self.known, self.opted))
        allowed = self.allowed if self.is_shared else self.allowed[users]
        return replace(self, allowed=allowed, known=known, opted=opted)

    def of_user(self, user: int) -> torch.Tensor:
        """(rows,) True for the items that one user may get."""
        kept = self.allowed if self.is_shared else self.allowed[user]
        if self.known is not None:
            kept = kept & ~self.known[user][self.codes]
        if self.opted is None or self.sensitive is None:
            return kept
        return kept & ((self.sensitive & ~self.opted[user]) == 0)

    def only(self, rows: torch.Tensor) -> ItemMask:
        """A mask that leaves out all but some of the items."""
        listed = torch.zeros_like(self.codes, dtype=torch.bool)
        listed[rows] = True
        return replace(self, allowed=self.allowed & listed)
