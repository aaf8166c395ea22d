"""Metrics that are reported beside the default ones, by name."""

from __future__ import annotations

from collections.abc import Sequence

from ..registered_modules import import_module_of
from .recommendation_ranking.ranking_metrics import ABOUT, COVERAGE, METRIC_NAMES, METRICS

DECIDING_METRIC = "ndcg@10"
"""The metric that chooses the best epoch, and by which models are compared."""


def metric_names(more: Sequence[str] = ()) -> tuple[str, ...]:
    """The default metrics per user, then others.

    Args:
        more: Names in `METRICS`; "MODULE:NAME" for a metric of another package, whose module is imported.

    Raises:
        ValueError: If a metric is unknown, or there is no such module.

    Example:
        >>> metric_names(["hit_rate", "ndcg"])
        ('recall', 'ndcg', 'mrr', 'hit_rate')
    """
    if isinstance(more, str):
        raise ValueError(f"metrics is {more!r}; give a list of names, such as [{more!r}]")
    found = list(METRIC_NAMES)
    for given in more:
        module, _, name = given.rpartition(":")
        if module and name not in METRICS:
            import_module_of("metrics", given)
        if name not in METRICS and name != COVERAGE:
            where = f", which {module} does not register" if module else ""
            raise ValueError(f"metrics has {given!r}{where}; give some of {', '.join(METRICS)}, or MODULE:NAME")
        found.append(name)
    return tuple(name for name in dict.fromkeys(found) if name != COVERAGE)


def about_metric(name: str) -> str:
    """One sentence on a metric; empty if its function has no docstring.

    Args:
        name: A name in `METRICS`, or "coverage".
    """
    if name in ABOUT:
        return ABOUT[name]
    documented = (METRICS[name].__doc__ or "") if name in METRICS else ""
    return documented.strip().partition("\n")[0]
