"""Membership inference: whether the losses of a model tell which users it was trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..bootstrap import Interval

FALSE_POSITIVES = 0.01
"""Rate of false positives at which true positives are counted."""


@dataclass(frozen=True)
class Membership:
    """Result of an attack that takes users with a small loss for members of the training set.

    Args:
        auc: Probability that a member has a smaller loss than another user, ties counted half; .5 is chance.
        true_positives: Share of members that are found at a rate of false positives of `FALSE_POSITIVES`.
        members: Number of members.
        others: Number of other users.
    """

    auc: Interval
    true_positives: Interval
    members: int
    others: int

    def __str__(self) -> str:
        return (
            f"membership inference by the loss: AUC {self.auc.mean:.3f} [{self.auc.low:.3f}, {self.auc.high:.3f}], "
            f"true positives at 1 % false positives {self.true_positives.mean:.3f} "
            f"[{self.true_positives.low:.3f}, {self.true_positives.high:.3f}] "
            f"({self.members:,} members, {self.others:,} others)"
        )


def membership_inference(
    members: np.ndarray, others: np.ndarray, *, samples: int = 1_000, seed: int = 0, level: float = 0.95
) -> Membership:
    """Attack a model by its losses (Yeom et al. 2018), with intervals that resample both groups of users.

    Args:
        members: (n,) loss of users of the training set, one value per user.
        others: (m,) loss of users that the model has not seen, computed in the same way.
        samples: Number of bootstrap samples.
        seed: Seed of the samples.
        level: Share of the samples in the interval.

    Returns:
        AUC and true positives (Carlini et al. 2022) with their intervals.

    Raises:
        ValueError: If a group is empty, or a loss is not finite.

    Example:
        >>> membership_inference(np.array([0.0, 1.0]), np.array([2.0, 1.0])).auc.mean
        0.875
    """
    for name, losses in (("members", members), ("others", others)):
        if not len(losses) or not np.isfinite(losses).all():
            raise ValueError(f"{name} has {len(losses)} losses, and needs at least one, all of them finite")
    generator = np.random.default_rng(seed)
    drawn = [(generator.choice(members, len(members)), generator.choice(others, len(others))) for _ in range(samples)]
    num = len(members) + len(others)

    def measured(values: list[float], mean: float) -> Interval:
        low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
        return Interval(mean, float(low), float(high), level, num)

    return Membership(
        measured([_auc(*pair) for pair in drawn], _auc(members, others)),
        measured([_true_positives(*pair) for pair in drawn], _true_positives(members, others)),
        len(members), len(others),
    )  # fmt: skip


def _auc(members: np.ndarray, others: np.ndarray) -> float:
    ordered = np.sort(others)
    above = len(ordered) - np.searchsorted(ordered, members, side="right")
    equal = np.searchsorted(ordered, members, side="right") - np.searchsorted(ordered, members, side="left")
    return float((above + 0.5 * equal).sum() / (len(members) * len(others)))


def _true_positives(members: np.ndarray, others: np.ndarray) -> float:
    """Share of members with a loss below that of all but the allowed others."""
    allowed = int(FALSE_POSITIVES * len(others))
    return float((members < np.sort(others)[allowed]).mean())
