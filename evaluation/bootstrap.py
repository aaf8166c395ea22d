"""Confidence intervals and paired differences: the bootstrap over users."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ..tokenization.progress import stage

SAMPLES = 1000
"""Bootstrap samples of displayed intervals."""
_DRAWS_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class Interval:
    """A mean over users and its percentile interval.

    Args:
        mean: The mean of the data.
        low: Lower end.
        high: Upper end.
        level: Share of the resampled means in the interval.
        num_users: Number of users.
    """

    mean: float
    low: float
    high: float
    level: float
    num_users: int

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval is on one side of zero."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        return f"{self.mean:.4f} [{self.low:.4f}, {self.high:.4f}]"


def confidence_interval(values: np.ndarray, samples: int = SAMPLES, seed: int = 0, level: float = 0.95) -> Interval:
    """Percentile bootstrap interval of a mean over users (Efron and Tibshirani, 1993, chapter 13).

    Args:
        values: (users,) values of a metric; users without a target have NaN and are left out.
        samples: Number of bootstrap samples.
        seed: Seed of the draws; the same seed gives the same interval.
        level: Share of the resampled means within the interval.

    Returns:
        The mean and its interval.

    Raises:
        ValueError: If no value is left, or `samples` or `level` are out of range.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"values have shape {values.shape}; give one per user")
    return confidence_intervals(values[:, None], samples, seed, level)[0]


def confidence_intervals(
    values: np.ndarray, samples: int = SAMPLES, seed: int = 0, level: float = 0.95
) -> list[Interval]:
    """Intervals of several metrics of the same users, from the same samples; see `confidence_interval`.

    Args:
        values: (users, metrics) values; a user without targets has NaN in all of them and is left out.
        samples: Number of bootstrap samples.
        seed: Seed of the draws.
        level: Share of the resampled means within the interval.

    Returns:
        One interval per metric.

    Raises:
        ValueError: If no value is left, if a user has only some of the values, or if `samples` or `level` are out of
            range.
    """
    if samples < 1 or not 0 < level < 1:
        raise ValueError(
            f"samples is {samples} and level {level}; give samples of 1 or more and a level within 0 to 1"
        )
    missing = np.isnan(values)
    partly = int((missing.any(1) != missing.all(1)).sum())
    if partly:
        raise ValueError(f"{partly} of {len(values)} users have only some of the metrics; give metrics of one slice")
    present = values[~missing.any(1)]
    if not len(present):
        raise ValueError(f"none of {len(values)} users has a value; the slice is empty, so leave it out")
    means = _resampled_means(present, samples, seed)
    return [
        _interval(float(mean), column, level, len(present))
        for mean, column in zip(present.mean(0), means.T, strict=True)
    ]


def _interval(mean: float, resampled: np.ndarray, level: float, num_users: int) -> Interval:
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean, float(low), float(high), level, num_users)


