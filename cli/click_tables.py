"""Tables of click metrics: one line per model, slice or category."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ..counting import counted
from ..evaluation.baseline_names import CANDIDATE_POPULARITY, CATEGORY_MATCH
from ..evaluation.click_evaluation import TABLE_METRICS, ClickReport
from ..evaluation.slices import HISTORY_SLICES, TARGET_SLICES
from .plain_tables import Column, PlainTable

NO_VALUE = "-"
_SHOWN = {**{name: name.replace("_", " ") for name in TABLE_METRICS}, "reliability_slope": "slope"}
"""Metrics with their headings."""


def clicks_table(reports: Mapping[str, ClickReport], title: str = "") -> PlainTable:
    """Table with one line per model, which names the kind of the labels.

    Args:
        reports: Reports on the same rows by name of the model.
        title: Line above the table.
    """
    first = next(iter(reports.values()))
    rows: list[Sequence[str] | str] = [
        (name, *_values(report.metrics)) for name, report in sorted(reports.items(), key=_by_loss)
    ]
    trained = {name: found for name, found in reports.items() if name not in (CANDIDATE_POPULARITY, CATEGORY_MATCH)}
    chance = (f"{name} {report.ece_by_chance:.4f}" for name, report in (trained or reports).items())
    counts = (
        f"{counted(first.num_rows, 'row')} of {counted(first.num_users, 'user')}, {first.num_positives:,} positive"
    )
    below = [
        f"{about_labels(first.kind)}: {counts}",
        f"gauc: {counted(first.num_users - first.num_left_out, 'user')} with both labels",
        "slope: reliability slope; 1 is calibrated",
        f"ece by chance, if predictions are right: {', '.join(chance)}",
    ]
    return PlainTable(title, _columns("model"), rows, below)


def click_slices_table(report: ClickReport, by_history: bool, by_category: bool) -> PlainTable:
    """Table with one line per slice of the model's rows.

    Args:
        report: The model's report.
        by_history: Whether to show slices by length of the history.
        by_category: Whether to show categories of the shown items.
    """
    names = (*TARGET_SLICES, *(HISTORY_SLICES if by_history else ()))
    parts = {name: report.slices[name] for name in names if report.slices.get(name, {}).get("num_rows")}
    rows: list[Sequence[str] | str] = [
        (name, f"{int(found['num_rows']):,}", *_values(found))
        for name, found in {**parts, **(report.categories if by_category else {})}.items()
    ]
    columns = _columns("rows in")
    return PlainTable("", (columns[0], Column("rows", right=True), *columns[1:]), rows, [])


def _columns(first: str) -> tuple[Column, ...]:
    return (Column(first, cut=True), *(Column(name, right=True) for name in _SHOWN.values()))


def _values(metrics: Mapping[str, float]) -> list[str]:
    found = [metrics.get(name, math.nan) for name in _SHOWN]
    return [f"{value:.4f}" if math.isfinite(value) else NO_VALUE for value in found]


def _by_loss(entry: tuple[str, ClickReport]) -> float:
    return entry[1].metrics["log_loss"]


def about_labels(kind: str) -> str:
    """The labels of a kind, in words."""
    known = {"impression": "labelled impressions", "rating": "labelled ratings"}
    return known.get(kind, f"positives with sampled negatives of the kind {kind}")
