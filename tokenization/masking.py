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
_COMPACT_DATE = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:\d{2}|\d{4}|\d{6})?")
_ADDRESS = re.compile(r"[^\s@]@[^\s@]+\.[^\W\d_]{2,}")
CONTACT = rf"{_ADDRESS.pattern}|\+\d[\d ()/-]{{7,}}\d"
"""Pattern of an e-mail address or an international telephone number within a text, for `re` and polars."""
_NUMBER = re.compile(r"(?<!\w)[+(]?\d[\d ()./-]*\d(?!\w)")
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


def looks_personal(name: str) -> bool:
    """Whether a name of a column or of an event type looks like an e-mail address or a number of a person.

    A number counts if it is a telephone number, or has seven digits or more and is not a date.

    Example:
        >>> [looks_personal(name) for name in ("ann@post.example", "Ann, 0170 555 1234", "1577555", "@timestamp")]
        [True, True, True, False]
        >>> [looks_personal(name) for name in ("2024-01-31", "sales_20240131", "20240131", "2023/2024", "ndcg@10")]
        [False, False, False, False, False]
    """
    if _ADDRESS.search(name):
        return True
    return any(_is_number_of_person(found[0], found[0] == name.strip()) for found in _NUMBER.finditer(name))


def _is_number_of_person(text: str, alone: bool) -> bool:
    """Whether a text of digits and signs is a telephone number, or a separate long number."""
    groups = re.findall(r"\d+", text)
    digits = "".join(groups)
    if not 7 <= len(digits) <= 15 or re.search(_DATE, text) or _COMPACT_DATE.fullmatch(digits):
        return False
    if text[0] in "+(0":
        return True
    years = all(re.fullmatch(r"(?:19|20)\d\d", group) for group in groups)
    return (len(groups) > 2 and not years) or (len(groups) == 1 and (alone or len(digits) >= 10))


def holds_values(names: Sequence[str]) -> bool:
    """Whether column names look like values: without a header line, a file's first customer becomes the header.

    Example:
        >>> holds_values(["sku", "customer id"]), holds_values(["ann@post.example", "Ann", "sku-1"])
        (False, True)
    """
    return any(looks_personal(name) or is_moment(name) or sum(map(str.isdigit, name)) > _MOST_DIGITS for name in names)


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
