"""Negatives of the three kinds, against a listing of all possible items."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.tokenization.sequences.negatives import NEGATIVE_KINDS, NegativeSampler

ROWS = 10
COUNTS = np.array([9, 9, 5, 0, 1, 3, 0, 2, 1, 1])
CATEGORIES = np.array([-1, -1, 0, 0, 0, 1, 1, -1, -1, 2])


def sampler(kind: str) -> NegativeSampler:
    return NegativeSampler(kind, ROWS, COUNTS, CATEGORIES)


def possible(kind: str, positive: int, seen: list[int]) -> set[int]:
    return {
        item
        for item in range(2, ROWS)
        if item not in seen
        and item != positive
        and (kind != "popularity" or COUNTS[item])
        and (kind != "category" or CATEGORIES[item] == CATEGORIES[positive])
    }


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(NEGATIVE_KINDS),
    st.lists(st.lists(st.integers(1, ROWS - 1), max_size=9), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(2, ROWS - 1), st.integers(0, 3)), max_size=8),
    st.integers(1, 4),
    st.integers(0, 5),
)
def test_draws_are_distinct_and_possible(
    kind: str, seen: list[list[int]], positives: list[tuple[int, int]], count: int, seed: int
) -> None:
    items = np.array([item for item, _ in positives], dtype=np.int64)
    owners = np.array([owner % len(seen) for _, owner in positives], dtype=np.int64)
    made = sampler(kind).draw(np.random.default_rng(seed), items, owners, seen, count)
    assert made.shape == (len(items), count)
    assert np.array_equal(made, sampler(kind).draw(np.random.default_rng(seed), items, owners, seen, count))
    for row, item, owner in zip(made.tolist(), items, owners, strict=True):
        own = seen[owner] + [int(i) for i, o in zip(items, owners, strict=True) if o == owner]
        allowed = possible(kind, int(item), own)
        if len(allowed) < count:
            assert row == [0] * count
        else:
            assert len(set(row)) == count and set(row) <= allowed


@pytest.mark.parametrize(
    ("kind", "positive", "seen", "expected"),
    [
        ("uniform", 2, [3, 4, 5], dict.fromkeys((6, 7, 8, 9), 1 / 4)),
        ("popularity", 2, [4], {5: 3 / 7, 7: 2 / 7, 8: 1 / 7, 9: 1 / 7}),
        ("popularity", 9, [2, 5], {4: 1 / 4, 7: 2 / 4, 8: 1 / 4}),
        ("category", 2, [], {3: 1 / 2, 4: 1 / 2}),
        ("category", 7, [], {8: 1.0}),
    ],
)
def test_shares_of_the_draws(kind: str, positive: int, seen: list[int], expected: dict[int, float]) -> None:
    number = 8_000
    positives, owners = np.full(number, positive), np.zeros(number, dtype=np.int64)
    made = sampler(kind).draw(np.random.default_rng(0), positives, owners, [seen], 1)
    shares = np.bincount(made[:, 0], minlength=ROWS) / number
    assert set(np.flatnonzero(shares)) == set(expected)
    assert all(abs(shares[item] - share) < 0.03 for item, share in expected.items())


def test_users_with_most_of_the_popularity_get_the_rest() -> None:
    counts = np.array([0, 0, 10**9, 1, 3])
    made = NegativeSampler("popularity", 5, counts).draw(
        np.random.default_rng(0), np.full(4_000, 2), np.zeros(4_000, dtype=np.int64), [[2]], 1
    )
    assert abs((made == 4).mean() - 0.75) < 0.03 and set(np.unique(made)) == {3, 4}


def test_other_users_do_not_change_a_draw() -> None:
    positives, owners = np.array([2, 3, 4]), np.array([0, 1, 2])
    one = sampler("uniform").draw(np.random.default_rng(1), positives, owners, [[], [5], []], 3)
    other = sampler("uniform").draw(np.random.default_rng(1), positives, owners, [[], [2, 4, 5, 6, 7], []], 3)
    assert np.array_equal(one[[0, 2]], other[[0, 2]]) and (other[1] == 0).all()


def test_bad_kinds_and_catalogues_are_refused() -> None:
    with pytest.raises(ValueError, match=r"negatives is 'hard'; give one of uniform, popularity, category"):
        sampler("hard")
    with pytest.raises(ValueError, match=r"no item has a category, and negatives='category'"):
        NegativeSampler("category", 4, categories=np.full(4, -1))
    with pytest.raises(ValueError, match="needs items with training events"):
        NegativeSampler("popularity", 4, np.array([3, 3, 0, 0]))
    with pytest.raises(ValueError, match="the catalogue has 1 item; negatives need two"):
        NegativeSampler("uniform", 3)
