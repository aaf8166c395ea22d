from __future__ import annotations

import polars as pl
import pytest

from xcat_rec.tokenization.histories import read_histories
from xcat_rec.tokenization.schema import TableColumns


def test_histories_are_in_order_of_time_and_users_in_order_of_appearance(tmp_path):
    table = pl.DataFrame({"user_id": [7, 3, 7, 3, 7], "item_id": list("abcde"), "timestamp": [5, 1, 3, 0, 9]})
    table.write_parquet(tmp_path / "users.parquet")
    assert read_histories(tmp_path / "users.parquet") == (["7", "3"], [["c", "a", "e"], ["d", "b"]])


def test_without_time_the_order_of_the_file_counts(tmp_path):
    pl.DataFrame({"who": ["x", "y", "x"], "sku": ["001", "2", "0"]}).write_csv(tmp_path / "users.csv")
    columns = TableColumns(user_id="who", item_id="sku")
    assert read_histories(tmp_path / "users.csv", columns) == (["x", "y"], [["001", "0"], ["2"]])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pl.DataFrame({"user_id": ["a"]}), "'item_id' is missing from 1 rows"),
        (pl.DataFrame({"user_id": ["a", None], "item_id": ["x", "y"]}), "'user_id' is null in 1 of 2 rows"),
        (pl.DataFrame({"user_id": [], "item_id": []}, schema={"user_id": pl.String, "item_id": pl.String}), "no rows"),
    ],
)
def test_broken_tables_are_refused(table, message, tmp_path):
    table.write_parquet(tmp_path / "users.parquet")
    with pytest.raises(ValueError, match=message):
        read_histories(tmp_path / "users.parquet")
