"""Doubly robust effects: known effects, independent computations, coverage, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from xcat_rec.evaluation.audits.doubly_robust import (
    clustered_error,
    logistic,
    logistic_regression,
    treatment_effect,
)


def simulated(rows: int, seed: int, clusters: int = 100, spread: float = 0.0, effect: float = 0.8):
    """Popular products are promoted more and bought more; the effect on the treated is known row by row."""
    generator = np.random.default_rng(seed)
    product = generator.integers(clusters, size=rows)
    popular = generator.normal(size=clusters)[product] + 0.3 * generator.normal(size=rows)
    habit = generator.normal(size=rows)
    shock = spread * generator.normal(size=clusters)[product]
    treatment = generator.random(rows) < logistic(popular - 1)
    chances = [logistic(popular + 0.5 * habit - 2 + shock + effect * arm) for arm in (0, 1)]
    outcome = generator.random(rows) < np.where(treatment, chances[1], chances[0])
    truth = chances[1] - chances[0]
    return np.stack([popular, habit], axis=1), treatment, outcome, product, truth, chances


def test_a_known_effect_is_found_where_the_plain_difference_is_far_off():
    covariates, treatment, outcome, product, truth, chances = simulated(20_000, 0)
    found = treatment_effect(covariates, treatment, outcome, [product])
    assert found.treated_only.low < truth[treatment].mean() < found.treated_only.high
    assert found.everyone.low < truth.mean() < found.everyone.high
    assert found.naive.value > truth[treatment].mean() + 5 * found.treated_only.error
    anyway = chances[0][treatment].mean() / chances[1][treatment].mean()
    assert found.anyway is not None and found.anyway.low < anyway < found.anyway.high
    assert found.anyway.value == pytest.approx(1 - found.treated_only.value / found.rate, abs=1e-9)
    assert found.overlap.balance < 0.1 < 0.5 < found.overlap.balance_before
    assert found.rows == round(20_000 * (1 - found.overlap.left_out)) and found.clusters == (100,)


def test_no_effect_is_not_found():
    covariates, treatment, outcome, product, *_ = simulated(10_000, 1, effect=0.0)
    found = treatment_effect(covariates, treatment, outcome, [product])
    assert not found.treated_only.excludes_zero and found.naive.excludes_zero
    assert found.anyway is not None and found.anyway.low < 1 < found.anyway.high


@pytest.mark.parametrize("wrong", ["outcome", "treatment"])
def test_one_right_model_is_enough(wrong):
    """The other model lacks a cause, or has the wrong form: mean error of 40 estimates in its standard errors."""
    errors, plain = [], []
    for seed in range(40):
        generator = np.random.default_rng(seed)
        hidden, shown = generator.normal(size=(2, 3000))
        step = (np.abs(shown - 0.7) < 0.7) * 3.0
        treatment = generator.random(3000) < logistic(shown if wrong == "outcome" else step - 1.5)
        level = step - 2 if wrong == "outcome" else shown
        chances = [logistic(level + hidden * (wrong == "outcome") + 0.7 * arm) for arm in (0, 1)]
        outcome = generator.random(3000) < np.where(treatment, chances[1], chances[0])
        found = treatment_effect(shown[:, None], treatment, outcome, [np.arange(3000)])
        errors.append(found.everyone.value - (chances[1] - chances[0]).mean())
        plain.append(found.naive.value - (chances[1] - chances[0]).mean())
    assert abs(np.mean(errors)) < 3 * np.std(errors) / 40**0.5 + 1e-3
    assert abs(np.mean(plain)) > 3 * abs(np.mean(errors))


def test_intervals_cover_the_truth():
    """93 to 97 % of 95 % intervals, within the chance of 400 repeats."""
    covered = []
    for seed in range(400):
        covariates, treatment, outcome, product, truth, _ = simulated(500, seed, clusters=500)
        found = treatment_effect(covariates, treatment, outcome, [product], folds=2).treated_only
        covered.append(found.low < truth[treatment].mean() < found.high)
    assert 0.92 < np.mean(covered) < 0.98


def test_shared_shocks_widen_the_interval():
    covariates, treatment, outcome, product, *_ = simulated(10_000, 3, clusters=50, spread=1.0)
    alone = treatment_effect(covariates, treatment, outcome, [np.arange(10_000)])
    together = treatment_effect(covariates, treatment, outcome, [product])
    assert together.everyone.error > 1.25 * alone.everyone.error


def test_regression_is_that_of_scikit_learn():
    generator = np.random.default_rng(4)
    design = np.concatenate([np.ones((300, 1)), generator.normal(size=(300, 3))], axis=1)
    labels = (generator.random(300) < logistic(design @ [0.2, 1, -1, 0.5])).astype(float)
    model = LogisticRegression(C=1 / 2.5, tol=1e-10, max_iter=1000).fit(design[:, 1:], labels)
    expected = [*model.intercept_, *model.coef_[0]]
    np.testing.assert_allclose(logistic_regression(design, labels, penalty=2.5), expected, atol=1e-5)


def test_two_way_errors_by_hand():
    values = np.array([1.0, 2.0, -3.0, 1.0, -1.0, 0.0])
    first, second = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 0, 1, 0, 1])
    variances = []
    for codes in (first, second, np.arange(6)):
        sums = [values[codes == code].sum() for code in range(codes.max() + 1)]
        variances.append(sum(one**2 for one in sums) / 36 * len(sums) / (len(sums) - 1))
    expected = max(variances[0], variances[1], variances[0] + variances[1] - variances[2]) ** 0.5
    assert clustered_error(values, [first, second]) == pytest.approx(expected, abs=1e-12)


def test_bad_input_is_refused():
    covariates, treatment, outcome, product, *_ = simulated(200, 5)
    with pytest.raises(ValueError, match="outcome has the value 2"):
        treatment_effect(covariates, treatment, outcome * 2, [product])
    with pytest.raises(ValueError, match="0 of 200 rows have the treatment"):
        treatment_effect(covariates, np.zeros(200), outcome, [product])
    with pytest.raises(ValueError, match="20 clusters of each"):
        treatment_effect(covariates, treatment, outcome, [product % 3])
