"""The items table of a shop that has one export only: derived from columns of items beside those of events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import polars as pl

from ..masking import CONTACT
from .column_reader import ColumnReader, TableStyle
from .keys import clean_keys
from .person_columns import names_person
from .problems import TableProblem
from .table_columns import ITEM_SCHEMA, ITEM_TEXTS, QUERY, TableColumns
from .values import read_texts

SAMPLE_ROWS = 1_000_000
"""First rows of the events that show whether a column is about items or about users."""
MIN_REPEATS = 10
"""Further rows of items below which a column is not refused because they differ."""
MOST_CONTACTS = 0.01
"""Share of values with an e-mail address or telephone number from which on a column is about persons."""
_USER_COLUMNS = ("user_id", "basket_id", QUERY)


class ItemsOfEvents(ColumnReader):
    """Derives one row per item from a table of events, which may come in parts.

    A field of an item is the most frequent non-empty value among the item's rows; of equally frequent values the one
    that stands last. Only fields of `ITEM_SCHEMA` are taken. A column whose name suggests a person (see
    `names_person`) and a text field that is about users (see `describes_items`) are left out.

    Args:
        columns: Names of the columns; `item_id` as in the events table.
        style: How the whole table is written, where it comes in parts.
    """

    def __init__(self, columns: TableColumns, style: TableStyle | None = None) -> None:
        super().__init__(columns, style=style)
        self._given = columns
        self._height = 0
        self._has_columns = ""
        self._places = pl.DataFrame(schema={"item_id": pl.String(), "row": pl.Int64()})
        self._counts: dict[str, pl.DataFrame] = {}
        self._samples: list[pl.DataFrame] = []
        self._repairs: dict[str, list[TableProblem]] = {}

    def add(self, table: pl.DataFrame) -> None:
        """Read the rows of a table of events, or of the next part of one."""
        names = self._given.of_table(table.columns, "events")
        self.columns = replace(self._given.of_table(table.columns, "items"), item_id=names.item_id)
        ids = clean_keys(table[names.item_id], self.style.keys.get(names.item_id)) if self._is_there(table) else None
        if table.is_empty() or ids is None:
            return  # reading the events reports it
        if not self._height:
            fields = {name: kind for name, kind in ITEM_SCHEMA.items() if name != "item_id"}
            self._table("items", table, fields, ())
            self.problems = [
                p for p in self.problems if p.kind == "missing_column"
            ]  # reading the events reports the rest
            self._has_columns = self._has(table)
        read = [
            ids.values.rename("item_id"),
            pl.int_range(self._height, self._height + table.height, eager=True).alias("row"),
        ]
        private = {names.name_of(name) for name in _USER_COLUMNS}
        for field in self._fields(table, private):
            before = len(self.problems)
            read.append(self._item_field(table, field).rename(field))
            self._repairs.setdefault(field, []).extend(self._moved(before))
        rows = pl.DataFrame(read).drop_nulls("item_id")
        self._count(rows)
        self._keep_sample(rows, table, names.user_id)
        self._height += table.height

    def finish(self) -> pl.DataFrame | None:
        """The items with our columns, in the order of their first rows; None if no row has an id.

        What was repaired and which items have several values is added to `problems`.
        """
        if self._places.is_empty():
            return None
        items = self._places.sort("row").select("item_id")
        taken = []
        sample = pl.concat(self._samples)
        for field, counts in self._counts.items():
            if field in ITEM_TEXTS and not describes_items(sample, field):
                remedy = f"the column was not used for items; map {field} to another column"
                self._add("items", field, "field_of_users", self._height, None, remedy, fatal=False)
                continue
            contacts = counts[field].str.contains(CONTACT) if field in ITEM_TEXTS else counts[field].is_null()
            if contacts.sum() > MOST_CONTACTS * counts.height:
                remedy = f"the column was not used for items; remove them, or map {field} to another column"
                self._add("items", field, "contacts", int(contacts.sum()), None, remedy, fatal=False)
                continue
            self.problems += _joined(self._repairs[field])
            self._several(field, counts)
            best = counts.sort("count", "last", descending=True).unique("item_id", keep="first", maintain_order=True)
            items = items.join(best.select("item_id", field), on="item_id", how="left", maintain_order="left")
            taken += [field] if best.height else []
        missing = [pl.lit(None, kind).alias(name) for name, kind in ITEM_SCHEMA.items() if name not in items.columns]
        items = items.with_columns(missing).select([pl.col(n).cast(kind) for n, kind in ITEM_SCHEMA.items()])
        self._summary(items, taken)
        return items.with_columns(pl.col("title").fill_null(""))

    def _is_there(self, table: pl.DataFrame) -> bool:
        return self.columns.item_id in table.columns

    def _fields(self, table: pl.DataFrame, private: set[str]) -> list[str]:
        """Fields of items that the table has. A column of user ids, baskets, queries or persons is never one."""
        there = [name for name in ITEM_SCHEMA if name != "item_id" and self.columns.name_of(name) in table.columns]
        kinds = {name: "field_of_users" for name in there if self.columns.name_of(name) in private}
        # An item with one row shows no disagreement between its users, so the name alone decides.
        persons = [name for name in there if name not in kinds and names_person(self.columns.name_of(name))]
        kinds |= dict.fromkeys(persons, "names_person")
        for name, kind in kinds.items() if not self._height else ():
            remedy = f"the column was not used for items; map {name} to another column"
            remedy += ", or rename it if it describes products" if kind == "names_person" else ""
            self._add("items", name, kind, table.height, None, remedy, fatal=False)
        return [name for name in there if name not in kinds]

    def _moved(self, before: int) -> list[TableProblem]:
        """Take the problems of one field off the list; rows count from the first part."""
        found, self.problems[before:] = self.problems[before:], []
        return [p if p.row is None else replace(p, row=p.row + self._height) for p in found]

    def _count(self, rows: pl.DataFrame) -> None:
        """Add the rows to the counts of each value of each item."""
        first = rows.group_by("item_id").agg(pl.col("row").min())
        self._places = pl.concat([self._places, first]).group_by("item_id").agg(pl.col("row").min())
        for field in rows.columns[2:]:
            counted = (
                rows.select("item_id", field, "row")
                .drop_nulls()
                .group_by("item_id", field)
                .agg(pl.len().cast(pl.Int64).alias("count"), pl.col("row").max().alias("last"))
            )
            if field in self._counts:
                both = pl.concat([self._counts[field], counted])
                counted = both.group_by("item_id", field).agg(pl.col("count").sum(), pl.col("last").max())
            self._counts[field] = counted

    def _keep_sample(self, rows: pl.DataFrame, table: pl.DataFrame, user: str) -> None:
        room = SAMPLE_ROWS - sum(part.height for part in self._samples)
        if room <= 0:
            return
        users = pl.Series("user_id", [None] * table.height, pl.String)
        if user in table.columns and not table[user].dtype.is_nested():
            users = read_texts(table[user])
        texts = [name for name in rows.columns if name in ITEM_TEXTS]
        owners = users.gather(rows["row"] - self._height).rename("user_id")
        self._samples.append(rows.select("item_id", *texts).with_columns(owners).head(room))

    def _several(self, field: str, counts: pl.DataFrame) -> None:
        """Note items with several values of a field."""
        repeated = counts.filter(counts["item_id"].is_duplicated())
        if repeated.height:
            remedy = "the most frequent is used, of equally frequent ones the last"
            count, example = repeated["item_id"].n_unique(), repeated.sort("last")["item_id"][0]
            self._add("items", field, "several_values", count, example, remedy, fatal=False)

    def _summary(self, items: pl.DataFrame, taken: list[str]) -> None:
        """Note what the items are made of, and items without a title."""
        if any(name in ITEM_TEXTS for name in taken):
            remedy = f"fields: {', '.join(taken)}"
            self._untitled(items)
        else:
            column = "title"
            remedy = "no column describes them, so the model has their ids alone; map one with "
            remedy += f"TableColumns({column}='its name there'), or give an items table; {self._has_columns}"
        self._add("items", "", "derived_items", items.height, None, remedy, fatal=False)


def describes_items(sample: pl.DataFrame, field: str) -> bool:
    """Whether a column is about items, not about users: the rows of an item mostly agree.

    A customer's name, city or review differs between the rows of an item. A title
    differs between the rows of a user.

    Args:
        sample: Columns `user_id`, `item_id` and the field.
        field: Name of the column.

    Example:
        >>> rows = {"user_id": ["u", "u", "v"], "item_id": ["a", "b", "a"]}
        >>> sample = pl.DataFrame({**rows, "title": ["Mug", "Bowl", "Mug"], "name": ["Ann", "Ann", "Bo"]})
        >>> describes_items(sample, "title"), describes_items(sample, "name")
        (True, False)
    """
    rows = sample.select("user_id", "item_id", field).drop_nulls(["item_id", field]).unique()
    by_item, repeats = _agreement(rows, "item_id", field)
    by_user, _ = _agreement(rows.drop_nulls("user_id"), "user_id", field)
    if not repeats:
        return True
    # Misspelt values part the rows of users and of items alike; a value of users parts those of items alone.
    of_users = by_item < 0.98 and 1 - by_user < (1 - by_item) / 2
    return not of_users and (by_item >= 0.5 or repeats < MIN_REPEATS)


def _agreement(rows: pl.DataFrame, owner: str, field: str) -> tuple[float, int]:
    """Share of the further rows of an owner that have the owner's most frequent value; and how many rows these are."""
    counts = rows.group_by(owner, field).len().group_by(owner).agg(all=pl.col("len").sum(), most=pl.col("len").max())
    repeats = int((counts["all"] - 1).sum())
    return (float((counts["most"] - 1).sum()) / repeats if repeats else 0.0), repeats


def _joined(problems: Iterable[TableProblem]) -> list[TableProblem]:
    """Problems of several parts; those of one kind are added up."""
    kinds: dict[str, TableProblem] = {}
    for problem in problems:
        first = kinds.get(problem.kind)
        kinds[problem.kind] = problem if first is None else replace(first, count=first.count + problem.count)
    return list(kinds.values())


def is_log(table: pl.DataFrame, columns: TableColumns) -> bool:
    """Whether a table is one of events, by its columns of users, items and times."""
    names = columns.of_table(table.columns, "events")
    timed = names.timestamp in table.columns or names.order in table.columns
    return timed and names.user_id in table.columns and names.item_id in table.columns


def is_same_table(items: pl.DataFrame, events: pl.DataFrame) -> bool:
    """Whether the items table is the events table again."""
    return items is events or (items.schema == events.schema and items.equals(events))
