"""Cross-category paths by group of users: what lists offer after a category, beside what the users buy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...tokenization.vocabulary import NUM_SPECIAL_ROWS
from ..bootstrap import SAMPLES, Interval
from .user_groups import FEWEST, MOST_GROUPS, GroupQuality, compare_users, groups_of_column

if TYPE_CHECKING:
    import polars as pl

MOST_PATHS = 5
"""Paths per column that are compared with intervals: those with the largest differences."""


@dataclass(frozen=True)
class CategoryPath:
    """A path from the category of the latest event to another category of the list, for one group of users.

    Args:
        source: Category of the latest event.
        target: Another category.
        listed: Share of the list in the target category for the group, and its difference to all other users with the
            same latest category.
        bought: The same difference for the users' targets: if the lists' difference is larger, they amplify it.
    """

    source: str
    target: str
    listed: GroupQuality
    bought: Interval

    @property
    def lift(self) -> float:
        """Share for the group relative to all others; infinite if the others have none."""
        others = self.listed.value.mean - self.listed.gap.mean
        return self.listed.value.mean / others if others > 0 else float("inf")


def category_paths(
    lists: np.ndarray,
    histories: Sequence[Sequence[int]],
    targets: Sequence[Sequence[int]],
    codes: np.ndarray,
    names: Sequence[str],
    users: pl.DataFrame,
    samples: int = SAMPLES,
) -> tuple[CategoryPath, ...]:
    """Find the paths in which groups of users differ most.

    Many paths are looked at and the largest differences are shown, so some are large by chance. Groups of fewer than
    `FEWEST` users with the same latest category are left out.

    Args:
        lists: (users, k) recommended item indices; special rows are padding.
        histories: Item indices of each user's history.
        targets: Item indices of each user's targets.
        codes: (rows,) codes of the items' categories, -1 for none.
        names: Names of the categories in the order of their codes.
        users: One row per user: columns to group by.
        samples: Bootstrap samples.

    Returns:
        At most `MOST_PATHS` per column, the largest differences first.
    """
    sources = np.array([codes[history[-1]] if len(history) else -1 for history in histories], dtype=np.int64)
    listed, bought = (_shares(part, codes, len(names)) for part in (lists, targets))
    found: list[CategoryPath] = []
    for column in users:
        groups = np.asarray(groups_of_column(column), dtype=object)
        ranked = sorted(_differences(sources, listed, groups), key=lambda one: -one[0])[:MOST_PATHS]
        for _, source, target, group in ranked:
            chosen = sources == source
            values = [
                next(one for one in compare_users(column.name, part[chosen, target], groups[chosen], samples)
                     if one.group == group)
                for part in (listed, bought)
            ]  # fmt: skip
            found.append(CategoryPath(str(names[source]), str(names[target]), values[0], values[1].gap))
    return tuple(found)


def _differences(sources: np.ndarray, listed: np.ndarray, groups: np.ndarray) -> list[tuple[float, int, int, str]]:
    """Size, source, target and group of all differences of paths."""
    found = []
    known = np.array([group is not None for group in groups])
    for source in np.unique(sources[sources >= 0]):
        chosen = known & (sources == source)
        names, sizes = np.unique(groups[chosen].astype(str), return_counts=True)
        large = names[np.argsort(-sizes, kind="stable")][: min(MOST_GROUPS, int((sizes >= FEWEST).sum()))]
        if len(large) < 2:
            continue
        inside = chosen & np.isin(groups.astype(str), large)
        for group in large:
            own = inside & (groups == group)
            gap = np.abs(listed[own].mean(axis=0) - listed[inside & ~own].mean(axis=0))
            gap[source] = 0.0
            found += [(float(gap[target]), int(source), int(target), str(group)) for target in np.flatnonzero(gap)]
    return found


def _shares(rows: Sequence[Sequence[int]] | np.ndarray, codes: np.ndarray, size: int) -> np.ndarray:
    """(users, categories) share of each category among the items of each user."""
    shares = np.zeros((len(rows), size))
    for user, items in enumerate(rows):
        own = np.asarray(items, dtype=np.int64)
        own = own[own >= NUM_SPECIAL_ROWS]
        found = codes[own][codes[own] >= 0]
        shares[user] = np.bincount(found, minlength=size) / max(1, len(own))
    return shares
