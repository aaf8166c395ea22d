"""Read one column of a table from other software: numbers, flags and texts.

Readers are lenient and return the rows that they could not read, so that the caller can count them.
"""

from __future__ import annotations

import ast
import json

import polars as pl

from .keys import CleanedColumn, found_repairs, text_of

MAX_TEXT = 10_000
"""Characters kept of a text; an encoder reads far fewer, and tokenizing a title of a megabyte would be slow."""

_CONTROL = r"[\x00-\x08\x0B\x0C\x0E-\x1F\x7F]"
_FLAGS = dict.fromkeys(("true", "t", "yes", "y", "1", "1.0", "是"), True) | dict.fromkeys(
    ("false", "f", "no", "n", "0", "0.0", "否"), False
)


_PLAIN_COMMA = r"^[+-]?(?:\d+(?:,\d+)?|,\d+)$|^(?i)nan$"
_MINUS_SIGN = "[\u2212\ufe63\uff0d\u2012\u2013]"
"""A minus sign, or a dash used as one."""
_IN_BRACKETS = r"^\(\s*([\d.,]+)\s*\)$"
_MINUS_BEHIND = r"^([\d.,]+)\s*-$"
_NO_DECIMALS = r"^(-?(?:0|[1-9]\d*)|.*:\d\d)\.0+$"
"""A whole number with decimals, or a time of day with fractions of a second, all of which are 0."""
_WHOLE = 2**53
"""Floats below it are exact if they are whole numbers."""
_THOUSANDS = r"^[+-]?[1-9]\d{0,2},\d{3}$"


def read_texts(column: pl.Series, separator: str = " ") -> pl.Series:
    """Texts, null if missing; lists are joined by the separator (of a list of lists, the first list)."""
    if isinstance(column.dtype, pl.List | pl.Array):
        text = _join_lists(column, separator)
    elif isinstance(column.dtype, pl.Struct):
        text = where(column.is_not_null(), column.struct.json_encode())
    elif isinstance(column.dtype, pl.Binary):
        text = pl.Series(column.name, [_decode(value) for value in column], pl.String)
    elif isinstance(column.dtype, pl.Duration):
        text = column.dt.to_string("iso")
    else:
        text = (column.fill_nan(None) if column.dtype.is_float() else column).cast(pl.String, strict=False)
    text = text.str.strip_chars()
    return where(text != "", text)


def read_categories(column: pl.Series) -> pl.Series:
    """Categories as texts, null if missing; equal values of any type have one text, such as 1, 1.0 and "1.0".

    Example:
        >>> given = ([True, None], ["TRUE", " "], [1.0, 2.5], ["01", "1.0"])
        >>> [read_categories(pl.Series(values)).to_list() for values in given]
        [['true', None], ['true', None], ['1', '2.5'], ['01', '1']]
    """
    if column.dtype.is_decimal():
        column = column.cast(pl.Float64)
    text = read_texts(column)
    if column.dtype.is_float():  # a float from 10 million on has an exponent in its text
        whole = (column == column.floor()) & (column.abs() < _WHOLE)
        text = where(whole, column).cast(pl.Int64).cast(pl.String).fill_null(text)
    text = text.str.replace(_NO_DECIMALS, "$1").str.replace("(?i)^true$", "true").str.replace("(?i)^false$", "false")
    return text.rename(column.name)


