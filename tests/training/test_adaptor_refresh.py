"""Full updates of the text projection in some steps only: their steps, and a resumed run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback

from xcat_rec.catalogue.change import change_catalogue
from xcat_rec.catalogue.item_table import refresh_text_states
from xcat_rec.training.arguments import XCatTrainingArguments
from xcat_rec.training.trainer import XCatTrainer

from ..tiny_shop import QUICK
from .test_trainer import prepared


class Texts:
    """Numbers of projected texts per training batch, and of texts with gradients."""

    def __init__(self, trainer: XCatTrainer) -> None:
        self.seen: list[int] = []
        trainer.model.model.items.adaptor.register_forward_hook(self)

    def __call__(self, module: torch.nn.Module, inputs: Any, output: Any) -> None:
        if module.training:
            self.seen.append(len(inputs[0]))


class Interrupt(TrainerCallback):
    """Ends training between two saves."""

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 8:
            raise RuntimeError("the machine failed")


def trainer_of(folder: Path, output: str, config: dict[str, Any] | None = None, **settings: Any) -> XCatTrainer:
    start = prepared(folder, **(config or {}))
    changed = {
        "num_train_epochs": 2, "per_device_train_batch_size": 10, "logging_steps": 1, "logging_strategy": "steps",
        "eval_strategy": "no", "save_strategy": "no", "early_stopping_patience": 0, "load_best_model_at_end": False,
        "tune_neighbor_weight": False,
    }  # fmt: skip
    args = XCatTrainingArguments(output_dir=str(folder / output), **{**QUICK, **changed, **settings})
    return XCatTrainer(start.model, args, start.splits["train"], start.splits["validation"], start.processor)


def losses(trainer: XCatTrainer) -> dict[int, float]:
    return {entry["step"]: entry["loss"] for entry in trainer.state.log_history if "loss" in entry}


@pytest.mark.parametrize(("every", "accumulation"), [(1, 1), (3, 1), (2, 2)])
def test_every_so_many_steps_all_texts_go_through(every, accumulation, tmp_path):
    trainer = trainer_of(
        tmp_path, "out", adaptor_refresh_steps=every, gradient_accumulation_steps=accumulation,
        per_device_train_batch_size=5,
    )  # fmt: skip
    texts, table = Texts(trainer), trainer.model.config.num_texts
    trainer.train()
    batches = [step for step in range(24 // accumulation) for _ in range(accumulation)]
    assert len(texts.seen) == len(batches)
    assert [count == table for count in texts.seen] == [step % every == 0 for step in batches]
    assert min(texts.seen) > 1 and trainer.model.model.items.kept_texts is None and not trainer.model.keep_texts


def test_a_resumed_run_has_the_losses_of_one_without_a_break(tmp_path):
    settings = {"adaptor_refresh_steps": 4, "save_strategy": "steps", "save_steps": 6, "save_total_limit": 3}
    whole = trainer_of(tmp_path, "whole", **settings)
    texts = Texts(whole)
    whole.train()
    begun = trainer_of(tmp_path, "begun", **settings)
    begun.add_callback(Interrupt())
    with pytest.raises(RuntimeError, match="the machine failed"):
        begun.train()
    assert begun.model.model.items.kept_texts is None
    resumed = trainer_of(tmp_path, "begun", **settings)
    again = Texts(resumed)
    resumed.train(resume_from_checkpoint=str(tmp_path / "begun" / "checkpoint-6"))
    table = whole.model.config.num_texts
    # At 0 and 4, and again at the save of 6, because projected texts are not saved.
    assert [step for step, count in enumerate(texts.seen) if count == table] == [0, 4, 6, 10]
    assert again.seen == texts.seen[6:]
    assert list(losses(whole)) == list(range(1, 13)) and losses(resumed) == pytest.approx(losses(whole), abs=1e-5)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"use_text": False, "num_fusion_layers": 0}, "use_text is False"),
        ({"objective": "sampled_softmax"}, "sampled objective"),
        ({"freeze_text_encoder": False}, "text encoder is trained"),
    ],
)
def test_where_nothing_can_be_kept_it_is_refused(config, message, tmp_path):
    with pytest.raises(ValueError, match=f"adaptor_refresh_steps is 2.*{message}"):
        trainer_of(tmp_path, "out", config, adaptor_refresh_steps=2)


def test_at_least_every_step(tmp_path):
    with pytest.raises(ValueError, match="adaptor_refresh_steps is 0; give at least 1"):
        XCatTrainingArguments(str(tmp_path), adaptor_refresh_steps=0, use_cpu=True)


def test_other_texts_leave_nothing_kept(tmp_path):
    start = prepared(tmp_path)
    items = start.model.model.items
    items.kept_texts = torch.zeros(len(items.text_states), 32)
    refresh_text_states(start.model, start.processor)
    assert items.kept_texts is None
    items.kept_texts = torch.zeros(len(items.text_states), 32)
    change_catalogue(start.model, start.processor, start.processor.catalogue)
    assert items.kept_texts is None
