"""Reading one column of a table that somebody else made: times, numbers, flags and texts.

Every reader is lenient in what it takes and says which rows it could not read, so that the caller can count them.
"""

from __future__ import annotations

import ast
import json
import time
from dataclasses import dataclass, field, replace

import polars as pl

from .keys import CleanedColumn, found_repairs
from .time_texts import CLOCK_SKEW, EXCEL, SHORT_DATE, TimeReading, find_order, read_moments

# Seconds reach 1e11 in the year 5138, milliseconds passed it in 1973; each finer unit is a factor of 1,000 away.
_UNITS = (("seconds", 1), ("milliseconds", 10**3), ("microseconds", 10**6), ("nanoseconds", 10**9))
_SECONDS_LIMIT = 1e11
SECONDS_1973 = 1e8
"""Seconds from 1970 to 1973: a shop's events are later, and numbers below are likely no seconds."""
_COMPACT = (
    ("months", 199_001, 210_012, "%Y%m%d", "01"),
    ("dates", 19_700_101, 21_001_231, "%Y%m%d", ""),
    ("dates with hours and minutes", 197_001_010_000, 210_012_312_359, "%Y%m%d%H%M", ""),
    ("dates with times", 19_700_101_000_000, 21_001_231_235_959, "%Y%m%d%H%M%S", ""),
)
"""Whole numbers from one to another, all of which are dates if that is put behind them, are no seconds (nor milli- or
microseconds): those would lie in 1970, in summer 1976 or after 2590."""
_EXCEL_EPOCH = 25_569
"""Days from the first day of spreadsheets, 1899-12-30, to 1970."""
_EXCEL_FIRST = 29_221
"""1980-01-01 as a spreadsheet counts days: as seconds since 1970 it would lie in the first day of 1970."""
MAX_TEXT = 10_000
"""Characters kept of a text; an encoder reads far fewer, and a title of a megabyte would be tokenized whole."""

_CONTROL = r"[\x00-\x08\x0B\x0C\x0E-\x1F\x7F]"
_FLAGS = {"true": True, "t": True, "yes": True, "1": True, "1.0": True} | {
    "false": False, "f": False, "no": False, "0": False, "0.0": False,
}  # fmt: skip


_PLAIN_COMMA = r"^[+-]?(?:\d+(?:,\d+)?|,\d+)$|^(?i)nan$"
_THOUSANDS = r"^[+-]?[1-9]\d{0,2},\d{3}$"


@dataclass(frozen=True)
class TimeColumn:
    """Times as read.

    Args:
        values: Int64 seconds since 1970 (UTC), null where there is none or it was not readable.
        bad: True for values that are no time (or one before 1970).
        mixed: True for numbers that must be in another unit than most of the column.
        unit: Unit that numbers were taken to be in.
        microseconds: Int32 microseconds beyond `values`; None where all times are whole seconds.
        reading: Order of short dates such as 01/12/2009, where it had to be found.
    """

    values: pl.Series
    bad: pl.Series
    mixed: pl.Series
    unit: str = "seconds"
    microseconds: pl.Series | None = None
    reading: TimeReading = field(default_factory=TimeReading)


def read_texts(column: pl.Series, separator: str = " ") -> pl.Series:
    """Texts, null where there is none; lists are joined by the separator, of a list of lists the first."""
    if isinstance(column.dtype, pl.List | pl.Array):
        text = _join_lists(column, separator)
    elif isinstance(column.dtype, pl.Struct):
        text = _where(column.is_not_null(), column.struct.json_encode())
    elif isinstance(column.dtype, pl.Binary):
        text = pl.Series(column.name, [_decode(value) for value in column], pl.String)
    else:
        text = (column.fill_nan(None) if column.dtype.is_float() else column).cast(pl.String, strict=False)
    text = text.str.strip_chars()
    return _where(text != "", text)


