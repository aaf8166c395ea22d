"""Intervals of click metrics, and differences between models: the bootstrap over users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..evaluation.bootstrap import ResampledStatistics, bootstrap_statistics
from ..evaluation.click_evaluation import TABLE_METRICS
from ..evaluation.click_prediction.click_metrics import CLICK_METRICS, Predictions
from .bench_request import LABEL, PROBABILITY, USER
from .results import Row, by_model, user_key

LOWER_IS_BETTER = ("log_loss", "ece")


def compare_click_models(
    rows: Sequence[Row], arrays: Mapping[str, np.ndarray], samples: int = 1000
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Metrics of each model with intervals, and their differences to the best model.

    The value of a model is the mean over its seeds. The bootstrap draws users with all their impressions, the same for
    all models, so an interval is for other users of the same data set, not for other seeds.

    Args:
        rows: Runs.
        arrays: Values per impression by `user_key`.
        samples: Number of bootstrap samples.

    Returns:
        One mapping per metric and model, best first: `metric`, `model`, `value`, `low`, `high`, `level`, `users`. And
        one per metric and model but the best: `metric`, `model`, `best`, `difference`, `low`, `high`, `level`,
        `users`.

    Raises:
        ValueError: If runs have other impressions.
    """
    models = {
        model: [_predictions(row, arrays, rows[0]) for row in group] for model, group in by_model(rows).items()
    }  # fmt: skip
    found = _resampled(list(models.values()), samples)
    intervals, differences = [], []
    for number, metric in enumerate(TABLE_METRICS):
        places = {model: place * len(TABLE_METRICS) + number for place, model in enumerate(models)}
        known = [model for model in models if not np.isnan(found.values[places[model]])]
        sign = 1 if metric in LOWER_IS_BETTER else -1
        known.sort(key=lambda model: sign * found.values[places[model]])
        for model in known:
            own = found.interval(places[model])
            ends = {"low": own.low, "high": own.high, "level": own.level, "users": own.num_users}
            intervals.append({"metric": metric, "model": model, "value": own.mean, **ends})
        for model in known[1:]:
            gap = found.interval(places[model], minus=places[known[0]])
            differences.append({
                "metric": metric, "model": model, "best": known[0], "difference": gap.mean, "low": gap.low,
                "high": gap.high, "level": gap.level, "users": gap.num_users,
            })  # fmt: skip
    return intervals, differences


def _resampled(models: Sequence[Sequence[Predictions]], samples: int) -> ResampledStatistics:
    """Means over seeds of the metrics of models, in order of models and then of metrics."""

    def statistics(times: np.ndarray) -> np.ndarray:
        values = []
        for seeds in models:
            weights = [times[one.users] for one in seeds if one.users is not None]
            values += [
                float(np.mean([CLICK_METRICS[name](one, own) for one, own in zip(seeds, weights, strict=True)]))
                for name in TABLE_METRICS
            ]
        return np.array(values)

    return bootstrap_statistics(statistics, models[0][0].num_users, samples)


def _predictions(row: Row, arrays: Mapping[str, np.ndarray], first: Row) -> Predictions:
    """Predictions of a run, whose impressions must be those of the first run."""

    def values(name: str, of: Row) -> np.ndarray:
        return arrays[user_key(of["model"], of["seed"], name)]

    if not all(np.array_equal(values(name, row), values(name, first)) for name in (LABEL, USER)):
        raise ValueError(
            f"{row['model']}, seed {row['seed']} has other impressions than {first['model']}, seed {first['seed']}; "
            "compare runs on one test split"
        )
    return Predictions(values(PROBABILITY, row), values(LABEL, row), values(USER, row))
