"""The tables of a shop: which columns they have, and what is wrong with them, all of it at once."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from .columns import read_flags, read_keys, read_numbers, read_texts, read_times

ITEM_SCHEMA: dict[str, pl.DataType] = {
    "item_id": pl.String(),
    "title": pl.String(),
    "description": pl.String(),
    "category": pl.String(),
    "brand": pl.String(),
    "price": pl.Float64(),
}
EVENT_SCHEMA: dict[str, pl.DataType] = {
    "user_id": pl.String(),
    "item_id": pl.String(),
    "timestamp": pl.Int64(),
    "order": pl.Int64(),
    "event_type": pl.String(),
    "rating": pl.Float64(),
    "split": pl.String(),
    "is_target": pl.Boolean(),
    "basket_id": pl.String(),
}
DEFAULT_EVENT_TYPE = "interaction"
CATEGORY_SEPARATOR = " > "

UnknownItems = Literal["error", "drop"]

_WORDING = {
    "missing_column": "the column is missing",
    "empty_table": "the table has no rows",
    "key_type": "the type cannot be an id",
    "null_key": "{count} rows have no value",
    "duplicate_item": "{count} rows repeat an id",
    "unknown_item": "{count} rows name an item that the items table lacks",
    "no_order": "there is neither a time nor an order of events",
    "bad_timestamp": "{count} rows hold no time that can be read",
    "null_timestamp": "{count} rows have no time",
    "mixed_timestamp_units": "{count} rows are in another unit than the rest",
    "timestamp_unit": "{count} rows were read as {example}",
    "bad_order": "{count} rows hold no whole number",
    "null_order": "{count} rows have no order",
    "not_numeric": "{count} rows hold no number",
    "not_boolean": "{count} rows are neither true nor false",
    "no_title": "{count} rows have no title",
    "single_event_user": "{count} users have one event only",
}


@dataclass(frozen=True)
class TableColumns:
    """Names of the columns in the user's tables; those that are optional are used where present.

    Args:
        item_id: Id of an item, in both tables. Required.
        title: Items: what the item is called.
        description: Items: what is said about it.
        category: Items: its category; a list is joined with " > ".
        brand: Items: its brand.
        price: Items: its price, a number.
        user_id: Events: who. Required.
        timestamp: Events: when; a date, a date-time, an ISO 8601 text, or seconds, milli-, micro- or nanoseconds
            since 1970. Either this or `order` is required.
        order: Events: whole numbers that grow along a user's events.
        event_type: Events: what happened (view, purchase, ...).
        rating: Events: a number that the user gave.
        split: Events: which split an event belongs to (train, validation, test).
        is_target: Events: whether the event is to be predicted.
        basket_id: Events: which basket the event belongs to.
    """

    item_id: str = "item_id"
    title: str = "title"
    description: str = "description"
    category: str = "category"
    brand: str = "brand"
    price: str = "price"
    user_id: str = "user_id"
    timestamp: str = "timestamp"
    order: str = "order"
    event_type: str = "event_type"
    rating: str = "rating"
    split: str = "split"
    is_target: str = "is_target"
    basket_id: str = "basket_id"

    def name_of(self, canonical: str) -> str:
        """Name in the user's table of a column of ours."""
        name: str = getattr(self, canonical)
        return name


@dataclass(frozen=True)
class TableProblem:
    """One thing that is wrong with a table.

    Args:
        table: "items" or "events".
        column: Name of the column in the user's table; empty for the table as a whole.
        kind: A short word for it, such as "duplicate_item".
        count: Rows (or users) concerned.
        example: One offending value; None where there is none to show.
        remedy: What to do, or what was done.
        fatal: Whether the tables are refused for it; otherwise it was repaired or has only to be known.
    """

    table: str
    column: str
    kind: str
    count: int
    example: object
    remedy: str
    fatal: bool

    def __str__(self) -> str:
        place = f"{self.table}, column {self.column}" if self.column else self.table
        wording = _WORDING[self.kind]
        shown = "" if self.example is None or "{example}" in wording else f", for example {self.example!r}"
        return f"{place}: {wording.format(count=self.count, example=self.example)}{shown}; {self.remedy}"


