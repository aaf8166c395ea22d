"""Histories of many users from one table, for recommendation."""

from __future__ import annotations

from pathlib import Path

import polars as pl

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
        ValueError: If a column is missing, a key is null, or the table is empty.
    """
    columns = columns or TableColumns()
    table = read_table(path)
    for name in (columns.user_id, columns.item_id):
        if name not in table.columns:
            raise ValueError(
                f"{path}: column {name!r} is missing from {table.height} rows; it has {', '.join(table.columns)}"
            )
        if table[name].null_count():
            raise ValueError(
                f"{path}: column {name!r} is null in {table[name].null_count()} of {table.height} rows; fill it"
            )
    if not table.height:
        raise ValueError(f"{path}: the table has no rows; give one row an event")
    clock = [name for name in (columns.timestamp, columns.order) if name in table.columns]
    events = table.sort(clock, maintain_order=True) if clock else table
    first_seen = table[columns.user_id].cast(pl.String).unique(maintain_order=True)
    user, item = (pl.col(name).cast(pl.String) for name in (columns.user_id, columns.item_id))
    grouped = dict(events.select(user.alias("user"), item.alias("item")).group_by("user").agg("item").iter_rows())
    return first_seen.to_list(), [grouped[user] for user in first_seen]
