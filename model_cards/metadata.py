"""The parts of a card that the hub reads: the YAML block and the files in `.eval_results`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import yaml
from huggingface_hub import EvalResult, ModelCardData

from ..evaluation.click_evaluation import TABLE_METRICS
from ..evaluation.more_metrics import DECIDING_METRIC
from ..evaluation.purposes import DISCOVER
from ..registration import TASK as PIPELINE
from .click_section import HEADINGS
from .markdown import is_hub_id, line, metric_label, slug, usable_id
from .scrubbing import scrub

if TYPE_CHECKING:
    from .card_data import XCatModelCardData

LIBRARY = "xcat-rec"
BENCHMARK_METRIC = DECIDING_METRIC
"""The metric for a leaderboard of the hub, which takes one value per model and task."""
HUB_METRICS = {"auc": "roc_auc"}
"""Metrics of clicks that have another name on the hub."""


def card_metadata(data: XCatModelCardData) -> ModelCardData:
    """The YAML block: fields of the hub, and this model's metrics.

    Args:
        data: The data of the card.
    """
    results = model_index(data)
    tags = ["recommendation", "sequential-recommendation", "cross-attention", *map(line, data.tags or ())]
    base = data.base_model if is_hub_id(data.base_model) else None
    emissions = data.training.emissions
    hidden = ("energy_kwh", "tracker_version")
    further: dict[str, Any] = {
        "base_model_relation": ("adapter" if data.adapter else "finetune") if base and data.base_checkpoint else None,
        "co2_eq_emissions": emissions and {name: v for name, v in emissions.items() if name not in hidden},
    }
    return ModelCardData(
        language=data.language or None,
        license=data.license,
        license_name=data.license_name,
        license_link=data.license_link,
        library_name=LIBRARY,
        pipeline_tag=PIPELINE,
        tags=tags,
        base_model=base,
        datasets=[str(data.dataset_id)] if is_hub_id(data.dataset_id) else None,
        metrics=list(dict.fromkeys(result.metric_type for result in results)) or None,
        model_name=line(data.model_name or f"XCat for {data.dataset_name}") if results else None,
        eval_results=results or None,
        **further,
    )


def model_index(data: XCatModelCardData) -> list[EvalResult]:
    """This model's metrics of clicks, and on all test targets for both purposes, for the hub's model index."""
    return [*_of_clicks(data), *_of_lists(data)]


def _of_clicks(data: XCatModelCardData) -> list[EvalResult]:
    """Metrics of click probabilities; labels of different kinds are different configurations of the data."""
    if data.clicks is None:
        return []
    report, words = data.clicks.reports[data.own_name], data.clicks.words
    about = {"task_name": line(words.task), "dataset_config": f"{report.kind} labels"}
    values = {name: report.value(name) for name in TABLE_METRICS}
    return [
        _result(data, HUB_METRICS.get(name, name), HEADINGS[name], value, **about)
        for name, value in values.items()
        if math.isfinite(value)
    ]


def _of_lists(data: XCatModelCardData) -> list[EvalResult]:
    """Metrics of ranked lists on all test targets, for both purposes."""
    report = data.results.get(data.own_name)
    if report is None:
        return []
    new = {} if report.discover is None else report.discover.metrics
    figures = [(metric_label(name), name, report.metrics) for name in data.card_metrics]
    figures += [(metric_label(f"{DISCOVER}_{name}"), name, new) for name in data.card_metrics]
    return [
        _result(data, name.partition("@")[0], label, metrics[name], task_name=line(data.task))
        for label, name, metrics in figures
        if math.isfinite(metrics.get(name, math.nan))
    ]


def _result(data: XCatModelCardData, metric_type: str, metric_name: str, value: float, **about: Any) -> EvalResult:
    """One value of the model index, on the test split of the card's data."""
    known = is_hub_id(data.dataset_id)
    return EvalResult(
        task_type=PIPELINE,
        dataset_type=str(data.dataset_id) if known else slug(scrub(data.dataset_name)),
        dataset_name=line(data.dataset_name),
        dataset_split="test",
        dataset_revision=data.dataset_revision if known else None,
        dataset_args={"split": str(data.split)},
        metric_type=metric_type,
        metric_name=metric_name,
        metric_value=round(float(value), 6),
        **about,
    )


def eval_result_files(data: XCatModelCardData) -> dict[str, str]:
    """The files that put a model on the leaderboard of a benchmark.

    Args:
        data: The data of the card.

    Returns:
        Path in the repository to content. Empty for data that are not a benchmark on the hub, which refuses such a
        file, and for a model that was not evaluated.

    Raises:
        ImportError: If huggingface_hub is older than these files (1.4).
    """
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    report = data.results.get(data.own_name)
    value = math.nan if report is None else report.metrics.get(BENCHMARK_METRIC, math.nan)
    if report is None or not is_hub_id(data.dataset_id) or not data.benchmark_task or not math.isfinite(value):
        return {}
    found = report.interval(BENCHMARK_METRIC)
    between = "" if found is None else f", {found.level:.0%} interval {found.low:.4f} to {found.high:.4f}"
    source = f"https://huggingface.co/{data.model_id}" if usable_id(data.model_id) == data.model_id else None
    entry = EvalResultEntry(
        dataset_id=str(data.dataset_id),
        task_id=data.benchmark_task,
        value=round(float(value), 6),
        dataset_revision=data.dataset_revision,
        source_url=source,
        source_name="model card" if source else None,
        notes=f"{metric_label(BENCHMARK_METRIC)} over the whole catalogue, split {line(data.split)}{between}",
    )
    content = yaml.safe_dump(eval_result_entries_to_yaml([entry]), sort_keys=False, allow_unicode=True)
    return {f".eval_results/{slug(str(data.dataset_id))}-{slug(data.benchmark_task)}.yaml": scrub(content)}
