"""Exact time of an event: `timestamp` has whole seconds, and another column has the fraction of a second."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from numbers import Integral, Real
from typing import Any

import numpy as np
import polars as pl

from ...modeling_xcat.arguments_xcat import is_missing, kind_of
from .table_columns import EVENT_SCHEMA, MICROSECOND
from .time_columns import read_times
from .time_texts import CLOCK_SKEW

_SECOND = 10**6
_SECONDS_FROM = 10**9
"""September 2001 in seconds. If all times are whole numbers from here to now, they are seconds: none is a date written
as a number, and as milliseconds they would be in January 1970."""
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


def event_columns(events: pl.DataFrame) -> list[str]:
    """Our event columns: those in `EVENT_SCHEMA`, and `MICROSECOND` if the table has it."""
    return [*EVENT_SCHEMA, *([MICROSECOND] if MICROSECOND in events.columns else [])]


def exact_time(events: pl.DataFrame) -> pl.Expr:
    """Microseconds since 1970 of each event, used to sort events and find ties.

    Args:
        events: Events of `ShopTables`.

    Example:
        >>> log = pl.DataFrame({"timestamp": [1, 1], MICROSECOND: [250_000, None]})
        >>> log.select(exact_time(log)).to_series().to_list()
        [1250000, 1000000]
    """
    whole = pl.col("timestamp").cast(pl.Int64) * _SECOND
    # A chunk without fractions lacks the column that other chunks have.
    return whole + pl.col(MICROSECOND).fill_null(0) if MICROSECOND in events.columns else whole


def exact_times(events: pl.DataFrame) -> pl.Series:
    """Like `exact_time`, as a column."""
    return events.select(exact_time(events)).to_series()


def with_times_to_write(events: pl.DataFrame) -> pl.DataFrame:
    """Events for a file that is read as a user's table again: datetimes in place of seconds and fractions."""
    if MICROSECOND not in events.columns:
        return events
    return events.with_columns(timestamp=exact_time(events).cast(pl.Datetime("us"))).drop(MICROSECOND)


def read_call_times(name: str, values: Sequence[Any]) -> list[int | None]:
    """Read times given in a call, by the rules of the column `timestamp` of a table (`read_times`).

    Args:
        name: Name of the argument, for errors.
        values: Times of all events: numbers of seconds, milli-, micro- or nanoseconds since 1970, one unit for all;
            or datetimes, dates and timestamps of pandas or NumPy (UTC if they have no zone); or ISO 8601 texts.
            Missing values (see `is_missing`) are unknown times.

    Returns:
        Whole seconds since 1970, None for an unknown time.

    Raises:
        ValueError: If values have several types or units, are not times, or are in the future.

    Example:
        >>> read_call_times("timestamps", ["2024-01-31", None]), read_call_times("timestamps", [1_706_659_200_000])
        ([1706659200, None], [1706659200])
    """
    latest = int(time.time()) + CLOCK_SKEW
    if all(value is None or (type(value) is int and _SECONDS_FROM <= value <= latest) for value in values):
        return list(values)  # the same as below, in microseconds
    plain = [None if is_missing(value) else _plain_time(name, value) for value in values]
    kinds = {type(value) for value in plain if value is not None}
    if kinds == {int, float}:
        kinds = {float}
    if len(kinds) > 1:
        raise ValueError(f"{name} mixes numbers, texts and dates; give all times of a call in one form")
    kind = next(iter(kinds), float)
    if kind is datetime:
        moments = [value for value in plain if value is None or isinstance(value, datetime)]
        microseconds = [None if value is None else (value - _EPOCH) // _MICROSECOND for value in moments]
        column = pl.Series("timestamp", microseconds, dtype=pl.Int64).cast(pl.Datetime("us"))
    else:
        column = pl.Series("timestamp", plain, dtype=pl.String if kind is str else pl.Float64, strict=False)
    times = read_times(column)
    if times.reading.question:
        raise ValueError(f"{name}: dates can be read day-first or month-first; write ISO 8601, such as 2024-01-31")
    future = (times.values > latest).fill_null(False) & ~times.mixed
    for rows, told in (
        (times.bad, "are not times; give seconds since 1970, datetimes, or ISO 8601 texts like 2024-01-31T12:00:00"),
        (times.mixed, f"are not in {times.unit} like most others; convert all to one unit"),
        (future, "are in the future; correct them, or leave the times out"),
    ):
        if rows.any():
            raise ValueError(f"{name}: {int(rows.sum())} of {len(values)} times {told}")
    found: list[int | None] = times.values.to_list()
    return found


def _plain_time(name: str, value: Any) -> int | float | str | datetime:
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[us]").item()
    if isinstance(value, datetime):
        return value.replace(tzinfo=value.tzinfo or UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, str):
        return value
    if type(value) is not bool and isinstance(value, Real):
        return int(value) if isinstance(value, Integral) else float(value)
    raise ValueError(f"{name} has {kind_of(value)}, which is not a time; give seconds, datetimes or ISO 8601 texts")