def _resampled_means(values: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """(samples, columns) means of (users, columns) values over resampled users."""
    return np.concatenate([times @ values / len(values) for times in _draws(len(values), samples, seed)])


def _draws(users: int, samples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each user is in each sample: arrays (samples, users), several samples at a time."""
    generator = np.random.default_rng(seed)
    step = max(1, _DRAWS_AT_ONCE // users)
    with stage("bootstrap intervals", samples, "samples") as running:
        for start in range(0, samples, step):
            drawn = generator.integers(users, size=(min(step, samples - start), users))
            drawn += np.arange(len(drawn))[:, None] * users  # one `bincount` then counts all samples
            yield np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)
            running.advance(len(drawn))


def bootstrap_statistic(
    statistic: Callable[[np.ndarray], float],
    num_users: int,
    samples: int = SAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Percentile interval of a statistic that is not a mean over users, such as AUC; users are resampled.

    For a paired difference give a statistic that subtracts two models' values on the same weights.

    Args:
        statistic: Computes the value from (users,) weights: how often each user is in the sample.
        num_users: Number of users.
        samples: Number of bootstrap samples; samples without a value (NaN) are left out.
        seed: Seed of the draws; the same seed draws the same users as the other intervals.
        level: Share of the resampled values within the interval.

    Returns:
        The statistic of the data and its interval.

    Raises:
        ValueError: If the statistic is NaN for the data.
    """
    found = bootstrap_statistics(lambda times: np.array([statistic(times)]), num_users, samples, seed)
    if np.isnan(found.values[0]):
        raise ValueError(f"the statistic of {num_users} users is not a number; it needs both labels")
    return found.interval(0, level=level)


@dataclass(frozen=True)
class ResampledStatistics:
    """Statistics of the data and of resampled users.

    Args:
        values: (statistics,) values of the data.
        resampled: (samples, statistics) values of the samples; NaN where a sample has none.
        num_users: Number of users.
    """

    values: np.ndarray
    resampled: np.ndarray
    num_users: int

    def interval(self, place: int, minus: int | None = None, level: float = 0.95) -> Interval:
        """Percentile interval of a statistic, or of its difference to another one on the same samples.

        Args:
            place: Number of the statistic.
            minus: Number of the statistic to subtract; None for none.
            level: Share of the resampled values within the interval.
        """
        value, sampled = self.values[place], self.resampled[:, place]
        if minus is not None:
            value, sampled = value - self.values[minus], sampled - self.resampled[:, minus]
        return _interval(float(value), sampled[~np.isnan(sampled)], level, self.num_users)


def bootstrap_statistics(
    statistics: Callable[[np.ndarray], np.ndarray], num_users: int, samples: int = SAMPLES, seed: int = 0
) -> ResampledStatistics:
    """Several statistics on the same resamples of the users; see `bootstrap_statistic`.

    Args:
        statistics: Computes the (statistics,) values from (users,) weights.
        num_users: Number of users.
        samples: Number of bootstrap samples.
        seed: Seed of the draws; the same seed draws the same users as the other intervals.
    """
    values = statistics(np.ones(num_users))
    resampled = np.stack([statistics(times) for draws in _draws(num_users, samples, seed) for times in draws])
    return ResampledStatistics(values, resampled, num_users)


def paired_bootstrap(
    a: np.ndarray, b: np.ndarray, samples: int = 1000, seed: int = 0, level: float = 0.95
) -> Interval:
    """Interval of the mean difference a - b between two models on the same users.

    Users are resampled, and each user keeps the values of both models, so differences between users cancel out
    (Koehn, "Statistical Significance Tests for Machine Translation Evaluation", EMNLP 2004).

    Args:
        a: (users,) values of a metric for one model.
        b: (users,) values of the same users, in the same order, for the other model.
        samples: Number of bootstrap samples.
        seed: Seed of the draws.
        level: Share of the resampled means within the interval.

    Returns:
        The mean difference and its interval.

    Raises:
        ValueError: If the two have different users.
    """
    a, b = _of_the_same_users(a, b)
    return confidence_interval(a - b, samples, seed, level)


def relative_bootstrap(
    a: np.ndarray, b: np.ndarray, samples: int = 1000, seed: int = 0, level: float = 0.95
) -> Interval:
    """Interval of the relative difference mean(a) / mean(b) - 1.

    Both means are resampled. Dividing the ends of `paired_bootstrap` by the mean of b would ignore that this mean is
    an estimate too, and the intervals would be too narrow (ratio estimators; Efron and Tibshirani, 1993, chapter 10).

    Args:
        a: As in `paired_bootstrap`.
        b: As in `paired_bootstrap`.
        samples: As in `paired_bootstrap`.
        seed: As in `paired_bootstrap`; the same users are resampled.
        level: As in `paired_bootstrap`.

    Returns:
        The relative difference and its interval.

    Raises:
        ValueError: If the two have different users, no value is left, or the mean of b is 0 in a sample.

    Example:
        >>> found = relative_bootstrap(np.array([0.2, 0.4, 0.6]), np.array([0.1, 0.2, 0.3]))
        >>> round(found.mean, 6), round(found.low, 6), round(found.high, 6)
        (1.0, 1.0, 1.0)
    """
    a, b = _of_the_same_users(a, b)
    pairs = np.stack([a, b], axis=1)[~np.isnan(a)]
    if not len(pairs):
        raise ValueError(f"none of {len(a)} users has a value; the slice is empty, so leave it out")
    means = _resampled_means(pairs, samples, seed)
    if (means[:, 1] == 0).any():
        raise ValueError("the other model's mean is 0 in a bootstrap sample; give the difference (paired_bootstrap)")
    mean = pairs.mean(0)
    return _interval(float(mean[0] / mean[1] - 1), means[:, 0] / means[:, 1] - 1, level, len(pairs))


def _of_the_same_users(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape or not np.array_equal(np.isnan(a), np.isnan(b)):
        raise ValueError(
            f"the two models have different users ({np.sum(~np.isnan(a))} and {np.sum(~np.isnan(b))} "
            "values); evaluate both on the same split, in the same order"
        )
    return a, b
