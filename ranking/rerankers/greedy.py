"""Greedy selection from pools: maximal marginal relevance, determinantal point processes, and calibration.

All functions take a batch of users as NumPy arrays and pick `length` candidates per user, best first. A candidate of a
lower tier is picked only when the higher tiers are used up. Of equal gains the earlier candidate is picked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ...evaluation.redundancy import kl_terms

_EXHAUSTED = 1e-10
"""A candidate with a smaller conditional variance is a linear combination of the picked ones, up to rounding."""
_LAST = -1e9
"""Gain of such a candidate."""


def mmr_picks(
    relevance: np.ndarray, vectors: np.ndarray, diversity: float, length: int, tiers: np.ndarray | None = None
) -> np.ndarray:
    """Pick by maximal marginal relevance (Carbonell & Goldstein, SIGIR 1998).

    Each pick has the largest `(1 - diversity) * relevance - diversity * similarity`, where the similarity is that to
    the most similar picked candidate, and 0 for the first pick.

    Args:
        relevance: (users, n) relevance.
        vectors: (users, n, width) vectors of length 1, or 0 for a candidate that is like no other.
        diversity: Weight of the similarity, from 0 to 1; 1 - lambda of the paper.
        length: Number of picks.
        tiers: (users, n) tiers; None for one tier.

    Returns:
        (users, length) positions of the picks.

    Example:
        >>> tents = np.array([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])
        >>> mmr_picks(np.array([[1.0, 0.9, 0.5]]), tents, 0.5, 3).tolist()
        [[0, 2, 1]]
    """
    closest = np.zeros(relevance.shape)
    valued = (1 - diversity) * relevance
    picks: list[np.ndarray] = []

    def gains() -> np.ndarray:
        found: np.ndarray = valued - diversity * closest
        return found

    for pick in _greedily(gains, length, relevance.shape, tiers):
        similarity = _similarities(vectors, pick)
        closest[:] = np.maximum(closest, similarity) if picks else similarity
        picks.append(pick)
    return np.stack(picks, axis=1)


def dpp_picks(
    relevance: np.ndarray, vectors: np.ndarray, diversity: float, length: int, tiers: np.ndarray | None = None
) -> np.ndarray:
    """Pick by the greedy MAP of a determinantal point process, in the fast form of Chen, Zhang & Zhou (NeurIPS 2018).

    The kernel is `q_i q_j cosine_ij` with `q = exp(relevance * (1 - diversity) / (2 * diversity))`. Each pick raises
    the logarithm of the determinant of the picked kernel by most. A candidate that is a linear combination of the
    picked ones, such as a duplicate, comes after all others of its tier.

    Args:
        relevance: (users, n) relevance.
        vectors: (users, n, width) vectors of length 1, or 0 for a candidate that is like no other.
        diversity: Above 0, at most 1; 1 - theta of the paper.
        length: Number of picks.
        tiers: (users, n) tiers; None for one tier.

    Returns:
        (users, length) positions of the picks.

    Example:
        >>> tents = np.array([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])
        >>> dpp_picks(np.array([[1.0, 0.9, 0.5]]), tents, 0.5, 3).tolist()
        [[0, 2, 1]]
    """
    users, count = np.arange(len(relevance)), relevance.shape[1]
    valued = (1 - diversity) / diversity * relevance  # log q^2
    variance = np.einsum("und,und->un", vectors, vectors, dtype=np.float64)
    variance[variance == 0] = 1  # like no other
    factors = np.zeros((len(relevance), length, count))
    picks: list[np.ndarray] = []

    def gains() -> np.ndarray:
        left: np.ndarray = np.where(variance > _EXHAUSTED, valued + np.log(np.maximum(variance, _EXHAUSTED)), _LAST)
        return left

    for pick in _greedily(gains, length, relevance.shape, tiers):
        known = np.matmul(factors[users, :, pick][:, None, : len(picks)], factors[:, : len(picks)])[:, 0]
        own = variance[users, pick]
        scale = np.where(own > _EXHAUSTED, 1 / np.sqrt(np.maximum(own, _EXHAUSTED)), 0)
        added = scale[:, None] * (_similarities(vectors, pick) - known)
        factors[:, len(picks)] = added
        variance = variance - added**2
        picks.append(pick)
    return np.stack(picks, axis=1)


def calibrated_picks(
    relevance: np.ndarray,
    categories: np.ndarray,
    wanted: np.ndarray,
    weight: float,
    length: int,
    tiers: np.ndarray | None = None,
    after: int = 0,
) -> np.ndarray:
    """Pick by calibrated recommendations (Steck, RecSys 2018), greedily.

    Each pick has the largest `(1 - weight) * sum of relevance - weight * KL(wanted || shares of the list)`. The shares
    of the list are smoothed: they are mixed with `SMOOTHING` of the wanted ones.

    Args:
        relevance: (users, n) relevance.
        categories: (users, n) number of the wanted category of each candidate, -1 for another one or none.
        wanted: (users, categories) wanted shares; 0 for categories that a user does not have.
        weight: Weight of the divergence, from 0 to 1; lambda of the paper.
        length: Number of picks.
        tiers: (users, n) tiers; None for one tier.
        after: First picks that are made by relevance alone.

    Returns:
        (users, length) positions of the picks.

    Example:
        >>> wanted = np.array([[0.5, 0.5]])  # half tents, half boots
        >>> calibrated_picks(np.array([[1.0, 0.9, 0.5]]), np.array([[0, 0, 1]]), wanted, 0.5, 3).tolist()
        [[0, 2, 1]]
    """
    users = np.arange(len(relevance))
    counts = np.zeros((len(wanted), wanted.shape[1] + 1))  # the last column is of all other categories
    wanted = np.concatenate([wanted, np.zeros((len(wanted), 1))], axis=1)
    place = np.where(categories < 0, wanted.shape[1] - 1, categories)
    picks: list[np.ndarray] = []

    def gains() -> np.ndarray:
        if len(picks) < after:
            return relevance
        size = len(picks) + 1
        fall = kl_terms(wanted, counts / size) - kl_terms(wanted, (counts + 1) / size)
        found: np.ndarray = (1 - weight) * relevance + weight * np.take_along_axis(fall, place, axis=1)
        return found

    for pick in _greedily(gains, length, relevance.shape, tiers):
        counts[users, place[users, pick]] += 1
        picks.append(pick)
    return np.stack(picks, axis=1)


def _greedily(
    gains: Callable[[], np.ndarray], length: int, shape: tuple[int, ...], tiers: np.ndarray | None
) -> Iterator[np.ndarray]:
    """The (users,) pick of each step; `gains` is computed again after the caller has used the previous pick."""
    users = np.arange(shape[0])
    closed = np.zeros(shape)
    left = None if tiers is None else tiers.astype(np.float64)
    for _ in range(length):
        found = gains() + closed
        if left is not None:
            found[left < left.max(axis=1, keepdims=True)] = -np.inf
        pick: np.ndarray = found.argmax(axis=1)
        closed[users, pick] = -np.inf
        if left is not None:
            left[users, pick] = -np.inf
        yield pick


def _similarities(vectors: np.ndarray, pick: np.ndarray) -> np.ndarray:
    """(users, n) cosines of all candidates to one candidate per user."""
    found: np.ndarray = np.matmul(vectors, vectors[np.arange(len(vectors)), pick][..., None])[..., 0]
    return found
