"""Fit the re-ranker on the validation split, and enable it if it improves NDCG."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from datasets import Dataset

from ...evaluation.recommendation_ranking.ranking_metrics import per_user_metrics
from ...modeling_xcat.modeling_xcat import XCatForNextItem
from ...modeling_xcat.reranker_xcat import CandidateFeatures, XCatCandidateAttention
from ...tokenization.processing_xcat import XCatProcessor
from ...tokenization.progress import Stage, stage
from .candidate_sample import ELSEWHERE, NO_TARGET, CandidateSample, collect_candidates
from .held_out import HeldOutWeights
from .novel_targets import with_novel_targets
from .user_samples import MOST_USERS, QUICK_USERS, spread_users

FOLDS = 3
"""Cross-validation folds of users; each is evaluated with weights fitted on the others."""
STANDARD_ERRORS = 2.0
"""Minimum NDCG gain, in standard errors, for the re-ranker to be enabled."""

NEW_CATEGORY_SHARE = 0.5
"""Weight, for discovery, of targets in categories that the history lacks, beside all targets."""

_FITTED = ("key", "value", "ages", "weight", "expand", "expand_bias", "contract")
_BATCH = 128
_STEPS, _MOST_STEPS, _PASSES = 300, 600, 8
"""Passes over the users per fit, with minimum and maximum steps."""
_MEASURED = 3
_DISTANCE = 6.0
"""Peak learning rate times steps: with fewer steps the rate is higher, so weights move and shrink as much."""
_DECAY = 1.0
"""Weight decay of AdamW: by the last step a weight with zero gradient has shrunk to a twentieth."""
_ALWAYS, _DRAWN = 40, 60
"""Candidates per step of the fit: the best ones, plus a random sample that represents the others."""
_LEAST_DEVIATION = 1e-3
_LEAST_SHARE = 0.01
"""Minimum share of candidates with a non-zero value of a feature; rarer features overfit."""
_STANDARD_USERS = 2000


@dataclass(frozen=True)
class SecondStageGain:
    """NDCG gain of a re-ranker for users that it was not fitted on.

    Args:
        users: Number of evaluated users.
        before: Mean NDCG@k without the re-ranker.
        after: Mean NDCG@k with the re-ranker.
        standard_error: Standard error of the mean difference that decides.
        difference: Mean difference that decides: of NDCG@k, for discovery averaged with that in new categories (weight
            `NEW_CATEGORY_SHARE`); None for the difference of the two means.
        held_out: Weights by fold of users, used to compute `after`; None if nothing was fitted.
    """

    users: int
    before: float
    after: float
    standard_error: float
    difference: float | None = None
    held_out: HeldOutWeights | None = field(repr=False, compare=False, default=None)

    @property
    def pays(self) -> bool:
        """Whether the gain is significant."""
        return self.decides > STANDARD_ERRORS * self.standard_error

    @property
    def decides(self) -> float:
        """The mean difference that decides."""
        return self.after - self.before if self.difference is None else self.difference


def fit_second_stage(
    model: XCatForNextItem,
    processor: XCatProcessor,
    dataset: Dataset,
    *,
    k: int = 10,
    seed: int = 0,
    quick: bool = False,
    discover: bool = False,
) -> SecondStageGain:
    """Fit the weights of the re-ranker, and enable it if held-out users gain from it.

    The loss is the cross-entropy of the user's targets among the candidates. The final weights are fitted on all
    users; cross-validation decides whether they are used.

    For discovery the candidates are the best items that the history lacks, and targets of the history do not count.

    Args:
        model: A trained model with `num_candidates`. Its re-ranker and `candidate_attention` are changed; for
            discovery its `discover_candidates` and `discover_candidate_attention`.
        processor: Its processor.
        dataset: Rows with `items` and `targets` that the model was not trained on.
        k: Cut-off of the NDCG.
        seed: Seed of folds, initial weights and batches.
        quick: Whether to use half the minimum steps and at most `QUICK_USERS` users.
        discover: Whether to fit the re-ranker for discovery.

    Returns:
        The gain.

    Raises:
        ValueError: If the model has no candidates, or the dataset fewer users than folds.
    """
    reranker = model.model.discover_candidates if discover else model.model.candidates
    if reranker is None:
        raise ValueError("the model has no re-ranker for this purpose; give a num_candidates above 0")
    if discover:
        dataset = with_novel_targets(dataset)
    if len(dataset) < FOLDS:
        raise ValueError(f"a re-ranker needs at least {FOLDS} users with targets, and there are {len(dataset)}")
    training = model.training
    model.eval()
    switch = "discover_candidate_attention" if discover else "candidate_attention"
    setattr(model.config, switch, False)
    if discover:
        model.config.discover_trends = False
    purpose = " for discovery" if discover else ""
    chosen = spread_users(dataset, QUICK_USERS if quick else MOST_USERS)
    with stage(f"collecting candidates{purpose}", total=len(chosen), unit="users") as running:
        sample, judged = collect_candidates(model, processor, dataset, chosen, running, discover)
    gain = SecondStageGain(judged, 0.0, 0.0, 0.0)
    if len(set(sample.rows)) >= FOLDS:
        generator, steps = torch.Generator().manual_seed(seed), _steps(len(sample), quick)
        with stage(f"cross-validating the re-ranker{purpose}", total=FOLDS * steps, unit="steps") as running:
            gain = _cross_validated(reranker, sample, judged, k, generator, running, steps)
        if gain.pays:
            with stage(f"fitting the re-ranker{purpose}", total=steps, unit="steps") as running:
                _fit(reranker, sample, torch.arange(len(sample)), generator, running, steps, k)
        setattr(model.config, switch, gain.pays)
    model.train(training)
    return gain


def _cross_validated(
    stage: XCatCandidateAttention,
    sample: CandidateSample,
    judged: int,
    k: int,
    generator: torch.Generator,
    running: Stage,
    steps: int,
) -> SecondStageGain:
    """The gain of users in the fold that was left out of the fit."""
    standardise(stage, sample.found)
    folds = _folds(sample.rows, generator)
    fold_of = torch.tensor([folds[row] for row in sample.rows])
    first, first_mixed = _ndcg(sample, sample.found.scores, k)
    scores = torch.zeros_like(sample.found.scores)
    weights = []
    for number in range(FOLDS):
        left_out = (fold_of == number).nonzero().squeeze(1)
        _fit(stage, sample, (fold_of != number).nonzero().squeeze(1), generator, running, steps, k)
        scores[left_out] = _rescored(stage, sample, left_out)
        weights.append({name: getattr(stage, name).clone() for name in _FITTED if hasattr(stage, name)})
    after, mixed = _ndcg(sample, scores, k)
    gain = mean_gain(judged, first, after, mixed - first_mixed)
    return replace(gain, held_out=HeldOutWeights(folds, weights))


def _folds(rows: list[int], generator: torch.Generator) -> dict[int, int]:
    """Fold of every row by its fingerprint; equal rows are in the same fold."""
    different = list(dict.fromkeys(rows))
    parts = torch.randperm(len(different), generator=generator).tensor_split(FOLDS)
    return {different[i]: number for number, part in enumerate(parts) for i in part.tolist()}


def fit_seconds(stage: XCatCandidateAttention, users: int, quick: bool = False) -> float:
    """Estimated seconds to fit a re-ranker from existing features, measured on a few steps with synthetic ones.

    Args:
        stage: The re-ranker; it is not changed.
        users: Number of users of the fit.
        quick: As in `fit_second_stage`.
    """
    config, features = stage.config, len(stage.key)
    shape = (_BATCH, min(config.num_candidates, config.num_items), config.candidate_window)
    found = CandidateFeatures(
        torch.zeros(*shape, features, dtype=torch.float16),
        torch.zeros(*shape[:2], len(stage.weight)),
        torch.ones(_BATCH, config.candidate_window, dtype=torch.bool),
    )
    sample = CandidateSample(found, torch.zeros(_BATCH, 1, dtype=torch.long), torch.zeros(shape[:2]), [])
    chosen, generator, copied = torch.arange(_BATCH), torch.Generator().manual_seed(0), copy.deepcopy(stage)
    for _ in range(2):  # the first run is slower
        started = time.perf_counter()
        _fit(copied, sample, chosen, generator, Stage(""), _MEASURED)
    return (time.perf_counter() - started) / _MEASURED * (FOLDS + 1) * _steps(users, quick)


def _steps(users: int, quick: bool) -> int:
    """Steps of one fit for a number of users with a target among their candidates."""
    if quick:
        return _STEPS // 2
    return min(_MOST_STEPS, max(_STEPS, -(-_PASSES * users // _BATCH)))


def mean_gain(judged: int, first: torch.Tensor, after: torch.Tensor, gains: torch.Tensor) -> SecondStageGain:
    """The gain over all evaluated users; users without a given NDCG have 0 before and after."""
    mean = float(gains.sum()) / judged
    variance = (float(gains.square().sum()) - judged * mean**2) / max(1, judged - 1)
    error = (max(0.0, variance) / judged) ** 0.5  # rounding may leave a negative variance
    return SecondStageGain(judged, float(first.sum()) / judged, float(after.sum()) / judged, error, mean)


def standardise(stage: XCatCandidateAttention, found: CandidateFeatures) -> None:
    """Store mean and standard deviation of every feature over some users.

    A constant feature gets deviation 1. A candidate feature that is almost always 0 gets an infinite deviation, so it
    has no effect.
    """
    pairs, events = found.pairs[:_STANDARD_USERS], found.events[:_STANDARD_USERS]
    candidates = found.candidates[:_STANDARD_USERS]
    candidates = candidates[candidates[..., 0] > -torch.inf]  # the others fill up where few items are left
    for values, mean, scale in (
        (pairs[events[:, None, :].expand(pairs.shape[:3])].float(), stage.pair_mean, stage.pair_scale),
        (candidates, stage.candidate_mean, stage.candidate_scale),
    ):
        if not len(values):  # a re-ranker without attention
            continue
        deviation = values.std(0)
        mean.copy_(values.mean(0))
        scale.copy_(torch.where(deviation > _LEAST_DEVIATION, deviation, 1.0))
    rare = candidates.ne(0).float().mean(0) < _LEAST_SHARE
    stage.candidate_scale[rare.to(stage.candidate_scale.device)] = torch.inf


def _step_columns(
    places: torch.Tensor, count: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Candidates of a step of the fit: the targets, the best ones, and a sample of the others (sampled softmax).

    Args:
        places: (users, targets) positions of the targets among the candidates; below 0 for none.
        count: Candidates per user.
        generator: Random generator of the sample, which all users of the step share.

    Returns:
        (users, columns) positions of candidates; (users, columns) logarithm of the number of candidates that each one
        represents, -inf for none; (users, targets) columns of the targets.
    """
    users, targets = places.shape
    if count <= _ALWAYS + _DRAWN + targets:
        return torch.arange(count).expand(users, -1), torch.zeros(users, count), places.clamp(min=0)
    drawn = _ALWAYS + torch.randperm(count - _ALWAYS, generator=generator)[:_DRAWN]
    shared = torch.cat([torch.arange(_ALWAYS), drawn])
    is_target = (shared[:, None] == places[:, None, :]).any(2)  # a target has its own column
    others = torch.zeros(len(shared))
    others[_ALWAYS:] = math.log((count - _ALWAYS) / _DRAWN)
    stands_for = torch.cat([others.expand(users, -1).masked_fill(is_target, -torch.inf), torch.zeros(places.shape)], 1)
    stands_for[:, len(shared) :].masked_fill_(places < 0, -torch.inf)
    columns = torch.cat([shared.expand(users, -1), places.clamp(min=0)], 1)
    return columns, stands_for, torch.arange(len(shared), len(shared) + targets).expand(users, -1)


