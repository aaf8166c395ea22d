"""Exactly the settings that differ from their defaults are listed, without places and secrets."""

from __future__ import annotations

from pathlib import Path

import torch

from xcat_rec import XCatConfig, XCatTrainingArguments
from xcat_rec.model_cards.settings import model_settings, training_settings
from xcat_rec.training.provenance import describe_hardware


def test_model_settings() -> None:
    assert model_settings(XCatConfig()) == {}
    config = XCatConfig(hidden_size=64, behavior_encoder="gru", text_config={"model_type": "bert"}, num_item_rows=12)
    assert model_settings(config) == {"behavior_encoder": "gru", "hidden_size": 64, "num_item_rows": 12}


def test_training_settings(tmp_path: Path) -> None:
    plain = XCatTrainingArguments(output_dir=str(tmp_path))
    measured = {"bf16": True} if plain.bf16 else {}  # what precision "auto" found on this machine
    assert training_settings(plain) == measured
    changed = XCatTrainingArguments(
        output_dir=str(tmp_path),
        learning_rate=0.02,
        early_stopping_patience=2,
        hub_token="q8sW2xkPz",
        run_name="of jo",
        seed=5,
    )
    given = {"learning_rate": 0.02, "early_stopping_patience": 2, "seed": 5}
    assert training_settings(changed) == given | measured


def test_hardware_names_the_capability() -> None:
    described = describe_hardware()
    assert torch.backends.cpu.get_cpu_capability() in described
    assert "cores" in described
    assert "\n" not in described
