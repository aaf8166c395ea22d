"""Each objective names its loss and its source, and every source that is named exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from xcat_rec import XCatConfig, XCatTrainingArguments
from xcat_rec.model_cards.method import CITATIONS, losses_of, parts_of


@pytest.mark.parametrize(
    ("fields", "names", "keys"),
    [
        ({}, ["Cross-entropy over the whole catalogue", "Label smoothing over text neighbours"], []),
        ({"soft_target_weight": 0}, ["Cross-entropy over the whole catalogue"], []),
        ({"use_text": False}, ["Cross-entropy over the whole catalogue"], []),
        ({"objective": "sampled_softmax"}, ["Sampled softmax cross-entropy"], ["bengio2008", "yi2019", "yang2020"]),
        ({"num_item_rows": 60_000}, ["Sampled softmax cross-entropy"], ["bengio2008", "yi2019", "yang2020"]),
        ({"objective": "gbce"}, ["Generalised binary cross-entropy"], ["petrov2023"]),
        ({"objective": "bpr_max", "negatives_exponent": 0.5}, ["BPR-max"], ["hidasi2018"]),
        (
            {
                "objective": "cloze",
                "behavior_encoder": "bidirectional",
                "num_fusion_layers": 0,
                "repeats": "off",
                "soft_target_weight": 0,
            },
            ["Cross-entropy over the whole catalogue"],
            ["sun2019"],
        ),
    ],
)
def test_losses(fields: dict[str, Any], names: list[str], keys: list[str]) -> None:
    losses = losses_of(XCatConfig(**fields))
    assert [loss.name for loss in losses] == names
    assert [key for loss in losses for key in loss.citations] == keys
    assert all(key in CITATIONS for key in keys)


def test_weight_of_new_categories(tmp_path: Path) -> None:
    arguments = XCatTrainingArguments(output_dir=str(tmp_path), new_category_weight=5, precision="fp32", use_cpu=True)
    assert losses_of(XCatConfig(), arguments)[-1].detail.endswith("counts 5 times")
    arguments.new_category_weight = 1
    assert len(losses_of(XCatConfig(), arguments)) == 2


def test_parts() -> None:
    whole = parts_of(XCatConfig())
    assert [part.citations for part in whole] == [("kang2018",), ("vaswani2017",), ("steck2019",), ("ren2019",)]
    bare = parts_of(XCatConfig(behavior_encoder="lstm", num_fusion_layers=0, num_neighbors=0, repeats="off"))
    assert [part.citations for part in bare] == [("hochreiter1997",)]
    assert all(key in CITATIONS for part in (*whole, *bare) for key in part.citations)


@pytest.mark.parametrize(
    ("version", "how", "key"),
    [
        (3, "by cosine", "sarwar2001"),
        (4, "by ridge regression on users and texts", "steck2019"),
    ],
)
def test_item_to_item_weights_depend_on_the_format(version: int, how: str, key: str) -> None:
    parts = {part.name: part for part in parts_of(XCatConfig(format_version=version, neighbor_weight=2.5))}
    memory = parts["Item-to-item weights"]
    assert memory.detail == f"50 neighbours per item, {how}, weight 2.5 in the score"
    assert memory.citations == (key,)


def test_every_source_is_an_entry_of_its_own() -> None:
    for key, entry in CITATIONS.items():
        assert re.fullmatch(r"@\w+\{\w+,\n(  \w+ = \{.*\},?\n)+\}", entry), key
        assert entry.count("{") == entry.count("}"), key
    assert len({entry.split(",")[0] for entry in CITATIONS.values()}) == len(CITATIONS)
