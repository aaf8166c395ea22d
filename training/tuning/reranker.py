"""Fit the second stage on the validation split, and find out whether it pays."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass, field, replace

import torch
from datasets import Dataset

from ...evaluation.recommendation_ranking.ranking_metrics import per_user_metrics
from ...modeling_xcat.modeling_xcat import XCatForNextItem
from ...modeling_xcat.reranker_xcat import CandidateFeatures, XCatCandidateAttention
from ...tokenization.processing_xcat import XCatProcessor
from ...tokenization.progress import Stage, stage
from .candidate_sample import ELSEWHERE, NO_TARGET, CandidateSample, collect_candidates
from .held_out import HeldOutWeights
from .user_samples import MOST_USERS, QUICK_USERS, spread_users

FOLDS = 3
"""Parts of the users, each judged by weights that were fitted on the others."""
STANDARD_ERRORS = 2.0
"""What the gain in NDCG has to be, in its own standard errors, for the second stage to be used."""

_FITTED = ("key", "value", "ages", "weight", "expand", "expand_bias", "contract")
_BATCH = 128
_STEPS, _MOST_STEPS, _PASSES = 300, 600, 8
"""Steps of a fit: as many as make so many passes over the users, between two bounds."""
_MEASURED = 3
_DISTANCE = 6.0
"""Peak learning rate times steps: fewer steps are longer, so that weights get as far and shrink as much."""
_DECAY = 1.0
"""Weight decay of AdamW: by the last step a weight without slope has shrunk to a twentieth."""
_ALWAYS, _DRAWN = 40, 60
"""Candidates of a step of the fit: the best ones, and some of the others at random, which stand for all of those."""
_LEAST_DEVIATION = 1e-3
_LEAST_SHARE = 0.01
"""Share of the candidates for which a feature of theirs has to be other than 0: what is rarer is learnt by heart."""
_STANDARD_USERS = 2000


@dataclass(frozen=True)
class SecondStageGain:
    """What a second stage is worth to users that it was not fitted on.

    Args:
        users: Users judged.
        before: Their mean NDCG@k without it.
        after: Their mean NDCG@k with it.
        standard_error: Of the mean difference.
        held_out: Weights by fold of users, from which `after` was computed; None where nothing was fitted.
    """

    users: int
    before: float
    after: float
    standard_error: float
    held_out: HeldOutWeights | None = field(repr=False, compare=False, default=None)

    @property
    def pays(self) -> bool:
        """Whether the gain is beyond chance."""
        return self.after - self.before > STANDARD_ERRORS * self.standard_error


def fit_second_stage(
    model: XCatForNextItem,
    processor: XCatProcessor,
    dataset: Dataset,
    *,
    k: int = 10,
    seed: int = 0,
    quick: bool = False,
) -> SecondStageGain:
    """Fit the weights of the second stage, and switch it on if users that it was not fitted on gain from it.

    The loss is the cross-entropy of the user's targets among the candidates. The weights that stay are fitted on all
    users; whether they are used was decided by cross-validation.

    Args:
        model: A model with `num_candidates`, trained; its second stage and `candidate_attention` are changed.
        processor: Its processor.
        dataset: Rows with `items` and `targets` that the model was not trained on.
        k: Cut-off of the NDCG.
        seed: Seed of folds, initial weights and batches.
        quick: Whether half the fewest steps and at most `QUICK_USERS` have to do.

    Returns:
        What it is worth.

    Raises:
        ValueError: If the model has no candidates, or the dataset fewer users than folds.
    """
    reranker = model.model.candidates
    if reranker is None:
        raise ValueError("the model has no second stage; give a num_candidates above 0")
    if len(dataset) < FOLDS:
        raise ValueError(f"a second stage needs {FOLDS} users with targets at least, and there are {len(dataset)}")
    training = model.training
    model.eval()
    model.config.candidate_attention = False
    chosen = spread_users(dataset, QUICK_USERS if quick else MOST_USERS)
    with stage("collecting candidates", total=len(chosen), unit="users") as running:
        sample, judged = collect_candidates(model, processor, dataset, chosen, running)
    gain = SecondStageGain(judged, 0.0, 0.0, 0.0)
    if len(set(sample.rows)) >= FOLDS:
        generator, steps = torch.Generator().manual_seed(seed), _steps(len(sample), quick)
        with stage("fitting the re-ranker", total=(FOLDS + 1) * steps, unit="steps") as running:
            gain = _cross_validated(reranker, sample, judged, k, generator, running, steps)
            if gain.pays:
                _fit(reranker, sample, torch.arange(len(sample)), generator, running, steps)
        model.config.candidate_attention = gain.pays
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
    """The gain of users whose part of the sample was left out of the fit."""
    _standardise(stage, sample.found)
    folds = _folds(sample.rows, generator)
    fold_of = torch.tensor([folds[row] for row in sample.rows])
    first = _ndcg(sample, sample.found.candidates[..., 0], k)
    scores = torch.zeros_like(sample.found.candidates[..., 0])
    weights = []
    for number in range(FOLDS):
        left_out = (fold_of == number).nonzero().squeeze(1)
        _fit(stage, sample, (fold_of != number).nonzero().squeeze(1), generator, running, steps)
        scores[left_out] = _rescored(stage, sample, left_out)
        weights.append({name: getattr(stage, name).clone() for name in _FITTED if hasattr(stage, name)})
    gain = _gain(judged, first, _ndcg(sample, scores, k) - first)
    return replace(gain, held_out=HeldOutWeights(folds, weights))


def _folds(rows: list[int], generator: torch.Generator) -> dict[int, int]:
    """Fold of every row by its fingerprint; rows that are the same are in one fold."""
    different = list(dict.fromkeys(rows))
    parts = torch.randperm(len(different), generator=generator).tensor_split(FOLDS)
    return {different[i]: number for number, part in enumerate(parts) for i in part.tolist()}


def fit_seconds(stage: XCatCandidateAttention, quick: bool = False) -> float:
    """Seconds that the fit of a re-ranker takes once its features are there, measured on a few steps of made-up ones.

    Args:
        stage: The re-ranker; it is left as it is.
        quick: As for `fit_second_stage`.
    """
    config, features = stage.config, len(stage.key)
    shape = (_BATCH, config.num_candidates, config.candidate_window)
    found = CandidateFeatures(
        torch.zeros(*shape, features, dtype=torch.float16),
        torch.zeros(*shape[:2], len(stage.weight)),
        torch.ones(_BATCH, config.candidate_window, dtype=torch.bool),
    )
    sample = CandidateSample(found, torch.zeros(_BATCH, 1, dtype=torch.long), torch.zeros(shape[:2]), [])
    users, generator, copied = torch.arange(_BATCH), torch.Generator().manual_seed(0), copy.deepcopy(stage)
    for _ in range(2):  # the first time is slower
        started = time.perf_counter()
        _fit(copied, sample, users, generator, Stage(""), _MEASURED)
    return (time.perf_counter() - started) / _MEASURED * (FOLDS + 1) * _steps(MOST_USERS, quick)


def _steps(users: int, quick: bool) -> int:
    """Steps of one fit to so many users with a target among their candidates."""
    if quick:
        return _STEPS // 2
    return min(_MOST_STEPS, max(_STEPS, -(-_PASSES * users // _BATCH)))


def _gain(judged: int, first: torch.Tensor, gains: torch.Tensor) -> SecondStageGain:
    """What is gained by so many users, of whom all but those whose NDCG is given have 0 before and after."""
    before, mean = float(first.sum()) / judged, float(gains.sum()) / judged
    variance = (float(gains.square().sum()) - judged * mean**2) / max(1, judged - 1)
    return SecondStageGain(judged, before, before + mean, (variance / judged) ** 0.5)


def _standardise(stage: XCatCandidateAttention, found: CandidateFeatures) -> None:
    """Keep mean and deviation of every feature of some users.

    One that never varies has deviation 1, and one of candidates that hardly ever is other than 0 an infinite one, so
    that it does not count.
    """
    pairs, events = found.pairs[:_STANDARD_USERS], found.events[:_STANDARD_USERS]
    for values, mean, scale in (
        (pairs[events[:, None, :].expand(pairs.shape[:3])].float(), stage.pair_mean, stage.pair_scale),
        (found.candidates[:_STANDARD_USERS].flatten(0, 1), stage.candidate_mean, stage.candidate_scale),
    ):
        if not len(values):  # a stage without attention
            continue
        deviation = values.std(0)
        mean.copy_(values.mean(0))
        scale.copy_(torch.where(deviation > _LEAST_DEVIATION, deviation, 1.0))
    rare = found.candidates[:_STANDARD_USERS].ne(0).float().mean((0, 1)) < _LEAST_SHARE
    stage.candidate_scale[rare.to(stage.candidate_scale.device)] = torch.inf


def _step_columns(
    places: torch.Tensor, count: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Candidates of a step of the fit: the targets, the best ones, and a sample of the others (sampled softmax).

    Args:
        places: (users, targets) numbers of the targets among the candidates; below 0 for none.
        count: Candidates of a user.
        generator: Source of the sample, which all users of the step share.

    Returns:
        (users, columns) numbers of candidates; (users, columns) logarithms of how many candidates each one stands for,
        -inf for none; (users, targets) columns of the targets.
    """
    users, targets = places.shape
    if count <= _ALWAYS + _DRAWN + targets:
        return torch.arange(count).expand(users, -1), torch.zeros(users, count), places.clamp(min=0)
    drawn = _ALWAYS + torch.randperm(count - _ALWAYS, generator=generator)[:_DRAWN]
    shared = torch.cat([torch.arange(_ALWAYS), drawn])
    is_target = (shared[:, None] == places[:, None, :]).any(2)  # a target has a column of its own
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
) -> None:
    """Fit the weights to those of (users,) numbers who have a target among their candidates."""
    start = {name: torch.zeros_like(getattr(stage, name)) for name in _FITTED if hasattr(stage, name)}
    # Attention that is the same for all pairs has no slope to values of zero: begin with likeness counting.
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
        scores = found.candidates[..., 0] + bonus + stands_for.to(bonus.device)
        wanted = (sample.places[batch] >= 0).to(bonus.device)
        shares = torch.log_softmax(scores, 1).gather(1, own.to(bonus.device)).masked_fill(~wanted, 0)
        loss = -(shares.sum(1) / wanted.sum(1)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        running.advance()
    for name, value in weights.items():
        getattr(stage, name).copy_(value.detach())


@torch.no_grad()
def _rescored(stage: XCatCandidateAttention, sample: CandidateSample, users: torch.Tensor) -> torch.Tensor:
    """(users, candidates) scores with the second stage."""
    scores = []
    for part in users.split(_BATCH):
        found = sample.part(part, stage.key.device)
        scores.append((found.candidates[..., 0] + stage(found)[0]).cpu())
    return torch.cat(scores)


def _ndcg(sample: CandidateSample, scores: torch.Tensor, k: int) -> torch.Tensor:
    """(users,) NDCG@k of (users, candidates) scores; a target that is no candidate counts as ranked past k."""
    scores = scores + sample.given
    own = scores.gather(1, sample.places.clamp(min=0))
    ranks = (scores[:, None, :] >= own[:, :, None]).sum(2)
    ranks = torch.where(sample.places == ELSEWHERE, k + 1, ranks).masked_fill(sample.places == NO_TARGET, 0)
    return torch.from_numpy(per_user_metrics(ranks.numpy(), [k])[f"ndcg@{k}"])
