"""The metrics of a card: a model beside its baselines, with intervals, and the conclusions they allow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ..evaluation.bootstrap import Interval
from ..evaluation.more_metrics import DECIDING_METRIC
from ..evaluation.purposes import discover_reports
from ..evaluation.ranker_evaluation import RankingReport
from ..evaluation.slices import HISTORY_SLICES
from .markdown import cell, line, metric_label, table


def comparison(reports: Mapping[str, RankingReport], own: str, metrics: Sequence[str], part: str | None = None) -> str:
    """A table of models by metrics with intervals, this model first, the best of each column in bold.

    Args:
        reports: Reports by name.
        own: Name of the card's model.
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


def best_baseline(reports: Mapping[str, RankingReport], own: str, part: str | None = None) -> str | None:
    """The best other model by NDCG@10, or None if there is none."""
    others = {n: r.value(DECIDING_METRIC, part) for n, r in reports.items() if n != own}
    others = {name: value for name, value in others.items() if math.isfinite(value)}
    return max(others, key=lambda name: others[name], default=None)


def difference(reports: Mapping[str, RankingReport], own: str, part: str | None = None) -> Interval | None:
    """NDCG@10 of this model minus the NDCG@10 of the best baseline, on the same users."""
    baseline = best_baseline(reports, own, part)
    return None if baseline is None else reports[own].difference(reports[baseline], DECIDING_METRIC, part)


def verdict(reports: Mapping[str, RankingReport], own: str, part: str | None = None) -> str:
    """One sentence on this model and the best baseline; empty if they cannot be compared."""
    found, baseline = difference(reports, own, part), best_baseline(reports, own, part)
    if found is None or baseline is None:
        return ""
    if not found.excludes_zero:
        outcome = "the difference is not significant"
    else:
        outcome = f"{line(own if found.mean > 0 else baseline)} is better"
    between = f"{found.mean:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"
    return f"{metric_label(DECIDING_METRIC)}, {line(own)} minus {line(baseline)}: {between}; {outcome}."


def card_slices(report: RankingReport) -> list[str]:
    """The slices shown in a card: all except slices by history length, which are in the results only."""
    return [name for name in report.slices if name not in HISTORY_SLICES]


def measured_limits(reports: Mapping[str, RankingReport], own: str) -> list[str]:
    """Limitations found by the evaluation: slices where a baseline is better, and slices without targets."""
    if own not in reports:
        return ["The model was not evaluated on test targets: the quality of its recommendations is unknown."]
    discovery = discover_reports(reports)
    limits = [
        f"No test target is in `{line(part)}`: the model was not evaluated there."
        for part in card_slices(reports[own]) if not reports[own].slices[part].get("num_targets")
    ]  # fmt: skip
    limits += _unproven(reports, own, "On")
    return limits + (_unproven(discovery, own, "In discovery, on") if own in discovery else [])


def overall_limits(reports: Mapping[str, RankingReport], own: str) -> list[str]:
    """A sentence per purpose for which a baseline is better over all targets, or as good.

    Args:
        reports: Reports by name.
        own: Name of the model; it has a report.
    """
    discovery = discover_reports(reports)
    limits = _unproven(reports, own, "On", (None,))
    return limits + (_unproven(discovery, own, "In discovery, on", (None,)) if own in discovery else [])


def _unproven(
    reports: Mapping[str, RankingReport], own: str, begin: str, parts: Sequence[str | None] | None = None
) -> list[str]:
    """Limitations of one purpose: all targets (None) and slices where a baseline is better, or as good."""
    limits = []
    for part in (None, *card_slices(reports[own])) if parts is None else parts:
        where = f"{begin} all targets" if part is None else f"{begin} the targets in `{line(part)}`"
        found, baseline = difference(reports, own, part), best_baseline(reports, own, part)
        if found is not None and baseline is not None and found.high < 0:
            limits.append(f"{where}, {line(baseline)} has a higher {metric_label(DECIDING_METRIC)}.")
        elif found is not None and baseline is not None and not found.excludes_zero:
            limits.append(f"{where}, it is not significantly better than {line(baseline)}.")
    return limits
