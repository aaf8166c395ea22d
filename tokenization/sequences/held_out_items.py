"""Cold items for evaluation: items whose training events are removed, so that a test can measure them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..tables.event_roles import ROLES, TARGET
from ..vocabulary import NUM_SPECIAL_ROWS

if TYPE_CHECKING:
    import datasets

MAX_COLD_SHARE = 0.5
MIN_EVENTS = 2
"""Minimum events of a training sequence; a shorter one has no target."""


class ColdPolicy(StrEnum):
    """Choice of the cold items: drawn with the seed, or the newest."""

    RANDOM = "random"
    NEWEST = "newest"


def check_cold(share: float, policy: str) -> None:
    """Refuse a share out of range or an unknown policy.

    Raises:
        ValueError: If the share is not within 0 to 0.5, or the policy unknown.
    """
    if not 0 <= share <= MAX_COLD_SHARE:
        raise ValueError(f"cold_items is {share}; give a share of the items from 0 to {MAX_COLD_SHARE}")
    if policy not in list(ColdPolicy):
        raise ValueError(f"cold_policy is {policy!r}; give one of {', '.join(ColdPolicy)}")


def choose_cold_items(
    train: datasets.Dataset, share: float, policy: str = ColdPolicy.RANDOM, seed: int = 0
) -> np.ndarray:
    """Choose the items that lose their training events.

    Args:
        train: Training sequences, with `items` and `timestamps`.
        share: Share of the items with training events to choose, from 0 to 0.5, rounded to whole items.
        policy: "random", or "newest" for the items whose first training event is latest (ties keep the lower index
            first).
        seed: Seed of the draw; "newest" needs none.

    Returns:
        Sorted item indices.

    Raises:
        ValueError: If the share or the policy is out of range, or "newest" finds events without a time.

    Example:
        >>> import datasets
        >>> train = datasets.Dataset.from_dict({"items": [[2, 3], [3, 4]], "timestamps": [[1, 2], [2, 9]]})
        >>> choose_cold_items(train, 0.4, "newest").tolist()
        [4]
    """
    check_cold(share, policy)
    return pick_cold(first_times(train), share, policy, seed) if share else np.zeros(0, dtype=np.int32)


@dataclass(frozen=True)
class FirstTimes:
    """Items with training events, and the times of their first; several parts can be added.

    Args:
        rows: (items,) sorted item indices.
        times: (items,) time of each item's first training event.
        events: Number of training events.
        untimed: Number of training events without a time.
    """

    rows: np.ndarray
    times: np.ndarray
    events: int = 0
    untimed: int = 0

    def __add__(self, other: FirstTimes) -> FirstTimes:
        rows, times = np.append(self.rows, other.rows), np.append(self.times, other.times)
        return FirstTimes(*_earliest(rows, times), self.events + other.events, self.untimed + other.untimed)


def first_times(train: datasets.Dataset) -> FirstTimes:
    """First training events of the items; only target events count.

    Args:
        train: Training sequences, with `items` and `timestamps`.
    """
    items, times = _flat(train, "items"), _flat(train, "timestamps")
    if ROLES in train.column_names:
        counted = _flat(train, ROLES) == TARGET
        items, times = items[counted], times[counted]
    rows, first = _earliest(items, times)
    known = rows >= NUM_SPECIAL_ROWS
    return FirstTimes(rows[known], first[known], len(times), int((times < 0).sum()))


def pick_cold(trained: FirstTimes, share: float, policy: str, seed: int) -> np.ndarray:
    """Like `choose_cold_items`, from `FirstTimes`.

    Raises:
        ValueError: If "newest" finds events without a time.
    """
    count = round(share * len(trained.rows))
    if policy == ColdPolicy.RANDOM:
        return np.sort(np.random.default_rng(seed).choice(trained.rows, size=count, replace=False))
    if trained.untimed:
        raise ValueError(
            f"cold_policy newest needs a time for every event, and {trained.untimed} of {trained.events} training "
            "events have none; fill the column timestamp, or use random"
        )
    latest = np.argsort(-trained.times, kind="stable")[:count]
    return np.sort(trained.rows[latest])


def nothing_trained(cold: int, users: int) -> ValueError:
    """The error if cold items leave no training sequences."""
    return ValueError(
        f"without the events of {cold} cold items none of {users} users has {MIN_EVENTS} training events; make "
        "cold_items smaller"
    )


def without_items(train: datasets.Dataset, rows: np.ndarray) -> datasets.Dataset:
    """Training sequences without the events of some items; sequences shorter than two events are dropped.

    Args:
        train: Training sequences: every list column has one value per event.
        rows: Item indices whose events are removed.

    Returns:
        A new dataset with the same columns, in the same order of users.

    Raises:
        ValueError: If no sequence is left.

    Example:
        >>> import datasets
        >>> train = datasets.Dataset.from_dict({"user_id": ["a", "b"], "items": [[2, 3, 4], [3, 4]]})
        >>> without_items(train, np.array([3]))["items"][:]
        [[2, 4]]
    """
    left = leave_out(train, rows)
    if not len(left):
        raise nothing_trained(len(rows), len(train))
    return left


def leave_out(train: datasets.Dataset, rows: np.ndarray) -> datasets.Dataset:
    """Like `without_items`, for a part of the users; the result may be empty."""
    import datasets

    table = train.with_format("arrow")[:]
    lists = table["items"].combine_chunks()
    lengths = pc.list_value_length(lists).to_numpy()
    kept = ~np.isin(lists.flatten().to_numpy(zero_copy_only=False), rows)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    left = np.bincount(owner[kept], minlength=len(lengths))
    long_enough = left >= MIN_EVENTS
    if ROLES in table.column_names:
        first = np.zeros(len(kept), dtype=bool)
        first[np.flatnonzero(kept)[np.unique(owner[kept], return_index=True)[1]]] = True
        labels = kept & ~first & (_flat(train, ROLES) == TARGET)
        long_enough &= np.bincount(owner[labels], minlength=len(lengths)) > 0
    kept &= np.repeat(long_enough, lengths)
    offsets = np.append(0, np.cumsum(left[long_enough]))
    columns = {}
    for name in table.column_names:
        column = table[name].combine_chunks()
        if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
            columns[name] = column.filter(pa.array(long_enough))
            continue
        if pc.list_value_length(column).to_numpy().tolist() != lengths.tolist():
            raise ValueError(f"column {name} has lists of other lengths than items; give one value per event")
        columns[name] = pa.ListArray.from_arrays(
            pa.array(offsets, pa.int32()), column.flatten().filter(pa.array(kept))
        ).cast(column.type)
    return datasets.Dataset(pa.table(columns).cast(train.features.arrow_schema))


def _flat(train: datasets.Dataset, name: str) -> np.ndarray:
    column = train.with_format("arrow")[:][name].combine_chunks()
    flat: np.ndarray = column.flatten().to_numpy(zero_copy_only=False)
    return flat


def _earliest(items: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows, places = np.unique(items, return_inverse=True)
    first = np.full(len(rows), np.iinfo(np.int64).max)
    np.minimum.at(first, places, times)
    return rows, first