class TableError(ValueError):
    """Tables that cannot be used; says all that is wrong with them, fatal or not.

    Args:
        problems: The problems; fatal ones are listed first.
        name: Name of the shop.
    """

    def __init__(self, problems: Iterable[TableProblem], name: str = "") -> None:
        self.problems = sorted(problems, key=lambda problem: not problem.fatal)
        fatal = sum(problem.fatal for problem in self.problems)
        of = f" of {name}" if name else ""
        lines = [f"{fatal} problem{'s' if fatal != 1 else ''} with the tables{of}:"]
        lines += [f"- {problem}{'' if problem.fatal else ' (not fatal)'}" for problem in self.problems]
        super().__init__("\n".join(lines))


@dataclass
class ShopTables:
    """Validated tables of a shop, with our names and types of columns.

    Args:
        items: One row an item: the columns of `ITEM_SCHEMA`, then whatever else the user's table has. A column of the
            user's that has one of our names but is not mapped to it is kept as `original_<name>`.
        events: One row an event, in the order of the user's table: the columns of `EVENT_SCHEMA`.
        problems: What was repaired or should be known.
        name: Name of the shop.
    """

    items: pl.DataFrame
    events: pl.DataFrame
    problems: list[TableProblem] = field(default_factory=list)
    name: str = "shop"


def validate_tables(
    items: pl.DataFrame,
    events: pl.DataFrame,
    columns: TableColumns | None = None,
    name: str = "shop",
    *,
    on_unknown_items: UnknownItems = "error",
) -> ShopTables:
    """Check two tables and bring them to our names and types.

    Args:
        items: One row an item.
        events: One row an event.
        columns: Names of the columns; None for our own.
        name: Name of the shop, for messages.
        on_unknown_items: "error" refuses events of items that the items table lacks, "drop" leaves them out.

    Raises:
        TableError: If anything fatal is wrong; it lists everything that is wrong.
        ValueError: If `on_unknown_items` is neither "error" nor "drop".
    """
    if on_unknown_items not in ("error", "drop"):
        raise ValueError(f"on_unknown_items is {on_unknown_items!r}; give 'error' or 'drop'")
    reader = _Reader(columns or TableColumns())
    catalogue = reader.items(items)
    log = reader.events(events)
    if catalogue is not None and log is not None:
        log = reader.known_items(catalogue, log, on_unknown_items)
        reader.single_events(log)
    if catalogue is None or log is None or any(problem.fatal for problem in reader.problems):
        raise TableError(reader.problems, name)
    return ShopTables(catalogue, log, reader.problems, name)


