"""Times in the formats of exports."""

from __future__ import annotations

import datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.tokenization.tables.time_columns import read_times
from xcat_rec.tokenization.tables.time_texts import check_time_format, find_order, free_moment, read_moments

MORNING = "2009-12-01 07:45:00"
TEXTS = {
    "2009-12-01T07:45:00Z": MORNING, "20091201T074500Z": MORNING, "20091201 07:45": MORNING,
    "2009-12-01 07:45:00,5": "2009-12-01 07:45:00.5", "2009-12-01T07:45+02:00": "2009-12-01 05:45:00",
    "2009-12-01T07:45:00+01:00[Europe/Berlin]": "2009-12-01 06:45:00", "2009-12-01 07:45:00 +0000 UTC": MORNING,
    "2009.12.01 7:45": MORNING, "2009-12-01 07:45 PM": "2009-12-01 19:45:00", "01/12/2009, 07:45": MORNING,
    "1.12.09 7:45 a.m.": MORNING, "01-12-2009 12:30am": "2009-12-01 00:30:00",
    "1/12/2009 12:30 PM": "2009-12-01 12:30:00",
    "Dec 1, 2009 7:45 AM": MORNING, "December 1, 2009 at 7:45 AM": MORNING, "1 December 2009 07:45": MORNING,
    "01-Dec-09 07:45": MORNING, "1st of December 2009 07:45": MORNING, "01DEC2009 07:45": MORNING,
    "Tue, 01 Dec 2009 07:45:00 GMT": MORNING, "Tue Dec 01 07:45:00 +0200 2009": "2009-12-01 05:45:00",
    "2009-Dec-01 07:45": MORNING,
    "2009年12月1日 07:45": MORNING, "2009年12月01日7:45:00": MORNING, "2009 年 12 月 1 号 上午7时45分": MORNING,
    "2009年12月1日 星期二 下午7:45": "2009-12-01 19:45:00", "2009年12月1日 12点45分05秒": "2009-12-01 12:45:05",
    "2009年12月1日": "2009-12-01 00:00:00", "2009年12月1日(周二) 7时": "2009-12-01 07:00:00",
    "2009年12月1日 下午7时5分": "2009-12-01 19:05:00", "2009年12月1日 7点5分6秒": "2009-12-01 07:05:06",
    "2009年12月1日 凌晨1:05": "2009-12-01 01:05:00", "2009年12月1日 中午12:05": "2009-12-01 12:05:00",
}  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_times_are_read_in_all_formats(text: str) -> None:
    (moment,) = read_moments(pl.Series([text]), "day-first").cast(pl.Datetime("us")).to_list()
    assert moment == datetime.datetime.fromisoformat(TEXTS[text])


@pytest.mark.parametrize(
    "text",
    [
        "31/13/2009",
        "2009-02-30",
        "2009-12-01 13:45 PM",
        "15/02/2009 25:00",
        "n/a",
        "12/2009",
        "1/2/3/2009",
        "2009年13月1日",
        "2009年2月",
        "2009-12-01 07:045",
    ],
)
def test_other_texts_give_none(text: str) -> None:
    assert read_moments(pl.Series([text]), "day-first").to_list() == [None]


@pytest.mark.parametrize(
    ("texts", "order", "asked"),
    [
        (["01/12/2009", "14/12/2009"], "day-first", ""),
        (["01/12/2009", "12/14/2009"], "month-first", ""),
        (["24-01-31", "24-02-01"], "year-first", ""),
        (["05/05/2009"], "day-first", ""),  # the same in either order
        (["2009-12-01", None], None, ""),
        (["01/12/2009", "2009-12-01"], None, "is '01/12/2009' 1 December 2009"),
        (["01/02/03"], None, "is '01/02/03' 1 February 2003"),
    ],
)
def test_the_order_of_a_date_is_found_or_asked_for(texts: list[str | None], order: str | None, asked: str) -> None:
    reading = find_order(pl.DataFrame({"time": texts}).lazy(), "time")
    assert reading.order == order
    assert reading.question.startswith(asked) and bool(reading.question) == bool(asked)


@given(
    st.lists(st.datetimes(datetime.datetime(1970, 1, 1), datetime.datetime(2020, 1, 1)), min_size=1, max_size=8),
    st.sampled_from(["%d/%m/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%d.%m.%y %H:%M:%S", "%d %b %Y %H:%M:%S"]),
)
@settings(max_examples=10, deadline=None, derandomize=True)
def test_a_pattern_reads_its_own_output_and_the_detected_order_agrees(
    moments: list[datetime.datetime], pattern: str
) -> None:
    moments = [moment.replace(microsecond=0) for moment in moments]
    seconds = [int(moment.replace(tzinfo=datetime.UTC).timestamp()) for moment in moments]
    texts = pl.Series([moment.strftime(pattern) for moment in moments])
    assert read_times(texts, pattern).values.to_list() == seconds
    found = read_times(texts)
    if not found.reading.question and not found.bad.any() and any(moment.day > 12 for moment in moments):
        # A short year may be read as a day: only a year of four digits settles the order for certain.
        assert "%y" in pattern or found.values.to_list() == seconds


@pytest.mark.parametrize("order", ["day-first", "month-first"])
def test_short_dates_that_become_iso_are_read_like_all_others(order: str) -> None:
    texts = [
        f"{day}{sep}{month}{sep}2009{clock}"
        for day in ("1", "01", "28", "31", "32") for month in ("2", "02", "12", "13", "0")
        for sep in "/.-" for clock in ("", " 7:45", " 07:45", " 23:59:59", " 24:00", " 7:60", " 7:5")
    ]  # fmt: skip
    slowly = pl.DataFrame({"text": texts}).select(free_moment(order)).to_series()
    assert read_moments(pl.Series(texts), order).to_list() == slowly.to_list()
    assert 0 < slowly.null_count() < len(texts)


def test_the_order_is_decided_by_rows_and_not_by_days() -> None:
    rows = ["01/13/2009 7:45", "01/13/2009 8:00", "01/13/2009 9:30", "13/01/2009", "14/01/2009", "x", None]
    reading = find_order(pl.DataFrame({"time": rows}), "time")
    assert (reading.order, reading.rows) == ("month-first", 5)
    asked = find_order(pl.DataFrame({"time": ["05/05/2009 7:45", "01/12/2009 7:45", "01/12/2009 8:00"]}), "time")
    assert asked.question.startswith("is '01/12/2009 7:45' 1 December 2009") and asked.rows == 3


def test_fractions_are_read_like_python_writes_them() -> None:
    times = read_times(pl.Series(["01.12.2009 07:45:00.250000"]), "%d.%m.%Y %H:%M:%S.%f")
    assert times.microseconds is not None and times.microseconds.to_list() == [250_000]


@pytest.mark.parametrize(
    ("time_format", "message"),
    [("dayfirst", "did you mean 'day-first'?"), ("ISO", "give 'day-first', 'month-first'")],
)
def test_an_unknown_format_is_refused(time_format: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("?", r"\\?")):
        check_time_format(time_format)
    with pytest.raises(ValueError, match="not a strptime pattern"):
        read_moments(pl.Series(["2009-12"]), "%Y %H")
