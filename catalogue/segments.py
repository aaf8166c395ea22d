"""Rates of first purchases by segment of users, and trends, from the training log; see `XCatSegments`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..modeling_xcat.configuration_xcat import NUM_SPECIAL_ROWS
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..modeling_xcat.segments_xcat import XCatSegments
from ..tokenization.progress import stage
from ..tokenization.vocabulary import UNKNOWN_ROW
from .trends import item_trends, relative_ages

if TYPE_CHECKING:  # serving reads other files of this room, and needs no data sets
    from datasets import Dataset

MOST_SEGMENTS = 32
"""Maximum number of segments."""
USERS_PER_SEGMENT = 50
"""Minimum users per segment, on average."""
LEAST_REPEATS = 0.01
"""Minimum share of events that are repurchases. With fewer, next items are new items, and no rates are needed."""
HALF_LIFE = 1 / 6
"""Half-life of a basket's weight, as a share of the time that the events span."""
PRIOR, SEGMENT_PRIOR = 50.0, 100.0
"""Baskets with the mean rate of all items that are added to those of an item, and baskets with the item's rate that
are added to those of a segment."""
_DEPTH = 10
_LEAST_USERS = 2
"""Minimum users of an item that tells users apart."""
_OVERSAMPLED, _POWER_STEPS, _CLUSTER_STEPS = 8, 4, 15
_PAIRS_AT_ONCE = 1 << 19


@dataclass(frozen=True)
class FirstPurchases:
    """First purchases of a training log, with weights: recent baskets and baskets with few new items count more.

    Args:
        users: (pairs,) number of the user, for each pair of a user and an item that the user bought.
        items: (pairs,) item index.
        gains: (pairs,) weight of the first purchase; 0 in a user's first basket, which has no history.
        later: (pairs,) weight of the user's baskets after it, in which it could not be a first purchase again.
        baskets: (users,) weight of all baskets of a user.
    """

    users: np.ndarray
    items: np.ndarray
    gains: np.ndarray
    later: np.ndarray
    baskets: np.ndarray


