"""Metrics of click predictions: by hand, against scikit-learn, and by brute force."""

from __future__ import annotations

import math
from typing import Any

import evaluate
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss as sk_log_loss
from sklearn.metrics import roc_auc_score

from xcat_rec.evaluation.bootstrap import bootstrap_statistic, confidence_interval
from xcat_rec.evaluation.click_prediction.click_metrics import CLICK_METRICS, Predictions, logistic_fit
from xcat_rec.evaluation.modules import CLICKS, load_metric, write_metric

ROWS = st.lists(
    st.tuples(st.integers(0, 6).map(lambda n: n / 6), st.integers(0, 1), st.integers(0, 3)), min_size=2, max_size=40
)
P, Y, USERS = [0.9, 0.8, 0.8, 0.3, 0.1], [1, 0, 1, 0, 1], ["u", "u", "u", "v", "v"]


def value(name: str, p: Any, y: Any, users: Any = None, weights: Any = None) -> float:
    found = Predictions(p, y, users)
    if weights is not None:
        order = np.argsort(np.asarray(p), kind="stable")
        weights = np.asarray(weights, dtype=float)[order]
    return CLICK_METRICS[name](found, found.weights if weights is None else weights)


def test_values_by_hand() -> None:
    # Positives .9, .8, .1; negatives .8, .3: won pairs 2 + 1.5 + 0 of 6.
    assert value("auc", P, Y) == pytest.approx(3.5 / 6)
    # User u: pairs (.9 > .8), (.8 = .8): .75 with 3 impressions; v: 0 with 2.
    assert value("gauc", P, Y, USERS) == pytest.approx((3 * 0.75 + 2 * 0) / 5)
    loss = -(2 * math.log(0.8) + math.log(0.2) + math.log(0.5)) / 4
    assert value("log_loss", [0.8, 0.2, 0.2, 0.5], [1, 0, 1, 1]) == pytest.approx(loss)
    assert value("normalised_entropy", [0.5] * 4, [1, 0, 1, 0]) == pytest.approx(1)
    assert value("prediction_ratio", [0.5, 0.7], [1, 0]) == pytest.approx(1.2)
    # 15 bins of two rows each: every bin is off by |.5 - .1|, except the last, |.5 - .9|.
    p, y = np.repeat([0.1, 0.9], [28, 2]), np.tile([0, 1], 15)
    assert value("ece", p, y) == pytest.approx(0.4)
    assert value("ece", [0.25] * 4, [1, 0, 0, 0]) == pytest.approx(0)


def test_users_with_one_label_are_counted_and_left_out_of_gauc() -> None:
    found = load_metric("gauc").compute(predictions=[*P, 0.4], references=[*Y, 1], users=[*USERS, "w"])
    assert found == {"gauc": pytest.approx(0.45), "gauc_users": 2, "gauc_users_left_out": 1}


@settings(max_examples=150, deadline=None)
@given(ROWS)
def test_metrics_match_brute_force_and_scikit_learn(rows: list[tuple[float, int, int]]) -> None:
    p, y, users = (np.array(column) for column in zip(*rows, strict=True))
    inner = np.clip(p, 0.01, 0.99)
    assert value("log_loss", inner, y) == pytest.approx(sk_log_loss(y, inner, labels=[0, 1]))
    total = mass = 0.0
    for user in set(users.tolist()):
        own = users == user
        if 0 < y[own].sum() < own.sum():
            total, mass = total + own.sum() * roc_auc_score(y[own], p[own]), mass + own.sum()
    found = value("gauc", p, y, users)
    assert found == pytest.approx(total / mass) if mass else math.isnan(found)
    if 0 < y.sum() < len(y):
        assert value("auc", p, y) == pytest.approx(roc_auc_score(y, p))
    else:
        assert math.isnan(value("auc", p, y)) and math.isnan(value("normalised_entropy", p, y))


