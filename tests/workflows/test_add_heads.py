"""`add_target_heads` and `xcat heads`: heads on a checkpoint that is trained already."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import xcat_rec
from xcat_rec.evaluation.baseline_names import HEAD
from xcat_rec.modeling_xcat.modeling_click_xcat import XCatForClickPrediction
from xcat_rec.training.tuning import fit_target_heads
from xcat_rec.workflows.checkpoint_evaluation import evaluation_data

from ..cli.commands import refused, run
from ..hub.checkpoints import save_checkpoint
from ..tiny_shop import shop, write_shop


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("heads")
    checkpoint = save_checkpoint(folder / "checkpoint")
    (checkpoint / "README.md").write_text("---\nlicense: mit\n---\n\n# Shop\n\n## Data\n\nSome.\n")
    return checkpoint, write_shop(folder / "shop")


def test_the_call_and_the_command_fit_the_heads_of_python(
    places: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint, data = places
    told: list[str] = []
    found = xcat_rec.add_target_heads(checkpoint, data, tmp_path / "one", target_heads="category", tell=told.append)
    own = xcat_rec.load(checkpoint)
    splits = evaluation_data(own, shop()).splits
    expected = fit_target_heads(own.model, own.processor, splits["train"], splits["validation"], ["category"])
    assert [(one.epochs, one.weights) for one in found.heads] == [(one.epochs, one.weights) for one in expected]
    saved = xcat_rec.load(tmp_path / "one")
    for name, value in own.model.state_dict().items():
        assert torch.equal(saved.model.state_dict()[name], value), name
    assert HEAD in xcat_rec.evaluate(saved, shop(), target="category", ks=[10]).baselines
    card = (tmp_path / "one" / "README.md").read_text()
    assert "license: mit" in card and card.index("# Shop") < card.index(
        "| Head of category | a linear layer for 4 values"
    )
    assert str(found).startswith("head of category, 4 values: weight ") and not any("dropped" in line for line in told)

    command = ["heads", str(checkpoint), str(data), "--target-heads", "category", "--output", str(tmp_path / "two")]
    assert run([*command, "--json"], capsys) == {**found.to_dict(), "output": str(tmp_path / "two")}
    refused(command, capsys, ["--output", "is not empty", "--overwrite"])
    again = ["heads", str(tmp_path / "one"), *command[2:4], "brand", *command[5:], "--overwrite", "--json"]
    assert run(again, capsys)["dropped"] == ["category"]
    assert json.loads((tmp_path / "two" / "config.json").read_text())["target_head_groups"].keys() == {"brand"}
    card = (tmp_path / "two" / "README.md").read_text()
    assert "Head of brand" in card and "Head of category" not in card and card.count("## Heads") == 1


def test_bad_arguments_are_refused(
    places: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint, data = places
    command = ["heads", str(checkpoint), str(data), "--output", str(tmp_path / "new"), "--target-heads"]
    refused([*command, "colour"], capsys, ["--target-heads is 'colour': the items have no column 'colour'"])
    refused([*command, "brand", "--seed", "-1"], capsys, ["--seed is -1"])
    refused([*command[:4], str(checkpoint), *command[5:], "brand"], capsys, ["the checkpoint itself"])
    own = xcat_rec.load(checkpoint)
    XCatForClickPrediction(own.model.config).save_pretrained(tmp_path / "clicks")
    own.processor.save_pretrained(tmp_path / "clicks")
    with pytest.raises(ValueError, match="predicts clicks, and a head is beside lists of items"):
        xcat_rec.add_target_heads(tmp_path / "clicks", data, tmp_path / "new", target_heads="brand")
    assert not (tmp_path / "new").exists()
