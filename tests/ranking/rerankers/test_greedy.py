"""Greedy picks against brute force: every candidate of every step is scored from the definition."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.evaluation.redundancy import SMOOTHING, kl_to_history
from xcat_rec.ranking.rerankers.greedy import calibrated_picks, dpp_picks, mmr_picks

TOLERANCE = 1e-6
Gain = Callable[[int, list[int], int], float]
"""The gain of an item for a user, after some picks."""


@st.composite
def pools(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, int]:
    """Relevance, unit vectors, tiers and a length, for some users."""
    users, count, width = draw(st.integers(1, 3)), draw(st.integers(1, 9)), draw(st.integers(1, 12))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    vectors = generator.normal(size=(users, count, width))
    if draw(st.booleans()):
        vectors[:, 0] = vectors[:, -1]  # a duplicate
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    relevance = np.sort(generator.random((users, count)))[:, ::-1].copy()
    tiers = generator.integers(0, 2, (users, count)).astype(float) if draw(st.booleans()) else None
    return relevance, vectors, tiers, draw(st.integers(1, count))


def check(picks: np.ndarray, count: int, tiers: np.ndarray | None, gain: Gain) -> None:
    """Every pick has the largest gain of the open candidates of the highest tier, up to the tolerance."""
    for user, order in enumerate(picks.tolist()):
        assert len(set(order)) == len(order)
        for step, pick in enumerate(order):
            left = [item for item in range(count) if item not in order[:step]]
            if tiers is not None:
                top = max(tiers[user, item] for item in left)
                left = [item for item in left if tiers[user, item] == top]
            assert pick in left
            best = max(gain(user, order[:step], item) for item in left)
            assert gain(user, order[:step], pick) >= best - TOLERANCE


@settings(deadline=None, max_examples=150)
@given(pools(), st.floats(0, 1))
def test_mmr(pool, diversity):
    relevance, vectors, tiers, length = pool

    def gain(user: int, picked: list[int], item: int) -> float:
        similar = max((float(vectors[user, item] @ vectors[user, other]) for other in picked), default=0.0)
        return (1 - diversity) * relevance[user, item] - diversity * similar

    check(mmr_picks(relevance, vectors, diversity, length, tiers), relevance.shape[1], tiers, gain)


@settings(deadline=None, max_examples=150)
@given(pools(), st.floats(0.05, 1))
def test_dpp(pool, diversity):
    relevance, vectors, tiers, length = pool
    alpha = (1 - diversity) / (2 * diversity)

    def log_determinant(user: int, items: list[int]) -> float:
        quality = np.exp(alpha * relevance[user, items])
        kernel = quality[:, None] * quality * (vectors[user, items] @ vectors[user, items].T)
        return float(np.linalg.slogdet(kernel)[1]) if items else 0.0

    for user, order in enumerate(dpp_picks(relevance, vectors, diversity, length, tiers).tolist()):
        for step, pick in enumerate(order):
            left = [item for item in range(relevance.shape[1]) if item not in order[:step]]
            if tiers is not None:
                left = [item for item in left if tiers[user, item] == max(tiers[user, other] for other in left)]
            volumes = np.array([
                np.linalg.det(vectors[user, [*order[:step], item]] @ vectors[user, [*order[:step], item]].T)
                for item in left
            ])  # fmt: skip
            known = np.linalg.det(vectors[user, order[:step]] @ vectors[user, order[:step]].T) if step else 1.0
            if known < 1e-9 or (volumes / known).max() < 1e-7:
                break  # all of them are combinations of the picked ones, so no determinant is defined
            gains = {
                item: log_determinant(user, [*order[:step], item]) - log_determinant(user, order[:step])
                for item, volume in zip(left, volumes, strict=True) if volume / known > 1e-7
            }  # fmt: skip
            assert gains.get(pick, -math.inf) >= max(gains.values()) - TOLERANCE


@settings(deadline=None, max_examples=150)
@given(pools(), st.floats(0, 1), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_calibration(pool, weight, after, seed):
    relevance, _, tiers, length = pool
    generator = np.random.default_rng(seed)
    names = generator.integers(-1, 4, relevance.shape)
    history = generator.integers(0, 4, 7)
    found, shares = np.unique(history, return_counts=True)
    numbers = np.where(np.isin(names, found), np.searchsorted(found, names), -1)
    wanted = np.tile(shares / 7, (len(relevance), 1))

    def objective(user: int, items: list[int]) -> float:
        kl = kl_to_history(names[user, items][None], [history])[0]
        return (1 - weight) * relevance[user, items].sum() - weight * kl

    def gain(user: int, picked: list[int], item: int) -> float:
        return relevance[user, item] if len(picked) < after else objective(user, [*picked, item])

    check(calibrated_picks(relevance, numbers, wanted, weight, length, tiers, after), relevance.shape[1], tiers, gain)


def test_divergence_is_that_of_the_paper():
    wanted, shares = np.array([0.75, 0.25]), np.array([0.5, 0.0])
    mixed = (1 - SMOOTHING) * shares + SMOOTHING * wanted
    expected = sum(p * math.log(p / q) for p, q in zip(wanted, mixed, strict=True))
    assert kl_to_history(np.array([[1, 5]]), [np.array([1, 1, 2, 1, -1])])[0] == pytest.approx(expected, abs=1e-12)


def test_an_item_without_text_is_like_no_other():
    vectors = np.array([[[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]])
    relevance = np.array([[1.0, 0.9, 0.8]])
    assert mmr_picks(relevance, vectors, 0.5, 3).tolist() == [[0, 2, 1]]
    assert dpp_picks(relevance, vectors, 0.5, 3).tolist() == [[0, 2, 1]]
