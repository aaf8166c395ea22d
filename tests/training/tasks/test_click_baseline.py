"""Click baselines in the trainer: pairs by hand, negatives by seed, cuts of the learning rate, and no later event."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from xcat_rec import XCatTrainer  # with the cards of runs
from xcat_rec.modeling_baselines import DINConfig, DINModel, MatrixFactorizationConfig, MatrixFactorizationModel
from xcat_rec.modeling_baselines.click_model import ClickModel
from xcat_rec.tokenization.sequences.click_options import ClickOptions
from xcat_rec.tokenization.sequences.click_rows import ClickData, split_clicks
from xcat_rec.tokenization.sequences.event_options import EventOptions
from xcat_rec.tokenization.sequences.showings import Showings, read_showings
from xcat_rec.tokenization.tables.schema import validate_tables
from xcat_rec.training.arguments import XCatTrainingArguments
from xcat_rec.training.preparation.textless import textless_processor
from xcat_rec.training.tasks.click_baseline import UNKNOWN_USERS, ClickBaselineTask, PairInputs, UserItemTask

from ...tiny_shop import events_table, items_table, shop

CUT: dict[str, Any] = {
    "lr_scheduler_type": "reduce_lr_on_plateau", "lr_scheduler_kwargs": {"factor": 0.1, "patience": 0},
    "early_stopping_patience": 2, "num_train_epochs": 60.0, "learning_rate": 1e-2, "new_category_weight": 1.0,
    "warmup_steps": 0, "per_device_train_batch_size": 10, "precision": "fp32", "use_cpu": True, "disable_tqdm": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def data() -> ClickData:
    return split_clicks(shop(), EventOptions(split="leave-one-out"), ClickOptions(negatives="uniform"))


def trainer_of(data: ClickData, folder: Path, kind: str = "din", seed: int = 0, **arguments: Any) -> XCatTrainer:
    task, processor = ClickBaselineTask().for_data(data), textless_processor(data)
    torch.manual_seed(seed)
    config, model = {
        "din": (DINConfig, DINModel), "mf": (MatrixFactorizationConfig, MatrixFactorizationModel)
    }[kind]  # fmt: skip
    made: Any = model(task.model_config(config, processor, embedding_dim=8))
    args = XCatTrainingArguments(output_dir=str(folder), seed=seed, **{**CUT, **arguments})
    return XCatTrainer(made, args, data.train, data.validation, processor, task=task)


def showings(after: list[int], items: list[int], owners: list[int]) -> Showings:
    count = len(items)
    empty = np.zeros((count, 0))
    return Showings(
        np.array(owners), np.array(after), np.array(items), np.ones(count, int), empty.astype(np.float32),
        empty.astype(int),
    )  # fmt: skip


def test_inputs_by_hand(data):
    processor = textless_processor(data, max_history=2)
    categories = processor.catalogue.category_codes + 1
    rows = [
        {"user_id": "user-01", "items": [5, 6, 7], "ratings": [3.0, np.nan, 5.0], "event_roles": [1, -1, 1]},
        {"user_id": "nobody", "items": [8], "ratings": [np.nan], "event_roles": [1]},
    ]
    found = PairInputs(processor, {"user-01": 4})(rows, showings([3, 1, 0], [9, 20, 9], [0, 0, 1]))
    assert found["item_ids"].tolist() == [[0, 7], [5, 0], [0, 0]], "two latest events, without the return"
    assert found["candidate_ids"].tolist() == [9, 20, 9] and found["user_ids"].tolist() == [4, 4, 0]
    assert found["category_ids"].tolist() == [[0, categories[7]], [categories[5], 0], [0, 0]]
    assert found["candidate_category_ids"].tolist() == categories[[9, 20, 9]].tolist()
    assert found["rating_ids"].tolist() == [[0, 5], [3, 0], [0, 0]]


def test_training_pairs_are_targets_with_negatives_of_the_sampler(data):
    task = ClickBaselineTask(ClickOptions()).for_data(data)
    rows = [data.train[i] for i in range(20)]
    batch = task.collator(textless_processor(data))(rows)
    assert batch["labels"].tolist() == [1, 0] * (len(batch["labels"]) // 2)
    assert len(batch["labels"]) == 2 * sum(len(row["items"]) - 1 for row in rows)
    for row in rows[:1]:
        positives = batch["candidate_ids"][: 2 * (len(row["items"]) - 1) : 2]
        negatives = batch["candidate_ids"][1 : 2 * (len(row["items"]) - 1) : 2]
        assert positives.tolist() == row["items"][1:] and not set(negatives.tolist()) & set(row["items"])
    again = task.collator(textless_processor(data))(rows)
    assert all(torch.equal(batch[name], again[name]) for name in batch), "the same batch has the same negatives"
    other = task.collator(textless_processor(data))(rows[::-1])
    assert sorted(other["candidate_ids"].tolist()) != sorted(batch["candidate_ids"].tolist()), "another epoch's order"


def test_some_users_of_training_are_unknown(data):
    task = ClickBaselineTask().for_data(data)
    processor = textless_processor(data)
    rows = [data.train[i] for i in range(len(data.train))]
    users = torch.cat([task.collator(processor)(rows[start:])["user_ids"] for start in range(6)])
    assert (users == 0).float().mean() == pytest.approx(UNKNOWN_USERS, abs=0.02)
    known = task.evaluation_collator(processor, None, None)([data.validation[0]])["user_ids"]
    assert set(known.tolist()) == {task.user_rows()[data.validation[0]["user_id"]]}


def test_training_cuts_the_rate_stops_and_beats_chance(data, tmp_path):
    trainer = trainer_of(data, tmp_path)
    trainer.train()
    history = trainer.state.log_history
    losses = [entry["eval_scaled_log_loss"] for entry in history if "eval_scaled_log_loss" in entry]
    rates = [entry["learning_rate"] for entry in history if "learning_rate" in entry]
    best = int(np.argmin(losses))
    assert len(losses) < CUT["num_train_epochs"], "early stopping"
    assert len(losses) == best + 1 + CUT["early_stopping_patience"]
    assert rates[0] == pytest.approx(1e-2) and rates[-1] <= 1e-3 * 1.001, "a tenth after a stall"
    after = trainer.evaluate()
    assert after["eval_scaled_log_loss"] == pytest.approx(losses[best]), "the best epoch's weights"
    assert after["eval_scaled_log_loss"] <= after["eval_log_loss"] + 1e-9
    assert after["eval_auc"] > 0.6


def test_the_same_seed_trains_the_same_model(data, tmp_path):
    found = []
    for number, seed in enumerate((3, 3, 4)):
        trainer = trainer_of(data, tmp_path / str(number), "mf", seed, num_train_epochs=2)
        trainer.train()
        found.append(trainer.task.logits(trainer, data.test))
    assert np.array_equal(found[0], found[1]) and not np.array_equal(found[0], found[2])


def test_a_future_event_changes_no_prediction(data, tmp_path):
    """The same showings, with more events after them and another target."""
    trainer = trainer_of(data, tmp_path, num_train_epochs=1)
    trainer.train()
    row = data.test[0]
    cut = {**row, "items": row["items"][:4], "event_types": row["event_types"][:4], "ratings": row["ratings"][:4],
           "timestamps": row["timestamps"][:4], "shown_after": [4] * len(row["shown_items"])}  # fmt: skip
    poisoned = {**cut, **{name: [*cut[name], *row[name][:2]] for name in ("items", "ratings")}, "targets": [2]}
    inputs = PairInputs(trainer.processor, ClickBaselineTask().for_data(data).user_rows())
    model: ClickModel = trainer.model.eval()
    with torch.no_grad():
        scores = [model(**inputs([one], read_showings([one]))).logits for one in (cut, poisoned)]
    assert torch.equal(scores[0], scores[1])


def test_a_model_of_users_learns_from_first_events_too(data):
    task, processor = UserItemTask().for_data(data), textless_processor(data)
    rows = [data.train[i] for i in range(5)]
    shown = task.training_showings(rows)
    assert shown.items[shown.labels == 1].tolist() == [item for row in rows for item in row["items"]]
    assert len(task.collator(processor)(rows)["labels"]) == len(shown)


def test_labelled_impressions_train_too(tmp_path):
    events = events_table().with_columns(clicked=pl.Series(np.arange(events_table().height) % 3 == 0))
    labelled = split_clicks(validate_tables(items_table(), events, name="shown"), clicks=ClickOptions())
    assert labelled.sampler is None
    trainer = trainer_of(labelled, tmp_path, num_train_epochs=1)
    trainer.train()
    report = trainer.task.report(trainer, labelled.test, np.ones(len(labelled.vocabulary), dtype=bool))
    assert report.kind == "impression" and 0 < report.value("log_loss") < 2


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_trained_model_is_saved_and_loaded(data, tmp_path, precision):
    trainer = trainer_of(data, tmp_path / "out", num_train_epochs=1, precision=precision)
    trainer.train()
    trainer.save_model(str(tmp_path / "din"))
    loaded = DINModel.from_pretrained(tmp_path / "din").eval()
    inputs = PairInputs(trainer.processor, {})
    rows = [data.test[i] for i in range(5)]
    batch = inputs(rows, read_showings(rows))
    with torch.no_grad():
        assert torch.equal(loaded(**batch).logits, trainer.model.eval()(**batch).logits)
    rows = [data.test[i] for i in range(len(data.test))]
    with torch.no_grad():
        found = loaded(**inputs(rows, read_showings(rows))).logits
    np.testing.assert_allclose(trainer.task.logits(trainer, data.test), found, atol=1e-5)


def test_a_training_that_diverges_says_so(data, tmp_path):
    trainer = trainer_of(data, tmp_path, "mf", learning_rate=1e30, num_train_epochs=2.0)
    told = r"the training has diverged: .* not finite; learning_rate is 1e\+30, give a lower one"
    with pytest.raises(ValueError, match=told):
        trainer.train()
    assert trainer.state.global_step < 3
