"""Tuning of the share of dot products beside rates of first purchases, for discovery, on the validation split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from datasets import Dataset

from ...evaluation.ranks import target_ranks
from ...evaluation.recommendation_ranking.ranking_metrics import per_user_metrics
from ...modeling_xcat.modeling_xcat import XCatForNextItem
from ...tokenization.processing_xcat import XCatProcessor
from ...tokenization.progress import stage
from .neighbor_weight import without_tuned_parts
from .novel_targets import encoded_for_discovery, with_novel_targets
from .user_samples import spread_users

WEIGHTS = (None, 1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
"""Candidate factors of the products; None leaves the rates out."""
MOST_USERS = 4096


@torch.no_grad()
def product_weight_scores(
    model: XCatForNextItem,
    processor: XCatProcessor,
    dataset: Dataset,
    *,
    k: int = 10,
    weights: Sequence[float | None] = WEIGHTS,
    most_users: int = MOST_USERS,
) -> dict[float | None, float]:
    """NDCG@k of discovery for several factors of the products, without item-to-item weights and re-ranker.

    Args:
        model: A model with segments; it is not changed.
        processor: Its processor.
        dataset: Rows with `items` and `targets`; only targets that the history lacks count.
        k: Cut-off.
        weights: Values of `discover_product_weight`.
        most_users: Maximum number of users.

    Returns:
        Factor to mean NDCG@k over users.

    Raises:
        ValueError: If the model has no segments.
    """
    base = model.model
    if base.segments is None:
        raise ValueError("the model has no segments; give a num_segments above 0")
    dataset = with_novel_targets(dataset)
    chosen = spread_users(dataset, most_users)
    found: dict[float | None, list[np.ndarray]] = {weight: [] for weight in weights}
    shown = stage("tuning the score for discovery", len(chosen), "users")
    with without_tuned_parts(model), shown as running:
        table = base.item_side(base.items().float())
        for states, recent, targets in encoded_for_discovery(model, processor, dataset, chosen):
            for model.config.discover_product_weight, lists in found.items():
                ranks = target_ranks(base.score_states(states, recent, table), targets)
                lists.append(per_user_metrics(ranks.cpu().numpy(), [k])[f"ndcg@{k}"])
            running.advance(len(states))
    return {weight: float(np.nanmean(np.concatenate(lists))) for weight, lists in found.items()}
