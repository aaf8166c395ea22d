"""Off-policy estimates: what another ranking would have earned, from lists that were drawn at random and logged.

A round is one list that a user was shown. Each place has the probability with which the logging policy chose its item,
given the items above it (`PlackettLuce.propensities`), and the probability that the evaluated policy chooses it there.
The weight of a place is the product of the ratios down to this place: the reward of an item may depend on the items
above it, but not on those below (reward interaction; McInerney et al., "Counterfactual Evaluation of Slate
Recommendations with Sequential Reward Interactions", KDD 2020; with a model of rewards: Kiyohara et al., "Doubly
Robust Off-Policy Evaluation for Ranking Policies under the Cascade Behavior Model", WSDM 2022).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np

from .bootstrap import Interval

MIN_EFFECTIVE_SHARE = 0.01
"""Smallest effective share of the rounds for an estimate."""


class TooFewRoundsError(ValueError):
    """The logged lists say too little about the evaluated policy, so an estimate would be chance."""


@dataclass(frozen=True)
class LoggedRounds:
    """Logged lists and what an evaluated policy thinks of them. Shapes are (rounds, places).

    Args:
        rewards: Reward of each place, such as 1 for a click; 0 where there is no item.
        logged: Probability of each place's item under the policy that drew the list, given the items above it.
        target: The same under the evaluated policy.
        predicted: Reward of each place's item as a model predicts it; with `expected`, for the doubly robust estimate.
        expected: Mean of the predicted rewards under the evaluated policy, given the items above the place.
        users: (rounds,) user of each round, whose rounds depend on each other; None if all are independent.
        present: True for places with an item; None for all.

    Raises:
        ValueError: If shapes differ, a probability is outside 0 to 1, a logged one is 0, or a value is not finite.
    """

    rewards: np.ndarray
    logged: np.ndarray
    target: np.ndarray
    predicted: np.ndarray | None = None
    expected: np.ndarray | None = None
    users: Sequence[Any] | np.ndarray | None = None
    present: np.ndarray | None = None

    def __post_init__(self) -> None:
        rewards = np.asarray(self.rewards, dtype=np.float64)
        if rewards.ndim != 2 or not rewards.size:
            raise ValueError(f"rewards have shape {rewards.shape}; give (rounds, places) with at least one of each")
        present = np.ones(rewards.shape, bool) if self.present is None else np.asarray(self.present, dtype=bool)
        object.__setattr__(self, "rewards", rewards)
        object.__setattr__(self, "present", present)
        if (self.predicted is None) != (self.expected is None):
            raise ValueError("give both predicted and expected, or none of them")
        for name in ("logged", "target", "predicted", "expected"):
            given = getattr(self, name)
            if given is not None:
                object.__setattr__(self, name, np.asarray(given, dtype=np.float64))
        self._check(present)

    def _check(self, present: np.ndarray) -> None:
        if present.shape != self.rewards.shape or not present.any():
            raise ValueError(f"present has shape {present.shape}; give {self.rewards.shape} with at least one True")
        if (present[:, 1:] & ~present[:, :-1]).any():
            raise ValueError("present has an empty place above an item; fill lists from the first place")
        for name in ("rewards", "logged", "target", "predicted", "expected"):
            values = getattr(self, name)
            if values is None:
                continue
            if values.shape != self.rewards.shape:
                raise ValueError(f"{name} has shape {values.shape}; rewards have {self.rewards.shape}")
            if not np.isfinite(values[present]).all():
                raise ValueError(f"{name} has a value that is not finite")
        for name in ("logged", "target"):
            values = getattr(self, name)[present]
            if (values < 0).any() or (values > 1 + 1e-9).any():
                raise ValueError(f"{name} has a probability outside 0 to 1")
        if (self.logged[present] == 0).any():
            raise ValueError("logged has the probability 0 for an item that was shown; log lists that are drawn")
        if self.users is not None and len(self.users) != len(self.rewards):
            raise ValueError(f"users has {len(self.users)} entries for {len(self.rewards)} rounds")

    def weights(self, clip: float | None = None) -> np.ndarray:
        """(rounds, places) products of target / logged down to each place; 0 where there is no item.

        Args:
            clip: Largest weight; None for no limit. A limit lowers the variance and biases the estimate downwards.
        """
        assert self.present is not None
        ratios = np.divide(self.target, self.logged, out=np.zeros_like(self.rewards), where=self.present)
        weights = np.cumprod(ratios, axis=1)
        return weights if clip is None else np.minimum(weights, clip)


@dataclass(frozen=True)
class OffPolicyEstimate:
    """What the evaluated policy would have earned per list.

    Args:
        estimates: By estimator (`ips`, `snips`, and with predicted rewards `dr`): the value and its interval.
        effective_rounds: Kish's effective number of rounds at the place where it is smallest.
        num_rounds: Logged lists.
        logged_value: Mean reward per logged list.
        influences: By estimator: (users,) what each user adds to the value; see `difference`.
    """

    estimates: dict[str, Interval]
    effective_rounds: float
    num_rounds: int
    logged_value: float
    influences: dict[str, np.ndarray] = field(repr=False, default_factory=dict)

    def difference(self, other: OffPolicyEstimate, estimator: str = "snips", level: float = 0.95) -> Interval:
        """This value minus that of another policy on the same rounds, with a paired interval.

        Args:
            other: The other policy's estimate.
            estimator: One of `estimates`.
            level: Level of the interval.

        Raises:
            ValueError: If the rounds differ, or one of the two has no such estimate.
        """
        if estimator not in self.influences or estimator not in other.influences:
            both = sorted({*self.influences} & {*other.influences})
            raise ValueError(f"estimator is {estimator!r}; both have {both}")
        mine, others = self.influences[estimator], other.influences[estimator]
        if mine.shape != others.shape or self.num_rounds != other.num_rounds:
            raise ValueError("the two estimates have different rounds; evaluate both policies on one log")
        gap = self.estimates[estimator].mean - other.estimates[estimator].mean
        return _interval(gap, mine - others, level)


def off_policy_estimate(
    rounds: LoggedRounds,
    *,
    clip: float | None = None,
    min_effective_share: float = MIN_EFFECTIVE_SHARE,
    level: float = 0.95,
) -> OffPolicyEstimate:
    """Estimate the reward per list of a policy that did not draw the lists.

    Intervals are normal, with the variance of the estimate's influence function summed within users. They are right
    for many users; with a small effective number of rounds they would be too narrow, so the estimate is refused.

    Args:
        rounds: The log.
        clip: Largest weight; None for no limit.
        min_effective_share: Smallest effective share of the rounds.
        level: Level of the intervals.

    Returns:
        Inverse propensity score (`ips`), self-normalised (`snips`), and with predicted rewards doubly robust (`dr`).

    Raises:
        TooFewRoundsError: If fewer of the rounds are effective.
        ValueError: If an option is out of range.

    Example:
        >>> logged = np.array([[0.5], [0.5], [0.5], [0.5]])
        >>> target = np.array([[1.0], [0.0], [1.0], [0.0]])
        >>> found = off_policy_estimate(LoggedRounds(np.array([[1.0], [0.0], [1.0], [1.0]]), logged, target))
        >>> found.estimates["snips"].mean, found.effective_rounds
        (1.0, 2.0)
    """
    if clip is not None and clip <= 0:
        raise ValueError(f"clip is {clip}; give a number above 0, or None")
    for name, value in (("level", level), ("min_effective_share", min_effective_share)):
        if not 0 < value < 1:
            raise ValueError(f"{name} is {value}; give a number between 0 and 1")
    weights, rewards, present = rounds.weights(clip), rounds.rewards, rounds.present
    assert present is not None
    effective = _effective_rounds(weights, present)
    if effective < min_effective_share * len(rewards):
        raise TooFewRoundsError(
            f"only {effective:.1f} of {len(rewards):,} lists are effective, less than {min_effective_share:.0%}; "
            "the policy rarely shows what was logged; log lists with more exploration, or compare shorter lists"
        )
    rewarded = weights * np.where(present, rewards, 0.0)
    values = {"ips": (rewarded.mean(0).sum(), rewarded.sum(1) - rewarded.mean(0).sum())}
    values["snips"] = _self_normalised(weights, rewarded, present)
    if rounds.predicted is not None and rounds.expected is not None:
        before = np.concatenate([np.ones((len(weights), 1)), weights[:, :-1]], axis=1)
        parts = weights * (rewards - rounds.predicted) + before * rounds.expected
        each = np.where(present, parts, 0.0).sum(1)
        values["dr"] = (each.mean(), each - each.mean())
    influences = {name: _by_user(influence, rounds.users) for name, (_, influence) in values.items()}
    estimates = {name: _interval(float(value), influences[name], level) for name, (value, _) in values.items()}
    shown = float(np.where(present, rewards, 0.0).sum(1).mean())
    return OffPolicyEstimate(estimates, effective, len(rewards), shown, influences)


def _effective_rounds(weights: np.ndarray, present: np.ndarray) -> float:
    """Smallest over the places: (sum of weights)^2 / sum of squared weights."""
    used = weights[:, present.any(0)]
    squares = (used**2).sum(0)
    sums = used.sum(0) ** 2
    return float(np.divide(sums, squares, out=np.zeros_like(sums), where=squares > 0).min())


def _self_normalised(weights: np.ndarray, rewarded: np.ndarray, present: np.ndarray) -> tuple[float, np.ndarray]:
    """Sum over places of share of lists with the place, times weighted mean reward; and its influence function."""
    value, influence = 0.0, np.zeros(len(weights))
    for place in np.flatnonzero(present.any(0)):
        here = present[:, place]
        share, mass = here.mean(), weights[here, place].mean()
        mean = rewarded[here, place].mean() / mass
        value += share * mean
        influence += np.where(here, (rewarded[:, place] - weights[:, place] * mean) / mass, 0.0)
        influence += (here - share) * mean
    return value, influence


def _by_user(influence: np.ndarray, users: Sequence[Any] | np.ndarray | None) -> np.ndarray:
    """(users,) what each user's rounds add to a mean over rounds."""
    if users is None:
        return influence / len(influence)
    _, places = np.unique(np.asarray(users), return_inverse=True)
    return np.bincount(places, weights=influence) / len(influence)


def _interval(value: float, influence: np.ndarray, level: float) -> Interval:
    count = len(influence)
    error = float(np.sqrt((influence**2).sum() * count / max(1, count - 1)))
    width = NormalDist().inv_cdf((1 + level) / 2) * error
    return Interval(value, value - width, value + width, level, count)
