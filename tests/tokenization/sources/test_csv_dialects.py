"""Random tables in the dialects of several programs are read back exactly or refused, never in part."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from xcat_rec.tokenization.sources.csv_layout import measure
from xcat_rec.tokenization.sources.generic import load_table

Rows = Sequence[Sequence[str]]
Writer = Callable[[Rows], str]


def python_csv(**dialect: object) -> Writer:
    def write(rows: Rows) -> str:
        text = io.StringIO()
        csv.writer(text, **{"lineterminator": "\n", **dialect}).writerows(rows)  # type: ignore[arg-type]
        return text.getvalue()

    return write


def spark(rows: Rows) -> str:
    """Fields with a separator, a quote or a line end in quotes; a backslash stands before quotes alone."""

    def field(text: str) -> str:
        if not any(mark in text for mark in ',"\n\r'):
            return text
        return '"' + text.replace('"', '\\"') + '"'

    return "".join(",".join(map(field, row)) + "\n" for row in rows)


def mysql(rows: Rows) -> str:
    """SELECT ... INTO OUTFILE with fields enclosed by quotes: a backslash stands before quotes, feeds and itself."""

    def field(text: str) -> str:
        for mark in ("\\", '"', "\n"):
            text = text.replace(mark, "\\" + mark)
        return f'"{text}"'

    return "".join(",".join(map(field, row)) + "\n" for row in rows)


def unquoted(rows: Rows) -> str:
    """Quotes are letters, and fields are unquoted."""
    return "".join(",".join(row) + "\n" for row in rows)


ANY = 'ab \\",;\t\n19é纸\x00'
PLAIN = 'ab "19é'
DIALECTS: dict[str, tuple[Writer, str, str]] = {
    "RFC 4180": (python_csv(), "csv", ANY),
    "RFC 4180 with CR LF": (python_csv(lineterminator="\r\n"), "csv", ANY.replace("\n", "")),
    "all in quotes": (python_csv(quoting=csv.QUOTE_ALL), "csv", ANY),
    "tabs": (python_csv(delimiter="\t"), "tsv", ANY),
    "semicolons": (python_csv(delimiter=";"), "csv", "ab,19é\" "),
    "backslashes of MySQL": (mysql, "csv", ANY),
    "backslashes of Spark": (spark, "csv", ANY.replace("\\", "")),
    "backslashes of Python": (python_csv(doublequote=False, escapechar="\\"), "csv", ANY),
    "backslashes of Python, all in quotes": (
        python_csv(doublequote=False, escapechar="\\", quoting=csv.QUOTE_ALL), "csv", ANY,
    ),
    "inner quotes": (unquoted, "csv", PLAIN),
}  # fmt: skip


def rows_of(letters: str) -> st.SearchStrategy[list[list[str]]]:
    text = st.text(alphabet=letters, max_size=6)
    return st.integers(2, 4).flatmap(
        lambda width: st.lists(st.lists(text, min_size=width - 1, max_size=width - 1), min_size=1, max_size=6).map(
            lambda rows: [[f"k{number}", *row] for number, row in enumerate(rows)]
        )
    )


@pytest.mark.parametrize("name", DIALECTS)
def test_a_table_is_read_back_exactly_or_refused(name: str, tmp_path: Path) -> None:
    write, suffix, letters = DIALECTS[name]
    path = tmp_path / f"items.{suffix}"
    outcomes = {"read": 0, "refused": 0}

    @given(rows_of(letters))
    @settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def check(rows: list[list[str]]) -> None:
        header = ["item_id", *(f"c{place}" for place in range(1, len(rows[0])))]
        if name == "inner quotes":  # a field that begins and ends with a quote is a quoted one
            assume(not any(field[:1] == field[-1:] == '"' and len(field) > 1 for row in rows for field in row))
        if name.startswith("backslashes"):  # two backslashes are one only where a quote shows the dialect
            rows = [*rows, ["kq", *['19" tv'] * (len(header) - 1)]]
        path.write_bytes(write([header, *rows]).encode())
        try:
            table, _ = load_table(path, "items")
        except ValueError as error:
            assert "line " in str(error)
            outcomes["refused"] += 1
            return
        outcomes["read"] += 1
        assert table.columns == header
        assert [[value or "" for value in row] for row in table.rows()] == rows

    check()
    # A quote that begins a field and is a letter is refused, and random texts have many.
    assert outcomes["read"] > (1 if name == "inner quotes" else 9) * outcomes["refused"], outcomes


CASES = {
    "quotes of MySQL": (b'a,b\n1,"the 19\\" one"\n2,x\n', [("1", 'the 19" one'), ("2", "x")], "backslash_quotes"),
    "inches": (b'a,b\n1,19" monitor\n2,x\n', [("1", '19" monitor'), ("2", "x")], "letter_quotes"),
    "mixed line ends": (b"a,b\n1,2\r\n3,4\r5,6\n", [("1", "2"), ("3", "4"), ("5", "6")], "line_ends"),
    "a stray return is a letter": (b"a,b\n1,x\ry\n2,z\n", [("1", "x\ry"), ("2", "z")], None),
    "a hint for spreadsheets": (b"sep=;\na;b\n1,5;2\n", [("1,5", "2")], None),
    "a comma in a header of semicolons": (b"a;b, EUR;c\n1;2,5;x\n", [("1", "2,5", "x")], "separator"),
    "NULL of MySQL": (b'"a","b"\n"1",\\N\n"2","x \\"y\\""\n', [("1", None), ("2", 'x "y"')], "backslash_quotes"),
    "a folder in quotes": (b'a,b\n"C:\\x\\",1\n"D:\\",2\n', [("C:\\x\\", "1"), ("D:\\", "2")], None),
    "blank lines before": (b"\n\r\na,b\n1,2\n", [("1", "2")], None),
    "ragged rows with backslashes": (
        b'a,b,c\n1,"x \\"y\\"",z\n2,"y"\n',
        [("1", 'x "y"', "z"), ("2", "y", None)],
        "short_line",
    ),
    "NUL in a field": (b"a,b\n1,x\x00y\n2,z\n", [("1", "x\x00y"), ("2", "z")], None),
    "ragged rows": (b"a,b,c\n1,2\n3,4,5\n", [("1", "2", None), ("3", "4", "5")], "short_line"),
}


@pytest.mark.parametrize("name", CASES)
def test_files_of_other_programs_are_read_and_counted(name: str, tmp_path: Path) -> None:
    content, rows, kind = CASES[name]
    (tmp_path / "items.csv").write_bytes(content)
    table, problems = load_table(tmp_path / "items.csv", "items")
    assert table.rows() == rows
    assert kind is None or kind in {problem.kind for problem in problems}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'a,b\n1,"the 19" one"\n2,x\n', "line 2 has quotes that do not close or stand inside a field"),
        (b'a,b\n1,"open\n2,x\n', "line 2 has quotes that do not close"),
        (b'a,b\n1,"x\n2,y\n3,z"\n', "the quotes from line 2 on join lines or fields, but every line has 2 fields"),
        (b"a,b\n1,2\n3,4,5\n", "line 3 has 3 fields and the header 2"),
    ],
)
def test_unreadable_files_are_refused_with_the_line(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_table(tmp_path / "items.csv", "items")


def test_quotes_in_a_header_are_undoubled(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text('item_id,"my ""own""\ntitle"\n1,x\n')
    assert load_table(tmp_path / "items.csv", "items")[0].columns == ["item_id", 'my "own"\ntitle']


@given(st.lists(st.lists(st.text(alphabet='a,"\n', max_size=5), min_size=3, max_size=3), min_size=1, max_size=5))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_records_are_counted_without_a_parser(rows: list[list[str]]) -> None:
    content = python_csv(quoting=csv.QUOTE_ALL)(rows).encode()
    layout = measure(content, ",")
    assert (layout.records, layout.separators, layout.fault) == (len(rows), 2 * len(rows), False)
    assert layout.inner_lines == sum(field.count("\n") for row in rows for field in row)


def test_a_long_file_is_measured_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    content = python_csv()([[str(number), 'x "y",\n' * (number % 3), "z\r"] for number in range(200)]).encode()
    whole = measure(content, ",")
    monkeypatch.setattr("xcat_rec.tokenization.sources.csv_layout._BLOCK", 7)
    assert measure(content, ",") == whole
    assert whole.records == 200


def test_values_that_polars_truncates_are_read_by_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "items.csv").write_text('item_id,title\n1,"x\ny"\n2,\n')
    read = pl.read_csv
    monkeypatch.setattr(pl, "read_csv", lambda *given, **more: read(*given, **more).head(1))
    assert load_table(tmp_path / "items.csv", "items")[0].rows() == [("1", "x\ny"), ("2", None)]
