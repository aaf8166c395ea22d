"""The trainer on a data set with a learnable rule."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from accelerate.data_loader import BatchSamplerShard, SkipBatchSampler
from datasets import Dataset
from transformers import TrainerCallback

from xcat_rec.evaluation.comparison import compare_with_baselines
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.training.arguments import XCatTrainingArguments
from xcat_rec.training.optimizers import RowAdamW
from xcat_rec.training.preparation.options import PreparationOptions, PreparedTraining
from xcat_rec.training.preparation.prepare import prepare_training
from xcat_rec.training.preparation.windows import training_windows
from xcat_rec.training.recipes import find_recipe
from xcat_rec.training.samplers import OrderOfEpoch
from xcat_rec.training.trainer import XCatTrainer

from ..tiny_shop import QUICK, SMALL, save_text_encoder, shop


def prepared(folder: Path, **config: Any) -> PreparedTraining:
    encoder = folder / "encoder"
    if not encoder.exists():
        save_text_encoder(encoder)
    options = PreparationOptions(
        text_encoder=str(encoder), split="leave-one-out", config={**SMALL, **config}, cache_dir=folder / "cache"
    )
    return prepare_training(shop(), options)


def trainer_of(start: PreparedTraining, folder: Path, **arguments: Any) -> XCatTrainer:
    args = XCatTrainingArguments(output_dir=str(folder / "out"), **{**QUICK, **arguments})
    splits = start.splits
    return XCatTrainer(start.model, args, splits["train"], splits["validation"], start.processor)


def test_training_learns_the_rule_and_evaluates_as_everyone_does(tmp_path):
    start = prepared(tmp_path)
    trainer = trainer_of(start, tmp_path, num_train_epochs=12)
    before = trainer.evaluate()
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert losses[-1] < 0.7 * losses[0]
    after = trainer.evaluate()
    assert after["eval_ndcg@10"] > before["eval_ndcg@10"]
    recommender, splits = XCatRecommender(start.model, start.processor), start.splits
    reports = compare_with_baselines(
        {"XCat": recommender}, splits["train"], splits["validation"], start.processor.catalogue,
        trained=start.trained, ks=[5, 10], progress=False,
    )  # fmt: skip
    assert list(reports) == ["popularity", "popularity-recent", "repeat-purchase", "item-knn", "XCat"]
    assert reports["XCat"].metrics["ndcg@10"] > 2 * reports["popularity"].metrics["ndcg@10"]
    assert "discover.ndcg@10" in reports["XCat"].flat()
    for name, value in reports["XCat"].flat().items():
        name = name.replace("discover.", "discover_")
        if math.isnan(value):  # of a slice without targets
            assert f"eval_{name}" not in after
            continue
        assert after[f"eval_{name}"] == pytest.approx(value, abs=1e-6, nan_ok=True), name
    best = max(
        entry["eval_ndcg@10"] for entry in trainer.state.log_history if "epoch" in entry and "eval_ndcg@10" in entry
    )
    assert after["eval_ndcg@10"] == pytest.approx(best)


@pytest.mark.parametrize("encoder", ["gru", "lstm"])
def test_recurrent_encoders_train_too(encoder, tmp_path):
    trainer = trainer_of(prepared(tmp_path, behavior_encoder=encoder), tmp_path, num_train_epochs=2)
    trainer.train()
    assert trainer.evaluate()["eval_recall@10"] > 0


@pytest.mark.parametrize("name", ["bert4rec", "gru4rec-bpr-max", "lstm"])
def test_recipes_of_sequences_learn_the_rule(name, tmp_path):
    config = {**find_recipe(name).config, "hidden_size": 32, "hidden_dropout": 0.1, "num_negatives": 20}
    trainer = trainer_of(prepared(tmp_path, **config), tmp_path, num_train_epochs=25, learning_rate=1e-2)
    trainer.train()
    assert trainer.evaluate()["eval_recall@10"] > 0.5, "by popularity 0.25"


def test_the_sampled_softmax_touches_rows_only(tmp_path):
    start = prepared(tmp_path, objective="sampled_softmax", num_negatives=4)
    table = start.model.model.items.id_embeddings
    assert not table.sparse
    before, never = table.weight.detach().clone(), torch.from_numpy(~start.trained)
    trainer = trainer_of(start, tmp_path, max_steps=1, warmup_steps=0, weight_decay=0.5, per_device_train_batch_size=2)
    trainer.train()
    assert table.sparse and isinstance(trainer.optimizer.optimizer, RowAdamW)
    changed = (table.weight != before).any(1)
    assert 2 <= int(changed.sum()) < len(changed) - 2
    assert not changed[0], "the row of padding"
    assert never.any()
    trainer = trainer_of(start, tmp_path, num_train_epochs=14)
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert losses[-1] < 0.8 * losses[0]


def test_batches_of_a_number_of_events(tmp_path):
    start = prepared(tmp_path)
    seen: list[list[int]] = [[]]

    class Count(TrainerCallback):
        def on_epoch_end(self, *args: Any, **kwargs: Any) -> None:
            seen.append([])

    trainer = trainer_of(start, tmp_path, max_tokens_per_batch=40, num_train_epochs=2, eval_strategy="no")
    collate = trainer.data_collator

    def counting(rows: list[dict[str, Any]]) -> Any:
        batch = collate(rows)
        seen[-1].append(int((batch["labels"] >= 0).sum()))
        return batch

    trainer.data_collator = counting
    trainer.add_callback(Count)
    trainer.train()
    labels = sum(len(items) - 1 for items in trainer.train_dataset["items"])
    assert [sum(epoch) for epoch in seen[:2]] == [labels, labels]
    assert len(seen[0]) == len(seen[1]) == len(trainer.get_train_dataloader()) and seen[0] != seen[1]
    assert max(seen[0] + seen[1]) <= 40


def test_a_run_of_two_processes_that_goes_on_within_an_epoch_has_its_order(tmp_path):
    trainer = trainer_of(prepared(tmp_path), tmp_path, max_tokens_per_batch=40, data_seed=0, seed=7)
    assert trainer.args.order_seed == 0 and trainer.args.ddp_broadcast_buffers is False
    trainer.get_train_dataloader()
    loader = trainer.get_train_dataloader()
    sampler = loader.batch_sampler
    sampler.set_epoch(1)
    expected = list(BatchSamplerShard(sampler, 2, 0))[1:]
    sampler.set_epoch(0)
    left = SkipBatchSampler(BatchSamplerShard(sampler, 2, 0), 1)
    assert list(left) != expected
    trainer.state.epoch = 1.25
    trainer.callback_handler.on_epoch_begin(trainer.args, trainer.state, trainer.control)
    assert list(left) == expected
    assert sum(isinstance(callback, OrderOfEpoch) for callback in trainer.callback_handler.callbacks) == 1


def test_training_stops_early(tmp_path):
    trainer = trainer_of(
        prepared(tmp_path), tmp_path, num_train_epochs=30, early_stopping_patience=2, learning_rate=1e-9
    )
    trainer.train()
    assert trainer.state.epoch == 3


def test_a_later_evaluation_of_the_test_set_does_not_count_for_early_stopping(tmp_path, monkeypatch):
    start, told = prepared(tmp_path), []
    trainer = trainer_of(start, tmp_path, num_train_epochs=1, early_stopping_patience=2)
    trainer.train()
    monkeypatch.setattr(transformers.trainer_callback.logger, "warning", lambda *given: told.append(given))
    found = trainer.evaluate(start.splits["test"], metric_key_prefix="test")
    assert "test_ndcg@10" in found and told == []


def test_a_sample_of_users_decides_in_training_and_all_are_evaluated_later(tmp_path):
    start = prepared(tmp_path)
    rows, users = start.splits["validation"], 7
    trainer = trainer_of(start, tmp_path, num_train_epochs=1, max_eval_users=users, tune_second_stage=False)
    trainer.train()
    found = next(entry for entry in trainer.state.log_history if "eval_ndcg@10" in entry)
    some = rows.select([i * (len(rows) - 1) // (users - 1) for i in range(users)])
    assert len(rows) > users
    assert found["eval_ndcg@10"] == trainer.evaluate(some)["eval_ndcg@10"] != trainer.evaluate()["eval_ndcg@10"]


def test_without_a_user_to_tune_on_training_ends_with_its_weights(tmp_path):
    start = prepared(tmp_path)
    weight = start.model.config.neighbor_weight
    start.splits["validation"] = start.splits["validation"].select([])
    trainer_of(start, tmp_path, num_train_epochs=1, eval_strategy="no", save_strategy="no").train()
    assert start.model.config.neighbor_weight == weight and not start.model.config.candidate_attention


class Interrupt(TrainerCallback):
    """Ends training in the middle of an epoch, as a fault of the machine would."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == self.step:
            raise RuntimeError("the machine failed")


