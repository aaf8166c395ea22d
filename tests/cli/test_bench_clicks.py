"""`xcat bench --task click`: its tables, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from xcat_rec import list_models

from ..tiny_shop import write_shop
from .commands import refused
from .commands import run as run_command
from .widths import check_width

QUICK = [
    "--split", "leave-one-out", "--num-train-epochs", "1", "--precision", "fp32", "--use-cpu", "--disable-tqdm",
]  # fmt: skip


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shop(tmp_path_factory.mktemp("clicks") / "shop")


def test_tables_name_the_negatives_and_the_users_left_out(shop, tmp_path, runs_here, capsys):
    from xcat_rec.cli.app import main

    output = tmp_path / "clicks.json"
    line = ["bench", str(shop), "--task", "click", "--negatives", "category", "--models", "din,mf", "--seeds", "2"]
    with pytest.raises(SystemExit) as stop:
        main([*line, "--output", str(output), "--json", *QUICK])
    shown = capsys.readouterr()
    assert not stop.value.code, shown.err
    check_width(shown.err)
    text = " ".join(shown.err.split())
    rows = json.loads(output.read_text())
    assert text.count("category negatives") == 2, "in the title of both tables"
    assert f"left out: {rows[0]['num_left_out']:,}" in text and "users have both labels" in text
    assert "positives with sampled negatives of the kind category" in text
    assert all(name in text for name in ("candidate-popularity", "category-match", "± seeds", "log_loss", "ece"))
    answer = json.loads(shown.out)
    assert [run["model"] for run in answer["runs"]][2:] == ["din", "din", "mf", "mf"]
    assert {one["metric"] for one in answer["comparisons"]} == {"auc", "gauc", "log_loss", "ece"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--models", "sasrec"], ["--models has 'sasrec', which is not a click model", "din"]),
        (["--negatives", "hard"], ["--negatives is 'hard'; give one of uniform, popularity, category"]),
        (["--report", "page.html"], ["--report is for tasks that rank items"]),
        (["--asks", "title"], ["--asks is 'title', and a benchmark of clicks ranks no items"]),
    ],
)
def test_refused(options, words, shop, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(["bench", str(shop), "--task", "click", *options], capsys, words)
    assert not list(tmp_path.iterdir())


def test_negatives_without_the_task(shop, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(["bench", str(shop), "--negatives", "uniform"], capsys, ["--negatives is an option of click", "--task"])


def test_the_list_has_both_tasks(capsys):
    answer = run_command(["bench", "--list-models", "--json"], capsys)
    assert {model["purpose"] for model in answer["models"]} == {"next-item", "click"}
    answer = run_command(["bench", "--list-models", "--task", "click", "--json"], capsys)
    assert answer["models"] == [model.to_dict() for model in list_models("click")]
    refused(["bench", "--list-models", "--task", "rating"], capsys, ["--task is 'rating'", "next-item and click"])
