from __future__ import annotations

import numpy as np
import pytest

from xcat_rec.evaluation import bootstrap
from xcat_rec.evaluation.bootstrap import Interval, confidence_interval, paired_bootstrap, relative_bootstrap

NAN = float("nan")


def test_a_constant_has_no_width() -> None:
    assert confidence_interval(np.full(20, 0.25)) == Interval(0.25, 0.25, 0.25, 0.95, 20)


def test_for_many_users_the_interval_matches_the_normal_approximation() -> None:
    values = np.random.default_rng(3).normal(0.4, 0.2, size=2000)
    interval = confidence_interval(values, samples=4000)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert interval.mean == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - half, abs=0.05 * half)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.05 * half)
    assert interval.low < confidence_interval(values, level=0.5).low


def test_the_coverage_of_the_interval_matches_its_level() -> None:
    generator = np.random.default_rng(0)
    draws = generator.binomial(1, 0.3, size=(300, 150)).astype(float)
    intervals = [confidence_interval(values, samples=300, seed=i) for i, values in enumerate(draws)]
    covered = np.mean([interval.low <= 0.3 <= interval.high for interval in intervals])
    assert 0.90 <= covered <= 0.99


def test_the_same_seed_gives_the_same_interval_for_any_block_size(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).random(50)
    whole = confidence_interval(values, seed=5)
    assert confidence_interval(values, seed=5) == whole
    assert confidence_interval(values, seed=6) != whole
    monkeypatch.setattr(bootstrap, "_DRAWS_AT_ONCE", 7 * 50)
    again = confidence_interval(values, seed=5)
    assert (again.mean, again.low, again.high) == pytest.approx((whole.mean, whole.low, whole.high), abs=1e-12)


def test_pairing_finds_a_small_difference_between_users_that_differ_a_lot() -> None:
    generator = np.random.default_rng(2)
    b = generator.random(400)
    a = b + 0.01 + generator.normal(0, 0.01, size=400)
    difference = paired_bootstrap(a, b)
    assert difference.mean == pytest.approx(0.01, abs=0.002)
    assert difference.excludes_zero
    assert confidence_interval(a).low < confidence_interval(b).high, "unpaired, the two overlap"
    assert paired_bootstrap(b, a).high < 0


def test_the_coverage_of_a_relative_interval_matches_its_level() -> None:
    generator = np.random.default_rng(0)
    covered = {relative_bootstrap: 0, paired_bootstrap: 0}
    for seed in range(300):
        b = generator.binomial(1, 0.06, size=600).astype(float)
        a = np.maximum(b, generator.binomial(1, 0.06 / 0.94, size=600))
        for interval, count in covered.items():
            found = interval(a, b, samples=300, seed=seed)
            scale = 1.0 if interval is relative_bootstrap else b.mean()
            covered[interval] = count + (found.low / scale <= 1.0 <= found.high / scale)
    assert 0.9 <= covered[relative_bootstrap] / 300 <= 0.99
    assert covered[paired_bootstrap] / 300 < 0.88, "dividing by a fixed mean gives too narrow intervals"


def test_a_relative_difference_needs_a_positive_mean() -> None:
    found = relative_bootstrap(np.array([0.3, NAN, 0.9]), np.array([0.1, NAN, 0.3]))
    assert (found.mean, found.low, found.high, found.num_users) == pytest.approx((2.0, 2.0, 2.0, 2))
    with pytest.raises(ValueError, match="mean is 0 in a bootstrap sample"):
        relative_bootstrap(np.array([0.3, 0.2]), np.array([0.0, 0.2]))
    with pytest.raises(ValueError, match="none of 1 users has a value"):
        relative_bootstrap(np.array([NAN]), np.array([NAN]))


def test_equal_models_have_no_significant_difference() -> None:
    generator = np.random.default_rng(4)
    assert not paired_bootstrap(generator.random(200), generator.random(200)).excludes_zero


def test_users_without_value_are_left_out() -> None:
    interval = paired_bootstrap(np.array([1.0, NAN, 0.5]), np.array([0.5, NAN, 0.0]))
    assert (interval.mean, interval.num_users) == (0.5, 2)
    assert str(interval) == "0.5000 [0.5000, 0.5000]"


def test_different_users_are_refused() -> None:
    with pytest.raises(ValueError, match="two models have different users"):
        paired_bootstrap(np.array([1.0, NAN]), np.array([NAN, 1.0]))
    with pytest.raises(ValueError, match=r"different users \(2 and 3 values\)"):
        paired_bootstrap(np.ones(2), np.ones(3))


def test_an_empty_slice_is_refused() -> None:
    with pytest.raises(ValueError, match="none of 2 users has a value"):
        confidence_interval(np.array([NAN, NAN]))


@pytest.mark.parametrize("options", [{"samples": 0}, {"level": 1.0}, {"level": 0.0}])
def test_options_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="give samples of 1 or more"):
        confidence_interval(np.ones(3), **options)  # type: ignore[arg-type]


def test_a_table_of_values_is_refused() -> None:
    with pytest.raises(ValueError, match="give one per user"):
        confidence_interval(np.ones((3, 2)))
