"""`transformers.Trainer` with its default arguments trains the model on prepared splits."""

from __future__ import annotations

import copy
import inspect

import numpy as np
import pytest
import torch
from transformers import Trainer, TrainingArguments

from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem, XCatModel
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.training.collators import PackingCollator

from .test_trainer import prepared, trainer_of


def stock(start, folder, **arguments) -> Trainer:
    args = TrainingArguments(str(folder / "stock"), use_cpu=True, disable_tqdm=True, **arguments)
    return Trainer(
        model=start.model, args=args, data_collator=PackingCollator(start.processor),
        train_dataset=start.splits["train"], eval_dataset=start.splits["validation"], processing_class=start.processor,
    )  # fmt: skip


def test_default_arguments_train_evaluate_and_save(tmp_path):
    start = prepared(tmp_path)
    trainer = stock(start, tmp_path, learning_rate=5e-3)
    assert trainer.args.remove_unused_columns and trainer.label_names == ["labels"]
    before = trainer.evaluate()["eval_loss"]
    trainer.train()
    assert trainer.evaluate()["eval_loss"] < 0.8 * before
    trainer.save_model(str(tmp_path / "saved"))
    recommender = XCatRecommender.from_pretrained(tmp_path / "saved")
    assert len(recommender.recommend(["item-01", "item-08"], k=3)) == 3


def test_its_loss_of_an_evaluation_is_ours(tmp_path):
    start = prepared(tmp_path)
    ours = trainer_of(start, tmp_path, new_category_weight=1.0)
    rows = start.splits["test"]
    trainer = stock(start, tmp_path, per_device_eval_batch_size=len(rows))
    assert trainer.evaluate(rows)["eval_loss"] == pytest.approx(ours.evaluate(rows)["eval_loss"], rel=1e-5)


def test_the_best_epoch_is_loaded_at_the_end(tmp_path):
    start = prepared(tmp_path)
    trainer = stock(
        start, tmp_path, eval_strategy="epoch", save_strategy="epoch", load_best_model_at_end=True, learning_rate=0.05,
        num_train_epochs=4,
    )  # fmt: skip
    trainer.train()
    losses = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
    assert trainer.state.best_metric == min(losses)
    assert trainer.evaluate()["eval_loss"] == pytest.approx(min(losses), rel=1e-5)


def test_nothing_of_the_size_of_the_catalogue_or_the_states_is_gathered(tmp_path):
    start = prepared(tmp_path)
    output = stock(start, tmp_path).predict(start.splits["test"])
    assert output.metrics["test_loss"] > 0
    assert sum(np.size(part) for part in output.predictions) == 0


def test_rows_with_targets_have_those_alone_as_labels(tmp_path):
    processor = prepared(tmp_path).processor
    row = {"items": [5, 6, 7], "event_types": [1, 1, 1], "ratings": [1.0] * 3, "timestamps": [0] * 3}
    batch = PackingCollator(processor)([{**row, "targets": [8, 9]}, {**row, "items": [9, 8, 5], "targets": [4]}])
    labelled = batch["labels"] != -100
    pairs = zip(batch["item_ids"][labelled].tolist(), batch["labels"][labelled].tolist(), strict=True)
    assert sorted(pairs) == [(5, 4), (7, 8), (7, 9)]
    assert "query_positions" not in batch and int(batch["attention_mask"].sum()) == 9


def test_the_signature_has_the_arguments_of_forward(tmp_path):
    names = inspect.signature(XCatForNextItem.forward).parameters
    assert {*inspect.signature(XCatModel.forward).parameters, "labels"} - {"kwargs"} <= set(names)
    assert {"items", "event_types", "ratings", "timestamps", "targets", "loss_weights"} <= set(names)
    start = prepared(tmp_path)
    batch = PackingCollator(start.processor)([start.splits["train"][0]])
    model = copy.deepcopy(start.model).eval()
    with torch.no_grad():
        assert torch.equal(model(**batch).loss, model(**batch, items=None, targets=None).loss)


@pytest.mark.parametrize("strategy", ["group_by_length", "batch_rebalance"])
def test_rows_are_grouped_by_length(tmp_path, strategy):
    start = prepared(tmp_path)
    trainer = stock(
        start, tmp_path, train_sampling_strategy=strategy, per_device_train_batch_size=4, num_train_epochs=1
    )
    lengths = [*map(len, start.splits["train"]["items"])]
    sampler = trainer._get_train_sampler()
    assert sampler.lengths == lengths and len(set(lengths)) > 1
    assert sorted(np.ravel([*sampler])) == list(range(len(lengths)))  # of rows, or of batches of rows
    assert trainer.train().training_loss > 0


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        (
            {"label_smoothing_factor": 0.1},
            "label_smoothing_factor .* leave it out and set soft_target_weight of XCatConf",
        ),
        ({"neftune_noise_alpha": 5.0}, "neftune_noise_alpha is 5.0; leave it out: .* id_dropout of XCatConfig"),
    ],
)
def test_arguments_that_cannot_work_are_refused_by_name(tmp_path, argument, told):
    start = prepared(tmp_path)
    with pytest.raises((KeyError, ValueError), match=told):
        stock(start, tmp_path, **argument).train()
    with pytest.raises(ValueError, match=f"{next(iter(argument))} is .*; leave it out: "):
        trainer_of(start, tmp_path, **argument)
    assert stock(start, tmp_path, max_steps=1).train().training_loss > 0  # the model is as it was


def test_logits_are_read_where_there_are_some(tmp_path):
    start = prepared(tmp_path)
    batch = start.processor([["item-01", "item-02"]])
    with torch.no_grad():
        output = start.model.eval()(**batch)
    assert output["logits"] is output.logits and output.logits.shape == (1, start.model.config.num_item_rows)
    assert not hasattr(start.model.get_input_embeddings(), "neftune_noise_alpha")
