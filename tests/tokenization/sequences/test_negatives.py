"""Negatives are never seen items, follow their rule, and are all that is left where little is left."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.tokenization.sequences.negatives import NEGATIVE_KINDS, NegativeSampler

ROWS = 12
CATEGORIES = np.array([-1, -1, 0, 0, 0, 0, 1, 1, 1, -1, -1, 2])
COUNTS = np.array([0, 0, 5, 1, 1, 0, 4, 4, 1, 2, 2, 1])


def sampler(kind: str) -> NegativeSampler:
    return NegativeSampler(kind, COUNTS, CATEGORIES)


def allowed(kind: str, user: int, positive: int, seen: set[tuple[int, int]]) -> set[int]:
    """Items that may be drawn, one by one."""
    return {
        item
        for item in range(2, ROWS)
        if item != positive and (user, item) not in seen
        and (kind != "popularity" or COUNTS[item]) and (kind != "category" or CATEGORIES[item] == CATEGORIES[positive])
    }  # fmt: skip


@given(
    st.sampled_from(NEGATIVE_KINDS),
    st.lists(st.tuples(st.integers(0, 3), st.integers(2, ROWS - 1)), min_size=1, max_size=40),
    st.integers(1, 5),
    st.integers(0, 99),
)
@settings(deadline=None, max_examples=150)
def test_against_one_by_one(kind: str, events: list[tuple[int, int]], number: int, seed: int) -> None:
    users, items = map(np.array, zip(*events, strict=True))
    found = sampler(kind).draw(np.random.default_rng(seed), users, items, users * ROWS + items, number)
    for (user, item), row in zip(events, found.tolist(), strict=True):
        left = allowed(kind, user, item, set(events))
        drawn = [value for value in row if value]
        assert set(drawn) <= left and len(set(drawn)) == len(drawn) == min(number, len(left))


@pytest.mark.parametrize(
    ("kind", "weights"), [("uniform", [1] * 9), ("popularity", COUNTS[3:]), ("category", [1] * 3)]
)
def test_shares_of_the_draws(kind: str, weights: list[int]) -> None:
    users, positives = np.zeros(20_000, dtype=np.int64), np.full(20_000, 2)
    found = sampler(kind).draw(np.random.default_rng(0), users, positives, np.array([2]), 1)[:, 0]
    expected = np.array(weights) / np.sum(weights)
    share = np.bincount(found, minlength=ROWS)[3 : 3 + len(expected)] / len(found)
    np.testing.assert_allclose(share, expected, atol=0.015)


def test_the_same_seed_and_clear_errors() -> None:
    draws = [
        sampler("uniform").draw(np.random.default_rng(3), np.arange(4), np.full(4, 2), np.array([]), 2) for _ in "ab"
    ]
    assert np.array_equal(*draws)
    with pytest.raises(ValueError, match="negatives has 'hard'; give one of uniform, popularity, category"):
        sampler("hard")
    with pytest.raises(ValueError, match="no item has any; give 'uniform'"):
        NegativeSampler("popularity", np.zeros(4), np.full(4, -1))
    with pytest.raises(ValueError, match="needs items with a category"):
        NegativeSampler("category", np.ones(4), np.full(4, -1))
    with pytest.raises(ValueError, match="it has no items"):
        NegativeSampler("uniform", np.ones(2), np.full(2, -1))