class _Reader:
    """Reads the two tables and collects what is wrong with them."""

    def __init__(self, columns: TableColumns) -> None:
        self.columns = columns
        self.problems: list[TableProblem] = []

    def items(self, table: pl.DataFrame) -> pl.DataFrame | None:
        """The items table with our columns; None if it has no ids."""
        self._table("items", table, ITEM_SCHEMA, ("item_id",))
        ids = self._keys("items", table, "item_id")
        read: dict[str, pl.Series] = {}
        for column in ("title", "description", "category", "brand"):
            separator = CATEGORY_SEPARATOR if column == "category" else " "
            read[column] = read_texts(self._column(table, column), separator)
        read["price"] = self._numbers("items", table, "price")
        untitled = read["title"].null_count()
        if untitled and table.height:
            self._add("items", "title", "no_title", untitled, None, "their text comes from other columns", fatal=False)
        read["title"] = read["title"].fill_null("")
        if ids is None:
            return None
        repeated = ids.drop_nulls().is_duplicated()
        if repeated.any():
            count = ids.drop_nulls().len() - ids.drop_nulls().n_unique()
            example = ids.drop_nulls().filter(repeated)[0]
            self._add("items", "item_id", "duplicate_item", count, example, "keep one row an item")
        mapped = {self.columns.name_of(column) for column in ITEM_SCHEMA}
        others = [c for c in table.columns if c not in mapped]
        return pl.DataFrame(
            [ids.rename("item_id"), *(read[c].rename(c) for c in ITEM_SCHEMA if c != "item_id")]
            + [table[c].rename(f"original_{c}" if c in ITEM_SCHEMA else c) for c in others]
        )

    def events(self, table: pl.DataFrame) -> pl.DataFrame | None:
        """The events table with our columns; None if it has no ids."""
        self._table("events", table, EVENT_SCHEMA, ("user_id", "item_id"))
        users = self._keys("events", table, "user_id")
        ids = self._keys("events", table, "item_id")
        timestamp, order = self._order(table)
        event_type = read_texts(self._column(table, "event_type")).fill_null(DEFAULT_EVENT_TYPE)
        rating = self._numbers("events", table, "rating")
        split = read_texts(self._column(table, "split"))
        is_target, bad = read_flags(self._column(table, "is_target"))
        self._rows("events", table, "is_target", "not_boolean", bad, "write true and false")
        basket = self._column(table, "basket_id")
        baskets = read_keys(basket) if self.columns.basket_id in table.columns else basket.cast(pl.String)
        if baskets is None:
            kind = str(basket.dtype)
            self._add("events", "basket_id", "key_type", table.height, kind, "give texts or whole numbers")
        if users is None or ids is None or baskets is None:
            return None
        read = (users, ids, timestamp, order, event_type, rating, split, is_target, baskets)
        return pl.DataFrame(
            [values.rename(n).cast(t) for (n, t), values in zip(EVENT_SCHEMA.items(), read, strict=True)]
        )

    def known_items(self, items: pl.DataFrame, events: pl.DataFrame, policy: UnknownItems) -> pl.DataFrame:
        """The events whose items are known, if the others are to be dropped; otherwise all of them."""
        unknown = events["item_id"].is_not_null() & ~events["item_id"].is_in(items["item_id"].drop_nulls().implode())
        if not unknown.any():
            return events
        example = events["item_id"].filter(unknown)[0]
        drop = policy == "drop"
        remedy = "they were dropped" if drop else 'add the items, or drop these events with on_unknown_items="drop"'
        self._add("events", "item_id", "unknown_item", int(unknown.sum()), example, remedy, fatal=not drop)
        if not drop:
            return events
        kept = events.filter(~unknown)
        if kept.is_empty():
            self._add("events", "item_id", "empty_table", 0, None, "no event names a known item; check the ids")
        return kept

    def single_events(self, events: pl.DataFrame) -> None:
        """Count users with one event."""
        counts = events.drop_nulls("user_id").group_by("user_id", maintain_order=True).len().filter(pl.col("len") == 1)
        if counts.height:
            remedy = "they are kept, but can be neither trained on nor evaluated"
            example = counts["user_id"][0]
            self._add("events", "user_id", "single_event_user", counts.height, example, remedy, fatal=False)

    def _order(self, table: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
        """Times and order; one of the two is without gaps, or there is a fatal problem."""
        times = read_times(self._column(table, "timestamp"))
        order, bad_order = read_numbers(self._column(table, "order"))
        bad_order = bad_order | ((order != order.floor()) | (order.abs() > 2.0**53)).fill_null(False)
        remedy = "write ISO 8601, such as 2024-01-31T12:00:00, or seconds since 1970"
        self._rows("events", table, "timestamp", "bad_timestamp", times.bad, remedy)
        remedy = f"most are in {times.unit}; bring all to one unit"
        self._rows("events", table, "timestamp", "mixed_timestamp_units", times.mixed, remedy)
        self._rows("events", table, "order", "bad_order", bad_order, "number a user's events 0, 1, 2, ...")
        if times.unit != "seconds":
            count = times.values.len() - times.values.null_count()
            remedy = "divide them yourself if they are not"
            self._add("events", "timestamp", "timestamp_unit", count, times.unit, remedy, fatal=False)
        number, no_time, no_order = table.height, times.values.null_count(), order.null_count()
        broken = bool(times.bad.any() or bad_order.any())
        if number and not broken:
            if no_time == number and no_order == number:
                remedy = f"give a column {self.columns.timestamp} (or {self.columns.order}); {self._has(table)}"
                self._add("events", "", "no_order", number, None, remedy)
            elif 0 < no_time < number:
                ordered = not no_order
                remedy = "events are ordered by the column order alone" if ordered else "fill them, or give an order"
                self._add("events", "timestamp", "null_timestamp", no_time, None, remedy, fatal=not ordered)
            if 0 < no_order < number and no_time < number:
                remedy = "the order is ignored, times are complete" if not no_time else "fill them, or give times"
                self._add("events", "order", "null_order", no_order, None, remedy, fatal=bool(no_time))
                order = order.clear(number)
            elif 0 < no_order < number:
                self._add("events", "order", "null_order", no_order, None, "fill them, or give times")
        return times.values, order.cast(pl.Int64, strict=False)

    def _table(
        self, label: str, table: pl.DataFrame, schema: dict[str, pl.DataType], required: tuple[str, ...]
    ) -> None:
        """Note an empty table, and columns that are required or were mapped and are not there."""
        if table.is_empty():
            self._add(label, "", "empty_table", 0, None, "give a table with at least one row")
        defaults = {f.name: f.default for f in dataclasses.fields(TableColumns)}
        for column in schema:
            name = self.columns.name_of(column)
            if name not in table.columns and (column in required or name != defaults[column]):
                near = difflib.get_close_matches(name, table.columns, n=1, cutoff=0.5)
                guess = near[0] if near else "its name there"
                remedy = f"map it with TableColumns({column}={guess!r}); {self._has(table)}"
                self._add(label, column, "missing_column", table.height, None, remedy)

    def _has(self, table: pl.DataFrame) -> str:
        return f"the table has the columns {', '.join(table.columns) or '(none)'}"

    def _column(self, table: pl.DataFrame, column: str) -> pl.Series:
        name = self.columns.name_of(column)
        return table[name] if name in table.columns else pl.Series(name, [None] * table.height, pl.Null)

    def _keys(self, label: str, table: pl.DataFrame, column: str) -> pl.Series | None:
        name = self.columns.name_of(column)
        if name not in table.columns:
            return None
        keys = read_keys(table[name])
        if keys is None:
            kind = str(table[name].dtype)
            self._add(label, column, "key_type", table.height, kind, "give texts or whole numbers")
        elif keys.null_count():
            self._add(label, column, "null_key", keys.null_count(), None, "fill them or leave these rows out")
        return keys

    def _numbers(self, label: str, table: pl.DataFrame, column: str) -> pl.Series:
        numbers, bad = read_numbers(self._column(table, column))
        self._rows(label, table, column, "not_numeric", bad, "they were left empty; write plain numbers", fatal=False)
        return numbers

    def _rows(
        self,
        label: str,
        table: pl.DataFrame,
        column: str,
        kind: str,
        bad: pl.Series,
        remedy: str,
        *,
        fatal: bool = True,
    ) -> None:
        if bad.any():
            example = self._column(table, column).filter(bad)[0]
            shown = example.to_list() if isinstance(example, pl.Series) else example
            self._add(label, column, kind, int(bad.sum()), shown, remedy, fatal=fatal)

    def _add(
        self, label: str, column: str, kind: str, count: int, example: object, remedy: str, *, fatal: bool = True
    ) -> None:
        name = self.columns.name_of(column) if column else ""
        self.problems.append(TableProblem(label, name, kind, count, example, remedy, fatal))
