"""Cut the events of each user into training, validation and test.

Events are sorted in one timeline, user after user. A split marks each event as training or not and as target or not,
and sets the end of the history before each user's targets.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import polars as pl

from ..masking import mask
from ..tables.event_times import exact_times
from .timeline import SplitName, Timeline

VALIDATION_QUANTILE, TEST_QUANTILE = 0.8, 0.9
"""Positions of the two cuts: share of events in `global-time`, of users in `user-level`, and of items (oldest first)
in `cold-items`."""

_TRAIN, _VALIDATION, _TEST = 0, 1, 2
_HELD_OUT_LABELS = {
    "valid": _VALIDATION,
    "val": _VALIDATION,
    "validation": _VALIDATION,
    "dev": _VALIDATION,
    "test": _TEST,
}


@dataclass(frozen=True)
class Held:
    """Held-out targets.

    Args:
        target: (events,) True for targets.
        history: (users,) number of events before the first target; 0 for users without targets.
    """

    target: np.ndarray
    history: np.ndarray


@dataclass(frozen=True)
class Cut:
    """A split: (events,) training flags, and the held-out targets of validation and test."""

    train: np.ndarray
    validation: Held
    test: Held


def cut_last(timeline: Timeline) -> Cut:
    """A user's last unit with targets is test, the one before it validation.

    Units before the validation unit are training. Events after a target, such as its return, are never in its history.
    Users with fewer than three units with targets are training only.
    """
    number, units = _target_units(timeline)
    held = (units >= 3)[timeline.user]
    from_end = np.where(number >= 0, units[timeline.user] - 1 - number, -1)
    test, validation = held & (from_end == 0), held & (from_end == 1)
    before = timeline.unit < _first_unit(timeline, validation)[timeline.user]
    return Cut(~held | before, _hold_in_unit(timeline, validation), _hold_in_unit(timeline, test))


def cut_time(timeline: Timeline, bounds: tuple[int, int] | None = None) -> Cut:
    """Events before the 80 % quantile of event times are training.

    A user's first unit between this and the 90 % quantile is validation, and the first one after the 90 % quantile is
    test, for users with earlier events.

    Args:
        timeline: The events.
        bounds: The two quantiles, in microseconds since 1970; None to compute them from these events.

    Raises:
        ValueError: If events have no times.
    """
    times = timeline.unit_time
    if times is None:
        missing, total = timeline.events["timestamp"].null_count(), timeline.events.height
        raise no_times(missing, total, SplitName.GLOBAL_TIME, "use leave-one-out")
    first, second = time_bounds(exact_times(timeline.events).to_numpy(writable=True)) if bounds is None else bounds
    return Cut(
        times < first,
        _hold_in_unit(timeline, _first_units(timeline, timeline.predictable & (times >= first) & (times < second))),
        _hold_in_unit(timeline, _first_units(timeline, timeline.predictable & (times >= second))),
    )


def time_bounds(times: np.ndarray) -> tuple[int, int]:
    """The two quantiles of times used by `cut_time`.

    Args:
        times: (events,) times of all events; their order changes.
    """
    places = [min(int(quantile * len(times)), len(times) - 1) for quantile in (VALIDATION_QUANTILE, TEST_QUANTILE)]
    times.partition(places)
    return int(times[places[0]]), int(times[places[1]])


def cut_column(timeline: Timeline) -> Cut:
    """A column of the events table assigns events to splits.

    If `is_target` marks events, the marked events of validation and test users are the targets. Otherwise every event
    of the split is a target; of a user with all events in one split (users are split, not events) only the last one.
    Only events of target types can be targets. The history is everything before the first target. Training ends at a
    user's first held-out event.

    Raises:
        ValueError: If the column is missing, has gaps, or has unknown values.
    """
    label = _labels(timeline.events["split"])
    marks = timeline.events["is_target"].fill_null(False).to_numpy()
    whole = timeline.starts[timeline.user + 1] - timeline.starts[timeline.user]
    last = _last_targets(timeline)
    held = []
    for kind in (_VALIDATION, _TEST):
        inside = label == kind
        if marks.any():
            held.append(_hold(timeline, inside & marks & timeline.predictable))
        else:
            only = np.bincount(timeline.user[inside], minlength=len(timeline.starts) - 1)[timeline.user] == whole
            held.append(_hold(timeline, inside & np.where(only, last, timeline.predictable)))
    first_held = _first_position(timeline, (label != _TRAIN) | held[0].target | held[1].target)
    return Cut((label == _TRAIN) & (timeline.position < first_held[timeline.user]), held[0], held[1])


def cut_users(timeline: Timeline) -> Cut:
    """Users are split: 80 % are training, 10 % validation and 10 % test, each with their last target.

    The part of a user depends only on a hash of the id, so it stays the same when other users are added or removed,
    and on every machine.
    """
    ids = timeline.events["user_id"].gather(timeline.starts[:-1]).to_list()
    part = np.array([share_of(name) for name in ids])[timeline.user] if ids else np.zeros(0)
    last = _last_targets(timeline)
    validation = last & (part >= VALIDATION_QUANTILE) & (part < TEST_QUANTILE)
    return Cut(
        part < VALIDATION_QUANTILE, _hold(timeline, validation), _hold(timeline, last & (part >= TEST_QUANTILE))
    )


def share_of(name: str) -> float:
    """A number from 0 to 1 (exclusive) that depends only on a name.

    Example:
        >>> round(share_of("ann"), 4) == round(share_of("ann"), 4), 0 <= share_of("bob") < 1
        (True, True)
    """
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=6).digest()) / 2**48


def cut_cold_items(timeline: Timeline, parts: np.ndarray | None = None) -> Cut:
    """The newest items are cold: the newest 10 % of all items are test, the 10 % before them validation.

    The targets of a part are its cold items in a user's first event (or basket) with any of them. Training ends before
    a user's first event (or basket) with any cold item, so cold items and later events are never trained on.

    Args:
        timeline: The events.
        parts: (events,) the part of each event's item, from `item_parts`; None to compute it from these events.

    Raises:
        ValueError: If events have no times.
    """
    if timeline.unit_time is None:
        raise no_times(
            timeline.events["timestamp"].null_count(), timeline.events.height, SplitName.COLD_ITEMS,
            "use cold_items= with another split",
        )  # fmt: skip
    if parts is None:
        items = timeline.events["item_id"].rank("dense").to_numpy().astype(np.int64) - 1
        parts = item_parts(*first_events(items, exact_times(timeline.events).to_numpy()))[items]
    before = timeline.unit < _first_unit(timeline, parts != _TRAIN)[timeline.user]
    return Cut(
        before,
        *(
            _hold_in_unit(timeline, _first_units(timeline, timeline.predictable & (parts == part)))
            for part in (_VALIDATION, _TEST)
        ),
    )


def first_events(items: np.ndarray, times: np.ndarray, count: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """First time and first position of each item in a timeline.

    Args:
        items: (events,) codes of items.
        times: (events,) times.
        count: Number of item codes; None for the largest code plus one.

    Returns:
        (items,) time of the first event, and (items,) its position; the largest integer for an item without events.
    """
    count = int(items.max(initial=-1)) + 1 if count is None else count
    first, place = (np.full(count, np.iinfo(np.int64).max) for _ in range(2))
    np.minimum.at(first, items, times)
    np.minimum.at(place, items, np.arange(len(items)))
    return first, place


def item_parts(first: np.ndarray, *places: np.ndarray) -> np.ndarray:
    """The part of each item by its age: 0 training, 1 validation or 2 test.

    An item is as old as its first event; ties are broken by position (later is newer).

    Args:
        first: (items,) time of each item's first event.
        *places: (items,) position of the first event; several sort keys, the most important first.
    """
    age = np.empty(len(first))
    age[np.lexsort((*reversed(places), first))] = np.arange(len(first)) / max(len(first), 1)
    return np.where(age < VALIDATION_QUANTILE, _TRAIN, np.where(age < TEST_QUANTILE, _VALIDATION, _TEST))


def no_times(missing: int, total: int, split: str, other: str) -> ValueError:
    """The error for a split that needs a time for every event.

    Args:
        missing: Number of events without a time.
        total: Number of events.
        split: The split.
        other: Advice, as an alternative to filling the times.
    """
    return ValueError(
        f"events, column timestamp: {missing} of {total} rows have no time, and the split {split} "
        f"needs one for every event; fill them, or {other}"
    )


def _labels(split: pl.Series) -> np.ndarray:
    if split.null_count():
        raise ValueError(
            f"events, column split: {split.null_count()} of {split.len()} rows have no value; "
            "fill them with train, validation or test, or use another split"
        )
    clean = split.str.to_lowercase()
    names = clean.unique(maintain_order=True).to_list()
    known = {**_HELD_OUT_LABELS, **{name: _TRAIN for name in names if name.startswith("train")}}
    strange = [name for name in names if name not in known]
    if strange:
        count = int(clean.is_in(strange).sum())
        raise ValueError(
            f"events, column split: {count} rows have a value that is not a split, for example {mask(strange[0])!r} "
            "(masked); write train, validation or test"
        )
    return clean.replace_strict(known, return_dtype=pl.Int8).to_numpy()


def _hold(timeline: Timeline, target: np.ndarray) -> Held:
    """Hold out targets, of users with a history before the first of them."""
    first = _first_position(timeline, target)
    found = np.bincount(timeline.user[target], minlength=len(first)) > 0
    history = np.where(found, first, 0)
    return Held(target & (history > 0)[timeline.user], history)


def _hold_in_unit(timeline: Timeline, target: np.ndarray) -> Held:
    """Like `_hold`, but the history ends at the start of the unit: the rest of the basket is not known yet."""
    begins = _first_position(timeline, timeline.unit >= _first_unit(timeline, target)[timeline.user])
    found = np.bincount(timeline.user[target], minlength=len(begins)) > 0
    history = np.where(found, begins, 0)
    return Held(target & (history > 0)[timeline.user], history)


def _target_units(timeline: Timeline) -> tuple[np.ndarray, np.ndarray]:
    """(events,) number of a target among its user's units with targets, -1 for other events; (users,) units."""
    places = np.flatnonzero(timeline.predictable)
    user, unit = timeline.user[places], timeline.unit[places]
    opens = np.ones(len(places), dtype=np.int64)
    opens[1:] = (user[1:] != user[:-1]) | (unit[1:] != unit[:-1])
    counts = np.bincount(user, weights=opens, minlength=len(timeline.starts) - 1).astype(np.int64)
    number = np.full(len(timeline.user), -1, dtype=np.int64)
    number[places] = np.cumsum(opens) - 1 - (np.cumsum(counts) - counts)[user]
    return number, counts


def _last_targets(timeline: Timeline) -> np.ndarray:
    """(events,) True for each user's last event that can be a target."""
    last = np.full(len(timeline.starts) - 1, -1, dtype=np.int64)
    may = timeline.predictable
    np.maximum.at(last, timeline.user[may], timeline.position[may])
    found: np.ndarray = timeline.position == last[timeline.user]
    return found


def _first_position(timeline: Timeline, chosen: np.ndarray) -> np.ndarray:
    """(users,) position of each user's first chosen event; for a user without one, the number of events."""
    first = np.diff(timeline.starts)
    np.minimum.at(first, timeline.user[chosen], timeline.position[chosen])
    return first


def _first_units(timeline: Timeline, chosen: np.ndarray) -> np.ndarray:
    """(events,) True for the chosen events of each user's first unit that has any."""
    inside: np.ndarray = chosen & (timeline.unit == _first_unit(timeline, chosen)[timeline.user])
    return inside


def _first_unit(timeline: Timeline, chosen: np.ndarray) -> np.ndarray:
    """(users,) number of each user's first unit with a chosen event; larger than all unit numbers if there is none."""
    first = np.diff(timeline.starts)
    np.minimum.at(first, timeline.user[chosen], timeline.unit[chosen])
    return first
