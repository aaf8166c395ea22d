"""What commands print: tables and messages to stderr, results to stdout."""

from __future__ import annotations

import json
import math
import resource
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from ..evaluation.protocol import RankingReport

messages = Console(stderr=True)
results = Console()


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


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024 if sys.platform != "darwin" else peak / 1024**2


def metrics_table(reports: Mapping[str, RankingReport], k: int = 10, title: str = "") -> Table:
    """Models against metrics: overall, and where the category changes or the item is new to the user."""
    table = Table(title=title)
    table.add_column("model")
    parts = [
        ("all", None),
        ("switch", "switch"),
        ("new category", "new_category"),
        ("not in history", "unseen"),
        ("cold", "cold"),
    ]
    counts = {name: next(iter(reports.values())).slices[name]["num_targets"] for _, name in parts if name}
    shown = [(label, name) for label, name in parts if name is None or counts[name] > 0]
    for label, _ in shown:
        for metric in ("Recall", "NDCG"):
            table.add_column(f"{metric}@{k}\n{label}", justify="right")
    table.add_column(f"Coverage@{k}", justify="right")
    for name, report in reports.items():
        cells = [name]
        for _, part in shown:
            values = report.metrics if part is None else report.slices[part]
            cells += [_number(values[f"recall@{k}"]), _number(values[f"ndcg@{k}"])]
        table.add_row(*cells, _number(report.metrics[f"coverage@{k}"]))
    return table


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"
