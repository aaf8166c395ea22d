"""Trends of items: counts of events and first purchases, at all and lately."""

from __future__ import annotations

import math

import numpy as np
import pytest

from xcat_rec.catalogue.trends import TREND_WINDOW, WINDOWS, item_trends
from xcat_rec.modeling_xcat.segments_xcat import TRENDS

WEEK = 7 * 86_400


def test_events_of_two_eight_and_of_all_weeks() -> None:
    users, items = np.array([0, 0, 0, 0, 1, 1]), np.array([2, 3, 2, 3, 3, 2])
    weeks = np.array([0, 51, 52, 52, 0, 47])
    found = item_trends(users, items, weeks * WEEK, rows=5)
    assert found.shape == (5, len(TRENDS) - 1)
    log = math.log
    assert found[2].tolist() == pytest.approx([log(4), log(1.5), log(2.5), log(0.5), log(1.5), log(2 / (1 + 3 / 13))])
    assert found[3].tolist() == pytest.approx([log(4), log(2.5), log(2.5), log(1.5), log(1.5), log(3 / (1 + 3 / 13))])
    assert found[4].tolist() == pytest.approx([0, *[log(0.5)] * 4, 0])


def test_without_times_every_event_is_recent() -> None:
    found = item_trends(np.array([0, 0, 1]), np.array([2, 2, 2]), np.full(3, -1), rows=3)
    expected = np.log([4, 3.5, 3.5, 2.5, 2.5, 4 / (1 + 3 * TREND_WINDOW)])
    assert found[2].tolist() == pytest.approx(expected.tolist())
    one_undated = item_trends(np.array([0, 0, 1]), np.array([2, 2, 2]), np.array([-1, 5, 5]), rows=3)
    assert one_undated[2, 1].item() == pytest.approx(math.log(2.5)), "an event without a time is not recent"
    assert one_undated[2, 3].item() == pytest.approx(math.log(1.5)), "nor is the first purchase it was"


def test_against_a_count_event_by_event() -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        users = np.sort(generator.integers(0, 4, 60))
        items, times = generator.integers(2, 9, 60), np.zeros(60, dtype=np.int64)
        for user in range(4):
            times[users == user] = np.sort(generator.integers(0, 1000, (users == user).sum()))
        found = item_trends(users, items, times, rows=10)
        span = times.max() - np.quantile(times, 0.05)
        for item in range(2, 9):
            own = [(users[n], times.max() - times[n], not ((users == users[n]) & (items == item))[:n].any())
                   for n in range(60) if items[n] == item]  # fmt: skip
            counts = [sum(age < window * span for _, age, _ in own) for window in (*WINDOWS, TREND_WINDOW)]
            firsts = [sum(first and age < window * span for _, age, first in own) for window in WINDOWS]
            expected = [math.log1p(len(own)), *(math.log(n + 0.5) for n in (*counts[:2], *firsts)),
                        math.log((counts[2] + 1) / (len(own) * TREND_WINDOW + 1))]  # fmt: skip
            assert found[item].tolist() == pytest.approx(expected, abs=1e-5)
