"""Read a column of times from other software: dates, texts, and numbers since 1970 or in other units."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import polars as pl

from .keys import text_of
from .time_texts import EXCEL, SHORT_DATE, TimeReading, find_order, read_moments
from .values import comma_style, holds_no_numbers, is_text, numbers_of, read_numbers, read_texts, where

# Seconds reach 1e11 in the year 5138, milliseconds passed it in 1973; each finer unit is a factor of 1,000 away.
_UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
_SECONDS_LIMIT = 1e11
SECONDS_1973 = 1e8
"""Seconds from 1970 to 1973: events are later, so smaller numbers are probably not seconds."""
_COMPACT = {
    "months": (199_001, 210_012, "%Y%m%d", "01"),
    "dates": (19_700_101, 21_001_231, "%Y%m%d", ""),
    "dates with hours and minutes": (197_001_010_000, 210_012_312_359, "%Y%m%d%H%M", ""),
    "dates with times": (19_700_101_000_000, 21_001_231_235_959, "%Y%m%d%H%M%S", ""),
}
"""Integers in one of these ranges, all of which are dates in the given form, are not seconds (or milli- or
microseconds): as such they would be in 1970, in summer 1976 or after 2590."""
_EXCEL_EPOCH = 25_569
"""Days from the first spreadsheet day, 1899-12-30, to 1970."""
_EXCEL_LAST = 2_958_466
"""The first date that spreadsheets lack, 10000-01-01."""
_EXCEL_DAYS = "days of a spreadsheet"


@dataclass(frozen=True)
class TimeColumn:
    """Times as read.

    Args:
        values: Int64 seconds since 1970 (UTC), null if missing or unreadable.
        bad: True for values that are not times (or are before 1970).
        mixed: True for numbers in another unit than most of the column.
        unit: Unit of the numbers.
        microseconds: Int32 microseconds beyond `values`; None if all times are whole seconds.
        reading: Order of short dates such as 01/12/2009, if it had to be found.
    """

    values: pl.Series
    bad: pl.Series
    mixed: pl.Series
    unit: str = "seconds"
    microseconds: pl.Series | None = None
    reading: TimeReading = field(default_factory=TimeReading)


@dataclass(frozen=True)
class TimeStyle:
    """Format of the times in a whole column; a part of the column may show less.

    Args:
        numbers: Whether all are numbers.
        commas: Whether numbers have decimal commas.
        unit: Unit of numbers, or the kind of dates they stand for.
        reading: Order of short dates such as 01/12/2009, if it has to be found.
    """

    numbers: bool = True
    commas: bool = False
    unit: str = "seconds"
    reading: TimeReading = field(default_factory=TimeReading)


def time_style(frame: pl.DataFrame | pl.LazyFrame, name: str, time_format: str | None = None) -> TimeStyle:
    """Find the format of a column's times; numbers need 8 bytes per row.

    Args:
        frame: The table; a lazy table is streamed.
        name: Name of the column.
        time_format: As in `read_times`.

    Example:
        >>> time_style(pl.DataFrame({"when": ["1706659200000", "5"]}), "when").unit
        'milliseconds'
    """
    frame = frame.lazy()
    dtype = frame.collect_schema()[name]
    if isinstance(dtype, pl.Date | pl.Datetime) or holds_no_numbers(dtype):
        return TimeStyle()
    if time_format is not None and "%" in time_format and (is_text(dtype) or dtype.is_integer()):
        return TimeStyle(numbers=False)
    commas = is_text(dtype) and comma_style(frame, name)
    number, bad = numbers_of(name, dtype, commas=commas)
    told = (
        frame.select(
            bad=bad.sum(), count=number.count(), low=number.min(), high=number.max(),
            whole=(number == number.floor()).all(),
            middle=number.filter(number >= 0).median(),
            short=text_of(name).str.contains(SHORT_DATE).any() if is_text(dtype) else pl.lit(False),
        )
        .collect(engine="streaming")
        .row(0, named=True)
    )  # fmt: skip
    middle = told["middle"] or 0
    compact = any(first <= middle <= last for first, last, _, _ in _COMPACT.values())
    # A few texts among seconds are wrong; texts of numbers can be dates without separators, such as 20240131.
    numbers = time_format in (None, EXCEL) and told["count"] > told["bad"] and not compact
    if is_text(dtype) and told["bad"] and not numbers:
        asked = time_format is None and told["short"]
        return TimeStyle(numbers=False, reading=find_order(frame, name) if asked else TimeReading())
    if time_format == EXCEL:
        return TimeStyle(commas=commas, unit=_EXCEL_DAYS)
    if told["low"] is not None and told["whole"] and not told["bad"]:
        for unit, (first, last, _, _) in _COMPACT.items():
            if first <= told["low"] and told["high"] <= last:
                dates = _compact_dates(number, unit)
                fits = frame.select((dates.is_null() == number.is_null()).all()).collect(engine="streaming").item()
                if fits:
                    return TimeStyle(commas=commas, unit=unit)
    fine = (unit for unit, factor in _UNITS.items() if middle < _SECONDS_LIMIT * factor)
    return TimeStyle(commas=commas, unit=next(fine, list(_UNITS)[-1]))


def read_times(column: pl.Series, time_format: str | None = None, style: TimeStyle | None = None) -> TimeColumn:
    """Read times from dates, datetimes, texts, or numbers of seconds (milli, micro, nano) since 1970.

    Args:
        column: The column.
        time_format: "day-first", "month-first" or "year-first" for dates such as 01/12/09, "excel" for spreadsheet
            days, a strptime pattern, or None to detect it; see `find_order`.
        style: Format of the whole column, if this is a part of it; None to find it.

    Raises:
        ValueError: If the pattern cannot be used.
    """
    dtype = column.dtype
    if isinstance(dtype, pl.Date | pl.Datetime):
        return _from_moments(column.dt.epoch("us"), column.is_not_null())
    if time_format is not None and "%" in time_format and dtype.is_integer():
        column = column.cast(pl.String)
    style = style or time_style(column.to_frame("time"), "time", time_format)
    if style.numbers or not is_text(column.dtype):
        return _from_numbers(*read_numbers(column, style.commas), style.unit)
    text = read_texts(column)
    times = _from_moments(read_moments(text, time_format or style.reading.order), text.is_not_null())
    return replace(times, reading=style.reading)


def _from_moments(moments: pl.Series, given: pl.Series) -> TimeColumn:
    """Times from microseconds since 1970, null if unreadable, and True for values that are not missing."""
    moments = where((moments >= 0).fill_null(False), moments)
    never = pl.Series(moments.name, [False], pl.Boolean).new_from_index(0, len(moments))
    fractions = _fractions(moments % 10**6)
    return TimeColumn(moments // 10**6, given & moments.is_null(), never, microseconds=fractions)


def _fractions(microseconds: pl.Series) -> pl.Series | None:
    whole = microseconds.fill_null(0).cast(pl.Int32)
    return whole if (whole > 0).any() else None


def _from_numbers(numbers: pl.Series, bad: pl.Series, unit: str) -> TimeColumn:
    if unit == _EXCEL_DAYS:
        # Rounded to milliseconds, because a day as a float is exact to a few microseconds only.
        days = where(numbers < _EXCEL_LAST, numbers)
        moments = ((days - _EXCEL_EPOCH) * 86_400_000).round().cast(pl.Int64, strict=False) * 1000
        return replace(_from_moments(moments, numbers.is_not_null() | bad), unit=unit)
    if unit in _COMPACT:
        dates = numbers.to_frame("number").select(_compact_dates(pl.col("number"), unit)).to_series()
        return replace(_from_moments(dates.dt.epoch("us"), numbers.is_not_null() | bad), unit=unit)
    bad = bad | (numbers < 0).fill_null(False)
    numbers = where(~bad, numbers)
    factor = _UNITS[unit]
    seconds = numbers / factor
    mixed = seconds >= _SECONDS_LIMIT
    if factor > 1:
        # As milliseconds these would be in the first days of 1970, as seconds after 1973.
        mixed = mixed | ((numbers >= SECONDS_1973) & (seconds < SECONDS_1973))
    whole = seconds.floor()
    # Rounded, because the float 1.1 is slightly less; never up to the next second, which `values` do not have.
    fractions = _fractions(((numbers - whole * factor) * (10**6 / factor)).round().clip(0, 10**6 - 1))
    return TimeColumn(whole.cast(pl.Int64, strict=False), bad, mixed.fill_null(False), unit, fractions)


def _compact_dates(number: pl.Expr, unit: str) -> pl.Expr:
    """Datetimes from numbers such as 20240131, null for invalid dates."""
    _, _, pattern, behind = _COMPACT[unit]
    digits = number.cast(pl.Int64, strict=False).cast(pl.String) + behind
    return digits.str.to_datetime(pattern, strict=False, time_unit="us")
