"""Reads single columns of a user's table, and collects repairs and faults."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from ..masking import holds_values, looks_personal, mask, name_columns
from .keys import KeyStyle, clean_keys
from .problems import TableProblem
from .table_columns import (
    CATEGORY_SEPARATOR,
    ITEM_TEXTS,
    MICROSECOND,
    QUANTITY,
    SavedFormat,
    TableColumns,
    column_names,
    is_chosen,
)
from .time_columns import TimeColumn, TimeStyle, read_times
from .time_texts import DAY_FIRST, MONTH_FIRST, TimeReading, check_time_format
from .values import clean_texts, comma_rows, nan_rows, read_numbers, read_texts

_MAPPED = set(column_names())
REPAIRS = {
    "padded_key": "they were cut off",
    "separator_key": "they were kept; quote them in csv files",
    "control_characters": "these were taken out",
    "long_text": "the rest was cut off",
    "nested_list": "the first list was used",
    "listed_text": "it was read as a list",
    "float_key": "the decimals were cut off",
}
"""What was done about each kind of repaired value."""


@dataclass(frozen=True)
class TableStyle:
    """Format of a whole table's columns, by the user's column names; a part of the table may show less.

    Args:
        keys: Format of ids.
        commas: Whether numbers have decimal commas.
        times: Format of times.
    """

    keys: Mapping[str, KeyStyle] = field(default_factory=dict)
    commas: Mapping[str, bool] = field(default_factory=dict)
    times: Mapping[str, TimeStyle] = field(default_factory=dict)


class ColumnReader:
    """Reads columns and collects issues.

    Args:
        columns: Column names.
        time_format: Format of times; see `read_times`.
        style: Format of the columns, if the tables are parts of larger ones.

    Raises:
        ValueError: If the time format is neither a name nor a pattern.
    """

    def __init__(self, columns: TableColumns, time_format: str | None = None, style: TableStyle | None = None) -> None:
        check_time_format(time_format)
        self.columns = columns
        self.time_format = time_format
        self.style = style or TableStyle()
        self.problems: list[TableProblem] = []
        self._found: set[str] = set()
        """Our columns that a table has had so far."""

    def _times(self, label: str, table: pl.DataFrame, column: str) -> TimeColumn:
        """Times of a column; unreadable and ambiguous ones are issues."""
        given = self._column(table, column)
        times = read_times(given, self.time_format, self.style.times.get(self._name(column)))
        if isinstance(self.time_format, SavedFormat) and times.bad.any():
            times = read_times(given)
        self.date_order(label, column, times.reading)
        if times.reading.question:
            return times
        remedy = (
            "write ISO 8601, such as 2024-01-31T12:00:00, or seconds since 1970, or give time_format=, a strptime "
        )
        remedy += "pattern such as '%d/%m/%Y %H:%M'"
        if is_chosen(self.time_format):
            remedy = f"time_format={self.time_format!r} does not read them; correct it or leave it out"
        self._rows(label, table, column, "bad_timestamp", times.bad, remedy)
        return times

    def date_order(self, label: str, column: str, reading: TimeReading) -> None:
        """Report the order of short dates; ask if it is ambiguous."""
        if reading.question:
            remedy = f"{reading.question} Give the right one"
            self._add(label, column, "ambiguous_date", reading.rows, None, remedy)
        elif reading.order is not None:
            other = MONTH_FIRST if reading.order == DAY_FIRST else DAY_FIRST
            remedy = f"no other order reads as many dates; if it is wrong, give time_format={other!r}"
            self._add(label, column, "date_order", reading.rows, reading.order, remedy, fatal=False)

    def _table(
        self, label: str, table: pl.DataFrame, schema: dict[str, pl.DataType], required: tuple[str, ...]
    ) -> None:
        """Report an empty table, and required or mapped columns that are missing."""
        if table.is_empty():
            self._add(label, "", "empty_table", 0, None, "give a table with at least one row")
        self.problems += personal_names(label, table.columns)
        before = frozenset(self._found)
        for column in schema:
            name = self.columns.name_of(column)
            if name in table.columns:
                self._found.add(column)
            elif column in required or name != column:
                # A column with one of our names is not the missing one.
                ours = {self.columns.name_of(other) for other in schema}
                free = [n for n in table.columns if n not in ours and not holds_values(table.columns)]
                near = difflib.get_close_matches(name, free, n=1, cutoff=0.5)
                guess = near[0] if near else "its name there"
                ways = f"TableColumns({column}={guess!r})"
                if column in before:  # in another table, where its name is correct
                    ways = f"TableColumns(by_table={ {f'{label}.{column}': guess} })"
                remedy = f"map it with {ways}; {self._has(table)}"
                self._add(label, column, "missing_column", table.height, None, remedy)

    def _has(self, table: pl.DataFrame) -> str:
        return f"the table has the columns {name_columns(table.columns)}"

    def _name(self, column: str) -> str:
        return self.columns.name_of(column) if column in _MAPPED else column

    def _column(self, table: pl.DataFrame, column: str) -> pl.Series:
        name = self._name(column)
        return table[name] if name in table.columns else pl.Series(name, [None] * table.height, pl.Null)

    def _keys(
        self, label: str, table: pl.DataFrame, column: str, *, required: bool = True, spared: pl.Series | None = None
    ) -> pl.Series | None:
        """Ids; None if the column is required and missing, or its type cannot be an id.

        A required id may be missing in the `spared` rows.
        """
        name = self._name(column)
        if name not in table.columns:
            return None if required else pl.Series(name, [None] * table.height, pl.String)
        cleaned = clean_keys(table[name], self.style.keys.get(name))
        if cleaned is None:
            kind = str(table[name].dtype)
            self._add(label, column, "key_type", table.height, kind, "give strings or integers")
            return None
        repairs = dict(cleaned.repairs)
        unsafe = repairs.pop("unsafe_key", None)
        if unsafe is not None:
            remedy = "read the column as integers or strings before it becomes floats (in pandas dtype='Int64')"
            self._rows(label, table, column, "unsafe_key", unsafe, remedy)
        self._repaired(label, table, column, repairs)
        missing = cleaned.values.is_null()
        count = int((missing if spared is None else missing & ~spared).sum())
        if required and count:
            remedy = "fill them or leave these rows out"
            if label == "events" and column == "user_id":
                remedy += ': missing_users="drop"'
            self._add(label, column, "null_key", count, None, remedy)
        return cleaned.values

    def _labels(self, table: pl.DataFrame, column: str) -> pl.Series:
        """Event types or splits: texts, and numbers with the rule of ids."""
        given = self._column(table, column)
        if not given.dtype.is_numeric() and not isinstance(given.dtype, pl.String):
            return read_texts(given)
        cleaned = clean_keys(given, self.style.keys.get(given.name))
        assert cleaned is not None
        repaired = {kind: rows for kind, rows in cleaned.repairs.items() if kind == "float_key"}
        self._repaired("events", table, column, repaired)
        return cleaned.values

    def _repaired(self, label: str, table: pl.DataFrame, column: str, repairs: dict[str, pl.Series]) -> None:
        for kind, rows in repairs.items():
            self._rows(label, table, column, kind, rows, REPAIRS[kind], fatal=False)

    def _others(self, table: pl.DataFrame, schema: dict[str, pl.DataType]) -> list[pl.Series]:
        """All other columns, renamed if they have one of our names."""
        mapped = {self.columns.name_of(column) for column in schema}
        others = [column for column in table.columns if column not in mapped]
        taken = {*schema, MICROSECOND}
        return [table[column].rename(f"original_{column}" if column in taken else column) for column in others]

    def _numbers(self, label: str, table: pl.DataFrame, column: str) -> pl.Series:
        commas = self.style.commas.get(self._name(column))
        numbers, bad = read_numbers(self._column(table, column), commas)
        remedy = "they were left empty; write plain numbers"
        if column == QUANTITY:
            remedy = "they were left empty, and are returns only if they begin with a minus sign; write plain numbers"
        self._rows(label, table, column, "not_numeric", bad, remedy, fatal=False)
        rows = comma_rows(self._column(table, column), commas)
        self._rows(label, table, column, "decimal_comma", rows, "they were read as decimals", fatal=False)
        nan = nan_rows(self._column(table, column))
        self._rows(label, table, column, "nan_number", nan, "they were left empty", fatal=False)
        return numbers

    def _item_field(self, table: pl.DataFrame, field: str) -> pl.Series:
        """A field of items: a cleaned text, or the price."""
        if field not in ITEM_TEXTS:
            return self._numbers("items", table, field)
        cleaned = clean_texts(self._column(table, field), CATEGORY_SEPARATOR if field == "category" else None)
        self._repaired("items", table, field, cleaned.repairs)
        return cleaned.values

    def _untitled(self, items: pl.DataFrame) -> None:
        """Note items without a title."""
        untitled = items["title"].null_count()
        if untitled and items.height:
            named = untitled < items.height or items["brand"].count() or items["category"].count()
            remedy = (
                "their text comes from other columns" if named else "no other column names them; they have no text"
            )
            self._add("items", "title", "no_title", untitled, None, remedy, fatal=False)

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
            self._add(label, column, kind, int(bad.sum()), shown, remedy, fatal=fatal, row=first_row(bad))

    def _add(
        self,
        label: str,
        column: str,
        kind: str,
        count: int,
        example: object,
        remedy: str,
        *,
        fatal: bool = True,
        row: int | None = None,
    ) -> None:
        name = self._name(column)
        name = mask(name) if looks_personal(name) else name
        public = column == "item_id" or kind == "repeated_event"  # the example is an item id
        self.problems.append(TableProblem(label, name, kind, count, example, remedy, fatal, row, public))


def personal_names(label: str, names: Sequence[str]) -> list[TableProblem]:
    """The fatal issue of a table with personal data in its column names; empty if there are none.

    Column names are written to checkpoints, cards and commands, which are shared.

    Args:
        label: Name of the table.
        names: Its column names.
    """
    personal = [name for name in names if looks_personal(name)]
    remedy = (
        "rename it, or write a line with names such as user_id,item_id,timestamp above the data if the file has none"
    )
    return [
        TableProblem(label, mask(name), "personal_name", len(personal), None, remedy, True) for name in personal[:1]
    ]


def first_row(rows: pl.Series) -> int:
    """Number of the first row that is True, from 1."""
    return int(rows.arg_true()[0]) + 1
