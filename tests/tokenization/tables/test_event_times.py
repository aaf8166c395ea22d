"""Times that differ within a second are not ties, wherever events are sorted."""

from __future__ import annotations

from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from xcat_rec.tokenization.inspection.inspect import inspect_shop
from xcat_rec.tokenization.sequences.build import build_splits, cut_events
from xcat_rec.tokenization.sequences.click_labels import label_impressions
from xcat_rec.tokenization.sequences.filters import RepeatPolicy, add_sessions, without_repeats
from xcat_rec.tokenization.sequences.splits import SPLITS
from xcat_rec.tokenization.sequences.timeline import TiePolicy, Unit, sort_events
from xcat_rec.tokenization.tables.event_times import exact_times, with_times_to_write
from xcat_rec.tokenization.tables.problems import TableError
from xcat_rec.tokenization.tables.schema import EVENT_SCHEMA, ShopTables, validate_tables
from xcat_rec.tokenization.tables.time_columns import read_times
from xcat_rec.tokenization.vocabulary import ItemVocabulary

START = 1_600_000_000
ITEMS = list("abcd")
AFTER = [900, 700, 400, 100]
"""Milliseconds of the events with d, c, b and a: the file holds the newest first, as an export may."""
CLOCKS = {
    "milliseconds": [START * 1000 + more for more in AFTER],
    "texts of milliseconds": [str(START * 1000 + more) for more in AFTER],
    "nanoseconds": [START * 10**9 + more * 10**6 for more in AFTER],
    "seconds with decimals": [START + more / 1000 for more in AFTER],
    "date-times": pl.Series([START * 1000 + more for more in AFTER]).cast(pl.Datetime("ms")),
    "texts": [f"2020-09-13T14:26:40.{more}+02:00" for more in AFTER],
}


def burst(times: Any = CLOCKS["milliseconds"], items: str = "dcba") -> ShopTables:
    events = pl.DataFrame({"user_id": ["ann"] * len(items), "item_id": list(items), "timestamp": times})
    return validate_tables(pl.DataFrame({"item_id": ITEMS, "title": ITEMS}), events)


def held_out(shop: ShopTables, split: str = "leave-one-out", **options: Any) -> list[tuple[list[str], list[str], Any]]:
    vocabulary = ItemVocabulary(pa.table({"item_id": ITEMS}))
    rows = build_splits(shop, vocabulary, [], split=split, **options)["test"]
    return [(vocabulary.decode(r["items"]), vocabulary.decode(r["targets"]), r["timestamps"]) for r in rows]


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("tie_policy", TiePolicy)
@pytest.mark.parametrize("split", ["leave-one-out", "last-basket"])
def test_order_follows_fractions_of_seconds(clock: str, tie_policy: str, split: str) -> None:
    shop = burst(CLOCKS[clock])
    assert exact_times(shop.events).to_list() == [START * 10**6 + more * 1000 for more in AFTER]
    assert not [problem for problem in shop.problems if problem.kind != "timestamp_unit"]
    assert held_out(shop, split, tie_policy=tie_policy, seed=1) == [(["a", "b", "c"], ["d"], [START] * 3)]


def test_only_equal_times_are_ties() -> None:
    shop = burst([START * 1000 + more for more in (900, 400, 400, 100)])
    assert held_out(shop) == [(["a", "c", "b"], ["d"], [START] * 3)]
    drawn = {tuple(held_out(shop, tie_policy="shuffle", seed=seed)[0][0]) for seed in range(8)}
    assert drawn == {("a", "b", "c"), ("a", "c", "b")}


def test_only_equal_times_repeat_an_event() -> None:
    assert burst([START * 1000, START * 1000 + 90], "aa").report.problems[-1].kind == "timestamp_unit"
    repeated = burst([START * 1000 + 90] * 2 + [START * 1000 + 91], "aaa").report.problems[-1]
    assert (repeated.kind, repeated.count) == ("repeated_event", 1)


