"""Tables of a benchmark: metrics per model, and differences to the best baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..evaluation.ranker_evaluation import LOST, RankingReport
from ..workflows.bench_results import values_of
from ..workflows.results import Row, by_model
from .metric_tables import metrics_table
from .plain_tables import Column, PlainTable

_ALL_TARGETS = (("", "recall@10"), ("", "ndcg@10"))
_SLICE_BLOCKS = (("switch", "ndcg@10"), ("new_category", "ndcg@10"))
_COLD_BLOCKS = (("cold", "ndcg@10"), (LOST, "ndcg@10"))


def bench_blocks(rows: Sequence[Row], requested: Sequence[str] = ()) -> list[tuple[str, str]]:
    """(slice, metric) of the blocks of a table; blocks of cold items only if there are cold targets.

    Args:
        rows: Runs.
        requested: Further metrics on all targets, without cut-offs.
    """
    cold = any(row["slices"].get("cold", {}).get("num_targets") for row in rows)
    more = [("", f"{name}@10") for name in requested]
    return [*_ALL_TARGETS, *more, *_SLICE_BLOCKS, *(_COLD_BLOCKS if cold else [])]


def results_table(rows: Sequence[Row], reports: Mapping[str, RankingReport], title: str = "") -> PlainTable:
    """Metrics per model with confidence intervals over users, standard deviations over seeds, and seconds.

    Args:
        rows: Runs.
        reports: Result of `mean_reports` for them.
        title: Line above the table.
    """
    grouped = by_model(rows)

    def deviation(model: str, block: tuple[str, str]) -> str:
        values = values_of(grouped[model], *block)
        if len(values) < 2:
            return ""
        found = float(np.std(values, ddof=1))
        return f"± {100 * found:.1f} %" if block[0] == LOST else f"± {found:.4f}"

    requested = next(iter(reports.values())).requested
    several = max(map(len, grouped.values())) > 1
    table = metrics_table(reports, bench_blocks(rows, requested), title, deviation if several else None)
    seconds = {model: [float(row["fit_seconds"]) for row in group] for model, group in grouped.items()}
    beside = {model: f"± {np.std(found, ddof=1):.1f}" if len(found) > 1 else "" for model, found in seconds.items()}
    timed = [
        ("", "fit, s", model, f"{np.mean(seconds[model]):.1f}", *([beside[model]] if several else []), "")
        for model in sorted(seconds, key=lambda name: float(np.mean(seconds[name])))
    ]
    runs = ", ".join(f"{model} {len(group)}" for model, group in grouped.items())
    below = [f"runs: {runs}; values are means over seeds"]
    below += ["±: sample standard deviation over seeds"] if several else []
    return replace(table, rows=[*table.rows, "", *timed], below=[*table.below, *below])


def comparison_table(compared: Sequence[Mapping[str, Any]]) -> PlainTable:
    """One line per comparison."""
    first = compared[0]
    rows = [
        (one["model"], one["baseline"], f"{one['difference']:+.4f}", f"{one['low']:+.4f} to {one['high']:+.4f}")
        for one in compared
    ]
    columns = (
        Column("model", cut=True), Column("minus", cut=True), Column(first["metric"], right=True),
        Column(f"{100 * first['level']:.0f} % interval", right=True),
    )  # fmt: skip
    return PlainTable(f"Difference to the best baseline, {first['users']:,} users", columns, rows)