@settings(max_examples=60, deadline=None)
@given(ROWS, st.randoms())
def test_whole_weights_are_repeated_rows_and_order_does_not_matter(rows: list[Any], random: Any) -> None:
    weights = [1 + (user % 3) for _, _, user in rows]
    many = [row for row, times in zip(rows, weights, strict=True) for _ in range(times)]
    random.shuffle(many)
    p, y, users = zip(*rows, strict=True)
    q, z, _ = zip(*many, strict=True)
    for name in ("auc", "log_loss", "ece", "normalised_entropy", "reliability_slope", "prediction_ratio"):
        one, other = value(name, p, y, None, weights), value(name, q, z)
        assert one == pytest.approx(other, rel=1e-5, abs=1e-9, nan_ok=True), name
    # GAUC weights a user's rows together: a user who is drawn twice counts twice.
    order = np.argsort(np.asarray(p), kind="stable")
    found = Predictions(p, y, users)
    values, counts = found.per_user()
    times = np.array([1 + (user % 3) for user in np.unique(users)])
    mass = np.where(np.isnan(values), 0, counts * times)
    expected = (mass @ np.nan_to_num(values)) / mass.sum() if mass.sum() else math.nan
    assert CLICK_METRICS["gauc"](found, np.asarray(weights)[order]) == pytest.approx(expected, nan_ok=True)


def test_bins_have_equal_mass() -> None:
    generator = np.random.default_rng(0)
    p = np.sort(generator.random(15 * 40))
    y = (generator.random(len(p)) < p**2).astype(int)
    parts = zip(np.array_split(p, 15), np.array_split(y, 15), strict=True)
    expected = sum(abs(a.mean() - b.mean()) for a, b in parts) / 15
    assert value("ece", p, y) == pytest.approx(expected)


def test_the_slope_is_that_of_a_logistic_regression() -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(size=2_000)
    y = (generator.random(2_000) < 1 / (1 + np.exp(-(0.5 * logits - 1)))).astype(int)
    found = logistic_fit(logits, y)
    model = LogisticRegression(C=1e10, tol=1e-10).fit(logits[:, None], y)
    assert found == pytest.approx((model.coef_[0, 0], model.intercept_[0]), rel=1e-3)
    p = 1 / (1 + np.exp(-logits))
    assert value("reliability_slope", p, y) == pytest.approx(found[0])
    assert value("reliability_slope", [0.1, 0.2, 0.8], [0, 0, 1]) == math.inf
    assert math.isnan(value("reliability_slope", [0.3, 0.3], [0, 1]))
    rounded = 0.3 + 1e-8 * np.random.default_rng(0).standard_normal(200)
    assert math.isnan(value("reliability_slope", rounded, np.arange(200) % 3 == 0))
    assert math.isfinite(value("reliability_slope", 0.3 + 1e4 * (rounded - 0.3), np.arange(200) % 3 == 0))


def test_intervals_resample_users() -> None:
    generator = np.random.default_rng(1)
    per_user = generator.random(50)
    mean = bootstrap_statistic(lambda times: float(times @ per_user / times.sum()), 50, samples=200)
    plain = confidence_interval(per_user, samples=200)
    assert (mean.mean, mean.low, mean.high) == pytest.approx((plain.mean, plain.low, plain.high))
    with pytest.raises(ValueError, match="is not a number; it needs both labels"):
        bootstrap_statistic(lambda times: math.nan, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.2], [1], None), "1 predictions are not probabilities, for example 1.2"),
        (([math.nan], [1], None), "1 predictions are not probabilities"),
        (([0.2], [2], None), "1 labels are neither 1 nor 0, for example 2"),
        (([0.2], [1, 0], None), "give one of each per impression"),
        (([], [], None), "there are no predictions"),
        (([0.2], [1], ["u", "v"]), "there are 2 users for 1 predictions"),
    ],
)
def test_bad_predictions_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Predictions(*arguments)


@pytest.mark.parametrize("name", [*CLICK_METRICS, CLICKS])
def test_each_metric_is_a_module(name: str, tmp_path: Any) -> None:
    folder = write_metric(name, tmp_path)
    found = evaluate.load(str(folder)).compute(predictions=P, references=Y, users=USERS)
    wanted = CLICK_METRICS if name == CLICKS else [name]
    assert {one: found[one] for one in wanted} == {one: pytest.approx(value(one, P, Y, USERS)) for one in wanted}
    compile((folder / "app.py").read_text(), "app.py", "exec")
    assert "users" in (folder / "README.md").read_text()
