"""Searches: rows of events with a query and without an item. Their queries belong to later events."""

from __future__ import annotations

import polars as pl

from .event_times import exact_time
from .table_columns import QUERY

SESSION = 30 * 60
"""Seconds within which the event after a search belongs to it."""


def with_searches(log: pl.DataFrame, searches: pl.Series) -> pl.DataFrame:
    """Events without the searches; an event right after a search of its user has the query of the search.

    An event with a query of its own keeps it. If events have no times, their order decides alone.

    Args:
        log: Events and searches with the columns of `EVENT_SCHEMA` and `query`, in the order of the table.
        searches: (rows,) True for searches.

    Example:
        >>> log = pl.DataFrame({"user_id": ["u"] * 3, "item_id": [None, "a", "b"], "timestamp": [0, 60, 90],
        ...     "order": [None] * 3, "query": ["warm tent", None, None]})
        >>> with_searches(log, log["item_id"].is_null())["query"].to_list()
        ['warm tent', None]
    """
    timed = log["timestamp"].null_count() == 0
    clock = exact_time(log) if timed else pl.col("order")
    rows = log.select("user_id", QUERY, "order", _clock=clock).with_columns(searches.alias("_search"))
    rows = rows.with_row_index("_row").sort("user_id", "_clock", "order", "_row")
    before = pl.col("_search", "_clock", QUERY).shift(1).over("user_id").name.suffix("_before")
    rows = rows.with_columns(before).sort("_row")
    near = pl.col("_clock") - pl.col("_clock_before") <= SESSION * 10**6 if timed else pl.lit(True)
    searched = pl.when(pl.col("_search_before") & near).then(f"{QUERY}_before")
    return log.with_columns(rows.select(pl.coalesce(QUERY, searched)).to_series()).filter(~searches)
