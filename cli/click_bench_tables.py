"""Tables of a benchmark of clicks: metrics per model with intervals, and differences to the best model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..counting import counted, counted_of
from ..evaluation.click_evaluation import TABLE_METRICS
from ..workflows.results import Row, by_model
from .click_tables import about_labels
from .plain_tables import Column, PlainTable


def click_results_table(rows: Sequence[Row], intervals: Sequence[Mapping[str, Any]], title: str = "") -> PlainTable:
    """One line per metric and model, best first, and seconds.

    Args:
        rows: Runs.
        intervals: First result of `compare_click_models` for them.
        title: Line above the table; the kind of the labels is added.
    """
    grouped, first = by_model(rows), rows[0]
    several = max(map(len, grouped.values())) > 1
    lines: list[Sequence[str] | str] = []
    for metric in TABLE_METRICS:
        found = [one for one in intervals if one["metric"] == metric]
        for place, one in enumerate(found):
            values = [row["metrics"][metric] for row in grouped[one["model"]]]
            beside = [f"± {np.std(values, ddof=1):.4f}" if len(values) > 1 else ""] if several else []
            value = f"{'' if place else '* '}{one['value']:.4f}"
            lines.append((metric, one["model"], value, *beside, f"{one['low']:.4f}-{one['high']:.4f}"))
        lines.append("" if found else (metric, "-", "-", *([""] if several else []), ""))
    seconds = {model: [float(row["fit_seconds"]) for row in group] for model, group in grouped.items()}
    for model in sorted(seconds, key=lambda name: float(np.mean(seconds[name]))):
        own = seconds[model]
        beside = [f"± {np.std(own, ddof=1):.1f}" if len(own) > 1 else ""] if several else []
        lines.append(("fit, s", model, f"{np.mean(own):.1f}", *beside, ""))
    columns = (
        Column("metric"), Column("model", cut=True), Column("value", right=True),
        *([Column("± seeds", right=True)] if several else []), Column("95 % interval", right=True),
    )  # fmt: skip
    runs = ", ".join(f"{model} {len(group)}" for model, group in grouped.items())
    both = first["num_users"] - first["num_left_out"]
    below = [
        f"{about_labels(first['labels'])}: {counted(first['num_rows'], 'row')}, {first['num_positives']:,} positive",
        f"gauc: {counted_of(both, first['num_users'], 'user', 'have')} both labels; "
        f"left out: {first['num_left_out']:,}",
        f"runs: {runs}; values are means over seeds",
        "*: best model of the metric; log_loss and ece: lower is better",
    ]
    return PlainTable(_titled(title, first), columns, lines, below)


def click_differences_table(rows: Sequence[Row], differences: Sequence[Mapping[str, Any]]) -> PlainTable:
    """One line per metric and model but the best.

    Args:
        rows: Runs.
        differences: Second result of `compare_click_models` for them.
    """
    lines = [
        (
            one["metric"], one["model"], one["best"], f"{one['difference']:+.4f}",
            f"{one['low']:+.4f} to {one['high']:+.4f}",
        )
        for one in differences
    ]  # fmt: skip
    level = 100 * differences[0]["level"] if differences else 95
    columns = (
        Column("metric"), Column("model", cut=True), Column("minus", cut=True), Column("difference", right=True),
        Column(f"{level:.0f} % interval", right=True),
    )  # fmt: skip
    title = f"Differences to the best model, {rows[0]['num_users']:,} users"
    return PlainTable(_titled(title, rows[0]), columns, lines)


def _titled(title: str, row: Row) -> str:
    kind = f"{row['negatives']} negatives" if row["negatives"] else f"labels: {row['labels']}"
    return f"{title}; {kind}"
