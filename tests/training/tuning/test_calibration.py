"""Calibration of click logits: exact values, the choice by cross-validation, save and load."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from xcat_rec.modeling_xcat.calibration_xcat import MAX_KNOTS, ClickCalibration, offset_to_mean, prior_shift
from xcat_rec.training.tuning.calibration import fit_calibration, isotonic_means


def clicks(
    number: int, seed: int, slope: float = 1.0, offset: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits of a model, and labels whose true log odds are slope * logit + offset."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(scale=1.5, size=number)
    p = 1 / (1 + np.exp(-(slope * logits + offset)))
    return logits, (generator.random(number) < p).astype(np.int64), np.arange(number) // 10


def loss(logits: torch.Tensor, labels: np.ndarray) -> float:
    return float(torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.from_numpy(labels).float()))


def test_a_new_calibration_changes_no_bit() -> None:
    logits = torch.randn(1_000) * 20
    assert torch.equal(ClickCalibration()(logits), logits)
    assert ClickCalibration()(logits.view(10, 100)).shape == (10, 100)
    assert ClickCalibration()(torch.zeros(0)).shape == (0,)


def test_values_of_shift_line_and_curve() -> None:
    calibration = ClickCalibration()
    calibration.set_prior(math.log(0.25))
    assert calibration(torch.tensor([0.0])).item() == pytest.approx(math.log(0.25))
    calibration.set_line(2.0, 1.0)
    assert calibration(torch.tensor([1.0])).item() == pytest.approx(2 * (1 + math.log(0.25)) + 1)
    calibration.reset()
    calibration.set_curve(torch.tensor([-1.0, 1.0]), torch.tensor([-3.0, 0.0]))
    found = calibration(torch.tensor([-2.0, -1.0, 0.0, 1.0, 3.0]))
    assert found.tolist() == pytest.approx([-4.0, -3.0, -1.5, 0.0, 2.0])
    assert prior_shift(0.5, 0.2) == pytest.approx(-math.log(4)) and prior_shift(0.3, 0.3) == 0


@pytest.mark.parametrize("slope", [0.4, 1.0, 2.5])
@pytest.mark.parametrize("offset", [0.0, -1.0])
def test_the_chosen_calibration_never_raises_log_loss(slope: float, offset: float) -> None:
    logits, labels, users = clicks(6_000, 0, slope, offset)
    calibration = ClickCalibration()
    chosen = fit_calibration(calibration, logits, labels, users)
    new, truth, _ = clicks(40_000, 1, slope, offset)
    before = torch.from_numpy(new).float()
    after = calibration(before).detach()
    assert chosen.method == "identity" if (slope, offset) == (1.0, 0.0) else chosen.method != "identity"
    assert loss(after, truth) <= loss(before, truth)
    assert torch.sigmoid(after).mean().item() == pytest.approx(truth.mean(), rel=0.05)
    assert (after[before.argsort()].diff() >= -1e-5).all(), "the order of logits stays"
    if chosen.method in ("temperature", "platt"):
        assert calibration.slope.item() == pytest.approx(slope, rel=0.1)
        assert calibration.intercept.item() == pytest.approx(offset, abs=0.1)


def test_a_bent_curve_needs_isotonic_regression() -> None:
    generator = np.random.default_rng(0)
    logits = generator.uniform(-4, 4, size=20_000)
    p = np.where(logits < 0, 0.1, 0.6)
    labels = (generator.random(20_000) < p).astype(int)
    calibration = ClickCalibration()
    chosen = fit_calibration(calibration, logits, labels, np.arange(20_000))
    assert chosen.method == "isotonic" and chosen.log_losses["isotonic"] < chosen.log_losses["platt"]
    found = torch.sigmoid(calibration(torch.tensor([-2.0, 2.0])))
    assert found.tolist() == pytest.approx([0.1, 0.6], abs=0.03)


def test_isotonic_means_equal_those_of_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        values, weights = generator.normal(size=30) + np.arange(30) / 10, generator.random(30) + 0.1
        expected = IsotonicRegression().fit_transform(np.arange(30), values, sample_weight=weights)
        assert isotonic_means(values, weights) == pytest.approx(expected)


@pytest.mark.parametrize("negatives", [1, 4])
def test_sampled_negatives_are_corrected_to_the_true_rate(negatives: int) -> None:
    """A logistic regression that was trained on sampled negatives predicts the true rate after the correction."""
    generator = np.random.default_rng(negatives)
    x = generator.normal(size=(200_000, 1))
    y = generator.random(200_000) < 1 / (1 + np.exp(-(x[:, 0] - 3.5)))
    train, test = slice(100_000), slice(100_000, None)
    positive = np.flatnonzero(y[train])
    negative = generator.choice(np.flatnonzero(~y[train]), size=negatives * len(positive), replace=False)
    chosen = np.append(positive, negative)
    model = LogisticRegression(C=1e6).fit(x[chosen], y[chosen])
    calibration = ClickCalibration()
    calibration.set_prior(prior_shift(1 / (1 + negatives), float(y[train].mean())))
    logits = torch.from_numpy(model.decision_function(x[test])).float()
    assert torch.sigmoid(logits).mean().item() > 3 * y[test].mean()
    assert torch.sigmoid(calibration(logits)).mean().item() == pytest.approx(y[test].mean(), rel=0.05)


@pytest.mark.parametrize("slope", [0.4, 1.0, 2.5])
def test_a_kept_rate_adds_a_constant_to_log_odds(slope: float) -> None:
    logits, labels, users = clicks(6_000, 0, slope, offset=1.5)
    calibration = ClickCalibration()
    assert fit_calibration(calibration, logits, labels, users, rate=0.01).method == "identity"
    given = torch.from_numpy(logits).float()
    after = calibration(given)
    assert torch.sigmoid(after).mean().item() == pytest.approx(0.01, abs=1e-5)
    torch.testing.assert_close(after - given, (after - given)[:1].expand(len(given)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("slope", [0.4, 1.0, 2.5])
def test_a_kept_rate_changes_the_shape_of_scores_but_not_the_mean(slope: float) -> None:
    logits, labels, users = clicks(6_000, 0, slope, offset=1.5)
    rate = float((1 / (1 + np.exp(-logits))).mean())
    calibration = ClickCalibration()
    chosen = fit_calibration(calibration, logits, labels, users, rate=rate, log_odds=False)
    after = calibration(torch.from_numpy(logits).float())
    assert torch.sigmoid(after).mean().item() == pytest.approx(rate, abs=1e-5)
    assert chosen.method == ("identity" if slope == 1 else "platt")
    if chosen.method == "identity":
        torch.testing.assert_close(after, torch.from_numpy(logits).float(), rtol=0, atol=1e-5)
    else:
        assert calibration.slope.item() == pytest.approx(slope, rel=0.1)


def test_the_offset_to_a_mean_is_found_for_any_logits() -> None:
    logits = torch.randn(500, generator=torch.Generator().manual_seed(0)) * 4
    for mean in (0.001, 0.3, 0.999):
        offset = offset_to_mean(logits, mean)
        assert torch.sigmoid(logits.double() + offset).mean().item() == pytest.approx(mean, rel=1e-6)
    with pytest.raises(ValueError, match=r"mean is 0\.0; give a share"):
        offset_to_mean(logits, 0.0)


def test_save_and_load_keep_every_bit(tmp_path: Path) -> None:
    logits, labels, users = clicks(5_000, 3, 0.5, 1.0)
    calibration = ClickCalibration()
    fit_calibration(calibration, logits, labels, users, shift=0.25)
    calibration.set_curve(torch.tensor([-1.0, 0.3]), torch.tensor([-0.7, 0.9]))
    before = calibration(torch.tensor([-9.0, 0.0, 9.0]))
    calibration.add(0.125)
    torch.testing.assert_close(calibration(torch.tensor([-9.0, 0.0, 9.0])), before + 0.125)
    save_file(calibration.state_dict(), str(tmp_path / "model.safetensors"))
    other = ClickCalibration()
    other.load_state_dict(load_file(str(tmp_path / "model.safetensors")))
    given = torch.from_numpy(logits).float()
    assert torch.equal(other(given), calibration(given))
    assert torch.equal(other.to(torch.bfloat16)(given), calibration(given)), "the values stay float32"
    assert all(buffer.dtype == torch.float32 for buffer in other.half().buffers())


def test_separated_labels_leave_the_logits() -> None:
    chosen = fit_calibration(ClickCalibration(), np.array([-1.0, -2, 1, 2]), np.array([0, 0, 1, 1]), [1, 2, 3, 4])
    assert chosen.method == "identity"


def test_bad_values_are_refused() -> None:
    calibration = ClickCalibration()
    with pytest.raises(ValueError, match=r"slope is -1\.0; a calibration keeps the order"):
        calibration.set_line(-1.0)
    with pytest.raises(ValueError, match="shift is nan; give a finite number"):
        calibration.set_prior(math.nan)
    with pytest.raises(ValueError, match=f"give 1 to {MAX_KNOTS} of each"):
        calibration.set_curve(torch.zeros(0), torch.zeros(0))
    with pytest.raises(ValueError, match="values may not fall"):
        calibration.set_curve(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0]))
    with pytest.raises(ValueError, match="true_rate is 1; give a share"):
        prior_shift(0.5, 1)
    with pytest.raises(ValueError, match="all 2 labels of validation are equal"):
        fit_calibration(calibration, np.zeros(2), np.ones(2), [1, 2])
    with pytest.raises(ValueError, match="1 of 2 logits are not finite"):
        fit_calibration(calibration, np.array([0, np.inf]), np.array([0, 1]), [1, 2])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("log_odds", [False, True])
@pytest.mark.parametrize("rate", [None, 0.25])
def test_one_user_is_too_few_to_choose_a_method(rate: float | None, log_odds: bool) -> None:
    logits, labels, _ = clicks(50, 0, slope=0.4)
    calibration = ClickCalibration()
    chosen = fit_calibration(calibration, logits, labels, ["U"] * 50, rate=rate, log_odds=log_odds)
    assert chosen.method == "identity" and [*chosen.log_losses] == ["identity"]
    moved = calibration(torch.from_numpy(logits).float()).double().numpy() - logits
    assert np.ptp(moved) < 1e-5 and (rate is not None or np.abs(moved).max() == pytest.approx(0, abs=1e-6))
