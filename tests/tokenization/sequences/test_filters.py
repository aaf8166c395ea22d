from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.tokenization.sequences.filters import RepeatPolicy, add_sessions, filter_events, k_core, without_repeats
from xcat_rec.tokenization.tables.schema import ShopTables, TableError, validate_tables
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import split_shop

from ...tiny_shop import shop as tiny_shop

LOGS = st.lists(
    st.tuples(st.sampled_from("uvw"), st.sampled_from("abcd"), st.integers(0, 5), st.sampled_from(["view", "buy"])),
    min_size=1,
    max_size=30,
)


def shop_of(rows: list[tuple[str, str, int, str]]) -> ShopTables:
    users, items, times, kinds = zip(*rows, strict=True)
    log = {"user_id": users, "item_id": items, "timestamp": [1_600_000_000 + t for t in times], "event_type": kinds}
    return validate_tables(pl.DataFrame({"item_id": list("abcd"), "title": list("abcd")}), pl.DataFrame(log))


@settings(max_examples=80, deadline=None)
@given(LOGS)
def test_filtered_repeats_match_brute_force(rows: list[Any]) -> None:
    events = shop_of(rows).events
    ordered = sorted(range(len(rows)), key=lambda n: (rows[n][0], rows[n][2], n))
    last: dict[str, tuple[str, str]] = {}
    seen: set[tuple[str, str, str]] = set()
    collapsed, first = [], []
    for n in ordered:
        user, item, _, kind = rows[n]
        if last.get(user) != (item, kind):
            collapsed.append(n)
        last[user] = (item, kind)
        if (user, item, kind) not in seen:
            first.append(n)
        seen.add((user, item, kind))
    assert without_repeats(events, RepeatPolicy.COLLAPSE).equals(events[sorted(collapsed)])
    assert without_repeats(events, RepeatPolicy.FIRST).equals(events[sorted(first)])
    assert without_repeats(events, RepeatPolicy.KEEP) is events


@settings(max_examples=80, deadline=None)
@given(LOGS, st.integers(0, 5), st.integers(0, 5))
def test_the_core_matches_brute_force(rows: list[Any], min_user: int, min_item: int) -> None:
    left = list(range(len(rows)))
    while True:
        users, items = [rows[n][0] for n in left], [rows[n][1] for n in left]
        kept = [n for n in left if users.count(rows[n][0]) >= min_user and items.count(rows[n][1]) >= min_item]
        if kept == left:
            break
        left = kept
    events = shop_of(rows).events
    assert k_core(events, min_user, min_item).equals(events[left])


@settings(max_examples=60, deadline=None)
@given(LOGS, st.integers(1, 4))
def test_sessions_end_at_longer_gaps(rows: list[Any], gap: int) -> None:
    made = add_sessions(shop_of(rows).events, gap)
    for user in {row[0] for row in rows}:
        own = made.filter(pl.col("user_id") == user).sort("timestamp", maintain_order=True)
        times, sessions = own["timestamp"].to_list(), own["basket_id"].to_list()
        number = 0
        for n in range(len(times)):
            number += n > 0 and times[n] - times[n - 1] > gap
            assert sessions[n] == f"session {number}"


def test_existing_baskets_stay_and_times_are_required() -> None:
    log = shop_of([("u", "a", 0, "buy"), ("u", "b", 1, "buy")]).events.with_columns(
        basket_id=pl.Series(["till 7", None])
    )
    assert add_sessions(log, 10)["basket_id"].to_list() == ["till 7", "session 0"]
    with pytest.raises(ValueError, match="1 of 2 rows have no time, and sessions need one for every event"):
        add_sessions(log.with_columns(timestamp=pl.Series([None, 1])), 10)


def test_order_decides_if_times_are_missing() -> None:
    log = shop_of([("u", "a", 0, "buy"), ("u", "b", 1, "buy"), ("u", "a", 2, "buy")]).events.with_columns(
        timestamp=pl.lit(None, pl.Int64), order=pl.Series([2, 3, 1])
    )
    assert without_repeats(log, RepeatPolicy.COLLAPSE)["item_id"].to_list() == ["b", "a"]
    assert without_repeats(log, RepeatPolicy.FIRST)["order"].to_list() == [3, 1]


def test_items_are_filtered_with_their_events() -> None:
    rows = [
        ("u", "a", 0, "buy"),
        ("u", "a", 1, "buy"),
        ("u", "b", 2, "buy"),
        ("v", "a", 0, "buy"),
        ("v", "b", 1, "buy"),
    ]
    tables = shop_of([*rows, ("w", "c", 0, "buy")])
    assert filter_events(tables) is tables
    made = filter_events(tables, repeats="first", min_user_events=2, min_item_events=2)
    assert made.events.select("user_id", "item_id").rows() == [("u", "a"), ("u", "b"), ("v", "a"), ("v", "b")]
    assert made.items["item_id"].to_list() == ["a", "b"]
    assert made.card.rows == {"items": 2, "events": 4} and made.card.users == 2
    assert filter_events(tables, min_user_events=2).items.height == 4, (
        "the catalogue is whole without an item's minimum"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"repeats": "last"}, "repeats is 'last'; give one of keep, collapse, first"),
        ({"min_user_events": -1}, "min_user_events is -1; give 0 for none, or a number from 1"),
        ({"min_item_events": -2}, "min_item_events is -2"),
        ({"session_gap": -3}, "session_gap is -3"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        filter_events(shop_of([("u", "a", 0, "buy")]), **options)


def test_an_empty_core_is_refused() -> None:
    with pytest.raises(TableError, match="none of 1 is left; make min_user_events and min_item_events smaller"):
        filter_events(shop_of([("u", "a", 0, "buy")]), min_item_events=2)


def test_preparation_applies_the_options() -> None:
    data = split_shop(tiny_shop(), PreparationOptions(min_item_events=12, repeats="first"))
    vocabulary, splits = data.vocabulary, data.splits
    counts = tiny_shop().events.unique(["user_id", "item_id", "event_type"])["item_id"].value_counts()
    assert vocabulary.num_items == (counts["count"] >= 12).sum() > 0
    assert all(
        len(set(zip(row["items"], row["event_types"], strict=True))) == len(row["items"]) for row in splits["train"]
    )
    sessions = split_shop(tiny_shop(), PreparationOptions(session_gap=86_400 * 2, split="last-basket")).splits
    assert max(map(len, sessions["test"]["targets"])) > 1


def test_an_item_without_events_leaves_although_all_events_stay() -> None:
    events = pl.DataFrame({"user_id": ["u", "u"], "item_id": ["a", "a"], "timestamp": [1, 2]})
    shop = validate_tables(pl.DataFrame({"item_id": ["a", "b"], "title": ["A", "B"]}), events)
    assert filter_events(shop, min_item_events=1).items["item_id"].to_list() == ["a"]
    assert filter_events(shop, min_user_events=2) is shop
