"""Quality for groups of users: by activity, and by columns of a users table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..bootstrap import Interval, bootstrap_statistics

if TYPE_CHECKING:
    import polars as pl

ACTIVITY = "activity"
FEWEST, MOST_GROUPS = 10, 12
"""Users that a group has at least, so that no single user can be read from it; groups per column."""


@dataclass(frozen=True)
class GroupQuality:
    """Quality for one group of users.

    Args:
        attribute: What users are grouped by: `ACTIVITY`, or a column of the users table.
        group: The group, such as "7 to 9 events".
        num_users: Users of the group with a value.
        value: Mean of the metric.
        gap: Mean of the group less the mean of all other users with a known group; both are resampled.
    """

    attribute: str
    group: str
    num_users: int
    value: Interval
    gap: Interval


def quality_gaps(
    values: np.ndarray, lengths: np.ndarray, users: pl.DataFrame | None = None, samples: int = 1000
) -> tuple[GroupQuality, ...]:
    """Compare groups of users.

    Groups of fewer than `FEWEST` users are left out, and so are columns with fewer than two groups. Of a column with
    many values, the `MOST_GROUPS` most frequent ones are compared; columns of numbers are cut into terciles.

    Args:
        values: (users,) values of a metric; NaN for users without one.
        lengths: (users,) events of the history.
        users: One row per user, in their order: columns to group by; None for activity alone.
        samples: Bootstrap samples.
    """
    kept = ~np.isnan(values)
    columns = {ACTIVITY: terciles(np.asarray(lengths)[kept], "events")}
    if users is not None:
        columns |= {column.name: groups_of_column(column) for column in users.filter(kept)}
    found: list[GroupQuality] = []
    for name, groups in columns.items():
        found += compare_users(name, values[kept], np.asarray(groups, dtype=object), samples)
    return tuple(found)


def terciles(numbers: np.ndarray, unit: str = "") -> list[str | None]:
    """Three groups of about equal size by a number; equal numbers are in one group.

    Args:
        numbers: (users,) numbers; NaN for unknown.
        unit: Unit in the names of the groups.

    Returns:
        Names of the groups, such as "4 to 7 events"; None for an unknown number.

    Example:
        >>> terciles(np.array([1, 2, 3, 4, 5, 6]), "events")[1:5]
        ['1 to 2 events', '3 to 4 events', '3 to 4 events', '5 to 6 events']
    """
    numbers = np.asarray(numbers, dtype=np.float64)
    known = np.isfinite(numbers)
    if not known.any():
        return [None] * len(numbers)
    part = np.searchsorted(np.quantile(numbers[known], [1 / 3, 2 / 3]), numbers)
    names = {}
    for place in np.unique(part[known]):
        inside = numbers[known & (part == place)]
        low, high = f"{inside.min():g}", f"{inside.max():g}"
        names[place] = f"{low if low == high else f'{low} to {high}'} {unit}".strip()
    return [names[place] if is_known else None for place, is_known in zip(part, known, strict=True)]


def groups_of_column(column: pl.Series) -> list[str | None]:
    """Groups by a column: terciles of numbers with many values, else its values; None for no group."""
    import polars as pl

    if column.dtype.is_numeric() and column.n_unique() > MOST_GROUPS:
        return terciles(column.cast(pl.Float64).fill_null(float("nan")).to_numpy())
    if column.dtype.is_nested() or column.dtype == pl.Object:
        return [None] * len(column)
    return column.cast(pl.String).to_list()


def compare_users(name: str, values: np.ndarray, groups: np.ndarray, samples: int) -> Sequence[GroupQuality]:
    """Compare each group with all other users with a known group; none with fewer than two groups.

    Args:
        name: What users are grouped by.
        values: (users,) values.
        groups: (users,) names of groups; None for none.
        samples: Bootstrap samples.
    """
    names, sizes = np.unique([group for group in groups if group is not None], return_counts=True)
    large = sizes >= FEWEST
    names, sizes = names[large], sizes[large]
    chosen = np.sort(np.argsort(-sizes, kind="stable")[:MOST_GROUPS])
    shown = [(str(names[place]), int(sizes[place])) for place in chosen]
    if len(shown) < 2:
        return []
    chosen_names = {group for group, _ in shown}
    known = np.array([group in chosen_names for group in groups])
    values, groups = values[known], groups[known]
    inside = np.stack([groups == group for group, _ in shown])
    members = np.concatenate([inside, ~inside]).astype(np.float64)

    def means(times: np.ndarray) -> np.ndarray:
        counted = members @ times
        total = members @ (times * values)
        return np.where(counted > 0, total / np.where(counted > 0, counted, 1), np.nan)

    found = bootstrap_statistics(means, len(values), samples)
    return [
        GroupQuality(name, group, size, found.interval(place), found.interval(place, minus=place + len(shown)))
        for place, (group, size) in enumerate(shown)
    ]