def test_the_count_of_early_stopping_survives_an_interruption(tmp_path):
    arguments = {"num_train_epochs": 30, "early_stopping_patience": 3, "learning_rate": 1e-9}
    interrupted = trainer_of(prepared(tmp_path), tmp_path, **arguments)
    interrupted.add_callback(Interrupt(6 * 3 + 2))
    with pytest.raises(RuntimeError, match="the machine failed"):
        interrupted.train()
    resumed = trainer_of(prepared(tmp_path), tmp_path, **arguments)
    resumed.train(resume_from_checkpoint=True)
    assert resumed.state.epoch == 4
    evaluated = [entry["epoch"] for entry in resumed.state.log_history if "eval_ndcg@10" in entry]
    assert evaluated == [1.0, 2.0, 3.0, 4.0]


def test_a_metric_that_no_evaluation_gives_is_refused_at_once(tmp_path):
    start = prepared(tmp_path)
    for name in ("accuracy", "ndcg", "ndcg@0", "slices.weekend.ndcg@10", "slices.switch.coverage@10", "a_ndcg@10"):
        with pytest.raises(ValueError, match=f"metric_for_best_model is '{name}'"):
            trainer_of(start, tmp_path, metric_for_best_model=name)
    assert not (tmp_path / "out").exists()
    for name in ("recall@3", "eval_mrr@7", "coverage@10", "slices.new_category.ndcg@5"):
        trainer = trainer_of(start, tmp_path, metric_for_best_model=name)
        found = trainer.evaluate()
        assert f"eval_{name.removeprefix('eval_')}" in found
    trainer_of(start, tmp_path, metric_for_best_model="accuracy", eval_strategy="no")


