"""Calibration of lists: their categories beside those of the user's own history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...tokenization.vocabulary import NUM_SPECIAL_ROWS
from ..bootstrap import Interval, confidence_interval
from ..redundancy import category_shares, kl_to_history


@dataclass(frozen=True)
class ListCalibration:
    """Calibration of the lists of one model, averaged over users with categories in their history.

    Args:
        divergence: Kullback-Leibler divergence from the category shares of the history to those of the list, in nats;
            0 for the same shares (Steck, "Calibrated Recommendations", RecSys 2018).
        lost_second: Share of the users whose second most frequent category is not in the list; None if no user has
            two categories.
    """

    divergence: Interval
    lost_second: Interval | None


def list_calibration(
    lists: np.ndarray, histories: Sequence[Sequence[int]], codes: np.ndarray
) -> ListCalibration | None:
    """Measure the calibration of lists.

    Args:
        lists: (users, k) item indices, best first; special rows are padding, and such users are left out.
        histories: Item indices of each user's history.
        codes: (rows,) codes of the items' categories, -1 for none.

    Returns:
        The calibration; None if no user has a category in the history.
    """
    values = calibration_per_user(lists, histories, codes)
    if np.isnan(values[:, 0]).all():
        return None
    lost = None if np.isnan(values[:, 1]).all() else confidence_interval(values[:, 1])
    return ListCalibration(confidence_interval(values[:, 0]), lost)


def calibration_per_user(lists: np.ndarray, histories: Sequence[Sequence[int]], codes: np.ndarray) -> np.ndarray:
    """Divergence of each list, and whether it lacks the user's second category; arguments as in `list_calibration`.

    Of categories with equal shares, the lower code is more frequent.

    Returns:
        (users, 2) values; NaN without a category, or without a second one.

    Example:
        >>> codes = np.array([-1, -1, 0, 1])
        >>> calibration_per_user(np.array([[2, 3], [2, 2]]), [[2, 3], [2, 2, 3]], codes).round(3).tolist()
        [[0.0, 0.0], [1.267, 1.0]]
    """
    shown = np.where(lists >= NUM_SPECIAL_ROWS, codes[lists], -1)
    known = [codes[np.asarray(history, dtype=np.int64)] for history in histories]
    values = np.stack([kl_to_history(shown, known), np.full(len(shown), np.nan)], axis=1)
    values[(lists < NUM_SPECIAL_ROWS).all(axis=1), 0] = np.nan
    for user, history in enumerate(known):
        names, shares = category_shares(history)
        if len(names) > 1 and not np.isnan(values[user, 0]):
            second = names[np.argsort(-shares, kind="stable")[1]]
            values[user, 1] = float(second not in shown[user])
    return values
