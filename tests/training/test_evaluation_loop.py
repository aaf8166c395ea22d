"""An evaluation ranks the given rows, and its loss equals the training loss."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import Subset

from xcat_rec.training.arguments import XCatTrainingArguments
from xcat_rec.training.collators import PackingCollator
from xcat_rec.training.preparation.windows import weigh_new_categories
from xcat_rec.training.trainer import XCatTrainer

from ..tiny_shop import QUICK
from .test_trainer import prepared, trainer_of

FIGURES = ("eval_loss", "eval_ndcg@10", "eval_recall@5", "eval_coverage@10")


def figures(metrics: dict[str, float], prefix: str = "eval") -> dict[str, float]:
    return {name: metrics[name.replace("eval", prefix, 1)] for name in FIGURES}


def several(start: Any, folder: Path, **arguments: Any) -> XCatTrainer:
    """A trainer that evaluates two sets of which "test" comes first."""
    args = XCatTrainingArguments(output_dir=str(folder / "out"), **{**QUICK, **arguments})
    sets = {name: start.splits[name] for name in ("test", "validation")}
    return XCatTrainer(start.model, args, start.splits["train"], sets, start.processor)


def test_each_set_has_its_own_metrics_with_persistent_workers(tmp_path):
    start = prepared(tmp_path)
    plain = trainer_of(start, tmp_path)
    expected = {name: figures(plain.evaluate(start.splits[name])) for name in ("validation", "test")}
    assert expected["validation"] != expected["test"]
    kept = trainer_of(start, tmp_path, dataloader_num_workers=1, dataloader_persistent_workers=True)
    for name in ("validation", "test", "validation"):
        assert figures(kept.evaluate(start.splits[name])) == pytest.approx(expected[name])
    assert figures(kept.evaluate()) == pytest.approx(expected["validation"])
    assert figures(kept.predict(start.splits["test"]).metrics, "test") == pytest.approx(expected["test"])
    assert kept.args.dataloader_persistent_workers


def test_no_user_is_dropped_and_rows_keep_their_order(tmp_path):
    start = prepared(tmp_path)
    rows = start.splits["test"]
    plain, changed = (
        trainer_of(start, tmp_path, **arguments)
        for arguments in (
            {},
            {
                "dataloader_drop_last": True, "per_device_eval_batch_size": 25,
                "train_sampling_strategy": "group_by_length",
            },
        )
    )  # fmt: skip
    assert len(rows) % 25
    wanted, found = plain.predict(rows), changed.predict(rows)
    assert len(found.predictions[0]) == len(rows)
    assert np.array_equal(found.predictions[0], wanted.predictions[0])
    few = rows.select(range(3))
    assert changed.evaluate(few)["eval_slices.unseen.num_targets"] == 3


HOLDERS = [list, lambda rows: Subset(rows, range(len(rows))), lambda rows: rows.to_iterable_dataset()]


@pytest.mark.parametrize("kind", HOLDERS, ids=["list", "subset", "stream"])
def test_rows_are_evaluated_whatever_holds_them(kind, tmp_path):
    start = prepared(tmp_path)
    rows = start.splits["test"]
    expected = figures(trainer_of(start, tmp_path).evaluate(rows))
    args = XCatTrainingArguments(output_dir=str(tmp_path / "out"), **QUICK)
    trainer = XCatTrainer(start.model, args, None, kind(rows), start.processor)
    assert figures(trainer.evaluate()) == figures(trainer.evaluate(kind(rows))) == pytest.approx(expected)


def test_sets_have_names_and_one_of_them_decides(tmp_path):
    start = prepared(tmp_path)
    plain = trainer_of(start, tmp_path)
    expected = {name: figures(plain.evaluate(start.splits[name])) for name in ("validation", "test")}
    found = several(start, tmp_path).evaluate()
    for name, values in expected.items():
        assert figures(found, f"eval_{name}") == pytest.approx(values)
    assert found["eval_ndcg@10"] == found["eval_validation_ndcg@10"]
    with pytest.raises(ValueError, match=r"metric_for_best_model is 'other_ndcg@10'.*such as test_ndcg@10"):
        several(start, tmp_path, metric_for_best_model="other_ndcg@10")


@pytest.mark.parametrize(
    ("metric", "key", "rate"), [("ndcg@10", "eval_validation_ndcg@10", 1e-9), ("test_loss", "eval_test_loss", 0.5)]
)
def test_the_deciding_set_chooses_the_epoch_and_stops_training(metric, key, rate, tmp_path):
    start = prepared(tmp_path)
    trainer = several(
        start, tmp_path, metric_for_best_model=metric, learning_rate=rate, warmup_steps=0, num_train_epochs=9,
        early_stopping_patience=2, tune_second_stage=False,
    )  # fmt: skip
    trainer.train()
    seen = [entry[key] for entry in trainer.state.log_history if key in entry]
    assert len(seen) == trainer.state.epoch < 9
    assert trainer.state.best_metric == (max(seen) if "ndcg" in metric else min(seen))


SHAPES: list[dict[str, Any]] = [
    {"soft_target_weight": 0.3},
    {"scoring": "dot", "temperature": 1.0, "repeats": "apart"},
    {"repeats": "off", "use_text": False, "num_fusion_layers": 0},
    {"objective": "sampled_softmax", "num_negatives": 40_000},
    {"objective": "gbce", "num_negatives": 40_000},
]


@pytest.mark.parametrize("config", SHAPES, ids=["soft", "apart", "ids", "sampled", "gbce"])
def test_the_loss_of_an_evaluation_is_that_of_training(config, tmp_path):
    """Forward with labels is the reference; a sampled objective samples the whole catalogue."""
    start = prepared(tmp_path, **config)
    with torch.no_grad():
        for name, parameter in start.model.named_parameters():
            if name.startswith("model.repeats"):
                parameter.normal_(std=0.02)
    rows = start.splits["validation"].add_column("number", range(len(start.splits["validation"])))
    two = rows.map(lambda row: {"targets": [*row["targets"], row["items"][0]][: 1 + row["number"] % 2]})
    trainer = trainer_of(start, tmp_path, new_category_weight=3.0, per_device_eval_batch_size=7)
    trainer.evaluate()
    losses = []
    for row in two:
        for target in row["targets"]:
            length = min(len(row["items"]), start.model.config.max_history)
            last = {name: row[name][-length:] for name in ("items", "event_types", "ratings", "timestamps")}
            whole = {name: [*values, target if name == "items" else 0] for name, values in last.items()}
            codes = start.processor.catalogue.category_codes
            weighed = weigh_new_categories(type(rows).from_list([whole]), codes, 3.0)[0]
            batch = PackingCollator(start.processor)([weighed])
            batch["labels"][batch["labels"] != -100] = torch.where(
                torch.arange(length) == length - 1, target, -100
            )  # the last label alone
            start.model.eval()
            with torch.no_grad():
                losses.append(float(start.model(**batch).loss))
    assert len(losses) > len(two)
    assert trainer.evaluate(two)["eval_loss"] == pytest.approx(np.mean(losses), rel=2e-5)


def test_the_loss_decides_where_it_is_asked_to(tmp_path):
    trainer = trainer_of(
        prepared(tmp_path), tmp_path, metric_for_best_model="eval_loss", num_train_epochs=6, learning_rate=0.05,
        tune_second_stage=False,
    )  # fmt: skip
    assert trainer.args.greater_is_better is False
    trainer.train()
    seen = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
    assert trainer.state.best_metric == min(seen)
    assert trainer.evaluate()["eval_loss"] == pytest.approx(min(seen))
    with pytest.raises(ValueError, match="greater_is_better is True, but a lower eval_loss is better"):
        XCatTrainingArguments(output_dir=str(tmp_path), metric_for_best_model="eval_loss", greater_is_better=True)


def test_states_are_strict_json(tmp_path):
    start = prepared(tmp_path)
    trainer = trainer_of(start, tmp_path, num_train_epochs=1)
    trainer.train()
    trainer.log({"loss": float("nan"), "other": float("inf")})
    trainer.state.best_metric = float("-inf")
    trainer._save_checkpoint(trainer.model, None)
    states = list((tmp_path / "out").rglob("*.json"))
    assert any(path.name == "trainer_state.json" for path in states)
    for path in states:
        json.loads(path.read_text(), parse_constant=lambda name, path=path: pytest.fail(f"{name} in {path}"))


def test_discovery_decides_where_it_is_asked_to(tmp_path):
    start = prepared(tmp_path)
    for name in ("discover_slices.unseen.ndcg@10", "discover.ndcg@10"):
        with pytest.raises(ValueError, match=r"or one of discovery, such as discover_ndcg@10, or eval_loss"):
            trainer_of(start, tmp_path, metric_for_best_model=name)
    metric = "discover_slices.switch.recall@5"
    trainer = trainer_of(start, tmp_path, num_train_epochs=4, metric_for_best_model=metric, tune_second_stage=False)
    trainer.train()
    seen = [entry[f"eval_{metric}"] for entry in trainer.state.log_history if f"eval_{metric}" in entry]
    assert len(seen) >= trainer.state.epoch and trainer.state.best_metric == max(seen)


def test_without_new_targets_there_are_no_metrics_of_discovery(tmp_path):
    start = prepared(tmp_path)
    rows = start.splits["test"].map(lambda row: {"targets": row["items"][:1]})
    found = trainer_of(start, tmp_path).evaluate(rows)
    assert found["eval_recall@5"] >= 0 and not [name for name in found if "discover" in name]


def test_a_slice_without_targets_does_not_decide(tmp_path):
    start = prepared(tmp_path)
    trainer = trainer_of(start, tmp_path, num_train_epochs=1, metric_for_best_model="slices.history_21_up.ndcg@10")
    with pytest.raises(ValueError, match=r"metric_for_best_model is 'slices.history_21_up.ndcg@10', which this eval"):
        trainer.train()
