"""Evaluation of a model together with the baselines of every table: of items, and of groups of items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from datasets import Dataset

from ..modeling_baselines.knn import ItemKNNConfig, ItemKNNModel
from ..modeling_baselines.popularity import (
    PopularityConfig,
    PopularityModel,
    RepeatPurchaseConfig,
    RepeatPurchaseModel,
)
from ..modeling_xcat.target_heads_xcat import TargetHead
from ..tokenization.item_groups import ItemGroups
from ..tokenization.progress import stage
from ..tokenization.sequences.build import target_histories
from ..tokenization.vocabulary import ItemVocabulary
from .baseline_names import HEAD, ITEM_KNN, POPULARITY, POPULARITY_RECENT, REPEAT_PURCHASE, SUMMED_ITEMS
from .group_ranking import SummedItems, group_baselines, group_rows, item_rows, trained_groups
from .head_ranking import HeadRanker, States
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
    return _evaluated(
        {**baselines, **rankers}, test, vocabulary, trained=trained, ks=ks, metrics=metrics, progress=progress
    )


def compare_groups(
    rankers: dict[str, Ranker],
    train: Dataset,
    test: Dataset,
    groups: ItemGroups,
    *,
    head: TargetHead | None = None,
    states: States | None = None,
    ks: Sequence[int] = DEFAULT_KS,
    metrics: Sequence[str] = METRIC_NAMES,
    progress: bool = True,
) -> dict[str, RankingReport]:
    """Evaluate the given rankers of items on groups of items, such as brands, beside counted baselines.

    All groups are ranked. A target is a group of a target item; users whose target items have no group are left out.
    Discovery leaves out the groups of the history, and only targets that are not among them count.

    Args:
        rankers: Rankers of items, by their names in tables; groups get the sums of their items' probabilities.
        train: Training split; the baselines count its target events.
        test: The split to rank.
        groups: The groups of the items.
        head: Head of the groups, whose weights add it to the sums of every ranker; None for sums alone.
        states: From rows of items to the (users, hidden) states that the head reads.
        ks: Cut-offs.
        metrics: Names of metrics in `METRICS`.
        progress: Whether to report progress (`show_progress`).

    Returns:
        Reports by name, the baselines first: popularity, repeat-purchase (the user's most frequent groups), and
        transitions; with a head also summed items (`SUMMED_ITEMS`) and the head alone (`HEAD`).

    Raises:
        ValueError: If no target belongs to a group.
    """
    rows = group_rows(test, groups)
    if not len(rows):
        raise ValueError(
            f"target is {groups.column!r}, and no target item of {len(test):,} users has a value in this column; give "
            "another target"
        )
    with stage("fitting the baselines", shown=progress):
        baselines = group_baselines(train, groups)
    models: dict[str, Ranker] = {**baselines}
    for name, ranker in rankers.items():
        summed = SummedItems(ranker, groups, test)
        models |= {name: summed} if head is None or states is None else _with_head(name, summed, head, states, test)
    return _evaluated(
        models, rows, groups.vocabulary(), trained=trained_groups(train, groups), ks=ks, metrics=metrics,
        progress=progress,
    )  # fmt: skip


def _with_head(name: str, summed: SummedItems, head: TargetHead, states: States, test: Dataset) -> dict[str, Ranker]:
    """Summed items, the head, and both with the weights of the head."""

    def of_groups(rows: list[dict[str, Any]]) -> Any:
        return states(item_rows(test, rows))

    both = HeadRanker(head, of_groups, summed, head.weights)
    return {SUMMED_ITEMS: summed, HEAD: HeadRanker(head, of_groups), name: both}


def _evaluated(
    models: Mapping[str, Ranker], rows: Dataset, vocabulary: ItemVocabulary, *, progress: bool, **options: Any
) -> dict[str, RankingReport]:
    """Reports of several rankers on the same rows, by name."""
    reports = {}
    with stage("evaluating models", len(models), "models", shown=progress) as running:
        for name, ranker in models.items():
            reports[name] = evaluate_ranker(ranker, rows, vocabulary, progress=progress, name=name, **options)
            running.advance()
    return reports
