"""Showings of a batch: drawn negatives, and the history before each showing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from xcat_rec.tokenization.sequences.negatives import NegativeSampler
from xcat_rec.tokenization.sequences.showings import (
    NO_LABEL,
    draw_showings,
    histories_before,
    more_negatives,
    read_showings,
)

SAMPLER = NegativeSampler("uniform", 60)


def rows() -> list[dict[str, Any]]:
    return [{"items": [5, 6, 7]}, {"items": [8]}, {"items": [9, 1, 9, 11]}]


def test_every_target_event_is_a_positive_with_its_negatives() -> None:
    found = draw_showings(rows(), SAMPLER, 2, seed=3)
    positive = found.labels == 1
    assert found.items[positive].tolist() == [6, 7, 9, 11], "neither a first event nor an unknown item"
    assert found.after[positive].tolist() == [1, 2, 2, 3] and found.owners[positive].tolist() == [0, 0, 2, 2]
    for owner, item in zip(found.owners[~positive], found.items[~positive], strict=True):
        assert item not in rows()[owner]["items"] and item >= 2
    assert (found.after.reshape(-1, 3) == found.after[::3, None]).all() and found.dense.shape == (12, 0)


def test_context_events_are_no_positives() -> None:
    row = {"items": [5, 6, 7], "event_roles": [1, 0, 1]}
    assert draw_showings([row], SAMPLER, 1).items[::2].tolist() == [7]


def test_negatives_depend_on_seed_and_batch_alone() -> None:
    first, again = (draw_showings(rows(), SAMPLER, 2, seed=3).items for _ in range(2))
    assert (first == again).all()
    assert (first != draw_showings(rows(), SAMPLER, 2, seed=4).items).any()
    other = draw_showings(rows()[::-1], SAMPLER, 2, seed=3)
    drawn = {int(item) for item in other.items[other.labels == 0]}
    assert drawn != {int(item) for item in first[[1, 2, 4, 5, 7, 8, 10, 11]]}


def test_labels_as_a_table() -> None:
    row = {"items": [4, 5], "shown_items": [7, 9], "shown_labels": [1, 0], "shown_after": [1, 2]}
    table, places = read_showings([row, {**row, "shown_items": [], "shown_labels": [], "shown_after": []}, row])\
        .padded_labels(3)  # fmt: skip
    assert table.tolist() == [[1, 0], [NO_LABEL] * 2, [1, 0]] and places.tolist() == [0, 1, 4, 5]


def test_context_features_are_joined() -> None:
    row = {"items": [4], "shown_items": [7], "shown_labels": [1], "shown_after": [1], "shown_dense": [[0.5, 2]]}
    found = read_showings([row, {**row, "shown_items": [], "shown_labels": [], "shown_after": [], "shown_dense": []}])
    assert found.dense.tolist() == [[0.5, 2]] and found.categorical.shape == (1, 0)


@pytest.mark.parametrize("most", [1, 2, 3, 10])
def test_every_showing_has_the_latest_events_before_it(most: int) -> None:
    generator = np.random.default_rng(0)
    given = []
    for size in (0, 1, 4, 7):
        after = generator.integers(0, size + 1, 6)
        given.append({
            "items": list(range(10, 10 + size)), "ratings": [float(i) for i in range(size)], "user_id": f"u{size}",
            "event_types": [1] * size, "timestamps": [0] * size, "targets": [3],
            "shown_items": [5] * 6, "shown_labels": [0] * 6, "shown_after": after.tolist(),
        })  # fmt: skip
    found = read_showings(given)
    histories, number, position = histories_before(given, found, most)
    for place, (owner, after) in enumerate(zip(found.owners, found.after, strict=True)):
        row = histories[number[place]]
        assert row["user_id"] == given[owner]["user_id"] and "targets" not in row and "shown_items" not in row
        read = row["items"][-most:][: position[place] + 1]
        assert read == given[owner]["items"][:after][-most:]
    assert all(row["items"] for row in histories)


def test_further_negatives_are_neither_in_the_history_nor_targets() -> None:
    given = [
        {"items": [5, 6], "targets": [7, 8], "shown_items": [7, 20, 8, 21], "shown_labels": [1, 0, 1, 0],
         "shown_after": [2, 2, 2, 2]},
        {"items": [9], "targets": [10], "shown_items": [10, 22], "shown_labels": [1, 0], "shown_after": [1, 1]},
    ]  # fmt: skip
    found = more_negatives(given, read_showings(given), SAMPLER, 5, seed=1)
    assert found.owners.tolist() == [0] * 10 + [1] * 5 and found.after.tolist() == [2] * 10 + [1] * 5
    assert not found.labels.any() and found.dense.shape == (15, 0)
    for owner, item in zip(found.owners, found.items, strict=True):
        assert item not in given[owner]["items"] and item not in given[owner]["targets"]
    again = more_negatives(given, read_showings(given), SAMPLER, 5, seed=1)
    assert (again.items == found.items).all()
