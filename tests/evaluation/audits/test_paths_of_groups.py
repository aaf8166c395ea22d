"""Cross-category paths of groups of users, with a planted stereotype."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from xcat_rec.evaluation.audits.paths_of_groups import category_paths

CODES = np.array([-1, -1, 0, 1, 2, -1])  # items 2, 3, 4 of the categories a, b, c
NAMES = ["a", "b", "c"]


def test_a_planted_stereotype_is_found_with_its_size() -> None:
    """After a, lists of group x have two of b, and others one; both buy b equally often."""
    groups = ["x"] * 40 + ["y"] * 40
    lists = np.array([[2, 3, 3, 4]] * 40 + [[2, 3, 4, 4]] * 40)
    targets = [[3] if n % 2 else [4] for n in range(80)]
    found = category_paths(lists, [[4, 2]] * 80, targets, CODES, NAMES, pl.DataFrame({"sex": groups}), samples=50)
    best = {(one.listed.group, one.source, one.target): one for one in found}
    path = best["x", "a", "b"]
    assert path.listed.value.mean == 0.5 and path.listed.gap.mean == 0.25 == path.listed.gap.low
    assert path.lift == pytest.approx(2.0) and path.bought.mean == 0.0 and path.listed.num_users == 40
    assert path.bought.low < 0 < path.bought.high
    assert all(one.source == "a" != one.target for one in found)  # staying in the category is no path


def test_small_groups_and_columns_without_a_difference_are_left_out() -> None:
    lists, targets = np.array([[2, 3]] * 30), [[3]] * 30
    few = pl.DataFrame({"plan": ["x"] * 5 + ["y"] * 25, "same": ["x"] * 15 + ["y"] * 15})
    assert category_paths(lists, [[2]] * 30, targets, CODES, NAMES, few, samples=20) == ()


def test_items_without_a_category_and_empty_histories_count_for_no_path() -> None:
    lists = np.array([[5, 3]] * 15 + [[5, 5]] * 15)
    table = pl.DataFrame({"plan": ["x"] * 15 + ["y"] * 15})
    found = category_paths(lists, [[2]] * 30, [[3]] * 30, CODES, NAMES, table, samples=20)
    assert {one.listed.gap.mean for one in found} == {0.5, -0.5} and found[0].target == "b"
    assert category_paths(lists, [[]] * 30, [[3]] * 30, CODES, NAMES, table, samples=20) == ()
