"""A search trains a model for every trial, and the best run can be trained afterwards."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from xcat_rec.training.arguments import XCatTrainingArguments
from xcat_rec.training.studies import open_study, trial_table
from xcat_rec.training.trainer import XCatTrainer

from ..tiny_shop import QUICK
from .test_trainer import prepared

pytest.importorskip("optuna")


def searching(folder: Any, **arguments: Any) -> XCatTrainer:
    start = prepared(folder)
    fields = {**QUICK, "num_train_epochs": 2, "tune_second_stage": False, **arguments}
    parts = {name: start.splits[part] for name, part in (("train_dataset", "train"), ("eval_dataset", "validation"))}
    return XCatTrainer(
        None, XCatTrainingArguments(output_dir=str(folder / "out"), **fields), **parts,
        processing_class=start.processor, model_init=lambda: copy.deepcopy(start.model),
    )  # fmt: skip


def test_every_trial_trains_and_the_best_can_be_trained_again(tmp_path):
    trainer = searching(tmp_path)
    weights = []
    cut = trainer._cut_rows

    def seen(model: Any) -> None:
        cut(model)
        weights.append({round(float(w), 6) for row in trainer.train_dataset["loss_weights"] for w in row})

    trainer._cut_rows = seen  # type: ignore[method-assign]
    drawn = []

    def space(trial: Any) -> dict[str, Any]:
        drawn.append({
            "learning_rate": trial.suggest_float("learning_rate", 1e-9, 1e-2),
            "new_category_weight": trial.suggest_float("new_category_weight", 1.5, 4.0),
            "per_device_train_batch_size": trial.suggest_int("per_device_train_batch_size", 20, 20),
        })  # fmt: skip
        return drawn[-1]

    import optuna

    best = trainer.hyperparameter_search(space, n_trials=3, backend="optuna", sampler=optuna.samplers.RandomSampler(0))
    assert len(drawn) == 3 and best.hyperparameters == drawn[int(best.run_id)]
    expected = [{1.0, round(values["new_category_weight"], 6)} for values in drawn]
    assert weights == expected, "the windows are weighed by each trial's own value"
    assert trainer.args.learning_rate == QUICK["learning_rate"] and trainer.args.new_category_weight == 2.0
    with pytest.raises(ValueError, match="hyperparameter_search released the model of its last trial"):
        trainer.evaluate()
    for name, value in best.hyperparameters.items():
        setattr(trainer.args, name, value)
    trainer.train()
    assert trainer.state.best_metric == best.objective
    assert trainer.state.global_step == 2 * 3, "the batch of the best run"
    assert trainer.evaluate()["eval_ndcg@10"] == best.objective


def test_the_search_goes_by_the_metric_that_decides(tmp_path):
    trainer = searching(tmp_path, metric_for_best_model="eval_loss", num_train_epochs=1)
    best = trainer.hyperparameter_search(n_trials=1, backend="optuna")
    assert best.objective == trainer.state.best_metric > 0
    assert set(best.hyperparameters) == {"learning_rate", "weight_decay", "new_category_weight"}
    with pytest.raises(ValueError, match="compute_objective is given without direction"):
        trainer.hyperparameter_search(compute_objective=lambda metrics: metrics["eval_loss"], backend="optuna")


def test_the_epoch_of_a_quick_trial_is_counted(tmp_path):
    trainer = searching(tmp_path, num_train_epochs=1, quick=True)
    trainer.hyperparameter_search(n_trials=1, backend="optuna", study=tmp_path / "study.db")
    study = open_study(tmp_path / "study.db", "maximize")
    assert [trial["epochs"] for trial in trial_table(study)] == [1]
