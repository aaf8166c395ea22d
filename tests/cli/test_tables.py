"""Tables of commands: one line per row in 80 columns, values on the line of their name."""

from __future__ import annotations

import fcntl
import math
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.cells import cell_len

from xcat_rec.cli.app import main
from xcat_rec.cli.console import CommandConsole
from xcat_rec.cli.metric_tables import metrics_table, shown_blocks
from xcat_rec.cli.plain_tables import Column, PlainTable, clipped
from xcat_rec.cli.rendering import recommendation_table
from xcat_rec.evaluation.bootstrap import confidence_interval
from xcat_rec.evaluation.ranker_evaluation import RankingReport, report_from_ranks
from xcat_rec.evaluation.slices import HISTORY_SLICES, SLICE_MEANINGS, SLICE_NAMES, TARGET_SLICES
from xcat_rec.modeling_xcat.recommending_xcat import Reason, Recommendation
from xcat_rec.workflows.baseline_registry import BASELINES

from ..tiny_shop import items_table, save_text_encoder, write_shop
from .commands import run
from .widths import check_width

RANKS = np.arange(1, 61)[:, None]


def reports() -> dict[str, RankingReport]:
    """A report per baseline, each worse than the one before it, with targets in every slice."""
    flags = {name: np.broadcast_to(np.arange(60)[:, None] % 2 == i % 2, (60, 1)) for i, name in enumerate(SLICE_NAMES)}
    top = np.tile(np.arange(2, 52), (60, 1))
    models = ("xcat-fine-tuned", *BASELINES)
    return {
        name: report_from_ranks(RANKS + 2 * place, flags, top, [10], num_items=120)
        for place, name in enumerate(models)
    }


def test_one_line_per_metric_and_model_in_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    found = reports()
    CommandConsole().print(metrics_table(found, shown_blocks(found, by_history=True), "shop, leave-one-out, test"))
    printed = capsys.readouterr().out
    check_width(printed)
    own = found["xcat-fine-tuned"]
    interval = confidence_interval(own.per_user["ndcg@10"])
    line = next(line for line in printed.splitlines() if line.startswith("all") and "ndcg@10" in line)
    assert line.split() == [
        "all", "ndcg@10", "xcat-fine-tuned", "*", f"{own.metrics['ndcg@10']:.4f}",
        f"{interval.low:.4f}-{interval.high:.4f}",
    ]  # fmt: skip
    for model in found:
        lines = [line for line in printed.splitlines() if f" {model} " in line]
        assert len(lines) == 3 + 2 * len((*TARGET_SLICES, *HISTORY_SLICES)) + 2 * bool(own.lost_to_untrained), model
    told = " ".join(printed.split())
    assert all(" ".join(SLICE_MEANINGS[name].split()) in told for name in (*TARGET_SLICES, *HISTORY_SLICES))


def test_titles_of_any_script_are_cut_to_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    titles = ["手工陶瓷马克杯" * 12, "A wall clock " * 12, "two\nlines\x1b[31m"]
    reason = Reason("b", titles[1], 0.75)
    found = [
        Recommendation(item, 1.25, title, "厨房用品" * 9, (reason,), price=1.5)
        for item, title in zip(("a" * 60, "b", "c"), titles, strict=True)
    ]
    for reasons, lines in ((False, 5), (True, 8)):
        CommandConsole().print(recommendation_table(found, "Recommendations", reasons))
        printed = capsys.readouterr().out
        check_width(printed)
        assert len(printed.splitlines()) == lines
        assert all("1.50" in line and line.endswith("1.25") for line in printed.splitlines()[2 :: 1 + reasons])
        assert "\x1b" not in printed


@pytest.mark.parametrize("category", [None, "", "Mugs"])
def test_a_shop_without_categories_has_no_column_of_them(category: str | None) -> None:
    found = [Recommendation("a", 1.0, "Mug", None), Recommendation("b", 0.5, "Bowl", category)]
    table = recommendation_table(found, "Recommendations")
    headings = [column.heading for column in table.columns]
    assert ("category" in headings) == bool(category)
    assert {len(row) for row in table.rows} == {len(headings)}


def test_a_cell_is_cut_and_a_number_is_not() -> None:
    table = PlainTable(
        "", (Column("name", cut=True), Column("value", right=True)), [("x" * 40, "0.1234"), ("杯" * 30, "9")]
    )
    lines = table.lines(20)
    assert lines[1] == "x" * 11 + "…" + "  0.1234" and [cell_len(line) for line in lines[1:]] == [20, 20]
    assert lines[2].endswith(" 9") and clipped("杯子", 3) == "杯…"


def test_inspect_in_80_columns(tmp_path, capsys) -> None:
    shop = write_shop(tmp_path / "shop")
    with pytest.raises(SystemExit) as stop:
        main(["inspect", str(shop), "--output", str(tmp_path / "report")])
    assert stop.value.code == 0
    check_width(capsys.readouterr().out)


TITLE, CATEGORY = "手工绘制陶瓷马克杯礼盒装" * 5, "厨房用品和餐具 > 陶瓷 > 马克杯和茶杯 > 礼品"
FIT = [
    "--hidden-size", "32", "--num-attention-heads", "2", "--max-history", "8", "--num-train-epochs", "1",
    "--precision", "fp32", "--use-cpu", "--per-device-train-batch-size", "10", "--split", "leave-one-out", "--no-card",
]  # fmt: skip


