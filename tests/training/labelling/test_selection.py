"""Choice of candidates: greedy picks against brute force, and their ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from xcat_rec.training.labelling.selection import cover_picks, margin_uncertainty, uncertain_picks, unit_vectors

VECTORS = arrays(np.float32, st.tuples(st.integers(2, 8), st.just(3)), elements=st.integers(-3, 3).map(float))


@given(VECTORS, st.integers(0, 2), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_each_covering_pick_adds_most_similarity(given_vectors: np.ndarray, labelled: int, length: int) -> None:
    vectors = unit_vectors(given_vectors)
    known, rest = vectors[:labelled], vectors[labelled:]
    similar = np.maximum(rest.astype(float) @ rest.T, 0) ** 4
    base = (np.maximum(rest @ known.T, 0) ** 4).max(axis=1) if labelled else np.zeros(len(rest))
    picks = cover_picks(rest, length, known)
    assert len(picks) == len(set(picks)) == min(length, len(rest))
    for place, pick in enumerate(picks):
        covered = np.maximum(base, similar[:, picks[:place]].max(axis=1, initial=0))
        left = [one for one in range(len(rest)) if one not in picks[:place]]
        gains = {one: np.maximum(similar[:, one], covered).sum() for one in left}
        assert gains[pick] == pytest.approx(max(gains.values()), abs=1e-5)


@given(VECTORS, st.integers(1, 9), st.data())
@settings(max_examples=40, deadline=None)
def test_uncertain_picks_are_distinct_and_come_from_the_most_uncertain(
    given_vectors: np.ndarray, length: int, data: st.DataObject
) -> None:
    vectors = unit_vectors(given_vectors)
    uncertainty = data.draw(arrays(np.float64, len(vectors), elements=st.floats(0, 1)))
    picks = uncertain_picks(vectors, uncertainty, length)
    assert len(picks) == len(set(picks)) == min(length, len(vectors))
    assert (np.diff(uncertainty[picks]) <= 0).all(), "the most uncertain first"
    if len(vectors) <= length:
        assert picks == np.argsort(-uncertainty, kind="stable").tolist()


def test_one_pick_of_each_group_and_none_that_is_certain() -> None:
    """Three groups of uncertain candidates; the nearest to the weighted centre of each is picked."""
    middle = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
    around = [centre + sign * 0.1 * np.eye(3)[axis] for centre in middle for axis in range(3) for sign in (1, -1)]
    points = np.concatenate([middle, around, -np.ones((40, 3))]).astype(np.float32)
    uncertainty = np.concatenate([np.full(21, 0.9), np.full(40, 0.1)])
    assert sorted(uncertain_picks(points, uncertainty, 3)) == [0, 1, 2]
    same = np.ones((30, 3), dtype=np.float32)
    assert uncertain_picks(same, np.linspace(1, 0.5, 30), 2) == [0, 1], "copies fill the rest"


def test_vectors_lose_their_common_part_and_a_vector_like_the_mean_is_like_nothing() -> None:
    found = unit_vectors(np.array([[9.0, 1.0], [9.0, -1.0], [9.0, 0.0]]))
    assert found.tolist() == [[0, 1], [0, -1], [0, 0]]
    assert cover_picks(found, 3) == [0, 1, 2]


def test_one_possible_value_is_certain() -> None:
    assert margin_uncertainty(np.ones((2, 1))).tolist() == [0, 0]
