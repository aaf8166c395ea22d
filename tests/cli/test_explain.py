"""`xcat explain`: the same explanation as in Python, as text, JSON and picture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import prepare_training

from ..tiny_shop import SMALL, save_text_encoder, shop
from .commands import refused, run
from .widths import check_width


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("explain")
    options = PreparationOptions(
        text_encoder=str(save_text_encoder(folder / "encoder")), split="leave-one-out", config=SMALL
    )
    start = prepare_training(shop(), options)
    start.model.model.asks.view.fill_(1.0)
    start.model.save_pretrained(folder / "model")
    start.processor.save_pretrained(folder / "model")
    return str(folder / "model")


def test_json_is_the_explanation_of_python(checkpoint: str, tmp_path: Path, capsys) -> None:
    history = ["--history", "item-03@1700000000,item-10@1700600000", "--item", "item-17"]
    picture = tmp_path / "why.svg"
    found = run(["explain", checkpoint, *history, "--heatmap", str(picture), "--json"], capsys)
    using = XCatRecommender.from_pretrained(checkpoint)
    expected = using.explain(["item-03", "item-10"], "item-17", timestamps=[1_700_000_000, 1_700_600_000])
    assert found == json.loads(json.dumps(expected.to_dict()))
    assert picture.read_text(encoding="utf-8") == expected.heat_map()
    options = ["--query", "tents", "--method", "attention", "--language", "zh", "--no-words", "--include-seen"]
    found = run(["explain", checkpoint, "--history", "item-03", "--item", "item-03", *options, "--json"], capsys)
    expected = using.explain(
        ["item-03"], "item-03", query="tents", method="attention", language="zh", words=False, exclude_seen=False
    )
    assert found == json.loads(json.dumps(expected.to_dict()))
    assert run(["explain", checkpoint, "--item", "item-03", "--json"], capsys)["basis"] == "popular"


def test_text_and_errors(checkpoint: str, tmp_path: Path, capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        from xcat_rec.cli.app import main

        main(["explain", checkpoint, "--history", "item-03,item-10,kite", "--item", "item-17"])
    shown = capsys.readouterr()
    assert stop.value.code == 0 and "1 of 3 events has an item that is not in the catalogue" in shown.err
    check_width(shown.out)
    lines = shown.out.splitlines()
    assert any("is number" in line for line in lines) and any(line.startswith("Words of the item: ") for line in lines)
    assert any("item-03" in line and "%" in line for line in lines)
    given = ["explain", checkpoint, "--history", "item-03"]
    refused([*given, "--item", "kite"], capsys, ["kite", "xcat catalogue"])
    refused([*given, "--item", "item-03"], capsys, ["--include-seen"])
    attended = [*given, "--item", "item-17", "--method", "candidate-attention"]
    refused(attended, capsys, ["method is 'candidate-attention'", "give --method leave-one-out"])
    refused([*given, "--item", "item-17", "--heatmap", str(tmp_path / "why.png")], capsys, [".svg"])
    refused([*given, "--item", "item-17", "--click"], capsys, ["predicts no clicks"])
    refused([*given, "--item", "item-17", "--click", "--context", "price"], capsys, ["--context COLUMN=VALUE"])
