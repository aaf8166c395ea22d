"""Evaluation of a model together with the baselines of every table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from datasets import Dataset

from ..modeling_baselines.knn import ItemKNNConfig, ItemKNNModel
from ..modeling_baselines.popularity import (
    PopularityConfig,
    PopularityModel,
    RepeatPurchaseConfig,
    RepeatPurchaseModel,
)
from ..tokenization.progress import stage
from ..tokenization.sequences.build import target_histories
from ..tokenization.vocabulary import ItemVocabulary
from .baseline_names import ITEM_KNN, POPULARITY, POPULARITY_RECENT, REPEAT_PURCHASE
from .ranker_evaluation import Ranker, RankingReport, evaluate_ranker
from .recent_popularity import fit_recent_popularity
from .recommendation_ranking.ranking_metrics import DEFAULT_KS, METRIC_NAMES


def compare_with_baselines(
    rankers: dict[str, Ranker],
    train: Dataset,
    test: Dataset,
    vocabulary: ItemVocabulary,
    *,
    trained: np.ndarray,
    validation: Dataset | None = None,
    ks: Sequence[int] = DEFAULT_KS,
    metrics: Sequence[str] = METRIC_NAMES,
    progress: bool = True,
) -> dict[str, RankingReport]:
    """Evaluate the given rankers on one split, beside popularity (also recent), repeat purchase and item-kNN.

    Args:
        rankers: Models to evaluate, by their names in tables.
        train: Training split; the baselines count its target events.
        test: The split to rank.
        vocabulary: The catalogue.
        trained: (rows,) bool, whether an item has training events.
        validation: Validation split, which chooses how many weeks are recent; None for the default number.
        ks: Cut-offs.
        metrics: Names of metrics in `METRICS`.
        progress: Whether to report progress (`show_progress`).

    Returns:
        Reports by name, the baselines first.
    """
    rows = len(vocabulary)
    histories = list(target_histories(train))
    with stage("fitting the baselines", shown=progress):
        baselines: dict[str, Ranker] = {
            POPULARITY: PopularityModel(PopularityConfig(num_item_rows=rows)).fit(histories),
            POPULARITY_RECENT: fit_recent_popularity(train, validation, rows),
            REPEAT_PURCHASE: RepeatPurchaseModel(RepeatPurchaseConfig(num_item_rows=rows)).fit(histories),
            ITEM_KNN: ItemKNNModel(ItemKNNConfig(num_item_rows=rows)).fit(histories),
        }
    reports = {}
    models = {**baselines, **rankers}
    with stage("evaluating models", len(models), "models", shown=progress) as running:
        for name, ranker in models.items():
            reports[name] = evaluate_ranker(
                ranker, test, vocabulary, trained=trained, ks=ks, metrics=metrics, progress=progress, name=name
            )
            running.advance()
    return reports