def clean_texts(column: pl.Series, separator: str | None = None) -> CleanedColumn:
    """As `read_texts`, with control characters taken out and texts cut to `MAX_TEXT` characters.

    Args:
        column: The column.
        separator: Between the parts of a list, and of a list that was written as text, such as "['Home', 'Garden']";
            None for a column of texts, whose lists are joined by blanks and whose brackets are kept.

    Returns:
        The texts, and which were repaired: `control_characters`, `long_text`, `nested_list`, `listed_text`.
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
            text = _where(text != "", text)
    repairs["control_characters"] = text.str.contains(_CONTROL)
    if repairs["control_characters"].any():
        text = text.str.replace_all(_CONTROL, "").str.strip_chars()
        text = _where(text != "", text)
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
    return _where(lists.is_not_null(), parts.list.drop_nulls().list.join(separator))


def _unlist(text: str, separator: str) -> str:
    """The parts of a list that was written as JSON or as Python writes it; the text itself where it is neither."""
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


def read_numbers(column: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Float64 numbers, null where there is none, and True where a value is there that is no finite number."""
    dtype = column.dtype
    if isinstance(dtype, pl.List | pl.Array | pl.Struct | pl.Binary | pl.Object):
        return pl.Series(column.name, [None] * len(column), pl.Float64), column.is_not_null()
    given = column
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
        given = read_texts(column)
        given = given.str.replace_all(",", ".") if comma_style(given) else given
    numbers = given.cast(pl.Float64, strict=False)
    given_number = given.is_not_null() & ~numbers.is_nan().fill_null(False)
    numbers = _where(numbers.is_finite(), numbers)
    return numbers, given_number & numbers.is_null()


def comma_style(text: pl.Series) -> bool:
    """Whether the numbers of a column of texts are written with decimal commas.

    All of them are plain, and some have a comma that cannot stand between thousands. 1,234 alone can be either, and is
    not read.

    Example:
        >>> comma_style(pl.Series(["12,50", "1,234", "3"])), comma_style(pl.Series(["1,234", "3"]))
        (True, False)
    """
    commas = text.str.contains(",", literal=True)
    if not commas.any():
        return False
    plain = text.str.contains(_PLAIN_COMMA).fill_null(True).all()
    return bool(plain and (commas & ~text.str.contains(_THOUSANDS)).any())


def comma_rows(column: pl.Series) -> pl.Series:
    """(rows,) True for numbers that are written with a decimal comma, where the column has such."""
    text = read_texts(column) if isinstance(column.dtype, pl.String | pl.Categorical | pl.Enum) else None
    if text is None or not comma_style(text):
        return pl.Series(column.name, [False], pl.Boolean).new_from_index(0, len(column))
    return text.str.contains(",", literal=True).fill_null(False)


