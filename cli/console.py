"""What commands print: tables and messages to stderr, results to stdout."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .argument_options import with_options

if TYPE_CHECKING:
    from ..evaluation.categories import CategoryFigures
    from ..evaluation.protocol import RankingReport

messages = Console(stderr=True, quiet=os.environ.get("RANK", "0") != "0")
results = Console()
PAIRS_SHOWN = 40
"""Pairs of categories that a table shows; all are in the JSON."""


def say(text: str) -> None:
    """Print a message on standard error, with the options of the running command for the arguments it names."""
    messages.print(with_options(text), markup=False, highlight=False)


def print_json(content: Any) -> None:
    """One JSON object as the last line of stdout; NaN becomes null."""
    sys.stdout.write(json.dumps(_plain(content), ensure_ascii=False, allow_nan=False) + "\n")
    sys.stdout.flush()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def metrics_table(
    reports: Mapping[str, RankingReport], k: int = 10, title: str = "", by_history: bool = False
) -> Table:
    """Metrics against models: overall, then for every slice that has targets; by length of history if asked for."""
    from ..evaluation.slices import SLICE_NAMES, TARGET_SLICES

    shown = SLICE_NAMES if by_history else TARGET_SLICES
    table = Table(title=title)
    table.add_column("metric")
    table.add_column("targets", justify="right")
    for name in reports:
        table.add_column(name, justify="right")
    first = next(iter(reports.values()))
    slices = {name: part for name, part in first.slices.items() if name in shown and part["num_targets"]}
    for label, part in (("", None), *((name, name) for name in slices)):
        count = first.num_targets if part is None else int(slices[part]["num_targets"])
        for metric in (f"recall@{k}", f"ndcg@{k}", *([f"coverage@{k}"] if part is None else [])):
            values = [r.metrics[metric] if part is None else r.slices[part][metric] for r in reports.values()]
            table.add_row(f"{label} {metric}".strip(), f"{count:,}", *map(_number, values))
        table.add_section()
    if "cold" in slices and all(report.lost_to_untrained for report in reports.values()):
        for metric in (f"recall@{k}", f"ndcg@{k}"):
            shares = [report.lost_to_untrained[metric] for report in reports.values()]
            table.add_row(f"lost to cold items, {metric}", "", *map(_percent, shares))
    return table


def category_table(figures: CategoryFigures) -> Table:
    """Figures by category of target, then of the pairs of source and target with most targets."""
    from ..evaluation.categories import METRICS

    table = Table(title=f"by {figures.column} of the last event and of the target")
    for name in ("last event", "target", "targets", *METRICS):
        table.add_column(name, justify="left" if name in ("last event", "target") else "right")
    alone = [row for row in figures.rows if row["source"] is None]
    pairs = sorted((row for row in figures.rows if row["source"] is not None), key=lambda row: -row["num_targets"])
    for part in (alone, pairs[:PAIRS_SHOWN]):
        for row in part:
            source = "any" if row["source"] is None else row["source"]
            figure = [_number(row[metric]) for metric in METRICS]
            table.add_row(escape(source), escape(row["target"]), f"{row['num_targets']:,}", *figure)
        table.add_section()
    notes = [f"{figures.joined:,} categories are joined as other"] if figures.joined else []
    notes += [f"{len(pairs) - PAIRS_SHOWN:,} pairs with fewer targets are in --json"] * (len(pairs) > PAIRS_SHOWN)
    table.caption = "; ".join(notes) or None
    return table


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:.1f} %"
