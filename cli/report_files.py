"""`--report`: the HTML page that fit, evaluate and bench write beside what they print."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..evaluation.protocol import LOST, RankingReport
from ..inference.checkpoint_evaluation import MODEL_NAME, EvaluationData
from ..model_cards.markdown import duration
from ..model_cards.report_page import ReportContext, learning_curve, write_report
from ..model_cards.settings import model_settings, training_settings
from ..tokenization.schema import ShopTables
from ..workflows.fit_card import changed_options
from ..workflows.results import by_model
from .argument_options import with_options
from .bench_results import BenchResults, values_of
from .console import messages

if TYPE_CHECKING:
    from ..inference.recommender import XCatRecommender
    from ..workflows.fit import FitResult


def report_fit(path: Path, outcome: FitResult, shop: ShopTables) -> None:
    """Write the page of a fit.

    Args:
        path: The file.
        outcome: What came of the fit.
        shop: The tables, whose warnings are shown without values of users.
    """
    card = outcome.card
    assert card is not None
    record = card.training
    settings = {"Preparation": dict(card.preparation)}
    settings["Model"] = {} if record.config is None else model_settings(record.config)
    settings["Training"] = {} if record.arguments is None else training_settings(record.arguments)
    facts = {
        "Data": card.dataset_name, "Split": f"{card.split}, test", "Machine": record.hardware,
        "Training time": duration(record.seconds), "Epochs": f"{outcome.epochs:g}",
        "Parameters": f"{outcome.parameters[0]:,} trained of {outcome.parameters[1]:,}",
    }  # fmt: skip
    context = ReportContext(
        facts=facts,
        curves={card.own_name: learning_curve(record.log, record.best_step)},
        recommender=outcome.recommender,
        settings=settings,
        notes=_notes(shop, card.notes),
        command=card.command,
    )
    _write(path, outcome.reports, card.model_name or card.dataset_name, card.own_name, context)


def report_evaluation(
    path: Path,
    reports: Mapping[str, RankingReport],
    recommender: XCatRecommender,
    judging: EvaluationData,
    shop: ShopTables,
    command: str,
) -> None:
    """Write the page of an evaluation of a checkpoint; arguments as `xcat evaluate` has them."""
    settings = {"Events": changed_options(judging.options), "Model": model_settings(recommender.model.config)}
    context = ReportContext(
        facts={"Data": shop.name, "Split": f"{judging.options.split}, {judging.part}"},
        recommender=recommender,
        settings=settings,
        notes=_notes(shop, judging.notes),
        command=command,
    )
    _write(path, reports, f"XCat on {shop.name}", MODEL_NAME, context)


def report_bench(
    path: Path, results: BenchResults, findings: Sequence[str], fields: Mapping[str, Any], command: str
) -> None:
    """Write the page of a benchmark: means over seeds, with intervals over users."""
    data = results.rows[0]["data"]
    runs = {model: len(group) for model, group in by_model(results.rows).items()}
    facts = {
        "Data": data["name"], "Split": f"{data['split']}, test",
        "Runs": ", ".join(f"{model} {count}" for model, count in runs.items()),
        "Metrics": "means over the runs of a model",
    }  # fmt: skip
    curves = {row["model"]: row["curve"] for row in reversed(results.rows) if row.get("curve")}
    context = ReportContext(
        facts=facts,
        curves={model: curves[model] for model in runs if model in curves},
        findings=findings,
        settings={"All trained models": fields},
        notes=[with_options(note) for note in data.get("notes", [])],
        command=command,
    )
    _write(path, mean_reports(results), f"Benchmark on {data['name']}", None, context)


def mean_reports(results: BenchResults) -> dict[str, RankingReport]:
    """One report per model: means over its runs, and per user the mean over its runs."""
    found = {}
    for model, rows in by_model(results.rows).items():
        first = rows[0]
        keys = [key.split("/", 2)[2] for key in results.users if key.startswith(f"{model}/{first['seed']}/")]
        per_user = {
            key: np.mean([results.users[f"{model}/{row['seed']}/{key}"] for row in rows], axis=0) for key in keys
        }
        slices = {name: _means(rows, name, metrics) for name, metrics in first["slices"].items()}
        found[model] = RankingReport(
            metrics=_means(rows, "", first["metrics"]),
            slices=slices,
            num_users=first["data"]["test_users"],
            num_targets=first["data"]["test_targets"],
            per_user=per_user,
            lost_to_untrained=_means(rows, LOST, first.get(LOST) or {}),
        )
    return found


def _means(rows: Sequence[dict[str, Any]], part: str, metrics: Mapping[str, Any]) -> dict[str, float]:
    values = {name: values_of(rows, part, name) for name in metrics}
    return {name: float(np.mean(found)) if found else float("nan") for name, found in values.items()}


def _notes(shop: ShopTables, others: Sequence[str]) -> list[str]:
    """Warnings about the tables, with values of users masked even where they are printed, and others."""
    return [with_options(note) for note in (*map(str, shop.problems), *others)]


def _write(
    path: Path, reports: Mapping[str, RankingReport], title: str, own: str | None, context: ReportContext
) -> None:
    if int(os.environ.get("RANK", "0")):
        return  # the first process writes
    write_report(path, reports, title=title, own=own, context=context)
    messages.print(f"report: {path}", markup=False, highlight=False)
