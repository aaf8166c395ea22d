"""Fits a calibration of click logits on validation impressions; cross-validation over users chooses the method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ...evaluation.click_prediction.click_metrics import logistic_fit
from ...modeling_xcat.calibration_xcat import MAX_KNOTS, ClickCalibration, offset_to_mean

IDENTITY = "identity"
FOLDS = 5
LEAST_GAIN = 1.0
"""Standard errors by which the log loss of a method must be lower than without calibration."""

Logits = np.ndarray
_Fit = Callable[[Logits, np.ndarray, ClickCalibration], bool]


@dataclass(frozen=True)
class CalibrationFit:
    """Choice of a calibration.

    Args:
        method: "identity", "temperature", "platt" or "isotonic".
        log_losses: Log loss of each method on users that it was not fitted on.
    """

    method: str
    log_losses: dict[str, float]


def fit_calibration(
    calibration: ClickCalibration,
    logits: np.ndarray | torch.Tensor,
    labels: np.ndarray | torch.Tensor,
    users: Sequence[object] | np.ndarray,
    *,
    shift: float = 0.0,
    seed: int = 0,
    rate: float | None = None,
    log_odds: bool = True,
) -> CalibrationFit:
    """Fit temperature, Platt scaling and isotonic regression, and set the best in a calibration.

    The users are divided into folds; each method is fitted on the others and measured on a fold. A method is used if
    its log loss is lower than without calibration by more than one standard error over users, otherwise the logits
    stay as they are, as with a single user.

    With `rate`, the labels tell neither how many positives there are elsewhere, nor the slope there. Then log odds get
    a constant alone, which sets the mean prediction to `rate`. Scores on another scale need a shape: the methods are
    compared with the intercept of the labels in all of them, also without calibration.

    Args:
        calibration: The calibration to set.
        logits: (rows,) logits of validation impressions, without calibration.
        labels: (rows,) 1 or 0.
        users: (rows,) user of each impression.
        shift: Correction of log odds from `prior_shift`, applied first.
        seed: Seed of the folds.
        rate: Mean prediction of these impressions after calibration; None for that of the method.
        log_odds: Whether the logits are log odds of a trained model, and not scores such as similarities.

    Raises:
        ValueError: If lengths differ, logits are not finite, or there is one label only.
    """
    x, y = _checked(logits, labels, users)
    names, codes = np.unique(np.asarray(users), return_inverse=True)
    fold = np.random.default_rng(seed).permutation(len(names))[codes] % min(FOLDS, max(len(names), 2))
    calibration.reset()
    calibration.set_prior(shift)
    found = ClickCalibration()
    losses: dict[str, np.ndarray] = {IDENTITY: _losses(_restarted(found, shift), x, y)}
    methods = _METHODS
    if rate is not None:
        methods = {} if log_odds else {IDENTITY: _offset, "platt": _platt, "isotonic": _isotonic}
    if len(names) < 2:  # no other users to measure a method on
        methods = {}
    for method, fit in methods.items():
        values = np.empty(len(x))
        usable = True
        for number in np.unique(fold):
            inside = fold != number
            usable &= fit(x[inside] + shift, y[inside], _restarted(found, shift))
            values[~inside] = _losses(found, x[~inside], y[~inside])
        if usable:
            losses[method] = values
    best = min(losses, key=lambda method: float(losses[method].mean()))
    if not _is_better(losses[IDENTITY] - losses[best], codes):
        best = IDENTITY
    if best != IDENTITY and not methods[best](x + shift, y, calibration):
        best = IDENTITY
    if rate is not None:
        with torch.no_grad():
            calibration.add(offset_to_mean(calibration(torch.from_numpy(x).float()), rate))
    return CalibrationFit(best, {method: float(values.mean()) for method, values in losses.items()})


def _checked(
    logits: np.ndarray | torch.Tensor, labels: np.ndarray | torch.Tensor, users: Sequence[object] | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    x = torch.as_tensor(logits).detach().cpu().double().numpy()
    y = torch.as_tensor(labels).cpu().double().numpy()
    if x.ndim != 1 or x.shape != y.shape or len(users) != len(x):
        raise ValueError(
            f"there are {x.shape} logits, {y.shape} labels and {len(users)} users; give one of each per impression"
        )
    if not np.isfinite(x).all():
        raise ValueError(f"{int((~np.isfinite(x)).sum())} of {len(x)} logits are not finite; the model has diverged")
    if len(np.unique(y)) < 2:
        raise ValueError(f"all {len(y)} labels of validation are equal; a calibration needs both")
    return x, y


def _restarted(calibration: ClickCalibration, shift: float) -> ClickCalibration:
    calibration.reset()
    calibration.set_prior(shift)
    return calibration


def _losses(calibration: ClickCalibration, logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(rows,) log losses after calibration."""
    with torch.no_grad():
        z = calibration(torch.from_numpy(logits).float()).double().numpy()
    losses: np.ndarray = np.logaddexp(0, z) - labels * z
    return losses


