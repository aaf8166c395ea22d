"""`--report`: the HTML page that fit, evaluate and bench also write."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..evaluation.ranker_evaluation import RankingReport
from ..model_cards.markdown import duration
from ..model_cards.report_page import ReportContext, learning_curve, write_report
from ..model_cards.settings import model_settings, training_settings
from ..tokenization.tables.schema import ShopTables
from ..workflows.checkpoint_evaluation import EvaluationData
from ..workflows.fit_card import changed_options
from ..workflows.fit_result import MODEL_NAME
from ..workflows.results import Row, by_model
from .argument_options import with_options
from .console import messages

if TYPE_CHECKING:
    from ..ranking.recommender import XCatRecommender
    from ..workflows.fit_result import FitResult


def report_fit(path: Path, outcome: FitResult, shop: ShopTables) -> None:
    """Write the page of a fit.

    Args:
        path: The file.
        outcome: Result of the fit.
        shop: The tables; their warnings are shown without user values.
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
    """Write the page of a checkpoint's evaluation; arguments as in `xcat evaluate`."""
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
    path: Path,
    rows: Sequence[Row],
    reports: Mapping[str, RankingReport],
    findings: Sequence[str],
    fields: Mapping[str, Any],
    command: str,
) -> None:
    """Write the page of a benchmark: means over seeds, with intervals over users."""
    data = rows[0]["data"]
    runs = {model: len(group) for model, group in by_model(rows).items()}
    facts = {
        "Data": data["name"], "Split": f"{data['split']}, test",
        "Runs": ", ".join(f"{model} {count}" for model, count in runs.items()),
        "Metrics": "means over the runs of a model",
    }  # fmt: skip
    curves = {row["model"]: row["curve"] for row in reversed(rows) if row.get("curve")}
    context = ReportContext(
        facts=facts,
        curves={model: curves[model] for model in runs if model in curves},
        findings=findings,
        settings={"All trained models": fields},
        notes=[with_options(note) for note in data.get("notes", [])],
        command=command,
    )
    _write(path, reports, f"Benchmark on {data['name']}", None, context)


def _notes(shop: ShopTables, others: Sequence[str]) -> list[str]:
    """Warnings about the tables, with user values always masked, and other notes."""
    return [with_options(note) for note in (*map(str, shop.problems), *others)]


def _write(
    path: Path, reports: Mapping[str, RankingReport], title: str, own: str | None, context: ReportContext
) -> None:
    if int(os.environ.get("RANK", "0")):
        return  # only the first process writes
    write_report(path, reports, title=title, own=own, context=context)
    messages.print(f"report: {path}", markup=False, highlight=False)
