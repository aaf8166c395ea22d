"""Tables of a benchmark: metrics per model, and differences to the best baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..counting import counted
from ..evaluation.bootstrap import confidence_interval
from ..evaluation.more_metrics import DECIDING_METRIC
from ..evaluation.purposes import DISCOVER, NEXT, PURPOSE_MEANINGS, PURPOSES
from ..evaluation.ranker_evaluation import LOST, RankingReport
from ..workflows.bench_results import ask_kinds_of, ask_values, ratio_text, values_of
from ..workflows.results import ASK_INPUTS, Row, by_model
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

    def deviation(model: str, block: tuple[str, str], purpose: str) -> str:
        values = values_of(grouped[model], *block, purpose)
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
    """One line per comparison, for both purposes."""
    first = compared[0]
    rows = [
        (
            purpose, found["model"], found["baseline"], f"{found['difference']:+.4f}",
            f"{found['low']:+.4f} to {found['high']:+.4f}",
        )
        for purpose in PURPOSES for one in compared if (found := one if purpose == NEXT else one.get(purpose))
    ]  # fmt: skip
    columns = (
        Column("purpose"), Column("model", cut=True), Column("minus", cut=True), Column(first["metric"], right=True),
        Column(f"{100 * first['level']:.0f} % interval", right=True),
    )  # fmt: skip
    new = next((f"; {DISCOVER}: {one[DISCOVER]['users']:,}" for one in compared if one.get(DISCOVER)), "")
    return PlainTable(f"Difference to the best baseline, {first['users']:,} users{new}", columns, rows)


def asks_table(rows: Sequence[Row], reports: Mapping[str, RankingReport]) -> PlainTable:
    """Metrics for queries: one line per kind, input and model, best first, and median ranks.

    Args:
        rows: Runs with `asks`.
        reports: Result of `mean_reports` for them.
    """
    grouped = by_model(rows)
    several = max(map(len, grouped.values())) > 1
    lines: list[Sequence[str] | str] = []
    below = []
    for kind in ask_kinds_of(rows):
        users = next((row["asks"][kind]["num_users"] for row in rows if (row.get("asks") or {}).get(kind)), 0)
        none = "no target of the test split has a text for it"
        below.append(f"{kind}: {counted(users, 'user') if users else none}")
        blocks: list[tuple[str, str, str, str | None]] = [
            (name, key, DECIDING_METRIC, start) for name, (key, _, start) in ASK_INPUTS.items()
        ]
        blocks.append(("median rank", "median_rank", "", None))
        for name, key, metric, start in blocks:
            found = {model: ask_values(group, kind, key, metric) for model, group in grouped.items()}
            means = {model: float(np.mean(values)) for model, values in found.items() if values}
            for model in sorted(means, key=lambda one: means[one] * (1 if start is None else -1)):
                values = reports[model].per_user.get(f"asks.{kind}.{start}{metric}")
                ends = "" if values is None else "{0.low:.4f}-{0.high:.4f}".format(confidence_interval(values))
                digits = 1 if start is None else 4
                beside = f"± {np.std(found[model], ddof=1):.{digits}f}" if len(found[model]) > 1 else ""
                shown = f"{means[model]:.{digits}f}"
                lines.append((kind, name, model, shown, *([beside] if several else []), ends))
            lines.append("" if means else (kind, name, "-", "-", *([""] if several else []), ""))
    columns = (
        Column("query"), Column("ranked by"), Column("model", cut=True), Column("value", right=True),
        *([Column("over seeds", right=True)] if several else []), Column("95 % interval", right=True),
    )  # fmt: skip
    if {"bm25", "text-search"} & {*grouped}:
        below.append(
            "bm25, text-search: read the query only, so all items are equal for history alone, which counts as 0; so "
            "they are for bm25 and a query without a word of the catalogue"
        )
    below.append("query and history alone: the same targets, ranked with one of the two; median rank: with both")
    return PlainTable(
        f"{DECIDING_METRIC} for queries, {NEXT}: {PURPOSE_MEANINGS[NEXT]}",
        columns,
        lines[:-1] if lines[-1:] == [""] else lines,
        below,
    )


def ask_ratios_table(compared: Sequence[Mapping[str, Any]]) -> PlainTable:
    """One line per comparison of `compare_asks`."""
    lines = [(one["kind"], one["model"], one["against"], ratio_text(one)) for one in compared]
    columns = (
        Column("query"), Column("model", cut=True), Column("relative to", cut=True),
        Column(f"ratio ({100 * compared[0]['level']:.0f} % interval)", right=True),
    )  # fmt: skip
    return PlainTable(f"Ratio of {compared[0]['metric']} with history and query, {NEXT}", columns, lines)