def _fit(
    stage: XCatCandidateAttention,
    sample: CandidateSample,
    users: torch.Tensor,
    generator: torch.Generator,
    running: Stage,
    steps: int,
    k: int = 10,
) -> None:
    """Fit the weights to (users,) sample numbers with a target among their candidates."""
    start = {name: torch.zeros_like(getattr(stage, name)) for name in _FITTED if hasattr(stage, name)}
    # Uniform attention has no gradient if values are zero: start with a weight on similarity.
    start["key"] += 0.5
    if stage.has_network:
        bound = stage.expand.shape[1] ** -0.5
        for name in ("expand", "expand_bias"):
            drawn = torch.rand(start[name].shape, generator=generator) * 2 - 1
            start[name] = (bound * drawn).to(stage.expand.device)
    weights = {name: value.requires_grad_() for name, value in start.items()}
    optimizer = torch.optim.AdamW(weights.values(), lr=_DISTANCE / steps, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    left: list[torch.Tensor] = []
    for _ in range(steps if len(users) else 0):
        if not left:
            left = list(users[torch.randperm(len(users), generator=generator)].split(_BATCH))
        batch = left.pop()
        columns, stands_for, own = _step_columns(sample.places[batch], sample.given.shape[1], generator)
        found = sample.part(batch, stage.key.device, columns)
        bonus, _ = torch.func.functional_call(stage, weights, (found,))
        scores = found.scores + bonus + stands_for.to(bonus.device)
        worth = _worth(sample, batch, k).to(bonus.device)
        shares = torch.log_softmax(scores, 1).gather(1, own.to(bonus.device)).masked_fill(worth == 0, 0)
        loss = -(worth * shares).sum() / worth.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        running.advance()
    for name, value in weights.items():
        getattr(stage, name).copy_(value.detach())


def _worth(sample: CandidateSample, users: torch.Tensor, k: int) -> torch.Tensor:
    """(users, targets) weights of targets in the loss; 0 for one that is not among the candidates.

    For next items all users have the same weight. For discovery a target has the weight of a hit in the metric: the
    inverse of the user's ideal DCG, and `NEW_CATEGORY_SHARE` of that among the user's targets in new categories.
    """
    places = sample.places[users]
    found = (places >= 0).float()
    if sample.new is None:
        return found / found.sum(1, keepdim=True)
    ideal = (1 / torch.log2(torch.arange(2.0, k + 2))).cumsum(0)
    new = sample.new[users]
    worth = torch.zeros_like(found)
    for counted, share in ((places != NO_TARGET, 1.0), (new, NEW_CATEGORY_SHARE)):
        number = counted.sum(1, keepdim=True).clamp(1, k)
        worth += share * counted / ideal[number - 1]
    return worth * found


@torch.no_grad()
def _rescored(stage: XCatCandidateAttention, sample: CandidateSample, users: torch.Tensor) -> torch.Tensor:
    """(users, candidates) scores with the re-ranker."""
    return torch.cat([stage.rescore(sample.part(part, stage.key.device))[0].cpu() for part in users.split(_BATCH)])


def _ndcg(sample: CandidateSample, scores: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """NDCG@k of (users, candidates) scores; a target that is not a candidate counts as ranked below k.

    Returns:
        As of `ndcg_and_decider`.
    """
    scores = scores + sample.given
    own = scores.gather(1, sample.places.clamp(min=0))
    ranks = (scores[:, None, :] >= own[:, :, None]).sum(2)
    ranks = torch.where(sample.places == ELSEWHERE, k + 1, ranks).masked_fill(sample.places == NO_TARGET, 0)
    return ndcg_and_decider(ranks, sample.new, k)


def ndcg_and_decider(ranks: torch.Tensor, new: torch.Tensor | None, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """NDCG@k, and the values that decide whether a re-ranker is used.

    Args:
        ranks: (users, targets) ranks from 1; 0 for no target.
        new: (users, targets) True for targets whose category the history lacks, for discovery; None for next items.
        k: Cut-off.

    Returns:
        (users,) NDCG@k, and the values that decide: for discovery the weighted mean with the NDCG@k of targets in new
        categories, 0 for a user without them.
    """
    name, numbers = f"ndcg@{k}", ranks.cpu().numpy()
    values = mixed = per_user_metrics(numbers, [k])[name]
    if new is not None:
        of_new = per_user_metrics(numbers, [k], new.cpu().numpy())[name]
        mixed = (values + NEW_CATEGORY_SHARE * np.nan_to_num(of_new)) / (1 + NEW_CATEGORY_SHARE)
    return torch.from_numpy(values), torch.from_numpy(mixed)
