"""Conditions on the columns of the catalogue, such as price < 20 and brand != Acme."""

from __future__ import annotations

import csv
import math
import operator as compare
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, NamedTuple

import torch

from .arguments_xcat import kind_of, listed

_ORDERS: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": compare.lt, "<=": compare.le, ">": compare.gt, ">=": compare.ge,
}  # fmt: skip
_NOT = "not "
EXCLUDING = ("!=", "not in", *(_NOT + order for order in _ORDERS))
"""Operators that an item without a value keeps."""
OPERATORS = ("=", "in", *_ORDERS, *EXCLUDING)
"""Operators of conditions; == is read as =."""
_WRITTEN = re.compile(
    r'\s*(?:"(?P<quoted>[^"]+)"|(?P<column>.*?\S))\s*(?P<operator>==|!=|(?:\snot\s*)?(?:<=|>=|<|>)|=|\s(?:not\s+)?in\s)\s*(?P<value>.*?)\s*'
)
_NUMERIC = ("int", "uint", "float", "double", "halffloat", "decimal")
_TIMED = ("timestamp", "date")
_TRUTHS = {"true": "true", "yes": "true", "1": "true", "false": "false", "no": "false", "0": "false"}
_NUMBER_IN_WORDS = re.compile(r"\d[\d,]*(?:\.\d+)?")
_NAMED = 10
"""Most names in an error."""


@dataclass(frozen=True)
class Condition:
    """A condition on one column of the catalogue.

    Texts are compared without their case. A column of numbers, times or truth values is compared as such; times are
    written as in ISO 8601. An item without a value keeps `!=`, `not in` and the negated comparisons, such as
    `min_age not > 12`, and no other condition.

    Args:
        column: Name of the column, such as price.
        operator: One of `OPERATORS`.
        values: The values, as texts; several for `in` and `not in`.

    Raises:
        ValueError: If the operator is unknown, or has another number of values.

    Example:
        >>> Condition.read("price<20"), Condition.read(("brand", "not in", ["Acme", "Ajax"])).values
        (Condition(column='price', operator='<', values=('20',)), ('Acme', 'Ajax'))
    """

    column: str
    operator: str
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        named = " ".join(self.operator.replace("not", _NOT, 1).split())
        object.__setattr__(self, "operator", "=" if named == "==" else named)
        if self.operator not in OPERATORS:
            raise ValueError(f"filters: {self.operator!r} is not an operator; give one of {', '.join(OPERATORS)}")
        if not self.values or (len(self.values) > 1 and self.operator not in ("in", "not in")):
            raise ValueError(
                f"filters: {self.column} {self.operator} has {len(self.values)} values; give one, or several with in"
            )

    @classmethod
    def read(cls, given: Any) -> Condition:
        """Read a condition.

        Args:
            given: A text such as `price<20`, `brand!=Acme` or `category in tents,"maps, large"`; a column name with an
                operator in it is in double quotes. Or (column, operator, value or values). Or a condition.

        Raises:
            ValueError: If it cannot be read.
        """
        if isinstance(given, cls):
            return given
        if isinstance(given, str):
            return cls._of_text(given)
        parts = listed("filters", given, "a column, an operator and a value")
        if len(parts) != 3 or not all(isinstance(part, str) for part in parts[:2]):
            raise ValueError(
                f"filters holds {kind_of(given)}; give texts such as 'price<20', or (column, operator, value)"
            )
        several = not isinstance(parts[2], str) and isinstance(parts[2], Collection)
        values = list(parts[2]) if several else [parts[2]]
        return cls(parts[0], parts[1], tuple(map(_text_of, values)))

    @classmethod
    def _of_text(cls, given: str) -> Condition:
        found = _WRITTEN.fullmatch(given)
        if found is None or not found["value"]:
            raise ValueError(
                f"filters: {given!r} is not a condition; write a column, one of {', '.join(OPERATORS)} and a value, "
                "such as price<20 or brand!=Acme"
            )
        operator = found["operator"].strip()
        several = operator.endswith("in")
        values = _listed_values(given, found["value"]) if several else [found["value"].strip('"')]
        return cls(found["quoted"] or found["column"], operator, tuple(value.strip() for value in values))

    def __str__(self) -> str:
        if not self.operator[0].isalpha():
            return f"{self.column}{self.operator}{self.values[0]}"
        return f"{self.column} {self.operator} {','.join(self.values)}"


