"""One run of a benchmark: fit a model with one seed, evaluate it on the test split, measure its cost."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from transformers import PreTrainedConfig

from ..catalogue.item_table import distinct_texts
from ..evaluation.categories import by_category
from ..evaluation.fingerprint import evaluation_fingerprint
from ..evaluation.more_metrics import metric_names
from ..evaluation.purposes import DISCOVER
from ..evaluation.ranker_evaluation import LOST, Ranker, RankingReport, evaluate_ranker
from ..evaluation.recommendation_ranking.ranking_metrics import METRIC_NAMES
from ..evaluation.user_ranker import UserRanker
from ..model_cards.report_page import learning_curve
from ..model_cards.settings import model_settings, training_settings
from ..modeling_xcat.hub_xcat import fetched_commit
from ..ranking.recommender import XCatRecommender
from ..tokenization.interests.reader import NO_INTEREST
from ..tokenization.sequences.build import target_histories, trained_items
from ..tokenization.sequences.click_options import EVENTS, ClickOptions
from ..tokenization.sequences.split_data import SplitData
from ..tokenization.tables.schema import ShopTables
from ..tokenization.vocabulary import NUM_SPECIAL_ROWS
from ..training.arguments import XCatTrainingArguments
from ..training.preparation.from_base import prepare_from_base
from ..training.preparation.options import PreparationOptions, PreparedTraining
from ..training.preparation.prepare import prepare_training, split_shop
from ..training.recipes import OWN, RECIPES, find_recipe
from ..training.tasks.click_baseline import UserItemTask
from ..training.tasks.next_item import NEXT_ITEM
from ..training.tasks.task import find_task
from ..training.trainer import XCatTrainer
from .baseline_registry import BASELINES, BaselineData
from .baselines import FINE_TUNED, FROM_BASE, ZERO_SHOT, check_model
from .bench_asks import add_missing_asks, ask_kinds, check_asks, measure_asks
from .bench_clicks import run_click_model
from .bench_request import BenchRequest, BenchRun, check_judged, describe_run, describe_split, read_run, use_recipe
from .click_fits import new_click_trainer
from .click_models import CLICK, CLICK_BASELINES, RANKING_BASELINES
from .fields import split_fields

USER_METRICS = ("recall@10", "ndcg@10")
"""Metrics with stored values per user; requested metrics at 10 have them too."""

_NEGATIVES = 4
"""Sampled negatives per positive of models of users and items, if users lack so many items."""


@dataclass(frozen=True)
class _Fitted:
    """A fitted model and its cost."""

    ranker: Ranker
    data: SplitData
    judged: str
    config: dict[str, Any]
    prepare_seconds: float
    fit_seconds: float
    precision: str = "fp32"
    epochs: float | None = None
    validation: dict[str, float | None] | None = None
    curve: list[dict[str, Any]] | None = None
    notes: Sequence[str] = ()


def run_model(request: BenchRequest, folder: Path) -> BenchRun:
    """Load the tables, fit one model and evaluate it.

    Args:
        request: The run.
        folder: Where a trainer may write; the caller removes it.

    Raises:
        ValueError: If the model, the tables or a field cannot be used, or the test split differs from other runs.
    """
    if request.task == CLICK:
        return run_click_model(request, folder)
    check_model(request.model, request.base)
    preparation, config, training = split_fields(request.fields)
    shop, options = read_run(request, preparation)
    check_asks(shop, ask_kinds(request.asks), options.interest_columns)
    if request.model in RECIPES or request.model in FROM_BASE:
        fitted = _train(request, shop, options, config, {**training, "output_dir": str(folder / "training")})
    elif request.model in RANKING_BASELINES:
        fitted = _fit_users(request, shop, options, {**training, "output_dir": str(folder / "training")})
    else:
        fitted = _fit_baseline(request, shop, options, str(training.get("precision", "auto")))
    trained = trained_items(fitted.data.train, len(fitted.data.vocabulary))
    names = metric_names(training.get("metrics", ()))
    begin = time.perf_counter()
    report = evaluate_ranker(fitted.ranker, fitted.data.test, fitted.data.vocabulary, trained=trained, metrics=names)
    evaluate_seconds = time.perf_counter() - begin
    judged = json.loads(report.to_json())
    row = {
        "model": request.model,
        "seed": request.seed,
        "metrics": judged["metrics"],
        "slices": judged["slices"],
        LOST: judged[LOST],
        DISCOVER: judged[DISCOVER],
        "prepare_seconds": round(fitted.prepare_seconds, 2),
        "fit_seconds": round(fitted.fit_seconds, 2),
        "evaluate_seconds": round(evaluate_seconds, 2),
        "epochs": fitted.epochs,
        "validation": fitted.validation,
        "curve": fitted.curve,
        "config": fitted.config,
        "data": _describe_data(fitted, options, report),
        **describe_run(request, fitted.precision),
    }
    if request.category_column is not None:
        parted = by_category(report, fitted.data.test, fitted.data.vocabulary, request.category_column)
        row["by_category"] = parted.rows
    asked: dict[str, np.ndarray] = {}
    if request.asks is not None:
        add_missing_asks(fitted.data, options.interest_columns)
        row["asks"], asked = measure_asks(
            fitted.ranker, fitted.data.test, fitted.data.vocabulary, trained, ask_kinds(request.asks)
        )
    stored = {*USER_METRICS, *(f"{name}@10" for name in names[len(METRIC_NAMES) :])}
    return BenchRun(row, _user_values(report, stored) | asked, tuple(fitted.notes))


def _user_values(report: RankingReport, stored: Collection[str]) -> dict[str, np.ndarray]:
    """Values per user of some metrics, for both purposes; names of discovery begin with `discover.`."""
    new = {} if report.discover is None else report.discover.per_user
    per_user = report.per_user | {f"{DISCOVER}.{name}": values for name, values in new.items()}
    return {name: per_user[name] for name in sorted(per_user) if name.rpartition(".")[2] in stored}


def _train(
    request: BenchRequest,
    shop: ShopTables,
    options: PreparationOptions,
    config: Mapping[str, Any],
    training: Mapping[str, Any],
) -> _Fitted:
    """Train a recipe or a base, or use a base unchanged; given fields take precedence over the recipe's."""
    begin = time.perf_counter()
    recipe = find_recipe(OWN if request.model in FROM_BASE else request.model)
    use_recipe(recipe, options, config)
    arguments = XCatTrainingArguments(**recipe.training_fields({**training, "seed": request.seed}))
    precision = "bf16" if arguments.bf16 else "fp32"
    prepared = _prepare(request, shop, options, precision)
    vocabulary = prepared.processor.catalogue
    judged = _check_splits(request, prepared.data, "validation", "test")
    start, epochs = time.perf_counter(), 0.0
    curve: list[dict[str, Any]] = []
    trainer: XCatTrainer | None = None
    if request.model != ZERO_SHOT:
        task = find_task(request.task or NEXT_ITEM)
        trainer = XCatTrainer(
            task.new_model(prepared.model),
            arguments,
            train_dataset=prepared.splits["train"],
            eval_dataset=prepared.splits["validation"],
            processing_class=prepared.processor,
            interests=prepared.interests,
            task=task,
        )
        arguments, start = trainer.args, time.perf_counter()
        epochs = float(trainer.train().metrics.get("epoch", 0))
        best = trainer.state.best_global_step if arguments.load_best_model_at_end else None
        curve = learning_curve(trainer.state.log_history, best)
    end = time.perf_counter()
    recommender = XCatRecommender(
        prepared.model, prepared.processor
    )  # after training, because it stores the item vectors
    chosen_on: Ranker = recommender if trainer is None else trainer.held_out_ranker(recommender)
    validation = evaluate_ranker(chosen_on, prepared.splits["validation"], vocabulary, trained=prepared.trained)
    trained = {} if request.model == ZERO_SHOT else training_settings(arguments)
    settings = {"model": model_settings(prepared.model.config), "training": trained}
    if request.base is not None and request.model in FROM_BASE:
        settings["base"] = {"name": request.options["base"], "commit": fetched_commit(request.base)}
    return _Fitted(
        recommender,
        prepared.data,
        judged,
        json.loads(json.dumps(settings, default=str)),
        prepare_seconds=start - begin,
        fit_seconds=end - start,
        precision=precision,
        epochs=round(epochs, 2),
        validation=_validation_metrics(validation),
        curve=curve or None,
        notes=prepared.notes,
    )


