"""Rows for click prediction against a plain computation over a list of events."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import datasets
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec import load_shop
from xcat_rec.tokenization.sequences.click_context import ClickContext, fit_context
from xcat_rec.tokenization.sequences.click_options import ClickOptions
from xcat_rec.tokenization.sequences.click_pairs import as_pairs
from xcat_rec.tokenization.sequences.click_rows import ClickData, split_clicks
from xcat_rec.tokenization.sequences.event_options import EventOptions
from xcat_rec.tokenization.sequences.sampled_clicks import with_negatives

FIRST = 1_500_000_000
ITEMS = [f"i{n}" for n in range(8)]
PART_NAMES = ("train", "validation", "test")
CLICKS = st.lists(
    st.tuples(
        st.sampled_from("uvw"), st.sampled_from(ITEMS), st.integers(0, 12), st.sampled_from([True, False, None])
    ),
    min_size=12,
    max_size=40,
)


def table(rows: list[Any], column: str = "clicked") -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp", column], orient="row").with_columns(
        pl.col("timestamp") + FIRST
    )


def written(rows: datasets.Dataset) -> str:
    """All values, with ratings that are NaN."""
    return str(rows.to_dict())


def pairs_of(data: ClickData, part: str) -> Counter[tuple[Any, ...]]:
    """Each showing with its history, by ids."""
    name = data.vocabulary.decode
    return Counter(
        (row["user_id"], *name([row["candidate"]]), row["timestamp"], row["label"], tuple(name(row["items"])))
        for row in as_pairs(data.splits[part])
    )


@settings(max_examples=25, deadline=None)
@given(CLICKS, st.sampled_from(["column", "global-time"]), st.integers(0, 2))
def test_impressions_have_all_earlier_clicks_as_history(rows: list[Any], split: str, least: int) -> None:
    log = table(rows)
    if split == "column":
        time = pl.col("timestamp") - FIRST
        log = log.with_columns(split=pl.when(time < 5).then(pl.lit("train")).otherwise(
            pl.when(time < 9).then(pl.lit("valid")).otherwise(pl.lit("test"))
        ))  # fmt: skip
        cuts = (FIRST + 5, FIRST + 9)
    else:
        times = sorted(log["timestamp"])
        cuts = (times[int(0.8 * len(times))], times[int(0.9 * len(times))])
    expected: tuple[Counter[tuple[Any, ...]], ...] = (Counter(), Counter(), Counter())
    for user, item, time, clicked in log.select("user_id", "item_id", "timestamp", "clicked").rows():
        before = log.filter(
            (pl.col("user_id") == user) & (pl.col("timestamp") < time) & pl.col("clicked").fill_null(True)
        ).sort("timestamp", maintain_order=True)["item_id"]
        if clicked is not None and len(before) >= least:
            expected[(time >= cuts[0]) + (time >= cuts[1])][user, item, time, int(clicked), tuple(before)] += 1
    shop = load_shop({"events": log, "items": pl.DataFrame({"item_id": ITEMS, "title": ITEMS})})
    options = EventOptions(split=split), ClickOptions(min_history=least, labels="impressions")
    if any(len({key[3] for key in part}) < 2 for part in expected):
        with pytest.raises(ValueError, match=r"needs both labels|are positive|is positive|no event type"):
            split_clicks(shop, *options)
        return
    data = split_clicks(shop, *options)
    assert tuple(pairs_of(data, part) for part in PART_NAMES) == expected
    trained = [row for row in rows if FIRST + row[2] < cuts[0] and row[3] is not False]
    for row in data.train:
        times = [time - FIRST for time in row["shown_timestamps"]]
        names = data.vocabulary.decode(row["shown_items"])
        for item, time, count in zip(names, times, row["shown_counts"], strict=True):
            assert count == sum(one[1] == item and one[2] < time for one in trained), "no later event is counted"
    assert "shown_counts" not in data.test.column_names
    assert data.true_rate == data.train_rate and data.kind == "impression"
    labelled = sum(clicked is not None for *_, clicked in rows)
    assert sum(data.left_out.values()) == labelled - sum(sum(part.values()) for part in expected)
    for part in PART_NAMES[1:]:
        for row in data.splits[part]:
            shown = zip(row["shown_items"], row["shown_labels"], strict=True)
            assert set(row["targets"]) == {item for item, label in shown if label}


LOG = [
    (user, ITEMS[(3 * n + place) % 8], 2 * n + place, (n + place) % 2 == 0)
    for place, user in enumerate("uvwx")
    for n in range(8)
]


@pytest.mark.parametrize("split", ["leave-one-out", "global-time", "user-level"])
def test_the_future_changes_no_input(split: str) -> None:
    """Poison: other items, times, ratings and clicks after a showing leave its row as it is."""
    options = EventOptions(split=split), ClickOptions(dense=["place"])
    people = [(f"{user}{n}", *rest) for n in range(6) for user, *rest in LOG]
    log = table(people).with_columns(rating=pl.lit(3.0), place=pl.col("timestamp").cast(pl.Float64))
    items = pl.DataFrame({"item_id": [*ITEMS, "poison"], "title": [*ITEMS, "poison"]})
    plain = split_clicks(load_shop({"events": log, "items": items}), *options)
    for time in (FIRST + 8, FIRST + 12):
        future = pl.col("timestamp") > time
        poisoned = log.with_columns(
            item_id=pl.when(future).then(pl.lit("poison")).otherwise("item_id"),
            rating=pl.when(future).then(1.0).otherwise("rating"),
            clicked=pl.when(future).then(~pl.col("clicked")).otherwise("clicked"),
        )
        changed = split_clicks(load_shop({"events": poisoned, "items": items}), *options)
        for part in PART_NAMES:
            before, after = (
                [{key: row[key] for key in row if key not in ("label", "dense")} for row in as_pairs(data.splits[part])
                 if row["timestamp"] <= time]
                for data in (plain, changed)
            )  # fmt: skip
            assert str(before) == str(after)


def test_column_by_the_users_name_and_words_for_clicks() -> None:
    log = table([(user, item, time, "yes" if clicked else "No") for user, item, time, clicked in LOG], "klick")
    shop = load_shop({"events": log}, columns={"clicked": "klick"})
    assert shop.events["clicked"].to_list() == [row[3] for row in LOG]
    assert shop.event_type_names() == ["impression", "interaction"]
    data = split_clicks(shop, EventOptions(split="leave-one-out"))
    assert data.kind == "impression" and data.event_types == ["interaction"]
    assert shop.columns.to_dict()["clicked"] == "klick"


def test_numbers_with_a_long_tail_are_read_as_logarithms() -> None:
    log = table([("uvw"[n % 3], ITEMS[n % 8], n, n % 2 == 0) for n in range(120)]).with_columns(
        count=pl.when(pl.int_range(pl.len()) == 20).then(10_000).otherwise(0), even=pl.int_range(pl.len())
    )
    options = EventOptions(split="global-time"), ClickOptions(dense=["count", "even"])
    context = split_clicks(load_shop({"events": log}), *options).context
    assert context.logarithms == ("count",) and type(context).from_dict(context.to_dict()) == context
    shown = pl.DataFrame({"count": [0, 9, -5, None], "even": [1, 2, 3, 4]})
    found = context.encode(shown)[0][:, 0]
    assert found[:3] == pytest.approx((np.log1p([0, 9, 0]) - context.means[0]) / context.deviations[0], rel=1e-5)
    assert found[3] == 0
    older = {name: value for name, value in context.to_dict().items() if name != "logarithms"}
    assert type(context).from_dict(older).logarithms == ()


def test_few_times_of_impressions_do_not_tell_the_share_of_positives() -> None:
    rows = [(f"u{n}", ITEMS[n % 8], n % 3, n % 5 == 0) for n in range(30)]
    rows += [(f"u{n % 30}", ITEMS[n % 7], 20 + n % 9, n % 2 == 0) for n in range(90)]
    rows += [(f"u{n % 30}", ITEMS[n % 7], 60 + n % 9, n % 2 == 0) for n in range(90)]
    log = table(rows).with_columns(
        split=pl.when(pl.col("timestamp") < FIRST + 20).then(pl.lit("train")).otherwise(
            pl.when(pl.col("timestamp") < FIRST + 60).then(pl.lit("validation")).otherwise(pl.lit("test"))
        )
    )  # fmt: skip
    found = split_clicks(load_shop({"events": log}), None, ClickOptions(min_history=0))
    assert found.kept_rate == found.true_rate == 0.2, "validation has impressions of nine times"
    more = log.with_columns(
        timestamp=pl.when((pl.col("user_id") == "u4") & (pl.col("split") == "validation"))
        .then(pl.lit(FIRST + 40)).otherwise(pl.col("timestamp"))
    )  # fmt: skip
    assert split_clicks(load_shop({"events": more}), None, ClickOptions(min_history=0)).kept_rate is None
    sampled = split_clicks(load_shop({"events": log.drop("clicked", "split")}))
    assert sampled.sampler is not None and sampled.kept_rate is None


def test_columns_of_impressions_become_inputs_from_training_values_only() -> None:
    log = table(LOG).with_columns(
        price=pl.when(pl.col("timestamp") > FIRST + 13).then(1e6).otherwise(pl.int_range(pl.len()) % 5),
        device=pl.when(pl.col("timestamp") > FIRST + 13).then(pl.lit("watch")).otherwise(pl.lit("phone")),
    )
    shop = load_shop({"events": log})
    data = split_clicks(shop, EventOptions(split="global-time"), ClickOptions(dense=["price"], categorical=["device"]))
    train = as_pairs(data.train)
    dense = [row["dense"][0] for row in train]
    assert abs(sum(dense) / len(dense)) < 1e-5 and abs(sum(x * x for x in dense) / len(dense) - 1) < 1e-4
    assert data.context.sizes == [2] and {row["categorical"][0] for row in train} == {1}
    late = [row for row in as_pairs(data.test) if row["timestamp"] > FIRST + 13]
    assert late and all(row["categorical"] == [0] and row["dense"][0] > 1000 for row in late)
    assert type(data.context).from_dict(data.context.to_dict()) == data.context
    for options, message in (
        (
            {"dense": ["rating"]},
            "'rating', which identifies an event or tells its outcome; choose among price, device",
        ),
        ({"dense": ["cost"]}, "'cost', which is not a column"),
        ({"dense": ["device"]}, "column device: none of .* training impressions is a number"),
    ):
        with pytest.raises(ValueError, match=message):
            split_clicks(shop, EventOptions(split="global-time"), ClickOptions(**options))


def test_values_of_a_number_column_that_are_no_numbers_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    """They count as missing, so their input is 0."""
    log = table(LOG).with_columns(
        price=pl.when(pl.col("timestamp") % 2 == 0).then(pl.lit("x")).otherwise(pl.col("timestamp").cast(pl.String))
    )
    data = split_clicks(load_shop({"events": log}), EventOptions(split="global-time"), ClickOptions(dense=["price"]))
    rows = as_pairs(data.train)
    unread = sum(row["timestamp"] % 2 == 0 for row in rows)
    assert all((row["dense"][0] == 0) == (row["timestamp"] % 2 == 0) for row in rows) and 0 < unread < len(rows)
    assert f"column price: {unread} of {len(rows)} values of training impressions are no numbers" in caplog.text


@pytest.mark.parametrize(
    ("trained", "later"),
    [
        (pl.Series([True, False, None]), [["True", "FALSE", ""], [1, 0, None], [1.0, 0.0, math.nan]]),
        (pl.Series([1, 0, None]), [[1.0, 0.0, None], ["1", "0", None], [True, False, None]]),
        (pl.Series([1.5, 12_345_678.0, None]), [["1.5", "12345678", None]]),
        (pl.Series(["01", "1.0", None]), [["01", "1", None]]),
    ],
)
def test_equal_categories_of_other_types_have_one_code(trained: pl.Series, later: list[list[Any]]) -> None:
    events = trained.to_frame("flag")
    context = fit_context(events, np.ones(3, dtype=bool), [], ["flag"])
    expected = context.encode(events)[1].ravel().tolist()
    assert sorted(expected) == [0, 1, 2] and expected[2] == 0
    for values in later:
        other = pl.DataFrame({"flag": values})
        assert context.encode(other)[1].ravel().tolist() == expected and context.notes(other, "rows") == []


def test_categories_of_older_checkpoints_keep_their_codes() -> None:
    context = ClickContext(categorical=("a",), categories=(("1", "1.0", "2.0", "True"),))
    assert context.encode(pl.DataFrame({"a": ["1", "1.0", "2", "true", "True", "x"]}))[1].ravel().tolist() == [
        1, 2, 3, 4, 4, 0
    ]  # fmt: skip
    assert context.encode(pl.DataFrame({"a": [1.0, 2.0]}))[1].ravel().tolist() == [2, 3]
    unknown = context.notes(pl.DataFrame({"a": ["x", "2", None]}), "rows")
    assert unknown == [
        "events, column a: 1 of 2 values of rows read as missing: not among 4 categories of the training"
    ]


@pytest.mark.parametrize("large", ["1e300", "-1e39", "inf"])
def test_numbers_beyond_float32_are_missing_and_counted(large: str, caplog: pytest.LogCaptureFixture) -> None:
    prices = [large if n % 4 == 0 else str(n) for n in range(20)]
    events = pl.DataFrame({"price": prices})
    context = fit_context(events, np.ones(20, dtype=bool), ["price"], [])
    assert "column price: 5 of 20 values of training impressions are no numbers, or beyond float32" in caplog.text
    numbers = context.encode(events)[0].ravel()
    assert np.isfinite(numbers).all() and (numbers[::4] == 0).all() and np.ptp(numbers) > 3
    small = ClickContext(dense=("price",), means=(0.0,), deviations=(1e-6,))
    assert small.encode(pl.DataFrame({"price": [1e35, 1e-6]}))[0].ravel().tolist() == [0, 1]
    note = "events, column price: 5 of 20 values of rows read as missing: no number within the range of float32"
    assert context.notes(events, "rows") == [note]


def test_context_of_other_tables_is_checked() -> None:
    log = table(LOG).with_columns(price=pl.int_range(pl.len()) % 5)
    options, clicks = EventOptions(split="global-time"), ClickOptions(dense=["price"])
    context = split_clicks(load_shop({"events": log}), options, clicks).context

    def again(price: pl.Expr) -> ClickData:
        return split_clicks(load_shop({"events": log.with_columns(price=price)}), options, clicks, context=context)

    with pytest.raises(ValueError, match=r"column price: none of .* values is a number, and the model was trained"):
        again(pl.lit("cheap"))
    empty = again(pl.lit(None, pl.Float64))
    count = len(as_pairs(empty.test))
    assert empty.context_notes["test"] == [
        f"events, column price: all {count} values of impressions of test are empty"
    ]
    assert again(pl.col("price")).context_notes == {name: [] for name in PART_NAMES}


def test_impressions_with_both_labels_are_counted() -> None:
    plain = table(LOG)
    assert split_clicks(load_shop({"events": plain})).notes == []
    shown = plain.filter(pl.col("clicked").is_not_null()).unique(("user_id", "item_id", "timestamp"))
    both = pl.concat([plain, shown[:2].with_columns(~pl.col("clicked"))])
    notes = split_clicks(load_shop({"events": both})).notes
    assert (
        len(notes) == 1 and " impressions have the user, item and time of another one with the other label" in notes[0]
    )
    assert notes[0].startswith("events: 4 of ")


def test_negatives_that_are_not_drawn_are_named(caplog: pytest.LogCaptureFixture) -> None:
    shop = load_shop({"events": table(LOG)})
    split_clicks(shop, None, ClickOptions())
    assert "negatives" not in caplog.text
    split_clicks(shop, None, ClickOptions(negatives="popularity"))
    assert "negatives='popularity' has no effect, because the table has the labels" in caplog.text


def test_missing_labels_may_be_nan() -> None:
    plain = table([(user, item, time, clicked if time % 3 else None) for user, item, time, clicked in LOG])
    log = plain.with_columns(clicked=pl.col("clicked").cast(pl.Float64).fill_null(math.nan))
    found, plain = (split_clicks(load_shop({"events": one}), None, ClickOptions()) for one in (log, plain))
    assert written(as_pairs(found.test)) == written(as_pairs(plain.test))


def test_training_keeps_a_number_of_impressions_without_a_click() -> None:
    log = table([(user, item, time, time % 5 == 0) for user, item, time, _ in LOG])
    make = lambda share: split_clicks(  # noqa: E731
        load_shop({"events": log}), EventOptions(split="leave-one-out"), ClickOptions(unclicked_per_click=share)
    )
    whole, even = make(None), make(1.0)
    labels = as_pairs(even.train)["label"][:]
    assert sum(labels) * 2 == len(labels) and even.train_rate == 0.5
    assert even.true_rate == whole.true_rate == whole.train_rate < 0.5
    assert written(as_pairs(even.test)) == written(as_pairs(whole.test))


def test_ratings_are_labels_of_events_that_stay_in_histories() -> None:
    rows = [(user, item, time, 5.0 if clicked else 2.0) for user, item, time, clicked in LOG]
    data = split_clicks(load_shop({"events": table(rows, "rating")}), None, ClickOptions(min_rating=4))
    assert (data.split, data.kind) == ("global-time", "rating")
    by_label = {(row["candidate"], row["label"]) for row in as_pairs(data.test)}
    assert {label for _, label in by_label} == {0, 1}
    assert all(len(row["ratings"]) == len(row["items"]) and 2.0 in row["ratings"] for row in data.test)


@pytest.mark.parametrize("kind", ["uniform", "popularity", "category"])
def test_sampled_negatives_are_items_that_the_user_never_has(kind: str) -> None:
    items = pl.DataFrame({"item_id": [f"i{n}" for n in range(40)]}).with_columns(
        title=pl.col("item_id"), category=pl.Series([f"c{n % 4}" for n in range(40)])
    )
    rows = [(f"u{n}", f"i{(n * 7 + 3 * step * step) % 40}", step, None) for n in range(20) for step in range(6)]
    shop = load_shop({"events": table(rows).drop("clicked"), "items": items})
    options = ClickOptions(negatives=kind, eval_negatives=2, train_negatives=4, seed=3)
    data = split_clicks(shop, EventOptions(split="leave-one-out"), options)
    again = split_clicks(shop, EventOptions(split="leave-one-out"), options)
    assert (data.kind, data.true_rate, data.train_rate) == (kind, 1 / 3, 1 / 5)
    assert data.sampler is not None
    had = {user: set(frame["item_id"]) for (user,), frame in shop.events.group_by("user_id")}
    category = dict(items.select("item_id", "category").rows())
    plain = shop.split(EventOptions(split="leave-one-out"))
    for part in PART_NAMES[1:]:
        rows_of = data.splits[part]
        assert written(rows_of) == written(again.splits[part])
        assert written(rows_of.select_columns(plain.splits[part].column_names)) == written(plain.splits[part])
        for row in rows_of:
            names = data.vocabulary.decode(row["shown_items"])
            if not names:
                continue
            assert row["shown_labels"] == [1, 0, 0] and row["shown_kinds"] == ["", kind, kind]
            assert row["shown_after"] == [len(row["items"])] * 3 and row["shown_items"][0] in row["targets"]
            assert not set(names[1:]) & had[row["user_id"]] and len(set(names)) == 3
            if kind == "category":
                assert len({category[name] for name in names}) == 1
    train = with_negatives(data.train, data.sampler, 4, seed=1)
    assert written(train) != written(with_negatives(data.train, data.sampler, 4, seed=2))
    for row in train:
        negatives = [item for item, label in zip(row["shown_items"], row["shown_labels"], strict=True) if not label]
        assert not set(negatives) & set(row["items"])
        assert row["shown_after"] == sorted(row["shown_after"]) and min(row["shown_after"], default=1) >= 1
        positives = [place for place, label in zip(row["shown_after"], row["shown_labels"], strict=True) if label]
        assert [row["items"][place] for place in positives] == [
            item for item, label in zip(row["shown_items"], row["shown_labels"], strict=True) if label
        ]


def test_held_out_items_do_not_change_training_rows() -> None:
    """A negative in training may be an item of the user's future: its absence would be a hint."""
    items = pl.DataFrame({"item_id": [f"i{n}" for n in range(9)], "title": "x"})
    rows = [(f"u{n}", f"i{(n + step) % 9}", step, None) for n in range(9) for step in range(6)]
    log = table(rows).drop("clicked")
    other = log.with_columns(item_id=pl.when(pl.col("timestamp") >= FIRST + 4).then(pl.lit("i0")).otherwise("item_id"))
    made = []
    for events in (log, other):
        data = split_clicks(load_shop({"events": events, "items": items}), EventOptions(split="leave-one-out"))
        assert data.sampler is not None
        made.append(written(with_negatives(data.train, data.sampler, 2)))
    assert made[0] == made[1]


def test_bad_tables_are_refused() -> None:
    log = table(LOG).drop("clicked")
    shop = load_shop({"events": log})
    with pytest.raises(ValueError, match="no item has a category, and negatives='category'"):
        split_clicks(shop, clicks=ClickOptions(negatives="category"))
    many = r"eval_negatives is 9, and none of \d+ targets of validation has so many .* among 8 items; give fewer$"
    with pytest.raises(ValueError, match=many):
        split_clicks(shop, clicks=ClickOptions(eval_negatives=9))
    with pytest.raises(ValueError, match="sampled negatives were never shown"):
        split_clicks(shop, clicks=ClickOptions(dense=["price"]))
    with pytest.raises(ValueError, match="cold_items works with sampled negatives only"):
        split_clicks(load_shop({"events": table(LOG)}), EventOptions(cold_items=0.1))
    with pytest.raises(ValueError, match="the rows have no column shown_items"):
        as_pairs(shop.split().train)
    with pytest.raises(ValueError, match="write 1 and 0"):
        load_shop({"events": table([(*row[:3], "maybe") for row in LOG])})
