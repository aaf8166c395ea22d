"""Checkpoints of every released format keep loading and keep giving their scores."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from transformers import AutoConfig

import xcat_rec  # noqa: F401  registers the model
from xcat_rec.modeling_xcat.configuration_xcat import FORMAT_VERSION
from xcat_rec.modeling_xcat.filters_xcat import Filters
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem
from xcat_rec.ranking.recommender import XCatRecommender

from .make_checkpoint import EXPECTED, HISTORIES, QUERIES, TEXTS

FOLDERS = sorted(Path(__file__).parent.glob("format-*"), key=lambda folder: int(folder.name.rpartition("-")[2]))


def test_there_is_one_of_each_format() -> None:
    assert [folder.name for folder in FOLDERS] == [f"format-{n}" for n in range(1, FORMAT_VERSION + 1)]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_it_loads_and_gives_its_scores(folder: Path) -> None:
    expected = json.loads((folder / EXPECTED).read_text())
    assert AutoConfig.from_pretrained(folder).format_version == int(folder.name.rpartition("-")[2])
    recommender = XCatRecommender.from_pretrained(folder)
    scores = recommender.model.score_catalogue(**recommender.processor(HISTORIES, texts=TEXTS))[:, 2:]
    for found, wanted in zip(scores.tolist(), expected["scores"], strict=True):
        assert found == pytest.approx(wanted, abs=2e-4)
    found = recommender.recommend_many(HISTORIES, 5, texts=TEXTS)
    assert [[item.item_id for item in user] for user in found] == expected["recommended"]
    alike = recommender.recommend_many(HISTORIES, 5, texts=TEXTS, filters=Filters(exclude_seen=False))
    for name, lists in (("discovered", found), ("next", alike)):
        for of_user, wanted in zip(lists if name in expected else (), expected.get(name, ()), strict=True):
            assert [item.item_id for item in of_user] == [item_id for item_id, _ in wanted]
            assert [item.score for item in of_user] == pytest.approx([score for _, score in wanted], abs=2e-4)
    if "asked" not in expected:
        with pytest.raises(ValueError, match="does not read queries"):
            recommender.recommend_many(HISTORIES, 5, queries=QUERIES)
        return
    asked = recommender.recommend_many(HISTORIES, 5, texts=TEXTS, queries=QUERIES)
    for of_user, wanted in zip(asked, expected["asked"], strict=True):
        assert [item.item_id for item in of_user] == [name for name, *_ in wanted]
        # Stored are all words that an item has; since format 10 `words` are the ones that raise its score.
        assert all({*item.words} <= {*words} for item, (_, _, *words) in zip(of_user, wanted, strict=True))
        assert [item.score for item in of_user] == pytest.approx([score for _, score, *_ in wanted], abs=2e-4)


def test_a_table_that_a_checkpoint_lacks_is_empty_and_not_what_lay_in_memory(tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(FOLDERS[-1], folder)
    weights = load_file(folder / "model.safetensors")
    lacking = {name: value for name, value in weights.items() if ".successors." not in name}
    assert len(lacking) < len(weights)
    save_file(lacking, folder / "model.safetensors", metadata={"format": "pt"})
    successors = XCatForNextItem.from_pretrained(folder).model.successors
    assert successors is not None and not successors.rows.any() and not successors.similarities.any()
