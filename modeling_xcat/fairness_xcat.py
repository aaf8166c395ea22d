"""Terms of the training objective against popularity bias, uneven exposure, gaps between groups, and flagged items."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from .objectives_xcat import LabelledEvents

_ELEMENTS = 2**22
"""Largest number of scores per step for the penalties; with more, they are computed on part of the events."""
_LEAST_EVENTS = 32
_LEAST_SHARE = 1e-9


@dataclass(frozen=True)
class FairnessTerms:
    """Terms of the objective. They act in training only; scores, evaluation and checkpoints have none of them.

    Args:
        item_bias: (item rows,) added to the scores in the loss, such as a part of the log popularity: the model then
            learns scores without this part (logit adjustment; Menon et al., ICLR 2021). None for none.
        label_weights: (item rows,) factor of an event's loss by its target, such as inverse propensities; or None.
        groups: (item rows,) groups of items, -1 for none; for the next two terms.
        wanted: (groups,) shares of exposure that each group should get.
        exposure_weight: Weight of the Kullback-Leibler divergence of the groups' exposure in the batch from `wanted`.
        gap_weight: Weight of the variance of the groups' mean losses in the batch; groups of targets.
        flagged: (item rows,) bool, items that should not be recommended; or None.
        flagged_weight: Weight of the probability of flagged items.
    """

    item_bias: torch.Tensor | None = None
    label_weights: torch.Tensor | None = None
    groups: torch.Tensor | None = None
    wanted: torch.Tensor | None = None
    exposure_weight: float = 0.0
    gap_weight: float = 0.0
    flagged: torch.Tensor | None = None
    flagged_weight: float = 0.0

    def loss(
        self, plain: Callable[[LabelledEvents], torch.Tensor], events: LabelledEvents, rows: torch.Tensor
    ) -> torch.Tensor:
        """The summed loss of events with all terms; penalties count once per event.

        Args:
            plain: Computes the summed loss of events.
            events: The events and their candidates.
            rows: (candidates,) item indices of the candidates.
        """
        total = plain(self.adjusted(events, rows))
        penalised = self.exposure_weight or self.gap_weight or self.flagged_weight
        if not penalised or not len(events.targets):
            return total
        return total + len(events.targets) * self.penalty(events, rows)

    def adjusted(self, events: LabelledEvents, rows: torch.Tensor) -> LabelledEvents:
        """Events with the bias of items and the weights of targets."""
        if self.label_weights is not None:
            own = self.label_weights.to(rows.device)[rows[events.targets]]
            events = replace(events, weights=own if events.weights is None else events.weights * own)
        if self.item_bias is None:
            return events
        bias = self.item_bias.to(rows.device)[rows]
        vectors = torch.cat([events.item_vectors, bias[:, None]], dim=1)  # one more product: 1 times the bias
        states = torch.cat([events.states, torch.ones_like(events.states[:, :1])], dim=1)
        return replace(events, states=states, items=vectors, item_side=_same, normalised=True)

    def penalty(self, events: LabelledEvents, rows: torch.Tensor) -> torch.Tensor:
        """The weighted penalties of the scores without the bias, as a scalar.

        Args:
            events: The events and their candidates.
            rows: (candidates,) item indices of the candidates.
        """
        events = _some(events)
        log_chances = _log_chances(events)
        chances, total = log_chances.exp(), log_chances.new_zeros(())
        if self.groups is not None and self.wanted is not None and self.exposure_weight:
            groups = self.groups.to(rows.device)[rows]
            total = total + self.exposure_weight * exposure_divergence(chances.mean(0), groups, self.wanted)
        if self.groups is not None and self.gap_weight:
            losses = -log_chances.gather(1, events.targets[:, None]).squeeze(1)
            groups = self.groups.to(rows.device)[rows[events.targets]]
            total = total + self.gap_weight * variance_of_groups(losses, groups)
        if self.flagged is not None and self.flagged_weight:
            total = total + self.flagged_weight * (chances @ self.flagged.to(chances)[rows]).mean()
        return total


def exposure_divergence(exposure: torch.Tensor, groups: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Kullback-Leibler divergence of the groups' shares of exposure from wanted shares: 0 if they are equal.

    Args:
        exposure: (candidates,) exposure of each item, such as its mean probability.
        groups: (candidates,) groups, -1 for items that do not count.
        wanted: (groups,) shares.

    Example:
        >>> exposure, groups = torch.tensor([0.75, 0.25]), torch.tensor([0, 1])
        >>> round(exposure_divergence(exposure, groups, torch.tensor([0.5, 0.5])).item(), 4)  # .5 log 4/3
        0.1438
    """
    counted = groups >= 0
    wanted = wanted.to(exposure)
    given = torch.zeros_like(wanted).index_add(0, groups[counted].long(), exposure[counted])
    given = (given / given.sum().clamp(min=_LEAST_SHARE)).clamp(min=_LEAST_SHARE)
    there = wanted > 0
    return (wanted[there] * (wanted[there].log() - given[there].log())).sum()


def variance_of_groups(losses: torch.Tensor, groups: torch.Tensor) -> torch.Tensor:
    """Mean squared distance of the groups' mean losses from their mean; 0 with fewer than two groups.

    Args:
        losses: (events,) losses.
        groups: (events,) groups, -1 for events that do not count.

    Example:
        >>> variance_of_groups(torch.tensor([1.0, 3.0, 4.0]), torch.tensor([0, 0, 1])).item()  # means 2 and 4
        1.0
    """
    counted = groups >= 0
    if not bool(counted.any()):
        return losses.new_zeros(())
    present, place = groups[counted].unique(return_inverse=True)
    sums = losses.new_zeros(len(present)).index_add(0, place, losses[counted])
    means = sums / torch.bincount(place, minlength=len(present)).to(sums)
    return (means - means.mean()).square().mean()


def _same(items: torch.Tensor) -> torch.Tensor:
    return items


def _some(events: LabelledEvents) -> LabelledEvents:
    """Every n-th event, if all would have too many scores."""
    most = max(_LEAST_EVENTS, _ELEMENTS // max(1, len(events.items)))
    step = -(-len(events.targets) // most)
    if step <= 1:
        return events
    places, bonus = events.bonus_items, events.bonus
    return replace(
        events, states=events.states[::step], targets=events.targets[::step],
        bonus_items=None if places is None else places[::step], bonus=None if bonus is None else bonus[::step],
    )  # fmt: skip


def _log_chances(events: LabelledEvents) -> torch.Tensor:
    """(events, candidates) log probabilities, with sampled candidates in place of those they stand for."""
    scores = torch.mm(events.states, events.item_vectors.T).float()
    if events.bonus_items is not None and events.bonus is not None:
        scores = scores.scatter_add(1, events.bonus_items, events.bonus.detach())
    if events.log_inclusion is not None:
        own = events.targets[:, None]
        scores = (scores - events.log_inclusion).scatter_add(1, own, events.log_inclusion[own].to(scores))
    return scores.log_softmax(1)