def _validation_metrics(report: RankingReport) -> dict[str, float | None]:
    """Metrics of both purposes, without slices; names of discovery begin with `discover.`."""
    found = {name: value for name, value in report.flat().items() if "slices." not in name}
    return {name: None if np.isnan(value) else value for name, value in found.items()}


def _prepare(request: BenchRequest, shop: ShopTables, options: PreparationOptions, precision: str) -> PreparedTraining:
    if request.model not in FROM_BASE or request.base is None:
        return prepare_training(shop, options, precision)
    options = replace(options, text_encoder=None)  # for the other models only; the base has its own
    # A zero-shot model must not use any of this data set's events, not even counts and neighbours.
    return prepare_from_base(shop, options, request.base, recount=request.model == FINE_TUNED)[0]


def _check_splits(request: BenchRequest, data: SplitData, *parts: str) -> str:
    """Compute the fingerprint of the test split, after checking that all parts have users and other runs used it.

    Raises:
        ValueError: If it is not so.
    """
    data.require(*parts, "test")
    return check_judged(request, data, evaluation_fingerprint(data.test, data.vocabulary))


def _fit_baseline(request: BenchRequest, shop: ShopTables, options: PreparationOptions, precision: str) -> _Fitted:
    """Fit a baseline; texts are encoded only for one that reads them, as for a trained model."""
    begin, baseline = time.perf_counter(), BASELINES[request.model]
    texts: dict[str, Any] = {}
    if baseline.reads_text:
        options.interests = NO_INTEREST
        options.config = {
            "use_item_ids": False, "item_features": {}, "soft_target_weight": 0.0, "num_fusion_layers": 0,
        }  # fmt: skip
        prepared = prepare_training(shop, options, precision)
        data, items = prepared.data, prepared.model.model.items
        texts = {
            "text_states": items.text_states[:, 0], "text_index": items.text_index,
            "encode": partial(_encode, prepared),
        }  # fmt: skip
    else:
        data = split_shop(shop, options)
    judged = _check_splits(request, data)
    start = time.perf_counter()
    written = [""] * NUM_SPECIAL_ROWS + [text or "" for text in data.vocabulary.column("text").to_pylist()]
    model = baseline.fit(BaselineData(
        target_histories(data.train), len(data.vocabulary), texts=written, train=data.train,
        validation=data.validation, **texts,
    ))  # fmt: skip
    end = time.perf_counter()
    return _Fitted(model, data, judged, _told(getattr(model, "config", None)), start - begin, end - start)


