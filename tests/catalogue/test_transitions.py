"""Item transitions: exact small shares, and a loop as oracle."""

from __future__ import annotations

from collections import defaultdict

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from xcat_rec.catalogue.transitions import WINDOW, strongest_transitions

ROWS = 7
histories = st.lists(st.lists(st.integers(0, ROWS - 1), max_size=9), max_size=6)


def by_loops(train_rows: list[list[int]]) -> dict[int, dict[int, float]]:
    counted: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    events: dict[int, int] = defaultdict(int)
    for row in train_rows:
        for place, item in enumerate(row):
            events[item] += 1
            for distance in range(1, WINDOW + 1):
                if place + distance < len(row) and min(item, row[place + distance]) >= 2:
                    counted[item][row[place + distance]] += 1 / distance
    return {a: {b: value / events[a] for b, value in found.items()} for a, found in counted.items()}


@given(histories)
def test_shares_match_loops(train_rows):
    found, shares = strongest_transitions(train_rows, ROWS, ROWS)
    for item, expected in ((item, by_loops(train_rows).get(item, {})) for item in range(ROWS)):
        have = {b: v for b, v in zip(found[item].tolist(), shares[item].tolist(), strict=True) if v}
        assert have == pytest.approx(expected)
    assert (shares[:, 1:] <= shares[:, :-1]).all()


def test_shares_depend_on_direction_and_distance_and_include_the_item_itself():
    found, shares = strongest_transitions([[2, 3, 3, 4, 5, 6]], ROWS, 4)
    assert found[2].tolist() == [3, 4, 0, 0] and shares[2].tolist() == pytest.approx([1.5, 1 / 3, 0, 0])
    # Of its two events, 4 is one and two later, itself one, 5 two and three, 6 three.
    assert found[3].tolist() == [4, 3, 5, 6] and shares[3].tolist() == pytest.approx([0.75, 0.5, 5 / 12, 1 / 6])
    assert not found[6].any() and not shares[6].any()


def test_weighted_shares_by_hand():
    weights = torch.tensor([1.0, 0.5, 1.0, 0.25, 1.0])
    found, shares = strongest_transitions([[2, 3, 4], [2, 4]], 5, 2, event_weights=weights)
    # 4 follows 2 at distance 2, and directly with weight .25; 3 follows with weight .5; 2 has 1 + .25.
    assert found[2].tolist() == [4, 3] and shares[2].tolist() == pytest.approx([0.75 / 1.25, 0.5 / 1.25])
    assert found[3].tolist() == [4, 0] and shares[3].tolist() == pytest.approx([1, 0])


@given(histories)
def test_weights_of_one_change_nothing(train_rows):
    plain = strongest_transitions(train_rows, ROWS, 3, 8)
    whole = strongest_transitions(train_rows, ROWS, 3, 8, torch.ones(sum(map(len, train_rows))))
    assert plain[0].equal(whole[0]) and torch.allclose(plain[1], whole[1])


def test_ties_keep_the_lower_index_first_and_the_strongest_are_kept():
    found, _ = strongest_transitions([[2, 4], [2, 3], [2, 5], [2, 5]], ROWS, 2)
    assert found[2].tolist() == [5, 3]


def test_a_sample_of_users_has_the_shares_of_all():
    train_rows = [[2, 3, 4]] * 50 + [[2, 4, 3]] * 50
    whole, sampled = strongest_transitions(train_rows, ROWS, 2), strongest_transitions(train_rows, ROWS, 2, 90)
    assert whole[0].equal(sampled[0]) and torch.allclose(whole[1], sampled[1], atol=0.05)


@pytest.mark.parametrize("train_rows", [[], [[]], [[2]], [[0, 1]]])
def test_without_pairs_there_are_no_transitions(train_rows):
    found, shares = strongest_transitions(train_rows, ROWS, 2)
    assert found.shape == (ROWS, 2) and not found.any() and not shares.any()


def test_a_row_outside_the_table_is_named():
    with pytest.raises(ValueError, match="for example 7"):
        strongest_transitions([[2, 7]], ROWS, 2)