def clean_texts(column: pl.Series, separator: str | None = None) -> CleanedColumn:
    """Like `read_texts`, without control characters, and truncated to `MAX_TEXT` characters.

    Args:
        column: The column.
        separator: Separator for lists, including lists written as text, such as "['Home', 'Garden']"; None for a
            column of texts, whose lists are joined by spaces and whose brackets are kept.

    Returns:
        The texts, and the repaired rows: `control_characters`, `long_text`, `nested_list`, `listed_text`.
    """
    repairs: dict[str, pl.Series] = {}
    if _is_list(column.dtype) and _is_list(_inner(column.dtype)):
        repairs["nested_list"] = column.is_not_null()
    text = read_texts(column, " " if separator is None else separator)
    if separator is not None:
        repairs["listed_text"] = text.str.contains(r"(?s)^\[.*\]$")
        if repairs["listed_text"].any():
            distinct = text.filter(repairs["listed_text"].fill_null(False)).unique().to_list()
            text = text.replace({listed: _unlist(listed, separator) for listed in distinct})
            text = where(text != "", text)
    repairs["control_characters"] = text.str.contains(_CONTROL)
    if repairs["control_characters"].any():
        text = text.str.replace_all(_CONTROL, "").str.strip_chars()
        text = where(text != "", text)
    repairs["long_text"] = text.str.len_chars() > MAX_TEXT
    if repairs["long_text"].any():
        text = text.str.slice(0, MAX_TEXT)
    return CleanedColumn(text, found_repairs(repairs))


def nan_rows(column: pl.Series) -> pl.Series:
    """(rows,) True for NaN, as a number or in words."""
    if column.dtype.is_float():
        return column.is_nan().fill_null(False)
    if isinstance(column.dtype, pl.String):
        return column.str.strip_chars().str.to_lowercase().is_in(["nan", "-nan"]).fill_null(False)
    return pl.Series(column.name, [False], pl.Boolean).new_from_index(0, len(column))


def _is_list(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.List | pl.Array)


def _inner(dtype: pl.DataType) -> pl.DataType:
    inner: pl.DataType = getattr(dtype, "inner", pl.Null())
    return inner


def _join_lists(column: pl.Series, separator: str) -> pl.Series:
    lists = column if isinstance(column.dtype, pl.List) else column.arr.to_list()
    while _is_list(_inner(lists.dtype)):
        inner = _inner(lists.dtype)
        lists = lists.list.first() if isinstance(inner, pl.List) else lists.list.first().arr.to_list()
    if isinstance(_inner(lists.dtype), pl.Struct):
        lists = lists.list.eval(pl.element().struct.json_encode())
    parts = lists.cast(pl.List(pl.String), strict=False)
    return where(lists.is_not_null(), parts.list.drop_nulls().list.join(separator))


def _unlist(text: str, separator: str) -> str:
    """Parts of a list written as JSON or as a Python literal; the text itself if it is neither."""
    for read in (json.loads, ast.literal_eval):
        try:
            parts = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        while isinstance(parts, list) and parts and isinstance(parts[0], list):
            parts = parts[0]
        if isinstance(parts, list):
            return separator.join(str(part) for part in parts if part is not None)
    return text


