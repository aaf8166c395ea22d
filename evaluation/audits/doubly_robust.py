"""Effects of a treatment by doubly robust estimates with cross-fitting, and the checks that such estimates need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FOLDS = 3
OVERLAP = (0.01, 0.9)
"""Rows whose propensity is outside are left out: too few like them have the other treatment."""
FEWEST = 20
"""Rows with and without the treatment, and clusters, that an estimate needs."""
_STEPS, _SMALL = 25, 1e-8
_Z = 1.959963984540054
_CLIPPED, _KNOTS = (0.005, 0.995), (0.1, 0.5, 0.9)
_BINS = 200
_QUANTILES = (0.0, 0.01, 0.1, 0.5, 0.9, 0.99, 1.0)


@dataclass(frozen=True)
class Estimate:
    """An estimate with its 95 % interval of the normal distribution.

    Args:
        value: The estimate.
        error: Standard error, robust to dependence within clusters.
        low: Lower end.
        high: Upper end.
    """

    value: float
    error: float
    low: float
    high: float

    @classmethod
    def of(cls, value: float, error: float) -> Estimate:
        """An estimate from its standard error."""
        return cls(value, error, value - _Z * error, value + _Z * error)

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval is on one side of zero."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Overlap:
    """Overlap of rows with and without the treatment.

    Args:
        quantiles: Quantiles 0, .01, .1, .5, .9, .99 and 1 of the propensities of all rows.
        left_out: Share of all rows that were left out.
        treated_left_out: Share of all treated rows that were left out.
        effective_rows: Number of equally weighted rows that are as informative as the weighted untreated ones, for the
            effect on the treated.
        balance: Largest difference of a covariate's mean between treated and weighted untreated rows, in its standard
            deviations; above .1 the groups are not comparable.
        balance_before: The same without weights.
    """

    quantiles: tuple[float, ...]
    left_out: float
    treated_left_out: float
    effective_rows: float
    balance: float
    balance_before: float


@dataclass(frozen=True)
class TreatmentEffect:
    """Effects of a treatment on an outcome.

    Args:
        rows: Number of rows within the overlap, to which all other values refer.
        treated: Number of these rows with the treatment.
        clusters: Numbers of clusters, in the order of the given ones.
        naive: Difference of the mean outcomes, without adjustment.
        everyone: Average effect over all rows (ATE).
        treated_only: Average effect over the rows with the treatment (ATT).
        anyway: Share of the treated rows' outcomes that would have happened without the treatment.
        rate: Mean outcome of the treated rows.
        overlap: Overlap of the two groups.
    """

    rows: int
    treated: int
    clusters: tuple[int, ...]
    naive: Estimate
    everyone: Estimate
    treated_only: Estimate
    anyway: Estimate | None
    rate: float
    overlap: Overlap


def treatment_effect(
    covariates: np.ndarray,
    treatment: np.ndarray,
    outcome: np.ndarray,
    clusters: Sequence[np.ndarray],
    folds: int = FOLDS,
    seed: int = 0,
) -> TreatmentEffect:
    """Estimate the effects of a treatment by augmented inverse-propensity weighting with cross-fitting.

    Propensities and outcomes are logistic regressions on linear splines of the covariates; propensities are calibrated
    by isotonic regression. Each row gets predictions
    of models that were fitted without its fold, and rows of one cluster of the first kind are in one fold (double
    machine learning; Chernozhukov et al., The Econometrics Journal 2018). The estimate is consistent if either the
    propensities or the outcomes are modelled rightly (Robins, Rotnitzky and Zhao, JASA 1994), and if the covariates
    have all common causes of treatment and outcome. Rows whose propensity is outside `OVERLAP` are left out, so the
    effects are those of rows that could have had either treatment (Crump et al., Biometrika 2009).

    Args:
        covariates: (rows, covariates) values from before the treatment.
        treatment: (rows,) 0 or 1.
        outcome: (rows,) 0 or 1.
        clusters: Codes (rows,) of one or two kinds of clusters within which rows depend on each other, such as
            products and households. With two, errors are robust to both (Cameron, Gelbach and Miller 2011).
        folds: Number of folds.
        seed: Seed of the folds.

    Returns:
        The effects.

    Raises:
        ValueError: If values are not 0 and 1, or there are too few rows or clusters.
    """
    treatment, outcome = np.asarray(treatment, dtype=np.float64), np.asarray(outcome, dtype=np.float64)
    codes = [np.unique(part, return_inverse=True)[1] for part in clusters]
    _check(treatment, outcome, codes, folds)
    design = _design(np.asarray(covariates, dtype=np.float64))
    propensity, without, having = np.empty((3, len(treatment)))
    fold = np.random.default_rng(seed).permutation(codes[0].max() + 1)[codes[0]] % folds
    for number in range(folds):
        inside, rest = fold == number, fold != number
        treated = rest & (treatment == 1)
        untreated = rest & (treatment == 0)
        propensity[inside] = _predicted(design, treatment, rest, inside, calibrated=True)
        without[inside] = _predicted(design, outcome, untreated, inside)
        having[inside] = _predicted(design, outcome, treated, inside)
    kept = (propensity >= OVERLAP[0]) & (propensity <= OVERLAP[1])
    _check(treatment[kept], outcome[kept], [np.unique(part[kept], return_inverse=True)[1] for part in codes], folds)
    overlap = _overlap(design, treatment, propensity, kept)
    nuisances = [part[kept] for part in (treatment, outcome, propensity, without, having)]
    return _effects(nuisances, [np.unique(part[kept], return_inverse=True)[1] for part in codes], overlap)


def _effects(values: Sequence[np.ndarray], codes: Sequence[np.ndarray], overlap: Overlap) -> TreatmentEffect:
    treatment, outcome, propensity, without, having = values
    share = treatment.mean()
    rest = outcome - np.where(treatment == 1, having, without)
    every = having - without + rest * (treatment / propensity - (1 - treatment) / (1 - propensity))
    odds = (1 - treatment) * propensity / (1 - propensity)
    # per row: contributions to the treated rows' outcomes without the treatment, and with it
    anyway = (treatment * without + odds * (outcome - without)) / share
    actual = treatment * outcome / share
    rate, kept = actual.mean(), anyway.mean()
    effect = rate - kept
    influence = actual - anyway - effect * treatment / share
    naive = _naive(treatment, outcome)
    ratio = None
    if rate > 0:
        own = (anyway - kept * treatment / share) - kept / rate * (actual - rate * treatment / share)
        ratio = Estimate.of(float(kept / rate), clustered_error(own / rate, codes))
    return TreatmentEffect(
        rows=len(treatment),
        treated=int(treatment.sum()),
        clusters=tuple(int(part.max()) + 1 for part in codes),
        naive=Estimate.of(naive[0], clustered_error(naive[1], codes)),
        everyone=Estimate.of(float(every.mean()), clustered_error(every - every.mean(), codes)),
        treated_only=Estimate.of(float(effect), clustered_error(influence, codes)),
        anyway=ratio,
        rate=float(rate),
        overlap=overlap,
    )


def clustered_error(influence: np.ndarray, clusters: Sequence[np.ndarray]) -> float:
    """Standard error of a mean of dependent values: for two kinds of clusters, at least that of either alone.

    Args:
        influence: (rows,) values with mean 0.
        clusters: (rows,) codes from 0 of one or two kinds.

    Example:
        >>> values = np.array([1.0, -1.0, 1.0, -1.0])
        >>> round(clustered_error(values, [np.arange(4)]) ** 2, 6), clustered_error(values, [np.array([0, 0, 1, 1])])
        (0.333333, 0.0)
    """
    single = [_variance(influence, part) for part in clusters]
    if len(single) == 1:
        return float(np.sqrt(single[0]))
    both = np.unique(np.stack(clusters, axis=1), axis=0, return_inverse=True)[1].ravel()
    return float(np.sqrt(max(*single, sum(single) - _variance(influence, both))))


def _variance(influence: np.ndarray, codes: np.ndarray) -> float:
    """Variance of the mean, from sums per cluster, with the correction for few clusters."""
    sums = np.bincount(codes, influence)
    return float(sums @ sums / len(influence) ** 2 * len(sums) / max(len(sums) - 1, 1))


def _naive(treatment: np.ndarray, outcome: np.ndarray) -> tuple[float, np.ndarray]:
    share = treatment.mean()
    means = [outcome[treatment == arm].mean() for arm in (0, 1)]
    influence = treatment / share * (outcome - means[1]) - (1 - treatment) / (1 - share) * (outcome - means[0])
    return float(means[1] - means[0]), influence


def _overlap(design: np.ndarray, treatment: np.ndarray, propensity: np.ndarray, kept: np.ndarray) -> Overlap:
    columns, treated = design[kept, 1:], treatment[kept] == 1
    odds = np.where(treated, 0, propensity[kept] / (1 - propensity[kept]))
    mean, spread = columns[treated].mean(axis=0), np.maximum(columns.std(axis=0), _SMALL)
    before = np.abs(mean - columns[~treated].mean(axis=0)) / spread
    after = np.abs(mean - odds @ columns / odds.sum()) / spread
    return Overlap(
        tuple(float(value) for value in np.quantile(propensity, _QUANTILES)), float(1 - kept.mean()),
        float(1 - kept[treatment == 1].mean()), float(odds.sum() ** 2 / (odds @ odds)), float(after.max()),
        float(before.max()),
    )  # fmt: skip


def _design(covariates: np.ndarray) -> np.ndarray:
    """A column of ones, then linear splines of the covariates, standardised; constant columns are left out.

    A covariate is clipped to its quantiles .005 and .995. Its knots are quantiles of the values that differ from the
    median, so that a covariate that is mostly 0 has knots, too. Covariates with two values have products with all.
    """
    parts = [np.ones((len(covariates), 1))]
    centred = covariates - covariates.mean(axis=0)
    for values in covariates.T:
        values = np.clip(values, *np.quantile(values, _CLIPPED))
        others = values[values != np.median(values)]
        knots = np.unique(np.quantile(others, _KNOTS)) if len(others) else np.zeros(0)
        parts += [part[:, None] for part in (values, *(np.maximum(values - knot, 0) for knot in knots))]
        if len(others) and (others == others[0]).all():
            parts.append(centred * (values - values.mean())[:, None])
    columns = np.concatenate(parts, axis=1)
    spread = columns.std(axis=0)
    varied = spread > _SMALL * np.maximum(1, np.abs(columns).max(axis=0))
    columns = (columns - columns.mean(axis=0)) / np.where(varied, spread, 1)
    return np.concatenate([parts[0], columns[:, varied]], axis=1)


def _predicted(
    design: np.ndarray, labels: np.ndarray, fitted: np.ndarray, wanted: np.ndarray, calibrated: bool = False
) -> np.ndarray:
    weights = logistic_regression(design[fitted], labels[fitted])
    scores = design[wanted] @ weights
    if calibrated:
        return calibrate(design[fitted] @ weights, labels[fitted], scores)
    return logistic(scores)


def calibrate(scores: np.ndarray, labels: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Probabilities that do not fall with the score: isotonic regression on at most `_BINS` bins of equal size.

    Weights of inverse propensities stay bounded by it where a regression is too sure (van der Laan, Lin, Carone and
    Luedtke, "Stabilized Inverse Probability Weighting via Isotonic Calibration", 2024).

    Args:
        scores: (rows,) scores.
        labels: (rows,) 0 or 1.
        wanted: (others,) scores to calibrate.

    Returns:
        (others,) probabilities.

    Example:
        >>> calibrate(np.array([1.0, 2.0, 3.0]), np.array([1, 0, 1]), np.array([0.0, 2.5, 3.0])).tolist()
        [0.5, 0.5, 1.0]
    """
    order = np.argsort(scores, kind="stable")
    parts = np.array_split(order, min(_BINS, len(order)))
    blocks: list[tuple[float, int, float]] = []
    for part in parts:
        block = (float(labels[part].sum()), len(part), float(scores[part[0]]))
        while blocks and blocks[-1][0] * block[1] >= block[0] * blocks[-1][1]:
            total, size, start = blocks.pop()
            block = (total + block[0], size + block[1], start)
        blocks.append(block)
    starts = np.array([start for _, _, start in blocks[1:]])
    return np.array([total / size for total, size, _ in blocks])[np.searchsorted(starts, wanted, side="right")]


