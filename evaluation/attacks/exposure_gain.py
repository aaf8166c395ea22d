"""Exposure of promoted items in lists, and what an attack gains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def target_hits(lists: np.ndarray, targets: Sequence[int], histories: Sequence[Sequence[int]]) -> np.ndarray:
    """Share of the targets in each user's list; NaN for a user who had one of them.

    Args:
        lists: (users, k) item indices.
        targets: Item indices of the promoted items.
        histories: Item indices of each user's history.

    Returns:
        (users,) share of the targets that are in the list.

    Example:
        >>> target_hits(np.array([[5, 6], [7, 8], [5, 9]]), [5, 8], [[2], [2], [8]]).tolist()
        [0.5, 0.5, nan]
    """
    wanted = np.asarray(targets)
    shares = (lists[:, None, :] == wanted[None, :, None]).any(axis=2).mean(axis=1)
    had = np.fromiter((bool(set(history) & set(wanted.tolist())) for history in histories), bool, len(histories))
    found: np.ndarray = np.where(had, np.nan, shares)
    return found


def cut_of_gain(undefended: float, defended: float) -> float:
    """Share of an attack's gain that a defence takes away; NaN for an attack without a gain.

    Args:
        undefended: Gain without the defence.
        defended: Gain with it.

    Example:
        >>> cut_of_gain(0.04, 0.01), cut_of_gain(0.0, 0.01)
        (0.75, nan)
    """
    return 1 - defended / undefended if undefended > 0 else float("nan")
