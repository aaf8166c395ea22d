"""Histories of many users from one table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from xcat_rec.tokenization.sequences.histories import Histories, read_histories
from xcat_rec.tokenization.sequences.timeline import TiePolicy, Unit, sort_events
from xcat_rec.tokenization.tables.schema import TableColumns, TableError, validate_tables


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
def test_events_are_sorted_numerically_and_users_keep_their_order(tmp_path: Path, suffix: str, clock: str) -> None:
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


def test_date_texts_are_times(tmp_path: Path) -> None:
    times = ["2024-02-01T01:00:00+02:00", "2024-01-31T12:00:00Z"]
    table = {"user_id": ["u", "u"], "item_id": ["late", "early"], "timestamp": times}
    assert read(tmp_path, table, "csv")[1] == [["early", "late"]]


def test_event_types_ratings_and_times_are_kept(tmp_path: Path) -> None:
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
        exact_times=[[100_000_000, 200_000_000], [5_000_000]],
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
        ({"user": ["u"], "item_id": ["a"]}, "column user_id: the column is missing; map it with .* user, item_id"),
        ({"user_id": ["u", None], "item_id": ["a", "b"]}, "column user_id: 1 row has no value; fill them"),
        ({"user_id": ["u", "u"], "item_id": ["a", " "]}, "column item_id: 1 row has no value; fill them"),
        ({"user_id": ["u"], "item_id": [["a"]]}, r"column item_id: the type cannot be an id.*List\(String\)"),
        (
            {"user_id": ["u"] * 2, "item_id": ["a"] * 2, "timestamp": ["2024-01-31", "soon"]},
            "column timestamp: 1 row holds no time that can be read, for example 'xxxx'",
        ),
        ({"user_id": ["u"] * 2, "item_id": ["a"] * 2, "order": ["1", None]}, "column order: 1 row has no order"),
        (
            {"user_id": ["u"] * 2, "item_id": ["a"] * 2, "timestamp": [7, None]},
            "column timestamp: 1 row has no time",
        ),
        ({"user_id": pl.Series([], dtype=pl.String), "item_id": pl.Series([], dtype=pl.String)}, "no rows"),
    ],
)
def test_invalid_tables_are_refused(tmp_path: Path, table: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(tmp_path, table)


START = 1_600_000_000


@pytest.mark.parametrize(
    ("table", "items", "times", "noted"),
    [
        # Within a second, to the microsecond.
        ({"timestamp": [START * 10**6 + 2, START * 10**6 + 1, START * 10**6]}, "cba", [START] * 3, "timestamp_unit"),
        # Incomplete times are ignored if there is an order, as for training events.
        ({"timestamp": [7, None, 9], "order": [2, 0, 1]}, "bca", [None, 9, 7], "null_timestamp"),
        ({"timestamp": [7, 5, 9], "order": [0, None, 1]}, "bac", [5, 7, 9], "null_order"),
        ({"order": [2, 1, 0], "rating": ["5 stars", "4", None]}, "cba", None, "not_numeric"),
    ],
)  # fmt: skip
def test_events_are_read_like_training_events(
    table: dict[str, Any], items: str, times: list[int | None] | None, noted: str, tmp_path: Path
) -> None:
    events = {"user_id": ["u"] * 3, "item_id": list("abc"), **table}
    found = read_all(tmp_path, events)
    assert found.items == [list(items)] and found.timestamps == (None if times is None else [times])
    assert noted in {problem.kind for problem in found.problems}
    shop = validate_tables(pl.DataFrame({"item_id": list("abc"), "title": list("abc")}), pl.DataFrame(events))
    line = sort_events(shop.events, Unit.EVENT, TiePolicy.FILE, 0).events
    assert found.items == [line["item_id"].to_list()]
    assert found.ratings == ([line["rating"].to_list()] if "rating" in table else None)
    assert noted in {problem.kind for problem in shop.problems}


@pytest.mark.parametrize(
    ("ids", "catalogue", "expected"),
    [
        (["1.0", "2.0"], ["1", "2"], ["1", "2"]),
        (["1.0", "9.0"], ["1", "2"], ["1", "9"]),  # an unknown item stays unknown
        (["1.0", "9.0"], ["1.0", "2.0"], ["1.0", "9"]),
        (["1.0", "x"], ["1", "2"], ["1", "x"]),
        (["1", "x"], ["1", "2"], ["1", "x"]),
    ],
)
def test_ids_are_matched_to_the_catalogue(
    ids: list[str], catalogue: list[str], expected: list[str], tmp_path: Path
) -> None:
    pl.DataFrame({"user_id": ["u", "u"], "item_id": ids}).write_csv(tmp_path / "users.csv")
    found = read_histories(tmp_path / "users.csv", catalogue=pa.chunked_array([catalogue]))
    assert found.items == [expected]
    assert {problem.kind for problem in found.problems} == ({"float_key"} if ids != expected else set())


def test_texts_follow_their_events(tmp_path: Path) -> None:
    table = {"user_id": list("uvu"), "item_id": list("abc"), "timestamp": [9, 1, 5], "text": ["late", None, "early"]}
    path = tmp_path / "users.parquet"
    pl.DataFrame(table).write_parquet(path)
    assert read_histories(path, text_columns=("text", "query")).event_texts == [["early", "late"], [""]]


def test_a_mapped_order_column_must_exist(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="column place: the column is missing"):
        read(tmp_path, {"user_id": ["u"], "item_id": ["a"]}, order="place")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nobody\.csv"):
        read_histories(tmp_path / "nobody.csv")
