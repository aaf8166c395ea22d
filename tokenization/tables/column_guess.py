"""Guess the mapping of a dataset's columns from their names, their values, and ids shared by both tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from .column_reader import personal_names
from .column_words import EVENT, ITEM, ITEM_OF_LOG, NOT_IDS, ORDER_NAMES, SHORT, USER_WORDS
from .guess_checks import MIN_ROWS, Recurrence, is_written, recurrence, row_notes, unique_items
from .items_of_events import describes_items, is_same_table
from .person_columns import names_person, spelled
from .problems import TableError
from .table_columns import EVENT_INPUTS, ITEM_SCHEMA, QUERY, TableColumns
from .values import read_texts

if TYPE_CHECKING:
    from ..sources.generic import TableSource

_SAMPLE = 20_000
_EXACT, _PART = 0.9, 0.5
"""Confidence of a known column name, and of a name that contains a known word."""
_DATE = r"^\s*(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4})(?:[T ].*)?$"
"""A date in full, with or without a time of day."""


@dataclass(frozen=True)
class ColumnGuess:
    """A proposed mapping.

    Args:
        columns: The names, for `load_shop(columns=...)`.
        confidence: From 0 to 1, by our name of each column that was found (`events.item_id` if it applies to one table
            only); 1 if a table has our own name.
        problems: Columns that were not found, and ids that never recur, in sentences.
        notes: Counts of rows without a user or item and of baskets, in sentences.
    """

    columns: TableColumns
    confidence: dict[str, float]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def call(self) -> str:
        """The mapping as code, `TableColumns(...)`; empty if the tables have our own names."""
        named = ", ".join(f"{name}={column!r}" for name, column in changed_columns(self.columns).items())
        return f"TableColumns({named})" if named else ""

    def _column(self, name: str) -> str:
        return self.columns.by_table[name] if name in self.columns.by_table else self.columns.name_of(name)

    @property
    def lines(self) -> list[str]:
        """The columns with their confidence, the problems and the notes."""
        told = [
            f"{name} is {self._column(name)!r} ({_word(sure)} confidence)" for name, sure in self.confidence.items()
        ]
        return [*told, *self.problems, *(f"note: {note}" for note in self.notes)]

    def __str__(self) -> str:
        return "; ".join(self.lines)


def changed_columns(columns: TableColumns) -> dict[str, Any]:
    """The names in a mapping that differ from ours, as arguments of `TableColumns`."""
    return {name: column for name, column in columns.to_dict().items() if column != name}


def columns_text(named: Mapping[str, Any]) -> str:
    r"""A mapping as text, `user_id=Customer ID,item_id=sku`; commas and backslashes within names are escaped.

    Args:
        named: Arguments of `TableColumns`.

    Example:
        >>> print(columns_text({"user_id": "Customer, ID", "item_id": "sku"}))
        user_id=Customer\, ID,item_id=sku
    """
    flat = {name: column for name, column in named.items() if name != "by_table"} | dict(named.get("by_table", {}))
    return ",".join(f"{name}={_escaped(column)}" for name, column in flat.items())


def _escaped(column: str) -> str:
    return re.sub(r"([,\\])", r"\\\1", column)


def guess_columns(
    items: TableSource | None, events: TableSource | None = None, *, encoding: str | None = None
) -> ColumnGuess:
    """Guess the mapping of columns: by names in English and Chinese, by values, and by ids in both tables.

    Args:
        items: The items table, in any form of `read_table`; or the only table, with events and the columns of items.
        events: The events table; None if there is one table only.
        encoding: Encoding of text files; None to find out.

    Raises:
        As `read_table`.
        TableError: If the name of a column looks personal.
    """
    from ..sources.generic import load_table

    given = {"events": items} if events is None else {"items": items, "events": events}
    read = {label: load_table(table, label, encoding=encoding) for label, table in given.items() if table is not None}
    problems = [problem for _, found in read.values() for problem in found if problem.fatal]
    problems += [one for label, (table, _) in read.items() for one in personal_names(label, table.columns)]
    if problems:
        raise TableError(problems)
    tables = {label: table for label, (table, _) in read.items()}
    return guess_of_tables(tables.get("items"), tables["events"])


def guess_of_tables(items: pl.DataFrame | None, events: pl.DataFrame) -> ColumnGuess:
    """Like `guess_columns`, for tables that are already read; items are None if the events have their columns."""
    if items is None or is_same_table(items, events):
        return _guess_of_log(events)
    of_items, of_events = items.head(_SAMPLE), events.head(_SAMPLE)
    problems: list[str] = []
    found = _item_id(items, of_events)
    ids = () if found is None else found[:2]
    names: dict[str, tuple[str, float]] = {} if found is None else {"item_id": (found[0], found[2])}
    # Titles are the most informative. A column called description is the title if there is no other.
    events_found = _assign(of_events, EVENT, EVENT_INPUTS, names, set(ids[1:]))
    items_found = _assign(of_items, ITEM, ITEM_SCHEMA, names, set(ids[:1]))
    if "title" not in items_found and "description" in items_found:
        items_found["title"] = items_found.pop("description")
    names |= events_found | items_found
    for name, table in (("item_id", "both tables"), ("user_id", "events"), ("timestamp", "events")):
        if name not in names and not (name == "timestamp" and "order" in events.columns):
            problems.append(f"no column of {table} looks like {name}")
    by_table: dict[str, str] = {}
    if found is not None and found[0] != found[1]:
        own = {"items.item_id": found[0], "events.item_id": found[1]}
        by_table = {name: column for name, column in own.items() if column != "item_id"}
        names = {name: (column, found[2]) for name, column in by_table.items()} | names
        del names["item_id"]
    chosen: dict[str, Any] = {name: column for name, (column, _) in names.items() if name not in by_table}
    columns = TableColumns(**chosen, by_table=by_table)
    return _checked(ColumnGuess(columns, {name: sure for name, (_, sure) in names.items()}, tuple(problems)), events)


def _guess_of_log(events: pl.DataFrame) -> ColumnGuess:
    """The mapping of a table of events with the columns of items, none of which may be about users."""
    rows = events.head(_SAMPLE)
    recurs = _recurrences(rows)
    ids = _ids_of_log(rows, recurs)
    names = {"item_id": ids[0]} if ids else {}
    taken = {column for column, _ in names.values()}
    of_events = {name: kind for name, kind in EVENT_INPUTS.items() if name != "item_id"}
    names |= _assign(rows, {name: EVENT[name] for name in EVENT if name != "item_id"}, of_events, names, taken)
    orders = [column for column in rows.columns if recurs[column] == Recurrence.WITHIN_ORDERS and column not in taken]
    numbers = [column for column in orders if spelled(column) in ORDER_NAMES]
    if "basket_id" not in names and numbers:
        names["basket_id"] = (numbers[0], _PART)
        taken.add(numbers[0])
    free = [column for column in rows.columns if column not in orders]
    free = [column for column in free if column in taken or _is_about_items(rows, column, names)]
    known = {name: ITEM_OF_LOG.get(name, words) for name, words in ITEM.items() if name != "item_id"}
    fields = {name: kind for name, kind in ITEM_SCHEMA.items() if name != "item_id"}
    if "item_id" not in names and rows.height >= MIN_ROWS:  # a title that recurs is the id
        recurring = [column for column in free if recurs[column] == Recurrence.OVER_ORDERS]
        names |= _assign(rows.select(recurring), known, fields, {}, taken)
    names |= _assign(rows.select(free), known, fields, names, taken)
    if "title" not in names and "description" in names:
        names["title"] = names.pop("description")
    # A name of a product may be its id too.
    if "item_id" not in names and "title" in names:
        names["item_id"] = (names["title"][0], _PART)
    elif "title" not in names:
        worded = [column for column, _ in ids if _is_worded(rows, column) and _is_about_items(rows, column, names)]
        if worded:
            names["title"] = (worded[0], _PART)
    problems = [f"no column looks like {name}" for name in ("item_id", "user_id") if name not in names]
    if "timestamp" not in names and "order" not in events.columns:
        problems.append("no column looks like timestamp")
    chosen: dict[str, Any] = {name: column for name, (column, _) in names.items()}
    sure = {name: sure for name, (_, sure) in names.items()}
    return _checked(ColumnGuess(TableColumns(**chosen), sure, tuple(problems)), events)


def _checked(guess: ColumnGuess, events: pl.DataFrame) -> ColumnGuess:
    """The guess with what the rows of the whole table show."""
    names = guess.columns.of_table(events.columns, "events")
    there = {name: names.name_of(name) for name in EVENT_INPUTS if names.name_of(name) in events.columns}
    unique = unique_items(events, there.get("item_id"))
    return replace(guess, problems=(*guess.problems, *([unique] if unique else [])), notes=row_notes(events, there))


def _recurrences(rows: pl.DataFrame) -> dict[str, Recurrence]:
    """How the values of each column recur over the orders, which have one user and one time."""
    known = {name: EVENT[name] for name in ("user_id", "timestamp", QUERY)}
    found = {name: column for name, (column, _) in _assign(rows, known, dict.fromkeys(known), {}, set()).items()}
    if QUERY in found:  # searches have no item
        rows = rows.filter(~is_written(rows[found.pop(QUERY)]))
    return {column: recurrence(rows, column, list(found.values())) for column in rows.columns}


def _ids_of_log(rows: pl.DataFrame, recurs: Mapping[str, Recurrence]) -> list[tuple[str, float]]:
    """Columns that may be ids of items, the surest first; codes that are called so come before names of products.

    In tables of many rows, ids that recur come first; numbers of lines never recur.
    """
    scored = [(column, _id_name(rows, column)) for column in rows.columns if not names_person(column)]
    found = sorted((pair for pair in scored if pair[1] > 0), key=lambda pair: pair[1], reverse=True)
    possible = (Recurrence.OVER_ORDERS, Recurrence.NEVER)
    found = [pair for pair in found if pair[1] == 1 or recurs[pair[0]] in possible]
    found.sort(key=lambda pair: pair[1] < _EXACT - 0.01 or (pair[1] < 1 and _is_worded(rows, pair[0])))
    if rows.height < MIN_ROWS:
        return found
    return sorted(found, key=lambda pair: pair[1] < 1 and recurs[pair[0]] == Recurrence.NEVER)


def _is_worded(rows: pl.DataFrame, column: str) -> bool:
    """Whether most values of a column are words, not codes."""
    return _share(rows[column].drop_nulls(), r"\p{L}{3,}.*\s|^\p{L}{3,}$") > 0.5


def _is_about_items(rows: pl.DataFrame, column: str, names: Mapping[str, tuple[str, float]]) -> bool:
    """Whether a column may be a field of items: by its name, and because rows of one item agree."""
    if names_person(column) or any(_within(word, spelled(column)) for word in USER_WORDS.split("|")):
        return False
    if rows[column].dtype != pl.String or not {"user_id", "item_id"} <= names.keys():
        return True
    user, item = (read_texts(rows[names[name][0]]) for name in ("user_id", "item_id"))
    return describes_items(
        pl.DataFrame([user.alias("user_id"), item.alias("item_id"), rows[column].alias("field")]), "field"
    )


def _assign(
    table: pl.DataFrame,
    known: Mapping[str, str],
    schema: Mapping[str, object],
    names: Mapping[str, tuple[str, float]],
    taken: set[str],
) -> dict[str, tuple[str, float]]:
    """The best column for each of our names, in order of confidence; each column is used once."""
    found = {name: (name, 1.0) for name in schema if name in table.columns and name not in names}
    taken |= {column for column, _ in found.values()}
    scored = [
        (_score(table, column, name, words), -place, name, column)
        for name, words in known.items()
        if name not in names and name not in found
        for place, column in enumerate(table.columns)
    ]
    for sure, _, name, column in sorted(scored, key=lambda row: row[:2], reverse=True):
        if sure > 0 and name not in found and column not in taken:
            found[name] = (column, sure)
            taken.add(column)
    if "timestamp" in known and "timestamp" not in found and "timestamp" not in names:
        times = [column for column in table.columns if column not in taken and _has_times(table, column)]
        if len(times) == 1:  # whatever its name
            found["timestamp"] = (times[0], _PART)
            taken.add(times[0])
    return found


def _has_times(table: pl.DataFrame, column: str) -> bool:
    """Whether a column that is not about a person has dates: by its type, or because they are written in full."""
    values = table[column].drop_nulls()
    if values.is_empty() or names_person(column) or values.dtype in (pl.Time, pl.Duration):
        return False
    return values.dtype.is_temporal() or _share(values, _DATE) > 0.9


def _words(column: str) -> str:
    """The words of a column name, with abbreviations written out.

    Example:
        >>> _words("prodDesc"), _words("DEPT_NAME")
        ('product description', 'department name')
    """
    return " ".join(SHORT.get(word, word) for word in spelled(column).split())


def _score(table: pl.DataFrame, column: str, name: str, words: str) -> float:
    known = words.split("|")
    given, text = spelled(column), _words(column)
    text = given if given in known else text
    if text in known:
        sure = _EXACT - 0.01 * known.index(text) / len(known)
    elif any(_within(word, text) for word in known):
        sure = _PART
    else:
        return 0.0
    values = table[column].drop_nulls()
    if name in ("user_id", "item_id"):
        if sure == _PART and any(text.endswith(word) for word in NOT_IDS):
            return 0.0
        if table.height and (values.is_empty() or (values.dtype == pl.String and (values == "").all())):
            return 0.0
        sure += 0.01 if sure == _PART and re.search(r"\b(?:id|no|number|code|sku)$|编号$", text) else 0
    return sure if _fits(values, name) else 0.0


def _within(word: str, spelled: str) -> bool:
    """Whether a known word (of a minimum length) is in a name; Chinese has no spaces between words."""
    if not word.isascii():
        return len(word) > 1 and word in spelled
    return len(word) > 2 and f" {word} " in f" {spelled} "


def _fits(values: pl.Series, name: str) -> bool:
    """Whether values fit the name; a column without values fits any name."""
    if values.is_empty():
        return True
    dtype = values.dtype
    if name in ("price", "quantity", "rating"):
        return dtype.is_numeric() or _share(values, r"^\s*-?\d[\d\s]*([.,]\d+)?\s*$") > 0.9
    if name == "timestamp":
        return dtype.is_temporal() or dtype.is_numeric() or _share(values, r"\d{1,4}[-/.年]\d{1,2}|^\d{8,}$") > 0.9
    if name == "event_type":
        return dtype == pl.String and values.n_unique() <= 50
    if name == "query":
        return dtype == pl.String
    if name in ("title", "description") and dtype == pl.String and _share(values, r"\p{L}") < 0.5:
        return False
    if name in ("title", "description", "category", "brand"):
        return not dtype.is_numeric() and not dtype.is_temporal()
    return not dtype.is_temporal() and not dtype.is_nested()


def _share(values: pl.Series, pattern: str) -> float:
    return float(values.str.contains(pattern).mean() or 0.0) if values.dtype == pl.String else 0.0  # type: ignore[arg-type]


def _item_id(items: pl.DataFrame, events: pl.DataFrame) -> tuple[str, str, float] | None:
    """Columns of items and of events, usually of one name: values of the first identify items and occur in the second.

    If the names differ, both must be known names of item ids, or the values must be texts that are not numbers.
    """
    texts, logged = ({name: read_texts(table[name]).drop_nulls()
        for name, kind in table.schema.items() if not kind.is_nested() and not kind.is_temporal()}
        for table in (items, events))  # fmt: skip
    best: tuple[float, bool, str, str] = (0.0, False, "", "")
    for column, ids in texts.items():
        if ids.is_empty() or ids.n_unique() < 0.99 * ids.len():
            continue
        known, numbers = ids.unique().implode(), bool(ids.str.contains(r"^[\d.+-]+$").any())
        for other, named in logged.items():
            by_name = min(_id_name(items, column), _id_name(events, other))
            if named.is_empty() or (column != other and numbers and not by_name):
                continue
            overlap = float(named.is_in(known).mean() or 0.0)  # type: ignore[arg-type]
            best = max(best, (overlap * (0.6 + 0.4 * by_name), column == other, column, other))
    sure, _, column, other = best
    return (column, other, min(1.0, sure)) if sure > 0.3 else None


def _id_name(table: pl.DataFrame, column: str) -> float:
    return 1.0 if column == "item_id" else _score(table, column, "item_id", ITEM["item_id"])


def _word(sure: float) -> str:
    return "high" if sure >= 0.8 else "medium" if sure >= _PART else "low"
