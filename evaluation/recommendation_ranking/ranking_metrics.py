"""Ranking metrics of one user each, from the ranks of the user's targets.

This file defines every metric: the library evaluates with it, and each `evaluate` module has a copy beside its script.
So it needs only numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

DEFAULT_KS = (1, 5, 10, 20, 50)
METRIC_NAMES = ("recall", "ndcg", "mrr")
"""Metrics per user that the library always reports, beside coverage."""
COVERAGE = "coverage"
ABOUT = {
    "recall": "Recall@k: the share of a user's relevant items that are among the k best recommendations.",
    "ndcg": "NDCG@k with binary gains: relevant items count 1 / log2(1 + rank), relative to the best possible order.",
    "mrr": "MRR@k: 1 / rank of the first relevant item, and 0 if it is not among the k best recommendations.",
    "hit_rate": "Hit rate@k: the share of users with a relevant item among the k best recommendations.",
    COVERAGE: "Catalogue coverage@k: the share of all items that are among the k best recommendations of any user.",
}
"""Definition of each metric, in one sentence."""


@dataclass(frozen=True)
class RankedTargets:
    """Ranks of each user's targets: the input of a metric.

    Args:
        ranks: (users, targets) ranks from 1; values that are not counted may be anything.
        counted: (users, targets) bool, whether it is a counted target.
    """

    ranks: np.ndarray
    counted: np.ndarray

    @cached_property
    def num_targets(self) -> np.ndarray:
        """(users,) number of targets per user; 1 for a user without targets, whose value becomes NaN."""
        number: np.ndarray = np.maximum(self.counted.sum(1), 1)
        return number

    @cached_property
    def best(self) -> np.ndarray:
        """(users,) rank of the best-ranked target; the largest integer for a user without targets."""
        highest = np.iinfo(np.int64).max
        best: np.ndarray = np.where(self.counted, self.ranks, highest).min(1, initial=highest)
        return best

    @cached_property
    def discounts(self) -> np.ndarray:
        """(users, targets) 1 / log2(1 + rank) of each target."""
        return np.where(self.counted, 1 / np.log2(1 + np.maximum(self.ranks, 1)), 0.0)

    def hits(self, k: int) -> np.ndarray:
        """(users, targets) bool, whether a target has a rank up to k."""
        hits: np.ndarray = self.counted & (self.ranks <= k)
        return hits


Metric = Callable[[RankedTargets, int], np.ndarray]
"""A function from ranks and a cut-off to (users,) values; the mean over users is reported."""
METRICS: dict[str, Metric] = {}
"""Metrics per user by name; `register_metric` adds one."""


def register_metric(name: str) -> Callable[[Metric], Metric]:
    """Add the decorated function to `METRICS`, for `metrics=` in Python and `--metrics` of the commands.

    Commands and other processes import the module of a metric that is given as "MODULE:NAME". Its values should be
    higher for better rankings, because tables mark the highest value as the best.

    Args:
        name: Its name in reports, such as "precision" for `precision@10`.

    Raises:
        ValueError: If another function has the name, or it contains "@", "." or ":", which separate it from cut-off,
            slice and module.
    """
    if name == COVERAGE or set(name) & set("@.:"):
        raise ValueError(f"a metric cannot be called {name!r}; give a name without @, . and : that is not taken yet")

    def add(metric: Metric) -> Metric:
        # A module that is executed twice (a notebook cell, a reload) replaces its own metric.
        if name in METRICS and _home(METRICS[name]) != _home(metric):
            raise ValueError(f"metric {name!r} is {_home(METRICS[name])} already; give another name")
        METRICS[name] = metric
        return metric

    return add


def _home(metric: Metric) -> str:
    return f"{getattr(metric, '__module__', '')}.{getattr(metric, '__qualname__', metric)}"


@register_metric("recall")
def recall(targets: RankedTargets, k: int) -> np.ndarray:
    """Share of the targets with a rank up to k; with one target per user, the hit rate."""
    values: np.ndarray = targets.hits(k).sum(1) / targets.num_targets
    return values


@register_metric("ndcg")
def ndcg(targets: RankedTargets, k: int) -> np.ndarray:
    """Binary gains, relative to min(k, targets) hits at the top.

    Jarvelin and Kekalainen, "Cumulated gain-based evaluation of IR techniques", TOIS 2002, with the discount
    1 / log2(1 + rank).
    """
    ideal = np.cumsum(1 / np.log2(1 + np.arange(1, k + 1)))
    values: np.ndarray = (targets.discounts * targets.hits(k)).sum(1) / ideal[np.minimum(targets.num_targets, k) - 1]
    return values


@register_metric("mrr")
def mrr(targets: RankedTargets, k: int) -> np.ndarray:
    """1 / rank of the best-ranked target, and 0 where that rank exceeds k (Voorhees, TREC-8, 1999)."""
    return np.where(targets.best <= k, 1 / targets.best, 0.0)


@register_metric("hit_rate")
def hit_rate(targets: RankedTargets, k: int) -> np.ndarray:
    """1 if any target has a rank up to k, else 0."""
    hit: np.ndarray = (targets.best <= k).astype(np.float64)
    return hit


def per_user_metrics(
    ranks: np.ndarray,
    ks: Sequence[int] = DEFAULT_KS,
    relevant: np.ndarray | None = None,
    names: Sequence[str] = METRIC_NAMES,
) -> dict[str, np.ndarray]:
    """Metrics at several cut-offs, one value per user.

    Args:
        ranks: (users, targets) ranks from 1; 0 or less is padding.
        ks: Cut-offs.
        relevant: (users, targets) bool, targets to count; None for all. Ranks are still among the whole catalogue.
        names: Names of metrics in `METRICS`.

    Returns:
        Name, such as `recall@10`, to (users,) float64 values; NaN for a user without counted targets.

    Raises:
        ValueError: If shapes do not fit, a cut-off is below 1, or a metric is unknown.

    Example:
        >>> {k: v.tolist() for k, v in per_user_metrics(np.array([[1, 3]]), ks=[2]).items()}["recall@2"]
        [0.5]
    """
    ranks = np.asarray(ranks).astype(np.int64, copy=False)
    if ranks.ndim != 2:
        raise ValueError(f"ranks have shape {ranks.shape}; give (users, targets)")
    counted = ranks > 0
    if relevant is not None:
        if np.shape(relevant) != ranks.shape:
            raise ValueError(f"the mask of relevant targets has shape {np.shape(relevant)}, the ranks {ranks.shape}")
        counted &= np.asarray(relevant, dtype=bool)
    unknown = [name for name in names if name not in METRICS]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not a metric; give some of {', '.join(METRICS)}")
    targets, without = RankedTargets(ranks, counted), ~counted.any(1)
    values = {f"{name}@{k}": METRICS[name](targets, k) for k in check_cutoffs(ks) for name in names}
    return {name: np.where(without, np.nan, value) for name, value in values.items()}


def summarise(per_user: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Mean of every metric over the users that have one; NaN if none has.

    Example:
        >>> summarise({"recall@1": np.array([1.0, 0.0, np.nan])})
        {'recall@1': 0.5}
    """
    means = {}
    for name, values in per_user.items():
        present = values[~np.isnan(values)]
        means[name] = float(present.mean()) if len(present) else float("nan")
    return means


