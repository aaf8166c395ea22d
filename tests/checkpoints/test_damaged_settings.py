"""Settings with wrong values, found by benchmarks/parser_fuzz.py: each is refused with the name of its file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from xcat_rec.checkpoints.processor_settings import check_processor_settings
from xcat_rec.ranking.recommender import XCatRecommender


@pytest.mark.parametrize(
    ("file", "values", "words"),
    [
        ("config.json", {"text_config": {"max_position_embeddings": -1}}, "config.json has a value that cannot"),
        ("config.json", {"num_negatives": -1}, "num_negatives is -1; give at least 1"),
        ("config.json", {"architectures": [{}]}, "config.json has architectures [{}]; it is a list of names"),
        ("config.json", {"architectures": 0.5}, "config.json has architectures 0.5; it is a list of names"),
        ("config.json", {"temperature": 10**400}, "config.json: temperature has more than 64 bits"),
        ("config.json", {"text_config": {"pad_token_id": 10**6}}, "config.json has a value that cannot be used"),
        ("config.json", {"text_config": {"num_hidden_layers": float("nan")}}, "config.json has a value that cannot"),
        ("config.json", {"behavior_encoder": "x"}, "behavior_encoder is 'x'"),
        ("processor_config.json", {"max_history": 1e308}, "processor_config.json: max_history is larger than"),
        ("processor_config.json", {"rating_range": {}}, "processor_config.json: rating_range"),
        ("processor_config.json", {"event_settings": " "}, "event_settings is a value of type str"),
        ("tokenizer.json", {"model": {"type": "WordLevel"}}, "its tokenizer or processor is damaged"),
        ("tokenizer.json", {"added_tokens": None}, "its tokenizer or processor is damaged"),
        ("tokenizer_config.json", {"tokenizer_class": ["x"]}, "its tokenizer or processor is damaged"),
    ],
)
def test_settings_of_a_checkpoint(file: str, values: dict[str, Any], words: str, whole: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(whole, tmp_path / "copied")
    content = json.loads((folder / file).read_text())
    for name, value in values.items():
        content[name] = {**content[name], **value} if name == "text_config" else value
    (folder / file).write_text(json.dumps(content))
    with pytest.raises(ValueError, match="copied") as refused:
        XCatRecommender.from_pretrained(folder)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"event_types": "buy"}, "event_types is a list of texts"),
        ({"text_fields": [1]}, "text_fields has a value of type int"),
        ({"num_rating_buckets": -1}, "num_rating_buckets is -1; give at least 0"),
        ({"rating_range": [5, 1]}, "rating_range is not a lower and a higher number"),
        ({"event_settings": {"target_event_types": 1}}, r"event_settings\['target_event_types'\] is a list of texts"),
        ({"rating_range": [0, 10**400]}, f"rating_range is {10**400}; give a number"),
        ({"reads_texts": 2}, "reads_texts is a value of type int"),
        ({"item_prompt": None}, "item_prompt has None"),
    ],
)
def test_types_of_a_processor(values: dict[str, Any], words: str) -> None:
    check_processor_settings({}, "it")
    with pytest.raises(ValueError, match=f"^it: {words}.*; copy the checkpoint again"):
        check_processor_settings(values, "it")


@pytest.mark.parametrize("value", [-1, 10_000])
@pytest.mark.parametrize("key", ["model.items.text_index", "model.neighbors.rows", "model.asks.words"])
def test_indices_of_weights(key: str, value: int, whole: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(whole, tmp_path / "copied")
    weights = load_file(folder / "model.safetensors")
    weights[key].view(-1)[0] = value * 100
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(
        ValueError, match=rf"copied: its weights are damaged: {key} has the index {value * 100} of \d+"
    ):
        XCatRecommender.from_pretrained(folder)
