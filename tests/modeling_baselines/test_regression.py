"""Item-to-item regression: systems solved by hand, a naive oracle, and missing interactions or texts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from xcat_rec.modeling_baselines import cooccurrence, regression
from xcat_rec.modeling_baselines.regression import weights_by_regression

ROWS = 8
TRAIN = [[2, 3], [2], [3, 2, 2], [3], [3]]
"""Three users have item 2, four item 3, two both."""

Texts = tuple[torch.Tensor, torch.Tensor]


def texts_of(*states: list[float]) -> Texts:
    """Text states of the rows from 2 on, each a different text."""
    table = torch.tensor([[0.0] * len(states[0]), *states])
    return table, torch.tensor([0, 0, *range(1, len(states) + 1)])


def found_weights(found: tuple[torch.Tensor, torch.Tensor]) -> dict[int, list[tuple[int, float]]]:
    """Predicted items and weights, per item with any weight, in the order of the table."""
    said = {
        row: [(other, round(weight, 6)) for other, weight in zip(others, weights, strict=True) if weight]
        for row, (others, weights) in enumerate(zip(*(table.tolist() for table in found), strict=True))
    }
    return {row: pairs for row, pairs in said.items() if pairs}


def rounded(weights: dict[int, list[tuple[int, float]]]) -> dict[int, list[tuple[int, float]]]:
    return {row: [(other, round(weight, 6)) for other, weight in pairs] for row, pairs in weights.items()}


def test_three_items_by_hand() -> None:
    # Users of 2: three, of 3: three, of 4: two; 2 and 3: two, 2 and 4: two, 3 and 4: one. So 2 is regressed by
    # (3.5, 1; 1, 2.5) w = (2, 2), 3 by (3.5, 2; 2, 2.5) w = (2, 1) and 4 by (3.5, 2; 2, 3.5) w = (2, 1).
    found = weights_by_regression([[2, 3, 4], [4, 2, 2], [2, 3], [3]], 6, 3, ridge=0.5)
    assert found[0].dtype == torch.int32 and found[1].dtype == torch.float32
    assert found[0].shape == found[1].shape == (6, 3)
    # Item 2 explains the common users of 3 and 4: the weights (3.5 - 4) / 4.75 and (3.5 - 4) / 8.25 are dropped.
    assert found_weights(found) == rounded({2: [(3, 3 / 4.75), (4, 5 / 8.25)], 3: [(2, 3 / 7.75)], 4: [(2, 5 / 7.75)]})
    assert not found[0][found[1] == 0].any()


def test_weighted_events_by_hand() -> None:
    # The second user of both counts half: 2 has 1 + 1 + .25, 3 has 1 + 1 + .25 + 1, and together 1 + .25.
    weights = torch.tensor([1, 1, 1, 0.5, 0.5, 0.5, 1, 1.0])
    found = weights_by_regression(TRAIN, 4, 2, ridge=0.5, event_weights=weights)
    assert found_weights(found) == rounded({2: [(3, 1.25 / 2.75)], 3: [(2, 1.25 / 3.75)]})


def test_the_strongest_of_each_are_kept() -> None:
    found = weights_by_regression([[2, 3, 4], [4, 2, 2], [2, 3], [3]], 5, 1, ridge=0.5)
    assert found_weights(found) == rounded({2: [(3, 3 / 4.75)], 3: [(2, 3 / 7.75)], 4: [(2, 5 / 7.75)]})


def test_ties_keep_the_lower_index_first() -> None:
    # However many users they have: 5 has three, 4 two and 3 one.
    found = weights_by_regression([[5, 2], [2, 4], [3, 2], [4], [5], [5]], 6, 3, ridge=1.0)
    assert found_weights(found)[2] == [(3, 0.25), (4, 0.25), (5, 0.25)]


def test_two_items_with_text_by_hand() -> None:
    # 2 has (4 + 5 + 20) w = 2 + 5 * 0.6, 3 has (3 + 5 + 20) w = 2 + 5 * 0.6; text lengths have no effect.
    texts = texts_of([9.0, 0.0], [0.3, 0.4])
    before = texts[0].clone()
    assert found_weights(weights_by_regression(TRAIN, 4, 2, texts)) == rounded({2: [(3, 5 / 28)], 3: [(2, 5 / 29)]})
    assert texts[0].equal(before)
    without_users = weights_by_regression([], 4, 2, texts, text_weight=4.0, ridge=2.0)
    assert found_weights(without_users) == rounded({2: [(3, 2.4 / 6)], 3: [(2, 2.4 / 6)]})


def test_an_item_without_users_has_weights_from_its_text() -> None:
    # 4 has the text of 2, 5 an unrelated text, 6 and 7 share a state of zeros, and 7 has a user.
    texts = texts_of([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0] * 3, [0.0] * 3)
    found = weights_by_regression([*TRAIN, [7]], ROWS, 5, texts)
    # 2 is regressed on 3 and 4 by (4 + 5 + 20, 0; 0, 0 + 5 + 20) w = (2, 5), 3 and 4 on 2 by 28 w = 2 and 28 w = 5.
    assert found_weights(found) == rounded({2: [(4, 5 / 28), (3, 2 / 28)], 3: [(2, 2 / 29)], 4: [(2, 5 / 25)]})


def test_items_with_opposite_texts_are_not_candidates() -> None:
    apart = weights_by_regression(TRAIN, 4, 2, texts_of([1.0, 0.0], [-1.0, 0.0]))
    assert found_weights(apart) == {}  # two users together do not outweigh a text of five
    assert found_weights(weights_by_regression(TRAIN, 4, 2, texts_of([1.0, 0.0], [-1.0, 0.0]), text_weight=1.0)) == (
        rounded({2: [(3, 1 / 24)], 3: [(2, 1 / 25)]})
    )


def test_candidates_are_the_nearest_by_interactions_and_text() -> None:
    # Three users of 5 have 2, which eight have: 3 / sqrt(8); one has 3, which nobody else has: 1. So it is 2.
    train = [[5, 2], [5, 2], [5, 2], *([2] for _ in range(5)), [5, 3], [5]]
    assert found_weights(weights_by_regression(train, 6, 4, candidates=1, ridge=1.0)) == rounded(
        {2: [(5, 3 / 9)], 5: [(2, 3 / 6), (3, 1 / 6)]}
    )
    # 3 and 5 have the same text: (1 + 2) / sqrt(1 + 2) is more than 3 / sqrt(8 + 2).
    texts = texts_of([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0])
    found = weights_by_regression(train, 6, 4, texts, candidates=1, ridge=1.0, text_weight=2.0)
    assert found_weights(found) == rounded({3: [(5, 3 / 4)], 5: [(2, 3 / 8), (3, 3 / 8)]})


def test_a_state_of_zeros_does_not_change_the_cosine_of_users() -> None:
    # Only 2 has a text: 2 / sqrt(2 + 5) of it and 1 / sqrt(1) of 3, so 5 is regressed on 3.
    texts = texts_of([1.0], [0.0], [0.0], [0.0])
    found = weights_by_regression([[5, 3], [5, 2], [5, 2]], 6, 2, texts, candidates=1, ridge=1.0)
    assert found_weights(found) == {3: [(5, 0.5)], 5: [(2, 0.5), (3, 0.25)]}


def test_a_catalogue_too_large_to_compare_has_weights_of_items_with_common_users(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = texts_of([1.0, 0.0], [0.6, 0.8], [1.0, 0.0])
    monkeypatch.setattr(regression, "MOST_COMPARED", 25)
    every = weights_by_regression(TRAIN, 5, 3, texts)
    assert {row for row in range(5) if every[1][row].any()} == {2, 3, 4}
    monkeypatch.setattr(regression, "MOST_COMPARED", 24)
    together = weights_by_regression(TRAIN, 5, 3, texts)
    # 4 has no weights; for items with common users, texts count as always.
    assert found_weights(together) == rounded({2: [(3, 5 / 28)], 3: [(2, 5 / 29)]})


@pytest.mark.parametrize("texts", [None, texts_of([1.0, 0.0], [0.0, 1.0], [0.0, 1.0])], ids=["log", "texts"])
def test_of_larger_data_evenly_spread_users_are_counted(texts: Texts | None, monkeypatch: pytest.MonkeyPatch) -> None:
    # Sixteen pairs: of four users of two items each, every second one has eight.
    train = [[2, 3], [2, 4], [3, 2], [4, 2]]
    monkeypatch.setattr(regression, "MOST_PAIRS", 16)
    assert len(found_weights(weights_by_regression(train, 5, 2, texts, ridge=2.0))[2]) == 2
    monkeypatch.setattr(regression, "MOST_PAIRS", 15)
    found = found_weights(weights_by_regression(train, 5, 2, texts, ridge=2.0))
    if texts is None:
        assert found == {2: [(3, 0.5)], 3: [(2, 0.5)]}
    else:  # 3 on (2, 4): (2 + 5 + 2, 0; 0, 5 + 2) w = (2, 5); 4, which has no users left, on 3: 9 w = 5
        assert found == rounded({2: [(3, 2 / 9)], 3: [(4, 5 / 9), (2, 2 / 9)], 4: [(3, 5 / 7)]})


@pytest.mark.parametrize("texts", [None, texts_of([1.0, 0.0], [0.0, 0.0])], ids=["log", "texts"])
@pytest.mark.parametrize("train", [[], [[]], [[0, 1], [1]], [[2], [3]]])
def test_without_interactions_and_texts_there_are_no_weights(train: list[list[int]], texts: Texts | None) -> None:
    rows, weights = weights_by_regression(iter(train), 4, 3, texts)
    assert rows.shape == weights.shape == (4, 3) and rows.dtype == torch.int32
    assert not rows.any() and not weights.any()


@pytest.mark.parametrize("row", [5, -1])
def test_rows_of_another_vocabulary_are_refused(row: int) -> None:
    with pytest.raises(ValueError, match=rf"1 of 3 training events .* for example {row}; num_item_rows is 5"):
        weights_by_regression([[2, 3], [row]], 5, 2)


@st.composite
def text_tables(draw: st.DrawFn) -> Texts:
    """Texts, some of zeros or opposed, and the text number of each row; two are exactly at right angles."""
    vectors = st.lists(st.integers(0, 3), min_size=3, max_size=3)
    states = draw(st.lists(vectors, min_size=1, max_size=6))
    signs = draw(st.lists(st.sampled_from([1, 1, -1]), min_size=len(states), max_size=len(states)))
    index = draw(st.lists(st.integers(0, len(states) - 1), min_size=ROWS, max_size=ROWS))
    return torch.tensor(states, dtype=torch.float32) * torch.tensor(signs)[:, None], torch.tensor(index)


def by_hand(
    sequences: list[list[int]], texts: Texts | None, candidates: int, ridge: float, text_weight: float, together: bool
) -> tuple[np.ndarray, int]:
    """(rows, rows) weights from one item to another, in double precision, one system after the other.

    Also returns the candidates: many more than needed, so that ties do not matter.
    """
    users = np.zeros((max(1, len(sequences)), ROWS))
    for number, sequence in enumerate(sequences):
        users[number, [item for item in sequence if item > 1]] = 1
    counts, cosines = users.T @ users, np.zeros((ROWS, ROWS))
    if texts is not None:
        vectors = texts[0].double().numpy()[texts[1].numpy()]
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
        unit[:2] = 0
        cosines = unit @ unit.T
    both = counts + text_weight * cosines
    assume(not ((np.abs(both) < 1e-3) & ((counts > 0) | (np.abs(cosines) > 1e-9))).any() or not text_weight)
    sizes = np.sqrt(np.diag(both))
    product = (counts if together else both) * ~np.eye(ROWS, dtype=bool)
    joint = np.divide(product, np.outer(sizes, sizes), out=np.zeros_like(both), where=np.outer(sizes, sizes) > 0)
    order = np.sort(joint)[:, ::-1]
    while candidates < ROWS and ((order[:, candidates] > 0) & (np.diff(-order)[:, candidates - 1] < 1e-4)).any():
        candidates += 1
    weights = np.zeros((ROWS, ROWS))
    for target in range(2, ROWS):
        near = [i for i in np.argsort(-joint[target], kind="stable")[:candidates] if joint[target, i] > 0]
        system = both[np.ix_(near, near)] + ridge * np.eye(len(near))
        weights[near, target] = np.linalg.solve(system, both[near, target])
    return weights.clip(min=0), candidates


@settings(max_examples=300, deadline=None)
@given(
    sequences=st.lists(st.lists(st.integers(0, ROWS - 1), max_size=6), max_size=8),
    texts=st.none() | text_tables(),
    candidates=st.integers(1, ROWS + 2),
    neighbours=st.integers(1, ROWS),
    ridge=st.sampled_from([0.5, 2.0, 20.0]),
    text_weight=st.sampled_from([0.0, 1.7, 5.0]),
    compared=st.booleans(),
    sizes=st.sampled_from([(1, 1, 1), (7, 20, 2), (1 << 22, 1 << 24, 256)]),
)
def test_weights_match_systems_solved_one_by_one(
    sequences: list[list[int]], texts: Texts | None, candidates: int, neighbours: int, ridge: float,
    text_weight: float, compared: bool, sizes: tuple[int, int, int],
) -> None:  # fmt: skip
    """The same for any block size, and whether all items are compared or only those with common users."""
    together = texts is None or not compared
    expected, candidates = by_hand(sequences, texts, candidates, ridge, text_weight, together)
    options: dict[str, Any] = {"candidates": candidates, "ridge": ridge, "text_weight": text_weight}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cooccurrence, "_PAIRS_AT_ONCE", sizes[0])
        patch.setattr(regression, "_SCORES_AT_ONCE", sizes[1])
        patch.setattr(regression, "_TARGETS_AT_ONCE", sizes[2])
        if not compared:
            patch.setattr(regression, "MOST_COMPARED", ROWS * ROWS - 1)
        rows, weights = weights_by_regression(sequences, ROWS, neighbours, texts, **options)
    best = np.sort(expected)[:, ::-1][:, :neighbours]
    np.testing.assert_allclose(weights.numpy(), best, atol=1e-4)
    for source in range(ROWS):
        there = weights[source] > 0
        others = rows[source][there].tolist()
        assert len(set(others)) == len(others) and not rows[source][~there].any()
        np.testing.assert_allclose(weights[source][there].numpy(), expected[source, others], atol=1e-4)


def test_users_elsewhere_reduce_a_weight():
    texts = torch.tensor([[0.0, 0.0], [3.0, 4.0]]), torch.tensor([0, 0, 1, 1])
    rows, weights = weights_by_regression([], 4, 1, texts, elsewhere=torch.tensor([0, 0, 500, 0]))
    # 3 on 2: (500 + 5 + 20) w = 5, and 2 on 3: (5 + 20) w = 5.
    assert rows.tolist() == [[0], [0], [3], [2]]
    torch.testing.assert_close(weights, torch.tensor([[0.0], [0.0], [5 / 525], [5 / 25]]))


def test_four_times_the_pairs_are_counted_if_few_can_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    train = [[2, 3], [2, 4], [3, 2], [4, 2], [2, 3], [2, 4], [3, 2]]  # 28 pairs among 5 rows
    monkeypatch.setattr(regression, "MOST_PAIRS", 24)
    sampled = weights_by_regression(train, 5, 2)
    monkeypatch.setattr(regression, "MOST_PAIRS", 25)
    whole = weights_by_regression(train, 5, 2)
    assert not whole[1].equal(sampled[1])
    monkeypatch.setattr(regression, "MOST_PAIRS", 1 << 28)
    assert whole[1].equal(weights_by_regression(train, 5, 2)[1])
