"""Earlier events of users whom training never sees, as targets."""

from __future__ import annotations

from typing import Any

import datasets
import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from xcat_rec.tokenization.vocabulary import UNKNOWN_ROW
from xcat_rec.training.unseen_events import with_earlier_targets

FEATURES = datasets.Features({
    "user_id": datasets.Value("string"),
    "items": datasets.List(datasets.Value("int32")),
    "event_types": datasets.List(datasets.Value("int32")),
    "ratings": datasets.List(datasets.Value("float32")),
    "timestamps": datasets.List(datasets.Value("int64")),
    "targets": datasets.List(datasets.Value("int32")),
})  # fmt: skip


def row_of(user: str, items: list[int], targets: list[int]) -> dict[str, Any]:
    places = range(len(items))
    return {
        "user_id": user,
        "items": items,
        "event_types": [i % 3 for i in places],
        "ratings": [i / 2 for i in places],
        "timestamps": [10 * i for i in places],
        "targets": targets,
    }


def dataset_of(rows: list[dict[str, Any]]) -> datasets.Dataset:
    return datasets.Dataset.from_list(rows, features=FEATURES)


TRAIN = datasets.Dataset.from_dict({"user_id": ["ann", "bob"], "items": [[2, 3], [4, 5]]})

rows = st.lists(
    st.builds(
        row_of,
        st.sampled_from(["cyd", "dan", "eve"]),
        st.lists(st.integers(1, 9), min_size=1, max_size=6),
        st.lists(st.integers(2, 9), min_size=1, max_size=2),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=30, deadline=None)
@given(rows)
def test_every_event_of_an_unseen_user_is_asked_for_from_those_before_it(made: list[dict[str, Any]]) -> None:
    shortest = min(len(row["items"]) for row in made)
    wanted = []
    for row in made:
        whole = [*row["items"], *row["targets"]]
        if len(row["targets"]) == 1:
            for end in range(shortest, len(row["items"])):
                if whole[end] == UNKNOWN_ROW:
                    continue
                before = {name: row[name][:end] for name in ("items", "event_types", "ratings", "timestamps")}
                wanted.append({"user_id": row["user_id"], **before, "targets": [whole[end]]})
        wanted.append(row)
    asked = with_earlier_targets(dataset_of(made), TRAIN)
    assert asked.to_list() == wanted
    assert asked.features == FEATURES


def test_rows_stay_where_it_is_not_known_whether_a_user_was_seen_or_what_a_column_knows() -> None:
    new = dataset_of([row_of("cyd", [2, 3, 4], [5]), row_of("dan", [2], [3])])
    assert len(with_earlier_targets(new, TRAIN)) == 4
    assert with_earlier_targets(new, TRAIN.remove_columns("user_id")) is new
    assert with_earlier_targets(new.remove_columns("user_id"), TRAIN).to_list() == [
        {name: value for name, value in row.items() if name != "user_id"} for row in new.to_list()
    ]
    profiled = new.add_column("interests", [[[0.5, 0.5]]] * 2)
    assert with_earlier_targets(profiled, TRAIN) is profiled


@pytest.mark.parametrize("users", [["ann"], ["cyd", "bob"], []])
def test_nothing_is_added_where_training_has_seen_any_of_the_users(users: list[str]) -> None:
    rows = dataset_of([row_of(user, [2] * length, [5]) for user, length in (("ann", 2), ("cyd", 3), ("bob", 1))])
    known = rows.filter(lambda row: row["user_id"] in users)
    assert with_earlier_targets(known, TRAIN) is known
