"""Splits against an event-by-event oracle, and planted leaks."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from datasets import DatasetDict, List, Value
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.tokenization.sequences.build import build_splits, cut_events, resolve_split, trained_items
from xcat_rec.tokenization.sequences.filters import filter_events
from xcat_rec.tokenization.sequences.splits import SPLITS, share_of
from xcat_rec.tokenization.sequences.timeline import TiePolicy, Unit, sort_events
from xcat_rec.tokenization.tables.schema import ShopTables, validate_tables
from xcat_rec.tokenization.vocabulary import ItemVocabulary

Event = dict[str, Any]
Rows = list[tuple[str, list[str], list[str]]]
TIMED = ("global-time", "cold-items")


def shop_of(events: list[Event], further_items: tuple[str, ...] = ()) -> tuple[ShopTables, ItemVocabulary]:
    columns = {name: [event.get(name) for event in events] for name in {key for event in events for key in event}}
    ids = list(dict.fromkeys([*(event["item_id"] for event in events), *further_items]))
    items = pl.DataFrame({"item_id": ids, "title": ids})
    shop = validate_tables(items, pl.DataFrame(columns))
    return shop, ItemVocabulary(pa.table({"item_id": ids}))


def split_events(events: list[Event], split: str, **options: Any) -> tuple[DatasetDict, ItemVocabulary]:
    shop, vocabulary = shop_of(events)
    return build_splits(shop, vocabulary, shop.event_type_names(), split=split, **options), vocabulary


def named(splits: DatasetDict, vocabulary: ItemVocabulary) -> dict[str, Rows]:
    """Rows with external ids: (user, items, targets)."""
    return {
        name: [
            (row["user_id"], vocabulary.decode(row["items"]), vocabulary.decode(row.get("targets", [])))
            for row in rows
        ]
        for name, rows in splits.items()
    }


def timed(text: str, start: int = 1_600_000_000) -> list[Event]:
    """Events of one user from "a1 b2 c2": an item and the time it was at."""
    return [{"user_id": "ann", "item_id": word[:-1], "timestamp": start + int(word[-1])} for word in text.split()]


# The oracle: plain loops, written from the description of the splits and not from their code.


def oracle(events: list[Event], split: str) -> dict[str, Rows]:
    has_times = all(event["timestamp"] is not None for event in events)
    users: dict[str, list[tuple[int, Event]]] = defaultdict(list)
    for place, event in enumerate(events):
        users[event["user_id"]].append((place, event))
    stamps = sorted(event["timestamp"] for event in events) if has_times else []
    has_baskets = any(event["basket_id"] is not None for event in events)
    marked = any(event["is_target"] for event in events)
    ages = cold_ages(events, split) if split == "cold-items" else {}

    def key(place: int, event: Event) -> tuple[int, ...]:
        return (event["timestamp"], event["order"] or 0, place) if has_times else (event["order"], place)

    def unit_of(place: int, event: Event) -> object:
        in_baskets = split == "last-basket" or (split in ("global-time", "cold-items") and has_baskets)
        if in_baskets and event["basket_id"] is not None:
            return "basket", event["basket_id"]
        if split == "last-basket":
            return "clock", event["timestamp"] if has_times else event["order"]
        return "event", place

    made: dict[str, Rows] = {"train": [], "validation": [], "test": []}
    for user, own in users.items():
        units: dict[object, list[tuple[tuple[int, ...], Event]]] = defaultdict(list)
        for place, event in own:
            units[unit_of(place, event)].append((key(place, event), event))
        ends = {u: tuple(max(k[i] for k, _ in found) for i in range(len(found[0][0]))) for u, found in units.items()}
        ordered = [
            [e for _, e in sorted(units[u], key=lambda pair: pair[0])] for u in sorted(units, key=ends.__getitem__)
        ]
        line = [event for unit in ordered for event in unit]
        train: list[Event] = line
        held: dict[str, list[Event]] = {"validation": [], "test": []}
        if split in ("leave-one-out", "last-basket"):
            if len(ordered) >= 3:
                held = {"validation": ordered[-2], "test": ordered[-1]}
                train = [event for unit in ordered[:-2] for event in unit]
        elif split == "global-time":
            first, second = stamps[int(len(stamps) * 0.8)], stamps[int(len(stamps) * 0.9)]
            closed = [(max(event["timestamp"] for event in unit), unit) for unit in ordered]
            train = [event for time, unit in closed for event in unit if time < first]
            held["validation"] = next((unit for time, unit in closed if first <= time < second), [])
            held["test"] = next((unit for time, unit in closed if time >= second), [])
        elif split == "user-level":
            part = share_of(user)
            train = line if part < 0.8 else []
            held["test" if part >= 0.9 else "validation"] = line[-1:] if part >= 0.8 else []
        elif split == "cold-items":
            kind_of = {
                id(event): ("train", "validation", "test")[
                    (ages[event["item_id"]] >= 0.8) + (ages[event["item_id"]] >= 0.9)
                ]
                for event in line
            }
            cold = [any(kind_of[id(event)] != "train" for event in unit) for unit in ordered]
            until = cold.index(True) if any(cold) else len(ordered)
            train = [event for unit in ordered[:until] for event in unit]
            for name in held:
                own_targets = [[event for event in unit if kind_of[id(event)] == name] for unit in ordered]
                place = next((n for n, targets in enumerate(own_targets) if targets), None)
                if place:
                    history = [event["item_id"] for unit in ordered[:place] for event in unit]
                    wanted = list(dict.fromkeys(event["item_id"] for event in own_targets[place]))
                    made[name].append((user, history, wanted))
        else:
            for name, label in (("validation", "valid"), ("test", "test")):
                inside = [event for event in line if event["split"] == label]
                if marked:
                    held[name] = [event for event in inside if event["is_target"]]
                else:
                    held[name] = inside[-1:] if len(inside) == len(line) else inside
            train = []
            for event in line:
                if event["split"] != "train":
                    break
                train.append(event)
        if len(train) >= 2:
            made["train"].append((user, [event["item_id"] for event in train], []))
        for name, targets in held.items():
            before = next((i for i, event in enumerate(line) if any(event is t for t in targets)), 0)
            if before:
                wanted = list(dict.fromkeys(event["item_id"] for event in targets))
                made[name].append((user, [event["item_id"] for event in line[:before]], wanted))
    return made


def cold_ages(events: list[Event], split: str) -> dict[str, float]:
    """Age rank of each item: by its first time, then by its first position in the sorted events."""
    shop, _ = shop_of(events)
    line = sort_events(shop.events, SPLITS[split].unit, TiePolicy.FILE, 0).events
    first: dict[str, tuple[int, int]] = {}
    for place, (name, time) in enumerate(zip(line["item_id"], line["timestamp"], strict=True)):
        seen = first.get(name, (time, place))
        first[name] = (min(seen[0], time), seen[1])
    return {name: rank / len(first) for rank, name in enumerate(sorted(first, key=first.__getitem__))}


@st.composite
def event_tables(draw: st.DrawFn) -> list[Event]:
    count = draw(st.integers(1, 24))
    with_times = draw(st.booleans())
    with_order = draw(st.booleans()) or not with_times
    with_baskets = draw(st.booleans())
    with_marks = draw(st.booleans())
    small = st.integers(0, 5)
    return [
        {
            "user_id": draw(st.sampled_from("abc")),
            "item_id": draw(st.sampled_from("uvwxyz")),
            "timestamp": 1_600_000_000 + draw(small) if with_times else None,
            "order": draw(small) if with_order else None,
            "split": draw(st.sampled_from(["train", "train", "valid", "test"])),
            "is_target": draw(st.booleans()) if with_marks else None,
            "basket_id": draw(st.sampled_from(["p", "q", "r", None])) if with_baskets else None,
        }
        for _ in range(count)
    ]


@pytest.mark.parametrize("split", SPLITS)
@settings(max_examples=30, deadline=None)
@given(events=event_tables())
def test_splits_match_the_oracle(split: str, events: list[Event]) -> None:
    if split in TIMED and events[0]["timestamp"] is None:
        with pytest.raises(ValueError, match=f"column timestamp: {len(events)} of {len(events)} rows have no time"):
            split_events(events, split)
        return
    splits, vocabulary = split_events(events, split)
    assert named(splits, vocabulary) == oracle(events, split)


@pytest.mark.parametrize("tie_policy", ["file", "shuffle"])
@pytest.mark.parametrize("split", SPLITS)
@settings(max_examples=8, deadline=None)
@given(events=event_tables(), seed=st.integers(0, 3))
def test_held_out_events_do_not_change_training(split: str, tie_policy: str, events: list[Event], seed: int) -> None:
    """Plant another item into every event that is not trained on: no training row may change."""
    if split in TIMED and events[0]["timestamp"] is None:
        return
    events = [{**event, "item_id": f"own{place}"} for place, event in enumerate(events)]
    splits, vocabulary = split_events(events, split, tie_policy=tie_policy, seed=seed)
    before = named(splits, vocabulary)
    trained = {item for _, items, _ in before["train"] for item in items}
    targets = {item for name in ("validation", "test") for _, _, items in before[name] for item in items}
    assert not trained & targets
    planted = [
        event if event["item_id"] in trained else {**event, "item_id": f"leak{place}"}
        for place, event in enumerate(events)
    ]
    splits, vocabulary = split_events(planted, split, tie_policy=tie_policy, seed=seed)
    assert named(splits, vocabulary)["train"] == before["train"]
    histories = {user: items for user, items, _ in before["train"]}
    for name in ("validation", "test"):
        for user, items, wanted in before[name]:
            assert not set(items) & set(wanted)
            assert items[: len(histories.get(user, []))] == histories.get(user, [])
    if split == "global-time":
        first = sorted(event["timestamp"] for event in events)[int(len(events) * 0.8)]
        assert all(event["timestamp"] < first for event in events if event["item_id"] in trained)


def test_leave_one_out_holds_out_the_last_two() -> None:
    splits, vocabulary = split_events(timed("b2 a1 d4 c3"), "leave-one-out")
    assert named(splits, vocabulary) == {
        "train": [("ann", ["a", "b"], [])],
        "validation": [("ann", ["a", "b"], ["c"])],
        "test": [("ann", ["a", "b", "c"], ["d"])],
    }


def test_users_with_two_events_are_trained_on_only_and_single_events_are_left_out() -> None:
    events = [*timed("a1 b2"), {"user_id": "bob", "item_id": "a", "timestamp": 1_600_000_000}]
    splits, vocabulary = split_events(events, "leave-one-out")
    assert named(splits, vocabulary) == {"train": [("ann", ["a", "b"], [])], "validation": [], "test": []}


def test_last_basket_has_several_targets_each_once() -> None:
    events = timed("a1 b1 c2 a2 d3 e3 d3")
    splits, vocabulary = split_events(events, "last-basket")
    assert named(splits, vocabulary) == {
        "train": [("ann", ["a", "b"], [])],
        "validation": [("ann", ["a", "b"], ["c", "a"])],
        "test": [("ann", ["a", "b", "c", "a"], ["d", "e"])],
    }


def test_column_without_marks_takes_the_last_event_of_a_user_who_is_held_out_whole() -> None:
    events = [{"user_id": u, "item_id": i, "order": n, "split": s} for u, i, n, s in [
        ("ann", "a", 0, "train_A"), ("ann", "b", 1, "train_A"), ("ann", "c", 2, "dev"), ("ann", "d", 3, "Test"),
        ("bob", "d", 0, "test"), ("bob", "b", 1, "test"), ("bob", "a", 2, "test"),
    ]]  # fmt: skip
    splits, vocabulary = split_events(events, "column")
    assert named(splits, vocabulary) == {
        "train": [("ann", ["a", "b"], [])],
        "validation": [("ann", ["a", "b"], ["c"])],
        "test": [("ann", ["a", "b", "c"], ["d"]), ("bob", ["d", "b"], ["a"])],
    }


def test_column_with_marks_takes_the_marked_events() -> None:
    events = [
        {"user_id": "eve", "item_id": i, "order": n, "split": "valid", "is_target": i == "c"}
        for n, i in enumerate("abcd")
    ]
    splits, vocabulary = split_events(events, "column")
    assert named(splits, vocabulary) == {"train": [], "validation": [("eve", ["a", "b"], ["c"])], "test": []}


def test_a_target_without_history_is_not_held() -> None:
    shop, _ = shop_of([{**event, "split": "test"} for event in timed("a1")])
    cut = cut_events(SPLITS["column"], sort_events(shop.events, Unit.EVENT, TiePolicy.FILE, 0))
    assert not cut.test.target.any()
    assert cut.test.history.tolist() == [0]


def test_column_refuses_gaps_and_unknown_values() -> None:
    events = [
        {**event, "split": split} for event, split in zip(timed("a1 b2 c3"), ["train", "holdout", "test"], strict=True)
    ]
    with pytest.raises(ValueError, match="column split: 1 row has a value that is not a split, for example 'xxxxxxx'"):
        split_events(events, "column")
    with pytest.raises(ValueError, match="column split: 1 of 3 rows have no value"):
        split_events([*events[:1], {**events[1], "split": None}, *events[2:]], "column")


def test_auto_takes_the_column_where_there_is_one() -> None:
    plain, _ = shop_of(timed("a1 b2"))
    labelled, _ = shop_of([{**event, "split": "train"} for event in timed("a1 b2")])
    assert resolve_split(plain, "auto") == "leave-one-out"
    assert resolve_split(labelled, "auto") == "column"
    assert resolve_split(labelled, "last-basket") == "last-basket"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"split": "random"},
            "split is 'random'; give auto or one of leave-one-out, last-basket, global-time, column, user-level, cold",
        ),
        ({"split": "last-baskets"}, r"split is 'last-baskets' \(did you mean 'last-basket'\?\); give auto or one of"),
        ({"split": "my_package:weekly"}, "one of .*, or import the package that registers it"),
        ({"split": "auto", "tie_policy": "coin"}, "tie_policy is 'coin'; give one of file, shuffle"),
        ({"split": "auto", "max_history": 0}, "max_history is 0; give a number from 1"),
    ],
)
def test_unknown_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        split_events(timed("a1 b2 c3"), **options)


def test_shuffled_ties_depend_on_the_seed_and_only_on_ties() -> None:
    events = timed("a1 b2 c2 d2 e2 f2 g2 h3 i4")
    made = [
        named(*split_events(events, "leave-one-out", tie_policy="shuffle", seed=s))["train"][0][1] for s in range(8)
    ]
    again = named(*split_events(events, "leave-one-out", tie_policy="shuffle", seed=3))["train"][0][1]
    assert again == made[3]
    assert len({tuple(items) for items in made}) > 4
    assert all(items[0] == "a" and sorted(items) == list("abcdefg") for items in made)
    filed = [named(*split_events(events, "leave-one-out", seed=seed))["train"][0][1] for seed in (0, 1)]
    assert filed == [list("abcdefg")] * 2


def test_shuffle_without_times_draws_among_equal_orders() -> None:
    events = [{"user_id": "ann", "item_id": item, "order": int(item in "fg")} for item in "abcdefg"]
    made = [
        named(*split_events(events, "leave-one-out", tie_policy="shuffle", seed=s))["train"][0][1] for s in range(6)
    ]
    assert len({tuple(items) for items in made}) > 3
    assert all(sorted(items) == list("abcde") for items in made)


def test_max_history_keeps_the_latest_events_of_queries_and_leaves_training_alone() -> None:
    splits, vocabulary = split_events(timed("a1 b2 c3 d4 e5"), "leave-one-out", max_history=2)
    assert named(splits, vocabulary) == {
        "train": [("ann", ["a", "b", "c"], [])],
        "validation": [("ann", ["b", "c"], ["d"])],
        "test": [("ann", ["c", "d"], ["e"])],
    }


def test_rows_have_event_features_and_mark_missing_ones() -> None:
    events = [
        {
            "user_id": "ann",
            "item_id": "a",
            "order": 0,
            "event_type": "view",
            "rating": 4.5,
            "timestamp": 1_600_000_000,
        },
        {"user_id": "ann", "item_id": "b", "order": 1, "event_type": "buy", "rating": None, "timestamp": None},
    ]
    shop, vocabulary = shop_of(events)
    assert shop.event_type_names() == ["buy", "view"]
    row = build_splits(shop, vocabulary, ["buy"], split="leave-one-out")["train"][0]
    assert row["items"] == [2, 3]
    assert row["event_types"] == [0, 1]
    assert row["ratings"][0] == 4.5
    assert math.isnan(row["ratings"][1])
    assert row["timestamps"] == [1_600_000_000, -1]


def test_features_are_the_same_for_empty_splits() -> None:
    splits, _ = split_events(timed("a1 b2"), "leave-one-out")
    lists = {"items": "int32", "event_types": "int32", "ratings": "float32", "timestamps": "int64"}
    expected = {"user_id": Value("string"), **{name: List(Value(kind)) for name, kind in lists.items()}}
    assert splits["train"].features == expected
    assert splits["test"].features == {**expected, "targets": List(Value("int32"))}
    assert len(splits["test"]) == 0


def test_an_item_outside_the_vocabulary_is_unknown_and_no_target() -> None:
    shop, _ = shop_of(timed("a1 b2 c3 d4 e5"))
    small = ItemVocabulary(pa.table({"item_id": ["a", "c", "d"]}))
    splits = build_splits(shop, small, ["interaction"], split="leave-one-out")
    assert splits["train"][0]["items"] == [2, 1, 3]
    assert splits["validation"][0]["targets"] == [4]
    assert len(splits["test"]) == 0


def test_trained_items_are_those_of_training_rows() -> None:
    events = [*timed("a1 b2 c3 d4"), *({**event, "user_id": "bob"} for event in timed("e1 f2"))]
    splits, vocabulary = split_events(events, "leave-one-out")
    trained = trained_items(splits["train"], len(vocabulary))
    assert [vocabulary.decode([row])[0] for row in np.flatnonzero(trained)] == ["a", "b", "e", "f"]
    picked = trained_items(splits["train"].select([1, 1]), len(vocabulary))
    assert [vocabulary.decode([row])[0] for row in np.flatnonzero(picked)] == ["e", "f"]


@pytest.mark.parametrize("split", SPLITS)
@settings(max_examples=25, deadline=None)
@given(
    events=event_tables(),
    tie_policy=st.sampled_from(["file", "shuffle"]),
    repeats=st.sampled_from(["keep", "collapse", "first"]),
    session_gap=st.sampled_from([0, 2]),
)
def test_training_rows_end_before_the_cut(
    split: str, events: list[Event], tie_policy: str, repeats: str, session_gap: int
) -> None:
    """A user's cut is the first target; of global-time, the moment that is the same for all."""
    timed_events = events[0]["timestamp"] is not None
    if not timed_events and (split in TIMED or session_gap):
        return
    shop, vocabulary = shop_of(events)
    # Ratings identify the events in a training row; cold items must stay unchanged.
    shop.events = shop.events.with_columns(rating=pl.int_range(pl.len()).cast(pl.Float64))
    shop = filter_events(shop, repeats=repeats, session_gap=session_gap)
    splits = build_splits(shop, vocabulary, [], split=split, tie_policy=tie_policy)
    clock = "timestamp" if timed_events else "order"
    when = dict(zip(shop.events["rating"], shop.events[clock], strict=True))
    trained = {row["user_id"]: [int(number) for number in row["ratings"]] for row in splits["train"]}
    moment = (
        sorted(shop.events["timestamp"].to_list())[int(shop.events.height * 0.8)] if split == "global-time" else None
    )
    cold = set()
    for part in ("validation", "test"):
        for row in splits[part]:
            own, history = trained.get(row["user_id"], []), [int(number) for number in row["ratings"]]
            assert own == history[: len(own)], "training is the beginning of every history"
            cold |= set(row["targets"])
            if own:
                targets = shop.events.filter(
                    pl.col("user_id") == row["user_id"],
                    pl.col("item_id").is_in(vocabulary.decode(row["targets"])),
                    ~pl.col("rating").is_in([float(number) for number in history]),
                )
                # Baskets are sorted by their last event, so that one may begin before another ends.
                baskets = targets["basket_id"].drop_nulls().to_list()
                unit = shop.events.filter(pl.col("user_id") == row["user_id"], pl.col("basket_id").is_in(baskets))
                whole = pl.concat([targets[clock], unit[clock]])
                cut = whole.max() if split in ("last-basket", *TIMED) else targets[clock].min()
                assert max(when[number] for number in own) <= cut
    if moment is not None:
        assert all(when[number] < moment for own in trained.values() for number in own)
    if split == "user-level":
        assert not set(trained) & {row["user_id"] for part in ("validation", "test") for row in splits[part]}
    if split == "cold-items":
        assert not cold & {item for row in splits["train"] for item in row["items"]}


