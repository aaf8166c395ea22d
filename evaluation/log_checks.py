"""Checks of a log that anybody may have written: items that suddenly have many users, and order without meaning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from datasets import Dataset

NOISE = 3.0
"""Standard errors of a share that are left to chance."""


def user_growth(histories: Sequence[Sequence[int]], counts: np.ndarray) -> np.ndarray:
    """Growth of each item's share of users against earlier counts, beyond chance.

    An item that had a share p of all (user, item) pairs is expected with a share p n of users with n distinct items
    each. Three standard errors of the observed share are subtracted.

    Args:
        histories: Item indices of each user of the log.
        counts: (rows,) users or events per item in earlier data; special rows are 0.

    Returns:
        (rows,) growth, in shares of the log's users from -1 to 1.

    Example:
        >>> found = user_growth([[2], [2], [3], [2]] * 100, np.array([0, 0, 50, 50]))
        >>> found.round(2).tolist()
        [0.0, 0.0, 0.19, -0.31]
    """
    distinct = [np.unique(np.asarray(history, dtype=np.int64)) for history in histories]
    users = max(len(distinct), 1)
    flat = np.concatenate([*distinct, np.zeros(0, np.int64)])
    observed = np.bincount(flat, minlength=len(counts)) / users
    rates = counts / max(counts.sum(), 1)
    expected = np.zeros(len(counts))
    for length, number in zip(*np.unique([len(one) for one in distinct], return_counts=True), strict=True):
        expected += np.minimum(1, rates * length) * number / users
    error = np.sqrt(observed * (1 - observed) / users)
    growth: np.ndarray = np.where(observed > 0, observed - expected - NOISE * error, observed - expected)
    return np.where(counts + observed > 0, growth, 0.0)


def list_growth(before: np.ndarray, after: np.ndarray, rows: int) -> np.ndarray:
    """Growth of each item's share of lists.

    Args:
        before: (users, k) item indices of the lists of one model; rows below 2 are padding.
        after: (users, k) the lists of another one for the same users.
        rows: Rows of the item table.

    Returns:
        (rows,) growth, in shares of the lists from -1 to 1.

    Example:
        >>> list_growth(np.array([[2, 3], [2, 4]]), np.array([[2, 5], [3, 5]]), 6).tolist()
        [0.0, 0.0, -0.5, 0.0, -0.5, 1.0]
    """
    counted = [np.bincount(top.ravel(), minlength=rows) / max(len(top), 1) for top in (before, after)]
    growth: np.ndarray = counted[1] - counted[0]
    growth[:2] = 0.0
    return growth


def with_others_targets(rows: Dataset, seed: int = 0) -> Dataset:
    """Evaluation rows in which each user has the targets of another one, drawn at random.

    A ranking that is no better on the real rows does not explain them by their histories.

    Args:
        rows: Rows with `targets`; two or more.
        seed: Seed of the draw.
    """
    order = np.random.default_rng(seed).permutation(len(rows))
    giver = np.empty_like(order)
    giver[order] = np.roll(order, 1)  # one cycle, so nobody keeps the own targets
    targets = rows.with_format(None)["targets"]
    given = [targets[place] for place in giver]
    return rows.remove_columns("targets").add_column("targets", given, feature=rows.features["targets"])
