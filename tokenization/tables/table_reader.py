"""Reads and repairs the tables of a dataset, and collects issues."""

from __future__ import annotations

import time
from typing import Literal

import polars as pl

from ..masking import CONTACT, looks_personal
from .column_reader import REPAIRS, ColumnReader, TableStyle, first_row, personal_names
from .event_roles import IMPRESSION, RETURN, is_negative
from .event_times import exact_time
from .guess_checks import MIN_ROWS
from .keys import meet_keys
from .searches import SESSION, with_searches
from .table_columns import (
    CLICKED,
    DEFAULT_EVENT_TYPE,
    EVENT_INPUTS,
    EVENT_SCHEMA,
    ITEM_SCHEMA,
    MICROSECOND,
    PROMOTION_SCHEMA,
    QUANTITY,
    QUERY,
    TableColumns,
)
from .time_columns import SECONDS_1973, TimeColumn
from .time_texts import CLOCK_SKEW
from .values import clean_texts, minus_rows, read_flags, read_numbers, read_texts

UnknownItems = Literal["error", "drop"]
MissingUsers = Literal["error", "drop"]

MAX_EVENT_TYPES = 200
"""Maximum number of distinct event types."""
TYPES_OF_USERS = 10
"""Number of event types above which types of a single user each are taken for names of users."""


