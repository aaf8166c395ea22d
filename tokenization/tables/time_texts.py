"""Times as texts: ISO 8601 and similar, short dates, month names, 12-hour clocks, Chinese dates."""

from __future__ import annotations

import difflib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

CLOCK_SKEW = 86_400
"""Seconds that an event may be in the future, because clocks and zones differ."""
DAY_FIRST, MONTH_FIRST, YEAR_FIRST, EXCEL = "day-first", "month-first", "year-first", "excel"
ORDERS = (DAY_FIRST, MONTH_FIRST, YEAR_FIRST)
"""Orders of a date of three short numbers, such as 01/12/09; the last one only for two-digit years."""
NAMED_FORMATS = (*ORDERS, EXCEL)

_ISO = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%Y%m%d", "%Y%m%d%H%M", "%Y%m%d%H%M%S")
_DAYS = r"(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?"
)
_CLOCK = r"\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?"
_PARTS = (
    r"(?i)^(?P<date>.*?)(?:[t,\s]\s*(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?"
    r"\s*(?:(?P<half>[ap])\.?m\.?)?\s*(?:z|utc|gmt)?\s*(?P<zone>[+-]\d\d(?::?\d\d)?)?\s*(?:z|utc|gmt)?(?:\[.*\])?)?$"
)
_CHINESE = {
    r" ?[(（]?(?:星期|周)[一二三四五六日天][)）]? ?": " ",
    r"^(\d{4}) ?年 ?(\d{1,2}) ?月 ?(\d{1,2}) ?[日号]?": "$1-$2-$3 ",
    r"(\d{1,2}) ?[时時點点] ?(\d{1,2}) ?分 ?(\d{1,2}) ?秒": "$1:〇$2:〇$3",
    r"(\d{1,2}) ?[时時點点] ?(\d{1,2}) ?分": "$1:〇$2",
    r"(\d{1,2}) ?[时時點点]$": "$1:00",
    r":〇(\d\d)": ":$1",
    r":〇": ":0",
    rf"(?:上午|早上|凌晨) ?({_CLOCK})$": "$1 am",
    rf"(?:下午|晚上) ?({_CLOCK})$": "$1 pm",
    r"中午 ?(1[12]:[^ ]*)$": "$1",
}
"""Chinese dates and times of day, and what they become. 〇 stands before a number until it has two digits."""
SHORT_DATE = r"^\s*(\d{1,2}\s?[-/.]\s?\d{1,2}\s?[-/.]\s?(?:\d{4}|\d\d))(?:$|[^\d])"
"""A date whose first number is not a four-digit year: it can be read in several orders."""
_PLAIN_SHORT = r"^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})((?: \d{1,2}:\d\d(?::\d\d)?)?)$"
_AS_ISO = {DAY_FIRST: (_PLAIN_SHORT, "${3}-${2}-${1}${4}"), MONTH_FIRST: (_PLAIN_SHORT, "${3}-${1}-${2}${4}")}
"""Common short dates become ISO 8601 with one replacement, many times faster than `free_moment`."""


@dataclass(frozen=True)
class TimeReading:
    """Order of short dates in a column.

    Args:
        order: One of `ORDERS`; None if no date needs one, or if it is ambiguous.
        rows: Rows with such a date.
        question: Question to the user if dates can be read in several orders; empty otherwise.
    """

    order: str | None = None
    rows: int = 0
    question: str = ""


