"""Fits the evidence of clicks on validation users; cross-validation decides whether it is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch import nn

from ...evaluation.click_prediction.click_metrics import logistic_fit
from ...modeling_xcat.click_stack_xcat import XCatClickStack
from ...modeling_xcat.modeling_click_xcat import XCatForClickPrediction
from ...modeling_xcat.reranker_xcat import CandidateFeatures
from ...tokenization.processing_xcat import XCatProcessor
from ...tokenization.progress import stage
from ...tokenization.sequences.negatives import NegativeSampler
from ...tokenization.sequences.showings import Showings, more_negatives, read_showings, showing_inputs
from .reranker import FOLDS, STANDARD_ERRORS, standardise
from .user_samples import MOST_USERS, QUICK_USERS, spread_users

_FITTED = ("key", "value", "ages", "weight", "expand", "expand_bias", "contract")
_STEPS, _BATCH = 400, 2048
_DISTANCE = 6.0
"""Peak learning rate times steps, as of the re-ranker."""
_DECAY = 1.0
_FURTHER = 7
"""Further sampled negatives per positive in the fit."""
_MOST_SHOWINGS = 400_000
_USERS_AT_ONCE = 128


@dataclass(frozen=True)
class ClickStackFit:
    """Evidence of clicks, measured on users that it was not fitted on.

    Args:
        before: Log loss of the trained log odds with slope and intercept of a logistic regression.
        after: Log loss with evidence.
        standard_error: Standard error of the difference, with users as the units.
        pays: Whether the evidence is used: its gain is above `STANDARD_ERRORS` standard errors.
        logits: (showings,) log odds to calibrate: held-out ones with evidence, if it is used.
        labels: (showings,) 1 or 0.
        users: (showings,) number of the user.
    """

    before: float
    after: float
    standard_error: float
    pays: bool
    logits: np.ndarray = field(repr=False)
    labels: np.ndarray = field(repr=False)
    users: np.ndarray = field(repr=False)


@dataclass(frozen=True)
class _Sample:
    """Showings with their features.

    Args:
        logits: (showings,) trained log odds.
        found: Features of one candidate per showing.
        labels: (showings,) 1 or 0.
        users: (showings,) number of the user.
        weights: (showings,) weight in the fit.
        fixed: (showings,) True for showings of the evaluation rows, False for further negatives.
    """

    logits: torch.Tensor
    found: CandidateFeatures
    labels: torch.Tensor
    users: torch.Tensor
    weights: torch.Tensor
    fixed: torch.Tensor

    def part(self, chosen: torch.Tensor) -> CandidateFeatures:
        return CandidateFeatures(self.found.pairs[chosen], self.found.candidates[chosen], self.found.events[chosen])


def fit_click_stack(
    model: XCatForClickPrediction,
    processor: XCatProcessor,
    validation: Dataset,
    *,
    sampler: NegativeSampler | None = None,
    seed: int = 0,
    quick: bool = False,
    fits: bool = True,
) -> ClickStackFit:
    """Fit the weights of `click_stack`, and enable them if held-out users gain from them.

    With sampled negatives, further ones of validation users are drawn for the fit. They share the weight of the fixed
    negatives, so the fit is to the same shares of positives, with less noise. Only fixed showings are measured.

    Args:
        model: A trained model. Its `click_stack` and `click_attention` are changed.
        processor: Its processor.
        validation: Rows of users that the model was not trained on.
        sampler: Draws the further negatives; None for rows with labels of their own.
        seed: Seed of folds, initial weights, negatives and batches.
        quick: Whether to use half the steps and at most `QUICK_USERS` users.
        fits: Whether to fit at all; otherwise the trained log odds are returned.

    Returns:
        The gain, and log odds to calibrate.
    """
    training = model.training
    model.eval()
    model.config.click_attention = False
    fits = fits and model.click_stack is not None
    shown = max(1.0, float(np.mean([len(items) for items in validation["shown_items"]])))
    shown += 0 if sampler is None else _FURTHER
    most = int(min(QUICK_USERS if quick else MOST_USERS, max(1, _MOST_SHOWINGS // shown)))
    chosen = spread_users(validation, most)
    with stage("collecting showings", total=len(chosen), unit="users") as running:
        parts = []
        for number, rows in enumerate(np.array_split(chosen, max(1, -(-len(chosen) // _USERS_AT_ONCE)))):
            further = sampler if fits else None
            parts.append(_collected(model, processor, validation, rows, further, seed + number))
            running.advance(len(rows))
    sample = _joined(parts)
    result = _result(sample)
    enough = len(sample.users.unique()) >= FOLDS and len(sample.labels.unique()) == 2
    if fits and enough and model.click_stack is not None:
        steps = _STEPS // 2 if quick else _STEPS
        generator = torch.Generator().manual_seed(seed)
        with stage("fitting evidence of clicks", total=(FOLDS + 1) * steps, unit="steps") as running:
            result = _cross_validated(model.click_stack, sample, generator, steps, running.advance)
            if result.pays:
                everyone = torch.arange(len(sample.labels))
                _fit(model.click_stack, sample, everyone, generator, steps, running.advance)
        model.config.click_attention = result.pays
    model.train(training)
    return result


@torch.no_grad()
def _collected(
    model: XCatForClickPrediction,
    processor: XCatProcessor,
    validation: Dataset,
    numbers: np.ndarray,
    sampler: NegativeSampler | None,
    seed: int,
) -> _Sample:
    """Trained log odds and features of the showings of some users, on the CPU."""
    rows = [validation[int(number)] for number in numbers]
    fixed = read_showings(rows)
    found, weights = [fixed], [np.ones(len(fixed))]
    if sampler is not None:
        drawn = more_negatives(rows, fixed, sampler, _FURTHER, seed)
        negatives = int((fixed.labels == 0).sum())
        share = negatives / max(1, negatives + len(drawn))
        weights = [np.where(fixed.labels == 0, share, 1.0), np.full(len(drawn), share)]
        found.append(drawn)
    shown = Showings(*(np.concatenate([getattr(part, field.name) for part in found]) for field in fields(Showings)))
    inputs = showing_inputs(processor, rows, shown)
    inputs = {name: value.to(model.device) for name, value in inputs.items()}
    if model.click_stack is None:
        logits, (pairs, candidates, events) = model(**inputs, calibrated=False).logits, [torch.zeros(0)] * 3
    else:
        logits, read = model.click_evidence(**inputs)
        missing = model.config.candidate_window - read.events.shape[1]
        pairs = nn.functional.pad(read.pairs, (0, 0, 0, missing))
        candidates, events = read.candidates, nn.functional.pad(read.events, (0, missing))
    return _Sample(
        logits.float().cpu(),
        CandidateFeatures(pairs.cpu(), candidates.cpu(), events.cpu()),
        torch.from_numpy(shown.labels),
        torch.from_numpy(numbers[shown.owners]),
        torch.from_numpy(np.concatenate(weights)).float(),
        torch.arange(len(shown)) < len(fixed),
    )


def _joined(parts: Sequence[_Sample]) -> _Sample:
    """One sample of the showings of all parts."""
    values = {
        name: torch.cat([getattr(part, name) for part in parts])
        for name in ("logits", "labels", "users", "weights", "fixed")
    }
    features = CandidateFeatures(
        *(torch.cat([getattr(part.found, name) for part in parts]) for name in ("pairs", "candidates", "events"))
    )
    return _Sample(found=features, **values)


def _result(sample: _Sample) -> ClickStackFit:
    """The result without evidence."""
    fixed = sample.fixed
    logits, labels = sample.logits[fixed].double().numpy(), sample.labels[fixed].double().numpy()
    before = float(_losses(logits, labels).mean())
    return ClickStackFit(before, before, 0.0, False, logits, labels, sample.users[fixed].numpy())


def _cross_validated(
    stack: XCatClickStack, sample: _Sample, generator: torch.Generator, steps: int, advance: Callable[[], None]
) -> ClickStackFit:
    """The gain of users in the fold that was left out of the fit."""
    with torch.no_grad():
        standardise(stack.evidence, sample.found)
    users, place = sample.users.unique(return_inverse=True)
    fold = torch.randperm(len(users), generator=generator)[place] % FOLDS
    raw, labels = sample.logits.double().numpy(), sample.labels.double().numpy()
    logits, plain = raw.copy(), raw.copy()
    for number in range(FOLDS):
        inside = (fold != number).nonzero().squeeze(1)
        outside = ((fold == number) & sample.fixed).nonzero().squeeze(1)
        _fit(stack, sample, inside, generator, steps, advance)
        logits[outside.numpy()] = _predicted(stack, sample, outside)
        slope, intercept = logistic_fit(raw[inside.numpy()], labels[inside.numpy()], sample.weights[inside].numpy())
        if np.isfinite(slope):
            plain[outside.numpy()] = slope * raw[outside.numpy()] + intercept
    fixed = sample.fixed.numpy()
    labels, logits, raw = labels[fixed], logits[fixed], raw[fixed]
    before, after = _losses(plain[fixed], labels), _losses(logits, labels)
    sums = np.bincount(place.numpy()[fixed], before - after, minlength=len(users))
    error = float(np.sqrt(len(sums) * sums.var())) / len(labels)
    gain = float(sums.sum()) / len(labels)
    pays = gain > STANDARD_ERRORS * error
    return ClickStackFit(
        float(before.mean()), float(after.mean()), error, pays, logits if pays else raw, labels,
        sample.users.numpy()[fixed],
    )  # fmt: skip


def _fit(
    stack: XCatClickStack,
    sample: _Sample,
    chosen: torch.Tensor,
    generator: torch.Generator,
    steps: int,
    advance: Callable[[], None],
) -> None:
    """Fit slope, intercept and the weights of the evidence to (showings,) numbers, by binary cross-entropy."""
    evidence = stack.evidence
    device = stack.slope.device
    weights = {name: torch.zeros_like(getattr(evidence, name)) for name in _FITTED if hasattr(evidence, name)}
    weights["key"] += 0.5  # uniform attention has no gradient if values are zero
    if evidence.has_network:
        bound = evidence.expand.shape[1] ** -0.5
        for name in ("expand", "expand_bias"):
            weights[name] = (bound * (torch.rand(weights[name].shape, generator=generator) * 2 - 1)).to(device)
    line = {"slope": torch.ones((), device=device), "intercept": torch.zeros((), device=device)}
    fitted = {**line, **{f"evidence.{name}": value for name, value in weights.items()}}
    for value in fitted.values():
        value.requires_grad_()
    groups: list[dict[str, Any]] = [
        {"params": list(line.values()), "weight_decay": 0.0},
        {"params": list(weights.values())},
    ]
    optimizer = torch.optim.AdamW(groups, lr=_DISTANCE / steps, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    left: list[torch.Tensor] = []
    for _ in range(steps):
        left = left or list(chosen[torch.randperm(len(chosen), generator=generator)].split(_BATCH))
        batch = left.pop()
        found = _placed(sample.part(batch), device)
        logits = torch.func.functional_call(stack, fitted, (sample.logits[batch].to(device), found))
        loss = nn.functional.binary_cross_entropy_with_logits(
            logits, sample.labels[batch].to(logits), sample.weights[batch].to(logits)
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        advance()
    with torch.no_grad():
        for name, value in fitted.items():
            stack.get_buffer(name).copy_(value)


@torch.no_grad()
def _predicted(stack: XCatClickStack, sample: _Sample, chosen: torch.Tensor) -> np.ndarray:
    """(showings,) log odds with evidence."""
    device = stack.slope.device
    parts = [
        stack(sample.logits[part].to(device), _placed(sample.part(part), device)).cpu()
        for part in chosen.split(_BATCH)
    ]
    found: np.ndarray = torch.cat([torch.zeros(0), *parts]).double().numpy()
    return found


def _placed(found: CandidateFeatures, device: torch.device) -> CandidateFeatures:
    return CandidateFeatures(found.pairs.to(device), found.candidates.to(device), found.events.to(device))


def _losses(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(showings,) log losses."""
    losses: np.ndarray = np.logaddexp(0, logits) - labels * logits
    return losses