@pytest.fixture(scope="module")
def long_shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[str]]:
    """Tables with long Chinese titles and categories, a checkpoint, and the first arguments of its commands."""
    folder = tmp_path_factory.mktemp("long")
    shop, encoder = write_shop(folder / "手工陶瓷商店"), save_text_encoder(folder / "encoder")
    named = items_table().with_columns(
        title=pl.format("{} {}", pl.lit(TITLE), pl.col("title")),
        category=pl.format("{} {}", pl.lit(CATEGORY), pl.col("category")),
    )
    named.write_csv(shop / "items.csv")
    return shop, folder / "checkpoint", ["--text-encoder", str(encoder)]


def printed_by(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    shown = capsys.readouterr()
    assert not stop.value.code, shown.err
    check_width(shown.err + shown.out)
    return shown.err + shown.out


def test_commands_about_long_chinese_titles(
    long_shop: tuple[Path, Path, list[str]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shop, checkpoint, encoder = long_shop
    models = ("popularity", "popularity-recent", "repeat-purchase", "item-knn", "XCat")
    fitted = printed_by(["fit", str(shop), "--output", str(checkpoint), *encoder, *FIT], capsys)
    given = ["evaluate", str(checkpoint), str(shop)]
    judged = run([*given, "--json"], capsys)
    shown = printed_by([*given, "--by-history", "--by-category"], capsys)
    for printed in (fitted, shown):
        for model in models:
            begin = ["switch", "ndcg@10", model]
            line, *new = [found for found in printed.splitlines() if found.split()[:3] == begin]
            assert len(new) == (model != "repeat-purchase"), "for discovery it ranks as popularity does"
            assert re.fullmatch(r"switch .* \d\.\d{4} +\d\.\d{4}-\d\.\d{4}", line)
    lines = [found for found in shown.splitlines() if found.split()[:3] == ["all", "ndcg@10", "XCat"]]
    for line, found in zip(lines, (judged, judged["discover"]), strict=True):
        low, high = found["intervals"]["ndcg@10"]
        assert f"{found['metrics']['ndcg@10']:.4f}" in line and line.endswith(f"{low:.4f}-{high:.4f}")
    told = printed_by(["interests", str(shop), "--user", "user-01", *encoder], capsys)
    assert re.search(r"^厨房用品.* +\d\.\d\d +\d\.\d\d +\d+$", told, re.MULTILINE)
    told = printed_by(["inspect", str(shop), "--output", str(tmp_path / "inspection")], capsys)
    assert re.search(r"^厨房用品.* [\d,]+$", told, re.MULTILINE)
    for reasons in ([], ["--reasons"]):
        command = ["recommend", str(checkpoint), "-k", "4", "--history", "item-03,item-10", *reasons]
        told = printed_by(command, capsys)
        rows = [found for found in told.splitlines() if re.match(r" ?\d  item-\d\d  手工", found)]
        assert len(rows) == 4 and all(re.search(r"  (?:厨房.* |-) +\d+\.\d\d +-?\d+\.\d\d$", found) for found in rows)
        assert bool(told.count("    because of 手工")) == bool(reasons)


def test_a_terminal_of_80_columns(long_shop: tuple[Path, Path, list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    shop, checkpoint, encoder = long_shop
    if not checkpoint.exists():
        printed_by(["fit", str(shop), "--output", str(checkpoint), *encoder, *FIT], capsys)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = [str(Path(sys.executable).with_name("xcat")), "recommend", str(checkpoint), "--history", "item-03"]
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | {"TERM": "xterm"}
    with subprocess.Popen(
        [*command, "--reasons"], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as done:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 4096):
                shown += part
        except OSError:  # the terminal is closed at the end of the process
            pass
    os.close(ours)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode()).replace("\r\n", "\n")
    assert done.returncode == 0, text
    check_width(text)
    assert len(re.findall(r"^ ?\d+  item-\d\d  .*\d\.\d\d$", text, re.MULTILINE)) == 10, text


def test_a_table_explains_its_purposes_and_signs(capsys: pytest.CaptureFixture[str]) -> None:
    flags = {name: np.array([[True], [name != "new_category"]]) for name in SLICE_NAMES}
    top, lost = np.tile(np.arange(2, 12), (2, 1)), {"recall@10": 0.0, "ndcg@10": 0.0}
    models = {}
    for name, ranks in (("one", [[2], [4]]), ("two", [[3], [20]]), ("none", [[20], [20]])):
        new = [np.array(ranks), top]
        report = report_from_ranks(np.array(ranks), flags, top, [10], num_items=30, discover=new)
        models[name] = replace(report, lost_to_untrained=lost if name != "none" else dict.fromkeys(lost, math.nan))
    CommandConsole().print(metrics_table(models, shown_blocks(models), "shop"))
    (line,) = (one for one in metrics_table(models, shown_blocks(models), target="brand").below if "switch: " in one)
    assert line.endswith("targets where the brand differs from that of the last event")
    printed = capsys.readouterr().out
    lines = [line for line in printed.splitlines() if line.startswith("lost ")]
    assert [line.split()[2:] for line in lines[:3]] == [["one", "0.0", "%"], ["two", "0.0", "%"], ["none", "-"]]
    told = " ".join(printed.split())
    assert "-: not defined, because there is no such target, or the metric itself is 0" in told
    assert "2 targets of 2 users, those of unseen" in told
    assert "next: the lists of xcat recommend --include-seen; discover: the lists of xcat recommend" in told