def check_time_format(time_format: str | None) -> None:
    """Refuse a value that is neither the name of a format nor a strptime pattern.

    Raises:
        ValueError: If it is neither.
    """
    if time_format is None or time_format in NAMED_FORMATS or "%" in time_format:
        return
    near = difflib.get_close_matches(time_format, NAMED_FORMATS, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(
        f"time_format is {time_format!r}; give {', '.join(map(repr, NAMED_FORMATS))} or a strptime pattern such as "
        f"'%d/%m/%Y %H:%M'{hint}"
    )


def read_moments(text: pl.Series, time_format: str | None = None) -> pl.Series:
    """Microseconds since 1970 (UTC) from times as texts.

    Args:
        text: The texts, without surrounding spaces.
        time_format: One of `ORDERS` for short dates, a strptime pattern, or None. Without an order short dates are
            not read.

    Returns:
        Int64, null for texts that are not times.

    Raises:
        ValueError: If the pattern cannot be used.

    Example:
        >>> read_moments(pl.Series(["14/12/2009 1:05 pm", "Dec 14, 2009"]), "day-first").cast(pl.Datetime).to_list()
        [datetime.datetime(2009, 12, 14, 13, 5), datetime.datetime(2009, 12, 14, 0, 0)]
    """
    if time_format is not None and "%" in time_format:
        try:
            return text.to_frame("text").select(_pattern_moment(time_format)).to_series().rename(text.name)
        except pl.exceptions.PolarsError as error:
            reason = str(error).splitlines()[0]
            raise ValueError(f"time_format is {time_format!r}, which is not a strptime pattern: {reason}") from error
    plain = text.str.replace(*_AS_ISO[time_format]) if time_format in _AS_ISO else text
    moments = plain.to_frame("text").select(_iso_moment()).to_series()
    left = moments.is_null() & text.is_not_null()
    if left.any():
        # Exports repeat times, once per line of an invoice.
        distinct = text.filter(left).unique().to_frame("text")
        read = distinct.with_columns(moment=free_moment(time_format)).drop_nulls()
        found = text.to_frame("text").join(read, on="text", how="left", maintain_order="left")["moment"]
        moments = moments.fill_null(found)
    return moments.rename(text.name)


def _pattern_moment(pattern: str) -> pl.Expr:
    """Microseconds since 1970 of the column `text`, read with a strptime pattern; UTC if it has no zone."""
    text, pattern = pl.col("text"), pattern.replace(".%f", "%.f")  # Python's directive, and the one of polars
    if not any(mark in pattern for mark in ("%H", "%I", "%T", "%X", "%R", "%r", "%c", "%s", "%+", "%k", "%l")):
        return text.str.to_date(pattern, strict=False).cast(pl.Datetime("us")).dt.epoch("us")
    if any(mark in pattern for mark in ("%z", "%:z", "%#z", "%s", "%+")):
        return text.str.to_datetime(pattern, strict=False, time_unit="us", time_zone="UTC").dt.epoch("us")
    return text.str.to_datetime(pattern, strict=False, time_unit="us").dt.epoch("us")


def find_order(frame: pl.DataFrame | pl.LazyFrame, name: str) -> TimeReading:
    """Find the order of short dates in a column of texts: the order that makes the most dates valid.

    Numbers over 12 distinguish days from months. If two orders read equally many dates, and differently, the result is
    a question instead of an order.

    Args:
        frame: The table; a lazy table is streamed.
        name: Name of the column.
    """
    text = pl.col(name).cast(pl.String).str.strip_chars()
    # One row per day: the time of day does not matter, and a table has many times but few days.
    days = frame.lazy().select(shown=text, text=text.str.extract(SHORT_DATE)).drop_nulls()
    days = days.group_by("text", maintain_order=True).agg(pl.col("shown").first(), rows=pl.len())
    latest = (int(time.time()) + CLOCK_SKEW) * 10**6
    # A two-digit year read wrongly is in the future: 24-01-31 is not the 24th of 2031.
    long_year = pl.col("text").str.contains(r"^[^a-zA-Z]*[-/.]\s?\d{4}")
    usable = {order: free_moment(order) for order in ORDERS}
    usable = {order: pl.when(long_year | (moment <= latest)).then(moment) for order, moment in usable.items()}
    pairs = ((DAY_FIRST, MONTH_FIRST), (DAY_FIRST, YEAR_FIRST), (MONTH_FIRST, YEAR_FIRST))
    unlike = {pair: pl.col(pair[0]) != pl.col(pair[1]) for pair in pairs}
    told = (
        days.with_columns(**usable)
        .select(
            rows=pl.col("rows").sum(),
            **{order: pl.col("rows").filter(pl.col(order).is_not_null()).sum() for order in ORDERS},
            **{
                "|".join(pair): pl.struct("shown", *pair).filter(differs.fill_null(False)).first()
                for pair, differs in unlike.items()
            },
        )
        .collect(engine="streaming" if isinstance(frame, pl.LazyFrame) else "auto")
        .row(0, named=True)
    )
    return _decide(told)


def _decide(told: Mapping[str, Any]) -> TimeReading:
    most = max(told[order] for order in ORDERS)
    if not most:
        return TimeReading(rows=told["rows"])
    best = [order for order in ORDERS if told[order] == most]
    for first, second in ((a, b) for a in best for b in best if ORDERS.index(a) < ORDERS.index(b)):
        shown = told[f"{first}|{second}"]
        if shown is not None and shown["shown"] is not None:
            ways = " or ".join(f"{_shown(shown[order])} (time_format={order!r})" for order in (first, second))
            return TimeReading(rows=told["rows"], question=f"is {shown['shown']!r} {ways}?")
    return TimeReading(best[0], told["rows"])


def _shown(moment: int) -> str:
    day = pl.Series([moment]).cast(pl.Datetime("us")).dt.strftime("%-d %B %Y")[0]
    return str(day)


def _iso_moment() -> pl.Expr:
    """Microseconds since 1970 of the column `text` if it is ISO 8601; fast."""
    plain = pl.col("text").str.replace(r"(?i)\s*(z|utc|gmt)$", "").str.replace(r"^(\d{4})/(\d{1,2})/", "$1-$2-")
    plain = plain.str.replace(r"^(\d{4}-\d{1,2}-\d{1,2})[Tt]", "$1 ")
    zone = plain.str.extract(r":\d\d(?:\.\d+)?\s*([+-]\d\d(?::?\d\d)?)$")
    local = plain.str.replace(r"(:\d\d(?:\.\d+)?)\s*[+-]\d\d(?::?\d\d)?$", "$1")
    parsed = pl.coalesce(local.str.to_datetime(f, strict=False, time_unit="us", exact=True) for f in _ISO)
    return (parsed.dt.epoch("us") - _shift(zone)).cast(pl.Int64)


def free_moment(order: str | None) -> pl.Expr:
    """Microseconds since 1970 of the column `text`, in any format of this module.

    Args:
        order: One of `ORDERS`, for short dates; with None they are null.
    """
    text = pl.col("text").str.replace_all(r"[\s\x{A0}\x{202F}]+", " ").str.strip_chars()
    for pattern, plain in _CHINESE.items():
        text = text.str.replace_all(pattern, plain)
    text = text.str.replace_all("  ", " ", literal=True).str.strip_chars()
    text = text.str.replace(rf"(?i)^{_DAYS}\.?,? +", "")
    # Tue Dec 01 07:45:00 UTC 2009, the format of C and Java.
    text = text.str.replace(
        rf"(?i)^({_MONTH}) (\d{{1,2}}) ({_CLOCK})((?: [a-z]{{3,4}}| [+-]\d{{4}})?) (\d{{4}})$", "$2 $1 $5 $3$4"
    )
    text = text.str.replace(r"^(\d{4})(\d\d)(\d\d)[Tt ](\d\d)(\d\d)(\d\d)?", "$1-$2-$3 $4:$5:${6}")
    text = text.str.replace(r"(\d\d:\d\d):($|[^\d])", "$1$2").str.replace(r"(?i),? at (\d)", " $1")
    parts = text.str.extract_groups(_PARTS).struct
    date = parts.field("date").str.strip_chars(" ,")
    day = _year_month_day(date, order)
    half = parts.field("half").str.to_lowercase()
    hour = parts.field("hour").cast(pl.Int32, strict=False)
    # 12 am is midnight, 12 pm is noon; 13 pm is not a time.
    twelve = pl.when(hour.is_between(1, 12)).then(hour % 12 + pl.when(half == "p").then(12).otherwise(0))
    hour = pl.when(half.is_not_null()).then(twelve).otherwise(hour)
    clock = pl.format(
        "{}:{}:{}.{}", pl.when(parts.field("hour").is_null()).then(0).otherwise(hour),
        parts.field("minute").fill_null("00"), parts.field("second").fill_null("00"),
        parts.field("fraction").str.slice(0, 9).fill_null("0"),
    )  # fmt: skip
    moment = pl.format("{} {}", day, clock).str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False, time_unit="us")
    return (moment.dt.epoch("us") - _shift(parts.field("zone"))).cast(pl.Int64)