def read_flags(column: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Booleans, null where there is none, and True where a value is there that is neither true nor false."""
    if isinstance(column.dtype, pl.Boolean):
        return column, pl.Series(column.name, [False] * len(column), pl.Boolean)
    text = read_texts(column).str.to_lowercase()
    flags = text.replace_strict(_FLAGS, default=None, return_dtype=pl.Boolean)
    return flags, text.is_not_null() & flags.is_null()


def read_times(column: pl.Series, time_format: str | None = None) -> TimeColumn:
    """Times from dates, date-times, texts, or numbers of seconds (milli, micro, nano) since 1970.

    Args:
        column: The column.
        time_format: "day-first", "month-first" or "year-first" for dates such as 01/12/09, "excel" for days of a
            spreadsheet, a strptime pattern, or None to find out; see `find_order`.

    Raises:
        ValueError: If the pattern cannot be used.
    """
    dtype = column.dtype
    if isinstance(dtype, pl.Date | pl.Datetime):
        return _from_moments(column.dt.epoch("us"), column.is_not_null())
    pattern = time_format is not None and "%" in time_format
    if pattern and dtype.is_integer():
        column = column.cast(pl.String)
    if not isinstance(column.dtype, pl.String | pl.Categorical | pl.Enum):
        return _from_numbers(*read_numbers(column), excel=time_format == EXCEL)
    text = read_texts(column)
    numbers, bad = read_numbers(text)
    if not (bad.any() or pattern):
        return _from_numbers(numbers, bad, excel=time_format == EXCEL)
    reading = TimeReading()
    if time_format is None and text.str.contains(SHORT_DATE).any():
        reading = find_order(text.to_frame("text"), "text")
    times = _from_moments(read_moments(text, time_format or reading.order), text.is_not_null())
    return replace(times, reading=reading)


def _from_moments(moments: pl.Series, given: pl.Series) -> TimeColumn:
    """Times from microseconds since 1970, null where one could not be read, and True where there is one to read."""
    moments = _where((moments >= 0).fill_null(False), moments)
    never = pl.Series(moments.name, [False], pl.Boolean).new_from_index(0, len(moments))
    fractions = _fractions(moments % 10**6)
    return TimeColumn(moments // 10**6, given & moments.is_null(), never, microseconds=fractions)


def _fractions(microseconds: pl.Series) -> pl.Series | None:
    whole = microseconds.fill_null(0).cast(pl.Int32)
    return whole if (whole > 0).any() else None


def _from_numbers(numbers: pl.Series, bad: pl.Series, *, excel: bool = False) -> TimeColumn:
    latest = (time.time() + CLOCK_SKEW) / 86_400 + _EXCEL_EPOCH
    if excel or (numbers.count() and numbers.is_between(_EXCEL_FIRST, latest).fill_null(True).all()):
        # Rounded to milliseconds, for a day in a float is exact to a few microseconds.
        moments = ((numbers - _EXCEL_EPOCH) * 86_400_000).round().cast(pl.Int64, strict=False) * 1000
        return replace(_from_moments(moments, numbers.is_not_null() | bad), unit="days of a spreadsheet")
    dates = None if bad.any() else _from_compact(numbers)
    if dates is not None:
        return dates
    bad = bad | (numbers < 0).fill_null(False)
    numbers = _where(~bad, numbers)
    middle = numbers.median()
    unit, factor = _UNITS[0]
    for name, size in _UNITS:
        unit, factor = name, size
        if not isinstance(middle, float) or middle < _SECONDS_LIMIT * size:
            break
    seconds = numbers / factor
    mixed = seconds >= _SECONDS_LIMIT
    if factor > 1:
        # As milliseconds these would lie in the first days of 1970, as seconds after 1973.
        mixed = mixed | ((numbers >= SECONDS_1973) & (seconds < SECONDS_1973))
    whole = seconds.floor()
    # Rounded, for the float 1.1 is a little less; never up to the next second, which `values` do not say.
    fractions = _fractions(((numbers - whole * factor) * (10**6 / factor)).round().clip(0, 10**6 - 1))
    return TimeColumn(whole.cast(pl.Int64, strict=False), bad, mixed.fill_null(False), unit, fractions)


def _from_compact(numbers: pl.Series) -> TimeColumn | None:
    """Times from numbers such as 20240131, all of one kind; None where they are others."""
    if not numbers.count() or (numbers != numbers.floor()).any():
        return None
    for unit, first, last, pattern, behind in _COMPACT:
        if numbers.is_between(first, last).fill_null(True).all():
            digits = numbers.cast(pl.Int64).cast(pl.String) + behind
            moments = digits.str.to_datetime(pattern, strict=False, time_unit="us")
            if moments.null_count() == numbers.null_count():
                return replace(_from_moments(moments.dt.epoch("us"), numbers.is_not_null()), unit=unit)
    return None


def _where(keep: pl.Series, values: pl.Series) -> pl.Series:
    """The values where `keep` is true, null elsewhere."""
    return pl.select(pl.when(keep).then(values).otherwise(None)).to_series().rename(values.name)
