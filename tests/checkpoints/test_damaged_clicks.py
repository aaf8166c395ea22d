"""Damaged checkpoints of models of clicks: each is refused by the name of what is wrong, instead of other numbers."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from xcat_rec.checkpoints.click_settings import check_click_settings
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.tokenization.sequences.click_options import ClickOptions
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import prepare_training
from xcat_rec.training.tasks import ClickTask

from ..tiny_shop import SMALL, save_text_encoder
from ..training.tasks.test_click import impressions


@pytest.fixture(scope="module")
def clicks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("clicks")
    options = PreparationOptions(text_encoder=str(save_text_encoder(place / "encoder")), config=SMALL)
    task = ClickTask(ClickOptions(dense=["price"], categorical=["device"]))
    made = prepare_training(impressions(), options, split=task.split)
    task.for_data(made.data).new_model(made.model).save_pretrained(place / "whole")
    made.processor.save_pretrained(place / "whole")
    return place / "whole"


@pytest.fixture
def folder(clicks: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(clicks, tmp_path / "copied"))


def weights(folder: Path, *removed: str, **changed: float) -> None:
    """Remove or change weights; names have two underscores in place of a dot."""
    found = load_file(folder / "model.safetensors")
    for key in removed:
        del found[key]
    for key, value in changed.items():
        found[key.replace("__", ".")].fill_(value)
    save_file(found, folder / "model.safetensors", {"format": "pt"})


def test_a_whole_checkpoint_predicts(clicks: Path) -> None:
    found = XCatRecommender.from_pretrained(clicks)
    context = {"price": 10.0, "device": "phone"}
    assert 0 < found.click_probability(["item-01"], ["item-15"], context=context)[0] < 1


@pytest.mark.parametrize("key", ["calibration.slope", "click.linear.weight", "click_stack.slope"])
def test_a_missing_weight(key: str, folder: Path) -> None:
    weights(folder, key)
    with pytest.raises(
        ValueError, match=f"copied: its weights lack {key}, which XCatForClickPrediction in config.json"
    ):
        XCatRecommender.from_pretrained(folder)


def test_weights_of_a_model_of_next_items(folder: Path) -> None:
    kept = [key for key in load_file(folder / "model.safetensors") if key.startswith(("click", "calibration"))]
    weights(folder, *kept)
    words = rf"its weights lack click\.\w+(\.\w+)? and {len(kept) - 1} others, which XCatForClickPrediction"
    with pytest.raises(ValueError, match=words):
        XCatRecommender.from_pretrained(folder)


@pytest.mark.parametrize(
    ("name", "value"),
    [("slope", -1.0), ("slope", 0.0), ("slope", math.nan), ("intercept", math.inf), ("corrections", math.nan)],
)
def test_a_calibration_without_probabilities(name: str, value: float, folder: Path) -> None:
    weights(folder, **{f"calibration__{name}": value})
    words = rf"copied: its weights are damaged: calibration\.{name} is {value}; .*; copy the checkpoint again"
    with pytest.raises(ValueError, match=words):
        XCatRecommender.from_pretrained(folder)


def test_no_settings_of_the_processor(folder: Path) -> None:
    (folder / "processor_config.json").unlink()
    with pytest.raises(OSError, match=r"copied has no processor_config\.json, .*; copy the checkpoint again"):
        XCatRecommender.from_pretrained(folder)


def test_removed_context(folder: Path) -> None:
    file = folder / "processor_config.json"
    content = json.loads(file.read_text())
    content["event_settings"]["clicks"]["context"] = {"dense": [], "categories": []}
    file.write_text(json.dumps(content))
    with pytest.raises(
        ValueError, match=r"has 0 columns with numbers and .* \[\] codes, and config.json has 1 and \[3\]"
    ):
        XCatRecommender.from_pretrained(folder)
    del content["event_settings"]["clicks"]["context"]
    file.write_text(json.dumps(content))
    words = r"copied: processor_config\.json: event_settings\['clicks'\] has no 'context'; copy the checkpoint again"
    with pytest.raises(ValueError, match=words):
        XCatRecommender.from_pretrained(folder)


CONTEXT: dict[str, Any] = {"dense": ["price"], "means": [0.0], "deviations": [1.0], "categories": []}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"context": {"dense": ["price"]}}, r"has a context that cannot be used \('categories'\)"),
        ({"context": {**CONTEXT, "means": ["x"]}}, "has a context that cannot be used .means is a value of type str"),
        ({"context": {**CONTEXT, "means": []}}, "its lists have other lengths than its columns"),
        ({"options": {"labels": "x"}}, r"has options that cannot be used \(labels is 'x'"),
        ({"options": {"wrong": 1}}, "has options that cannot be used .*'wrong'"),
        ({"kind": 1}, "has kind, a value of type int"),
    ],
)
def test_settings_of_clicks(values: dict[str, Any], words: str) -> None:
    right = {"options": {}, "kind": "impression", "context": CONTEXT}
    check_click_settings({"event_settings": {"clicks": right}}, {"click_dense": 1}, "it")
    with pytest.raises(ValueError, match=rf"^it: event_settings\['clicks'\] .*{words}.*; copy the checkpoint again"):
        check_click_settings({"event_settings": {"clicks": {**right, **values}}}, {}, "it")
    with pytest.raises(ValueError, match=r"^it: event_settings\['clicks'\] is a value of type list"):
        check_click_settings({"event_settings": {"clicks": []}}, {}, "it")
