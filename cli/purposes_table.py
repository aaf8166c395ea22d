"""Short table of an evaluation with both purposes, for the demonstration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..evaluation.baseline_names import POPULARITY, REPEAT_PURCHASE
from ..evaluation.purposes import DISCOVER, NEXT, PURPOSE_MEANINGS, discover_reports
from ..evaluation.ranker_evaluation import RankingReport
from ..evaluation.slices import SLICE_MEANINGS
from .metric_tables import HEADINGS
from .plain_tables import Column, PlainTable

COLUMNS = ((NEXT, ""), (NEXT, "switch"), (DISCOVER, ""), (DISCOVER, "new_category"))
"""Purpose and slice of each column; an empty slice has all targets."""


def purposes_table(reports: Mapping[str, RankingReport], title: str = "", k: int = 10) -> PlainTable:
    """Table with one column per purpose and slice, and one line per metric and model.

    New items are measured by discovery only. In lists for the next item repurchases take most places, so the more
    repurchases a model finds, the fewer new items it lists.

    Args:
        reports: Reports by name of the model.
        title: Line above the table.
        k: Cut-off.
    """
    by_purpose = {NEXT: dict(reports), DISCOVER: discover_reports(reports)}
    shown = [(purpose, part) for purpose, part in COLUMNS if _num_targets(by_purpose[purpose], part)]
    counts = [f"{_num_targets(by_purpose[purpose], part):,}" for purpose, part in shown]
    rows: list[Sequence[str] | str] = [("targets", *counts)]
    for metric in (f"recall@{k}", f"ndcg@{k}"):
        columns = [
            {model: report.value(metric, part or None) for model, report in by_purpose[purpose].items()}
            for purpose, part in shown
        ]
        rows += ["", metric]
        for model in sorted(reports, key=lambda name: -columns[0][name]):
            rows.append((model, *(_cell(values, model) for values in columns)))
    headings = [Column(f"{purpose}: {HEADINGS.get(part, part)}", right=True) for purpose, part in shown]
    return PlainTable(title, (Column("model", cut=True), *headings), rows, _explanations(by_purpose, shown))


def _num_targets(reports: Mapping[str, RankingReport], part: str) -> int:
    """Number of targets of a slice, empty for all; 0 without reports."""
    for report in reports.values():
        return int(report.slices[part]["num_targets"]) if part else report.num_targets
    return 0


def _cell(values: Mapping[str, float], model: str) -> str:
    """The value of a model, marked if it is the best; a dash without a value."""
    if model not in values:
        return "-"
    return ("* " if values[model] == max(values.values()) else "") + f"{values[model]:.4f}"


def _explanations(
    by_purpose: Mapping[str, Mapping[str, RankingReport]], shown: Sequence[tuple[str, str]]
) -> list[str]:
    lines = [f"{purpose}: {PURPOSE_MEANINGS[purpose]}" for purpose in dict.fromkeys(purpose for purpose, _ in shown)]
    lines += [f"{HEADINGS.get(part, part)}: targets where {SLICE_MEANINGS[part]}" for _, part in shown if part]
    new = by_purpose[DISCOVER]
    if new and REPEAT_PURCHASE in by_purpose[NEXT] and REPEAT_PURCHASE not in new:
        lines.append(f"-: without the history {REPEAT_PURCHASE} ranks like {POPULARITY}")
    return [*lines, "*: best of the column"]
