"""Inverse-propensity weights of items, and quality on a popularity-balanced test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..tokenization.vocabulary import NUM_SPECIAL_ROWS
from .bootstrap import SAMPLES, Interval, bootstrap_statistic
from .ranks import pad_targets

POWER, CLIP = 1.0, 10.0
"""Default exponent of the popularity of an item, and largest weight relative to the mean."""


def inverse_propensities(
    counts: np.ndarray, power: float = POWER, clip: float = CLIP, events: np.ndarray | None = None
) -> np.ndarray:
    """Weights that undo the popularity of items among events: clipped and self-normalised.

    The propensity of an item is its number of training events to a power. Weights are divided by their mean over the
    events, clipped, and divided by their new mean, so the mean over the events is 1 (Swaminathan and Joachims, "The
    Self-Normalized Estimator for Counterfactual Learning", NIPS 2015).

    Args:
        counts: (rows,) training events per item; items without events count as those with one.
        power: 0 for equal weights, 1 for weights in inverse proportion to popularity.
        clip: Largest weight relative to the mean, before the last division; at least 1.
        events: (rows,) numbers of events whose mean weight is 1; None for the training events.

    Returns:
        (rows,) weights; 0 for special rows.

    Raises:
        ValueError: If `power` is not from 0 to 2, `clip` is below 1, or there are no events.

    Example:
        >>> inverse_propensities(np.array([0, 0, 3, 1])).tolist()
        [0.0, 0.0, 0.6666666666666666, 2.0]
        >>> inverse_propensities(np.array([0, 0, 3, 1]), clip=1.5).round(3).tolist()
        [0.0, 0.0, 0.762, 1.714]
    """
    if not 0 <= power <= 2 or clip < 1:
        raise ValueError(f"power is {power} and clip {clip}; give a power from 0 to 2 and a clip of 1 or more")
    numbers = np.asarray(counts if events is None else events, dtype=np.float64)[NUM_SPECIAL_ROWS:]
    if not numbers.sum():
        raise ValueError("no item has an event, so events have no propensities; give counts of a training split")
    shares = numbers / numbers.sum()
    weights = np.maximum(np.asarray(counts, dtype=np.float64)[NUM_SPECIAL_ROWS:], 1) ** -power
    weights = np.minimum(weights / (shares @ weights), clip)
    return np.concatenate([np.zeros(NUM_SPECIAL_ROWS), weights / (shares @ weights)])


@dataclass(frozen=True)
class BalancedQuality:
    """Quality on a popularity-balanced test: targets are weighted by inverse propensities.

    Args:
        ndcg: Weighted NDCG, self-normalised: the estimate for targets that are drawn from all items alike (Yang et
            al., "Unbiased Offline Recommender Evaluation for Missing-Not-At-Random Implicit Feedback", RecSys 2018).
        effective_users: Number of equally weighted users with the same variance; far below the number of users, the
            estimate depends on few of them.
        power: As in `inverse_propensities`.
        clip: Likewise.
    """

    ndcg: Interval
    effective_users: float
    power: float
    clip: float


def balanced_quality(
    ranks: np.ndarray,
    targets: Sequence[Sequence[int]],
    counts: np.ndarray,
    k: int = 10,
    power: float = POWER,
    clip: float = CLIP,
    samples: int = SAMPLES,
) -> BalancedQuality:
    """Estimate the quality on a popularity-balanced test.

    Args:
        ranks: (users, targets) ranks of the targets from 1; 0 or less for targets that do not count.
        targets: Item indices of each user's targets.
        counts: (rows,) training events per item.
        k: Cut-off.
        power: As in `inverse_propensities`.
        clip: Likewise.
        samples: Bootstrap samples of the users.

    Raises:
        ValueError: If no target counts.
    """
    values, weights = balanced_per_user(ranks, targets, counts, k, power, clip)
    kept = weights > 0
    values, weights = values[kept], weights[kept]

    def mean(times: np.ndarray) -> float:
        return float((times * weights) @ values / (times @ weights))

    effective = float(weights.sum() ** 2 / (weights @ weights))
    return BalancedQuality(bootstrap_statistic(mean, len(values), samples), effective, power, clip)


def balanced_per_user(
    ranks: np.ndarray,
    targets: Sequence[Sequence[int]],
    counts: np.ndarray,
    k: int = 10,
    power: float = POWER,
    clip: float = CLIP,
) -> tuple[np.ndarray, np.ndarray]:
    """NDCG with weighted targets, and the weight, of each user; arguments as in `balanced_quality`.

    The gain of a target is its weight, so the ideal list has the rarest targets first.

    Returns:
        (users,) values, 0 without a target, and (users,) sums of the weights of the targets.

    Example:
        >>> values, weights = balanced_per_user(np.array([[2], [1]]), [[2], [3]], np.array([0, 0, 3, 1]), 10)
        >>> values.round(4).tolist(), weights.round(4).tolist()
        ([0.6309, 1.0], [0.5, 1.5])
    """
    items = pad_targets(targets)
    places = np.asarray(ranks)[:, : items.shape[1]]
    counted = (places > 0) & (items >= NUM_SPECIAL_ROWS)
    if not counted.any():
        raise ValueError(f"none of {len(items)} users has a target; give ranks of a validation or test split")
    events = np.bincount(items[counted], minlength=len(counts))
    gains = np.where(counted, inverse_propensities(counts, power, clip, events)[np.where(counted, items, 0)], 0.0)
    found = np.where((places > 0) & (places <= k), gains / np.log2(np.maximum(places, 1) + 1), 0.0).sum(axis=1)
    best = -np.sort(-gains, axis=1)[:, :k]
    ideal = (best / np.log2(np.arange(best.shape[1]) + 2)).sum(axis=1)
    values = found / np.where(ideal > 0, ideal, 1.0)
    return values, gains.sum(axis=1)