def _year_month_day(date: pl.Expr, order: str | None) -> pl.Expr:
    """A date as 2009-12-01, null if its format is unknown."""
    shapes = {
        r"^(?P<y>\d{4})[-/. ](?P<m>\d{1,2})[-/. ](?P<d>\d{1,2})$": "",
        r"^(?P<y>\d{4})(?P<m>\d\d)(?P<d>\d\d)$": "",
        rf"(?i)^(?P<d>\d{{1,2}})(?:st|nd|rd|th|\.)?[ /-]*(?:of )?(?P<m>{_MONTH})[ ./,-]*(?P<y>\d{{4}}|\d\d)$": "",
        rf"(?i)^(?P<m>{_MONTH})[ ./-]*(?P<d>\d{{1,2}})(?:st|nd|rd|th)?[ ./,-]+(?P<y>\d{{4}}|\d\d)$": "",
        rf"(?i)^(?P<y>\d{{4}})[ ./-]*(?P<m>{_MONTH})[ ./-]*(?P<d>\d{{1,2}})$": "",
        r"^(?P<d>\d{1,2}) ?[-/.] ?(?P<m>\d{1,2}) ?[-/.] ?(?P<y>\d{4}|\d\d)$": DAY_FIRST,
        r"^(?P<m>\d{1,2}) ?[-/.] ?(?P<d>\d{1,2}) ?[-/.] ?(?P<y>\d{4}|\d\d)$": MONTH_FIRST,
        r"^(?P<y>\d\d) ?[-/.] ?(?P<m>\d{1,2}) ?[-/.] ?(?P<d>\d{1,2})$": YEAR_FIRST,
    }
    found = [
        pl.format("{}-{}-{}", _whole_year(groups.field("y")), _month_number(groups.field("m")), groups.field("d"))
        for groups in (date.str.extract_groups(s).struct for s, needed in shapes.items() if needed in ("", order))
    ]
    return pl.coalesce(found)


def _whole_year(year: pl.Expr) -> pl.Expr:
    """A four-digit year: 70 to 99 are in the 20th century, as in strptime, because events begin in 1970."""
    short = pl.when(year.str.to_integer(strict=False) >= 70).then(pl.lit("19")).otherwise(pl.lit("20"))
    return pl.when(year.str.len_chars() == 2).then(short + year).otherwise(year)


def _month_number(month: pl.Expr) -> pl.Expr:
    numbers = {name: str(number) for number, name in enumerate(_MONTHS, start=1)}
    return pl.coalesce(
        month.str.slice(0, 3).str.to_lowercase().replace_strict(numbers, default=None, return_dtype=pl.String), month
    )


def _shift(zone: pl.Expr) -> pl.Expr:
    """Offset of a zone such as +02:00, +0200 or +02 in microseconds; 0 for none."""
    zone = zone.str.replace(":", "")
    minutes = zone.str.slice(1, 2).cast(pl.Int64, strict=False) * 60
    minutes += zone.str.slice(3, 2).cast(pl.Int64, strict=False).fill_null(0)
    return pl.when(zone.str.starts_with("-")).then(-minutes).otherwise(minutes).fill_null(0) * 60 * 10**6
