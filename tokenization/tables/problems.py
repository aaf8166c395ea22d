"""Data-quality issues of tables: a single issue, the error that lists fatal ones, and the report of all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any

from ...counting import agreed, counted
from ..masking import is_moment, mask

MAX_EXAMPLE = 80
"""Maximum characters of an offending value in a message."""

_WORDING = {
    "missing_column": "the column is missing",
    "empty_table": "the table has no rows",
    "key_type": "the type cannot be an id",
    "null_key": "{count} rows have no value",
    "padded_key": "{count} rows had spaces around an id",
    "float_key": "{count} rows had an integer with decimals",
    "unsafe_key": "{count} rows have an id as a float so large that several integers became one",
    "separator_key": "{count} rows have a comma, a tab or a line break in an id",
    "duplicate_item": "{count} rows repeat an id",
    "duplicate_user": "{count} rows repeat an id",
    "search": "{count} rows have a query and no item",
    "text_of_users": "the column has texts that users wrote",
    "unknown_item": "{count} rows have an item that the items table lacks",
    "undescribed_item": "{count} items have events and no description",
    "many_event_types": "{count} different values",
    "types_of_users": "each of its {count} values belongs to a single user",
    "personal_item_id": "{count} ids have an e-mail address or a telephone number",
    "personal_event_type": "{count} of its values look like an e-mail address or a number of a person",
    "personal_name": "{count} names of columns look like an e-mail address or a number of a person",
    "no_order": "there is neither a time nor an order of events",
    "bad_timestamp": "{count} rows hold no time that can be read",
    "ambiguous_date": "{count} rows hold dates that can be read in two ways",
    "date_order": "{count} rows hold dates that were read {example}",
    "null_timestamp": "{count} rows have no time",
    "early_timestamp": "{count} rows lie before 1973",
    "future_timestamp": "{count} rows are in the future",
    "mixed_timestamp_units": "{count} rows are in another unit than the rest",
    "timestamp_unit": "{count} rows were read as {example}",
    "bad_order": "{count} rows have no integer",
    "null_order": "{count} rows have no order",
    "not_numeric": "{count} rows have no number",
    "decimal_comma": "{count} rows have a number with a decimal comma",
    "nan_number": "{count} rows are NaN",
    "not_boolean": "{count} rows are neither true nor false",
    "negative_quantity": "{count} rows have a quantity below zero",
    "no_label": "{count} rows are impressions without a label",
    "not_clicked": "{count} rows are impressions without a click",
    "not_in_history": "{count} rows are impressions",
    "no_title": "{count} rows have no title",
    "partial_split": "{count} rows have no value",
    "control_characters": "{count} rows held control characters",
    "long_text": "{count} rows held a text beyond the limit",
    "nested_list": "{count} rows held a list of lists",
    "listed_text": "{count} rows held a list written as text",
    "single_event_user": "{count} users have one event only",
    "unique_items": "each of the {count} rows has its own item",
    "repeated_event": "{count} rows repeat a user, an item, a time and a kind",
    "byte_order_mark": "the file began with a byte order mark",
    "encoding": "{count} rows were written in {example}",
    "separator": "{count} lines have {example} between their fields, which does not match the suffix",
    "backslash_quotes": "{count} fields have quotes, separators or line ends after a backslash",
    "backslash_letters": "{count} fields have tabs, line ends or backslashes written with a backslash",
    "null_marks": "{count} fields are {example}, a database's mark for a missing value",
    "formula_texts": "{count} fields are texts written as formulas of Excel",
    "index_column": "a column without a name numbers the {count} rows from 0",
    "nameless_column": "{count} columns have no name",
    "letter_quotes": "{count} unquoted fields have quotes inside",
    "short_line": "{count} lines had too few fields",
    "line_ends": "{count} lines ended in {example}",
    "padded_header": "{count} column names had spaces around them",
    "repeated_header": "{count} columns repeat a name",
    "mixed_types": "{count} rows were of another type than the rest",
    "no_type": "{count} rows have values that fit no column type",
    "derived_items": "the table was derived from the events; it has {count} items",
    "several_values": "{count} items have more than one value",
    "field_of_users": "the values belong to users, or differ between the rows of an item",
    "names_person": "the name of the column suggests a person or contact details",
    "contacts": "{count} values have an e-mail address or a telephone number",
    "script_title": "{count} rows have a script fragment as title",
}


_PUBLIC_KINDS = {
    "key_type", "timestamp_unit", "encoding", "separator", "short_line", "line_ends", "padded_header", "date_order",
    "null_marks",
}  # fmt: skip
"""Kinds whose example is a word of ours or a column name, not a value."""


@dataclass(frozen=True)
class TableProblem:
    """A data-quality issue of a table.

    Examples from user columns are masked (`mask`), because a report may be published.

    Args:
        table: "items", "events", "users" or "promotions".
        column: Name of the column in the user's table; empty for the whole table.
        kind: Short name, such as "duplicate_item".
        count: Number of rows (or users) concerned.
        example: One offending value; None for none.
        remedy: The advice, or the repair that was made.
        fatal: Whether the tables are refused because of it; otherwise it is a repair or a warning.
        row: Row of the example in its table, counted from 1 without the header; None if unknown.
        public: Whether the example is an item id in a table of users' events, which need not be masked.
        masked: Whether the example is already masked.
    """

    table: str
    column: str
    kind: str
    count: int
    example: object = field(repr=False)
    remedy: str
    fatal: bool
    row: int | None = None
    public: bool = False
    masked: bool = False

    @property
    def private(self) -> bool:
        """Whether the example is a value of users, which is masked by default."""
        known = self.public or self.table == "items" or self.kind in _PUBLIC_KINDS
        return not known and self.example is not None and not is_moment(self.example)

    def describe(self, show_values: bool = False) -> str:
        """The issue in one line.

        Args:
            show_values: Whether to show values of users unmasked.
        """
        place = f"{self.table}, column {self.column}" if self.column else self.table
        wording = _WORDING[self.kind]
        example = self.example if "{example}" in wording and not self.private else self._example(show_values)
        shown = "" if self.example is None or "{example}" in wording else f", for example {example}"
        return f"{place}: {agreed(wording.format(count=self.count, example=example))}{shown}; {self.remedy}"

    def __str__(self) -> str:
        return self.describe()

    def to_dict(self, show_values: bool = False) -> dict[str, Any]:
        """The issue as JSON values; the example is text.

        Args:
            show_values: Whether to keep values of users unmasked.
        """
        hidden = self.private and not show_values and not self.masked
        example = self.example if self.example is None or isinstance(self.example, str) else _shorten(self.example)
        content = {f.name: getattr(self, f.name) for f in fields(self)}
        return {**content, "example": mask(self.example) if hidden else example, "masked": hidden or self.masked}

    def _example(self, show_values: bool) -> str:
        if not self.private or (show_values and not self.masked):
            return _shorten(self.example)
        shape = self.example if self.masked else mask(self.example)
        return f"{shape!r} (masked)" if self.row is None else f"{shape!r} (masked, row {self.row:,})"


def _shorten(value: object) -> str:
    if isinstance(value, str) and len(value) > MAX_EXAMPLE:
        return f"{value[:MAX_EXAMPLE]!r}... ({len(value):,} characters)"
    whole = repr(value)
    return whole if len(whole) <= 2 * MAX_EXAMPLE else whole[:MAX_EXAMPLE] + "..."


_ADVICE = re.compile(
    r"; (?:if [^,;]+, |or |and )*(?:add|bring|call|choose|convert|correct|fill|fit|give|leave|make|map|multiply|name|"
    r"number|prepare|quote|read|run|set|train|use|write|\w+=\S+ )\b[^;]*"
)


def without_advice(text: str) -> str:
    """A note without its advice to the owner of the tables, for sharing with others.

    Example:
        >>> without_advice("3 rows repeat an event; they were kept; repeats='first' keeps the first")
        '3 rows repeat an event; they were kept'
    """
    return _ADVICE.sub("", text)


class TableError(ValueError):
    """The error for unusable tables; it lists all issues, fatal or not.

    Args:
        problems: The issues; fatal ones are listed first.
        name: Name of the dataset.
        show_values: Whether to show values of users unmasked.
        hint: A last line with advice; empty for none.
    """

    def __init__(
        self, problems: Iterable[TableProblem], name: str = "", show_values: bool = False, hint: str = ""
    ) -> None:
        self.name, self.hint = name, hint
        self.problems = sorted(problems, key=lambda problem: not problem.fatal)
        fatal = sum(problem.fatal for problem in self.problems)
        counts = [(fatal, "problem"), (len(self.problems) - fatal, "warning")]
        listed = " and ".join(f"{n} {kind}{'s' if n != 1 else ''}" for n, kind in counts if n or kind == "problem")
        lines = [f"{listed} with the tables{f' of {name}' if name else ''}:"]
        lines += [f"- {p.describe(show_values)}{'' if p.fatal else ' (not fatal)'}" for p in self.problems]
        lines += [hint] if hint else []
        super().__init__("\n".join(lines))

    def with_values(self) -> TableError:
        """The same error with unmasked values of users."""
        return TableError(self.problems, self.name, show_values=True, hint=self.hint)


@contextmanager
def values_shown(wanted: bool = True) -> Iterator[None]:
    """Let errors about tables raised in the block show values of users unmasked.

    Args:
        wanted: Whether to show them.
    """
    try:
        yield
    except TableError as error:
        if not wanted:
            raise
        raise error.with_values() from error


@dataclass(frozen=True)
class TableReport:
    """Sizes and data-quality issues of a dataset's tables.

    Args:
        name: Name of the dataset.
        rows: Rows of each table after validation.
        problems: Repairs and warnings, in the order of detection.
    """

    name: str
    rows: Mapping[str, int]
    problems: tuple[TableProblem, ...] = ()

    def __str__(self) -> str:
        return self.describe()

    def describe(self, show_values: bool = False) -> str:
        """The report as lines of text.

        Args:
            show_values: Whether to show values of users unmasked.
        """
        sizes = ", ".join(counted(count, table.removesuffix("s"), table) for table, count in self.rows.items())
        notes = (f"note: {problem.describe(show_values)}" for problem in self.problems)
        return "\n".join([f"tables of {self.name}: {sizes}", *notes])

    def to_dict(self, show_values: bool = False) -> dict[str, Any]:
        """The report as JSON values; examples are text.

        Args:
            show_values: Whether to keep values of users unmasked.
        """
        problems = [problem.to_dict(show_values) for problem in self.problems]
        return {"name": self.name, "rows": dict(self.rows), "problems": problems}
