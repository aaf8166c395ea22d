"""A task of one's own: the category of the next item, with a head, labels and a metric that are defined here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers.utils import ModelOutput

from xcat_rec.modeling_xcat.modeling_xcat import XCatModel
from xcat_rec.modeling_xcat.pretrained_xcat import XCatPreTrainedModel
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.tokenization.packing import IGNORED_LABEL
from xcat_rec.training.arguments import XCatTrainingArguments
from xcat_rec.training.collators import PackingCollator
from xcat_rec.training.tasks import TASKS, Task, register_task
from xcat_rec.training.trainer import XCatTrainer

from ...tiny_shop import CATEGORIES, QUICK
from ..test_trainer import prepared


@dataclass
class CategoryOutput(ModelOutput):
    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None


class XCatForNextCategory(XCatPreTrainedModel):
    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.model = XCatModel(config)
        self.categories = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    def forward(self, item_ids: torch.Tensor, labels: torch.Tensor | None = None, **inputs: Any) -> CategoryOutput:
        for name in ("loss_weights", "num_items_in_batch"):
            inputs.pop(name, None)
        known = (labels != IGNORED_LABEL).flatten()
        states = self.model(item_ids, **inputs).last_hidden_state.flatten(0, 1)[known]
        logits = self.categories(states)
        return CategoryOutput(nn.functional.cross_entropy(logits, labels.flatten()[known]), logits)


@dataclass
class CategoryCollator:
    items: PackingCollator

    def __call__(self, rows: Any) -> dict[str, torch.Tensor]:
        batch = self.items(rows)
        codes = torch.as_tensor(self.items.processor.catalogue.category_codes).long()
        labels = codes[batch["labels"].clamp(min=0)].masked_fill(batch["labels"] < 0, IGNORED_LABEL)
        return {**batch, "labels": labels.masked_fill(labels < 0, IGNORED_LABEL)}  # some items have no category


@register_task("next-category")
class NextCategoryTask(Task):
    head = XCatForNextCategory
    deciding_metric = "accuracy"

    def collator(self, processor: Any) -> CategoryCollator:
        return CategoryCollator(PackingCollator(processor))

    def new_model(self, model: Any) -> XCatPreTrainedModel:
        model.config.num_labels = len(CATEGORIES)
        return super().new_model(model)

    def metrics(self, trainer: XCatTrainer, prediction: Any) -> dict[str, float]:
        labels = prediction.label_ids.flatten()
        labels = labels[labels != IGNORED_LABEL]
        return {"accuracy": float(np.mean(prediction.predictions.argmax(-1) == labels))}


def new_trainer(folder: Any, **arguments: Any) -> XCatTrainer:
    start = prepared(folder)
    config = start.model.config
    config.num_labels = int(start.processor.catalogue.category_codes.max()) + 1
    torch.manual_seed(0)
    head = XCatForNextCategory(config)
    head.model.load_state_dict(start.model.model.state_dict())  # texts and counts of the catalogue are in place
    args = XCatTrainingArguments(output_dir=str(folder / "out"), **{**QUICK, "num_train_epochs": 8, **arguments})
    splits = start.splits
    return XCatTrainer(
        head, args, splits["train"], splits["validation"], start.processor, task="next-category"
    )  # fmt: skip


def test_a_second_task_is_trained_evaluated_and_saved(tmp_path):
    trainer = new_trainer(tmp_path)
    assert trainer.args.metric_for_best_model == "accuracy" and trainer.args.greater_is_better
    before = trainer.evaluate()
    trainer.train()
    after = trainer.evaluate()
    assert after["eval_loss"] < 0.8 * before["eval_loss"] and after["eval_accuracy"] > before["eval_accuracy"]
    seen = [entry["eval_accuracy"] for entry in trainer.state.log_history if "eval_accuracy" in entry]
    assert trainer.state.best_metric == max(seen[1:]) == pytest.approx(after["eval_accuracy"])
    assert not any("ndcg" in key for key in after)
    trainer.save_model(str(tmp_path / "saved"))
    loaded = XCatForNextCategory.from_pretrained(tmp_path / "saved")
    assert torch.equal(loaded.categories.weight, trainer.model.categories.weight.cpu())


def test_the_loss_decides_where_a_task_names_no_metric(tmp_path, monkeypatch):
    monkeypatch.setattr(NextCategoryTask, "deciding_metric", Task.deciding_metric)
    trainer = new_trainer(tmp_path)
    assert trainer.args.metric_for_best_model == "loss" and trainer.args.greater_is_better is False
    assert new_trainer(tmp_path, metric_for_best_model="accuracy").args.metric_for_best_model == "accuracy"


def test_a_model_of_another_task_is_refused(tmp_path):
    start = prepared(tmp_path)
    args = XCatTrainingArguments(output_dir=str(tmp_path / "out"), **QUICK)
    parts = start.splits["train"], start.splits["validation"], start.processor
    with pytest.raises(TypeError, match="XCatForNextItem, and NextCategoryTask trains XCatForNextCategory"):
        XCatTrainer(start.model, args, *parts, task=NextCategoryTask())
    head = new_trainer(tmp_path).model
    with pytest.raises(TypeError, match="NextItemTask trains XCatForNextItem"):
        XCatTrainer(head, args, *parts)
    recommender = XCatRecommender(start.model, start.processor)
    assert new_trainer(tmp_path).held_out_ranker(recommender) is recommender


def test_an_unknown_task_is_refused_with_a_suggestion(tmp_path):
    start = prepared(tmp_path)
    args = XCatTrainingArguments(output_dir=str(tmp_path / "out"), **QUICK)
    with pytest.raises(ValueError, match=r"task is 'next-itm' \(did you mean 'next-item'\?\); give one of next-item"):
        XCatTrainer(start.model, args, start.splits["train"], None, start.processor, task="next-itm")
    assert TASKS.find("next-item").head.__name__ == "XCatForNextItem"
