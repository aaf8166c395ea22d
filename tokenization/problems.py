"""What was wrong with a shop's tables: one problem, the error that lists the fatal ones, and the report of all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

MAX_EXAMPLE = 80
"""Characters shown of an offending value."""

_WORDING = {
    "missing_column": "the column is missing",
    "empty_table": "the table has no rows",
    "key_type": "the type cannot be an id",
    "null_key": "{count} rows have no value",
    "padded_key": "{count} rows had blanks around an id",
    "float_key": "{count} rows wrote a whole number with decimals",
    "separator_key": "{count} rows have a comma, a tab or a line break in an id",
    "duplicate_item": "{count} rows repeat an id",
    "duplicate_user": "{count} rows repeat an id",
    "unknown_item": "{count} rows name an item that the items table lacks",
    "undescribed_item": "{count} items have events and no description",
    "no_order": "there is neither a time nor an order of events",
    "bad_timestamp": "{count} rows hold no time that can be read",
    "ambiguous_date": "{count} rows hold dates that can be read in two ways",
    "date_order": "{count} rows hold dates that were read {example}",
    "null_timestamp": "{count} rows have no time",
    "early_timestamp": "{count} rows lie before 1973",
    "future_timestamp": "{count} rows lie in the future",
    "mixed_timestamp_units": "{count} rows are in another unit than the rest",
    "timestamp_unit": "{count} rows were read as {example}",
    "bad_order": "{count} rows hold no whole number",
    "null_order": "{count} rows have no order",
    "not_numeric": "{count} rows hold no number",
    "nan_number": "{count} rows are NaN",
    "not_boolean": "{count} rows are neither true nor false",
    "no_title": "{count} rows have no title",
    "partial_split": "{count} rows have no value",
    "control_characters": "{count} rows held control characters",
    "long_text": "{count} rows held a text beyond the limit",
    "nested_list": "{count} rows held a list of lists",
    "listed_text": "{count} rows held a list written as text",
    "single_event_user": "{count} users have one event only",
    "repeated_event": "{count} rows repeat a user, an item, a time and a kind",
    "byte_order_mark": "the file began with a byte order mark",
    "encoding": "{count} rows were written in {example}",
    "separator": "{count} lines have {example} between their fields, which is not what the suffix says",
    "short_line": "{count} lines had too few fields",
    "line_ends": "{count} lines ended in {example}",
    "padded_header": "{count} names of columns had blanks around them",
    "repeated_header": "{count} columns repeat a name",
    "mixed_types": "{count} rows were of another type than the rest",
    "no_type": "{count} rows hold what no type of column takes",
    "script_title": "{count} rows have a piece of a script for a title",
}


@dataclass(frozen=True)
class TableProblem:
    """One thing that is wrong with a table.

    Args:
        table: "items", "events", "users" or "promotions".
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
        shown = "" if self.example is None or "{example}" in wording else f", for example {_shorten(self.example)}"
        return f"{place}: {wording.format(count=self.count, example=self.example)}{shown}; {self.remedy}"


def _shorten(value: object) -> str:
    if isinstance(value, str) and len(value) > MAX_EXAMPLE:
        return f"{value[:MAX_EXAMPLE]!r}... ({len(value):,} characters)"
    whole = repr(value)
    return whole if len(whole) <= 2 * MAX_EXAMPLE else whole[:MAX_EXAMPLE] + "..."


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


@dataclass(frozen=True)
class TableReport:
    """What the tables of a shop hold, and what was repaired in them or should be known.

    Args:
        name: Name of the shop.
        rows: Rows of each table as they are used.
        problems: What was repaired or should be known, in the order in which it was found.
    """

    name: str
    rows: Mapping[str, int]
    problems: tuple[TableProblem, ...] = ()

    def __str__(self) -> str:
        sizes = ", ".join(f"{count:,} {table}" for table, count in self.rows.items())
        return "\n".join([f"tables of {self.name}: {sizes}", *(f"note: {problem}" for problem in self.problems)])

    def to_dict(self) -> dict[str, Any]:
        """For JSON; an example is shown as text."""
        return {
            "name": self.name,
            "rows": dict(self.rows),
            "problems": [
                {
                    "table": problem.table,
                    "column": problem.column,
                    "kind": problem.kind,
                    "count": problem.count,
                    "example": None if problem.example is None else _shorten(problem.example),
                    "remedy": problem.remedy,
                }
                for problem in self.problems
            ],
        }
