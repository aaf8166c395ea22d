"""Cold items made to order: items whose training events are taken away, so that a test can measure them."""

from __future__ import annotations

from enum import StrEnum

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .vocabulary import NUM_SPECIAL_ROWS

MAX_COLD_SHARE = 0.5
MIN_EVENTS = 2
"""A shorter training sequence has nothing to predict."""


class ColdPolicy(StrEnum):
    """Which items become cold: drawn with the seed, or those that came last."""

    RANDOM = "random"
    NEWEST = "newest"


def check_cold(share: float, policy: str) -> None:
    """Refuse a share or a policy that is none.

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
    """Choose which items shall have no training events.

    Args:
        train: Training sequences, with `items` and `timestamps`.
        share: Share of the items with training events that is chosen, from 0 to 0.5, rounded to whole items.
        policy: "random", or "newest" for the items whose first training event is latest (the lower row first among
            equals).
        seed: Seed of the draw; "newest" needs none.

    Returns:
        Sorted item rows.

    Raises:
        ValueError: If the share or the policy is out of range, or "newest" finds events without a time.

    Example:
        >>> train = datasets.Dataset.from_dict({"items": [[2, 3], [3, 4]], "timestamps": [[1, 2], [2, 9]]})
        >>> choose_cold_items(train, 0.4, "newest").tolist()
        [4]
    """
    check_cold(share, policy)
    if not share:
        return np.zeros(0, dtype=np.int32)
    items = _flat(train, "items")
    rows, places = np.unique(items, return_inverse=True)
    known = rows >= NUM_SPECIAL_ROWS
    count = round(share * int(known.sum()))
    if policy == ColdPolicy.RANDOM:
        return np.sort(np.random.default_rng(seed).choice(rows[known], size=count, replace=False))
    times = _flat(train, "timestamps")
    if (times < 0).any():
        raise ValueError(
            f"cold_policy newest needs a time for every event, and {int((times < 0).sum())} of {len(times)} training "
            "events have none; fill the column timestamp, or use random"
        )
    first = np.full(len(rows), np.iinfo(np.int64).max)
    np.minimum.at(first, places, times)
    latest = np.argsort(-first[known], kind="stable")[:count]
    return np.sort(rows[known][latest])


def without_items(train: datasets.Dataset, rows: np.ndarray) -> datasets.Dataset:
    """Training sequences without the events of some items; sequences that become shorter than two are dropped.

    Args:
        train: Training sequences: every column of lists has one value an event.
        rows: Item rows whose events are taken away.

    Returns:
        A new dataset with the same columns, in the same order of users.

    Raises:
        ValueError: If no sequence is left.

    Example:
        >>> train = datasets.Dataset.from_dict({"user_id": ["a", "b"], "items": [[2, 3, 4], [3, 4]]})
        >>> without_items(train, np.array([3]))["items"][:]
        [[2, 4]]
    """
    table = train.with_format("arrow")[:]
    lists = table["items"].combine_chunks()
    lengths = pc.list_value_length(lists).to_numpy()
    kept = ~np.isin(lists.flatten().to_numpy(zero_copy_only=False), rows)
    left = np.bincount(np.repeat(np.arange(len(lengths)), lengths)[kept], minlength=len(lengths))
    long_enough = left >= MIN_EVENTS
    if not long_enough.any():
        raise ValueError(
            f"without the events of {len(rows)} cold items none of {len(lengths)} users has {MIN_EVENTS} training "
            "events; make cold_items smaller"
        )
    kept &= np.repeat(long_enough, lengths)
    offsets = np.append(0, np.cumsum(left[long_enough]))
    columns = {}
    for name in table.column_names:
        column = table[name].combine_chunks()
        if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
            columns[name] = column.filter(pa.array(long_enough))
            continue
        if pc.list_value_length(column).to_numpy().tolist() != lengths.tolist():
            raise ValueError(f"column {name} has lists of other lengths than items; give one value an event")
        columns[name] = pa.ListArray.from_arrays(
            pa.array(offsets, pa.int32()), column.flatten().filter(pa.array(kept))
        ).cast(column.type)
    return datasets.Dataset(pa.table(columns).cast(train.features.arrow_schema))


def _flat(train: datasets.Dataset, name: str) -> np.ndarray:
    column = train.with_format("arrow")[:][name].combine_chunks()
    flat: np.ndarray = column.flatten().to_numpy(zero_copy_only=False)
    return flat
