"""Objectives of training: softmax, sampled softmax, generalised binary cross-entropy, BPR-max, and their registry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from .configuration_xcat import XCatConfig
from .limits_xcat import OBJECTIVES as NAMES
from .negatives_xcat import bpr_max, generalised_bce, with_bonus
from .registry_xcat import Registry
from .softmax_loss_xcat import chunked_cross_entropy


@dataclass(frozen=True)
class LabelledEvents:
    """Labelled events of a training step, and their candidates.

    Args:
        states: (events, hidden) query embeddings of the behaviour states, float32, divided by the temperature.
        items: (candidates, hidden) item representations, float32, before `item_side`.
        targets: (events,) index of the right candidate.
        item_side: `item_side` of the model.
        weights: (events,) factor of each event's loss; None for 1.
        soft_targets: (events, K) indices of candidates that share the label's mass, or None.
        log_inclusion: (candidates,) log sampling probability; None for the whole catalogue.
        bonus_items: (events, n) indices of candidates whose scores get the repeat bias, or None.
        bonus: (events, n) repeat bias of these candidates.
        normalised: Whether `items` are results of `item_side` already.
    """

    states: torch.Tensor
    items: torch.Tensor
    targets: torch.Tensor
    item_side: Callable[[torch.Tensor], torch.Tensor]
    weights: torch.Tensor | None = None
    soft_targets: torch.Tensor | None = None
    log_inclusion: torch.Tensor | None = None
    bonus_items: torch.Tensor | None = None
    bonus: torch.Tensor | None = None
    normalised: bool = False

    @property
    def item_vectors(self) -> torch.Tensor:
        """(candidates, hidden) vectors whose dot products with `states` are the scores."""
        return self.item_side(self.items)


class Objective:
    """A training loss. To add one, subclass it and register the class (`@OBJECTIVES.register("name")`).

    Candidates are a sample: the targets of the batch and `num_negatives` draws. Only "softmax" and "cloze" use the
    whole catalogue.

    Args:
        config: Configuration of the model.
    """

    def __init__(self, config: XCatConfig) -> None:
        self.config = config

    def loss(self, events: LabelledEvents) -> torch.Tensor:
        """Scalar sum of the losses of the events, with gradients."""
        raise NotImplementedError

    def evaluation_losses(self, scores: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        """Losses over the whole catalogue, so that they do not depend on sampling.

        Args:
            scores: (queries, item rows) scores; -inf for special rows.
            wanted: (queries, targets) scores of the targets.

        Returns:
            (queries, targets) losses.
        """
        raise NotImplementedError


OBJECTIVES: Registry[type[Objective]] = Registry("XCatConfig.objective", NAMES)
"""Classes of objectives by name; "auto" is the first or the second, by the size of the catalogue."""


@OBJECTIVES.register("softmax")
@OBJECTIVES.register("sampled_softmax")
@OBJECTIVES.register("cloze")
class SoftmaxObjective(Objective):
    """Cross-entropy of the softmax, over the catalogue, or corrected for sampling probabilities.

    The labelled events of "cloze" are masks (`cloze_xcat.py`).
    """

    def loss(self, events: LabelledEvents) -> torch.Tensor:
        """As in `Objective`."""
        return chunked_cross_entropy(
            events.states,
            events.items,
            events.targets,
            soft_targets=events.soft_targets,
            soft_weight=float(self.config.soft_target_weight),
            log_inclusion=events.log_inclusion,
            weights=events.weights,
            unit_items=self.config.scoring == "cosine" and not events.normalised,
            bonus_items=events.bonus_items,
            bonus=events.bonus,
            bonus_apart=self.config.repeats == "apart",
        )

    def evaluation_losses(self, scores: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        """As in `Objective`."""
        return scores.logsumexp(1)[:, None] - wanted


@OBJECTIVES.register("gbce")
class GeneralisedBCEObjective(Objective):
    """Generalised binary cross-entropy (gSASRec, Petrov and Macdonald 2023)."""

    def loss(self, events: LabelledEvents) -> torch.Tensor:
        """As in `Objective`."""
        items = events.item_vectors
        return generalised_bce(
            events.states,
            items,
            events.targets,
            sampling_rate=(len(items) - 1) / max(1, self.config.num_items - 1),
            calibration=float(self.config.gbce_calibration),
            weights=events.weights,
            bonus_items=events.bonus_items,
            bonus=events.bonus,
            bonus_apart=self.config.repeats == "apart",
        )

    def evaluation_losses(self, scores: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        """As in `Objective`; all items are included, so no calibration is needed."""
        losses: torch.Tensor = torch.nn.functional.softplus(scores).sum(1)[:, None] - wanted
        return losses / self.config.num_items


@OBJECTIVES.register("bpr_max")
class BPRMaxObjective(Objective):
    """BPR-max, a ranking loss whose negatives are weighted by their scores (GRU4Rec, Hidasi and Karatzoglou 2018)."""

    def loss(self, events: LabelledEvents) -> torch.Tensor:
        """As in `Objective`."""

        def summed(scores: torch.Tensor) -> torch.Tensor:
            losses = bpr_max(scores, events.targets, float(self.config.bpr_max_penalty))
            return losses.sum() if events.weights is None else losses @ events.weights

        scores = torch.mm(events.states, events.item_vectors.T).float()
        return with_bonus(summed, scores, events.bonus_items, events.bonus, self.config.repeats == "apart")

    def evaluation_losses(self, scores: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        """As in `Objective`; a target is among the scores."""
        penalty, losses = float(self.config.bpr_max_penalty), []
        for column in wanted.unbind(1):
            place = (scores == column[:, None]).long().argmax(1)  # any of equal scores has the same loss
            losses.append(bpr_max(scores, place, penalty))
        return torch.stack(losses, dim=1)


def build_objective(config: XCatConfig) -> Objective:
    """Make the objective named by `config.objective`; "auto" is resolved by the size of the catalogue."""
    name = config.objective
    if name == "auto":
        name = "softmax" if config.uses_full_softmax else "sampled_softmax"
    return OBJECTIVES.find(name)(config)
