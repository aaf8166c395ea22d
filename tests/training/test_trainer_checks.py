"""Inputs that a trainer refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import TrainingArguments

from xcat_rec.training.arguments import XCatTrainingArguments
from xcat_rec.training.trainer import XCatTrainer

from ..tiny_shop import QUICK
from .test_trainer import prepared


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    start = prepared(tmp_path_factory.mktemp("start"))
    return {
        "model": start.model, "train_dataset": start.splits["train"], "eval_dataset": start.splits["validation"],
        "processing_class": start.processor,
    }  # fmt: skip


def trainer_of(folder: Path, **parts: Any) -> XCatTrainer:
    return XCatTrainer(args=XCatTrainingArguments(**QUICK, output_dir=str(folder)), **parts)


def test_arguments_of_transformers_are_refused(parts, tmp_path):
    with pytest.raises(TypeError, match="args is a TrainingArguments; give XCatTrainingArguments"):
        XCatTrainer(args=TrainingArguments(output_dir=str(tmp_path)), **parts)


def test_a_model_or_a_model_init_is_needed(parts, tmp_path):
    for changed in ({"model": None}, {"model_init": lambda: parts["model"]}):
        with pytest.raises(ValueError, match="needs either model= or model_init="):
            trainer_of(tmp_path, **{**parts, **changed})


def test_rows_without_targets_are_not_evaluated(parts, tmp_path):
    trainer = trainer_of(tmp_path, **parts)
    with pytest.raises(ValueError, match="rows to evaluate have no targets; give a validation or test split"):
        trainer.evaluate(parts["train_dataset"])