def _is_better(gain: np.ndarray, users: np.ndarray) -> bool:
    """Whether the mean gain exceeds its standard error, with users as the units."""
    sums = np.bincount(users, gain)
    return bool(sums.sum() > LEAST_GAIN * np.sqrt(len(sums) * sums.var()))


def _temperature(logits: np.ndarray, labels: np.ndarray, calibration: ClickCalibration) -> bool:
    slope, _ = logistic_fit(logits, labels, intercept=False)
    return _line(calibration, slope, 0.0)


def _offset(logits: np.ndarray, labels: np.ndarray, calibration: ClickCalibration) -> bool:
    mean = float(labels.mean())
    if not 0 < mean < 1:
        return False
    return _line(calibration, 1.0, offset_to_mean(torch.from_numpy(logits), mean))


def _platt(logits: np.ndarray, labels: np.ndarray, calibration: ClickCalibration) -> bool:
    return _line(calibration, *logistic_fit(logits, labels))


def _line(calibration: ClickCalibration, slope: float, intercept: float) -> bool:
    if not (np.isfinite(slope) and np.isfinite(intercept) and slope > 0):
        return False
    calibration.set_line(slope, intercept)
    return True


def _isotonic(logits: np.ndarray, labels: np.ndarray, calibration: ClickCalibration) -> bool:
    """Isotonic regression in bins of equal mass; a bin's share of positives is smoothed by half a positive each."""
    order = np.argsort(logits, kind="stable")
    x, y = logits[order], labels[order]
    bins = np.array_split(np.arange(len(x)), min(MAX_KNOTS, max(len(x) // 20, 1)))
    places = np.array([x[rows].mean() for rows in bins])
    counts = np.array([len(rows) for rows in bins], dtype=np.float64)
    rates = isotonic_means((np.array([y[rows].sum() for rows in bins]) + 0.5) / (counts + 1), counts)
    places32 = places.astype(np.float32)
    kept = np.append(True, np.diff(places32) > 0)
    values = np.log(rates) - np.log1p(-rates)
    calibration.set_curve(torch.from_numpy(places32[kept]), torch.from_numpy(values[kept]).float())
    return True


def isotonic_means(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Least-squares fit that never falls, by pooling adjacent violators (Ayer et al., 1955).

    Args:
        values: (rows,) values in order.
        weights: (rows,) positive weights.

    Example:
        >>> isotonic_means(np.array([1.0, 3.0, 2.0, 4.0]), np.ones(4)).tolist()
        [1.0, 2.5, 2.5, 4.0]
    """
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(values, weights, strict=True):
        block = float(value), float(weight), 1
        while blocks and blocks[-1][0] >= block[0]:
            mean, mass, rows = blocks.pop()
            both = mass + block[1]
            block = (mean * mass + block[0] * block[1]) / both, both, rows + block[2]
        blocks.append(block)
    return np.repeat([mean for mean, _, _ in blocks], [rows for _, _, rows in blocks])


_METHODS: dict[str, _Fit] = {"temperature": _temperature, "platt": _platt, "isotonic": _isotonic}
"""Methods by name, the simplest first: each sets a calibration from shifted logits and labels, if it can."""
