"""Tables of commands: one line per row in 80 columns, values on the line of their name."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from rich.cells import cell_len

from xcat_rec.cli.app import main
from xcat_rec.cli.console import CommandConsole
from xcat_rec.cli.metric_tables import metrics_table, shown_blocks
from xcat_rec.cli.plain_tables import Column, PlainTable, clipped
from xcat_rec.cli.rendering import recommendation_table
from xcat_rec.evaluation.bootstrap import confidence_interval
from xcat_rec.evaluation.protocol import RankingReport, report_from_ranks
from xcat_rec.evaluation.slices import HISTORY_SLICES, SLICE_MEANINGS, SLICE_NAMES, TARGET_SLICES
from xcat_rec.modeling_xcat.recommending_xcat import Reason, Recommendation
from xcat_rec.tokenization.vocabulary import ItemVocabulary
from xcat_rec.workflows.baselines import BASELINES

from ..tiny_shop import write_shop
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
        "all", "ndcg@10", "xcat-fine-tuned", f"{own.metrics['ndcg@10']:.4f}", "*",
        f"{interval.low:.4f}-{interval.high:.4f}",
    ]  # fmt: skip
    for model in found:
        lines = [line for line in printed.splitlines() if f" {model} " in line]
        assert len(lines) == 3 + 2 * len((*TARGET_SLICES, *HISTORY_SLICES)) + 2 * bool(own.lost_to_untrained), model
    told = " ".join(printed.split())
    assert all(" ".join(SLICE_MEANINGS[name].split()) in told for name in (*TARGET_SLICES, *HISTORY_SLICES))


def test_titles_of_any_script_are_cut_to_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    titles = ["手工陶瓷马克杯" * 12, "A wall clock " * 12, "two\nlines\x1b[31m"]
    table = pa.table(
        {"item_id": ["a" * 60, "b", "c"], "title": titles, "category": ["厨房用品" * 9] * 3, "price": [1.5] * 3}
    )
    reason = Reason("b", titles[1], 0.75)
    found = [
        Recommendation(item, 1.25, title, "厨房用品" * 9, (reason,))
        for item, title in zip(table["item_id"].to_pylist(), titles, strict=True)
    ]
    for reasons, lines in ((False, 5), (True, 8)):
        CommandConsole().print(recommendation_table(found, "Recommendations", ItemVocabulary(table), reasons))
        printed = capsys.readouterr().out
        check_width(printed)
        assert len(printed.splitlines()) == lines
        assert all("1.50" in line and line.endswith("1.25") for line in printed.splitlines()[2 :: 1 + reasons])
        assert "\x1b" not in printed


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
