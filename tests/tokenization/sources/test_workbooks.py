"""Workbooks, compressed files and numbers as exported by other software."""

from __future__ import annotations

import datetime
import gzip
import json
import sys
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import polars as pl
import pyarrow as pa
import pytest
import xlsxwriter

from xcat_rec.tokenization.sources import load_shop
from xcat_rec.tokenization.sources.generic import load_table

ITEMS = pl.DataFrame({"item_id": ["007", "B12"], "title": ['A "tall", tent', "纸"], "price": [1.5, None]})
EVENTS = pl.DataFrame({
    "user_id": [7, 7, 8], "item_id": ["007", "B12", "007"],
    "timestamp": [datetime.datetime(2009, 12, day, 7, 45) for day in (1, 2, 3)],
})  # fmt: skip


def write_xlsx(path: Path, sheets: dict[str, pl.DataFrame]) -> None:
    with xlsxwriter.Workbook(path) as book:
        for name, table in sheets.items():
            table.write_excel(book, worksheet=name)


def write_ods(path: Path, sheets: dict[str, pl.DataFrame]) -> None:
    def cell(value: object) -> str:
        if value is None:
            return "<table:table-cell/>"
        if isinstance(value, datetime.datetime):
            return f'<table:table-cell office:value-type="date" office:date-value="{value.isoformat()}"/>'
        if isinstance(value, int | float):
            return f'<table:table-cell office:value-type="float" office:value="{value}"/>'
        return f'<table:table-cell office:value-type="string"><text:p>{escape(str(value))}</text:p></table:table-cell>'

    def sheet(name: str, table: pl.DataFrame) -> str:
        rows = "".join(
            f"<table:table-row>{''.join(map(cell, row))}</table:table-row>" for row in [table.columns, *table.rows()]
        )
        return f'<table:table table:name="{name}">{rows}</table:table>'

    names = ("office", "table", "text")
    spaces = " ".join(f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in names)
    body = "".join(sheet(name, table) for name, table in sheets.items())
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        file.writestr("META-INF/manifest.xml", '<manifest:manifest xmlns:manifest="urn:oasis"/>')
        file.writestr(
            "content.xml",
            f'<?xml version="1.0" encoding="UTF-8"?><office:document-content {spaces}><office:body>'
            f"<office:spreadsheet>{body}</office:spreadsheet></office:body></office:document-content>",
        )


WRITERS = {"xlsx": write_xlsx, "ods": write_ods}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_workbook_keeps_types(kind: str, tmp_path: Path) -> None:
    WRITERS[kind](tmp_path / f"items.{kind}", {"Sheet1": ITEMS})
    WRITERS[kind](tmp_path / f"events.{kind}", {"Other": ITEMS, "Events": EVENTS})
    shop = load_shop(tmp_path)
    assert shop.items.select(ITEMS.columns).equals(ITEMS)
    assert shop.events["user_id"].to_list() == ["7", "7", "8"]
    assert shop.events["timestamp"].to_list() == [1_259_653_500, 1_259_739_900, 1_259_826_300]
    both = tmp_path / f"both.{kind}"
    WRITERS[kind](both, {"items": ITEMS, "events": EVENTS})
    assert load_shop(items=both, events=both).events.height == 3


def test_an_ambiguous_sheet_is_an_error(tmp_path: Path) -> None:
    write_xlsx(tmp_path / "items.xlsx", {"March": ITEMS, "April": ITEMS})
    with pytest.raises(ValueError, match="has the sheets March, April; name the sheet to read 'items'"):
        load_table(tmp_path / "items.xlsx", "items")


def test_a_workbook_names_the_extra_that_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_xlsx(tmp_path / "items.xlsx", {"items": ITEMS})
    monkeypatch.setitem(sys.modules, "fastexcel", None)
    with pytest.raises(ImportError, match=r"pip install -e .*\[excel\]"):
        load_table(tmp_path / "items.xlsx", "items")


@pytest.mark.parametrize("content", [b"", b"item_id,title\n1,x\n"])
def test_other_files_are_refused_as_workbooks(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "items.xlsx").write_bytes(content)
    with pytest.raises(ValueError, match=r"items\.xlsx cannot be read by its suffix"):
        load_table(tmp_path / "items.xlsx", "items")


@pytest.mark.parametrize("packed", ["gz", "zst"])
@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "json", "parquet", "arrow"])
def test_compressed_files_are_read_and_truncated_ones_refused(packed: str, suffix: str, tmp_path: Path) -> None:
    table = ITEMS.with_columns(price=pl.col("price").cast(pl.String))
    rows = json.dumps(table.to_dicts()).encode()
    plain = {
        "csv": table.write_csv().encode(), "tsv": table.write_csv(separator="\t").encode(),
        "jsonl": table.write_ndjson().encode(), "json": rows,
    }  # fmt: skip
    if suffix in plain:
        content = plain[suffix]
    else:
        write = table.write_parquet if suffix == "parquet" else table.write_ipc
        write(tmp_path / "plain")
        content = (tmp_path / "plain").read_bytes()
    path = tmp_path / f"items.{suffix}.{packed}"
    whole = gzip.compress(content) if packed == "gz" else pa.compress(content, codec="zstd", asbytes=True)
    path.write_bytes(whole)
    assert load_table(path, "items")[0].equals(table)
    path.write_bytes(whole[:-12])
    with pytest.raises(ValueError, match="check that it is complete"):
        load_table(path, "items")


@pytest.mark.parametrize(
    ("prices", "read", "kind"),
    [
        (["12,50", "1,234", "3"], [12.5, 1.234, 3.0], "decimal_comma"),
        (["-0,125", "", "2"], [-0.125, None, 2.0], "decimal_comma"),
        (["1,234", "3", "4"], [None, 3.0, 4.0], "not_numeric"),  # a thousand or one
        (["1,5", "2.5", "3"], [None, 2.5, 3.0], "not_numeric"),  # both in a column
    ],
)
def test_unambiguous_decimal_commas_are_read(
    prices: list[str], read: list[float | None], kind: str, tmp_path: Path
) -> None:
    rows = "".join(f"{name};{price}\n" for name, price in zip("ABC", prices, strict=True))
    (tmp_path / "items.csv").write_text("item_id;price\n" + rows)
    events = pl.DataFrame({"user_id": ["u"], "item_id": ["A"], "timestamp": [1_600_000_000]})
    shop = load_shop(items=tmp_path / "items.csv", events=events)
    assert shop.items["price"].to_list() == read
    count = sum("," in price for price in prices)
    assert (kind, count) in {(problem.kind, problem.count) for problem in shop.problems}
