"""Several datasets as one: nothing is shared, each keeps its split, and what cannot be joined is refused."""

from __future__ import annotations

import polars as pl
import pytest

from xcat_rec.tokenization.sequences.event_options import EventOptions
from xcat_rec.tokenization.sequences.joined_shops import join_shops, languages_of
from xcat_rec.tokenization.tables.event_roles import ROLES
from xcat_rec.tokenization.tables.schema import ShopTables, validate_tables

OPTIONS = EventOptions(split="leave-one-out")


def shop(
    name: str, titles: list[str], histories: list[list[int]], kinds: str = "buy", **columns: object
) -> ShopTables:
    """A dataset whose users have histories of item numbers; odd events of "view,buy" are views."""
    items = pl.DataFrame({"item_id": [f"i{n}" for n in range(len(titles))], "title": titles, **columns})
    names = kinds.split(",")
    rows = [
        {"user_id": f"u{user}", "item_id": f"i{n}", "timestamp": at, "event_type": names[at % len(names)]}
        for user, history in enumerate(histories)
        for at, n in enumerate(history)
    ]
    return validate_tables(items, pl.DataFrame(rows), name=name)


A = shop("a", ["tent", "boots", "stove"], [[0, 1, 2, 0], [2, 1, 0, 1]])
B = shop("b", ["tea", "pot"], [[0, 1, 0, 1, 1]])


def test_equal_ids_are_different_items_and_users():
    data = join_shops([A, B]).split(OPTIONS)
    assert data.vocabulary.column("item_id").to_pylist() == ["a/i0", "a/i1", "a/i2", "b/i0", "b/i1"]
    assert data.vocabulary.column("shop").to_pylist() == ["a", "a", "a", "b", "b"]
    assert data.vocabulary.column("text").to_pylist() == ["tent", "boots", "stove", "tea", "pot"]
    assert data.train["user_id"][:] == ["a/u0", "a/u1", "b/u0"]
    assert data.train["items"][:] == [[2, 3], [4, 3], [5, 6, 5]]
    assert data.validation["targets"][:] == [[4], [2], [6]] and data.test["targets"][:] == [[2], [3], [6]]
    assert data.test["items"][2] == [5, 6, 5, 6] and data.split == "leave-one-out"


def test_each_dataset_is_split_as_alone():
    alone = [one.split(OPTIONS) for one in (A, B)]
    joined = join_shops([A, B]).split(OPTIONS)
    for part in ("train", "validation", "test"):
        ids = [joined.vocabulary.decode(items) for items in joined.splits[part]["items"]]
        expected = [
            [f"{one.shop.name}/{name}" for name in one.vocabulary.decode(items)]
            for one in alone
            for items in one.splits[part]["items"]
        ]
        assert ids == expected


def test_another_vocabulary_keeps_known_items():
    joined = join_shops([A, B])
    vocabulary = join_shops([B, A]).split(OPTIONS).vocabulary
    assert joined.split(OPTIONS, vocabulary=vocabulary).train["items"][:] == [[4, 5], [6, 5], [2, 3, 2]]


def test_event_types_and_roles_are_of_each_dataset():
    views = shop("views", ["tea", "pot"], [[0, 1, 0, 1, 1, 0, 1]], "view,buy")
    data = join_shops([A, views]).split(OPTIONS)
    assert data.event_types == ["buy", "view"] and data.roles.targets == ("buy",) and data.roles.context == ("view",)
    assert data.train[ROLES][:2] == [[1, 1], [1, 1]]
    assert data.train[ROLES][2][:2] == [0, 1] and data.train["event_types"][2][:2] == [2, 1]
    assert set(data.train.column_names) == set(join_shops([A, B]).split(OPTIONS).train.column_names) | {ROLES}


def test_different_splits_are_auto():
    column = pl.Series("split", 2 * ["train", "train", "valid", "test"])
    split = validate_tables(A.items, A.events.with_columns(column), name="c")
    assert join_shops([split, B]).split(EventOptions()).split == "auto"
    assert join_shops([A, B]).split(EventOptions()).split == "leave-one-out"


def test_equal_names_get_numbers_and_columns_of_one_dataset_are_kept():
    second = shop("a", ["tea", "pot"], [[0, 1, 0, 1, 1]], price=[1.5, 2.0], colour=[["red"], ["blue"]])
    joined = join_shops([A, second])
    assert joined.name == "a, a-2" and joined.items["item_id"].to_list()[-1] == "a-2/i1"
    assert joined.items["price"].to_list() == [None, None, None, 1.5, 2.0]
    assert joined.items["colour"].to_list()[0] is None
    assert joined.hashes().keys() == {"a: items", "a: events", "a-2: items", "a-2: events"}
    assert joined.card.users == 3 and joined.card.rows == {"items": 5, "events": 13}


def test_ratings_are_left_out():
    rated = validate_tables(B.items, B.events.with_columns(rating=pl.lit(4.0)), name="rated")
    assert join_shops([A, rated]).events["rating"].null_count() == 13


@pytest.mark.parametrize(
    ("shops", "message"),
    [
        ([A], "several datasets, and got 1; give two or more, or train on one with fit"),
        ([A, A], "a has the same tables as a; give each dataset once"),
        ([A, shop("mute", ["", ""], [[0, 1, 0]])], "mute: none of 2 items has a text in title, brand, category"),
        ([A, ShopTables(B.items, B.events.head(0), name="empty")], "empty: the table events has no rows"),
        ([A, ShopTables(B.items.head(0), B.events, name="empty")], "empty: the table items has no rows"),
    ],
)
def test_datasets_that_cannot_be_joined(shops, message):
    with pytest.raises(ValueError, match=message):
        join_shops(shops)


def test_a_dataset_without_training_sequences_is_named():
    short = shop("short", ["tea", "pot"], [[0], [1]])
    with pytest.raises(ValueError, match=r"short: split 'leave-one-out' leaves no user with two training events \(2"):
        join_shops([A, short]).split(OPTIONS)


def test_target_types_that_a_dataset_lacks():
    views = shop("views", ["tea", "pot"], [[0, 1, 0, 1, 1, 0, 1]], "view,buy")
    with pytest.raises(ValueError, match="target_event_types is view, and a has none of them; it has buy"):
        join_shops([A, views]).split(EventOptions(split="leave-one-out", target_event_types=("view",)))


def test_languages():
    chinese = shop("zh", ["户外双人帐篷", "登山靴"], [[0, 1, 0]])
    found = {name: language.name for name, language in languages_of(join_shops([A, chinese])).items()}
    assert found == {"a": "English", "zh": "Chinese"}