def segment_count(train: Dataset) -> int:
    """Number of segments for training sequences: 0 if their users do not buy again."""
    events, users = target_events(train), len(train)
    distinct = len(np.unique(events[0] * (int(events[1].max(initial=0)) + 1) + events[1]))
    if len(events[0]) - distinct < LEAST_REPEATS * len(events[0]) or not users:
        return 0
    return max(1, min(MOST_SEGMENTS, users // USERS_PER_SEGMENT))


def first_purchases(users: np.ndarray, items: np.ndarray, times: np.ndarray) -> FirstPurchases:
    """Find the first purchase of each item by each user.

    Events of a user at one time are a basket; an event without a time is one by itself. The weight of a basket halves
    with every `HALF_LIFE` of the time that the events span. A first purchase counts 1 / IDCG@10 of the new items of
    its basket: this is what a hit is worth in NDCG@10. Baskets without a new item are left out.

    Args:
        users: (events,) numbers of users, ascending.
        items: (events,) item indices, in order of time within a user.
        times: (events,) seconds, below 0 for none.

    Example:
        >>> numbers = np.array
        >>> found = first_purchases(numbers([0, 0, 0, 0]), numbers([2, 3, 2, 4]), numbers([-1, -1, -1, -1]))
        >>> found.items.tolist(), found.gains.tolist(), found.later.tolist(), found.baskets.tolist()
        ([2, 3, 4], [0.0, 1.0, 1.0], [2.0, 1.0, 0.0], [2.0])
    """
    size = int(items.max(initial=0)) + 1
    begins = basket_starts(users, times)
    basket = begins.cumsum() - 1
    user_of = users[begins]
    firsts = np.unique(users * size + items, return_index=True)[1]
    firsts = firsts[items[firsts] >= NUM_SPECIAL_ROWS]
    new = np.bincount(basket[firsts], minlength=len(user_of))
    weight = _recency(times[begins]) * (new > 0)
    weight[np.append(True, user_of[1:] != user_of[:-1])[: len(weight)]] = 0.0
    ideal = np.append(1.0, np.cumsum(1 / np.log2(np.arange(2, _DEPTH + 2))))
    before = np.append(0.0, np.cumsum(weight))
    ends = np.searchsorted(user_of, users[firsts], side="right")
    return FirstPurchases(
        users[firsts],
        items[firsts],
        (weight / ideal[np.minimum(new, _DEPTH)])[basket[firsts]],
        before[ends] - before[basket[firsts] + 1],
        np.bincount(user_of, weights=weight),
    )


def basket_starts(users: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Whether an event is the first of its basket: the events of a user at one time, or one event without a time.

    Args:
        users: (events,) numbers of users, ascending.
        times: (events,) seconds, in order within a user; below 0 for none.

    Returns:
        (events,) bool.

    Example:
        >>> basket_starts(np.array([0, 0, 0, 1]), np.array([5, 5, 6, 6])).tolist()
        [True, False, True, True]
    """
    starts = np.ones(len(users), dtype=bool)
    starts[1:] = (users[1:] != users[:-1]) | (times[1:] != times[:-1]) | (times[1:] < 0)
    return starts


@torch.no_grad()
def fill_segments(model: XCatForNextItem, train: Dataset) -> None:
    """Fill a model's segments, rates and trends from training sequences; does nothing if the model has none.

    Args:
        model: A model whose configuration has the catalogue's sizes.
        train: Training sequences.
    """
    segments = model.model.segments
    if segments is None or not len(train):
        return
    with stage("computing rates of first purchases"):
        fill_from_events(segments, *target_events(train))


@torch.no_grad()
def fill_from_events(segments: XCatSegments, users: np.ndarray, items: np.ndarray, times: np.ndarray) -> None:
    """Fill segments, rates and trends from events.

    Args:
        segments: The tables to fill.
        users: (events,) numbers of users, ascending from 0.
        items: (events,) item indices, in order of time within a user.
        times: (events,) seconds, below 0 for none.
    """
    found = first_purchases(users, items, times)
    rows, width = segments.tastes.shape
    pairs = torch.from_numpy(found.users), torch.from_numpy(found.items)
    tastes, vectors = _tastes(*pairs, (len(found.baskets), rows), width)
    segments.tastes.copy_(tastes)
    segments.centers.copy_(_centers(vectors, len(segments.centers)))
    shares = segments.shares_of(vectors.to(segments.centers.device)).cpu()
    rates, overall = _rates(found, shares, rows)
    segments.rates.copy_(rates)
    if hasattr(segments, "trends"):
        segments.trends.copy_(torch.cat([overall[:, None], item_trends(users, items, times, rows)], 1))


def target_events(train: Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(events,) numbers of users, item indices and times of the target events."""
    from ..tokenization.tables.event_roles import ROLES, TARGET

    names = [name for name in ("items", "timestamps", ROLES) if name in train.column_names]
    columns = {name: train.select_columns([name]).with_format("arrow")[:][name].combine_chunks() for name in names}
    lengths = np.diff(columns["items"].offsets.to_numpy())
    flat = {name: column.flatten().to_numpy(zero_copy_only=False) for name, column in columns.items()}
    users = np.repeat(np.arange(len(lengths)), lengths)
    wanted = flat[ROLES] == TARGET if ROLES in flat else np.ones(len(users), dtype=bool)
    times = flat.get("timestamps", np.full(len(users), -1))
    return users[wanted], flat["items"][wanted].astype(np.int64), times[wanted].astype(np.int64)


def _recency(times: np.ndarray) -> np.ndarray:
    """Weights of baskets by their times; all 1 without times."""
    ages = relative_ages(times)
    weights: np.ndarray = 0.5 ** (ages / HALF_LIFE)
    return weights


def _tastes(
    users: torch.Tensor, items: torch.Tensor, shape: tuple[int, int], width: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """(items, width) vectors of items, and their (users, width) sums over users: a truncated SVD of who has what."""
    counts = torch.bincount(items, minlength=shape[1]).float()
    scale = torch.log1p(shape[0] / counts.clamp(min=1)).sqrt() * (counts >= _LEAST_USERS)
    norms = torch.zeros(shape[0]).index_add_(0, users, scale[items] ** 2).sqrt().clamp(min=1e-9)
    values = scale[items] / norms[users]
    matrix = torch.sparse_coo_tensor(torch.stack([users, items]), values, shape, check_invariants=False).coalesce()
    rank = min(width, *shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        found = torch.svd_lowrank(matrix, q=min(rank + _OVERSAMPLED, *shape), niter=_POWER_STEPS)[2]
    tastes, vectors = torch.zeros(shape[1], width), torch.zeros(shape[0], width)
    tastes[:, :rank] = scale[:, None] * found[:, :rank]
    vectors[:, :rank] = norms[:, None] * (matrix @ found[:, :rank])
    return tastes, vectors


def _centers(vectors: torch.Tensor, count: int) -> torch.Tensor:
    """(count, width) unit centres of (users, width) vectors, by k-means on their directions."""
    points = torch.nn.functional.normalize(vectors, dim=1)
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(0))
    centers = points[order[torch.arange(count) % len(order)]]
    for _ in range(_CLUSTER_STEPS):
        nearest = (points @ centers.T).argmax(1)
        sums = torch.zeros_like(centers).index_add_(0, nearest, points)
        sums = torch.where(sums.any(1, keepdim=True), sums, centers)
        centers = torch.nn.functional.normalize(sums, dim=1)
    return centers


def _rates(found: FirstPurchases, shares: torch.Tensor, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(rows, segments) and (rows,) logarithm of the rates, for the (users, segments) shares of the users."""
    bought, later = torch.zeros(rows, shares.shape[1]), torch.zeros(rows, shares.shape[1])
    for start in range(0, len(found.users), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        items, of_users = torch.from_numpy(found.items[part]), shares[torch.from_numpy(found.users[part])]
        bought.index_add_(0, items, torch.from_numpy(found.gains[part]).float()[:, None] * of_users)
        later.index_add_(0, items, torch.from_numpy(found.later[part]).float()[:, None] * of_users)
    exposed = (torch.from_numpy(found.baskets).float() @ shares - later).clamp(min=0)
    # Nobody could buy an item that is added later, so it has the mean rate and not that of no purchases.
    exposed[UNKNOWN_ROW] = 0
    known = torch.from_numpy(np.bincount(found.items, minlength=rows) > 0)
    mean = bought[known].sum() / exposed[known].sum().clamp(min=1e-9)
    overall = (bought.sum(1) + PRIOR * mean) / (exposed.sum(1) + PRIOR)
    rates = (bought + SEGMENT_PRIOR * overall[:, None]) / (exposed + SEGMENT_PRIOR)
    return rates.clamp(min=1e-9).log(), overall.clamp(min=1e-9).log()
