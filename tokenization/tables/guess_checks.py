"""Checks of a guessed mapping by values: ids that recur over orders, and counts of rows, users and baskets."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

import polars as pl

from ...counting import counted, counted_of
from .keys import clean_keys
from .table_columns import QUERY
from .values import read_texts

MIN_ROWS = 10
"""Rows from which on unique ids of items are reported."""
_MIN_REPEATED, _MIN_SHARE = 2, 0.05
"""Repeated values, and their share of all values, from which on a column may be recognised as a number of orders."""
_MOST_MISSING = 0.5
"""Share of rows without a value from which on a column cannot be an id of items."""


class Recurrence(Enum):
    """Recurrence of a column's values. Ids of items recur over orders; numbers of orders recur within one."""

    OVER_ORDERS = "over orders"
    WITHIN_ORDERS = "within orders"
    LINES = "lines of each order"
    NEVER = "never"
    MISSING = "missing"


def recurrence(rows: pl.DataFrame, column: str, order: list[str]) -> Recurrence:
    """Classify how the values of a column recur.

    Args:
        rows: Rows of an export.
        column: Name of the column.
        order: Names of the columns of user and time, which are equal in all rows of one order; fewer if one is not
            known, and no column then recurs within orders.

    Example:
        >>> rows = {"no": [1, 1, 2, 2], "mug": list("abab"), "user": list("uuvv"), "time": [1, 1, 2, 2]}
        >>> [recurrence(pl.DataFrame(rows), name, ["user", "time"]).value for name in ("no", "mug")]
        ['within orders', 'over orders']
    """
    if rows[column].dtype.is_nested():
        return Recurrence.NEVER
    names = {"_value": column, **{f"_{place}": name for place, name in enumerate(order)}}
    texts = pl.DataFrame({short: read_texts(rows[name]) for short, name in names.items()})
    if texts["_value"].null_count() > _MOST_MISSING * rows.height:
        return Recurrence.MISSING
    found = (
        texts.drop_nulls("_value")
        .group_by("_value")
        .agg(pl.len().alias("_rows"), pl.col("^_\\d+$").drop_nulls().n_unique())
    )
    if len(order) == 2 and _numbers_lines(texts):
        return Recurrence.LINES
    repeated = found.filter(pl.col("_rows") > 1)
    if repeated.is_empty():
        return Recurrence.NEVER
    enough = len(order) == 2 and repeated.height >= max(_MIN_REPEATED, _MIN_SHARE * found.height)
    within = repeated.select(pl.all_horizontal(pl.col("^_\\d+$") <= 1).all()).item() if order else False
    return Recurrence.WITHIN_ORDERS if enough and within else Recurrence.OVER_ORDERS


def _numbers_lines(texts: pl.DataFrame) -> bool:
    """Whether a column counts the rows of each order from 0 or 1."""
    numbers = texts.select("^_\\d+$", number=pl.col("_value").cast(pl.Int64, strict=False))
    if numbers["number"].has_nulls():
        return False
    orders = numbers.group_by("^_\\d+$").agg(
        pl.col("number").n_unique().alias("unique"), pl.col("number").min().alias("first"),
        pl.col("number").max().alias("last"), pl.len().alias("rows"),
    )  # fmt: skip
    counted = (pl.col("unique") == pl.col("rows")) & (pl.col("last") - pl.col("first") + 1 == pl.col("rows"))
    starts = orders["first"].unique()
    several = (orders["rows"] > 1).sum() >= _MIN_REPEATED
    return several and starts.len() == 1 and starts[0] in (0, 1) and bool(orders.select(counted.all()).item())


def is_written(values: pl.Series) -> pl.Series:
    """Whether each value is a text that is not empty."""
    return read_texts(values).is_not_null()


def unique_items(events: pl.DataFrame, column: str | None) -> str | None:
    """A warning if each row has its own item; None otherwise.

    Args:
        events: The events table.
        column: The column of item ids.
    """
    if column is None or events.height < MIN_ROWS or events[column].dtype.is_nested() or events[column].has_nulls():
        return None
    if events[column].n_unique() < events.height:
        return None
    return (
        f"each of the {events.height:,} rows has its own item_id ({column!r}), so nothing can be learnt from them; "
        "map item_id to a column with values that recur, such as product codes or names"
    )


def row_notes(events: pl.DataFrame, columns: Mapping[str, str]) -> tuple[str, ...]:
    """Counts of rows without a user or item, with their treatment, and of baskets.

    Args:
        events: The events table.
        columns: Column names of the table by our names, of the columns that were found.
    """
    notes = []
    treatments = {
        "user_id": 'they are refused; missing_users="drop" leaves them out',
        "item_id": "they are refused; fill them or leave these rows out",
    }
    for name, treatment in treatments.items():
        ids = clean_keys(events[columns[name]]) if name in columns else None
        empty = pl.Series([False]) if ids is None else ids.values.is_null()
        if name == "item_id" and QUERY in columns:  # searches have no item
            empty &= ~is_written(events[columns[QUERY]])
        missing = int(empty.sum())
        if missing:
            lacking = counted_of(missing, events.height, "row", "have")
            notes.append(f"{lacking} no {name} ({columns[name]!r}): {treatment}")
    unit = [columns[name] for name in ("user_id", "timestamp") if name in columns]
    if "basket_id" in columns:
        ids = clean_keys(events[columns["basket_id"]])
        sizes = ids.values.drop_nulls().value_counts()["count"] if ids is not None else pl.Series([], dtype=pl.UInt32)
        notes.append(f"{counted(sizes.len(), 'basket')}, {(sizes > 1).sum():,} of them with several rows")
    elif len(unit) == 2 and not any(events[name].dtype.is_nested() for name in unit):
        sizes = events.select(unit).drop_nulls().group_by(unit).len()["len"]
        notes.append(
            "no column looks like basket_id: rows of a user at one time are a basket; these are "
            f"{sizes.len():,} baskets, {(sizes > 1).sum():,} of them with several rows"
        )
    return tuple(notes)
