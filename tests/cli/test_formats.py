"""`--time-format` and `--encoding`: a question on the command line, and its answer."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pytest

from xcat_rec.checkpoints.load import load_base
from xcat_rec.workflows.checkpoint_evaluation import evaluate_checkpoint

from ..tiny_shop import events_table, items_table, save_text_encoder
from .commands import refused, run
from .test_end_to_end import OPTIONS

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
        (["--time-format", "dayfirst"], ["--time-format is 'dayfirst'", "did you mean 'day-first'?"]),
        (["--time-format", "%Y-%m-%d"], ["6 rows hold no time", "--time-format %Y-%m-%d does not read them"]),
        (["--encoding", "cp1525"], ["encoding is 'cp1525'", "such as 'cp1252'"]),
        (["--encoding", "utf-8"], ["items.csv", "line 2 has the byte 0xe9, which is not UTF-8", "--encoding cp1252"]),
    ],
)
def test_formats_that_do_not_fit_are_refused(
    options: list[str], words: list[str], shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["inspect", str(shop), "--columns", COLUMNS, "--output", str(tmp_path / "inspection")]
    refused([*given, *options], capsys, words)


def write_invoices(folder: Path, pattern: str, encoding: str) -> None:
    """The tiny shop with dates that can be read in two ways, and titles with letters beyond ASCII."""
    folder.mkdir()
    items = items_table().select(StockCode="item_id", Description=pl.col("title") + " dveří")
    (folder / "items.csv").write_bytes(items.write_csv().encode(encoding))
    events = events_table().sort("timestamp")
    day = pl.datetime(2009, 12, 1) + pl.duration(hours=pl.int_range(pl.len()).over("user_id"))
    events = events.select("user_id", StockCode="item_id", InvoiceDate=day.dt.strftime(pattern))
    events.write_csv(folder / "events.csv")


def test_formats_are_kept_in_the_checkpoint_and_named_in_the_card(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_invoices(tmp_path / "shop", "%d/%m/%Y %H:%M", "cp1250")
    write_invoices(tmp_path / "other", "%Y-%m-%d %H:%M", "utf-8")
    checkpoint, mapping = str(tmp_path / "checkpoint"), "item_id=StockCode,title=Description,timestamp=InvoiceDate"
    formats = ["--columns", mapping, "--time-format", "day-first", "--encoding", "cp1250"]
    encoder = str(save_text_encoder(tmp_path / "encoder"))
    fit = ["fit", str(tmp_path / "shop"), "--output", checkpoint, *formats, "--text-encoder", encoder, "--json"]
    told = run([*fit, *OPTIONS, "--num-train-epochs", "1"], capsys)
    settings = json.loads((tmp_path / "checkpoint" / "processor_config.json").read_text())["event_settings"]
    assert (settings["time_format"], settings["encoding"]) == ("day-first", "cp1250")
    (command,) = re.findall(r"^xcat fit .*$", (tmp_path / "checkpoint" / "README.md").read_text(), re.MULTILINE)
    assert " --time-format day-first " in command and " --encoding cp1250 " in command and mapping in command

    # A table with other formats is read by its own.
    for shop in ("shop", "other"):
        judged = run(["evaluate", checkpoint, str(tmp_path / shop), "--json"], capsys)
        assert judged["metrics"] == {name: told["metrics"][name] for name in judged["metrics"]}
        assert evaluate_checkpoint(checkpoint, tmp_path / shop).report.metrics["ndcg@10"] == told["metrics"]["ndcg@10"]
        events = str(tmp_path / shop / "events.csv")
        found = run(["recommend", checkpoint, "--users", events, "-k", "2", "--json"], capsys)
        assert len(found["recommendations"]) == 2 * 60
        run(
            ["recommend", checkpoint, "--users", events, "--output", str(tmp_path / f"{shop}.parquet"), "--json"],
            capsys,
        )
    written = [pl.read_parquet(tmp_path / f"{shop}.parquet") for shop in ("shop", "other")]
    assert written[0].equals(written[1])
    (tmp_path / "new.csv").write_bytes("StockCode,Description\nnew,Talíř\n".encode("cp1250"))
    run(["catalogue", checkpoint, str(tmp_path / "new.csv"), "--output", str(tmp_path / "grown"), "--json"], capsys)
    assert "Talíř" in str(load_base(tmp_path / "grown")[1].catalogue.column("title").to_pylist())

    # Given values take precedence, also over stored ones.
    wrong = ["evaluate", checkpoint, str(tmp_path / "other"), "--time-format", "%d/%m/%Y %H:%M"]
    refused(wrong, capsys, ["hold no time", "--time-format '%d/%m/%Y %H:%M' does not read them"])
