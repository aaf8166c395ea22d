"""One run of a benchmark: fit a model with one seed, evaluate it on the test split, measure its cost."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedConfig

from ..catalogue.item_table import distinct_texts
from ..evaluation.categories import by_category, check_category_column
from ..evaluation.fingerprint import evaluation_fingerprint
from ..evaluation.more_metrics import metric_names
from ..evaluation.purposes import DISCOVER
from ..evaluation.ranker_evaluation import LOST, Ranker, RankingReport, evaluate_ranker
from ..evaluation.recommendation_ranking.ranking_metrics import METRIC_NAMES
from ..model_cards.report_page import learning_curve
from ..model_cards.settings import model_settings, training_settings
from ..modeling_xcat.hub_xcat import fetched_commit, is_local
from ..ranking.recommender import XCatRecommender
from ..tokenization.interests.reader import NO_INTEREST
from ..tokenization.sequences.build import target_histories, trained_items
from ..tokenization.sequences.split_data import SplitData
from ..tokenization.tables.schema import ShopTables
from ..tokenization.text.vocabulary_texts import items_table
from ..tokenization.vocabulary import NUM_SPECIAL_ROWS
from ..training.arguments import XCatTrainingArguments
from ..training.preparation.from_base import prepare_from_base
from ..training.preparation.options import PreparationOptions, PreparedTraining
from ..training.preparation.prepare import prepare_training, split_shop
from ..training.provenance import (
    describe_machine,
    installed_versions,
    peak_memory_mb,
    source_commit,
)
from ..training.recipes import OWN, RECIPES, find_recipe
from ..training.tasks.next_item import NEXT_ITEM
from ..training.tasks.task import find_task
from ..training.trainer import XCatTrainer
from .baseline_registry import BASELINES, BaselineData
from .baselines import FINE_TUNED, FROM_BASE, ZERO_SHOT, check_model
from .bench_asks import add_missing_asks, ask_kinds, check_asks, measure_asks
from .fields import split_fields
from .read_shop import read_shop

SPLIT_SEED = 0
"""Default seed of ties and cold items, the same for every run; the run's own seed is for its training."""
USER_METRICS = ("recall@10", "ndcg@10")
"""Metrics with stored values per user; requested metrics at 10 have them too."""


@dataclass(frozen=True)
class BenchRequest:
    """Inputs of a run.

    Args:
        model: One of `BASELINES` or `FROM_BASE`, or a name of `RECIPES`.
        seed: Seed of weights and training.
        data: As in `load_shop`.
        items: As in `load_shop`.
        events: As in `load_shop`.
        columns: Column names, as `parse_columns` reads them; None for the names in the base's training, for every
            model of the file, or the default names.
        unknown_items: "error" or "drop".
        missing_users: "error" or "drop".
        time_format: As in `load_shop`; None for the format in the base's training, or to detect it.
        encoding: Likewise.
        fields: Fields of `PreparationOptions`, `XCatConfig` and `XCatTrainingArguments` by name; the latter two
            apply to trained models.
        base: Checkpoint that the models of `FROM_BASE` start from, a folder or repository.
        category_column: Column of the items table by which metrics are also grouped; None for no grouping.
        asks: Kinds of queries to measure the ranking with, separated by commas; None for none.
        task: Name of the task of trained models; None for next-item prediction.
        judged: Required `evaluation_fingerprint` of the test split, if other runs used it already; None for any.
    """

    model: str
    seed: int = 0
    data: str | None = None
    items: str | None = None
    events: str | None = None
    columns: str | None = None
    unknown_items: str = "error"
    missing_users: str = "error"
    time_format: str | None = None
    encoding: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    base: str | None = None
    category_column: str | None = None
    asks: str | None = None
    task: str | None = None
    judged: str | None = None

    @property
    def options(self) -> dict[str, Any]:
        """All options except model and seed, in JSON types and without folders; equal for all rows of one file."""
        named = {name: Path(value).name for name in ("data", "items", "events") if (value := getattr(self, name))}
        if self.base is not None:
            named["base"] = Path(self.base).resolve().name if is_local(self.base) else self.base
        if self.category_column is not None:
            named["category_column"] = self.category_column
        if self.asks is not None:
            named["asks"] = self.asks
        if self.task is not None:
            named["task"] = self.task
        formats = {"time_format": self.time_format, "encoding": self.encoding}
        named |= {name: value for name, value in formats.items() if value is not None}
        if self.missing_users != "error":
            named["missing_users"] = self.missing_users
        fields = {name: value for name, value in self.fields.items() if name != "cache_dir"}
        encoder = fields.get("text_encoder")
        if isinstance(encoder, str) and Path(encoder).is_dir():
            fields["text_encoder"] = Path(encoder).resolve().name
        told = {**named, "columns": self.columns, "unknown_items": self.unknown_items, **fields}
        plain: dict[str, Any] = json.loads(json.dumps(told, default=str))
        return plain


