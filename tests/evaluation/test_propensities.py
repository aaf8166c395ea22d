"""Inverse-propensity weights and the popularity-balanced test, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.evaluation.propensities import balanced_per_user, balanced_quality, inverse_propensities

COUNTS = np.array([0, 0, 8, 4, 2, 1, 0])


def test_weights_are_inverse_counts_with_mean_one_over_the_events():
    # 4 items with events: sum of count * 1 / count = 4, over 15 events
    expected = [0, 0, 15 / 32, 15 / 16, 15 / 8, 15 / 4, 15 / 4]
    np.testing.assert_allclose(inverse_propensities(COUNTS), expected, rtol=0, atol=1e-12)


def test_equal_weights_without_a_power():
    np.testing.assert_allclose(inverse_propensities(COUNTS, power=0)[2:], 1.0, atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=20).filter(any), st.floats(0, 2), st.floats(1, 20))
def test_clipped_weights_have_mean_one_and_fall_with_popularity(counts, power, clip):
    rows = np.array([0, 0, *counts])
    weights = inverse_propensities(rows, power, clip)
    assert weights @ rows / rows.sum() == pytest.approx(1)
    order = np.argsort(rows[2:], kind="stable")
    assert (np.diff(weights[2:][order]) <= 1e-12).all()


@pytest.mark.parametrize(("power", "clip"), [(-0.1, 5), (2.1, 5), (1, 0.9)])
def test_bad_numbers_are_refused(power, clip):
    with pytest.raises(ValueError, match="power is"):
        inverse_propensities(COUNTS, power, clip)


def test_no_events_are_refused():
    with pytest.raises(ValueError, match="no item has an event"):
        inverse_propensities(np.zeros(4))


def test_balanced_quality_of_two_targets_by_hand():
    # user 0: targets of weight a (item 2) at rank 3 and b (item 5) at rank 1; user 1: item 2 beyond the list
    values, weights = balanced_per_user(np.array([[3, 1], [11, 0]]), [[2, 5], [2]], COUNTS, 10, clip=100)
    # three target events: counts 8, 1, 8; mean of 1/8, 1, 1/8 is 5/12
    a, b = 3 / 10, 12 / 5
    expected = (a / 2 + b) / (b + a / math.log2(3))
    np.testing.assert_allclose(values, [expected, 0], atol=1e-9)
    np.testing.assert_allclose(weights, [a + b, a], atol=1e-9)
    found = balanced_quality(np.array([[3, 1], [11, 0]]), [[2, 5], [2]], COUNTS, 10, clip=100, samples=50)
    assert found.ndcg.mean == pytest.approx(expected * (a + b) / (2 * a + b), abs=1e-9)
    assert found.effective_users == pytest.approx((2 * a + b) ** 2 / ((a + b) ** 2 + a**2), abs=1e-9)
    assert found.ndcg.low <= found.ndcg.mean <= found.ndcg.high


def test_it_estimates_the_quality_for_targets_drawn_alike():
    """Items that are easy because they are popular: the plain mean is far from the mean over items."""
    generator = np.random.default_rng(0)
    counts = np.array([0, 0, *(1000 // np.arange(1, 51))])
    shares = counts[2:] / counts[2:].sum()
    chance = np.linspace(0.9, 0.1, 50)  # chance that a target is first; else it is not in the list
    items = generator.choice(50, size=20_000, p=shares)
    ranks = np.where(generator.random(20_000) < chance[items], 1, 99)[:, None]
    found = balanced_quality(ranks, (items[:, None] + 2).tolist(), counts, 10, clip=1e9, samples=100)
    assert found.ndcg.low < chance.mean() < found.ndcg.high
    assert (ranks == 1).mean() > chance.mean() + 0.15


def test_users_without_a_counted_target_are_left_out():
    ranks, targets = np.array([[1], [0]]), [[2], [3]]
    assert balanced_quality(ranks, targets, COUNTS, samples=20).ndcg.num_users == 1
    with pytest.raises(ValueError, match="none of 1 users has a target"):
        balanced_quality(np.array([[0]]), [[2]], COUNTS)
