"""Which users are asked where all of them would take longer than they are worth."""

from __future__ import annotations

import numpy as np
from datasets import Dataset

MOST_USERS = 30_000
"""Users that decide on an epoch, and from whom a second stage learns, at most."""

QUICK_USERS = 4096
"""Users on whom a quick training makes its choices, at most."""


def spread_users(dataset: Dataset, most: int | None = MOST_USERS) -> np.ndarray:
    """Rows of a split, evenly spread: all of them, or so many where there are more.

    Args:
        dataset: A row a user.
        most: Rows at most, 1 or more; None for all.

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
