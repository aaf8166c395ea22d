"""Probabilities that events are real, as weights in training."""

from __future__ import annotations

import numpy as np

from .promotion import NOT_SUSPICIOUS
from .user_features import UserItems

TOP = 0.05
"""Share of the users, those with the highest scores, who count as evidence against an item."""
HIT = 0.3
"""Probability that a user of a promoted item is among them."""
PROMOTED = 0.0003
"""Probability that an item is promoted, before its users are looked at."""
UNLIKE = 0.15
"""Cosine from which on the text of another item of the user explains an event, which then has the weight 1."""
WHOLE = 0.99
"""Weight from which on an event has the weight 1."""


def promotion_chances(scores: np.ndarray, pairs: UserItems) -> np.ndarray:
    """(items,) probability that an item is promoted, by the number of its users with the highest scores.

    Without promotion a user is among the `TOP` share by chance, and with it in `HIT` of the cases. Bayes' rule gives
    the probability from both likelihoods and the prior `PROMOTED`.

    Args:
        scores: (users,) scores; the higher, the more like a fake user.
        pairs: Users and their items.
    """
    highest = scores >= np.quantile(scores, 1 - TOP)
    number = np.bincount(pairs.item, minlength=len(pairs.items))
    found = np.bincount(pairs.item, weights=highest[pairs.user], minlength=len(pairs.items))
    odds = found * np.log(HIT / TOP) + (number - found) * np.log((1 - HIT) / (1 - TOP))
    return _probability(odds + np.log(PROMOTED / (1 - PROMOTED)))


def event_weights(scores: np.ndarray, pairs: UserItems) -> np.ndarray:
    """(pairs,) probability that an event is real: 1 less that of a fake user times that of a promoted item.

    An event needs both to lose weight: one suspicious user is no evidence, and neither is one suspicious item. The
    scores are log odds of a fake user. Where few users are suspicious, the odds are even for the user at the
    `NOT_SUSPICIOUS` quantile, because a promoted item is evidence against its users. A loss with such weights is
    reweighted as in Wang et al. ("Denoising Implicit Feedback for Recommendation", WSDM 2021), where the weights come
    from the loss.

    Args:
        scores: (users,) log odds that the user is fake.
        pairs: Users and their items.

    Example:
        >>> pairs = UserItems(["u", "v"], ["a"], np.array([0, 1]), np.array([0, 0]))
        >>> event_weights(np.array([-9.0, 9.0]), pairs).round(4).tolist()  # one of two users is suspicious
        [1.0, 0.9987]
    """
    even = min(0.0, float(np.quantile(scores, NOT_SUSPICIOUS)))
    fake = _probability(scores - even)[pairs.user]
    weights: np.ndarray = 1 - fake * promotion_chances(scores, pairs)[pairs.item]
    return weights


def _probability(log_odds: np.ndarray) -> np.ndarray:
    found: np.ndarray = 1 / (1 + np.exp(-np.clip(log_odds, -50, 50)))
    return found
