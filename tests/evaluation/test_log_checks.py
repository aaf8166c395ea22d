"""Checks of a log that anybody may have written."""

from __future__ import annotations

import numpy as np
import pytest
from datasets import Dataset

from xcat_rec.evaluation.log_checks import list_growth, user_growth, with_others_targets


def test_a_log_like_the_earlier_data_has_no_growth() -> None:
    draw, weights = np.random.default_rng(0), np.array([0, 0, 8, 4, 2, 1, 1], float)

    def users(count: int) -> list[np.ndarray]:
        return [draw.choice(7, size=3, replace=False, p=weights / weights.sum()) for _ in range(count)]

    counts = np.bincount(np.concatenate(users(5_000)), minlength=7)
    for _ in range(20):
        assert user_growth(users(300), counts).max() < 0.03


def test_growth_is_the_share_of_fake_users_without_chance() -> None:
    draw = np.random.default_rng(1)
    real = [draw.integers(2, 52, size=5) for _ in range(300)]
    fake = [np.append(draw.integers(2, 52, size=4), 7) for _ in range(100)]
    counts = np.array([0, 0, *[10] * 50])
    growth = user_growth([*real, *fake], counts)
    assert growth.argmax() == 7
    error = 3 * np.sqrt(0.25 * 0.75 / 400)
    assert growth[7] == pytest.approx(0.25 - error, abs=0.05)
    assert user_growth([[7, 7, 7]] * 400, counts)[7] == pytest.approx(1 - 0.02, abs=1e-9)
    assert user_growth([], counts).max() <= 0


def test_growth_of_lists_leaves_padding_out() -> None:
    before, after = np.array([[2, 3], [3, 0]]), np.array([[2, 4], [4, 0]])
    assert list_growth(before, after, 5).tolist() == [0.0, 0.0, 0.0, -1.0, 1.0]


def test_every_user_gets_the_targets_of_another_one() -> None:
    rows = Dataset.from_dict({"items": [[2]] * 20, "targets": [[number] for number in range(20)]})
    for seed in range(5):
        given = with_others_targets(rows, seed)["targets"]
        assert sorted(target for (target,) in given) == list(range(20))
        assert all(target != number for number, (target,) in enumerate(given))
    assert with_others_targets(rows, 0)["targets"][:] != with_others_targets(rows, 1)["targets"][:]
