"""Histories of many users from one table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from xcat_rec.tokenization.histories import Histories, read_histories
from xcat_rec.tokenization.schema import TableColumns


def read(tmp_path: Path, table: dict[str, Any], suffix: str = "parquet", **names: str) -> tuple[Any, Any]:
    histories = read_all(tmp_path, table, suffix, **names)
    return histories.user_ids, histories.items


def read_all(tmp_path: Path, table: dict[str, Any], suffix: str = "parquet", **names: str) -> Histories:
    path = tmp_path / f"users.{suffix}"
    frame = pl.DataFrame(table)
    frame.write_csv(path) if suffix == "csv" else frame.write_parquet(path)
    return read_histories(path, TableColumns(**names) if names else None)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
@pytest.mark.parametrize("clock", ["timestamp", "order"])
def test_events_are_sorted_as_numbers_and_users_as_they_come(tmp_path: Path, suffix: str, clock: str) -> None:
    table = {
        "user_id": ["z", "a", "z", "a", "z"],
        "item_id": ["3", "2", "1", "1", "2"],
        clock: [100, 20, 9, 3, 20],  # as texts 100 would come before 20 and 9
    }
    assert read(tmp_path, table, suffix) == (["z", "a"], [["1", "2", "3"], ["1", "2"]])


def test_time_comes_before_order_and_order_before_the_file(tmp_path: Path) -> None:
    table = {
        "user_id": ["u"] * 5,
        "item_id": ["e", "c", "d", "b", "a"],
        "timestamp": [2, 1, 1, 1, 0],
        "order": [0, 5, 5, 4, 9],
    }
    assert read(tmp_path, table) == (["u"], [["a", "b", "c", "d", "e"]])
    del table["timestamp"], table["order"]
    assert read(tmp_path, table) == (["u"], [["e", "c", "d", "b", "a"]])


def test_texts_of_dates_are_times(tmp_path: Path) -> None:
    times = ["2024-02-01T01:00:00+02:00", "2024-01-31T12:00:00Z"]
    table = {"user_id": ["u", "u"], "item_id": ["late", "early"], "timestamp": times}
    assert read(tmp_path, table, "csv")[1] == [["early", "late"]]


def test_kinds_ratings_and_times_come_along(tmp_path: Path) -> None:
    table = {
        "user_id": ["u", "v", "u"],
        "item_id": ["late", "other", "early"],
        "timestamp": [200, 5, 100],
        "event_type": ["buy", None, "view"],
        "rating": [None, 2.5, 4.0],
    }
    assert read_all(tmp_path, table) == Histories(
        user_ids=["u", "v"],
        items=[["early", "late"], ["other"]],
        event_types=[["view", "buy"], ["interaction"]],
        ratings=[[4.0, None], [2.5]],
        timestamps=[[100, 200], [5]],
    )
    assert read_all(tmp_path, {"user_id": ["u"], "item_id": ["a"]}) == Histories(["u"], [["a"]])


def test_numbers_are_ids_and_columns_have_any_name(tmp_path: Path) -> None:
    table = {"who": [7, 7, 1], "sku": [10.0, 20.0, 10.0], "when": [2, 1, 1]}
    found = read(tmp_path, table, user_id="who", item_id="sku", timestamp="when")
    assert found == (["7", "1"], [["20", "10"], ["10"]])


def test_ids_in_csv_keep_their_zeros(tmp_path: Path) -> None:
    table = {"user_id": ["x", "y", "x"], "item_id": ["001", "2", "0"]}
    assert read(tmp_path, table, "csv") == (["x", "y"], [["001", "0"], ["2"]])


def test_a_clock_without_values_is_left_out(tmp_path: Path) -> None:
    table = {"user_id": ["u", "u"], "item_id": ["b", "a"], "timestamp": [None, None]}
    assert read(tmp_path, table) == (["u"], [["b", "a"]])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"user": ["u"], "item_id": ["a"]}, "column 'user_id' is missing from 1 rows; it has user, item_id"),
        ({"user_id": ["u", None], "item_id": ["a", "b"]}, "column 'user_id' is null in 1 of 2 rows"),
        ({"user_id": ["u", "u"], "item_id": ["a", " "]}, "column 'item_id' is null in 1 of 2 rows"),
        ({"user_id": ["u"], "item_id": [["a"]]}, r"column 'item_id' holds List\(String\)"),
        (
            {"user_id": ["u"] * 2, "item_id": ["a"] * 2, "timestamp": ["2024-01-31", "soon"]},
            "1 of 2 rows, for example 'soon'",
        ),
        ({"user_id": ["u"] * 2, "item_id": ["a"] * 2, "order": ["1", None]}, "'order' cannot be read in 1 of 2"),
        ({"user_id": ["u"], "item_id": ["a"], "rating": ["good"]}, "'rating' cannot be read in 1 of 1 rows"),
        ({"user_id": pl.Series([], dtype=pl.String), "item_id": pl.Series([], dtype=pl.String)}, "no rows"),
    ],
)
def test_tables_that_are_no_histories_are_refused(tmp_path: Path, table: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(tmp_path, table)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nobody\.csv"):
        read_histories(tmp_path / "nobody.csv")
