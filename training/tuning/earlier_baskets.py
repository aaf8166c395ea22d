"""Baskets of the training log as targets, with the log before them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...catalogue.segments import basket_starts
from ...modeling_xcat.configuration_xcat import NUM_SPECIAL_ROWS


@dataclass(frozen=True)
class EarlierBasket:
    """One basket per user, counted from the user's last one, and the log without it and all later ones.

    Args:
        users: (events,) numbers of users in the log, ascending from 0.
        items: (events,) item indices.
        times: (events,) seconds, below 0 for none.
        histories: Item indices of the log per user.
        targets: Item indices of the basket per user, each once, without those of the history.
    """

    users: np.ndarray
    items: np.ndarray
    times: np.ndarray
    histories: list[np.ndarray]
    targets: list[np.ndarray]


def earlier_basket(users: np.ndarray, items: np.ndarray, times: np.ndarray, back: int) -> EarlierBasket:
    """Split a log at a basket of each user, as the evaluation splits it at the last basket.

    Users without a basket before it are left out.

    Args:
        users: (events,) numbers of users, ascending.
        items: (events,) item indices, in order of time within a user.
        times: (events,) seconds, below 0 for none.
        back: Number of the basket from the user's last one, which is 1.

    Example:
        >>> log = np.array([0, 0, 0, 0]), np.array([2, 3, 2, 4]), np.array([5, 6, 7, 7])
        >>> split = earlier_basket(*log, back=1)
        >>> [part.tolist() for part in (split.items, split.histories[0], split.targets[0])]
        [[2, 3], [2, 3], [4]]
    """
    starts = basket_starts(users, times)
    basket, user_of = starts.cumsum() - 1, users[starts]
    last = np.searchsorted(user_of, user_of, side="right") - 1
    number = (last - np.arange(len(user_of)) + 1)[basket]  # from the user's last basket
    kept = number > back
    known, own = np.unique(users[kept], return_inverse=True)
    histories = _by_user(own, items[kept], len(known))
    aimed = (number == back) & np.isin(users, known)
    baskets = _by_user(np.searchsorted(known, users[aimed]), items[aimed], len(known))
    targets = [np.setdiff1d(new[new >= NUM_SPECIAL_ROWS], had) for new, had in zip(baskets, histories, strict=True)]
    return EarlierBasket(own, items[kept], times[kept], histories, targets)


def _by_user(users: np.ndarray, values: np.ndarray, count: int) -> list[np.ndarray]:
    """The values of each user, for ascending numbers of users from 0."""
    return np.split(values, np.searchsorted(users, np.arange(1, count))) if count else []