@dataclass(frozen=True)
class BenchRun:
    """Result of a run.

    Args:
        row: The object in the file.
        per_user: Metric name to (users of the test split,) values; NaN for users without such a target.
        notes: Warnings about the data, in sentences.
    """

    row: dict[str, Any]
    per_user: dict[str, np.ndarray]
    notes: tuple[str, ...] = ()


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
    check_model(request.model, request.base)
    preparation, config, training = split_fields(request.fields)
    shop = read_shop(
        request.data, items=request.items, events=request.events, columns=request.columns,
        time_format=request.time_format, encoding=request.encoding,
        unknown_items="drop" if request.unknown_items == "drop" else "error",
        missing_users="drop" if request.missing_users == "drop" else "error", saved=request.base,
    )  # fmt: skip
    if request.category_column is not None:
        check_category_column(items_table(shop.items.head(0)).schema, request.category_column)
    options = PreparationOptions(**{"split_seed": SPLIT_SEED, **preparation, "seed": request.seed})
    options = shop.resolved(options)
    check_asks(shop, ask_kinds(request.asks), options.interest_columns)
    if request.model in RECIPES or request.model in FROM_BASE:
        fitted = _train(request, shop, options, config, {**training, "output_dir": str(folder / "training")})
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
        "peak_memory_mb": round(peak_memory_mb()),
        "epochs": fitted.epochs,
        "validation": fitted.validation,
        "curve": fitted.curve,
        "config": fitted.config,
        "data": {
            **_describe_data(fitted, options, report),
            "event_roles": fitted.data.roles.to_dict(),
        },
        "options": request.options,
        "machine": describe_machine(fitted.precision),
        "versions": installed_versions(),
        "commit": source_commit(),
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
    options.config = {**recipe.config, **config}
    if options.item_features is not None and "item_features" not in config:
        options.config.pop("item_features", None)  # given columns take precedence over the recipe
    if not (options.config.get("use_text", True) and options.config.get("num_fusion_layers", 1)):
        options.interests = NO_INTEREST  # a model without text cannot use them
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
    judged = evaluation_fingerprint(data.test, data.vocabulary)
    if request.judged not in (None, judged):
        raise ValueError(
            f"the test split of {data.shop.name}, {len(data.test):,} users, differs from the test split of "
            f"the other runs in the file: users, histories, targets or items differ (fingerprint {judged[:12]}, "
            f"{str(request.judged)[:12]} in the file); give the same tables, or another output="
        )
    return judged


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
    data, shop = fitted.data, fitted.data.selected
    sharing = np.bincount(distinct_texts(data.vocabulary)[1][NUM_SPECIAL_ROWS:])
    sharing[:1] = 0  # items without text have no duplicates
    return {
        "name": shop.name,
        "users": shop.card.users,
        "items": data.vocabulary.num_items,
        "events": shop.card.rows["events"],
        "split": str(data.split),
        "tie_policy": str(options.tie_policy),
        "split_seed": options.split_seed,
        "duplicate_texts": int(sharing[sharing > 1].sum()),
        "cold_items": options.cold_items,
        "cold_policy": str(options.cold_policy) if options.cold_items else None,
        "notes": [str(problem) for problem in shop.problems],
        "test_users": report.num_users,
        "test_targets": report.num_targets,
        "judged": fitted.judged,
    }
