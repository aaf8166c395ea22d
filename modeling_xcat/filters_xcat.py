"""Filters on the recommended items."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import torch

from .arguments_xcat import category_names, item_ids, truth
from .conditions_xcat import Condition, ItemConditions, conditions_of
from .configuration_xcat import NUM_SPECIAL_ROWS
from .item_mask_xcat import ItemMask
from .item_policy_xcat import ItemPolicy

_NAMES = ("only_items", "only_categories", "exclude_categories", "conditions")
"""Filters that do not depend on the history."""


@dataclass(frozen=True)
class Filters:
    """Filters on the recommended items.

    An item without a category is in no category: `only_categories` leaves it out, `exclude_categories` and
    `cross_category` keep it.

    Args:
        exclude_seen: Leave out the items of the history. The others then have the scores for discovery
            (`RecentEvents.discovering`).
        exclude_categories: Categories to leave out, whatever their case; one name or any container of names.
        only_categories: Categories to recommend from, likewise; None for all.
        cross_category: Recommend only items whose category the history does not contain.
        only_items: Ids of the items to recommend from, in any container, such as the items in stock; None for all.
        conditions: Conditions on columns of the catalogue that every item has to keep, such as `["price<20",
            "brand!=Acme"]`; see `Condition`.
        allow_sensitive: Sensitive categories of the content policy, such as "alcohol", whose items are recommended
            although no item of the history has the category.

    Raises:
        ValueError: If a value has another type, or a condition cannot be read.

    Example:
        >>> Filters(only_categories="tents").only_categories
        ('tents',)
    """

    exclude_seen: bool = True
    exclude_categories: str | Sequence[str] = ()
    only_categories: str | Sequence[str] | None = None
    cross_category: bool = False
    only_items: Collection[str] | None = None
    conditions: str | Condition | Sequence[Any] = ()
    allow_sensitive: str | Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in ("exclude_seen", "cross_category"):
            object.__setattr__(self, name, truth(name, getattr(self, name)))
        excluded = category_names("exclude_categories", self.exclude_categories)
        object.__setattr__(self, "exclude_categories", excluded or ())
        object.__setattr__(self, "only_categories", category_names("only_categories", self.only_categories))
        object.__setattr__(self, "only_items", item_ids("only_items", self.only_items))
        object.__setattr__(self, "conditions", conditions_of(self.conditions))
        opted = category_names("allow_sensitive", self.allow_sensitive)
        object.__setattr__(self, "allow_sensitive", opted or ())

    @property
    def by_category(self) -> str | None:
        """Name of a given argument that uses categories, if any."""
        if self.cross_category:
            return "cross_category"
        if self.only_categories is not None:
            return "only_categories"
        return "exclude_categories" if self.exclude_categories else None


class ItemFilter:
    """Filters over one catalogue, applied to blocks of scores.

    Args:
        vocabulary: The catalogue, an `ItemVocabulary`.
        device: Device of the scores.
        deleted: (rows,) True for items that no list may have; None for none.
        policy: Content policy of the catalogue, as the processor has it; None for none.

    Attributes:
        codes: (rows,) category code of every row, -1 for none.
        policy: Outcomes of the items by the policy; None without one.
    """

    def __init__(
        self,
        vocabulary: Any,
        device: torch.device,
        deleted: torch.Tensor | None = None,
        policy: Mapping[str, Any] | None = None,
    ) -> None:
        self.policy = ItemPolicy.read(policy, vocabulary, device)
        self.codes = torch.as_tensor(vocabulary.category_codes).long().to(device)
        self._kept = torch.ones_like(self.codes, dtype=torch.bool) if deleted is None else ~deleted.to(device)
        self._vocabulary = vocabulary
        self._conditions = ItemConditions(vocabulary, device)
        self._categories: dict[str, list[int]] = {}
        for code, name in enumerate(vocabulary.categories):
            self._categories.setdefault(_folded(name), []).append(code)

    def leaving_out(self, deleted: torch.Tensor) -> ItemFilter:
        """The same filter with other deleted items.

        Args:
            deleted: (rows,) True for items that no list may have.
        """
        same = copy(self)
        same._kept = ~deleted.to(self.codes.device)
        return same

    def under(self, policy: Mapping[str, Any] | None) -> ItemFilter:
        """The same filter with another content policy."""
        same = copy(self)
        same.policy = ItemPolicy.read(policy, self._vocabulary, self.codes.device)
        return same

    def named(self, reasons: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
        """Reasons, pairs of an item index and a weight, without items that the content policy lets nobody name."""
        policy = self.policy
        return list(reasons) if policy is None else [pair for pair in reasons if policy.may_be_named(pair[0])]

    @property
    def _live(self) -> torch.Tensor:
        """(rows,) True for items that are neither deleted nor blocked."""
        return self._kept if self.policy is None else self._kept & ~self.policy.blocked

    def allowed(self, filters: Filters) -> torch.Tensor:
        """(rows,) True for items that pass the filters that do not depend on the history.

        Raises:
            ValueError: If a category, an item, or a column or value of a condition is unknown, the filters use
                categories and the catalogue has none, or they allow a category that is not sensitive.
        """
        if filters.allow_sensitive and self.policy is None:
            raise ValueError(
                "allow_sensitive: the checkpoint has no content policy, so no item is left out for its category; "
                "leave allow_sensitive out, or give policy='standard'"
            )
        if self.policy is not None:
            self.policy.bits(filters.allow_sensitive)
        if filters.by_category and not self._categories:
            raise ValueError(
                f"{filters.by_category}: no item of the catalogue has a category; leave {filters.by_category} out, or "
                "fit the checkpoint with an items table that has the column category"
            )
        allowed = self._live.clone()
        if filters.only_categories is not None:
            allowed &= torch.isin(self.codes, self._codes_of(filters.only_categories))
        if filters.exclude_categories:
            allowed &= ~torch.isin(self.codes, self._codes_of(filters.exclude_categories))
        if filters.only_items is not None:
            named = torch.zeros_like(allowed)
            named[self._rows_of(filters.only_items)] = True
            allowed &= named
        for condition in conditions_of(filters.conditions):
            allowed &= self._conditions.keeping(condition)
        return allowed

    def check(self, condition: Condition) -> None:
        """Refuse a condition that cannot be evaluated.

        Raises:
            ValueError: If its column or value is not in the catalogue, or they do not fit together.
        """
        self._conditions.keeping(condition)

    def hide(self, filters: Filters | Sequence[Filters], histories: Sequence[Sequence[int]]) -> ItemMask:
        """The filter of a batch of users, apart from `exclude_seen`, which changes the scores of the model too.

        Args:
            filters: The filters of all users, or of each user.
            histories: Item indices of each user.

        Returns:
            The mask for `ItemIndex.best`.

        Raises:
            ValueError: See `allowed`.
        """
        given = [filters] if isinstance(filters, Filters) else list(filters)
        if all(one == given[0] for one in given):
            known = self._known(histories) if given[0].cross_category else None
            opted = None if self.policy is None else self.policy.opted(given[0].allow_sensitive, histories)
            return self._mask(self.allowed(given[0]), known, opted)
        allowed, known = torch.stack([self.allowed(one) for one in given]), None
        pairs = list(zip(given, histories, strict=True))
        if any(one.cross_category for one in given):
            known = self._known([own if one.cross_category else () for one, own in pairs])
        return self._mask(allowed, known, self._opted_by_user(pairs))

    def _opted_by_user(self, pairs: Sequence[tuple[Filters, Sequence[int]]]) -> torch.Tensor | None:
        """As `ItemPolicy.opted`, for users with different filters."""
        if self.policy is None:
            return None
        found = [self.policy.opted(one.allow_sensitive, [history]) for one, history in pairs]
        bits = [own for own in found if own is not None]
        return torch.cat(bits) if bits else None

    def _mask(self, allowed: torch.Tensor, known: torch.Tensor | None, opted: torch.Tensor | None) -> ItemMask:
        if self.policy is None or opted is None or not len(opted):
            return ItemMask(allowed, self.codes, known)
        if bool((opted == opted[0]).all()):  # mostly nobody has an item of a sensitive category
            return ItemMask(allowed & self.policy.open_to(int(opted[0])), self.codes, known)
        return ItemMask(allowed, self.codes, known, self.policy.sensitive, opted)

    def for_new_users(self, filters: Filters) -> torch.Tensor:
        """(rows,) True for items that pass the filters and that a user without a history may get.

        Raises:
            ValueError: See `allowed`.
        """
        allowed = self.allowed(filters)
        if self.policy is None:
            return allowed
        return allowed & self.policy.open_to(self.policy.bits(filters.allow_sensitive))

    def shortage(self, filters: Filters, history: Sequence[int], k: int, found: int) -> str:
        """Why a list has fewer items than were wanted, and what to change; without ids, because notes may be logged.

        Args:
            filters: The filters.
            history: Item indices of the user.
            k: Number of items that were wanted.
            found: Number of items of the list.
        """
        allowed = self.allowed(filters)
        allowed[:NUM_SPECIAL_ROWS] = False
        total = int(self._live[NUM_SPECIAL_ROWS:].sum())
        left, reasons, changes = total, [f"the catalogue has {total:,} item{'s' * (total != 1)}"], list[str]()
        named = [name for name in _NAMES if _is_set(filters, name)]
        if (kept := int(allowed.sum())) < left:
            left = kept
            shown = ["filters" if name == "conditions" else name for name in named]
            is_one = len(named) == 1 and named != ["conditions"]
            reasons.append(f"{' and '.join(shown)} keep{'s' * is_one} {kept:,} of them")
            changes.append(f"loosen {' or '.join(shown)}")
        columns = dict.fromkeys(one.column for one in conditions_of(filters.conditions))
        reasons += [f"no item has a value in column {name}" for name in columns if self._conditions.lacks_values(name)]
        opted = None if self.policy is None else self.policy.opted(filters.allow_sensitive, [history])
        if self.policy is not None and opted is not None:
            allowed &= self.policy.open_to(int(opted[0]))
            if (kept := int(allowed.sum())) < left:
                left = kept
                reasons.append(f"the content policy keeps {kept:,} of them")
                changes.append("name sensitive categories in allow_sensitive")
        if filters.cross_category:
            allowed &= ~self._known([history])[0][self.codes]
            if (kept := int(allowed.sum())) < left:
                left = kept
                reasons.append(f"cross_category keeps {kept:,} of them")
                changes.append("leave cross_category out")
        if filters.exclude_seen:
            seen = int(allowed[torch.as_tensor(history, dtype=torch.long, device=allowed.device).unique()].sum())
            if seen:
                reasons.append(f"the history has {seen:,} of them")
                changes.append("give exclude_seen=False")
        what = f"only {found:,} of {k:,} items" if found else "no items"
        return f"{what}: {', '.join(reasons)}; {' or '.join(changes) or 'give a smaller k'}"

    def _known(self, histories: Sequence[Sequence[int]]) -> torch.Tensor:
        """(users, categories + 1) True for categories of histories; the last column, of no category, is False."""
        device = self.codes.device
        lengths = torch.tensor([len(history) for history in histories])
        users = torch.arange(len(histories)).repeat_interleave(lengths).to(device)
        rows = torch.cat([torch.as_tensor(history).long() for history in histories]).to(device)
        known = torch.zeros(len(histories), len(self._vocabulary.categories) + 1, dtype=torch.bool, device=device)
        known[users, self.codes[rows]] = True
        known[:, -1] = False
        return known

    def _codes_of(self, names: str | Sequence[str]) -> torch.Tensor:
        unknown = [name for name in names if _folded(name) not in self._categories]
        if unknown:
            known = {_folded(name): name for name in self._vocabulary.categories}
            near = [known[name] for name in get_close_matches(_folded(unknown[0]), known, n=3)]
            named = dict.fromkeys([*near, *sorted(known.values())])
            raise ValueError(
                f"{unknown[0]!r} is not a category of the catalogue's {len(self._vocabulary.categories)}; "
                f"it has, for example, {', '.join([*named][:10])}"
            )
        codes = [code for name in names for code in self._categories[_folded(name)]]
        return torch.tensor(codes, device=self.codes.device)

    def _rows_of(self, ids: Collection[str]) -> torch.Tensor:
        rows = torch.as_tensor(self._vocabulary.encode(list(ids))).long()
        unknown = (rows < NUM_SPECIAL_ROWS).nonzero().squeeze(1)
        if len(unknown):
            ids_are = f"id{'s' * (len(rows) != 1)} {'is not an item' if len(unknown) == 1 else 'are not items'}"
            raise ValueError(
                f"only_items: {len(unknown):,} of {len(rows):,} {ids_are} of the catalogue, for "
                f"example {list(ids)[int(unknown[0])]!r}; leave them out, or add the items with add_items"
            )
        return rows.to(self.codes.device)


def _is_set(filters: Filters, name: str) -> bool:
    value = getattr(filters, name)
    return value is not None and (name not in ("exclude_categories", "conditions") or bool(value))


def _folded(name: str) -> str:
    """A name of a category as it is compared: without case and blanks around."""
    return name.strip().casefold()
