"""Which items may be recommended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from .ranking_xcat import Adjust


@dataclass(frozen=True)
class Filters:
    """Which items may be recommended.

    Args:
        exclude_seen: Leave out the items of the history.
        exclude_categories: Categories to leave out.
        only_categories: Categories to keep to; None for all.
        cross_category: Keep to categories that the history does not contain.
    """

    exclude_seen: bool = True
    exclude_categories: Sequence[str] = ()
    only_categories: Sequence[str] | None = None
    cross_category: bool = False


class ItemFilter:
    """Filters over one catalogue, applied to blocks of scores.

    Args:
        vocabulary: The catalogue, an `ItemVocabulary`.
        device: Where scores are.
    """

    def __init__(self, vocabulary: Any, device: torch.device) -> None:
        self._codes = torch.as_tensor(vocabulary.category_codes).long().to(device)
        self._categories = {name: code for code, name in enumerate(vocabulary.categories)}

    def allowed(self, filters: Filters) -> torch.Tensor:
        """(rows,) True for the items that the categories of the filters leave in.

        Raises:
            ValueError: If a category is unknown.
        """
        allowed = torch.ones_like(self._codes, dtype=torch.bool)
        if filters.only_categories is not None:
            allowed = torch.isin(self._codes, self._codes_of(filters.only_categories))
        if filters.exclude_categories:
            allowed &= ~torch.isin(self._codes, self._codes_of(filters.exclude_categories))
        return allowed

    def hide(self, filters: Filters, allowed: torch.Tensor, histories: Sequence[Sequence[int]]) -> Adjust:
        """The filter of a batch of users.

        Args:
            filters: What may be recommended.
            allowed: (rows,) result of `allowed`.
            histories: Item rows of each user.

        Returns:
            A function for `ItemIndex.search`.
        """
        device = self._codes.device
        lengths = torch.tensor([len(history) for history in histories])
        users = torch.arange(len(histories)).repeat_interleave(lengths).to(device)
        rows = torch.cat([torch.as_tensor(history).long() for history in histories]).to(device)
        everything = bool(allowed.all())
        # The last column stands for items without category (code -1), which may lie in a category that is known.
        known = torch.zeros(len(histories), len(self._categories) + 1, dtype=torch.bool, device=device)
        known[users, self._codes[rows]] = True
        known[:, -1] = True

        def hide(scores: torch.Tensor, start: int) -> None:
            stop = start + scores.shape[1]
            if not everything:
                scores.masked_fill_(~allowed[start:stop], -torch.inf)
            if filters.exclude_seen:
                inside = (rows >= start) & (rows < stop)
                scores[users[inside], rows[inside] - start] = -torch.inf
            if filters.cross_category:
                scores.masked_fill_(known[:, self._codes[start:stop]], -torch.inf)

        return hide

    def _codes_of(self, names: Sequence[str]) -> torch.Tensor:
        unknown = [name for name in names if name not in self._categories]
        if unknown:
            known = ", ".join(sorted(self._categories)[:10])
            raise ValueError(
                f"{unknown[0]!r} is no category of the catalogue's {len(self._categories)}; "
                f"it has, for example, {known}"
            )
        return torch.tensor([self._categories[name] for name in names], device=self._codes.device)
