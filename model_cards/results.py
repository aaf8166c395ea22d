"""The figures of a card: a model beside its baselines with intervals, and what can and cannot be said from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ..evaluation.bootstrap import Interval
from ..evaluation.ranker_evaluation import RankingReport
from ..evaluation.slices import HISTORY_SLICES
from .markdown import cell, line, metric_label, table

DECIDING = "ndcg@10"


def comparison(reports: Mapping[str, RankingReport], own: str, metrics: Sequence[str], part: str | None = None) -> str:
    """A table of models by metrics with intervals, this model first, the best of each column in bold.

    Args:
        reports: Reports by name.
        own: Name of the model that the card is of.
        metrics: Names of metrics.
        part: A slice; None for all targets.
    """
    best = {
        name: max((v for r in reports.values() if math.isfinite(v := r.value(name, part))), default=None)
        for name in metrics
    }
    rows = []
    for model in sorted(reports, key=lambda name: name != own):
        cells = [cell(model)]
        for name in metrics:
            value, found = reports[model].value(name, part), reports[model].interval(name, part)
            number = f"{value:.4f}" if math.isfinite(value) else "n/a"
            number = f"**{number}**" if value == best[name] and value > 0 else number
            cells.append(number if found is None else f"{number} [{found.low:.4f}, {found.high:.4f}]")
        rows.append(cells)
    return table(["model", *map(metric_label, metrics)], rows)


def strongest_rival(reports: Mapping[str, RankingReport], own: str, part: str | None = None) -> str | None:
    """The best of the other models by NDCG@10, or None if none was measured."""
    others = {n: r.value(DECIDING, part) for n, r in reports.items() if n != own}
    others = {name: value for name, value in others.items() if math.isfinite(value)}
    return max(others, key=lambda name: others[name], default=None)


def difference(reports: Mapping[str, RankingReport], own: str, part: str | None = None) -> Interval | None:
    """NDCG@10 of this model minus that of its strongest rival, on the same users."""
    rival = strongest_rival(reports, own, part)
    return None if rival is None else reports[own].difference(reports[rival], DECIDING, part)


def verdict(reports: Mapping[str, RankingReport], own: str, part: str | None = None) -> str:
    """One sentence on this model and its strongest rival; empty where they cannot be compared."""
    found, rival = difference(reports, own, part), strongest_rival(reports, own, part)
    if found is None or rival is None:
        return ""
    if not found.excludes_zero:
        outcome = "these targets do not tell which is better"
    else:
        outcome = f"{line(own if found.mean > 0 else rival)} is better"
    between = f"{found.mean:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"
    return f"{metric_label(DECIDING)} of {line(own)} minus that of {line(rival)}: {between}; {outcome}."


def told_slices(report: RankingReport) -> list[str]:
    """The slices that a card tells of: all but those by length of history, which are in the results for who asks."""
    return [name for name in report.slices if name not in HISTORY_SLICES]


def measured_limits(reports: Mapping[str, RankingReport], own: str) -> list[str]:
    """What the figures themselves say against the model: where another is better, and what was not measured."""
    report = reports.get(own)
    if report is None:
        return ["It was not measured on test targets: nothing is known of how good its recommendations are."]
    limits = []
    for part in (None, *told_slices(report)):
        where = "On all targets" if part is None else f"On the targets in `{line(part)}`"
        if part is not None and not report.slices[part].get("num_targets"):
            limits.append(f"No test target was in `{line(part)}`: nothing was measured there.")
            continue
        found, rival = difference(reports, own, part), strongest_rival(reports, own, part)
        if found is not None and rival is not None and found.high < 0:
            limits.append(f"{where}, {line(rival)} has the better {metric_label(DECIDING)}.")
        elif found is not None and rival is not None and not found.excludes_zero:
            limits.append(f"{where}, it is not shown to be better than {line(rival)}.")
    return limits
