"""Items that suspicious users promote, and the events by which they do."""

from __future__ import annotations

import numpy as np

from .user_features import UserItems

MOST_PROMOTED = 0.005
"""Largest share of the items that are taken for promoted; beyond it the ones with the highest scores are."""
LEAST_LIMIT = 5
"""Number of promoted items that is allowed in any shop."""
NOT_SUSPICIOUS = 0.9
"""Share of the users, those with the lowest scores, whose events with a promoted item stay."""
FURTHEST = 4.0
"""Standard deviations at which values are cut."""


def item_scores(scores: np.ndarray, pairs: UserItems) -> np.ndarray:
    """(items,) how far the mean score of an item's users is above that of all users, in standard errors.

    Args:
        scores: (users,) scores; the higher, the more like a fake user.
        pairs: Users and their items.

    Example:
        >>> pairs = UserItems(["u", "v"], ["a", "b"], np.array([0, 1, 1]), np.array([0, 0, 1]))
        >>> item_scores(np.array([0.0, 2.0]), pairs).tolist()
        [0.0, 1.0]
    """
    spread = scores.std()
    values = np.clip((scores - scores.mean()) / (spread if spread > 0 else 1.0), -FURTHEST, FURTHEST)
    number = np.bincount(pairs.item, minlength=len(pairs.items))
    total = np.bincount(pairs.item, weights=values[pairs.user], minlength=len(pairs.items))
    found: np.ndarray = total / np.sqrt(np.maximum(number, 1))
    return found


def promoting_events(
    scores: np.ndarray, of_items: np.ndarray, pairs: UserItems, user_threshold: float, item_threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Events of suspicious users with an item that many of them have.

    One suspicious user is no evidence, and neither is one suspicious item: an event has to have both. Once an item is
    taken for promoted, its users are suspicious from a lower score on, because the attack has left a trace.

    Args:
        scores: (users,) scores.
        of_items: (items,) scores of the items.
        pairs: Users and their items.
        user_threshold: Score from which on a user is suspicious.
        item_threshold: Score from which on an item is taken for promoted.

    Returns:
        (pairs,) whether the event promotes an item, and (items,) whether the item is taken for promoted.
    """
    most = max(LEAST_LIMIT, round(MOST_PROMOTED * len(of_items)))
    places = np.argsort(-of_items, kind="stable")[:most]
    promoted = np.zeros(len(of_items), bool)
    promoted[places[of_items[places] >= item_threshold]] = True
    suspicious = scores >= min(user_threshold, float(np.quantile(scores, NOT_SUSPICIOUS)))
    return promoted[pairs.item] & suspicious[pairs.user], promoted