def test_user_level_depends_only_on_the_id() -> None:
    events = [{"user_id": f"u{n}", "item_id": i, "order": k} for n in range(300) for k, i in enumerate("abc")]
    splits, vocabulary = split_events(events, "user-level")
    parts = {name: set(rows["user_id"]) for name, rows in splits.items()}
    assert sorted(map(len, parts.values())) == [24, 37, 239]
    fewer, _ = split_events(list(reversed(events))[: 3 * 100], "user-level")
    for name, rows in fewer.items():
        assert set(rows["user_id"]) == parts[name] & {f"u{n}" for n in range(200, 300)}
    held = splits["test"][0]
    assert vocabulary.decode(held["items"]) == ["a", "b"] and vocabulary.decode(held["targets"]) == ["c"]


def test_cold_items_are_the_newest_and_never_trained_on() -> None:
    # Ten items; by first event i (at 9) is validation and j (at 10) test, for any user.
    events = [
        {"user_id": "ann", "item_id": item, "timestamp": 1_600_000_001 + n} for n, item in enumerate("abcdefghij")
    ]
    events += [{"user_id": "bob", "item_id": i, "timestamp": 1_600_000_050 + n} for n, i in enumerate("abjci")]
    splits, vocabulary = split_events(events, "cold-items")
    assert named(splits, vocabulary) == {
        "train": [("ann", list("abcdefgh"), []), ("bob", ["a", "b"], [])],
        "validation": [("ann", list("abcdefgh"), ["i"]), ("bob", list("abjc"), ["i"])],
        "test": [("ann", list("abcdefghi"), ["j"]), ("bob", ["a", "b"], ["j"])],
    }
    with pytest.raises(
        ValueError, match="the split cold-items needs one for every event; fill them, or use cold_items="
    ):
        split_events([{"user_id": "ann", "item_id": item, "order": n} for n, item in enumerate("abc")], "cold-items")
