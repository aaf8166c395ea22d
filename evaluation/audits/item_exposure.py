"""Expected exposure of items, for lists that are fixed or drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...tokenization.vocabulary import NUM_SPECIAL_ROWS
from ..bootstrap import Interval, confidence_intervals

PATIENCE = 0.8
"""Probability that a user who looked at a place looks at the next one."""


@dataclass(frozen=True)
class ExpectedExposure:
    """Expected exposure of one model, averaged over users.

    All three are sums over items of each user's list (Diaz et al., "Evaluating Stochastic Rankings with Expected
    Exposure", CIKM 2020). The ideal gives all targets of a user the same exposure, and all other items the same rest.

    Args:
        loss: EE-L: squared distance of exposure and ideal; lower is better. It is `disparity - relevance` plus a
            constant of the data.
        disparity: EE-D: squared exposure; lower if lists vary, so that more items share the exposure.
        relevance: EE-R: twice the product of exposure and ideal; higher if targets are exposed.
        draws: Number of lists per user.
    """

    loss: Interval
    disparity: Interval
    relevance: Interval
    draws: int


def attention(k: int, patience: float = PATIENCE) -> np.ndarray:
    """Attention of each place: the first has 1, each other one `patience` times that of the place above it.

    The browsing model of rank-biased precision (Moffat and Zobel, TOIS 2008).

    Args:
        k: Places of a list.
        patience: Probability that a user goes on to the next place, within 0 to 1.

    Returns:
        (k,) probabilities that a place is looked at.

    Raises:
        ValueError: If `k` is below 1, or `patience` is not within 0 to 1.

    Example:
        >>> attention(3, 0.5).tolist()
        [1.0, 0.5, 0.25]
    """
    if k < 1 or not 0 < patience < 1:
        raise ValueError(f"k is {k} and patience {patience}; give k of 1 or more and a patience within 0 to 1")
    weights: np.ndarray = patience ** np.arange(k, dtype=np.float64)
    return weights


def expected_exposure(
    draws: Sequence[np.ndarray],
    targets: Sequence[Sequence[int]],
    num_items: int | np.ndarray,
    patience: float = PATIENCE,
) -> ExpectedExposure:
    """Expected exposure of lists, with bootstrap intervals over users.

    Args:
        draws: One (users, k) array of item indices per draw, best first; one array for fixed lists. Special rows are
            padding.
        targets: Item indices of each user's targets; users without one are left out.
        num_items: Items that may be listed: one number, or (users,) numbers.
        patience: As in `attention`.

    Raises:
        ValueError: If no user has a target, or the draws have different shapes.
    """
    loss, disparity, relevance = confidence_intervals(exposure_per_user(draws, targets, num_items, patience))
    return ExpectedExposure(loss, disparity, relevance, len(draws))


def exposure_per_user(
    draws: Sequence[np.ndarray],
    targets: Sequence[Sequence[int]],
    num_items: int | np.ndarray,
    patience: float = PATIENCE,
) -> np.ndarray:
    """EE-L, EE-D and EE-R of each user; arguments as in `expected_exposure`.

    Returns:
        (users, 3) values; NaN for users without a target.

    Example:
        >>> exposure_per_user([np.array([[2]]), np.array([[3]])], [[2]], 2, 0.5).tolist()
        [[0.5, 0.5, 1.0]]
    """
    shapes = {np.shape(lists) for lists in draws}
    if len(shapes) != 1 or (shape := shapes.pop())[0] != len(targets):
        raise ValueError(f"draws have the shapes {sorted(shapes)} for {len(targets)} users; give lists of one shape")
    weights = attention(shape[1], patience)
    values, sizes = np.full((len(targets), 3), np.nan), np.broadcast_to(num_items, len(targets)).tolist()
    lists = np.stack(list(draws), axis=1).reshape(len(targets), -1)
    spread = np.tile(weights / len(draws), len(draws))
    for user, wanted in enumerate(targets):
        own = np.unique(np.asarray(wanted, dtype=np.int64))
        own = own[own >= NUM_SPECIAL_ROWS]
        if not len(own):
            continue
        shown = lists[user] >= NUM_SPECIAL_ROWS
        items, place = np.unique(lists[user][shown], return_inverse=True)
        exposure = np.bincount(place, spread[shown], len(items))
        target, rest = _ideal(len(own), sizes[user], weights)
        ideal = np.where(np.isin(items, own), target, rest)
        disparity, relevance = exposure @ exposure, 2 * exposure @ ideal
        constant = len(own) * target**2 + (sizes[user] - len(own)) * rest**2
        values[user] = disparity - relevance + constant, disparity, relevance
    return values


def _ideal(num_targets: int, num_items: int, weights: np.ndarray) -> tuple[float, float]:
    """Exposure of each target and of each other item if all orders with the targets first are equally likely."""
    above = float(weights[:num_targets].sum())
    others = num_items - num_targets
    return above / num_targets, float(weights[num_targets:].sum()) / others if others else 0.0
