"""`fit(task=)` and `xcat fit --task`: a task of one's own, with the head of the library and with another head."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

import xcat_rec
from xcat_rec.cli.app import main
from xcat_rec.training.tasks import TASKS

from ..cli.commands import refused, run
from ..tiny_shop import QUICK, SMALL, save_text_encoder, write_shop
from ..training.tasks.test_task import XCatForNextCategory

OWN = "my_tasks:weighted"
CODE = """
from xcat_rec.training.tasks import NextItemTask, register_task

@register_task("my_tasks:weighted")
class Weighted(NextItemTask):
    deciding_metric = "score"

    def metrics(self, trainer, prediction):
        found = super().metrics(trainer, prediction)
        return {**found, "score": found["recall@5"] + found["mrr@5"]}
"""


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("tasks")
    (folder / "my_tasks.py").write_text(CODE)
    sys.path.insert(0, str(folder))
    yield str(write_shop(folder / "shop")), str(save_text_encoder(folder / "encoder"))
    sys.path.remove(str(folder))
    TASKS.pop(OWN, None)
    sys.modules.pop("my_tasks", None)


def options(encoder: str, epochs: int = 1) -> list[str]:
    words = ["--text-encoder", encoder]
    for name, value in {**SMALL, **QUICK, "num_train_epochs": epochs}.items():
        words += [f"--{name.replace('_', '-')}", ",".join(map(str, value)) if isinstance(value, list) else str(value)]
    return words


def test_a_task_of_a_package_is_named_with_its_module(places, tmp_path: Path, capsys) -> None:
    data, encoder = places
    command = ["fit", data, "--output", str(tmp_path / "model"), *options(encoder), "--task", OWN, "--json"]
    fitted = run(command, capsys)
    assert {"popularity", "item-knn"} <= fitted["baselines"].keys() and "ndcg@10" in fitted["metrics"]
    card = (tmp_path / "model" / "README.md").read_text()
    assert f"--task {OWN}" in card


def test_another_head_is_trained_by_both_faces(places, tmp_path: Path, capsys) -> None:
    data, encoder = places
    fields = {**SMALL, **QUICK, "num_train_epochs": 3, "text_encoder": encoder}
    result = xcat_rec.fit(data, tmp_path / "model", task="next-category", **fields)
    assert set(result.metrics) == {"loss", "accuracy"} and 0.3 < result.metrics["accuracy"] <= 1
    assert result.reports == {} and isinstance(result.model, XCatForNextCategory)
    with pytest.raises(ValueError, match="XCatForNextCategory does not rank items; use model and metrics"):
        _ = result.recommender
    assert not (tmp_path / "model" / "README.md").exists(), "a card describes a ranking"
    loaded = XCatForNextCategory.from_pretrained(tmp_path / "model")
    assert torch.equal(loaded.categories.weight, result.model.categories.weight.cpu())
    with pytest.raises(ValueError, match="was saved as XCatForNextCategory"):
        xcat_rec.load(tmp_path / "model")

    command = ["fit", data, "--output", str(tmp_path / "same"), *options(encoder, 3), "--task", "next-category"]
    assert run([*command, "--json"], capsys)["metrics"] == result.metrics
    page = str(tmp_path / "page.html")
    refused(
        [*command[:2], *command[4:], "--report", page],
        capsys,
        ["--report is a page of ranked lists", "ranks no items"],
    )
    with pytest.raises(SystemExit) as stop:
        main([*command, "--overwrite", "--metric-for-best-model", "accuracy"])
    shown = " ".join(capsys.readouterr())
    assert not stop.value.code and "shop, leave-one-out, test: loss" in shown and "accuracy" in shown


def test_a_task_that_cannot_be_trained_is_refused(places, tmp_path: Path, capsys) -> None:
    data, encoder = places
    output = tmp_path / "out"
    with pytest.raises(ValueError, match=r"task is 'next-itm' .did you mean 'next-item'.*give one of next-item"):
        xcat_rec.fit(data, output, task="next-itm", text_encoder=encoder)
    command = ["fit", data, "--output", str(output), "--text-encoder", encoder]
    refused([*command, "--task", "no_such:click"], capsys, ["task is 'no_such:click'", "there is no module no_such"])
    with pytest.raises(ValueError, match=r"card_baselines is .*XCatForNextCategory.* ranks no items; leave it out"):
        xcat_rec.fit(data, output, task="next-category", card_baselines=["sasrec"], text_encoder=encoder)
    assert not output.exists()


@pytest.mark.usefixtures("runs_here")
def test_bench_trains_for_the_same_tasks(places, tmp_path: Path, capsys) -> None:
    data, encoder = places
    output = tmp_path / "bench.json"
    command = ["bench", data, "--models", "popularity,xcat", "--seeds", "1", "--output", str(output)]
    found = run([*command, *options(encoder), "--task", OWN, "--json"], capsys)
    assert [row["options"]["task"] for row in found["runs"]] == [OWN, OWN]
    assert "ndcg@10" in found["runs"][1]["metrics"]
    refused(
        [*command, "--resume", "--task", "next-category", *options(encoder)],
        capsys,
        ["next-category", "XCatForNextCategory", "ranks no items"],
    )
