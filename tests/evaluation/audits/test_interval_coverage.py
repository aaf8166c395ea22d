"""Intervals of the audit cover the true value in 93 to 97 % of simulated samples, within the chance of 400 of them."""

from __future__ import annotations

import numpy as np

from xcat_rec.evaluation.audits.popularity import tail_per_user
from xcat_rec.evaluation.audits.user_groups import quality_gaps
from xcat_rec.evaluation.bootstrap import confidence_interval
from xcat_rec.evaluation.propensities import balanced_quality

REPEATS, USERS, SAMPLES = 400, 120, 200
COUNTS = np.array([0, 0, *(200 // np.arange(1, 21))])


def covered(lows: list[float], highs: list[float], truth: float) -> float:
    return float(((np.array(lows) < truth) & (truth < np.array(highs))).mean())


def test_popularity_of_lists() -> None:
    generator, ends = np.random.default_rng(0), ([], [])  # type: ignore[var-annotated]
    for _ in range(REPEATS):
        lists = generator.integers(2, 22, size=(USERS, 5))
        found = confidence_interval(tail_per_user(lists, COUNTS)[:, 0], SAMPLES)
        ends[0].append(found.low)
        ends[1].append(found.high)
    assert 0.92 < covered(*ends, COUNTS[2:].mean()) < 0.98


def test_gaps_between_groups_of_users() -> None:
    generator, ends = np.random.default_rng(1), ([], [])  # type: ignore[var-annotated]
    for _ in range(REPEATS):
        few = generator.random(300) < 0.5
        values = generator.beta(2, 5, size=300) + 0.1 * few
        gap = quality_gaps(values, np.where(few, 3, 9), samples=300)[0].gap
        ends[0].append(gap.low)
        ends[1].append(gap.high)
    assert 0.92 < covered(*ends, 0.1) < 0.98


def test_quality_on_a_balanced_test() -> None:
    generator, ends = np.random.default_rng(2), ([], [])  # type: ignore[var-annotated]
    shares, chance = COUNTS[2:] / COUNTS.sum(), np.linspace(0.9, 0.2, 20)
    for _ in range(REPEATS):
        items = generator.choice(20, size=4 * USERS, p=shares)
        ranks = np.where(generator.random(4 * USERS) < chance[items], 1, 99)[:, None]
        found = balanced_quality(ranks, (items[:, None] + 2).tolist(), COUNTS, clip=1e9, samples=SAMPLES).ndcg
        ends[0].append(found.low)
        ends[1].append(found.high)
    assert 0.92 < covered(*ends, chance.mean()) < 0.98
