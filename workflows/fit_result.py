"""The result of a fit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..evaluation.click_evaluation import ClickReport, click_table
from ..evaluation.purposes import DISCOVER
from ..evaluation.ranker_evaluation import LOST, RankingReport
from ..evaluation.ranking_table import ranking_table
from ..model_cards.card_data import XCatModelCardData
from ..modeling_xcat.pretrained_xcat import XCatPreTrainedModel
from ..ranking.recommender import XCatRecommender
from ..training.arguments import XCatTrainingArguments
from ..training.preparation.options import PreparedTraining

MODEL_NAME = "XCat"
"""Name of the model in tables beside its baselines."""


@dataclass(repr=False)
class FitResult:
    """A trained model, its metrics and the cost of its training.

    Args:
        model: The trained model.
        prepared: The training data.
        reports: Metrics on the test split by model name; the trained model is `MODEL_NAME`. Empty for a task that
            ranks no items.
        metrics: Metrics of the task on the test split: those of the model's report (of clicks, if it predicts clicks),
            or what another task computes.
        split: Name of the split.
        output: Folder of the checkpoint.
        train_seconds: Seconds of training.
        total_seconds: Seconds in all.
        peak_memory_mb: Largest resident memory of the process.
        epochs: Number of trained epochs.
    """

    model: XCatPreTrainedModel
    prepared: PreparedTraining
    reports: dict[str, RankingReport]
    metrics: dict[str, float]
    split: str
    output: Path
    train_seconds: float
    total_seconds: float
    peak_memory_mb: float
    epochs: float
    parameters: tuple[int, int] = (0, 0)
    """Numbers of trained parameters and of all parameters."""
    adapter: Any = None
    """The `PeftModel`, if an adapter was trained."""
    own_catalogue: bool = True
    """Whether the catalogue differs from the base's."""
    arguments: XCatTrainingArguments | None = None
    """Training arguments with the values chosen for the data."""
    card: XCatModelCardData | None = None
    """Facts of the model and its training, whether or not a card was written."""
    ranker: XCatRecommender | None = None
    """The trained model with its catalogue, if the task ranks items."""
    clicks: dict[str, ClickReport] = field(default_factory=dict)
    """Click metrics on the test split of the model and of the floors, if it predicts clicks."""
    notes: list[str] = field(default_factory=list)
    """Notes on the data and the metrics, in sentences, as they were told during the fit."""

    def __repr__(self) -> str:
        """The metrics on the test split beside those of the baselines, as Markdown tables, and the checkpoint."""
        title = f"{self.split}, test"
        parts = [click_table(self.clicks)] if self.clicks else []
        if self.reports:
            parts.append(ranking_table(self.reports, title))
        elif not self.clicks:
            parts.append(f"{title}: " + ", ".join(f"{name} {value:.4f}" for name, value in self.metrics.items()))
        parts += [f"note: {note}" for note in self.notes]
        return "\n\n".join([*parts, f"trained in {self.train_seconds:.0f} s; checkpoint: {self.output}"])

    @property
    def recommender(self) -> XCatRecommender:
        """The trained model with its catalogue.

        Raises:
            ValueError: If the task ranks no items.
        """
        if self.ranker is None:
            raise ValueError(f"a {type(self.model).__name__} does not rank items; use model and metrics of the result")
        return self.ranker

    def _query_sources(self) -> dict[str, int] | None:
        """Numbers of texts that queries are fitted to; None if the model reads no queries, or none are fitted."""
        clicks_alone = bool(self.clicks) and self.arguments is not None and not self.arguments.tune_lists
        found = None if self.ranker is None or clicks_alone else self.prepared.ask_sources
        return None if found is None else asdict(found)

    def to_dict(self) -> dict[str, Any]:
        """Convert to JSON: the model's metrics at the top level, the baselines' below."""
        measured: dict[str, Any] = {"metrics": self.metrics}
        if self.reports:
            measured = report_dict(self.reports[MODEL_NAME])
        measured["baselines"] = {
            name: report_dict(report) for name, report in self.reports.items() if name != MODEL_NAME
        }
        if self.clicks:
            measured = {**clicks_dict(self.clicks), "next_item": measured if self.reports else None}
        return {
            **measured,
            "split": self.split,
            "checkpoint": str(self.output),
            "train_seconds": round(self.train_seconds, 1),
            "total_seconds": round(self.total_seconds, 1),
            "peak_memory_mb": round(self.peak_memory_mb),
            "epochs": self.epochs,
            "trained_parameters": self.parameters[0],
            "parameters": self.parameters[1],
            "unknown_tokens": dict(self.prepared.unknown_tokens),
            "query_sources": self._query_sources(),
            "notes": self.notes,
        }


def report_dict(report: RankingReport) -> dict[str, Any]:
    """A report for JSON: metrics of the next item, displacement by cold items, and `discover` with its metrics."""
    discover = None if report.discover is None else _counted(report.discover)
    return {**_counted(report), LOST: report.lost_to_untrained, DISCOVER: discover}


def _counted(report: RankingReport) -> dict[str, Any]:
    """`metrics`, `slices`, 95 % `intervals`, and counts of users and targets."""
    return {
        "metrics": report.metrics,
        "slices": report.slices,
        "intervals": {key: [found.low, found.high] for key, found in report.intervals().items()},
        "num_users": report.num_users,
        "num_targets": report.num_targets,
    }


def clicks_dict(reports: Mapping[str, ClickReport]) -> dict[str, Any]:
    """Reports as JSON: that of the model at the top level, `baselines` below.

    Args:
        reports: Reports by name; the model is `MODEL_NAME`.
    """
    plain = {name: json.loads(report.to_json()) for name, report in reports.items()}
    return {**plain.pop(MODEL_NAME), "baselines": plain}
