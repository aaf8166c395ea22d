"""How much a shop's neighbour memory is worth, found on its validation split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from datasets import Dataset

from ..evaluation.metrics import per_user_metrics
from ..evaluation.ranks import pad_targets, target_ranks
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..tokenization.processing_xcat import XCatProcessor

WEIGHTS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""Weights that are tried."""

USERS = 4096
"""Users that the choice is made on, at most, evenly spread over the split."""

_SCORES_AT_ONCE = 1 << 24


@torch.no_grad()
def neighbor_weight_scores(
    model: XCatForNextItem,
    processor: XCatProcessor,
    dataset: Dataset,
    *,
    k: int = 10,
    weights: Sequence[float] = WEIGHTS,
) -> dict[float, float]:
    """NDCG@k of a split for several weights of the neighbour memory, from one encoding of its histories.

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
    training, before = model.training, model.config.neighbor_weight
    model.eval()
    model.config.neighbor_weight = 0.0
    table = base.item_side(base.items().float())
    chosen = np.unique(np.linspace(0, len(dataset) - 1, min(USERS, len(dataset))).astype(np.int64))
    size = max(1, _SCORES_AT_ONCE // len(table))
    found: dict[float, list[np.ndarray]] = {float(weight): [] for weight in weights}
    for part in np.array_split(chosen, -(-len(chosen) // size)):
        rows = [dataset[int(i)] for i in part]
        inputs = {name: value.to(base.device) for name, value in processor.collate(rows).items()}
        states, recent, _ = base.encode_queries(**inputs)
        scores = base.score_states(states, recent, table)
        queries, items, values = base.neighbors.bonus(recent, weight=1.0)
        targets = torch.from_numpy(pad_targets([row["targets"] for row in rows]))
        for weight, lists in found.items():
            blended = scores.clone()
            blended[queries, items] += weight * values
            lists.append(per_user_metrics(target_ranks(blended, targets).cpu().numpy(), [k])[f"ndcg@{k}"])
    model.train(training)
    model.config.neighbor_weight = before
    return {weight: float(np.nanmean(np.concatenate(lists))) for weight, lists in found.items()}