def test_whole_seconds_add_no_column() -> None:
    assert burst([START * 1000] * 4).events.columns == list(EVENT_SCHEMA)
    mine = pl.DataFrame({"user_id": ["ann"], "item_id": ["a"], "timestamp": [START], "_microsecond": [7]})
    shop = validate_tables(pl.DataFrame({"item_id": ["a"], "title": ["a"]}), mine)
    assert shop.events.columns == [*EVENT_SCHEMA, "original__microsecond"]


def test_a_split_by_time_cuts_within_a_second() -> None:
    cut = cut_events(SPLITS["global-time"], sort_events(burst().events, Unit.BASKET, TiePolicy.FILE, 0))
    assert cut.train.tolist() == [True, True, True, False]
    assert cut.test.target.tolist() == [False, False, False, True]


def test_the_newest_item_is_the_latest_within_a_second() -> None:
    events = {
        "user_id": ["ann", "ann", "bob", "bob", "bob"],
        "item_id": list("edcba"),
        "timestamp": [START * 1000 + more for more in (900, 700, 400, 100, 50)],
    }
    items = pl.DataFrame({"item_id": list("abcde"), "title": list("abcde")})
    line = sort_events(validate_tables(items, pl.DataFrame(events)).events, Unit.BASKET, TiePolicy.FILE, 0)
    assert line.events["item_id"].to_list() == list("deabc")
    # e is the newest; c is not, although it is last in the table.
    assert cut_events(SPLITS["cold-items"], line).train.tolist() == [True, False, True, True, True]


def test_repeats_and_sessions_use_the_exact_time() -> None:
    events = burst([START * 1000 + more for more in (1950, 700, 400, 100)], "abaa").events
    assert without_repeats(events, RepeatPolicy.COLLAPSE)["timestamp"].to_list() == [START + 1, START, START]
    assert without_repeats(events, RepeatPolicy.FIRST)["item_id"].to_list() == ["b", "a"]
    assert add_sessions(events, 1)["basket_id"].to_list() == ["session 1", *["session 0"] * 3]


def test_a_click_before_the_impression_within_a_second_does_not_count() -> None:
    log = burst([START * 1000 + more for more in (500, 200, 600)], "aab").events
    log = log.with_columns(event_type=pl.Series(["shown", "click", "shown"]))
    assert label_impressions(log, "shown", ["click"])["label"].to_list() == [0, 0]
    clicked = log.with_columns(event_type=pl.Series(["click", "shown", "shown"]))
    assert label_impressions(clicked, "shown", ["click"], within=0)["label"].to_list() == [0, 0]


def test_category_changes_are_counted_in_exact_order() -> None:
    items = pl.DataFrame({"item_id": ITEMS, "title": ITEMS, "category": ["x", "y", "y", "y"]})
    log = pl.DataFrame({"user_id": ["ann"] * 4, "item_id": list("dabc"), "timestamp": CLOCKS["milliseconds"]})
    assert inspect_shop(validate_tables(items, log)).switch_rate == pytest.approx(2 / 3)


def test_written_times_are_read_back_unchanged() -> None:
    shop = burst()
    again = validate_tables(shop.items, with_times_to_write(shop.events))
    assert again.events.equals(shop.events)
    whole = burst([START] * 4).events
    assert with_times_to_write(whole) is whole


def test_texts_among_seconds_are_counted_from_their_first_row() -> None:
    times = [str(START + n) if n % 10 != 4 else "yesterday" for n in range(40)]
    with pytest.raises(TableError) as found:
        burst(times, "abcd" * 10)
    wrong = [problem for problem in found.value.problems if problem.fatal]
    assert [(one.kind, one.count, one.example, one.row) for one in wrong] == [("bad_timestamp", 4, "yesterday", 5)]
    dates = read_times(pl.Series(["20240131", "20240201", "20240202", "2024-02-03", "soon"]))
    assert dates.bad.to_list() == [False] * 4 + [True], "dates without separators are no seconds"
