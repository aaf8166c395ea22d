"""Lists of changed histories, with rankers whose answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from xcat_rec.evaluation.audits.changed_histories import CHANGES, changed_row, history_importance


class Follows:
    """Ranks the item after the latest one first."""

    def score_rows(self, rows: list[dict[str, Any]]) -> torch.Tensor:
        scores = -torch.arange(30, dtype=torch.float32).repeat(len(rows), 1)
        for user, row in enumerate(rows):
            scores[user, row["items"][-1] + 1] = 10.0
        scores[:, :2] = -torch.inf
        return scores


class Popular(Follows):
    """Ranks without the history."""

    def score_rows(self, rows: list[dict[str, Any]]) -> torch.Tensor:
        scores = -torch.arange(30, dtype=torch.float32).repeat(len(rows), 1)
        scores[:, :2] = -torch.inf
        return scores


ROWS = [{"items": [20, 10, 24], "targets": [25]}, {"items": [22, 27], "targets": [28]}, {"items": [5], "targets": [9]}]


def test_a_model_of_the_latest_event_needs_it() -> None:
    found = history_importance(Follows(), ROWS, k=1)
    changes = {one.change: one for one in found.changes}
    assert list(changes) == list(CHANGES) and (found.num_users, found.num_all_users) == (2, 3)
    assert found.whole.mean == 1.0
    for name, lost in (
        ("without the latest event", -1.0),
        ("only the latest event", 0.0),
        ("without the older half", 0),
    ):
        assert changes[name].difference.mean == lost and changes[name].replaced.mean == -lost
    assert changes["without the latest five events"].ndcg.mean == 0.0


def test_a_model_without_the_history_does_not_change() -> None:
    found = history_importance(Popular(), ROWS, k=10)
    assert all(one.difference.mean == 0 == one.replaced.mean for one in found.changes)


def test_values_of_events_stay_together_and_times_ascend() -> None:
    row = {"items": [5, 6, 7], "event_types": [1, 2, 3], "timestamps": [10, 20, 30], "ratings": None, "targets": [8]}
    assert changed_row(row, np.array([2, 0])) == {
        "items": [7, 5], "event_types": [3, 1], "timestamps": [10, 30], "ratings": None, "targets": [8],
    }  # fmt: skip


def test_short_histories_only_are_refused() -> None:
    with pytest.raises(ValueError, match="no user has 2 events"):
        history_importance(Follows(), ROWS[2:])


def test_users_are_drawn() -> None:
    assert history_importance(Follows(), ROWS[:2] * 5, k=1, most_users=3).num_users == 3
