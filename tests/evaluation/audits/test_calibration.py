"""Calibration of lists by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from xcat_rec.evaluation.audits.calibration import calibration_per_user, list_calibration
from xcat_rec.evaluation.redundancy import SMOOTHING

CODES = np.array([-1, -1, 0, 0, 1, 1, 2, -1])
LISTS = np.array([[2, 3, 4, 6], [2, 3, 2, 7], [0, 0, 0, 0], [4, 5, 4, 5]])
HISTORIES = [[2, 3, 4], [4, 4, 2], [2, 4], [7, 7]]


def divergence(wanted: list[float], given: list[float]) -> float:
    """Steck's divergence with a smoothed list."""
    mixed = [(1 - SMOOTHING) * q + SMOOTHING * p for p, q in zip(wanted, given, strict=True)]
    return sum(p * math.log(p / q) for p, q in zip(wanted, mixed, strict=True))


def test_divergence_and_second_category_by_hand() -> None:
    found = calibration_per_user(LISTS, HISTORIES, CODES)
    expected = [divergence([2 / 3, 1 / 3], [0.5, 0.25]), divergence([1 / 3, 2 / 3], [0.75, 0.0])]
    np.testing.assert_allclose(found[:2, 0], expected, rtol=0, atol=1e-9)
    assert found[:2, 1].tolist() == [0.0, 0.0]  # the second category of the second user is 0, which is in the list
    assert np.isnan(found[2:]).all()  # no item in the list; no category in the history


def test_means_have_intervals_over_users_with_a_value() -> None:
    found = list_calibration(LISTS, HISTORIES, CODES)
    assert found is not None and found.divergence.num_users == 2 and found.lost_second is not None
    assert found.divergence.mean == pytest.approx(calibration_per_user(LISTS, HISTORIES, CODES)[:2, 0].mean())
    lost = list_calibration(np.array([[4, 5, 4, 5]]), [[4, 4, 2]], CODES)
    assert lost is not None and lost.lost_second is not None and lost.lost_second.mean == 1.0


def test_nothing_to_compare_is_none() -> None:
    assert list_calibration(LISTS[:1], [[7]], CODES) is None
    one = list_calibration(LISTS[:1], [[2, 2]], CODES)
    assert one is not None and one.lost_second is None
