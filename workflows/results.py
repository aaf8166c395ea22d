"""Results of a benchmark: runs by model, and significant differences between models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..evaluation.bootstrap import paired_bootstrap
from ..training.recipes import RECIPES, is_own

DECIDING_METRIC = "ndcg@10"
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
    """Difference in NDCG@10 of each trained model to the best baseline.

    A user's value is the mean over seeds. The bootstrap draws users, so the interval is for other users of the same
    data set, not for other seeds.

    Args:
        rows: Runs.
        users: Values per user by `user_key`.
        samples: Number of bootstrap samples.

    Returns:
        One mapping per trained model: `model`, `baseline`, `metric`, `difference`, `low`, `high`, `level`, `users`.
    """
    means = {
        model: np.mean([users[user_key(model, row["seed"], DECIDING_METRIC)] for row in group], axis=0)
        for model, group in by_model(rows).items()
    }
    compared = []
    for model in means:
        rivals = [name for name in means if name != model and not is_own(name)]
        if not (model in RECIPES or is_own(model)) or not rivals:
            continue
        best = max(rivals, key=lambda name: float(np.nanmean(means[name])))
        interval = paired_bootstrap(means[model], means[best], samples=samples)
        compared.append({
            "model": model, "baseline": best, "metric": DECIDING_METRIC, "difference": interval.mean,
            "low": interval.low, "high": interval.high, "level": interval.level, "users": interval.num_users,
        })  # fmt: skip
    return compared
