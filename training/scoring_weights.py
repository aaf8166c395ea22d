"""How much a shop's memories are worth beside the trained scores, found on its validation split."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from datasets import Dataset

from ..evaluation.metrics import per_user_metrics
from ..evaluation.ranks import pad_targets, target_ranks
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..modeling_xcat.recent_xcat import RecentEvents
from ..tokenization.processing_xcat import XCatProcessor

NEIGHBOR_WEIGHTS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""Weights of the neighbour memory that are tried."""

CANDIDATE_WEIGHTS = (0.0, 1.0, 2.0, 4.0, 8.0)
"""Weights that are tried of each view of the second stage."""

USERS = 4096
"""Users that the choice is made on, at most, evenly spread over the split."""

_SCORES_AT_ONCE = 1 << 24


def tune_scoring_weights(model: XCatForNextItem, processor: XCatProcessor, dataset: Dataset) -> None:
    """Set the weights of neighbour memory and second stage to the best of those tried, by NDCG@10, one after another.

    Args:
        model: A trained model; what it does not have is left out.
        processor: Its processor.
        dataset: The validation split.
    """
    config = model.config
    config.candidate_weights = [0.0, 0.0]
    if model.model.neighbors is not None:
        scores = neighbor_weight_scores(model, processor, dataset)
        config.neighbor_weight = max(scores, key=lambda weight: scores[weight])
    if model.model.candidates is not None:
        by_pair = candidate_weight_scores(model, processor, dataset)
        config.candidate_weights = list(max(by_pair, key=lambda pair: by_pair[pair]))


@torch.no_grad()
def neighbor_weight_scores(
    model: XCatForNextItem,
    processor: XCatProcessor,
    dataset: Dataset,
    *,
    k: int = 10,
    weights: Sequence[float] = NEIGHBOR_WEIGHTS,
) -> dict[float, float]:
    """NDCG@k of a split for several weights of the neighbour memory, without the second stage.

    Args:
        model: A model with a neighbour memory; it is left as it is.
        processor: Its processor.
        dataset: Rows with `items` and `targets`.
        k: Cut-off.
        weights: Values of `neighbor_weight`.

    Returns:
        Weight to the mean NDCG@k over users.

    Raises:
        ValueError: If the model has no neighbour memory.
    """
    base = model.model
    if base.neighbors is None:
        raise ValueError("the model has no neighbour memory; give a num_neighbors above 0")
    found: dict[float, list[np.ndarray]] = {float(weight): [] for weight in weights}
    for states, recent, targets, table in _encoded(model, processor, dataset):
        scores = base.score_states(states, None, table)
        if base.repeats is not None:
            queries, items, values = base.repeats.bonus(recent)
            scores[queries, items] += values
        queries, items, values = base.neighbors.bonus(recent, weight=1.0)
        for weight, lists in found.items():
            blended = scores.clone()
            blended[queries, items] += weight * values
            lists.append(_ndcg(blended, targets, k))
    return {weight: float(np.nanmean(np.concatenate(lists))) for weight, lists in found.items()}


@torch.no_grad()
def candidate_weight_scores(
    model: XCatForNextItem,
    processor: XCatProcessor,
    dataset: Dataset,
    *,
    k: int = 10,
    weights: Sequence[float] = CANDIDATE_WEIGHTS,
) -> dict[tuple[float, float], float]:
    """NDCG@k of a split for pairs of weights of the second stage.

    Args:
        model: A model with a second stage; it is left as it is.
        processor: Its processor.
        dataset: Rows with `items` and `targets`.
        k: Cut-off.
        weights: Values of each of the two `candidate_weights`.

    Returns:
        Pair of weights to the mean NDCG@k over users.

    Raises:
        ValueError: If the model has no second stage.
    """
    base = model.model
    if base.candidates is None:
        raise ValueError("the model has no second stage; give a num_candidates above 0")
    views = [tuple(weights), tuple(weights) if base.config.use_text else (0.0,)]
    found: dict[tuple[float, float], list[np.ndarray]] = {pair: [] for pair in itertools.product(*views)}
    before, base.config.candidate_weights = base.config.candidate_weights, [0.0, 0.0]
    for states, recent, targets, table in _encoded(model, processor, dataset):
        scores = base.score_states(states, recent, table)
        best = base.candidates.choose(scores)
        said = base.candidates.views(recent, best, table, base.text_view)
        for pair, lists in found.items():
            lists.append(_ndcg(scores.scatter_add(1, best, said @ torch.tensor(pair, device=said.device)), targets, k))
    base.config.candidate_weights = before
    return {pair: float(np.nanmean(np.concatenate(lists))) for pair, lists in found.items()}


def _encoded(
    model: XCatForNextItem, processor: XCatProcessor, dataset: Dataset
) -> Iterator[tuple[torch.Tensor, RecentEvents, torch.Tensor, torch.Tensor]]:
    """States, latest events and targets of users evenly spread over a split, and the table they are scored against."""
    base: Any = model.model
    training = model.training
    model.eval()
    table = base.item_side(base.items().float())
    chosen = np.unique(np.linspace(0, len(dataset) - 1, min(USERS, len(dataset))).astype(np.int64))
    size = max(1, _SCORES_AT_ONCE // len(table))
    for part in np.array_split(chosen, -(-len(chosen) // size)):
        rows = [dataset[int(i)] for i in part]
        inputs = {name: value.to(base.device) for name, value in processor.collate(rows).items()}
        states, recent, _ = base.encode_queries(**inputs)
        yield states, recent, torch.from_numpy(pad_targets([row["targets"] for row in rows])), table
    model.train(training)


def _ndcg(scores: torch.Tensor, targets: torch.Tensor, k: int) -> np.ndarray:
    values: np.ndarray = per_user_metrics(target_ranks(scores, targets).cpu().numpy(), [k])[f"ndcg@{k}"]
    return values
