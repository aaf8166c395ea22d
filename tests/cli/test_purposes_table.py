"""The short table of both purposes: every name on one line of 80 columns, the best of each column marked."""

from __future__ import annotations

import numpy as np
import pytest

from xcat_rec.cli.console import CommandConsole
from xcat_rec.cli.purposes_table import purposes_table
from xcat_rec.evaluation.ranker_evaluation import RankingReport, report_from_ranks
from xcat_rec.evaluation.slices import SLICE_NAMES

from .widths import check_width

MODELS = ("XCat", "popularity", "popularity-recent", "repeat-purchase", "item-knn")
USERS = 40


def reports(new_targets: bool = True) -> dict[str, RankingReport]:
    """XCat is the second of next items and the best of discovery; every third target is new."""
    new = (np.arange(USERS) % 3 == 0)[:, None] & new_targets
    flags = {name: new if name in ("unseen", "new_category") else np.ones_like(new) for name in SLICE_NAMES}
    top = np.tile(np.arange(2, 12), (USERS, 1))
    found = {}
    for place, name in enumerate(MODELS):
        ranks = np.full((USERS, 1), {"XCat": 2, "repeat-purchase": 1}.get(name, 3 + place))
        found[name] = report_from_ranks(
            ranks, flags, top, [10], num_items=60, discover=(np.where(new, 1 + place, 0), top)
        )
    return found


def printed_lines(capsys: pytest.CaptureFixture[str], found: dict[str, RankingReport]) -> list[str]:
    CommandConsole().print(purposes_table(found, "The Complete Journey"))
    printed = capsys.readouterr().out
    check_width(printed)
    return printed.splitlines()


def test_both_purposes_are_in_one_table_of_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    found = reports()
    lines = printed_lines(capsys, found)
    assert lines[1].split("  ")[0] == "model"
    assert [cell.strip() for cell in lines[1].split("  ") if cell.strip()] == [
        "model", "next: all", "next: switch", "discover: all", "discover: new cat.",
    ]  # fmt: skip
    assert lines[2].split() == ["targets", "40", "40", "14", "14"]
    ndcg = lines[lines.index("ndcg@10") + 1 :][: len(MODELS)]
    assert [line.split()[0] for line in ndcg] == [
        "repeat-purchase",
        "XCat",
        "popularity",
        "popularity-recent",
        "item-knn",
    ]
    second = 1 / np.log2(3)
    assert ndcg[0].split() == ["repeat-purchase", "*", "1.0000", "*", "1.0000", "-", "-"]
    assert ndcg[1].split() == ["XCat", f"{second:.4f}", f"{second:.4f}", "*", "1.0000", "*", "1.0000"]
    assert all(sum(line.split()[:1] == [name] for line in lines) == 2 for name in MODELS)
    assert any("repeat-purchase ranks like popularity" in line for line in lines)


def test_without_new_targets_the_columns_of_discovery_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed_lines(capsys, reports(new_targets=False))
    assert lines[1].split() == ["model", "next:", "all", "next:", "switch"]
