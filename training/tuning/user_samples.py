"""Samples of users for tuning, where all users would take too long."""

from __future__ import annotations

import numpy as np
from datasets import Dataset

MOST_USERS = 30_000
"""Maximum users for choosing the best epoch and for fitting the re-ranker."""

QUICK_USERS = 4096
"""Maximum users for tuning in a quick training."""


def spread_users(dataset: Dataset, most: int | None = MOST_USERS) -> np.ndarray:
    """Evenly spread rows of a split: all of them, or at most `most`.

    Args:
        dataset: One row per user.
        most: Maximum rows, at least 1; None for all.

    Returns:
        (rows,) numbers of rows, ascending.

    Example:
        >>> spread_users(Dataset.from_dict({"user": list("abcdefg")}), 3)
        array([0, 3, 6])
    """
    count = len(dataset)
    if most is None or count <= most:
        return np.arange(count)
    return np.linspace(0, count - 1, most).astype(np.int64)
