"""The full time of an event: `timestamp` holds whole seconds, a column beside it what lies between two of them."""

from __future__ import annotations

import polars as pl

from .table_columns import EVENT_SCHEMA, MICROSECOND

_SECOND = 10**6


def event_columns(events: pl.DataFrame) -> list[str]:
    """The columns of events that are ours: those of `EVENT_SCHEMA`, and `MICROSECOND` where the log has it."""
    return [*EVENT_SCHEMA, *([MICROSECOND] if MICROSECOND in events.columns else [])]


def exact_time(events: pl.DataFrame) -> pl.Expr:
    """Microseconds since 1970 of each event: what decides their order, and which of them tie.

    Args:
        events: Events of `ShopTables`.

    Example:
        >>> log = pl.DataFrame({"timestamp": [1, 1], MICROSECOND: [250_000, None]})
        >>> log.select(exact_time(log)).to_series().to_list()
        [1250000, 1000000]
    """
    whole = pl.col("timestamp").cast(pl.Int64) * _SECOND
    # A chunk of a log in which no time has a fraction lacks the column that another chunk has.
    return whole + pl.col(MICROSECOND).fill_null(0) if MICROSECOND in events.columns else whole


def exact_times(events: pl.DataFrame) -> pl.Series:
    """As `exact_time`, as a column."""
    return events.select(exact_time(events)).to_series()


def with_times_to_write(events: pl.DataFrame) -> pl.DataFrame:
    """Events for a file that is read as somebody's table again: date-times in place of seconds and their fractions."""
    if MICROSECOND not in events.columns:
        return events
    return events.with_columns(timestamp=exact_time(events).cast(pl.Datetime("us"))).drop(MICROSECOND)
