"""All events in order: user after user, each sorted by time, with events or baskets as units."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import polars as pl

from ..tables.event_roles import TARGET, EventRoles
from ..tables.event_times import event_columns, exact_time


class Unit(StrEnum):
    """What a timeline is divided into: events; baskets where events have them; or baskets, also by equal times."""

    EVENT = "event"
    BASKET = "basket"
    BASKET_OR_TIME = "basket-or-time"


class TiePolicy(StrEnum):
    """The order of a user's events at one time: file order, or drawn with the seed."""

    FILE = "file"
    SHUFFLE = "shuffle"


@dataclass(frozen=True)
class Timeline:
    """All events, sorted by user and within a user by time.

    Args:
        events: The sorted events.
        user: (events,) number of the user, ascending.
        starts: (users + 1,) position of each user's first event.
        unit: (events,) number of the unit (event or basket) within its user, from 0.
        unit_time: (events,) microseconds since 1970 of the unit's last event, or None if events have no times.
        roles: (events,) `TARGET` for events that can be targets, `CONTEXT` or `NEGATIVE` for others.
    """

    events: pl.DataFrame
    user: np.ndarray
    starts: np.ndarray
    unit: np.ndarray
    unit_time: np.ndarray | None
    roles: np.ndarray

    @property
    def position(self) -> np.ndarray:
        """(events,) position of each event within its user."""
        place: np.ndarray = np.arange(len(self.user)) - self.starts[self.user]
        return place

    @property
    def predictable(self) -> np.ndarray:
        """(events,) True for events that can be targets."""
        may: np.ndarray = self.roles == TARGET
        return may


def sort_events(
    events: pl.DataFrame, unit: Unit, tie_policy: TiePolicy, seed: int, roles: EventRoles | None = None
) -> Timeline:
    """Sort events into a timeline.

    Users keep the order of their first events. A user's events are sorted by time, then by the column `order`, then as
    in the file; without complete times by `order` alone. `shuffle` draws the order among equal times (equal orders, if
    there are no times). If baskets are the unit, they stay together and are sorted by their last event.

    Args:
        events: Events of `ShopTables`.
        unit: Whether events or baskets are the units.
        tie_policy: Treatment of ties.
        seed: Seed of the draw.
        roles: Roles of the event types; None if all are targets.
    """
    timed = events["timestamp"].null_count() == 0
    clock = "_time" if timed else "order"
    frame = (
        events.select(*event_columns(events), *([exact_time(events).alias(clock)] if timed else []))
        .with_row_index("_file")
        .with_columns(
            _user=(pl.col("user_id").rank("dense") - 1).cast(pl.Int64), _first=pl.col("_file").min().over("user_id")
        )
    )
    if tie_policy is TiePolicy.SHUFFLE:
        draw = pl.Series("_tie", np.random.default_rng(seed).permutation(events.height))
        frame = frame.with_columns(draw)
        keys = [clock, "_tie"]
    else:
        keys = [clock, *(["order"] if timed else []), "_file"]
    frame, column = _with_units(frame, unit, clock)
    if column is not None:
        spans = [pl.col(key).max().over("_user", column).alias(f"_unit_{key}") for key in keys]
        frame = frame.with_columns(spans).sort("_first", *(f"_unit_{key}" for key in keys), *keys)
    else:
        frame = frame.sort("_first", *keys)
    user_change = (frame["_user"] != frame["_user"].shift(1)).fill_null(True).to_numpy()
    starts = np.append(np.flatnonzero(user_change), frame.height).astype(np.int64)
    user = np.cumsum(user_change) - 1
    if column is not None:
        unit_change = user_change | (frame[column] != frame[column].shift(1)).fill_null(True).to_numpy()
    else:
        unit_change = np.ones(frame.height, dtype=bool)
    number = np.cumsum(unit_change)
    within = number - number[starts[:-1]][user] if frame.height else number
    times = frame[clock if column is None else f"_unit_{clock}"].to_numpy() if timed else None
    found = EventRoles(()) if roles is None else roles
    return Timeline(frame, user, starts, within, times, found.of(frame["event_type"]).to_numpy())


def _with_units(frame: pl.DataFrame, unit: Unit, clock: str) -> tuple[pl.DataFrame, str | None]:
    """The events, and the column that identifies the units of a user; None if every event is its own unit."""
    baskets = frame["basket_id"].null_count() < frame.height
    if unit is Unit.EVENT or (unit is Unit.BASKET and not baskets):
        return frame, None
    if not baskets:
        return frame, clock
    alone = pl.col(clock) if unit is Unit.BASKET_OR_TIME else pl.col("_file")
    own = pl.when(pl.col("basket_id").is_null()).then(alone.cast(pl.Int64)).otherwise(None)
    return frame.with_columns(_unit=pl.struct("basket_id", own.alias("alone")).rank("dense")), "_unit"