class TableReader(ColumnReader):
    """Reads the tables of a dataset and collects issues.

    Args:
        columns: Column names.
        file_order: Whether events without time and order have the order of the table; otherwise they are refused.
        time_format: Format of times; see `read_times`.
        style: Format of the columns, if the tables are parts of larger ones.
        missing_users: "error" refuses events without a user, "drop" leaves them out.

    Raises:
        ValueError: If the time format is neither a name nor a pattern, or `missing_users` is neither of the two.
    """

    def __init__(
        self,
        columns: TableColumns,
        *,
        file_order: bool = False,
        time_format: str | None = None,
        style: TableStyle | None = None,
        missing_users: MissingUsers = "error",
    ) -> None:
        super().__init__(columns, time_format, style)
        check_policy("missing_users", missing_users)
        self.missing_users: MissingUsers = missing_users
        self._given = columns
        self.file_order = file_order
        self._num_events = 0
        self.kept = pl.Series(dtype=pl.Boolean)
        """Rows of the events table that are events: with an item, and with a user."""

    def items(self, table: pl.DataFrame) -> pl.DataFrame | None:
        """The items table with our columns; None if it has no ids."""
        self.columns = self._given.of_table(table.columns, "items")
        self._table("items", table, ITEM_SCHEMA, ("item_id",))
        ids = self._keys("items", table, "item_id")
        self._item_ids("items", ids)
        read = {name: self._item_field(table, name) for name in ITEM_SCHEMA if name != "item_id"}
        self._untitled(pl.DataFrame([values.rename(name) for name, values in read.items()]))
        read["title"] = read["title"].fill_null("")
        if ids is None:
            return None
        repeated = ids.drop_nulls().is_duplicated()
        if repeated.any():
            count = ids.drop_nulls().len() - ids.drop_nulls().n_unique()
            example = ids.drop_nulls().filter(repeated)[0]
            self._add("items", "item_id", "duplicate_item", count, example, "keep one row per item")
        ours = [ids.rename("item_id"), *(read[c].rename(c) for c in ITEM_SCHEMA if c != "item_id")]
        return pl.DataFrame([*ours, *self._others(table, ITEM_SCHEMA)])

    def events(self, table: pl.DataFrame) -> pl.DataFrame | None:
        """The events table with our columns; None if it has no ids."""
        self.columns = self._given.of_table(table.columns, "events")
        self._table("events", table, EVENT_INPUTS, ("user_id", "item_id"))
        drop = self.missing_users == "drop" and self._name("user_id") in table.columns
        users = self._keys("events", table, "user_id", required=not drop)
        query = self._queries(table)
        written = query[0].is_not_null() if query else pl.Series([False]).new_from_index(0, table.height)
        ids = self._keys("events", table, "item_id", spared=written)
        self._item_ids("events", ids)
        times, order = self._order(table)
        event_type, quantity = self._event_types(table)
        event_type, clicked = self._clicks(table, event_type)
        self._kinds(event_type, users)
        rating = self._numbers("events", table, "rating")
        split = self._labels(table, "split")
        unsplit = split.is_null() if ids is None else split.filter(ids.is_not_null()).is_null()
        if unsplit.any() and not unsplit.all():
            remedy = "fill them; only split='column' uses them and refuses missing ones"
            self._add("events", "split", "partial_split", int(unsplit.sum()), None, remedy, fatal=False)
        is_target, bad = read_flags(self._column(table, "is_target"))
        self._rows("events", table, "is_target", "not_boolean", bad, "write true and false")
        baskets = self._keys("events", table, "basket_id", required=False)
        if users is None or ids is None or baskets is None:
            return None
        read = (users, ids, times.values, order, event_type, rating, split, is_target, baskets)
        ours = [values.rename(n).cast(t) for (n, t), values in zip(EVENT_SCHEMA.items(), read, strict=True)]
        if times.microseconds is not None:
            ours.append(times.microseconds.rename(MICROSECOND))
        log = pl.DataFrame([*ours, *quantity, *query, *clicked, *self._others(table, EVENT_INPUTS)])
        self._num_events = log.height
        log = self._with_users(self._with_items(log, written & ids.is_null()))
        self.repeated_events(log)
        return log

    def _queries(self, table: pl.DataFrame) -> list[pl.Series]:
        """Texts of the column of queries, if there is one. Items and event types may not be texts of users."""
        name = self.columns.name_of(QUERY)
        if name not in table.columns:
            return []
        for column in ("item_id", "event_type"):
            if self.columns.name_of(column) == name:
                remedy = f"these are written into checkpoints; map {column} to another column"
                self._add("events", column, "text_of_users", table.height, None, remedy)
        cleaned = clean_texts(table[name])
        for kind, rows in cleaned.repairs.items():
            self._add("events", QUERY, kind, int(rows.sum()), None, REPAIRS[kind], fatal=False)
        return [cleaned.values.rename(QUERY)]

    def _with_items(self, log: pl.DataFrame, searches: pl.Series) -> pl.DataFrame:
        """Events that have an item. The query of a search goes to the user's next event, if that is near."""
        self.kept = ~searches
        if not searches.any():
            return log
        remedy = f"each is the query of the user's next event, if that follows within {SESSION // 60} minutes"
        self._add("events", QUERY, "search", int(searches.sum()), None, remedy, fatal=False)
        kept = with_searches(log, searches)
        if kept.is_empty():
            self._add("events", "item_id", "empty_table", 0, None, "no event has an item; check the column")
        return kept

    def _with_users(self, log: pl.DataFrame) -> pl.DataFrame:
        """Events that have a user. Others are dropped here, after rows were counted for issues."""
        with_user = log["user_id"].is_not_null()
        missing = log["user_id"].null_count()
        if not missing or self.missing_users == "error":
            return log
        self._add("events", "user_id", "null_key", missing, None, "they were dropped", fatal=False)
        self.kept = self.kept.scatter(self.kept.arg_true(), with_user)
        kept = log.filter(with_user)
        if kept.is_empty():
            self._add("events", "user_id", "empty_table", 0, None, "no event has a user; check the column")
        return kept

    def _event_types(self, table: pl.DataFrame) -> tuple[pl.Series, list[pl.Series]]:
        """Type of each event, "return" for a negative quantity; and the quantities, if there are any."""
        types = self._labels(table, "event_type").fill_null(DEFAULT_EVENT_TYPE)
        if self.columns.quantity not in table.columns:
            return types, []
        quantity = table[self.columns.quantity]
        if not quantity.dtype.is_numeric():
            quantity = self._numbers("events", table, QUANTITY)
        below = (quantity < 0).fill_null(False) | (quantity.is_null() & minus_rows(table[self.columns.quantity]))
        if below.any():
            remedy = f"they were read as event type {RETURN}, which is never predicted"
            self._rows("events", table, QUANTITY, "negative_quantity", below, remedy, fatal=False)
            kept = pl.Series([name for name in types.unique().to_list() if is_negative(name)], dtype=pl.String)
            returned = below & ~types.is_in(kept.implode())
            types = pl.select(pl.when(returned).then(pl.lit(RETURN)).otherwise(types)).to_series()
        return types.rename("event_type"), [quantity.rename(QUANTITY)]

    def _clicks(self, table: pl.DataFrame, types: pl.Series) -> tuple[pl.Series, list[pl.Series]]:
        """Type of each event, "impression" for an impression without a click; and the clicks, if there are any."""
        if self.columns.clicked not in table.columns:
            return types, []
        clicked, bad = read_flags(self._column(table, CLICKED))
        self._rows("events", table, CLICKED, "not_boolean", bad, "write 1 and 0, and nothing for other events")
        ignored = (~clicked).fill_null(False)
        remedy = f"they were read as event type {IMPRESSION}"
        if ignored.any():  # all have the same value, so an example would say nothing
            self._add("events", CLICKED, "not_clicked", int(ignored.sum()), None, remedy, fatal=False)
        typed = pl.select(pl.when(ignored).then(pl.lit(IMPRESSION)).otherwise(types)).to_series()
        return typed.rename("event_type"), [clicked.rename(CLICKED).cast(pl.Boolean)]

    def users(self, table: pl.DataFrame) -> pl.DataFrame | None:
        """The users table with our name of the id, one row per user; None if it has no ids."""
        self.columns = self._given.of_table(table.columns, "users")
        self._table("users", table, {"user_id": pl.String()}, ("user_id",))
        ids = self._keys("users", table, "user_id")
        if ids is None:
            return None
        people = pl.DataFrame([ids.rename("user_id"), *self._others(table, {"user_id": pl.String()})])
        repeated = people["user_id"].is_duplicated() & people["user_id"].is_not_null()
        if repeated.any():
            once = people.unique("user_id", keep="first", maintain_order=True)
            example = people["user_id"].filter(repeated)[0]
            count, remedy = people.height - once.height, "the first row was kept"
            row = first_row(repeated)
            self._add("users", "user_id", "duplicate_user", count, example, remedy, fatal=False, row=row)
            people = once
        return people

    def promotions(self, table: pl.DataFrame) -> pl.LazyFrame:
        """A promotions table with the columns of `PROMOTION_SCHEMA`; missing columns are null."""
        self.columns = self._given.of_table(table.columns, "promotions")
        self.problems += personal_names("promotions", table.columns)
        read: list[pl.Series] = []
        for name, dtype in PROMOTION_SCHEMA.items():
            column = self._column(table, name)
            values: pl.Series | None
            if name in ("start", "end"):
                times = self._times("promotions", table, name)
                self._rows("promotions", table, name, "bad_timestamp", times.mixed, "convert all to one unit")
                values = times.values
            elif name in ("kind", "place"):
                values = read_texts(column)
            else:
                values = self._keys("promotions", table, name, required=False)
                if values is None:
                    values = pl.Series(name, [None] * table.height, pl.String)
            read.append(values.rename(name).cast(dtype))
        return pl.DataFrame(read).lazy()

    def known_items(
        self, items: pl.DataFrame, events: pl.DataFrame, policy: UnknownItems
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The two tables with matching ids, and without events of unknown items if these are dropped."""
        events = self.ids_of(items, events)
        unknown = _unknown(items, events)
        if not unknown.any():
            return items, events
        example = events["item_id"].filter(unknown)[0]
        drop = policy == "drop"
        to_drop = 'add the items, or drop these events: on_unknown_items="drop"'
        remedy = "they were dropped" if drop else to_drop
        self._add("events", "item_id", "unknown_item", int(unknown.sum()), example, remedy, fatal=not drop)
        if not drop:
            return items, events
        kept = events.filter(~unknown)
        if kept.is_empty():
            self._add("events", "item_id", "empty_table", 0, None, "no event has a known item; check the ids")
        return items, kept

    def ids_of(self, catalogue: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
        """Events with ids matched to those of a fixed catalogue; unknown items are kept.

        One of the tables may have gone through pandas, which writes 1.0 for 1.
        """
        if not _unknown(catalogue, events).any():
            return events
        ids, changed = meet_keys(catalogue["item_id"], events["item_id"])
        if changed.any():
            example = events["item_id"].filter(changed)[0]
            remedy = "they were written as in the items table"
            self._add("events", "item_id", "float_key", int(changed.sum()), example, remedy, fatal=False)
        return events.with_columns(item_id=ids)

    def _item_ids(self, name: str, ids: pl.Series | None) -> None:
        """Refuse e-mail addresses and telephone numbers as item ids, because every checkpoint and card has these."""
        found = pl.Series([], dtype=pl.Boolean) if ids is None else ids.str.contains(CONTACT).fill_null(False)
        if found.any():
            remedy = "item ids are written into checkpoints and cards; map item_id to the column of product codes"
            self._add(name, "item_id", "personal_item_id", int(found.sum()), None, remedy, row=first_row(found))

    def _kinds(self, event_type: pl.Series, users: pl.Series | None) -> None:
        """Refuse a column of event types that has names of users, because every checkpoint stores the types."""
        count = event_type.n_unique()
        if count > MAX_EVENT_TYPES:
            remedy = "an event type is a word such as buy or view; map another column, or leave it out"
            self._add("events", "event_type", "many_event_types", count, event_type[0], remedy, row=1)
            return
        if users is not None and TYPES_OF_USERS < count <= event_type.len() / 2:
            owners = pl.DataFrame([users.rename("user"), event_type.rename("type")]).drop_nulls().group_by("type")
            if owners.agg(pl.col("user").n_unique())["user"].max() == 1:
                remedy = "an event type is a word such as buy or view; map another column, or leave it out"
                self._add("events", "event_type", "types_of_users", count, None, remedy)
                return
        personal = event_type.is_in([name for name in event_type.unique() if looks_personal(name)])
        if personal.any():
            found = event_type.filter(personal)
            remedy = "an event type is a word such as buy or view, and is written into checkpoints; map another column"
            row = first_row(personal)
            self._add("events", "event_type", "personal_event_type", found.n_unique(), found[0], remedy, row=row)

    def repeated_events(self, log: pl.DataFrame) -> None:
        """Report repeated events; they may be intended."""
        time = exact_time(log).alias("timestamp")
        told = log.select("user_id", "item_id", time, "order", "event_type", "basket_id").filter(
            pl.col("timestamp").is_not_null() | pl.col("order").is_not_null()
        )
        count = told.height - told.n_unique() if told.height else 0
        if count:
            example = told.filter(told.is_duplicated())["item_id"][0]
            remedy = "they were kept; repeats='first' keeps a user's first event with an item"
            self._add("events", "", "repeated_event", count, example, remedy, fatal=False)

    def single_events(self, events: pl.DataFrame) -> None:
        """Count users with a single event."""
        counts = events.drop_nulls("user_id").group_by("user_id", maintain_order=True).len().filter(pl.col("len") == 1)
        if counts.height:
            remedy = "they are kept, but cannot be used for training or evaluation"
            example = counts["user_id"][0]
            whole = events.height == self._num_events
            row = (
                first_row(events["user_id"] == example) if whole else None
            )  # rows of the table, as long as none is missing
            self._add("events", "user_id", "single_event_user", counts.height, example, remedy, fatal=False, row=row)

    def unique_items(self, events: pl.DataFrame) -> None:
        """Note that each of many rows has its own item."""
        ids = events["item_id"]
        if events.height >= MIN_ROWS and not ids.has_nulls() and ids.n_unique() == events.height:
            remedy = (
                "nothing can be learnt from them; map item_id to a column with values that recur, such as product "
            )
            remedy += "codes or names"
            self._add("events", "item_id", "unique_items", events.height, None, remedy, fatal=False)

    def _order(self, table: pl.DataFrame) -> tuple[TimeColumn, pl.Series]:
        """Times and order; at least one of them is complete, or there is a fatal issue."""
        times = self._times("events", table, "timestamp")
        order, bad_order = read_numbers(self._column(table, "order"), self.style.commas.get(self._name("order")))
        bad_order = bad_order | ((order != order.floor()) | (order.abs() > 2.0**53)).fill_null(False)
        future = (times.values > int(time.time()) + CLOCK_SKEW).fill_null(False) & ~times.mixed
        remedy = "events cannot be in the future; correct these rows or leave them out"
        self._rows("events", table, "timestamp", "future_timestamp", future, remedy)
        remedy = f"most are in {times.unit}; convert all to one unit"
        self._rows("events", table, "timestamp", "mixed_timestamp_units", times.mixed, remedy)
        early = (times.values < SECONDS_1973).fill_null(False) & ~times.mixed
        remedy = "numbers are seconds since 1970; give time_format='excel' for spreadsheet days, multiply days "
        remedy += "since 1970 by 86400, or map the column as order if it is only a counter"
        self._rows("events", table, "timestamp", "early_timestamp", early, remedy, fatal=False)
        self._rows("events", table, "order", "bad_order", bad_order, "number a user's events 0, 1, 2, ...")
        if times.unit != "seconds":
            count = times.values.len() - times.values.null_count()
            remedy = "give seconds if they are not"
            self._add("events", "timestamp", "timestamp_unit", count, times.unit, remedy, fatal=False)
        number, no_time, no_order = table.height, times.values.null_count(), order.null_count()
        broken = bool(times.bad.any() or bad_order.any())
        if number and not broken:
            if no_time == number and no_order == number and self.file_order:
                order = pl.Series(order.name, range(number), pl.Float64)
            elif no_time == number and no_order == number:
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
        return times, order.cast(pl.Int64, strict=False)


def check_policy(name: str, value: str) -> None:
    """Refuse an unknown treatment of events without a user, or of events of unknown items.

    Args:
        name: Name of the argument.
        value: Its value.

    Raises:
        ValueError: If it is neither "error" nor "drop".
    """
    if value not in ("error", "drop"):
        raise ValueError(f"{name} is {value!r}; give 'error' or 'drop'")


def _unknown(items: pl.DataFrame, events: pl.DataFrame) -> pl.Series:
    known = events["item_id"].is_in(items["item_id"].drop_nulls().implode())
    return events["item_id"].is_not_null() & ~known
