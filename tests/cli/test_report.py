"""`--report` of fit, evaluate and bench: the page has the numbers of `--json`, and its folder is checked first."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..model_cards.test_report_page import Page
from ..tiny_shop import save_text_encoder, write_shop
from .commands import refused, run

SMALL = [
    "--hidden-size", "32", "--num-attention-heads", "2", "--max-history", "8", "--num-train-epochs", "2",
    "--precision", "fp32", "--use-cpu", "--per-device-train-batch-size", "10", "--split", "leave-one-out",
]  # fmt: skip


NAMES = ("recall@10", "ndcg@10", "mrr@10", "coverage@10")


def numbers(file: Path) -> dict[str, list[str]]:
    """Numbers of the results by model, all cut-offs in a row, without intervals."""
    found: dict[str, list[str]] = {}
    for model, *cells in Page(file.read_text(encoding="utf-8")).cells["Results"]:
        if model != "model":
            found.setdefault(model, []).extend(cell.split()[0] for cell in cells)
    return found


def test_pages_of_fit_and_evaluate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shop, encoder = str(write_shop(tmp_path / "shop")), str(save_text_encoder(tmp_path / "encoder"))
    output = tmp_path / "checkpoint"
    given = ["--output", str(output), "--text-encoder", encoder, "--report", str(output / "page.html"), "--no-card"]
    fitted = run(["fit", shop, *given, *SMALL, "--json"], capsys)
    text = (output / "page.html").read_text(encoding="utf-8")
    page = Page(text)
    fit_rows = [row for row in page.cells["Results"] if row[0] == "XCat"]
    shown = [[cell.split()[0] for cell in row[1:]] for row in fit_rows]
    assert [f"{fitted['metrics'][name]:.4f}" for name in NAMES] in shown
    assert len(page.cells["XCat"]) == 3, "one line per epoch and the head"
    assert "Example 3" in page.cells or "<h3>Example 3</h3>" in text
    assert "because of" in text and "user-" not in text and str(tmp_path) not in text
    assert "xcat fit DATA --output checkpoint" in text and not (output / "README.md").exists()
    judged = run(["evaluate", str(output), shop, "-k", "10", "--report", str(tmp_path / "e.html"), "--json"], capsys)
    found = numbers(tmp_path / "e.html")
    assert found["XCat"] == [f"{judged['metrics'][name]:.4f}" for name in NAMES]
    for name, baseline in judged["baselines"].items():
        assert found[name] == [f"{baseline['metrics'][metric]:.4f}" for metric in NAMES]
    assert "xcat evaluate CHECKPOINT DATA -k 10" in (tmp_path / "e.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("runs_here")
def test_the_page_of_bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shop = str(write_shop(tmp_path / "shop"))
    given = ["--models", "popularity,item-knn", "--split", "leave-one-out", "--output", str(tmp_path / "b.json")]
    done = run(["bench", shop, *given, "--report", str(tmp_path / "b.html"), "--json"], capsys)
    found = numbers(tmp_path / "b.html")
    assert set(found) == {"popularity", "item-knn"}
    for row in done["runs"]:
        assert found[row["model"]][8:12] == [f"{row['metrics'][name]:.4f}" for name in NAMES]  # @1, @5, then @10
    assert "user-" not in (tmp_path / "b.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["fit", "evaluate", "bench"])
def test_the_folder_of_a_report_is_checked_first(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = str(write_shop(tmp_path / "shop"))
    (tmp_path / "checkpoint").mkdir()
    words = [str(tmp_path / "checkpoint"), shop] if command == "evaluate" else [shop]
    output = ["--output", str(tmp_path / "o.json")] if command == "bench" else []
    if command == "evaluate":
        (tmp_path / "checkpoint" / "config.json").write_text("{}")
    for place, said in ((tmp_path / "no" / "page.html", "there is no folder"), (tmp_path / "items.csv", ".html")):
        refused([command, *words, *output, "--report", str(place)], capsys, ["--report", said])
