"""`--time-format` and `--encoding`: a question on the command line, and its answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from .commands import refused, run

ITEMS = "StockCode,Description\nA,Café table\nB,Zelt für 2\nC,Lamp\n"
EVENTS = "Customer ID,StockCode,InvoiceDate\n" + "".join(
    f"{user},{item},0{day}/12/2009 07:45\n" for user in (7, 8) for day, item in enumerate("ABC", start=1)
)
COLUMNS = "item_id=StockCode,title=Description,user_id=Customer ID,timestamp=InvoiceDate"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "items.csv").write_bytes(ITEMS.encode("cp1252"))
    (tmp_path / "events.csv").write_text(EVENTS)
    return tmp_path


def test_ambiguous_dates_are_asked_for_with_options_and_read_with_the_answer(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["inspect", str(shop), "--columns", COLUMNS, "--output", str(tmp_path / "inspection")]
    question = "is '01/12/2009 07:45' 1 December 2009 (--time-format day-first) or 12 January 2009"
    refused(given, capsys, ["InvoiceDate", question])
    answer = run([*given, "--time-format", "day-first", "--encoding", "cp1252", "--json"], capsys)
    assert answer["rows"]["events"] == 6


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--time-format", "dayfirst"], ["time_format is 'dayfirst'", "did you mean 'day-first'?"]),
        (["--time-format", "%Y-%m-%d"], ["6 rows hold no time", "--time-format %Y-%m-%d does not read them"]),
        (["--encoding", "cp1525"], ["encoding is 'cp1525'", "such as 'cp1252'"]),
        (["--encoding", "utf-8"], ["items.csv", "line 2 has the byte 0xe9, which is no UTF-8", "--encoding cp1252"]),
    ],
)
def test_formats_that_do_not_fit_are_refused(
    options: list[str], words: list[str], shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["inspect", str(shop), "--columns", COLUMNS, "--output", str(tmp_path / "inspection")]
    refused([*given, *options], capsys, words)
