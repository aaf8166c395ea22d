"""Metrics of predicted click probabilities, from labels, predictions and users.

This file defines every metric: the library evaluates with it, and each `evaluate` module has a copy beside its script.
So it needs only numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

BINS = 15
"""Bins of the expected calibration error."""
_EPSILON = 1e-15
_EQUAL = 1e-6
"""Logits that differ by less, relative to their size if it is above 1, are equal but for rounding."""
ABOUT = {
    "auc": "AUC: probability that a positive has a higher prediction than a negative; equal predictions count half.",
    "gauc": "GAUC: mean AUC of the users with both labels, weighted by their impressions (DIN, KDD 2018).",
    "log_loss": "Log loss: mean negative log-likelihood of the labels, in nats.",
    "normalised_entropy": "Normalised entropy: log loss relative to that of always predicting the share of positives.",
    "ece": "ECE: mean distance of predictions and share of positives, in 15 bins with equal numbers of impressions.",
    "reliability_slope": "Reliability slope: logistic regression of labels on predicted log odds; 1 is calibrated.",
    "prediction_ratio": "Prediction ratio: mean prediction relative to the share of positives; 1 is calibrated.",
}
"""Definition of each metric, in one sentence."""


class Predictions:
    """Labels with predictions, sorted once, so that metrics of many resamples of the users are quick.

    Args:
        predictions: (rows,) probabilities.
        labels: (rows,) 1 or 0.
        users: (rows,) user of each row, for GAUC; None for no users.

    Raises:
        ValueError: If lengths differ, there are no rows, a prediction is not a probability, or a label is
            neither 1 nor 0.
    """

    def __init__(
        self,
        predictions: Sequence[float] | np.ndarray,
        labels: Sequence[int] | np.ndarray,
        users: Sequence[object] | np.ndarray | None,
    ) -> None:
        p, y = np.asarray(predictions, dtype=np.float64), np.asarray(labels, dtype=np.float64)
        if p.ndim != 1 or p.shape != y.shape:
            raise ValueError(f"predictions have shape {p.shape} and labels {y.shape}; give one of each per impression")
        if not len(p):
            raise ValueError("there are no predictions; give at least one impression")
        wrong = ~((p >= 0) & (p <= 1))
        if wrong.any():
            raise ValueError(f"{int(wrong.sum())} predictions are not probabilities, for example {p[wrong][0]}")
        wrong = (y != 0) & (y != 1)
        if wrong.any():
            raise ValueError(f"{int(wrong.sum())} labels are neither 1 nor 0, for example {y[wrong][0]}")
        order = np.argsort(p, kind="stable")
        self.predictions, self.labels = p[order], y[order]
        self.tied = np.cumsum(np.append(True, self.predictions[1:] != self.predictions[:-1])) - 1
        """(rows,) number of the group of equal predictions."""
        self.users = None
        """(rows,) number of the user, in order of `np.unique`."""
        self.num_users = 0
        if users is not None:
            if len(users) != len(p):
                raise ValueError(f"there are {len(users)} users for {len(p)} predictions; give one per impression")
            names, codes = np.unique(np.asarray(users), return_inverse=True)
            self.users, self.num_users = codes[order], len(names)
        clipped = np.clip(self.predictions, _EPSILON, 1 - _EPSILON)
        self.losses = -np.where(self.labels == 1, np.log(clipped), np.log1p(-clipped))
        self.logits = np.log(clipped) - np.log1p(-clipped)
        self.weights = np.ones(len(p))
        self._per_user: tuple[np.ndarray, np.ndarray] | None = None

    def per_user(self) -> tuple[np.ndarray, np.ndarray]:
        """(users,) AUC of each user, NaN for a user with one label only, and impressions of each user."""
        if self.users is None:
            raise ValueError("gauc is a mean over users; give users=, one per impression")
        if self._per_user is not None:
            return self._per_user
        positives = np.bincount(self.users, self.labels, minlength=self.num_users)
        counts = np.bincount(self.users, minlength=self.num_users)
        order = np.lexsort((self.predictions, self.users))
        user, p, y = self.users[order], self.predictions[order], self.labels[order]
        opens = np.append(True, (user[1:] != user[:-1]) | (p[1:] != p[:-1]))
        group = np.cumsum(opens) - 1
        first = np.flatnonzero(opens)
        sizes = np.diff(np.append(first, len(p)))
        starts = np.cumsum(counts) - counts
        rank = first - starts[user[first]] + (sizes + 1) / 2
        ranks = np.bincount(user, rank[group] * y, minlength=self.num_users)
        with np.errstate(divide="ignore", invalid="ignore"):
            auc = (ranks - positives * (positives + 1) / 2) / (positives * (counts - positives))
        self._per_user = np.where((positives > 0) & (positives < counts), auc, np.nan), counts
        return self._per_user


def auc(found: Predictions, weights: np.ndarray) -> float:
    """Area under the ROC curve."""
    groups = int(found.tied[-1]) + 1
    positive = np.bincount(found.tied, weights * found.labels, minlength=groups)
    negative = np.bincount(found.tied, weights * (1 - found.labels), minlength=groups)
    below = np.cumsum(negative) - negative / 2
    total = positive.sum() * negative.sum()
    return float(positive @ below / total) if total > 0 else float("nan")


def gauc(found: Predictions, weights: np.ndarray) -> float:
    """AUC per user, weighted by impressions; all rows of a user must have one weight."""
    values, counts = found.per_user()
    assert found.users is not None
    times = np.zeros(found.num_users)
    times[found.users] = weights
    mass = np.where(np.isnan(values), 0.0, counts * times)
    return float(mass @ np.nan_to_num(values) / mass.sum()) if mass.sum() > 0 else float("nan")


def log_loss(found: Predictions, weights: np.ndarray) -> float:
    """Mean log loss; predictions of 0 and 1 are clipped at 1e-15."""
    return float(weights @ found.losses / weights.sum())


def normalised_entropy(found: Predictions, weights: np.ndarray) -> float:
    """Log loss over the entropy of the share of positives (He et al., ADKDD 2014)."""
    rate = float(weights @ found.labels / weights.sum())
    if not 0 < rate < 1:
        return float("nan")
    entropy = -(rate * np.log(rate) + (1 - rate) * np.log1p(-rate))
    return float(log_loss(found, weights) / entropy)


def ece(found: Predictions, weights: np.ndarray) -> float:
    """Expected calibration error in `BINS` bins of equal mass.

    Every bin has exactly the same mass: an impression at a border counts in both bins in part. Impressions with equal
    predictions are spread evenly, so their order does not matter.
    """
    groups = int(found.tied[-1]) + 1
    mass, predicted, positive = (
        np.append(0.0, np.cumsum(np.bincount(found.tied, values, minlength=groups)))
        for values in (weights, weights * found.predictions, weights * found.labels)
    )
    edges = np.linspace(0, mass[-1], BINS + 1)
    kept = np.append(True, np.diff(mass) > 0)
    gaps = np.diff(np.interp(edges, mass[kept], predicted[kept])) - np.diff(
        np.interp(edges, mass[kept], positive[kept])
    )
    return float(np.abs(gaps).sum() / mass[-1])


def reliability_slope(found: Predictions, weights: np.ndarray) -> float:
    """Slope of a logistic regression of labels on logits (Cox, 1958).

    Infinite if the logits separate the labels, and NaN if the predictions are equal but for rounding.
    """
    return logistic_fit(found.logits, found.labels, weights)[0]


def prediction_ratio(found: Predictions, weights: np.ndarray) -> float:
    """Mean prediction over the share of positives."""
    positives = float(weights @ found.labels)
    return float(weights @ found.predictions / positives) if positives else float("nan")


CLICK_METRICS: dict[str, Callable[[Predictions, np.ndarray], float]] = {
    "auc": auc, "gauc": gauc, "log_loss": log_loss, "normalised_entropy": normalised_entropy, "ece": ece,
    "reliability_slope": reliability_slope, "prediction_ratio": prediction_ratio,
}  # fmt: skip
"""Metrics by name: functions of predictions and of a weight per row, for resamples of the users."""


def logistic_fit(
    logits: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None, *, intercept: bool = True
) -> tuple[float, float]:
    """Slope and intercept of the most likely logistic regression of labels on logits, by Newton's method.

    Args:
        logits: (rows,) finite numbers.
        labels: (rows,) 1 or 0.
        weights: (rows,) weights; None for equal ones.
        intercept: Whether the intercept is fitted; otherwise it is 0.

    Returns:
        Slope and intercept. The slope is NaN if all labels, or all logits but for rounding, are equal, and infinite
        if the logits separate the labels.
    """
    weights = np.ones(len(logits)) if weights is None else weights
    counted = weights > 0
    x, y, w = logits[counted], labels[counted], weights[counted]
    ones, zeros = x[y == 1], x[y == 0]
    if not len(ones) or not len(zeros) or x.max() - x.min() <= _EQUAL * max(1.0, float(np.abs(x).max())):
        return float("nan"), 0.0
    if intercept and (zeros.max() <= ones.min() or ones.max() <= zeros.min()):
        return (float("inf") if zeros.max() <= ones.min() else float("-inf")), 0.0
    if not intercept and (min(ones.min(), -zeros.max()) >= 0 or max(ones.max(), -zeros.min()) <= 0):
        return (float("inf") if min(ones.min(), -zeros.max()) >= 0 else float("-inf")), 0.0
    columns = np.stack([x, np.ones_like(x)], axis=1)[:, : 1 + intercept]
    found = np.zeros(columns.shape[1])
    loss = _logistic_loss(columns @ found, y, w)
    for _ in range(100):
        p = 1 / (1 + np.exp(-np.clip(columns @ found, -700, 700)))
        gradient = columns.T @ (w * (p - y))
        hessian = columns.T @ (columns * (w * p * (1 - p))[:, None])
        step = np.linalg.lstsq(hessian, gradient, rcond=None)[0]
        size = 1.0
        while size > 1e-10 and _logistic_loss(columns @ (found - size * step), y, w) > loss:
            size /= 2
        found = found - size * step
        loss = _logistic_loss(columns @ found, y, w)
        if np.abs(size * step).max() < 1e-10 * (1 + np.abs(found).max()):
            break
    return float(found[0]), float(found[1]) if intercept else 0.0


def _logistic_loss(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    return float(weights @ (np.logaddexp(0, logits) - labels * logits))