def _listed_values(given: str, written: str) -> list[str]:
    """Values with commas between them; double quotes protect a comma."""
    try:
        return next(csv.reader([written], skipinitialspace=True))
    except csv.Error as error:
        raise ValueError(f"filters: {given!r:.200} is not a condition: {error}") from None


def conditions_of(given: Any) -> tuple[Condition, ...]:
    """Conditions from one or any container of them; see `Condition.read`.

    Raises:
        ValueError: If one cannot be read.
    """
    if given is None:
        return ()
    if isinstance(given, str | Condition):
        return (Condition.read(given),)
    return tuple(Condition.read(one) for one in listed("filters", given, "conditions"))


class _Column(NamedTuple):
    """A column of the catalogue.

    Args:
        codes: (rows,) number of each row's value; the number of values for none.
        values: The distinct values, as texts.
        read: Reads a value as a number, NaN if it is none; None for a column of texts or truth values.
    """

    codes: torch.Tensor
    values: list[str]
    read: Callable[[str], float] | None

    @property
    def numbers(self) -> list[float]:
        """The numbers of the values; empty for a column of texts or truth values."""
        return [] if self.read is None else [self.read(value) for value in self.values]


class ItemConditions:
    """Evaluates conditions over one catalogue.

    Args:
        vocabulary: The catalogue, an `ItemVocabulary`.
        device: Device of the results.
    """

    def __init__(self, vocabulary: Any, device: torch.device) -> None:
        self._vocabulary, self._device = vocabulary, device
        self._column = lru_cache(maxsize=64)(self._read_column)
        self._folded_values = lru_cache(maxsize=64)(self._read_folded)
        self.keeping = lru_cache(maxsize=64)(self._keeping)

    def numbers(self, column: str) -> torch.Tensor:
        """(rows,) float64 numbers of a column, or seconds since 1970 of times; NaN for rows without one.

        A price in words has the only number in it, such as 5.99 for "$5.99".

        Raises:
            ValueError: If the catalogue lacks the column, or it has other values.
        """
        found = self._column(column)
        if found.read is None:
            raise ValueError(f"column {column} has texts; give a column of numbers or of ISO 8601 times")
        return torch.tensor([*found.numbers, math.nan], dtype=torch.float64, device=self._device)[found.codes]

    def times(self, column: str) -> torch.Tensor:
        """(rows,) float64 seconds since 1970 of a column of times; NaN for rows without one.

        Numbers count as seconds since 1970 if they are times between 1973 and 2100.

        Raises:
            ValueError: If the catalogue lacks the column, or it has other values.
        """
        found = self.numbers(column)
        known = found[~found.isnan()]
        if self._column(column).read is not _seconds and not bool(((known > 1e8) & (known < 4.1e9)).all()):
            raise ValueError(
                f"column {column} has numbers that are no times; give a column of dates, of ISO 8601 times, or of "
                "seconds since 1970"
            )
        return found

    def lacks_values(self, column: str) -> bool:
        """Whether no item has a value in a column."""
        return not self._column(column).values

    def _keeping(self, condition: Condition) -> torch.Tensor:
        """(rows,) True for the rows that keep a condition.

        Raises:
            ValueError: If the catalogue lacks the column or the value, or the column has values of another type.
        """
        column, without = self._column(condition.column), condition.operator in EXCLUDING
        if condition.operator.removeprefix(_NOT) in _ORDERS:
            kept = torch.tensor([*(found != without for found in _ordered(condition, column)), without])
        elif column.read is not None:
            kept = torch.tensor([*(found != without for found in _equal_numbers(condition, column)), without])
        else:
            kept = torch.full((len(column.values) + 1,), without)
            kept[self._equal(condition, column)] = not without
        return kept.to(self._device)[column.codes]

    def _equal(self, condition: Condition, column: _Column) -> list[int]:
        """Numbers of the values of a column of texts or truth values that are one of the condition's."""
        is_truth = self._type(condition.column) == "bool"
        names = {_folded(value): value for value in condition.values}
        if is_truth:
            names = {_TRUTHS.get(name, name): value for name, value in names.items()}
        known = self._folded_values(condition.column)
        valid = set(_TRUTHS.values()) if is_truth else set[str]()
        missing = [value for name, value in names.items() if name not in known and name not in valid]
        is_block = condition.column == "item_id" and condition.operator in EXCLUDING  # of items that are gone, too
        if missing and not is_block:
            _check_values(condition, column)
            near = [column.values[known[name][0]] for name in get_close_matches(_folded(missing[0]), known, n=3)]
            shown = [*dict.fromkeys([*near, *sorted(column.values)])][:_NAMED]
            raise ValueError(
                f"filters: no item has {condition.column} {missing[0]!r}; the column has, for example, "
                f"{', '.join(map(repr, shown))}"
            )
        return [number for name in names for number in known.get(name, ())]

    def _read_folded(self, name: str) -> dict[str, list[int]]:
        """The values of a column as they are compared, with their numbers."""
        found: dict[str, list[int]] = {}
        for number, value in enumerate(self._column(name).values):
            found.setdefault(_folded(value), []).append(number)
        return found

    def _read_column(self, name: str) -> _Column:
        columns = self._vocabulary.table.column_names
        if name not in columns:
            near = get_close_matches(name, columns, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise ValueError(
                f"filters: the catalogue has no column {name!r}; {hint}it has {', '.join(columns)}; leave the "
                "condition out, or fit the checkpoint with an items table that has the column"
            )
        kind = self._type(name)
        if kind.startswith(("list", "large_list", "struct", "map")):
            raise ValueError(f"filters: column {name} has type {kind}; give a column with one value per item")
        codes, values = self._vocabulary.codes(name)
        rows = torch.as_tensor(codes).long().to(self._device)
        return _Column(torch.where(rows < 0, len(values), rows), values, _reader(name, kind, values))

    def _type(self, name: str) -> str:
        kind = str(self._vocabulary.table.schema.field(name).type)
        return kind.removeprefix("dictionary<values=")


def _check_values(condition: Condition, column: _Column) -> None:
    """Refuse a column without any value."""
    if not column.values:
        raise ValueError(
            f"filters: {condition} has nothing to compare, because no item of the catalogue has a value in column "
            f"{condition.column}; leave the condition out, or fill the column in the items table"
        )


def _ordered(condition: Condition, column: _Column) -> list[bool]:
    if column.read is None:
        _check_values(condition, column)
        raise ValueError(
            f"filters: {condition} compares sizes, and column {condition.column} has texts; give a column of numbers "
            "or of ISO 8601 times, or one of =, !=, in, not in"
        )
    limit = _number(condition, condition.values[0], column.read)
    order = _ORDERS[condition.operator.removeprefix(_NOT)]
    return [order(number, limit) for number in column.numbers]


def _equal_numbers(condition: Condition, column: _Column) -> list[bool]:
    assert column.read is not None
    wanted = {_number(condition, value, column.read) for value in condition.values}
    return [number in wanted for number in column.numbers]


def _number(condition: Condition, text: str, read: Callable[[str], float]) -> float:
    """The number or time of a value in a condition."""
    found = read(text)
    if math.isnan(found):
        kind, example = ("times", "2024-01-31") if read is _seconds else ("numbers", "20")
        written = condition.operator if condition.operator.endswith(tuple(_ORDERS)) else "="
        raise ValueError(
            f"filters: column {condition.column} has {kind}, and {text!r} is not one; write, for example, "
            f"{Condition(condition.column, written, (example,))}"
        )
    return found


def _reader(name: str, kind: str, values: list[str]) -> Callable[[str], float] | None:
    """How the values of a column are read as numbers; None for a column of texts or truth values."""
    if kind.startswith((*_NUMERIC, *_TIMED)):
        return _seconds if kind.startswith(_TIMED) else _plain_number
    if kind == "bool" or not values or name == "item_id":
        return None
    if name == "price":
        return _price
    for read in (_plain_number, _seconds):
        if not any(math.isnan(read(value)) for value in values):
            return read
    return None


def _plain_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _seconds(text: str) -> float:
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        return math.nan
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _price(text: str) -> float:
    """The only number of a price in words, such as "$5.99"; NaN without one, or with several."""
    found = _NUMBER_IN_WORDS.findall(text)
    return float(found[0].replace(",", "")) if len(found) == 1 else math.nan


def _text_of(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        raise ValueError("filters holds a missing value; give a text, a number or a time")
    return "true" if value is True else "false" if value is False else str(value)


def _folded(text: str) -> str:
    """A text as it is compared: without case and blanks around."""
    return text.strip().casefold()
