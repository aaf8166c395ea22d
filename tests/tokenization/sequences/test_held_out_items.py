from __future__ import annotations

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.tokenization.sequences.build import build_splits, trained_items
from xcat_rec.tokenization.sequences.held_out_items import choose_cold_items, without_items
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import build_vocabulary, split_shop

from ...tiny_shop import shop


def train_split() -> Dataset:
    tables = shop()
    return build_splits(tables, build_vocabulary(tables), tables.event_type_names(), split="leave-one-out")["train"]


def sequences(items: list[list[int]], times: list[list[int]] | None = None) -> Dataset:
    times = times or [list(range(len(one))) for one in items]
    return Dataset.from_dict({"user_id": [f"u{i}" for i in range(len(items))], "items": items, "timestamps": times})


def test_random_items_are_drawn_with_the_seed():
    train = train_split()
    chosen = choose_cold_items(train, 0.25, "random", seed=3)
    trained = np.flatnonzero(trained_items(train, 42))
    assert len(chosen) == round(0.25 * len(trained)) > 0
    assert set(chosen) <= set(trained) and (np.diff(chosen) > 0).all()
    assert choose_cold_items(train, 0.25, "random", seed=3).tolist() == chosen.tolist()
    assert choose_cold_items(train, 0.25, "random", seed=4).tolist() != chosen.tolist()


def test_the_newest_items_have_the_latest_first_events():
    train = sequences([[2, 5, 3, 1], [3, 4, 5], [6, 2]], [[1, 9, 9, 99], [2, 7, 8], [7, 50]])
    # First events: 2 at 1, 3 at 2, 4 and 6 at 7, 5 at 8; the unknown item 1 is not a candidate.
    assert choose_cold_items(train, 0.2, "newest").tolist() == [5]
    assert choose_cold_items(train, 0.4, "newest").tolist() == [4, 5]
    assert choose_cold_items(train, 0.5, "newest").tolist() == [4, 5]
    assert choose_cold_items(train, 0.0, "newest").tolist() == []


def test_invalid_shares_policies_and_times_are_refused():
    train = sequences([[2, 3]], [[5, -1]])
    with pytest.raises(ValueError, match=r"cold_items is 0.6; give a share of the items from 0 to 0.5"):
        choose_cold_items(train, 0.6)
    with pytest.raises(ValueError, match="cold_policy is 'oldest'; give one of random, newest"):
        choose_cold_items(train, 0.1, "oldest")
    with pytest.raises(ValueError, match="1 of 2 training events have none"):
        choose_cold_items(train, 0.5, "newest")
    with pytest.raises(ValueError, match="none of 1 users has 2 training events; make cold_items smaller"):
        without_items(train, np.array([3]))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(st.integers(2, 6), max_size=6), min_size=1, max_size=6),
    st.sets(st.integers(2, 6), max_size=3),
)
def test_removed_events_match_brute_force(items, cold):
    expected = [
        (f"u{user}", [item for item in one if item not in cold], [n for n, item in enumerate(one) if item not in cold])
        for user, one in enumerate(items)
    ]
    expected = [one for one in expected if len(one[1]) > 1]
    train = sequences(items)
    if not expected:
        with pytest.raises(ValueError, match="make cold_items smaller"):
            without_items(train, np.array(sorted(cold)))
        return
    left = without_items(train, np.array(sorted(cold)))
    assert left.features == train.features
    assert list(zip(left["user_id"], left["items"], left["timestamps"], strict=True)) == expected


def test_all_columns_are_cut_at_the_same_events():
    train = train_split()
    left = without_items(train, choose_cold_items(train, 0.3, seed=1))
    assert left.features == train.features and len(left) <= len(train)
    before = {row["user_id"]: row for row in train.with_format(None)}
    for row in left.with_format(None):
        source = before[row["user_id"]]
        kept = [n for n, item in enumerate(source["items"]) if item in row["items"]]
        for name in ("items", "event_types", "timestamps"):
            assert row[name] == [source[name][n] for n in kept]
        assert np.array_equal(row["ratings"], [source["ratings"][n] for n in kept], equal_nan=True)


def test_a_view_of_a_dataset_is_cut_too():
    left = without_items(sequences([[2, 3, 4], [3, 4], [4, 5, 3]]).select([2, 0]), np.array([3]))
    assert left["items"][:] == [[4, 5], [2, 4]]


def test_preparation_removes_only_training_events():
    options = PreparationOptions(split="leave-one-out")
    data = split_shop(shop(), options)
    vocabulary, warm = data.vocabulary, data.splits
    options.cold_items = 0.25
    cold = split_shop(shop(), options).splits
    before, after = (trained_items(splits["train"], len(vocabulary)).sum() for splits in (warm, cold))
    assert after == before - round(0.25 * before)
    for part in ("validation", "test"):
        assert warm[part].with_format(None)[:].__repr__() == cold[part].with_format(None)[:].__repr__()
    options.seed, options.split_seed = 7, 0
    assert split_shop(shop(), options).train["items"][:] == cold["train"]["items"][:]
    options.split_seed = None
    assert split_shop(shop(), options).train["items"][:] != cold["train"]["items"][:]
