"""Histories of many users from one table, for recommendation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from .columns import read_keys, read_numbers, read_texts, read_times
from .schema import DEFAULT_EVENT_TYPE, TableColumns
from .sources import read_table
from .text_columns import joined_texts


@dataclass(frozen=True)
class Histories:
    """Users and what they did, oldest first; the lists of details have the shape of `items`.

    Args:
        user_ids: Users.
        items: Item ids of each.
        event_types: Kind of each event, or None where the table does not say.
        ratings: Rating of each event, None for none, or None where the table has none.
        timestamps: Seconds since 1970 of each event, or None where the table has no times.
        event_texts: What was written at each event, "" for nothing, or None where no texts were asked for.
    """

    user_ids: list[str]
    items: list[list[str]]
    event_types: list[list[str]] | None = None
    ratings: list[list[float | None]] | None = None
    timestamps: list[list[int]] | None = None
    event_texts: list[list[str]] | None = None


def read_histories(
    path: str | Path, columns: TableColumns | None = None, text_columns: Sequence[str] = ()
) -> Histories:
    """Read users and their histories.

    Args:
        path: A table of events (user, item, and time or order, kind and rating where there are any; one row an
            event), in any format that `read_table` knows; without time and order the order of the file counts.
        columns: Names of its columns; None for the defaults.
        text_columns: Columns with texts of the events; those that the table has are read.

    Returns:
        Users in order of first appearance, with their events.

    Raises:
        ValueError: If a column is missing, a key is null, a time cannot be read, or the table is empty.
    """
    columns = columns or TableColumns()
    table = read_table(path)
    keys = [_keys(path, table, name) for name in (columns.user_id, columns.item_id)]
    if not table.height:
        raise ValueError(f"{path}: the table has no rows; give one row an event")
    clocks = _clocks(path, table, columns)
    details = _details(path, table, columns)
    there = [name for name in text_columns if name in table.columns]
    if there:
        details.append(joined_texts(table, there).rename("event_texts"))
    events = pl.DataFrame([keys[0].rename("user"), keys[1].rename("items"), *clocks, *details])
    first_seen = events.select(pl.col("user").unique(maintain_order=True))
    if clocks:
        events = events.sort([clock.name for clock in clocks], maintain_order=True)
    kept = ["items", *(detail.name for detail in details)]
    times = [pl.col("_timestamp").alias("timestamps")] if "_timestamp" in events.columns else []
    grouped = first_seen.join(events.group_by("user").agg(*kept, *times), on="user", how="left", maintain_order="left")
    lists = {name: grouped[name].to_list() for name in grouped.columns}
    return Histories(user_ids=lists.pop("user"), **lists)


def _details(path: str | Path, table: pl.DataFrame, columns: TableColumns) -> list[pl.Series]:
    details = []
    if columns.event_type in table.columns:
        details.append(read_texts(table[columns.event_type]).fill_null(DEFAULT_EVENT_TYPE).rename("event_types"))
    if columns.rating in table.columns:
        ratings, bad = read_numbers(table[columns.rating])
        _refuse(path, table[columns.rating], bad, "numbers, or leave it empty")
        details.append(ratings.rename("ratings"))
    return details


def _refuse(path: str | Path, column: pl.Series, bad: pl.Series, remedy: str) -> None:
    if bad.any():
        raise ValueError(
            f"{path}: column {column.name!r} cannot be read in {bad.sum()} of {len(column)} rows, for example "
            f"{column.filter(bad)[0]!r}; write {remedy}"
        )


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
        remedy = "ISO 8601 or seconds" if canonical == "timestamp" else "whole numbers"
        _refuse(path, table[name], bad | values.is_null(), remedy)
        clocks.append(values.rename(f"_{canonical}"))
    return clocks
