"""A/B tests: stable assignment, sample sizes against tables and simulation, intervals against published examples."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from xcat_rec.evaluation.ab_test import assign, rate_difference, smallest_lift, users_needed

USERS = [f"user-{number}" for number in range(20_000)]


def test_users_are_assigned_by_their_shares() -> None:
    counts = Counter(assign(user, "a", {"old": 0.8, "new": 0.2}) for user in USERS)
    assert counts["new"] / len(USERS) == pytest.approx(0.2, abs=0.01)
    assert set(counts) == {"old", "new"}
    assert {assign(user, "a", {"old": 0.0, "new": 1.0}) for user in USERS[:100]} == {"new"}


def test_a_user_keeps_the_variant_and_experiments_are_independent() -> None:
    shares = {"old": 0.5, "new": 0.5}
    first = [assign(user, "a", shares) for user in USERS]
    assert first == [assign(user, "a", shares) for user in USERS]
    both = Counter(zip(first, [assign(user, "b", shares) for user in USERS], strict=True))
    assert all(count / len(USERS) == pytest.approx(0.25, abs=0.015) for count in both.values())


def test_a_growing_share_moves_only_users_of_the_variant_that_shrinks() -> None:
    before = [assign(user, "a", {"old": 0.9, "new": 0.1}) for user in USERS]
    after = [assign(user, "a", {"old": 0.7, "new": 0.3}) for user in USERS]
    assert set(zip(before, after, strict=True)) == {("old", "old"), ("old", "new"), ("new", "new")}


def test_sample_sizes_have_the_power_that_they_promise() -> None:
    users, repeats = users_needed(0.1, 0.3), 2_000
    assert users == 1774  # 10 % against 13 %, 80 % power, as common calculators give
    draw = np.random.default_rng(0)
    counts = draw.binomial(users, [0.1, 0.13], size=(repeats, 2))
    found = [rate_difference((int(a), int(b)), (users, users)).excludes_zero for a, b in counts]
    assert np.mean(found) == pytest.approx(0.8, abs=0.03)
    same = draw.binomial(users, 0.1, size=(repeats, 2))
    false = [rate_difference((int(a), int(b)), (users, users)).excludes_zero for a, b in same]
    assert np.mean(false) == pytest.approx(0.05, abs=0.015)


def test_smallest_lift_is_the_inverse_of_the_sample_size() -> None:
    lift = smallest_lift(0.05, 31_234)
    assert lift == pytest.approx(0.10, rel=1e-4)
    assert users_needed(0.05, lift) <= 31_234
    assert smallest_lift(0.9, 3) == float("inf")


def test_intervals_are_those_of_the_paper() -> None:
    found = rate_difference((48, 56), (80, 70))  # Newcombe 1998, table II, case (a): 56/70 - 48/80
    assert (round(found.mean, 4), round(found.low, 4), round(found.high, 4)) == (0.2, 0.0524, 0.3339)
    none = rate_difference((0, 10), (10, 10))
    assert (none.low, none.high) == pytest.approx((0.6075, 1.0), abs=1e-4)


@pytest.mark.parametrize("shares", [{}, {"a": -0.5, "b": 1.5}, {"a": float("nan")}, {"a": 0.5}])
def test_wrong_shares_are_named(shares: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="shares"):
        assign("anna", "a", shares)


def test_wrong_numbers_are_named() -> None:
    for call, name in (
        (lambda: users_needed(0.0, 0.1), "rate"),
        (lambda: users_needed(0.5, 0.0), "lift"),
        (lambda: users_needed(0.5, 1.5), "lift"),
        (lambda: users_needed(0.5, 0.1, power=1.0), "power"),
        (lambda: smallest_lift(0.5, 0), "users"),
        (lambda: rate_difference((1, 1), (0, 1)), "successes"),
        (lambda: rate_difference((2, 1), (1, 1)), "successes"),
        (lambda: rate_difference((1, 1), (1, 1), level=0.0), "level"),
    ):
        with pytest.raises(ValueError, match=name):
            call()
