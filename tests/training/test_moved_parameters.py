"""Every parameter that requires gradients changes in training, for every kind of model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from xcat_rec.checkpoints.adapters import parameter_counts
from xcat_rec.model_cards.callback import attach_card
from xcat_rec.model_cards.card import build_card
from xcat_rec.model_cards.card_data import XCatModelCardData
from xcat_rec.training.arguments import XCatTrainingArguments
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import prepare_training
from xcat_rec.training.trainer import XCatTrainer

from ..tiny_shop import QUICK, SMALL, save_text_encoder, shop

MATRIX: dict[str, dict[str, Any]] = {
    "defaults": {},
    "gru": {"behavior_encoder": "gru"},
    "lstm": {"behavior_encoder": "lstm"},
    "two layers, several text tokens": {"num_fusion_layers": 2, "num_behavior_layers": 2, "text_tokens_per_item": 3},
    "no behaviour layers": {"num_behavior_layers": 0},
    "no fusion": {"num_fusion_layers": 0},
    "no text": {"use_text": False},
    "no ids": {"use_item_ids": False},
    "dot product": {"scoring": "dot", "temperature": 1.0},
    "sampled softmax": {"objective": "sampled_softmax"},
    "gbce": {"objective": "gbce"},
    "repeats apart": {"repeats": "apart"},
    "no repeats": {"repeats": "off"},
    "soft targets": {"soft_target_weight": 0.3},
    "text encoder": {"freeze_text_encoder": False},
    "texts of users": {"memory_sources": ["item_text", "user_text"]},
    "texts of users alone": {"memory_sources": ["user_text"]},
    "no memory": {"memory_sources": []},
}


@pytest.mark.parametrize("changes", MATRIX.values(), ids=MATRIX.keys())
def test_every_parameter_in_training_moves(changes: dict[str, Any], tmp_path: Path) -> None:
    options = PreparationOptions(
        text_encoder=str(save_text_encoder(tmp_path / "encoder")), split="leave-one-out",
        config={**SMALL, **changes}, cache_dir=tmp_path,
    )  # fmt: skip
    start = prepare_training(shop(), options)
    before = {name: value.detach().clone() for name, value in start.model.named_parameters()}
    steps = {"max_steps": 8, "warmup_steps": 0, "eval_strategy": "no", "save_strategy": "no", "weight_decay": 0.0}
    arguments = XCatTrainingArguments(
        output_dir=str(tmp_path / "out"), **{**QUICK, **steps}, load_best_model_at_end=False, tune_second_stage=False,
        tune_neighbor_weight=False,
    )  # fmt: skip
    trainer = XCatTrainer(
        start.model, arguments, start.splits["train"], start.splits["validation"], start.processor,
    )  # fmt: skip
    trainer.train()
    learning = {name for name, value in start.model.named_parameters() if value.requires_grad}
    moved = {name for name, value in start.model.named_parameters() if not torch.equal(value, before[name])}
    assert moved == learning
    counts = trainer.trained_parameters.counts
    assert counts == parameter_counts(start.model)
    assert counts[0] == sum(before[name].numel() for name in moved)


def test_a_parameter_that_nothing_reaches_is_not_counted(tmp_path: Path) -> None:
    options = PreparationOptions(text_encoder=str(save_text_encoder(tmp_path / "encoder")), config=SMALL)
    start = prepare_training(shop(), options)
    start.model.idle = torch.nn.Linear(1000, 1000)
    arguments = {**QUICK, "num_train_epochs": 1, "eval_strategy": "no", "save_strategy": "no"}
    args = XCatTrainingArguments(output_dir=str(tmp_path / "out"), **arguments, load_best_model_at_end=False)
    trainer = XCatTrainer(start.model, args, start.splits["train"], None, start.processor)
    data = XCatModelCardData()
    attach_card(trainer, data)
    trainer.train()
    asked, total = parameter_counts(start.model)
    assert data.parameters == trainer.trained_parameters.counts == (asked - 1_001_000, total)
    assert f"{asked - 1_001_000:,} trained of {total:,}" in build_card(data)
