from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.tokenization.sequences.click_labels import empty_clicks, label_events, label_impressions, labels_from
from xcat_rec.tokenization.sequences.click_options import ClickOptions, plain_options
from xcat_rec.tokenization.tables.schema import validate_tables

ROWS = st.lists(
    st.tuples(st.sampled_from("uv"), st.sampled_from("ab"), st.integers(0, 6), st.sampled_from(["shown", "click"])),
    min_size=1,
    max_size=25,
)


def log_of(rows: list[Any]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp", "event_type"], orient="row")


@settings(max_examples=120, deadline=None)
@given(ROWS, st.sampled_from([None, 0, 2]))
def test_labels_of_impressions_match_brute_force(rows: list[Any], within: int | None) -> None:
    impressions = [n for n, row in enumerate(rows) if row[3] == "shown"]
    if not impressions:
        with pytest.raises(ValueError, match="no row has 'shown'; it has click"):
            label_impressions(log_of(rows), "shown", ["click"])
        return
    taken = set()
    for user, item, time, kind in rows:
        if kind != "click":
            continue
        before = [n for n in impressions if rows[n][:2] == (user, item) and rows[n][2] <= time]
        if before:
            last = max(before, key=lambda n: (rows[n][2], n))
            if within is None or time - rows[last][2] <= within:
                taken.add(last)
    made = label_impressions(log_of(rows), "shown", ["click"], within=within)
    assert made.rows() == [(*rows[n][:3], int(n in taken)) for n in impressions]


def test_impressions_need_times() -> None:
    with pytest.raises(ValueError, match="1 of 1 rows have no time"):
        label_impressions(log_of([("u", "a", None, "shown")]), "shown", ["click"])


def test_labels_are_found_by_the_column_or_the_names_of_types() -> None:
    plain = log_of([("u", "a", 1, "view"), ("u", "b", 2, "purchase")]).with_columns(rating=pl.Series([3.0, 5.0]))
    shown = log_of([("u", "a", 1, "ad_impression"), ("u", "a", 2, "purchase"), ("u", "b", 3, "ad_impression")])
    clicked = plain.with_columns(clicked=pl.Series([None, True]))
    assert labels_from(plain, ClickOptions()) == "events"
    assert labels_from(plain, ClickOptions(min_rating=4)) == "ratings"
    assert [labels_from(table, ClickOptions()) for table in (shown, clicked)] == ["impressions"] * 2
    found = label_events(shown, ClickOptions())
    assert (found.label.to_list(), found.in_history.to_list()) == ([1, None, 0], [False, True, False])
    rated = label_events(plain, ClickOptions(min_rating=4))
    assert (rated.kind, rated.label.to_list(), rated.in_history.to_list()) == ("rating", [0, 1], [True, True])


@pytest.mark.parametrize(
    ("clicked", "options", "message"),
    [
        ([True, True], {}, "all 2 impressions are positive"),
        ([False, False], {}, "none of 2 impressions is positive .column clicked., so there are no clicks"),
        (
            [None, None],
            {"labels": "impressions"},
            "all 2 values of the column clicked are empty, and no event type of impressions among view",
        ),
        ([None, None], {"min_rating": 9}, "none of 2 ratings is positive .min_rating=9; the ratings are 1.0 to 2.0"),
    ],
)
def test_tables_without_both_labels_are_refused(
    clicked: list[bool | None], options: dict[str, Any], message: str
) -> None:
    log = log_of([("u", "a", 1, "view"), ("u", "b", 2, "view")])
    log = log.with_columns(clicked=pl.Series(clicked, dtype=pl.Boolean), rating=pl.Series([1.0, 2.0]))
    with pytest.raises(ValueError, match=message):
        label_events(log, ClickOptions(**options))


def test_a_table_without_ratings_has_no_labels_of_ratings() -> None:
    log = log_of([("u", "a", 1, "view"), ("u", "b", 2, "view")]).with_columns(rating=pl.lit(None, pl.Float64))
    with pytest.raises(ValueError, match=r"column rating: none of 2 rows has a rating, and min_rating=4 makes labels"):
        label_events(log, ClickOptions(min_rating=4))


def test_an_empty_column_of_clicks_is_noted_where_negatives_are_sampled_for_it() -> None:
    log = log_of([("u", "a", 1, "view"), ("u", "b", 2, "view")])
    empty = log.with_columns(clicked=pl.lit(None, pl.Boolean))
    (note,) = empty_clicks(empty, "is_click", ClickOptions(negatives="popularity"))
    wanted = "events, column is_click: all 2 values are empty, so negatives are sampled (popularity); write 1 for"
    assert note.startswith(wanted)
    assert not empty_clicks(log, "clicked", ClickOptions())
    assert not empty_clicks(empty, "clicked", ClickOptions(labels="events"))
    assert not empty_clicks(empty.with_columns(clicked=pl.Series([None, True])), "clicked", ClickOptions())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": "clicks"}, "labels is 'clicks'; give one of auto, impressions"),
        ({"negatives": "hard"}, "negatives is 'hard'"),
        ({"train_negatives": 0}, "train_negatives is 0; give at least 1"),
        ({"eval_negatives": 1.5}, "eval_negatives is 1.5; give a whole number, at least 1"),
        ({"train_negatives": None}, "train_negatives is None; give a whole number"),
        ({"min_history": "2"}, "min_history is a value of type str; give a whole number, at least 0"),
        ({"seed": 0.5}, "seed is 0.5; give a whole number"),
        ({"within": -1}, "within is -1; give at least 0"),
        ({"unclicked_per_click": math.inf}, "unclicked_per_click is inf; give a number"),
        ({"min_rating": "4"}, "min_rating is a value of type str; give a number"),
        ({"taken": [1]}, "taken holds a value of type int; give names"),
        ({"dense": None}, "dense is a list of names; got None"),
        ({"labels": "ratings"}, "needs min_rating"),
        ({"labels": "events", "min_rating": 4}, "min_rating is for labels='ratings'"),
        ({"unclicked_per_click": 0}, "unclicked_per_click is 0"),
        ({"dense": "price"}, r"dense is a text; give a list of names, such as \['price'\]"),
        ({"dense": ["x"], "categorical": ["x"]}, "'x' is in dense and in categorical"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ClickOptions(**options)


def test_options_of_any_library_are_plain_afterwards() -> None:
    found = ClickOptions(train_negatives=np.int64(2), within=3600.0, dense=pl.Series(["price"]))
    assert (found.train_negatives, found.within, found.dense) == (2, 3600, ("price",))
    assert json.dumps(plain_options(found))


def test_what_made_all_labels_equal_is_named() -> None:
    log = pl.DataFrame(
        {"user_id": ["u"] * 2, "item_id": ["a"] * 2, "timestamp": [1, 5], "event_type": ["shown", "buy"]}
    )
    with pytest.raises(
        ValueError, match=r"^taken has 'bought', and no event is of such a type; the types are buy, shown"
    ):
        label_events(log, ClickOptions(shown=["shown"], taken=["bought"]))
    told = r"none of 1 impressions is positive \(event types shown, taken by buy, within=3 seconds\)"
    with pytest.raises(ValueError, match=told):
        label_events(log, ClickOptions(shown=["shown"], within=3))


def test_impressions_without_a_click_are_counted_without_an_example() -> None:
    """All have the value 0, which a mask would show as '9'."""
    items = pl.DataFrame({"item_id": ["A", "B"], "title": ["tea", "cup"]})
    log = {"user_id": ["U"] * 3, "item_id": ["A", "B", "A"], "timestamp": [1, 2, 3], "clicked": [1, 0, 0]}
    (found,) = (one for one in validate_tables(items, pl.DataFrame(log)).problems if one.column == "clicked")
    wanted = "events, column clicked: 2 rows are impressions without a click; they were read as event type impression"
    assert found.describe() == wanted
