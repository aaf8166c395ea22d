"""Files for the leaderboards of the hub: there when they are true and the hub takes them, readable by its client."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import parse_eval_result_entries

from xcat_rec.model_cards.card import write_card
from xcat_rec.model_cards.metadata import card_metadata, eval_result_files

from .example_card import example_card, example_results

BENCHMARK: dict[str, Any] = {"dataset_id": "shop/events", "benchmark_task": "next item", "model_id": "shop/xcat"}


def test_eval_results(tmp_path: Path) -> None:
    data = example_card(tmp_path, **BENCHMARK, dataset_revision="c9745ed")
    written = write_card(data, tmp_path / "card")
    path = tmp_path / "card" / ".eval_results" / "shop-events-next-item.yaml"
    assert written == [tmp_path / "card" / "README.md", path]
    (entry,) = parse_eval_result_entries(yaml.safe_load(path.read_text()))
    assert (entry.dataset_id, entry.task_id, entry.dataset_revision) == ("shop/events", "next item", "c9745ed")
    assert entry.value == round(example_results()["XCat"].metrics["ndcg@10"], 6)
    assert entry.source_url == "https://huggingface.co/shop/xcat"
    assert entry.notes is not None
    assert entry.notes.startswith("NDCG@10 over the whole catalogue, split last-basket, 95% interval 0.")


@pytest.mark.parametrize(
    "changes",
    [
        {"benchmark_task": None},
        {"dataset_id": None},
        {"dataset_id": "/home/jo/shop"},
        {"results": {}},
        {"results": {"XCat": dataclasses.replace(example_results()["XCat"], metrics={"ndcg@10": math.nan})}},
    ],
)
def test_no_file_where_the_hub_would_refuse_it(changes: dict[str, Any], tmp_path: Path) -> None:
    assert eval_result_files(example_card(tmp_path, **{**BENCHMARK, **changes})) == {}


def test_a_model_without_an_id_names_no_source(tmp_path: Path) -> None:
    (content,) = eval_result_files(example_card(tmp_path, **{**BENCHMARK, "model_id": None})).values()
    assert "source" not in yaml.safe_load(content)[0]


def test_relation_to_the_base(tmp_path: Path) -> None:
    def relation(**changes: Any) -> Any:
        return card_metadata(example_card(tmp_path, **changes)).to_dict().get("base_model_relation")

    assert relation() is None  # a text encoder within is neither a finetune nor an adapter of the model
    assert relation(base_model="shop/base", base_checkpoint=True) == "finetune"
    assert relation(base_model="shop/base", base_checkpoint=True, adapter="lora") == "adapter"
    assert relation(base_model="/home/jo/base", base_checkpoint=True) is None
