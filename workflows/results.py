"""Results of a benchmark: runs by model, and significant differences between models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..evaluation.bootstrap import paired_bootstrap, relative_bootstrap
from ..evaluation.more_metrics import DECIDING_METRIC
from ..evaluation.purposes import DISCOVER
from ..training.recipes import OWN, RECIPES, is_own
from .baselines import FROM_BASE
from .click_models import RANKING_BASELINES

ASK_INPUTS = {
    "history and query": ("metrics", "median_rank", ""),
    "query alone": ("query_alone", "median_rank_alone", "query_alone."),
    "history alone": ("history_alone", "median_rank_history", "history_alone."),
}
"""Inputs that rankings for queries are measured with: keys of metrics and median rank in a row's `asks`, and the
beginning of the names of values per user, after `asks.KIND.`."""
Row = dict[str, Any]


def user_key(model: str, seed: int, metric: str) -> str:
    """The name of an array of values per user, such as `xcat/0/ndcg@10`."""
    return f"{model}/{seed}/{metric}"


def by_model(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows of each model, in the order in which models first appear."""
    grouped: dict[str, list[Row]] = {}
    for row in rows:
        grouped.setdefault(row["model"], []).append(row)
    return grouped


def compare_models(rows: Sequence[Row], users: Mapping[str, np.ndarray], samples: int = 1000) -> list[dict[str, Any]]:
    """Difference in NDCG@10 of each trained model to the best baseline, for the next item and for discovery.

    A user's value is the mean over seeds. The bootstrap draws users, so the interval is for other users of the same
    data set, not for other seeds.

    Args:
        rows: Runs.
        users: Values per user by `user_key`.
        samples: Number of bootstrap samples.

    Returns:
        One mapping per trained model: `model`, `baseline`, `metric`, `difference`, `low`, `high`, `level`, `users`.
        `discover` has the same for discovery; None if it was not measured.
    """
    discovery = {found["model"]: found for found in _compared(rows, users, f"{DISCOVER}.{DECIDING_METRIC}", samples)}
    compared = _compared(rows, users, DECIDING_METRIC, samples)
    return [{**found, DISCOVER: discovery.get(found["model"])} for found in compared]


def _compared(rows: Sequence[Row], users: Mapping[str, np.ndarray], metric: str, samples: int) -> list[dict[str, Any]]:
    """The comparisons in one metric, of the models whose runs all have it."""
    means = {
        model: np.mean([users[user_key(model, row["seed"], metric)] for row in group], axis=0)
        for model, group in by_model(rows).items()
        if all(user_key(model, row["seed"], metric) in users for row in group)
    }
    compared = []
    for model in means:
        rivals = [name for name in means if name != model and not is_own(name)]
        if not (model in RECIPES or model in RANKING_BASELINES or is_own(model)) or not rivals:
            continue
        best = max(rivals, key=lambda name: float(np.nanmean(means[name])))
        interval = paired_bootstrap(means[model], means[best], samples=samples)
        compared.append({
            "model": model, "baseline": best, "metric": metric, "difference": interval.mean,
            "low": interval.low, "high": interval.high, "level": interval.level, "users": interval.num_users,
        })  # fmt: skip
    return compared


def compare_asks(rows: Sequence[Row], users: Mapping[str, np.ndarray], samples: int = 1000) -> list[dict[str, Any]]:
    """NDCG@10 of XCat for history and query, relative to each other model and to XCat with one of the two.

    Users and seeds are treated as in `compare_models`. Compared are XCat and the models that start from a checkpoint;
    XCat without a part, such as `xcat-no-query-attention`, is one of the others.

    Args:
        rows: Runs.
        users: Values per user by `user_key`.
        samples: Number of bootstrap samples.

    Returns:
        One mapping per kind, compared model and other: `model`, `kind`, `against`, `metric`, `ratio`, `low`, `high`,
        `level`, `users`; `ratio` is None if the other's mean is 0, `low` and `high` if it is 0 in a sample.
    """
    groups = by_model(rows)

    def mean(model: str, kind: str, start: str = "") -> np.ndarray | None:
        keys = [user_key(model, row["seed"], f"asks.{kind}.{start}{DECIDING_METRIC}") for row in groups[model]]
        return np.mean([users[key] for key in keys], axis=0) if all(key in users for key in keys) else None

    compared = []
    for model in (name for name in groups if name in (OWN, *FROM_BASE)):
        for kind in groups[model][0].get("asks") or {}:
            own = mean(model, kind)
            others = {name: mean(model, kind, start) for name, (_, _, start) in ASK_INPUTS.items() if start}
            others |= {name: mean(name, kind) for name in groups if name != model}
            for against, values in others.items():
                if own is not None and values is not None:
                    ratio = _ratio(own, values, samples)
                    compared.append({"model": model, "kind": kind, "against": against, **ratio})
    return compared


def _ratio(own: np.ndarray, other: np.ndarray, samples: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "metric": DECIDING_METRIC, "ratio": None, "low": None, "high": None, "level": 0.95, "users": len(own)
    }  # fmt: skip
    if float(other.mean()) > 0:
        found["ratio"] = float(own.mean() / other.mean())
    try:
        interval = relative_bootstrap(own, other, samples)
    except ValueError:  # the other's mean is 0 in a sample
        return found
    return found | {"low": interval.low + 1, "high": interval.high + 1, "level": interval.level}
