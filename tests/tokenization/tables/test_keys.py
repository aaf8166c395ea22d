"""Ids: one rule for every column, table and format, also for events in chunks."""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Callable
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from xcat_rec.tokenization.out_of_core.inputs import PreparationInputs
from xcat_rec.tokenization.out_of_core.prepare import prepare_tables
from xcat_rec.tokenization.out_of_core.prepared_folder import load_prepared
from xcat_rec.tokenization.sources import load_shop
from xcat_rec.tokenization.sources.generic import load_table
from xcat_rec.tokenization.tables.keys import clean_keys, read_keys
from xcat_rec.tokenization.tables.schema import ShopTables, TableError

FLOATS = {
    "user_id": [7.0, 7.0, 8.0, 8.0],
    "item_id": [1.0, 2.0, 1.0, 2.0],
    "timestamp": [1_600_000_000, 1_600_000_100, 1_600_000_050, 1_600_000_060],
    "basket_id": [5.0, None, 6.0, 6.0],
    "event_type": [1.0, 1.0, 2.0, 2.0],
    "split": [0.0, 1.0, 0.0, 1.0],
}
COLUMNS = ["user_id", "item_id", "basket_id", "event_type", "split"]
FORMATS: dict[str, Callable[[pl.DataFrame, Path], object]] = {
    "csv": lambda table, path: table.write_csv(path / "events.csv"),
    "tsv": lambda table, path: table.write_csv(path / "events.tsv", separator="\t"),
    "jsonl": lambda table, path: table.write_ndjson(path / "events.jsonl"),
    "json": lambda table, path: table.write_json(path / "events.json"),
    "parquet": lambda table, path: table.write_parquet(path / "events.parquet"),
    "arrow": lambda table, path: table.write_ipc(path / "events.arrow"),
    "pandas": lambda table, path: table.to_pandas(),
    "arrow table": lambda table, path: table.to_arrow(),
    "dataset": lambda table, path: datasets.Dataset.from_dict(table.to_dict(as_series=False)),
}


def shop_of(written: object, folder: Path) -> ShopTables:
    items = folder / "items.csv"
    items.write_text("item_id,title\n1,tent\n2,boots\n")
    events = next(folder.glob("events.*"), None) if isinstance(written, int | None) else written
    return load_shop(items=items, events=events)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", FORMATS)
def test_integers_written_as_floats_equal_integer_ids(name: str, tmp_path: Path) -> None:
    shop = shop_of(FORMATS[name](pl.DataFrame(FLOATS), tmp_path), tmp_path)
    read = {column: shop.events[column].to_list() for column in COLUMNS}
    assert read == {
        "user_id": ["7", "7", "8", "8"], "item_id": ["1", "2", "1", "2"], "basket_id": ["5", None, "6", "6"],
        "event_type": ["1", "1", "2", "2"], "split": ["0", "1", "0", "1"],
    }  # fmt: skip
    noted = {problem.column: problem.count for problem in shop.problems if problem.kind == "float_key"}
    assert noted == {"user_id": 4, "item_id": 4, "basket_id": 3, "event_type": 4, "split": 4}


def test_users_and_promotions_follow_the_rule_of_events(tmp_path: Path) -> None:
    pl.DataFrame(FLOATS).write_csv(tmp_path / "events.csv")
    (tmp_path / "items.csv").write_text("item_id,title\n1,tent\n2,boots\n")
    (tmp_path / "users.csv").write_text("user_id,age\n7,30\n8.0,40\n")
    (tmp_path / "promotions.csv").write_text("kind,item_id,store_id\ncoupon,1.0,3.0\ncoupon,,4\n")
    shop = load_shop(tmp_path)
    assert shop.users is not None and shop.promotions is not None
    assert shop.users["user_id"].to_list() == ["7", "8"]
    offers = shop.promotions.collect()
    assert (offers["item_id"].to_list(), offers["store_id"].to_list()) == (["1", None], ["3", "4"])


UUIDS = [uuid.UUID(int=(9 << 120) + number) for number in range(3)]
TYPES: dict[str, tuple[pa.Array, list[str | None]]] = {
    "dictionary of texts": (pa.array(["a", "b", None]).dictionary_encode(), ["a", "b", None]),
    "dictionary of numbers": (pa.array([7, 8, None]).dictionary_encode(), ["7", "8", None]),
    "dictionary of floats": (pa.array([7.0, 8.0, None]).dictionary_encode(), ["7", "8", None]),
    "string view": (pa.array(["a", "b", None], pa.string_view()), ["a", "b", None]),
    "binary view": (pa.array([b"a", b"b", None], pa.binary_view()), ["a", "b", None]),
    "large string": (pa.array(["a", "b", None], pa.large_string()), ["a", "b", None]),
    "large binary": (pa.array([b"a", b"b", None], pa.large_binary()), ["a", "b", None]),
    "bytes that are not text": (pa.array([b"\xff\x00", b"b", None]), ["ff00", "62", None]),
    "UUID": (pa.array([one.bytes for one in UUIDS], pa.uuid()), [str(one) for one in UUIDS]),
    "UUID as bytes": (pa.array([one.bytes for one in UUIDS], pa.binary(16)), [str(one) for one in UUIDS]),
    "decimal": (pa.array([decimal.Decimal("7"), None, None], pa.decimal128(20, 0)), ["7", None, None]),
    "decimal with zeros": (pa.array([decimal.Decimal("7.00"), None, None], pa.decimal128(20, 2)), ["7", None, None]),
    "large decimal": (pa.array([decimal.Decimal("7.00"), None, None], pa.decimal256(50, 2)), ["7", None, None]),
    "half floats": (pa.array(np.array([7, 8, 9], np.float16)), ["7", "8", "9"]),
    "unsigned": (pa.array([2**64 - 1, 8, None], pa.uint64()), [str(2**64 - 1), "8", None]),
    "run ends": (
        pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array(["a", "b"])), ["a", "a", "b"],
    ),
}  # fmt: skip


