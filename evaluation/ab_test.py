"""A/B tests: which users see which ranking, how many users a test needs, and what it found."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from math import ceil, isfinite, sqrt
from statistics import NormalDist

from .bootstrap import Interval

_NORMAL = NormalDist()


def assign(user_id: str, experiment: str, shares: Mapping[str, float]) -> str:
    """The variant that a user sees: always the same one, without stored state.

    The place of a user is a hash of experiment and user, so experiments are independent of each other. If a share
    grows at the end of the order, only users of the variants that shrink move.

    Args:
        user_id: The user.
        experiment: Name of the test.
        shares: Share of the users per variant, in order; they sum to 1.

    Raises:
        ValueError: If there is no variant, a share is negative, or the sum is not 1.

    Example:
        >>> assign("anna", "october", {"old": 0.5, "new": 0.5})
        'old'
    """
    if not shares or any(not isfinite(share) or share < 0 for share in shares.values()):
        raise ValueError(f"shares is {dict(shares)}; give each variant a share of 0 or more")
    if abs(sum(shares.values()) - 1) > 1e-9:
        raise ValueError(f"shares sum to {sum(shares.values()):g}; they have to sum to 1")
    digest = hashlib.sha256(f"{experiment}\0{user_id}".encode()).digest()
    place, upper = int.from_bytes(digest[:8], "big") / 2**64, 0.0
    for variant, share in shares.items():
        upper += share
        if place < upper:
            return variant
    return [variant for variant, share in shares.items() if share][-1]


def users_needed(rate: float, lift: float, *, power: float = 0.8, level: float = 0.95) -> int:
    """Users per variant that a test of two rates needs (Fleiss, "Statistical Methods for Rates and Proportions").

    Args:
        rate: Share of users with a click or purchase now.
        lift: Relative change to find, such as .05 for 5 % more.
        power: Chance to find it if it is there.
        level: 1 - the chance to find a difference that is not there; two-sided.

    Raises:
        ValueError: If a value is out of range, or the changed rate is not between 0 and 1.

    Example:
        >>> users_needed(0.05, 0.10)
        31234
    """
    _check_shares(rate=rate, power=power, level=level)
    other = rate * (1 + lift)
    if lift == 0 or not 0 < other < 1:
        raise ValueError(f"lift is {lift}; give a change that leaves a rate of {rate} between 0 and 1, and is not 0")
    mean = (rate + other) / 2
    spread = _NORMAL.inv_cdf((1 + level) / 2) * sqrt(2 * mean * (1 - mean))
    spread += _NORMAL.inv_cdf(power) * sqrt(rate * (1 - rate) + other * (1 - other))
    return ceil((spread / (other - rate)) ** 2)


def smallest_lift(rate: float, users: int, *, power: float = 0.8, level: float = 0.95) -> float:
    """Smallest relative increase that a test with this many users per variant finds.

    Args:
        rate: As in `users_needed`.
        users: Users per variant.
        power: As in `users_needed`.
        level: As in `users_needed`.

    Returns:
        The increase; infinite if even a rate near 1 would not be found.

    Raises:
        ValueError: If a value is out of range.
    """
    _check_shares(rate=rate)
    if users < 1:
        raise ValueError(f"users is {users}; give 1 or more per variant")
    low, high = 0.0, (1 - 1e-9) / rate - 1
    if users_needed(rate, high, power=power, level=level) > users:
        return float("inf")
    for _ in range(60):
        middle = (low + high) / 2
        enough = middle > 0 and users_needed(rate, middle, power=power, level=level) <= users
        low, high = (low, middle) if enough else (middle, high)
    return high


def rate_difference(successes: tuple[int, int], users: tuple[int, int], *, level: float = 0.95) -> Interval:
    """Rate of the second variant minus that of the first, with Newcombe's interval.

    It holds for small numbers, too (Newcombe, "Interval estimation for the difference between independent
    proportions", Statistics in Medicine 1998, method 10).

    Args:
        successes: Users with a click or purchase, per variant.
        users: Users per variant.
        level: Level of the interval.

    Raises:
        ValueError: If a variant has no users, or more successes than users.
    """
    _check_shares(level=level)
    for count, total in zip(successes, users, strict=True):
        if total < 1 or not 0 <= count <= total:
            raise ValueError(f"successes is {successes} of users {users}; give each variant users and as many at most")
    rates = [count / total for count, total in zip(successes, users, strict=True)]
    bounds = [_wilson(rate, total, level) for rate, total in zip(rates, users, strict=True)]
    gap = rates[1] - rates[0]
    low = gap - sqrt((rates[1] - bounds[1][0]) ** 2 + (bounds[0][1] - rates[0]) ** 2)
    high = gap + sqrt((bounds[1][1] - rates[1]) ** 2 + (rates[0] - bounds[0][0]) ** 2)
    return Interval(gap, low, high, level, sum(users))


def _wilson(rate: float, total: int, level: float) -> tuple[float, float]:
    z = _NORMAL.inv_cdf((1 + level) / 2)
    middle = rate + z * z / (2 * total)
    width = z * sqrt(rate * (1 - rate) / total + z * z / (4 * total * total))
    return (middle - width) / (1 + z * z / total), (middle + width) / (1 + z * z / total)


def _check_shares(**values: float) -> None:
    for name, value in values.items():
        if not 0 < value < 1:
            raise ValueError(f"{name} is {value}; give a number between 0 and 1")
