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
    """Metrics against models: overall, then for every slice that has targets."""
    table = Table(title=title)
    table.add_column("metric")
    table.add_column("targets", justify="right")
    for name in reports:
        table.add_column(name, justify="right")
    first = next(iter(reports.values()))
    slices = {name: part for name, part in first.slices.items() if part["num_targets"]}
    for label, part in (("", None), *((name, name) for name in slices)):
        count = first.num_targets if part is None else int(slices[part]["num_targets"])
        for metric in (f"recall@{k}", f"ndcg@{k}", *([f"coverage@{k}"] if part is None else [])):
            values = [r.metrics[metric] if part is None else r.slices[part][metric] for r in reports.values()]
            table.add_row(f"{label} {metric}".strip(), f"{count:,}", *map(_number, values))
        table.add_section()
    return table


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"
