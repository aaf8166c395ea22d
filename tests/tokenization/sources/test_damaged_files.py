"""Damaged files, found by benchmarks/parser_fuzz.py: each is refused with an error that names it."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from xcat_rec.tokenization.images.references import references_of
from xcat_rec.tokenization.sources import load_shop, read_table
from xcat_rec.tokenization.sources.recbole import read_atomic
from xcat_rec.tokenization.tables.values import read_texts

DEEP = "[" * 100_000
"""Deeper than Python's JSON parser goes."""


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.json", '[{"a": 1}, null]', "its list contains a JSON NoneType, not an object"),
        ("t.json", DEEP, "cannot be read by its suffix"),
        ("t.jsonl", '{"a": 1}\n{"a": ' + DEEP, "line 2 is not JSON"),
        ("t.json", '[{"a": "\\ud800"}, {"a": [1]}]', "a text has half of a character"),
    ],
)
def test_json(name: str, content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=rf"{name} .*{words}"):
        read_table(tmp_path / name)


@pytest.mark.parametrize("suffix", ["arrow", "feather"])
def test_offsets_outside_of_an_arrow_file(suffix: str, tmp_path: Path) -> None:
    """The process ended with a segmentation fault."""
    path, offsets = tmp_path / f"t.{suffix}", pa.array([0, 3, 6, 9], pa.int32()).buffers()[1].to_pybytes()[:16]
    table = pa.table({"title": pa.array(["abc", "def", "ghi"])})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    assert read_table(path)["title"].to_list() == ["abc", "def", "ghi"]
    content = path.read_bytes()
    assert content.count(offsets) == 1
    path.write_bytes(content.replace(offsets, offsets[:8] + (2**30).to_bytes(4, "little") * 2))
    with pytest.raises(ValueError, match=rf"t\.{suffix} cannot be read by its suffix"):
        read_table(path)


def test_a_column_name_of_an_arrow_file_that_is_no_text(tmp_path: Path) -> None:
    path, table = tmp_path / "t.arrow", pa.table({"titel": ["abc"]})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    path.write_bytes(path.read_bytes().replace(b"titel", b"tit\xe5l"))
    with pytest.raises(ValueError, match=r"t\.arrow cannot be read by its suffix"):
        read_table(path)


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_a_long_column_name(suffix: str, tmp_path: Path) -> None:
    path, name = tmp_path / f"t.{suffix}", "x" * 200_000
    path.write_text(f"{name}{',' if suffix == 'csv' else chr(9)}b\n1{',' if suffix == 'csv' else chr(9)}2\n")
    assert read_table(path).columns == [name, "b"]


def test_every_changed_byte_of_the_end_of_a_parquet_file(tmp_path: Path) -> None:
    """Some made polars panic, which is no Exception."""
    path = tmp_path / "t.parquet"
    pl.DataFrame({"item_id": [f"i{n}" for n in range(40)], "price": [float(n) for n in range(40)]}).write_parquet(path)
    whole, refused, panics = path.read_bytes(), 0, 0
    for place in range(max(0, len(whole) - 400), len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x7F]) + whole[place + 1 :])
        try:
            read_table(path)
        except ValueError as error:
            assert "t.parquet cannot be read by its suffix" in str(error)
            refused, panics = refused + 1, panics + isinstance(error.__cause__, pl.exceptions.PanicException)
    assert refused > 50 and panics


def test_a_packed_file_of_another_method(tmp_path: Path) -> None:
    """Bytes within a .gz file, not its header, raised an error of zlib."""
    for name in ("raw_review_A.jsonl.gz", "raw_meta_A.jsonl.gz"):
        packed = bytearray(gzip.compress(b'{"parent_asin": "x", "user_id": "u", "rating": 1.0}\n' * 50))
        packed[12:30] = b"\xff" * 18
        (tmp_path / name).write_bytes(bytes(packed))
    with pytest.raises(ValueError, match=r"raw_\w+_A\.jsonl\.gz cannot be read"):
        load_shop(tmp_path)


@pytest.mark.parametrize(
    ("inter", "item", "words"),
    [
        (
            "user_id:token\titem_id:token\ta:token\ta:float",
            "item_id:token",
            r"\.inter has the field 'a' several times",
        ),
        ("user_id:token\titem_id:token\tab\tab", "item_id:token", r"\.inter has the field 'ab' several times"),
        (
            "user_id:token\titem_id:token\ta:token\tb:float",
            "x:token",
            r"\.item: the field item_id is missing; it has x",
        ),
    ],
)
def test_fields_of_atomic_files(inter: str, item: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "s.inter").write_text(f"{inter}\nu\ti\t1\t2\n")
    (tmp_path / "s.item").write_text(f"{item}\ni\n")
    with pytest.raises(ValueError, match=words):
        load_shop(f"recbole:{tmp_path}")


def test_a_line_that_two_readers_divide_differently(tmp_path: Path) -> None:
    (tmp_path / "s.user").write_bytes(b"user_id:token\tage:\r0\t31\n\nu1\told")
    with pytest.raises(
        ValueError, match=r"s\.user cannot be read .*: it has 2 records of 2 fields, and 2 of 3 were read"
    ):
        read_atomic(tmp_path / "s.user", "users")


def test_values_that_fit_no_column_become_texts(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"a": [0.5]}\n{"a": [[]]}\n')
    assert read_table(tmp_path / "t.jsonl")["a"].to_list() == ["[0.5]", "[[]]"]
    length = pl.Series("length", [90_061_000_000, None]).cast(pl.Duration("us"))
    assert read_texts(length).to_list() == ["P1DT1H1M1S", None]


def test_a_cell_of_deep_lists_is_the_name_of_a_file() -> None:
    assert references_of(pl.Series("image", [DEEP, "a.png"])) == [[DEEP], ["a.png"]]
