"""Held-out targets on a timeline: parts of splits."""

from __future__ import annotations

import numpy as np

from .split import Held
from .timeline import Timeline


def hold(timeline: Timeline, target: np.ndarray) -> Held:
    """Hold out targets, of users with a history before the first of them."""
    first = first_position(timeline, target)
    found = np.bincount(timeline.user[target], minlength=len(first)) > 0
    history = np.where(found, first, 0)
    return Held(target & (history > 0)[timeline.user], history)


def hold_in_unit(timeline: Timeline, target: np.ndarray) -> Held:
    """Like `hold`, but the history ends at the start of the unit: the rest of the basket is not known yet."""
    begins = first_position(timeline, timeline.unit >= first_unit(timeline, target)[timeline.user])
    found = np.bincount(timeline.user[target], minlength=len(begins)) > 0
    history = np.where(found, begins, 0)
    return Held(target & (history > 0)[timeline.user], history)


def target_units(timeline: Timeline) -> tuple[np.ndarray, np.ndarray]:
    """(events,) number of a target among its user's units with targets, -1 for other events; (users,) units."""
    places = np.flatnonzero(timeline.predictable)
    user, unit = timeline.user[places], timeline.unit[places]
    opens = np.ones(len(places), dtype=np.int64)
    opens[1:] = (user[1:] != user[:-1]) | (unit[1:] != unit[:-1])
    counts = np.bincount(user, weights=opens, minlength=len(timeline.starts) - 1).astype(np.int64)
    number = np.full(len(timeline.user), -1, dtype=np.int64)
    number[places] = np.cumsum(opens) - 1 - (np.cumsum(counts) - counts)[user]
    return number, counts


def last_targets(timeline: Timeline) -> np.ndarray:
    """(events,) True for each user's last event that can be a target."""
    last = np.full(len(timeline.starts) - 1, -1, dtype=np.int64)
    may = timeline.predictable
    np.maximum.at(last, timeline.user[may], timeline.position[may])
    found: np.ndarray = timeline.position == last[timeline.user]
    return found


def first_position(timeline: Timeline, chosen: np.ndarray) -> np.ndarray:
    """(users,) position of each user's first chosen event; for a user without one, the number of events."""
    first = np.diff(timeline.starts)
    np.minimum.at(first, timeline.user[chosen], timeline.position[chosen])
    return first


def first_units(timeline: Timeline, chosen: np.ndarray) -> np.ndarray:
    """(events,) True for the chosen events of each user's first unit that has any."""
    inside: np.ndarray = chosen & (timeline.unit == first_unit(timeline, chosen)[timeline.user])
    return inside


def first_unit(timeline: Timeline, chosen: np.ndarray) -> np.ndarray:
    """(users,) number of each user's first unit with a chosen event; larger than all unit numbers if there is none."""
    first = np.diff(timeline.starts)
    np.minimum.at(first, timeline.user[chosen], timeline.unit[chosen])
    return first