def _decode(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", errors="replace")


def is_text(dtype: pl.DataType) -> bool:
    """Whether a column has texts."""
    return isinstance(dtype, pl.String | pl.Categorical | pl.Enum)


def holds_no_numbers(dtype: pl.DataType) -> bool:
    """Whether a column of this type cannot contain numbers."""
    return isinstance(dtype, pl.List | pl.Array | pl.Struct | pl.Binary | pl.Object)


def numbers_of(name: str, dtype: pl.DataType, *, commas: bool) -> tuple[pl.Expr, pl.Expr]:
    """Finite Float64 numbers of a column, and True for values that are neither a number nor NaN.

    Args:
        name: Name of the column.
        dtype: Its type, for which `holds_no_numbers` is false.
        commas: Whether its numbers have decimal commas.
    """
    given = number_text(name) if is_text(dtype) else pl.col(name)
    given = given.str.replace_all(",", ".") if commas else given
    numbers = given.cast(pl.Float64, strict=False)
    finite = pl.when(numbers.is_finite()).then(numbers)
    bad = given.is_not_null() & ~numbers.is_nan().fill_null(False) & finite.is_null()
    return finite.alias(name), bad.alias(name)


def number_text(name: str) -> pl.Expr:
    """Texts of a column of numbers; negative ones get a leading minus sign, whatever their notation.

    Example:
        >>> odd = pl.DataFrame({"sold": ["(1)", "1-", "- 1", "\u22121", "1 - 2"]})
        >>> odd.select(number_text("sold")).to_series().to_list()
        ['-1', '-1', '-1', '-1', '1 - 2']
    """
    text = text_of(name).str.replace(_MINUS_SIGN, "-")
    text = text.str.replace(_IN_BRACKETS, "-$1").str.replace(_MINUS_BEHIND, "-$1")
    return text.str.replace(r"^-\s+", "-").alias(name)


def minus_rows(column: pl.Series) -> pl.Series:
    """(rows,) True for texts that begin with a minus sign and contain a digit, whether or not they are numbers."""
    if not is_text(column.dtype):
        return pl.Series(column.name, [False], pl.Boolean).new_from_index(0, len(column))
    below = number_text(column.name).str.contains(r"^-.*\d").fill_null(False)
    return column.to_frame().select(below.alias(column.name)).to_series()


def read_numbers(column: pl.Series, commas: bool | None = None) -> tuple[pl.Series, pl.Series]:
    """Float64 numbers, null if missing, and True for values that are not finite numbers.

    Args:
        column: The column.
        commas: Whether the whole column has decimal commas; None to detect it from this part.
    """
    if holds_no_numbers(column.dtype):
        return pl.Series(column.name, [None] * len(column), pl.Float64), column.is_not_null()
    frame = column.to_frame()
    commas = is_text(column.dtype) and (comma_style(frame, column.name) if commas is None else commas)
    numbers, bad = numbers_of(column.name, column.dtype, commas=commas)
    return frame.select(numbers).to_series(), frame.select(bad).to_series()


def comma_style(frame: pl.DataFrame | pl.LazyFrame, name: str) -> bool:
    """Whether the numbers of a text column have decimal commas.

    This is so if all are plain and some have a comma that cannot separate thousands. 1,234 alone is ambiguous and is
    not read.

    Args:
        frame: The table; a lazy table is streamed.
        name: Name of the column.

    Example:
        >>> comma_style(pl.DataFrame({"price": ["12,50", "1,234", "3"]}), "price")
        True
        >>> comma_style(pl.DataFrame({"price": ["1,234", "3"]}), "price")
        False
    """
    texts = frame.lazy().select(text=number_text(name))
    text = pl.col("text")
    commas = texts.filter(text.str.contains(",", literal=True))
    unlike = commas.select((~text.str.contains(_THOUSANDS)).any())
    if not unlike.collect(engine="streaming").item():
        return False
    return bool(texts.select(text.str.contains(_PLAIN_COMMA).fill_null(True).all()).collect(engine="streaming").item())


def comma_rows(column: pl.Series, commas: bool | None = None) -> pl.Series:
    """(rows,) True for numbers with a decimal comma, if the column has such numbers.

    Args:
        column: The column.
        commas: As in `read_numbers`.
    """
    if not is_text(column.dtype) or not (comma_style(column.to_frame(), column.name) if commas is None else commas):
        return pl.Series(column.name, [False], pl.Boolean).new_from_index(0, len(column))
    return read_texts(column).str.contains(",", literal=True).fill_null(False)


def read_flags(column: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Booleans, null if missing or NaN, and True for values that are neither true nor false."""
    if isinstance(column.dtype, pl.Boolean):
        return column, pl.Series(column.name, [False] * len(column), pl.Boolean)
    text = read_texts(column).str.to_lowercase().replace("nan", None)
    flags = text.replace_strict(_FLAGS, default=None, return_dtype=pl.Boolean)
    return flags, text.is_not_null() & flags.is_null()


def where(keep: pl.Series, values: pl.Series) -> pl.Series:
    """The values where `keep` is true, null elsewhere."""
    return pl.select(pl.when(keep).then(values).otherwise(None)).to_series().rename(values.name)


def columns_with_values(table: pl.DataFrame) -> list[str]:
    """Columns with a value; validated tables also have those of the schema that the user's table lacks.

    Example:
        >>> columns_with_values(pl.DataFrame({"title": ["tent", None], "brand": [None, None]}))
        ['title']
    """
    return [name for name in table.columns if table[name].null_count() < table.height]
