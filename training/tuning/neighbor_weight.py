"""How much a shop's neighbour memory is worth, found on its validation split."""

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
from .user_samples import spread_users

WEIGHTS = (0.0, 5.0, 10.0, 20.0, 30.0, 40.0, 60.0, 80.0, 120.0)
"""Weights that are tried."""
OLD_WEIGHTS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""Weights that are tried for a memory of cosines, which checkpoints before format version 4 have."""

LEAST_USERS = 4096
MOST_SCORES = 1 << 29
"""The choice is made on all users of the split, or on as many, evenly spread, as have this many scores together, but
not on fewer than `LEAST_USERS`, among whom weights that are close differ by less than chance."""
USERS_IN_TRAINING = 2048
"""Users on whom it is chosen before an evaluation in training, which ranks others with it, too."""

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
) -> dict[float, float]:
    """NDCG@k of a split for several weights of the neighbour memory, from one encoding of its histories.

    Args:
        model: A model with a neighbour memory; it is left as it is.
        processor: Its processor.
        dataset: Rows with `items` and `targets`.
        k: Cut-off.
        weights: Values of `neighbor_weight`; None for those that fit what the memory holds.
        most_users: Users that are asked at most; None for as many as `MOST_SCORES` says.
        encode: What encodes histories in place of the model itself.

    Returns:
        Weight to the mean NDCG@k over users.

    Raises:
        ValueError: If the model has no neighbour memory.
    """
    base = model.model
    if base.neighbors is None:
        raise ValueError("the model has no neighbour memory; give a num_neighbors above 0")
    if weights is None:
        weights = WEIGHTS if model.config.format_version >= REGRESSION_FROM else OLD_WEIGHTS
    found: dict[float, list[np.ndarray]] = {float(weight): [] for weight in weights}
    count = max(LEAST_USERS, MOST_SCORES // model.config.num_item_rows) if most_users is None else most_users
    chosen = spread_users(dataset, count)
    shown = stage("choosing the memory weight", len(chosen), "users")
    with _without_what_is_asked(model), shown as running:
        table = base.item_side(base.items().float())
        size = max(1, _SCORES_AT_ONCE // len(table))
        for part in np.array_split(chosen, -(-len(chosen) // size)):
            rows = [dataset[int(i)] for i in part]
            inputs = {name: value.to(base.device) for name, value in processor.collate(rows).items()}
            positions = inputs.pop("query_positions", None)  # with them a whole model would score the catalogue, too
            states, recent = base.pick(
                (encode or base)(**inputs, return_dict=True).last_hidden_state, positions, **inputs
            )
            scores = base.score_states(states, recent, table)
            queries, items, values = base.neighbors.bonus(recent, weight=1.0)
            targets = torch.from_numpy(pad_targets([row["targets"] for row in rows])).to(scores.device)
            asked = _Asked(scores, targets, queries, items, values, k)
            for weight, lists in found.items():
                lists.append(per_user_metrics(asked.ranks(weight).cpu().numpy(), [k])[f"ndcg@{k}"])
            running.advance(len(part))
    return {weight: float(np.nanmean(np.concatenate(lists))) for weight, lists in found.items()}


@contextmanager
def _without_what_is_asked(model: XCatForNextItem) -> Iterator[None]:
    """Evaluation without the memory, and without a second stage, which goes by the scores that the weight makes."""
    config, training = model.config, model.training
    before = config.neighbor_weight, config.candidate_attention
    config.neighbor_weight, config.candidate_attention = 0.0, False
    model.eval()
    try:
        yield
    finally:
        model.train(training)
        config.neighbor_weight, config.candidate_attention = before


class _Asked:
    """Ranks up to k of targets among scores to some of which a bonus is added, without a copy of the scores a weight.

    Args:
        scores: (users, rows) scores without the bonus; those that get one become -inf.
        targets: (users, targets) rows, -1 for none.
        queries: (pairs,) users of the pairs, in order.
        items: (pairs,) rows of the pairs, each pair once and in order.
        values: (pairs,) bonuses.
        k: The largest rank that is told from larger ones.
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
        """(users, targets) ranks with a bonus of so much; exact up to k, behind that anything above k; 0 for none."""
        wanted, after = self.own + weight * self.bonus, self.before + weight * self.values
        ranks = (self.best[:, None, :] >= wanted[:, :, None]).sum(2)
        for number, least in enumerate(wanted.unbind(1)):
            ranks[:, number].index_add_(0, self.queries, (after >= least[self.queries]).long())
        return ranks * self.there
