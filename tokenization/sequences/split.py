"""Split: how events are divided into training, validation and test; base class of the splits in `splits.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl

from ..tables.event_roles import EventRoles
from ..tables.event_times import exact_times
from .timeline import Timeline, Unit


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
    """Result of a split: (events,) training flags, and the held-out targets of validation and test."""

    train: np.ndarray
    validation: Held
    test: Held


@dataclass(frozen=True)
class AllEvents:
    """Values of all events of a dataset, in memory or out of core.

    Args:
        total: Number of events.
        no_time: Number of events without a time.
        no_split: Number of events without a value in the column `split`.
        marked: Whether the column `is_target` marks any event.
        times: Computes the (events,) times of the events in microseconds since 1970, in any order; the caller may
            change the array.
        items_by_age: Computes the (items,) ids of the items that have events, oldest first event first. Equal times
            are ordered by the position of the item's first event. Out of core it needs `Split.two_passes`.
    """

    total: int
    no_time: int
    no_split: int
    marked: bool
    times: Callable[[], np.ndarray]
    items_by_age: Callable[[], pl.Series]


def all_events(timeline: Timeline) -> AllEvents:
    """The values of a timeline in memory."""
    events = timeline.events

    def items_by_age() -> pl.Series:
        placed = events.select("item_id", exact_times(events).alias("_time")).with_row_index("_place")
        return placed.group_by("item_id").agg(pl.col("_time", "_place").min()).sort("_time", "_place")["item_id"]

    return AllEvents(
        total=events.height,
        no_time=events["timestamp"].null_count(),
        no_split=events["split"].null_count(),
        marked=bool(events["is_target"].any()),
        times=lambda: exact_times(events).to_numpy(writable=True),
        items_by_age=items_by_age,
    )


class Split:
    """How events are split. A subclass overrides `cut`, and sets what differs from the defaults.

    Attributes:
        name: The registered name.
        unit: Whether events or baskets are the units of a timeline.
        needs: What users need to have a place in validation and test; it ends the error about an empty part.
        out_of_core: Whether `prepare_tables` can use the split. It calls `cut` with a part of the users at a time, so
            the result for a user may depend only on the user's events and on the result of `shared`.
        two_passes: Whether `shared` uses `AllEvents.items_by_age`, for which `prepare_tables` reads the users twice.
    """

    name: str = ""
    unit: ClassVar[Unit] = Unit.EVENT
    needs: ClassVar[str] = "users need more events for it"
    out_of_core: ClassVar[bool] = False
    two_passes: ClassVar[bool] = False

    def shared(self, events: AllEvents) -> Any:
        """Compute values of all events that `cut` needs, for example a point in time.

        Args:
            events: All events.

        Returns:
            Argument `shared` of `cut`; it must be picklable, for other processes.

        Raises:
            ValueError: If the events lack a column that the split needs.
        """
        return None

    def cut(self, timeline: Timeline, shared: Any) -> Cut:
        """Split the events of users.

        Args:
            timeline: All events of some users.
            shared: Result of `shared` for the events of all users.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a cut(timeline, shared)")

    def parts(self, timeline: Timeline, shared: Any) -> np.ndarray:
        """Part of each labelled impression: 0 for training, 1 for validation, 2 for test, -1 for none.

        By default training events and targets of `cut`. A split by time, users or a column overrides it: there all
        impressions of a part count, not a user's first ones.

        Args:
            timeline: All events of some users; the impressions are its targets.
            shared: Result of `shared` for the events of all users.

        Returns:
            (events,) int8; values of events that are not impressions mean nothing.
        """
        cut = self.cut(timeline, shared)
        held = np.where(cut.validation.target, 1, np.where(cut.test.target, 2, -1))
        return np.where(cut.train, 0, held).astype(np.int8)

    def fits(self, events: pl.DataFrame) -> bool:
        """Whether a table of events has the columns that the split reads.

        Args:
            events: Events of `ShopTables`.
        """
        return True

    def advice(self, events: pl.DataFrame, roles: EventRoles) -> str | None:
        """Advice to choose another split for these events; None for no advice.

        Args:
            events: Events of `ShopTables`.
            roles: Roles of the event types.
        """
        return None


def no_times(events: AllEvents, split: str, other: str) -> ValueError:
    """The error for a split that needs a time for every event.

    Args:
        events: The events.
        split: The split.
        other: Advice, as an alternative to filling the times.
    """
    return ValueError(
        f"events, column timestamp: {events.no_time} of {events.total} rows have no time, and the split {split} "
        f"needs one for every event; fill them, or {other}"
    )
