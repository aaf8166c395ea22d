"""Popularity bias of recommendation lists: popularity, long tail, inequality, coverage, and recall by popularity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...tokenization.vocabulary import NUM_SPECIAL_ROWS
from ..bootstrap import Interval, confidence_interval, confidence_intervals
from ..ranks import pad_targets
from ..recommendation_ranking.ranking_metrics import per_user_metrics
from .exposure import events_per_list, flat_lists, gini

SHORT_HEAD = 0.8
"""Share of the training events that the short head has; all other items are the long tail."""
DECILES = 10


@dataclass(frozen=True)
class PopularityBias:
    """Popularity bias of the lists of one model.

    Args:
        arp: Average recommendation popularity: training events per item, averaged over a list and then over the lists
            (Yin et al., "Challenging the Long Tail Recommendation", VLDB 2012).
        aplt: Average percentage of long-tail items: their share of a list, averaged over the lists (Abdollahpouri et
            al., "Managing Popularity Bias in Recommender Systems with Personalized Re-ranking", FLAIRS 2019).
        aclt: Average coverage of long-tail items: their number per list, averaged over the lists (same source).
        gini: Inequality of the items' frequencies in the lists, as in `gini`.
        entropy: Shannon entropy of these frequencies over the entropy of equal ones: 1 if every item of the catalogue
            is listed equally often, 0 if all lists have one item.
        coverage: Share of the catalogue that is in the list of at least one user.
        recall: Recall of the targets in each tenth of the catalogue, the most popular tenth first; None for a tenth
            without targets.
        targets: Number of targets in each tenth.
    """

    arp: Interval
    aplt: Interval
    aclt: Interval
    gini: float
    entropy: float
    coverage: float
    recall: tuple[Interval | None, ...]
    targets: tuple[int, ...]


def popularity_bias(
    lists: np.ndarray, ranks: np.ndarray, targets: Sequence[Sequence[int]], counts: np.ndarray
) -> PopularityBias:
    """Measure the popularity bias of lists; intervals are bootstrap intervals over users.

    Args:
        lists: (users, k) recommended item indices, best first; special rows are padding, and users without an item are
            left out.
        ranks: (users, targets) ranks of the targets from 1; 0 or less for targets that do not count.
        targets: Item indices of each user's targets.
        counts: (rows,) training events per item.

    Raises:
        ValueError: If no list has an item, or an item has no count.
    """
    arp, aplt, aclt = confidence_intervals(tail_per_user(lists, counts))
    listed = np.bincount(flat_lists(lists, len(counts))[1], minlength=len(counts))[NUM_SPECIAL_ROWS:]
    recall, sizes = recall_by_decile(ranks, targets, counts, lists.shape[1])
    return PopularityBias(
        arp, aplt, aclt, gini(listed), normalised_entropy(listed), float((listed > 0).mean()), recall, sizes
    )


def tail_per_user(lists: Sequence[Sequence[int]] | np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Popularity and long tail of each list.

    Args:
        lists: Item indices of each list; special rows are padding.
        counts: (rows,) training events per item.

    Returns:
        (users, 3): mean of the training events, share and number of long-tail items; NaN for lists without items.

    Example:
        >>> tail_per_user(np.array([[2, 3], [3, 0]]), np.array([0, 0, 8, 2])).tolist()
        [[5.0, 0.5, 1.0], [2.0, 1.0, 1.0]]
    """
    users, items = flat_lists(lists, len(counts))
    sizes = np.bincount(users, minlength=len(lists)).astype(np.float64)
    sizes[sizes == 0] = np.nan
    numbers = np.bincount(users, tail_rows(counts)[items].astype(np.float64), len(lists))
    return np.stack(
        [events_per_list(lists, counts), numbers / sizes, np.where(np.isnan(sizes), np.nan, numbers)], axis=1
    )


def tail_rows(counts: np.ndarray) -> np.ndarray:
    """Which items are in the long tail: all but the short head.

    The short head is the smallest set of most popular items with `SHORT_HEAD` of the training events. Ties keep the
    lower indices in the head.

    Args:
        counts: (rows,) training events per item.

    Returns:
        (rows,) bool; False for special rows.

    Example:
        >>> tail_rows(np.array([9, 9, 1, 7, 2, 0])).tolist()
        [False, False, True, False, False, True]
    """
    items = np.asarray(counts, dtype=np.float64)[NUM_SPECIAL_ROWS:]
    order = np.argsort(-items, kind="stable")
    before = np.cumsum(items[order]) - items[order]
    tail = np.zeros(len(counts), dtype=bool)
    tail[order[before >= SHORT_HEAD * items.sum()] + NUM_SPECIAL_ROWS] = True
    return tail


def normalised_entropy(amounts: np.ndarray) -> float:
    """Shannon entropy of the shares of amounts over the largest possible entropy; NaN if it has no meaning.

    Args:
        amounts: (n,) amounts, none negative.

    Example:
        >>> normalised_entropy(np.array([2, 2])), normalised_entropy(np.array([3, 0]))
        (1.0, 0.0)
    """
    total = float(np.sum(amounts))
    if total <= 0 or len(amounts) < 2:
        return float("nan")
    shares = np.asarray(amounts, dtype=np.float64)[np.asarray(amounts) > 0] / total
    return float(abs(shares @ np.log(shares)) / np.log(len(amounts)))


def popularity_deciles(counts: np.ndarray) -> np.ndarray:
    """The tenth of the catalogue of each item, 0 for the most popular items; ties go by index.

    Args:
        counts: (rows,) training events per item.

    Returns:
        (rows,) tenths; -1 for special rows.

    Example:
        >>> popularity_deciles(np.array([0, 0, 1, 5])).tolist()
        [-1, -1, 5, 0]
    """
    items = np.asarray(counts)[NUM_SPECIAL_ROWS:]
    deciles = np.full(len(counts), -1)
    order = np.argsort(-items, kind="stable")
    deciles[order + NUM_SPECIAL_ROWS] = np.arange(len(items)) * DECILES // max(len(items), 1)
    return deciles


def recall_by_decile(
    ranks: np.ndarray, targets: Sequence[Sequence[int]], counts: np.ndarray, k: int
) -> tuple[tuple[Interval | None, ...], tuple[int, ...]]:
    """Recall of the targets in each tenth of the catalogue by popularity, and their numbers.

    Args:
        ranks: As in `popularity_bias`.
        targets: As in `popularity_bias`.
        counts: As in `popularity_bias`.
        k: Length of the lists.
    """
    items = pad_targets(targets)
    width = items.shape[1]
    places, counted = np.asarray(ranks)[:, :width], (np.asarray(ranks)[:, :width] > 0) & (items >= NUM_SPECIAL_ROWS)
    decile = np.where(items >= 0, popularity_deciles(counts)[items], -1)
    found: list[Interval | None] = []
    sizes = []
    for tenth in range(DECILES):
        flags = counted & (decile == tenth)
        sizes.append(int(flags.sum()))
        values = per_user_metrics(places, [k], flags, ["recall"])[f"recall@{k}"]
        found.append(confidence_interval(values) if sizes[-1] else None)
    return tuple(found), tuple(sizes)
