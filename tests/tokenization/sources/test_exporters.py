"""Small files as exported by databases, spreadsheets and online shops, each with its correct rows."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from xcat_rec.tokenization.sources.generic import load_table

Rows = list[tuple[str | None, ...]]

EXPORTS: dict[str, tuple[str, bytes, list[str], Rows, dict[str, int]]] = {
    "MySQL OUTFILE": (
        "t.tsv", b"sku\ttitle\tprice\n1\tTent\t\\N\n2\tC:\\\\new\t5\n", ["sku", "title", "price"],
        [("1", "Tent", None), ("2", "C:\\new", "5")], {"null_marks": 1, "backslash_letters": 1},
    ),
    "Postgres COPY text": (
        "t.tsv", b'sku\ttitle\tnote\n1\tTent\\tred\\nnew\t\\N\n2\t19" tv\tx\n', ["sku", "title", "note"],
        [("1", "Tent\tred\nnew", None), ("2", '19" tv', "x")], {"null_marks": 1, "backslash_letters": 1},
    ),
    "Postgres COPY csv": (
        "t.csv", b'sku,title\n1,"a ""b"", c"\n2,\n', ["sku", "title"], [("1", 'a "b", c'), ("2", None)], {},
    ),
    "paths are not escapes": (
        "t.tsv", b"sku\tpath\n1\tC:\\new\n2\tD:\\table\n", ["sku", "path"], [("1", "C:\\new"), ("2", "D:\\table")], {},
    ),
    "paths beside a null mark": (
        "t.tsv", b"sku\tpath\n1\tC:\\games\\new\n2\t\\N\n", ["sku", "path"], [("1", "C:\\games\\new"), ("2", None)],
        {"null_marks": 1},
    ),
    "Excel": (
        "t.csv", b'sku,title\r\n="007",Tent\r\n="008",Stove\r\n', ["sku", "title"],
        [("007", "Tent"), ("008", "Stove")], {"formula_texts": 2},
    ),
    "Excel, quoted": (
        "t.csv", b'sku,title\n"=""007""",Tent\n', ["sku", "title"], [("007", "Tent")], {"formula_texts": 1},
    ),
    "BigQuery": (
        "t.csv", b"sku,price,at\n1,\\N,2024-01-31 12:00:00 UTC\n2,3.5,\\N\n", ["sku", "price", "at"],
        [("1", None, "2024-01-31 12:00:00 UTC"), ("2", "3.5", None)], {"null_marks": 2},
    ),
    "one column of null marks": (
        "t.csv", b"sku\n1\n\\N\n3\n", ["sku"], [("1",), (None,), ("3",)], {"null_marks": 1},
    ),
    "pandas": (
        "t.csv", b",sku,title\n0,a,Tent\n1,b,Stove\n", ["sku", "title"], [("a", "Tent"), ("b", "Stove")],
        {"index_column": 2},
    ),
    "pandas, other index": (
        "t.csv", b",sku\n5,a\n9,b\n", ["column_1", "sku"], [("5", "a"), ("9", "b")], {"nameless_column": 1},
    ),
    "Shopify": (
        "t.csv", b'Name,Lineitem name,Notes\n#1001,"Tent, 2 people","first\nsecond"\n#1001,Stove,\n',
        ["Name", "Lineitem name", "Notes"],
        [("#1001", "Tent, 2 people", "first\nsecond"), ("#1001", "Stove", None)], {},
    ),
    "WooCommerce": (
        "t.csv",
        b'\xef\xbb\xbfID,Name,Categories\n12,"19"" rack","Home > Garden, Sale"\n',
        ["ID", "Name", "Categories"],
        [("12", '19" rack', "Home > Garden, Sale")], {"byte_order_mark": 1},
    ),
    "Taobao": (
        "t.csv",
        '订单编号,宝贝标题,买家备注\r\n="100200300400",帐篷登山双人,红色的帐篷\r\n'
        '="100200300401",炉子户外,没有\r\n'.encode("gb18030"),
        ["订单编号", "宝贝标题", "买家备注"],
        [("100200300400", "帐篷登山双人", "红色的帐篷"), ("100200300401", "炉子户外", "没有")],
        {"formula_texts": 2, "encoding": 2},
    ),
}  # fmt: skip


@pytest.mark.parametrize("exporter", EXPORTS)
def test_an_export_has_its_rows(exporter: str, tmp_path: Path) -> None:
    file, content, names, rows, notes = EXPORTS[exporter]
    (tmp_path / file).write_bytes(content)
    table, problems = load_table(tmp_path / file, "items")
    assert table.columns == names and table.rows() == rows
    told = {problem.kind: problem.count for problem in problems}
    assert told.items() >= notes.items()
    ours = {"null_marks", "backslash_letters", "formula_texts", "index_column", "nameless_column"}
    assert ours & told.keys() == ours & notes.keys() and not any(problem.fatal for problem in problems)


def test_the_note_of_an_encoding_counts_rows(tmp_path: Path) -> None:
    rows = pl.DataFrame({"sku": [str(n) for n in range(500)], "title": ["été"] * 500})
    (tmp_path / "t.csv").write_bytes(rows.write_csv().encode("cp1252"))
    table, problems = load_table(tmp_path / "t.csv", "items")
    assert table.equals(rows) and [(p.kind, p.count) for p in problems] == [("encoding", 500)]
