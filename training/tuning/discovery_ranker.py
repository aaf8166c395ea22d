"""Fit the re-ranker of rates and trends on earlier baskets, and evaluate it on the validation split."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from datasets import Dataset

from ...catalogue.segments import fill_from_events, target_events
from ...evaluation.ranks import pad_targets, target_ranks
from ...modeling_xcat.configuration_xcat import NUM_SPECIAL_ROWS
from ...modeling_xcat.discovery_ranker_xcat import XCatDiscoveryRanker, discovery_features, new_categories
from ...modeling_xcat.modeling_xcat import XCatForNextItem
from ...modeling_xcat.segments_xcat import XCatSegments
from ...tokenization.processing_xcat import XCatProcessor
from ...tokenization.progress import stage
from .earlier_baskets import EarlierBasket, earlier_basket
from .novel_targets import encoded_for_discovery, with_novel_targets
from .reranker import NEW_CATEGORY_SHARE, SecondStageGain, mean_gain, ndcg_and_decider
from .user_samples import MOST_USERS, QUICK_USERS, spread_users

MOST_BASKETS = 4
"""Maximum number of baskets per user."""
ENOUGH_USERS = 10_000
"""Baskets to fit to; with as many users, one basket of each."""
LEAST_USERS = 300
"""Minimum number of baskets with a new item among the candidates."""
_STEPS, _QUICK_STEPS = 600, 300
_BATCH = 128
_RATE, _DECAY = 0.01, 1.0
"""Peak learning rate and weight decay of AdamW."""
_SCORES_AT_ONCE, _MOST_SCORES = 1 << 23, 1 << 30
_LEAST_DEVIATION = 1e-3


@dataclass(frozen=True)
class BasketSample:
    """Candidates of users with a new target among them.

    Args:
        features: (users, candidates, features) results of `discovery_features`; the first feature is the rate.
        worth: (users, candidates) weights in the loss; 0 for an item that is not a target.
    """

    features: torch.Tensor
    worth: torch.Tensor


@torch.no_grad()
def fit_discovery_ranker(
    model: XCatForNextItem, train: Dataset, *, k: int = 10, seed: int = 0, quick: bool = False
) -> int:
    """Fit `discovery_ranker` to the new items of the last baskets in the training log.

    For each of up to `MOST_BASKETS` baskets per user, segments, rates and trends are computed from the log before it,
    as they are computed from the whole log for serving. The loss is the cross-entropy of the new items among the best
    ones by rate, where an item counts as a hit counts in NDCG@k, and `NEW_CATEGORY_SHARE` more in a new category.

    Args:
        model: A model with `discovery_ranker`, whose weights are changed; `discover_trends` is not.
        train: Training sequences.
        k: Cut-off of the NDCG.
        seed: Seed of initial weights and batches.
        quick: Whether to use half the steps.

    Returns:
        Number of baskets in the fit. Below `LEAST_USERS` nothing is fitted.

    Raises:
        ValueError: If the model has no `discovery_ranker`.
    """
    base = model.model
    ranker, segments = base.discovery_ranker, base.segments
    if ranker is None or segments is None:
        raise ValueError("the model has no discovery_ranker; give num_segments and num_discovery_candidates above 0")
    events, categories = target_events(train), base.items.category_values.cpu()
    baskets = min(MOST_BASKETS, -(-ENOUGH_USERS // max(1, len(train))))
    samples = []
    with stage("counting earlier baskets", total=baskets, unit="baskets") as running:
        for back in range(1, baskets + 1):
            split = earlier_basket(*events, back)
            if len(split.histories):
                samples.append(basket_sample(split, segments, categories, model.config.num_discovery_candidates, k))
            running.advance()
    users = sum(len(sample.worth) for sample in samples)
    if users >= LEAST_USERS:
        joined = BasketSample(*(torch.cat([getattr(s, name) for s in samples]) for name in ("features", "worth")))
        _fit(ranker, joined, torch.Generator().manual_seed(seed), _QUICK_STEPS if quick else _STEPS)
    return users


@torch.no_grad()
def basket_sample(
    split: EarlierBasket, tables: XCatSegments, categories: torch.Tensor, candidates: int, k: int
) -> BasketSample:
    """The best items by rate for users with new targets, as of the log before a basket.

    Args:
        split: The basket and the log before it.
        tables: Tables of the model, for their sizes; they are not changed.
        categories: (item rows,) categories, 0 for none.
        candidates: Maximum number of candidates per user.
        k: Cut-off of the NDCG.
    """
    segments = copy.deepcopy(tables).cpu().float()
    fill_from_events(segments, split.users, split.items, split.times)
    chosen = np.flatnonzero([len(targets) > 0 for targets in split.targets])
    rows = len(categories)
    most = max(LEAST_USERS, min(ENOUGH_USERS, _MOST_SCORES // rows))
    if len(chosen) > most:
        chosen = chosen[np.linspace(0, len(chosen) - 1, most).astype(np.int64)]
    width = max((len(split.targets[user]) for user in chosen), default=1)
    features, worth = [], []
    for part in np.array_split(chosen, max(1, -(-len(chosen) * rows // _SCORES_AT_ONCE))):
        seen = torch.nn.utils.rnn.pad_sequence(
            [torch.from_numpy(split.histories[user]) for user in part], batch_first=True
        ) if len(part) else torch.zeros(0, 1, dtype=torch.long)  # fmt: skip
        targets = torch.from_numpy(pad_targets([split.targets[user] for user in part]))
        targets = torch.nn.functional.pad(targets, (0, width - targets.shape[1]), value=-1)
        scores = segments.scores(seen).block(0, rows).scatter(1, seen, -torch.inf)
        scores[:, :NUM_SPECIAL_ROWS] = -torch.inf
        best = scores.topk(min(candidates, rows - NUM_SPECIAL_ROWS), dim=1).indices
        own = _worth(best, targets, new_categories(categories, seen, targets), k)
        some = own.any(1)
        features.append(discovery_features(seen[some], best[some], segments, categories))
        worth.append(own[some])
    return BasketSample(torch.cat(features), torch.cat(worth))


def _worth(rows: torch.Tensor, targets: torch.Tensor, new: torch.Tensor, k: int) -> torch.Tensor:
    """(users, candidates) weights of items in the loss, 0 for one that is not a target.

    Args:
        rows: (users, candidates) item indices.
        targets: (users, targets) item indices, below 0 for none.
        new: (users, targets) whether the history lacks the target's category.
        k: Cut-off of the NDCG.
    """
    ideal = (1 / torch.log2(torch.arange(2.0, k + 2))).cumsum(0)
    worth = torch.zeros(targets.shape)
    for counted, share in ((targets >= 0, 1.0), (new, NEW_CATEGORY_SHARE)):
        worth += share * counted / ideal[counted.sum(1, keepdim=True).clamp(1, k) - 1]
    return ((rows[:, :, None] == targets[:, None, :]) * worth[:, None, :]).sum(2)


@torch.enable_grad()
def _fit(ranker: XCatDiscoveryRanker, sample: BasketSample, generator: torch.Generator, steps: int) -> None:
    """Fit the weights; the score of a candidate is its rate plus the bonus."""
    features, fitted = sample.features, copy.deepcopy(ranker).cpu().float()
    deviation, mean = torch.std_mean(features, (0, 1))
    fitted.mean.copy_(mean)
    fitted.scale.copy_(torch.where(deviation > _LEAST_DEVIATION, deviation, 1.0))
    bound = fitted.expand.shape[1] ** -0.5
    weights = {name: torch.zeros_like(getattr(fitted, name)) for name in ("weight", "contract")}
    for name in ("expand", "expand_bias"):
        weights[name] = bound * (torch.rand(getattr(fitted, name).shape, generator=generator) * 2 - 1)
    weights = {name: value.requires_grad_() for name, value in weights.items()}
    optimizer = torch.optim.AdamW(weights.values(), lr=_RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    with stage("fitting the re-ranker to earlier baskets", total=steps, unit="steps") as running:
        for _ in range(steps):
            chosen = torch.randint(len(features), (_BATCH,), generator=generator)
            scores = features[chosen, :, 0] + torch.func.functional_call(fitted, weights, (features[chosen],))
            worth = sample.worth[chosen]
            loss = -(worth * torch.log_softmax(scores, 1).masked_fill(worth == 0, 0)).sum() / worth.sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            running.advance()
    with torch.no_grad():
        for name, value in {"mean": fitted.mean, "scale": fitted.scale, **weights}.items():
            getattr(ranker, name).copy_(value)


@torch.no_grad()
def discovery_ranker_gain(
    model: XCatForNextItem, processor: XCatProcessor, dataset: Dataset, *, k: int = 10, quick: bool = False
) -> SecondStageGain:
    """Compute NDCG@k of discovery with and without `discovery_ranker`, which is not fitted to this split.

    Args:
        model: A model with a fitted `discovery_ranker`; it is not changed.
        processor: Its processor.
        dataset: Rows with `items` and `targets`; only targets that the history lacks count.
        k: Cut-off.
        quick: Whether to use at most `QUICK_USERS` users.
    """
    base, config, training = model.model, model.config, model.training
    before = config.discover_trends, config.discover_candidate_attention
    config.discover_candidate_attention = False
    dataset = with_novel_targets(dataset)
    chosen = spread_users(dataset, QUICK_USERS if quick else MOST_USERS)
    found: dict[bool, list[Any]] = {False: [], True: []}
    model.eval()
    with stage("evaluating the re-ranker of earlier baskets", len(chosen), "users") as running:
        table = base.item_side(base.items().float())
        for states, recent, targets in encoded_for_discovery(model, processor, dataset, chosen):
            assert recent.seen is not None
            new = new_categories(base.items.category_values, recent.seen, targets)
            for config.discover_trends, values in found.items():
                ranks = target_ranks(base.score_states(states, recent, table), targets)
                values.append(ndcg_and_decider(ranks, new, k))
            running.advance(len(states))
    config.discover_trends, config.discover_candidate_attention = before
    model.train(training)
    first, first_mixed = map(torch.cat, zip(*found[False], strict=True))
    after, mixed = map(torch.cat, zip(*found[True], strict=True))
    return mean_gain(len(chosen), first, after, mixed - first_mixed)
