"""Histories of many users from one table, for recommendation."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from .columns import read_keys, read_numbers, read_times
from .schema import TableColumns
from .sources import read_table


def read_histories(path: str | Path, columns: TableColumns | None = None) -> tuple[list[str], list[list[str]]]:
    """Read users and their histories.

    Args:
        path: A table of events (user, item, and time or order, one row an event), in any format that `read_table`
            knows; without time and order the order of the file counts.
        columns: Names of its columns; None for the defaults.

    Returns:
        User ids, in order of first appearance, and the item ids of each, oldest first.

    Raises:
        ValueError: If a column is missing, a key is null, a time cannot be read, or the table is empty.
    """
    columns = columns or TableColumns()
    table = read_table(path)
    keys = [_keys(path, table, name) for name in (columns.user_id, columns.item_id)]
    if not table.height:
        raise ValueError(f"{path}: the table has no rows; give one row an event")
    events = pl.DataFrame([keys[0].rename("user"), keys[1].rename("item"), *_clocks(path, table, columns)])
    first_seen = events["user"].unique(maintain_order=True).to_list()
    clocks = events.columns[2:]
    ordered = events.sort(clocks, maintain_order=True) if clocks else events
    grouped = dict(ordered.group_by("user").agg("item").select("user", "item").iter_rows())
    return first_seen, [grouped[user] for user in first_seen]


def _keys(path: str | Path, table: pl.DataFrame, name: str) -> pl.Series:
    if name not in table.columns:
        raise ValueError(
            f"{path}: column {name!r} is missing from {table.height} rows; it has {', '.join(table.columns)}"
        )
    keys = read_keys(table[name])
    if keys is None:
        raise ValueError(f"{path}: column {name!r} holds {table[name].dtype}; give texts or whole numbers")
    if keys.null_count():
        raise ValueError(f"{path}: column {name!r} is null in {keys.null_count()} of {table.height} rows; fill it")
    return keys


def _clocks(path: str | Path, table: pl.DataFrame, columns: TableColumns) -> list[pl.Series]:
    """What to sort by: times, then the order; columns without any value are left out."""
    clocks = []
    for name, canonical in ((columns.timestamp, "timestamp"), (columns.order, "order")):
        if name not in table.columns or table[name].null_count() == table.height:
            continue
        if canonical == "timestamp":
            times = read_times(table[name])
            values, bad = times.values, times.bad | times.mixed
        else:
            values, bad = read_numbers(table[name])
        bad = bad | values.is_null()
        if bad.any():
            example = table[name].filter(bad)[0]
            raise ValueError(
                f"{path}: column {name!r} cannot be read in {bad.sum()} of {table.height} rows, for example "
                f"{example!r}; write {'ISO 8601 or seconds' if canonical == 'timestamp' else 'whole numbers'}"
            )
        clocks.append(values.rename(f"_{canonical}"))
    return clocks
