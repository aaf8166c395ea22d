"""Tuning of the item-to-item weight on the validation split."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from datasets import Dataset

from ...evaluation.ranks import pad_targets
from ...evaluation.recommendation_ranking.ranking_metrics import per_user_metrics
from ...modeling_xcat.configuration_xcat import REGRESSION_FROM
from ...modeling_xcat.modeling_xcat import XCatForNextItem
from ...tokenization.processing_xcat import XCatProcessor
from ...tokenization.progress import stage
from .novel_targets import targets_of, with_novel_targets
from .user_samples import spread_users

WEIGHTS = (0.0, 5.0, 10.0, 20.0, 30.0, 40.0, 60.0, 80.0, 120.0)
"""Candidate weights."""
OLD_WEIGHTS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""Candidate weights for cosine similarities, used by checkpoints before format version 4."""

LEAST_USERS = 4096
MOST_SCORES = 1 << 29
"""Maximum scores to compute: more users are reduced to an evenly spread sample, but not below `LEAST_USERS`, because
with fewer users close weights differ by chance."""
USERS_IN_TRAINING = 2048
"""Users for tuning before an evaluation in training, which also ranks other users."""

_SCORES_AT_ONCE = 1 << 22


@torch.no_grad()
def neighbor_weight_scores(
    model: XCatForNextItem,
    processor: XCatProcessor,
    dataset: Dataset,
    *,
    k: int = 10,
    weights: Sequence[float] | None = None,
    most_users: int | None = None,
    encode: Callable[..., Any] | None = None,
    discover: bool = False,
) -> dict[float, float]:
    """NDCG@k of a split for several item-to-item weights, from one encoding of its histories.

    Args:
        model: A model with item-to-item weights; it is not changed.
        processor: Its processor.
        dataset: Rows with `items` and `targets`.
        k: Cut-off.
        weights: Values of `neighbor_weight`; None for the default candidates.
        most_users: Maximum number of users; None for the number that `MOST_SCORES` allows.
        encode: Encodes histories instead of the model itself.
        discover: Whether to leave the history out of the ranking, and targets of the history out of the metric.

    Returns:
        Weight to mean NDCG@k over users.

    Raises:
        ValueError: If the model has no item-to-item weights.
    """
    base = model.model
    if base.neighbors is None:
        raise ValueError("the model has no item-to-item weights; give a num_neighbors above 0")
    if weights is None:
        weights = WEIGHTS if model.config.format_version >= REGRESSION_FROM else OLD_WEIGHTS
    found: dict[float, list[np.ndarray]] = {float(weight): [] for weight in weights}
    count = max(LEAST_USERS, MOST_SCORES // model.config.num_item_rows) if most_users is None else most_users
    if discover:
        dataset = with_novel_targets(dataset)
    chosen = spread_users(dataset, count)
    shown = stage("tuning the item-to-item weight", len(chosen), "users")
    with without_tuned_parts(model), shown as running:
        table = base.item_side(base.items().float())
        size = max(1, _SCORES_AT_ONCE // len(table))
        for part in np.array_split(chosen, -(-len(chosen) // size)):
            rows = [dataset[int(i)] for i in part]
            inputs = {name: value.to(base.device) for name, value in processor.collate(rows).items()}
            positions = inputs.pop("query_positions", None)  # with them a whole model would also score the catalogue
            states, recent = base.pick(
                (encode or base)(**inputs, return_dict=True).last_hidden_state, positions, **inputs
            )
            if discover:
                recent = recent.discovering([row["items"] for row in rows])
            scores = base.score_states(states, recent, table)
            queries, items, values = base.neighbors.bonus(recent, weight=1.0)
            targets = torch.from_numpy(pad_targets([targets_of(row, discover) for row in rows])).to(scores.device)
            asked = _TargetRanks(scores, targets, queries, items, values, k)
            for weight, lists in found.items():
                lists.append(per_user_metrics(asked.ranks(weight).cpu().numpy(), [k])[f"ndcg@{k}"])
            running.advance(len(part))
    return {weight: float(np.nanmean(np.concatenate(lists))) for weight, lists in found.items()}


@contextmanager
def without_tuned_parts(model: XCatForNextItem) -> Iterator[None]:
    """Turn off the item-to-item weights, and the re-ranker, which depends on their scores."""
    config, training = model.config, model.training
    names = (
        "neighbor_weight", "discover_neighbor_weight", "discover_product_weight", "candidate_attention",
        "discover_candidate_attention", "discover_trends",
    )  # fmt: skip
    before = {name: getattr(config, name) for name in names}
    config.neighbor_weight, config.candidate_attention = 0.0, False
    config.discover_neighbor_weight = config.discover_candidate_attention = None
    config.discover_trends = False
    model.eval()
    try:
        yield
    finally:
        model.train(training)
        for name, value in before.items():
            setattr(config, name, value)


class _TargetRanks:
    """Ranks up to k of targets among scores with sparse bonuses, without a copy of the scores per weight.

    Args:
        scores: (users, rows) scores without the bonus; scores with a bonus become -inf.
        targets: (users, targets) item indices, -1 for none.
        queries: (pairs,) users of the pairs, in order.
        items: (pairs,) item indices of the pairs, each pair once and in order.
        values: (pairs,) bonuses.
        k: The largest exact rank.
    """

    def __init__(
        self,
        scores: torch.Tensor,
        targets: torch.Tensor,
        queries: torch.Tensor,
        items: torch.Tensor,
        values: torch.Tensor,
        k: int,
    ) -> None:
        size, columns = scores.shape[1], targets.clamp(min=0)
        self.there, self.queries, self.values = targets >= 0, queries, values
        keys = queries * size + items
        asked = torch.arange(len(scores), device=scores.device)[:, None] * size + columns
        place = torch.searchsorted(keys, asked).clamp(max=max(0, len(keys) - 1))
        self.own = scores.gather(1, columns)
        self.bonus = torch.where(keys[place] == asked, values[place], 0.0) if len(keys) else torch.zeros_like(self.own)
        self.before = scores[queries, items]
        scores[queries, items] = -torch.inf
        self.best = scores.topk(min(k + 1, size), dim=1).values

    def ranks(self, weight: float) -> torch.Tensor:
        """(users, targets) ranks with this weight; exact up to k, larger ranks are above k; 0 for no target."""
        wanted, after = self.own + weight * self.bonus, self.before + weight * self.values
        ranks = (self.best[:, None, :] >= wanted[:, :, None]).sum(2)
        for number, least in enumerate(wanted.unbind(1)):
            ranks[:, number].index_add_(0, self.queries, (after >= least[self.queries]).long())
        return ranks * self.there
