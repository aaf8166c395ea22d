"""One run of a benchmark of clicks: fit a model with one seed, calibrate it, and evaluate it on the test split."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset

from ..evaluation.click_evaluation import click_report
from ..evaluation.click_floors import click_floors
from ..evaluation.click_prediction.click_metrics import CLICK_METRICS, Predictions
from ..evaluation.fingerprint import evaluation_fingerprint
from ..model_cards.report_page import learning_curve
from ..model_cards.settings import model_settings, training_settings
from ..modeling_xcat.calibration_xcat import ClickCalibration
from ..tokenization.sequences.build import trained_items
from ..tokenization.sequences.click_rows import ClickData
from ..tokenization.sequences.shown import flat_lists
from ..tokenization.tables.schema import ShopTables
from ..training.arguments import XCatTrainingArguments
from ..training.preparation.options import PreparationOptions
from ..training.preparation.prepare import prepare_training, split_shop
from ..training.recipes import find_recipe
from ..training.tasks.click import ClickTask
from ..training.tasks.click_baseline import ClickBaselineTask
from ..training.tasks.click_prediction import sigmoid
from ..training.trainer import XCatTrainer
from ..training.tuning.calibration import fit_calibration
from .bench_request import (
    LABEL,
    PROBABILITY,
    USER,
    BenchRequest,
    BenchRun,
    check_judged,
    describe_run,
    describe_split,
    read_run,
    use_recipe,
)
from .click_fits import new_click_trainer
from .click_models import CLICK_BASELINES, FLOORS
from .fields import split_fields


@dataclass(frozen=True)
class _FittedClicks:
    """A fitted model, its calibrated probabilities, and its cost."""

    data: ClickData
    probabilities: np.ndarray
    config: dict[str, Any]
    prepare_seconds: float
    fit_seconds: float
    evaluate_seconds: float
    precision: str = "fp32"
    epochs: float | None = None
    calibration: str | None = None
    validation: dict[str, float] | None = None
    curve: list[dict[str, Any]] | None = None
    notes: tuple[str, ...] = ()


def run_click_model(request: BenchRequest, folder: Path) -> BenchRun:
    """Load the tables, fit one model of clicks and evaluate it.

    Args:
        request: The run.
        folder: Where a trainer may write; the caller removes it.

    Raises:
        ValueError: If the tables or a field cannot be used, or the test split differs from other runs.
    """
    preparation, config, training = split_fields(request.fields)
    shop, options = read_run(request, preparation)
    training = {**training, "output_dir": str(folder / "training"), "seed": request.seed}
    if request.model in FLOORS:
        fitted = _fit_floor(request, shop, options)
    elif request.model in CLICK_BASELINES:
        fitted = _fit_baseline(request, shop, options, config, training)
    else:
        fitted = _fit_own(request, shop, options, config, training)
    data = fitted.data
    trained = trained_items(data.train, len(data.vocabulary))
    column = {} if request.category_column is None else {"category_column": request.category_column}
    report = click_report(fitted.probabilities, data.test, data.vocabulary, trained, kind=data.kind, **column)
    measured = json.loads(report.to_json())
    row = {
        "model": request.model,
        "seed": request.seed,
        "task": request.task,
        "negatives": data.kind if data.sampler is not None else None,
        "labels": data.kind,
        **{name: measured[name] for name in ("metrics", "slices", "categories")},
        **{name: measured[name] for name in ("num_rows", "num_positives", "num_users", "num_left_out")},
        "prepare_seconds": round(fitted.prepare_seconds, 2),
        "fit_seconds": round(fitted.fit_seconds, 2),
        "evaluate_seconds": round(fitted.evaluate_seconds, 2),
        "epochs": fitted.epochs,
        "calibration": fitted.calibration,
        "validation": fitted.validation,
        "curve": fitted.curve,
        "config": fitted.config,
        "data": {
            **describe_split(data, options),
            "left_out": data.left_out,
            "true_rate": data.true_rate,
            "train_rate": data.train_rate,
            "test_users": report.num_users,
            "judged": check_judged(request, data, evaluation_fingerprint(data.test, data.vocabulary)),
        },
        **describe_run(request, fitted.precision),
    }
    return BenchRun(row, _arrays(fitted), fitted.notes)


def _arrays(fitted: _FittedClicks) -> dict[str, np.ndarray]:
    """Probability, label and user of each impression of the test split, in the order of its rows."""
    test = fitted.data.test
    users = np.unique(_users(test), return_inverse=True)[1]
    return {PROBABILITY: fitted.probabilities, LABEL: flat_lists(test, "shown_labels")[1], USER: users}


def _split(request: BenchRequest, shop: ShopTables, options: PreparationOptions) -> ClickBaselineTask:
    """The task of baselines, with its split data."""
    task = ClickBaselineTask().with_options(**request.task_options)
    task = task.for_data(split_shop(shop, options, split=task.split))
    task.data.require("train", "validation", "test")
    return task


def _fit_floor(request: BenchRequest, shop: ShopTables, options: PreparationOptions) -> _FittedClicks:
    """A floor, as in every table of `fit` and `evaluate`; without categories every item matches alike."""
    begin = time.perf_counter()
    data = _split(request, shop, options).data
    start = time.perf_counter()
    kept = data.kept_rate
    test, known = (
        click_floors(data.train, data.validation, rows, data.vocabulary, rate=kept)
        for rows in (data.test, data.validation)
    )
    notes: tuple[str, ...] = ()
    if request.model not in test:
        notes = (f"{request.model}: no item has a category, so it predicts the same for all items",)
        rate = kept or float(flat_lists(data.validation, "shown_labels")[1].mean())
        test[request.model], known[request.model] = (
            np.full(len(flat_lists(rows, "shown_items")[1]), rate) for rows in (data.test, data.validation)
        )
    return _FittedClicks(
        data, test[request.model], {"model": {}}, start - begin, time.perf_counter() - start, 0.0,
        validation=_validation_metrics(data, known[request.model]), notes=notes,
    )  # fmt: skip


def _fit_baseline(
    request: BenchRequest, shop: ShopTables, options: PreparationOptions, config: Mapping[str, Any], training: Any
) -> _FittedClicks:
    """Fit or count a baseline, and calibrate it on the validation split, as XCat is calibrated."""
    begin, baseline = time.perf_counter(), CLICK_BASELINES[request.model]
    task = _split(request, shop, options)
    data = task.data
    trainer = new_click_trainer(baseline, task, training, config.get("max_history"))
    model: Any = trainer.model
    start = time.perf_counter()
    epochs, curve = _train(trainer) if baseline.trained else (None, None)
    calibration = ClickCalibration()
    known = task.logits(trainer, data.validation)
    fit = fit_calibration(
        calibration, known, np.array(flat_lists(data.validation, "shown_labels")[1]), _users(data.validation),
        shift=task.shift, seed=request.seed, rate=data.kept_rate, log_odds=baseline.trained,
    )  # fmt: skip
    end = time.perf_counter()
    logits = task.logits(trainer, data.test)
    settings = {"model": model_settings(model.config), "training": training_settings(trainer.args)}
    return _FittedClicks(
        data, _calibrated(calibration, logits), settings, start - begin, end - start, time.perf_counter() - end,
        "bf16" if trainer.args.bf16 else "fp32", epochs, fit.method,
        _validation_metrics(data, _calibrated(calibration, known)), curve,
    )  # fmt: skip


def _train(trainer: XCatTrainer) -> tuple[float, list[dict[str, Any]]]:
    """Train; epochs and learning curve."""
    epochs = float(trainer.train().metrics.get("epoch", 0))
    best = trainer.state.best_global_step if trainer.args.load_best_model_at_end else None
    return round(epochs, 2), learning_curve(trainer.state.log_history, best)


def _fit_own(
    request: BenchRequest, shop: ShopTables, options: PreparationOptions, config: Mapping[str, Any], training: Any
) -> _FittedClicks:
    """Train XCat or a variant; its evidence and calibration are fitted on the validation split at the end."""
    begin, recipe = time.perf_counter(), find_recipe(request.model)
    use_recipe(recipe, options, config)
    arguments = XCatTrainingArguments(**recipe.training_fields({"tune_lists": False, **training}))
    task = ClickTask().with_options(**request.task_options)
    prepared = prepare_training(shop, options, "bf16" if arguments.bf16 else "fp32", split=task.split)
    task = task.for_data(prepared.data)
    data = task.data
    data.require("validation", "test")
    trainer = XCatTrainer(
        task.new_model(prepared.model), arguments, prepared.splits["train"], prepared.splits["validation"],
        prepared.processor, interests=prepared.interests, task=task,
    )  # fmt: skip
    start = time.perf_counter()
    epochs, curve = _train(trainer)
    end = time.perf_counter()
    found = task.probabilities(trainer, prepared.splits["test"])
    settings = {"model": model_settings(prepared.model.config), "training": training_settings(trainer.args)}
    return _FittedClicks(
        data, found, settings, start - begin, end - start, time.perf_counter() - end,
        "bf16" if arguments.bf16 else "fp32", epochs, None,
        _validation_metrics(data, task.probabilities(trainer, prepared.splits["validation"])), curve,
        tuple(prepared.notes),
    )  # fmt: skip


def _calibrated(calibration: ClickCalibration, logits: np.ndarray) -> np.ndarray:
    """(showings,) calibrated probabilities."""
    with torch.no_grad():
        return sigmoid(calibration(torch.from_numpy(logits)).numpy())


def _users(rows: Dataset) -> np.ndarray:
    """(showings,) user of each showing."""
    names = np.asarray(rows.with_format(None)["user_id"][:])
    return np.repeat(names, flat_lists(rows, "shown_items")[0])


def _validation_metrics(data: ClickData, probabilities: np.ndarray) -> dict[str, float]:
    """Metrics of the validation split, on which calibration and stopping were chosen."""
    found = Predictions(probabilities, flat_lists(data.validation, "shown_labels")[1], _users(data.validation))
    values = {name: metric(found, found.weights) for name, metric in CLICK_METRICS.items()}
    return {name: value for name, value in values.items() if np.isfinite(value)}
