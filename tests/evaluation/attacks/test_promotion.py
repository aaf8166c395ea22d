"""Promoted items and the events that promote them: exact results on small tables, and properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.evaluation.attacks.promotion import (
    FURTHEST,
    LEAST_LIMIT,
    MOST_PROMOTED,
    item_scores,
    promoting_events,
)
from xcat_rec.evaluation.attacks.user_features import UserItems


def _pairs(rows: list[tuple[int, int]], users: int, items: int) -> UserItems:
    places = np.array(rows, dtype=int).reshape(-1, 2)
    names = [f"u{n:02d}" for n in range(users)], [f"i{n:02d}" for n in range(items)]
    return UserItems(*names, places[:, 0], places[:, 1])


def test_an_event_needs_a_suspicious_user_and_a_promoted_item() -> None:
    """Users 18 and 19 are suspicious; both have item 0, one has item 1 together with honest users."""
    rows = [(18, 0), (19, 0), (0, 0), (19, 1), *[(n, 1) for n in range(8)], *[(n, 2) for n in range(18)]]
    pairs = _pairs(rows, 20, 3)
    scores = np.where(np.arange(20) >= 18, 10.0, 0.0)
    found = item_scores(scores, pairs)
    spread = scores.std()
    assert found[0] == pytest.approx((18 - 3 * 0) / spread / np.sqrt(3) * (10 / 9) - 3 / spread / np.sqrt(3))
    promoting, promoted = promoting_events(scores, found, pairs, 5.0, 2.0)
    assert promoted.tolist() == [True, False, False]
    assert [rows[place] for place in np.flatnonzero(promoting)] == [(18, 0), (19, 0)]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1_000), st.floats(-2, 2), st.floats(-2, 2))
def test_promoted_items_are_few_and_have_the_highest_scores(seed: int, user: float, item: float) -> None:
    draw = np.random.default_rng(seed)
    rows = sorted({(int(draw.integers(30)), int(draw.integers(12))) for _ in range(80)})
    pairs, scores = _pairs(rows, 30, 12), draw.normal(size=30)
    found = item_scores(scores, pairs)
    values = np.clip((scores - scores.mean()) / scores.std(), -FURTHEST, FURTHEST)
    for place in range(12):
        theirs = [values[a] for a, b in rows if b == place]
        assert found[place] == pytest.approx(np.mean(theirs) * np.sqrt(len(theirs)) if theirs else 0)
    promoting, promoted = promoting_events(scores, found, pairs, user, item)
    assert promoted.sum() == min(LEAST_LIMIT, (found >= item).sum()) and MOST_PROMOTED * 12 < LEAST_LIMIT
    assert not promoted.any() or found[promoted].min() >= np.max(found[~promoted & (found >= item)], initial=-np.inf)
    low = min(user, np.quantile(scores, 0.9))
    assert promoting.tolist() == [bool(promoted[b] and scores[a] >= low) for a, b in rows]
