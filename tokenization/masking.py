"""Masks for values of customers: the shape of a value without its letters and digits, safe to show to anyone."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

MAX_SHAPE = 40
"""Maximum characters of a value's shape."""

_MOST_DIGITS = 5
"""Maximum digits in a column name; telephone numbers, customer numbers and seconds have more."""
_DATE = r"(?:\d{4}([-/.])\d{1,2}\1\d{1,2}|\d{1,2}([-/.])\d{1,2}\2(?:\d{2}|\d{4}))"
_MOMENT = re.compile(rf"{_DATE}(?:[ T]\d{{1,2}}:\d{{2}}(?::\d{{2}}(?:\.\d{{1,9}})?)?)?(?:Z|[+-]\d{{2}}:?\d{{2}})?")
_KEPT = {"P", "S", "Z", "C"}


def mask(value: object) -> str:
    """The shape of a value: letters become x or X, digits 9; punctuation and spaces stay.

    Args:
        value: A value of a column of users.

    Returns:
        The shape; of a long value its beginning and the number of characters.

    Example:
        >>> print(mask("Anna.Berg@example.org"), mask(-17.5), mask("+49 (0)170 555"))
        Xxxx.Xxxx@xxxxxxx.xxx -99.9 +99 (9)999 999
    """
    text = str(value)
    shape = "".join(map(_shape, text[:MAX_SHAPE]))
    return shape if len(text) <= MAX_SHAPE else f"{shape}... ({len(text):,} characters)"


def is_moment(value: object) -> bool:
    """Whether a value is a date, or a date with a time, in digits; the date parts may have any order.

    Example:
        >>> [is_moment(text) for text in ("31/12/2024", "2024-01-31T12:00:00Z", "0170-555-123", "20240131")]
        [True, True, False, False]
    """
    return isinstance(value, str) and _MOMENT.fullmatch(value.strip()) is not None


def holds_values(names: Sequence[str]) -> bool:
    """Whether column names look like values: without a header line, a file's first customer becomes the header.

    Example:
        >>> holds_values(["sku", "customer id"]), holds_values(["ann@post.example", "Ann", "sku-1"])
        (False, True)
    """
    return any("@" in name or is_moment(name) or sum(map(str.isdigit, name)) > _MOST_DIGITS for name in names)


def name_columns(names: Sequence[str]) -> str:
    """Column names of a table for a message; their shapes if they look like values."""
    if not holds_values(names):
        return ", ".join(names) or "(none)"
    return f"{', '.join(map(mask, names))} (its first line seems to hold values; write column names above it)"


def _shape(character: str) -> str:
    category = unicodedata.category(character)
    if category.startswith("N"):
        return "9"
    if category == "Lu":
        return "X"
    # Characters beyond ASCII include emoji and numerals, which can identify a value as letters do.
    kept = category[0] in _KEPT and (character.isascii() or category in ("Cf", "Zs"))
    return character if kept else "x"
