"""Arguments of a request: containers and numbers of common libraries are accepted; others raise an error."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Set
from decimal import Decimal
from numbers import Real
from typing import Any, Literal

_AS_LISTS = ("to_pylist", "to_list", "tolist")
"""Methods of Arrow, of polars and pandas, and of NumPy and torch."""


def is_missing(value: Any) -> bool:
    """Whether a single value of any library is missing: None, NaN, NaT, `pandas.NA`.

    Example:
        >>> [is_missing(value) for value in (None, float("nan"), 0.0, "")]
        [True, True, False, False]
    """
    if value is None or type(value).__name__ == "NAType":
        return True
    return not hasattr(value, "__len__") and bool(value != value)


def plain_price(value: Any) -> float | str | None:
    """A price of any column type as a number or a text, for JSON."""
    if is_missing(value):
        return None
    return float(value) if isinstance(value, Real | Decimal) else str(value)


def listed(name: str, values: Any, what: str) -> list[Any]:
    """The values of any ordered container: list, tuple, generator, or array or column of a library.

    Args:
        name: Name of the argument, for errors.
        values: The container.
        what: Name of its values, for errors.

    Raises:
        ValueError: If it is a text, a table, a mapping, a set, or not a container.
    """
    if getattr(getattr(values, "dtype", None), "kind", "") == "M" and not hasattr(values, "to_list"):
        values = values.astype("datetime64[us]")  # NumPy converts nanoseconds to numbers
    given = values
    method = next((getattr(values, found) for found in _AS_LISTS if hasattr(values, found)), None)
    values = values if method is None else method()
    if isinstance(values, str | bytes):
        raise ValueError(f"{name} is a list of {what}; got a plain string, so put it into a list")
    table = hasattr(given, "columns")  # of pandas, polars or Arrow; iterating gives names or rows
    if table or not isinstance(values, Iterable) or isinstance(values, Mapping | Set):
        raise ValueError(f"{name} is a list of {what}; got {kind_of(given)}")
    return list(values)


def whole_number(name: str, value: Any, least: int = 1, most: int | None = None) -> int:
    """A whole number given as any number: 10, 10.0 or one of NumPy.

    Raises:
        ValueError: If it is not a whole number, or not from `least` to `most`.

    Example:
        >>> whole_number("k", 10.0)
        10
    """
    number = _number(value)
    if number is None or not number.is_integer():
        raise ValueError(f"{name} is {_shown(value)}; give a whole number, at least {least}")
    if number < least:
        raise ValueError(f"{name} is {int(number)}; give at least {least}")
    if most is not None and number > most:
        raise ValueError(f"{name} is {int(number)}; give at most {most}")
    return int(number)


def finite_number(name: str, value: Any) -> float:
    """A finite number.

    Raises:
        ValueError: If it is not a finite number.
    """
    number = _number(value)
    if number is None or not math.isfinite(number):
        raise ValueError(f"{name} is {_shown(value)}; give a number, such as 0.25")
    return number


def truth(name: str, value: Any) -> bool:
    """True or False, also of NumPy.

    Raises:
        ValueError: If it is something else.
    """
    value = _scalar(value)
    if not isinstance(value, bool):
        raise ValueError(f"{name} is {kind_of(value)}; give True or False")
    return value


def explanation(name: str, value: Any) -> bool | Literal["history", "query"]:
    """What explains recommendations: True for all, False for nothing, "history" or "query".

    Raises:
        ValueError: If it is something else.
    """
    value = _scalar(value)
    if not isinstance(value, bool) and value not in ("history", "query"):
        raise ValueError(f"{name} is {value!r:.50}; give True, False, 'history' or 'query'")
    found: bool | Literal["history", "query"] = value
    return found


def category_names(name: str, given: Any) -> tuple[str, ...] | None:
    """Names of categories, one or any container of them; None for None.

    Raises:
        ValueError: If a value in it is not a name.
    """
    if given is None or isinstance(given, str):
        return None if given is None else (given,)
    names = listed(name, list(given) if isinstance(given, Set) else given, "names of categories")
    wrong = [one for one in names if is_missing(one) or not isinstance(one, str | Real)]
    if wrong:
        raise ValueError(f"{name} holds {kind_of(wrong[0])}; give names of categories")
    return tuple(str(one) for one in names)


def item_ids(name: str, given: Any) -> tuple[str, ...] | None:
    """Item ids in any container; None for None.

    Raises:
        ValueError: If it is one id or not a container, or a value in it is not an id.
    """
    if given is None:
        return None
    ids = listed(name, list(given) if isinstance(given, Set) else given, "item ids")
    wrong = [one for one in ids if not isinstance(one, str | Real) or is_missing(one)]
    if wrong:
        raise ValueError(f"{name} holds {kind_of(wrong[0])}; give item ids")
    return tuple(map(str, ids))


def whole_text(name: str, text: str) -> str:
    """A text without half a character (a lone surrogate), which no file and no database can store.

    Raises:
        ValueError: If it has one. The message does not repeat the text, which may be about a customer.

    Example:
        >>> whole_text("user", "anna")
        'anna'
    """
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"{name} has half a character (a lone surrogate) at place {error.start}; give a whole text, such as "
                "text.encode('utf-8', 'replace').decode()"
            ) from None
    return text


def kind_of(value: Any) -> str:
    """Type of a value, for errors, which must not repeat customers' data."""
    return "None" if value is None else f"a value of type {type(value).__name__}"


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, Real) else kind_of(value)


def _scalar(value: Any) -> Any:
    """The Python value of a scalar, or of an array of one value, of a library."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else value


def _number(value: Any) -> float | None:
    value = _scalar(value)
    try:
        return float(value) if type(value) is not bool and isinstance(value, Real) else None
    except OverflowError:  # a whole number beyond all floats
        return math.inf if value > 0 else -math.inf
