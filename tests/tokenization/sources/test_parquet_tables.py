"""Parquet tables with types that polars lacks, and tables without read permission."""

from __future__ import annotations

import decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xcat_rec.tokenization.out_of_core.chunks import ChunkReading, cut_chunks, read_chunk
from xcat_rec.tokenization.out_of_core.inputs import PreparationInputs
from xcat_rec.tokenization.sources import load_shop
from xcat_rec.tokenization.vocabulary import VOCABULARY_FILE

from ...fresh_processes import run_program
from ...superuser import WITHOUT_PRIVILEGES


def write_long_decimals(folder: Path) -> None:
    long = pa.decimal256(50, 2)
    numbers = pa.array([decimal.Decimal("4.50"), decimal.Decimal("3.25"), None], long)
    ids = pa.array([decimal.Decimal(7), decimal.Decimal(7), decimal.Decimal(8)], long)
    pq.write_table(
        pa.table({"item_id": ["A", "B", "C"], "title": ["a", "b", "c"], "price": numbers}), folder / "items.parquet"
    )
    times = [1_706_659_200, 1_706_659_201, 1_706_659_202]
    events = pa.table({"user_id": ids, "item_id": ["A", "B", "C"], "timestamp": times, "rating": numbers})
    pq.write_table(events, folder / "events.parquet", row_group_size=2)


def test_decimals_of_256_bits_are_read_whole_and_in_chunks(tmp_path: Path) -> None:
    write_long_decimals(tmp_path)
    shop = load_shop(tmp_path)
    assert shop.items["price"].to_list() == [4.5, 3.25, None]
    assert shop.events["user_id"].to_list() == ["7", "7", "8"]
    assert shop.events["rating"].to_list() == [4.5, 3.25, None]
    tables = PreparationInputs(tmp_path).write_tables(tmp_path, tmp_path)
    reading = ChunkReading(str(tmp_path / VOCABULARY_FILE), style=tables.style)
    parts = [read_chunk(chunk, reading)[0] for chunk in cut_chunks(tables.events, 2)]
    assert [key for part in parts for key in part["user_id"]] == ["7", "7", "8"]
    assert [rating for part in parts for rating in part["rating"]] == [4.5, 3.25, None]


READ = f"""{WITHOUT_PRIVILEGES}
import sys
from pathlib import Path
from xcat_rec.tokenization.out_of_core.inputs import PreparationInputs
from xcat_rec.tokenization.out_of_core.prepare import PrepareOptions
from xcat_rec.tokenization.sources import load_shop

folder = Path(sys.argv[1])
for read in (load_shop, lambda folder: PreparationInputs(folder).describe(PrepareOptions())):
    try:
        read(folder)
    except OSError as error:
        print(type(error).__name__, error)
"""


@pytest.mark.parametrize("name", ["items.csv", "events.parquet"])
def test_tables_that_may_not_be_read_are_reported_as_such(name: str, tmp_path: Path) -> None:
    write_long_decimals(tmp_path)
    (tmp_path / "items.parquet").unlink()
    (tmp_path / "items.csv").write_text("item_id,title\nA,a\nB,b\nC,c\n")
    (tmp_path / name).chmod(0o200)
    code = READ.replace("describe(PrepareOptions())", "write_tables(folder, folder)") if name == "items.csv" else READ
    done = run_program(code, str(tmp_path))
    lines = done.stdout.splitlines()
    assert len(lines) == 2, done.stderr[-2000:]
    for line in lines:
        assert line.startswith("PermissionError") and name in line, line
        assert f"may not be read (mode 200, owner {(tmp_path / name).owner()})" in line
