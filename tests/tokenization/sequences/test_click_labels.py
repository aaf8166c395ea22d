from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.tokenization.sequences.click_labels import label_impressions, sample_unseen

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


@settings(max_examples=120, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("uvw"), st.sampled_from("abcdef"), st.integers(0, 9)), min_size=1, max_size=20),
    st.integers(1, 7),
    st.integers(0, 3),
)
def test_negatives_are_unseen_and_different(rows: list[Any], per_event: int, seed: int) -> None:
    log = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    made = sample_unseen(log, list("abcdefg"), per_event, seed=seed)
    assert made.equals(sample_unseen(log, list("abcdefg"), per_event, seed=seed))
    assert made.filter(pl.col("label") == 1).drop("label").rows() == rows
    place = 0
    for user, _, time in rows:
        seen = {row[1] for row in rows if row[0] == user}
        wanted = min(per_event, 7 - len(seen))
        negatives = made.rows()[place + 1 : place + 1 + wanted]
        assert all(row[0] == user and row[2] == time and row[3] == 0 for row in negatives)
        drawn = [row[1] for row in negatives]
        assert len(set(drawn)) == len(drawn) == wanted and not set(drawn) & seen
        place += 1 + wanted
    assert place == made.height


def test_negatives_are_drawn_uniformly_and_with_the_seed() -> None:
    log = pl.DataFrame({"user_id": ["u"] * 3_000, "item_id": ["a"] * 3_000, "timestamp": range(3_000)})
    made = sample_unseen(log, list("abcdef"), 2, seed=1)
    counts = made.filter(pl.col("label") == 0)["item_id"].value_counts()
    assert set(counts["item_id"]) == set("bcdef")
    assert all(abs(count - 1_200) < 120 for count in counts["count"])
    assert not made.equals(sample_unseen(log, list("abcdef"), 2, seed=2))


def test_unknown_items_and_numbers_below_one_are_refused() -> None:
    log = pl.DataFrame({"user_id": ["u"], "item_id": ["z"], "timestamp": [1]})
    with pytest.raises(ValueError, match="1 rows have an item that is not in the catalogue, for example 'z'"):
        sample_unseen(log, ["a"])
    with pytest.raises(ValueError, match="per_event is 0; give a number from 1"):
        sample_unseen(log, ["z"], 0)