def _fit_users(
    request: BenchRequest, shop: ShopTables, options: PreparationOptions, training: Mapping[str, Any]
) -> _Fitted:
    """Train a model of users and items with binary cross-entropy, and rank with it.

    He et al. (WWW 2017) draw four uniform negatives per positive, too. The log loss of validation targets, beside
    negatives of their own, decides about epochs.
    """
    begin, data = time.perf_counter(), split_shop(shop, options)
    judged = _check_splits(request, data, "validation")
    count = _possible_negatives(data)
    task = UserItemTask(ClickOptions(labels=EVENTS, train_negatives=count, eval_negatives=count))
    task = task.for_data(split_shop(shop, options, split=task.split))
    trainer = new_click_trainer(CLICK_BASELINES[request.model], task, {**training, "seed": request.seed})
    start = time.perf_counter()
    epochs = float(trainer.train().metrics.get("epoch", 0))
    end = time.perf_counter()
    model: Any = trainer.model
    ranker = UserRanker(model, task.user_rows())
    trained = trained_items(data.train, len(data.vocabulary))
    validation = evaluate_ranker(ranker, data.validation, data.vocabulary, trained=trained)
    settings = {"model": model_settings(model.config), "training": training_settings(trainer.args)}
    return _Fitted(
        ranker, data, judged, json.loads(json.dumps(settings, default=str)), start - begin, end - start,
        "bf16" if trainer.args.bf16 else "fp32", round(epochs, 2), _validation_metrics(validation),
        learning_curve(trainer.state.log_history, trainer.state.best_global_step) or None,
        _notes_on_negatives(request.model, count),
    )  # fmt: skip


def _possible_negatives(data: SplitData) -> int:
    """Sampled negatives per positive: `_NEGATIVES`, or fewer if half of the users lack fewer items."""
    had = data.selected.events.group_by("user_id").agg(pl.col("item_id").n_unique())["item_id"].to_numpy()
    return int(np.clip(np.median(data.vocabulary.num_items - had), 1, _NEGATIVES))


def _notes_on_negatives(model: str, count: int) -> list[str]:
    if count == _NEGATIVES:
        return []
    return [
        f"{model}: {count} sampled negatives per positive in place of {_NEGATIVES}, because half of the users have an "
        f"event with all items but {count} or fewer"
    ]


@torch.no_grad()
def _encode(prepared: PreparedTraining, texts: Sequence[str], query: bool) -> torch.Tensor:
    """(texts, dim) pooled states of texts, not whitened."""
    parts, text = [torch.zeros(0, prepared.model.config.text_dim)], prepared.model.model.text
    for start in range(0, len(texts), 256):
        tokens = prepared.processor.tokenize(texts[start : start + 256], query=query)
        parts.append(text(tokens["input_ids"], tokens["attention_mask"])[0][:, 0].float())
    return torch.cat(parts)


def _told(config: PreTrainedConfig | None) -> dict[str, Any]:
    """Settings of a baseline."""
    names = ("neighbours", "shrink", "ridge", "window", "decay", "history", "weeks")
    return {"model": {name: getattr(config, name) for name in names if hasattr(config, name)}}


def _describe_data(fitted: _Fitted, options: PreparationOptions, report: RankingReport) -> dict[str, Any]:
    sharing = np.bincount(distinct_texts(fitted.data.vocabulary)[1][NUM_SPECIAL_ROWS:])
    sharing[:1] = 0  # items without text have no duplicates
    return {
        **describe_split(fitted.data, options),
        "duplicate_texts": int(sharing[sharing > 1].sum()),
        "test_users": report.num_users,
        "test_targets": report.num_targets,
        "judged": fitted.judged,
    }
