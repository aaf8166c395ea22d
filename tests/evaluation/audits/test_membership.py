"""Membership inference: exact values, intervals, and a model that has learned its users by heart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.evaluation.audits.membership import membership_inference

LOSSES = st.lists(st.integers(0, 6), min_size=1, max_size=12)


@settings(deadline=None, max_examples=60)
@given(LOSSES, LOSSES)
def test_values_are_those_of_all_pairs(members: list[int], others: list[int]) -> None:
    found = membership_inference(np.array(members, float), np.array(others, float), samples=2)
    pairs = [(a < b) + 0.5 * (a == b) for a in members for b in others]
    assert found.auc.mean == pytest.approx(sum(pairs) / len(pairs))
    allowed = sorted(others)[len(others) // 100]
    assert found.true_positives.mean == pytest.approx(sum(a < allowed for a in members) / len(members))


def test_no_difference_is_chance_and_the_interval_has_it() -> None:
    """Of 60 pairs of equal groups, about 95 % of the intervals of the AUC have .5 in them."""
    generator, covered = np.random.default_rng(0), 0
    for seed in range(60):
        one, other = generator.normal(size=(2, 150))
        found = membership_inference(one, other, samples=200, seed=seed)
        covered += found.auc.low <= 0.5 <= found.auc.high
    assert 51 <= covered <= 60


def test_a_hidden_tenth_is_found_at_few_false_positives() -> None:
    """Members of whom a tenth have a loss of 0: AUC .55, and just that tenth at 1 % false positives."""
    members = np.concatenate([np.zeros(100), np.linspace(1, 2, 900)])
    found = membership_inference(members, np.linspace(1, 2, 1000))
    assert found.auc.mean == pytest.approx(0.55, abs=0.002)
    assert found.true_positives.mean == pytest.approx(0.109, abs=0.002)
    assert found.true_positives.low < 0.109 < found.true_positives.high
    assert "1,000 members, 1,000 others" in str(found)


def test_losses_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(ValueError, match="others has 0 losses"):
        membership_inference(np.ones(3), np.ones(0))
    with pytest.raises(ValueError, match="members has 2 losses"):
        membership_inference(np.array([1.0, np.inf]), np.ones(2))