def logistic(scores: np.ndarray) -> np.ndarray:
    """Probabilities of scores in nats."""
    probabilities: np.ndarray = 1 / (1 + np.exp(-np.clip(scores, -30, 30)))
    return probabilities


def logistic_regression(design: np.ndarray, labels: np.ndarray, penalty: float = 1.0) -> np.ndarray:
    """Weights of a logistic regression with a squared penalty on all but the first column, by Newton's method.

    Args:
        design: (rows, columns) values; the first column is 1.
        labels: (rows,) 0 or 1.
        penalty: Weight of half the squared weights beside the summed loss.

    Returns:
        (columns,) weights.
    """
    ridge = np.full(design.shape[1], penalty)
    ridge[0] = _SMALL
    share = np.clip(labels.mean(), 0.5 / len(labels), 1 - 0.5 / len(labels))
    weights = np.zeros(design.shape[1])
    weights[0] = np.log(share / (1 - share))
    for _ in range(_STEPS):
        chance = logistic(design @ weights)
        gradient = design.T @ (chance - labels) + ridge * weights
        curvature = design.T @ (design * (chance * (1 - chance))[:, None])
        step = np.linalg.solve(curvature + np.diag(ridge), gradient)
        weights = weights - step * min(1.0, 5.0 / max(np.abs(step).max(), _SMALL))
        if np.abs(step).max() < 1e-6:
            break
    return weights


def _check(treatment: np.ndarray, outcome: np.ndarray, codes: Sequence[np.ndarray], folds: int) -> None:
    for name, values in (("treatment", treatment), ("outcome", outcome)):
        if not np.isin(values, (0, 1)).all():
            raise ValueError(f"{name} has the value {values[~np.isin(values, (0, 1))][0]}; give 0 and 1")
    treated = int(treatment.sum())
    if min(treated, len(treatment) - treated) < FEWEST:
        raise ValueError(
            f"{treated} of {len(treatment)} rows have the treatment; an effect needs {FEWEST} with and without it"
        )
    if not 1 <= len(codes) <= 2 or folds < 2 or min(part.max() + 1 for part in codes) < max(folds, FEWEST):
        raise ValueError(f"an effect needs one or two kinds of clusters, {FEWEST} clusters of each, and 2 folds")
