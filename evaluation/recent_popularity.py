"""Popularity of the last weeks, with the length of the window chosen on validation users."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from datasets import Dataset

from ..modeling_baselines.popularity import SECONDS_PER_WEEK, RecentPopularityConfig, RecentPopularityModel
from ..tokenization.sequences.build import target_items
from ..tokenization.vocabulary import NUM_SPECIAL_ROWS
from .ranks import pad_targets
from .recommendation_ranking.ranking_metrics import per_user_metrics, summarise

WEEKS = (64, 32, 16, 8, 4, 2, 1)
"""Lengths of the window to choose from; of equally good ones, the longest."""
MOST_USERS = 2048
"""Validation users that the choice reads, evenly spread."""
_METRIC = "ndcg@10"


def fit_recent_popularity(
    train: Dataset, validation: Dataset | None, num_item_rows: int, weeks: Sequence[int] = WEEKS
) -> RecentPopularityModel:
    """Fit `RecentPopularityModel` with the window that has the best NDCG@10 of discovery on validation users.

    Only windows shorter than the time of the training events are tried. Without any, or without validation users who
    have a new target, the window has its default length.

    Args:
        train: Training split with `items` and `timestamps`; its target events are counted.
        validation: Validation split; None for the default window.
        num_item_rows: Rows of the item table.
        weeks: Windows to choose from.
    """
    rows, times = (target_items(train, column).to_pylist() for column in ("items", "timestamps"))
    known = [time for own in times for time in own if time >= 0]
    span = max(known) - min(known) if known else 0
    tried = [number for number in weeks if number * SECONDS_PER_WEEK < span]
    fitted = [
        RecentPopularityModel(RecentPopularityConfig(num_item_rows=num_item_rows, weeks=number)).fit(rows, times)
        for number in tried
    ]
    values = [np.nan if validation is None else new_target_ndcg(model, validation) for model in fitted]
    if not values or np.isnan(values).any():
        return RecentPopularityModel(RecentPopularityConfig(num_item_rows=num_item_rows)).fit(rows, times)
    return fitted[int(np.argmax(values))]


def new_target_ndcg(model: RecentPopularityModel, dataset: Dataset) -> float:
    """NDCG@10 of discovery, for a model that scores alike for all users; no user is scored.

    Args:
        model: The model.
        dataset: Rows with `items` and `targets`; at most `MOST_USERS` of them are read.

    Returns:
        The mean over users with a new target, as `evaluate_ranker` computes it; NaN if there is none.
    """
    if not len(dataset):
        return float("nan")
    chosen = np.unique(np.linspace(0, len(dataset) - 1, MOST_USERS).astype(int))
    columns = dataset.with_format(None).select_columns(["items", "targets"])[chosen]
    scores = model.score_rows([{"items": []}])[0].numpy()
    ranks = pad_targets([list(own) for own in _new_ranks(scores, columns["items"], columns["targets"])])
    return summarise(per_user_metrics(ranks, [10], names=["ndcg"]))[_METRIC]


def _new_ranks(
    scores: np.ndarray, histories: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]
) -> Iterator[np.ndarray]:
    """Ranks of each user's new targets: among all items, less the items of the history at or above the target."""
    ascending = np.sort(scores)
    for history, wanted in zip(histories, targets, strict=True):
        had, new = np.unique(np.asarray(history, dtype=np.int64)), np.asarray(wanted, dtype=np.int64)
        values = scores[new[~np.isin(new, had) & (new >= NUM_SPECIAL_ROWS)]]
        above = len(ascending) - np.searchsorted(ascending, values, side="left")
        yield above - (scores[had][:, None] >= values).sum(0)