def catalogue_coverage(topk: np.ndarray, ks: Sequence[int], num_items: int, *, first_row: int = 0) -> dict[str, float]:
    """Share of the catalogue that is in at least one user's top k.

    Args:
        topk: (users, K) recommended item indices, best first.
        ks: Cut-offs.
        num_items: Items in the catalogue.
        first_row: Lowest index of an item; lower indices are not recommendations and are not counted.

    Returns:
        Name, such as `coverage@10`, to a share from 0 to 1.

    Raises:
        ValueError: If the lists are shorter than a cut-off, and than the catalogue.

    Example:
        >>> catalogue_coverage(np.array([[0, 1], [0, 2]]), ks=[1, 2], num_items=4)
        {'coverage@1': 0.25, 'coverage@2': 0.75}
    """
    cutoffs = check_cutoffs(ks)
    needed = min(max(cutoffs), num_items)
    if topk.shape[1] < needed:
        raise ValueError(
            f"lists of {topk.shape[1]} recommendations are too short for coverage@{max(cutoffs)}; "
            f"give {needed} per user"
        )
    coverage = {}
    for k in cutoffs:
        recommended = (np.unique(topk[:, :k]) >= first_row).sum()
        coverage[f"{COVERAGE}@{k}"] = float(recommended / num_items) if num_items else float("nan")
    return coverage


def check_cutoffs(ks: Sequence[int]) -> list[int]:
    """Sorted distinct cut-offs.

    Raises:
        ValueError: If there is none, or one is below 1.
    """
    cutoffs = sorted({int(k) for k in ks})
    if not cutoffs or cutoffs[0] < 1:
        raise ValueError(f"cut-offs are {list(ks)}; give at least one, each 1 or more")
    return cutoffs