NOT_IN_PARQUET = ("run ends", "large decimal")  # polars does not read these types from parquet files


@pytest.mark.parametrize(
    ("name", "written"),
    [
        (name, written)
        for name in TYPES
        for written in ("table", "parquet", "arrow")
        if written != "parquet" or name not in NOT_IN_PARQUET
    ],
)
def test_every_type_of_arrow_is_an_id(name: str, written: str, tmp_path: Path) -> None:
    column, expected = TYPES[name]
    table = pa.table({"item_id": column})
    if written == "parquet":
        pa.parquet.write_table(table, tmp_path / "items.parquet")
    elif written == "arrow":
        with pa.ipc.new_file(tmp_path / "items.arrow", table.schema) as file:
            file.write_table(table)
    source = table if written == "table" else tmp_path / f"items.{written}"
    keys = read_keys(load_table(source, "items")[0]["item_id"])
    assert keys is not None and keys.to_list() == expected


@pytest.mark.parametrize("values", [[True, False], [datetime.date(2024, 1, 1)], [[1], [2]]])
def test_types_that_cannot_be_ids_are_refused(values: list[object]) -> None:
    assert read_keys(pl.Series(values)) is None


LARGE = 1_400_000_000_000_000_001
UNSAFE: dict[str, object] = {
    "floats of pandas": pd.Series([LARGE, LARGE + 1, LARGE + 2, None]).to_list(),
    "half as many bits": pl.Series([float(2**24), 1.0, 2.0, None], dtype=pl.Float32),
    "texts of pandas": ["1.4e+18", "1.4e+18", "7.0", "8.0"],
    "texts of a spreadsheet": ["1.4E+18", "1.4E+18", "7", "8"],
    "texts with decimals": ["9007199254740994.0", "7.0", "8.0", "9.0"],
}


@pytest.mark.parametrize("name", UNSAFE)
@pytest.mark.parametrize("column", ["user_id", "item_id", "basket_id"])
def test_floats_that_stand_for_several_integers_are_refused(name: str, column: str) -> None:
    events = pl.DataFrame(FLOATS).with_columns(pl.Series(column, UNSAFE[name]))
    items = pl.DataFrame({"item_id": ["1", "2"], "title": ["a", "b"]})
    with pytest.raises(TableError) as caught:
        load_shop(items=items, events=events)
    found = {(problem.column, problem.kind): problem for problem in caught.value.problems if problem.fatal}
    problem = found[column, "unsafe_key"]
    assert "several integers became one" in str(problem) and "dtype='Int64'" in str(problem)


def test_codes_that_look_like_numbers_are_kept() -> None:
    keys = ["1E+5", "2.5", "A7.0", "1.0"]
    cleaned = clean_keys(pl.Series(keys))
    assert cleaned is not None and cleaned.values.to_list() == keys and not cleaned.repairs


def test_chunks_are_read_like_the_whole_table(tmp_path: Path) -> None:
    users = (
        ["7.0"] * 4 + ["8.0"] * 4 + ["x9", "x9", "x9", "x9"]
    )  # not all are numbers, which the first chunk does not show
    days = [f"{day:02}/03/2020" for day in range(1, 12)] + [
        "25/03/2020"
    ]  # only the last one shows which part is the day
    events = pl.DataFrame({" user_id": users, "item_id": ["1.0", "2.0"] * 6, "timestamp": days, "event_type": 1.0})
    (tmp_path / "items.csv").write_text("item_id,title\n1,tent\n2,boots\n")
    events.write_parquet(tmp_path / "events.parquet", row_group_size=2)
    shop = load_shop(tmp_path)
    inputs = PreparationInputs(tmp_path)
    assert inputs.streamed
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xcat_rec.tokenization.out_of_core.chunks.cut_chunks.__defaults__", (2,))
        prepared = prepare_tables(inputs, tmp_path / "prepared", progress=False)
    told = load_prepared(tmp_path / "prepared")
    assert {row["user_id"] for row in told.sequences["test"]} == set(shop.events["user_id"]) == {"7.0", "8.0", "x9"}
    assert prepared.manifest["times"] == [shop.events["timestamp"].min(), shop.events["timestamp"].max()]
    kinds = {(problem.column, problem.kind, problem.count) for problem in shop.problems}
    assert kinds == {(problem.column, problem.kind, problem.count) for problem in prepared.problems()}
    assert ("timestamp", "date_order", 12) in kinds and ("item_id", "float_key", 12) in kinds


def test_ambiguous_dates_in_chunks_are_reported_once(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("item_id,title\n1,tent\n2,boots\n")
    days = [f"0{day}/03/2020" for day in range(1, 6)]
    table = {"user_id": [1] * 5, "item_id": [1, 2, 1, 2, 1], "timestamp": days}
    pl.DataFrame(table).write_parquet(tmp_path / "events.parquet", row_group_size=1)
    question = r"1 March 2020 \(time_format='day-first'\) or 3 January 2020"
    with pytest.raises(TableError, match=question):
        prepare_tables(PreparationInputs(tmp_path), tmp_path / "prepared", progress=False)
    inputs = PreparationInputs(tmp_path, time_format="day-first")
    prepared = prepare_tables(inputs, tmp_path / "prepared", progress=False)
    assert prepared.manifest["times"] == [1_583_020_800, 1_583_366_400]