def test_only_the_latest_events_are_trained_on_where_that_is_asked_for(tmp_path):
    start = prepared(tmp_path)
    trainer = trainer_of(start, tmp_path, max_train_events=3)
    assert list(trainer.train_dataset["items"]) == [items[-3:] for items in start.splits["train"]["items"]]


def test_a_head_over_a_bare_model_is_trained(tmp_path):
    start = prepared(tmp_path, soft_target_weight=0.3)
    start.model.model.save_pretrained(tmp_path / "bare")
    head = XCatForNextItem.from_pretrained(tmp_path / "bare")
    assert not head.soft_target_rows.any() and start.model.soft_target_rows.any()
    trainer = trainer_of(replace(start, model=head), tmp_path, num_train_epochs=12)
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert losses[-1] < 0.7 * losses[0]


def test_a_model_is_made_for_every_run(tmp_path):
    start = prepared(tmp_path)
    made = []

    def make() -> Any:
        made.append(copy.deepcopy(start.model))
        return made[-1]

    given = trainer_of(replace(start, model=make()), tmp_path, num_train_epochs=2)
    given.train()
    args = XCatTrainingArguments(output_dir=str(tmp_path / "out"), **{**QUICK, "num_train_epochs": 2})
    parts = {name: start.splits[part] for name, part in (("train_dataset", "train"), ("eval_dataset", "validation"))}
    trainer = XCatTrainer(None, args, **parts, processing_class=start.processor, model_init=make)
    for _ in range(2):
        trainer.train()
        assert trainer.model is made[-1] and trainer.model.config.neighbor_weight == given.model.config.neighbor_weight
        for name, value in given.model.state_dict().items():
            assert torch.equal(trainer.model.state_dict()[name], value), name
    assert len(made) == 4


def test_the_processor_is_required(tmp_path):
    start = prepared(tmp_path)
    with pytest.raises(ValueError, match="processing_class"):
        XCatTrainer(start.model, XCatTrainingArguments(output_dir=str(tmp_path), **QUICK))


def test_windows_lose_no_event():
    row = {
        "user_id": "a",
        "items": list(range(2, 13)),
        "event_types": [0] * 11,
        "ratings": [0.0] * 11,
        "timestamps": [0] * 11,
    }
    short = {
        **row,
        "user_id": "b",
        "items": [5, 6],
        "event_types": [0] * 2,
        "ratings": [0.0] * 2,
        "timestamps": [0] * 2,
    }
    windows = training_windows(Dataset.from_list([row, short]), 4)
    assert windows["items"] == [[8, 9, 10, 11, 12], [4, 5, 6, 7, 8], [2, 3, 4], [5, 6]]
    labels = [item for window in windows["items"][:3] for item in window[1:]]
    assert sorted(labels) == list(range(3, 13))
    latest = training_windows(Dataset.from_list([row]), 4, max_events=6)
    assert latest["items"] == [[8, 9, 10, 11, 12], [7, 8]]


def test_sets_without_rows_are_refused_by_name(tmp_path):
    start = prepared(tmp_path)
    train, validation = start.splits["train"], start.splits["validation"]
    args = XCatTrainingArguments(output_dir=str(tmp_path / "out"), **QUICK)
    for rows, count in (
        (train.select([]), 0),
        (train.map(lambda row: {n: v[:1] if isinstance(v, list) else v for n, v in row.items()}), len(train)),
    ):
        trainer = XCatTrainer(start.model, args, rows, validation, start.processor)
        with pytest.raises(ValueError, match=rf"^train_dataset has {count} rows, none with two events or more"):
            trainer.train()
    trainer = XCatTrainer(start.model, args, train, validation.select([]), start.processor)
    with pytest.raises(ValueError, match=r"^eval_dataset has no rows"):
        trainer.evaluate()
    with pytest.raises(ValueError, match=r"^test_dataset has no rows"):
        trainer.predict(validation.select([]))
