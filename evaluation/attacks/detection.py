"""Detection of coordinated profiles, in tables that may be poisoned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from ...tokenization.tables.schema import ShopTables
from ..audits.doubly_robust import logistic_regression
from .event_weights import UNLIKE, WHOLE, event_weights
from .profiles import PROFILES, fake_events
from .promotion import FURTHEST, item_scores, promoting_events
from .shop_attack import choose_targets
from .user_features import UserItems, nearest_text, others_error, others_mean, user_features, user_items

SIMULATED = ((1, 0.003), (3, 0.01), (5, 0.02))
"""Simulated attacks of each kind: number of targets, and share of fake users."""
DRAWS = 3
"""Simulations whose scores are averaged."""
ALIKE = 0.4
"""Cosine from which on another item of the user explains an event by its text, and the event is not removed."""
TRIMMED, ROUNDS = 0.1, 8
"""Share of the given users that a fit leaves out because they may be fake, and number of fits."""
_LEAST_SIMULATED = 5
"""Fake users of a simulated attack, at least."""


@dataclass(frozen=True)
class DetectedUsers:
    """Scores of users, and the events by which suspicious ones promote items.

    Args:
        users: Ids of the users.
        scores: (users,) scores; the higher, the more like a coordinated profile.
        threshold: Least score of a suspicious user.
        promoted: Ids of the items that are taken for promoted.
        promotions: Ids of users and items of the events that promote them.
        weights: Probability that an event is real, by the ids of its user and its item; 1 for all others.
    """

    users: Sequence[str]
    scores: np.ndarray
    threshold: float
    promoted: Sequence[str] = ()
    promotions: Sequence[tuple[str, str]] = ()
    weights: Mapping[tuple[str, str], float] = field(default_factory=dict)

    def auc(self, fakes: Sequence[str]) -> float:
        """Probability that a fake user has a higher score than a real one, ties counted half; NaN without fake ones.

        Args:
            fakes: Ids of the fake users, which the detector does not know.
        """
        fake = np.isin(np.asarray(self.users), list(fakes))
        return area_under_curve(self.scores[fake], self.scores[~fake])


def area_under_curve(positive: np.ndarray, negative: np.ndarray) -> float:
    """Probability that a positive score is higher than a negative one, ties counted half; NaN if a side is empty.

    Example:
        >>> area_under_curve(np.array([2.0, 1.0]), np.array([1.0, 0.0]))
        0.875
    """
    if not len(positive) or not len(negative):
        return float("nan")
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, side="left")
    equal = np.searchsorted(ordered, positive, side="right") - below
    return float((below + 0.5 * equal).sum() / (len(positive) * len(negative)))


class ProfileDetector:
    """Tells coordinated profiles from other users by a model of attacks that the defender makes.

    The defender knows no label. Fake users of known kinds are added to the given tables, which may be poisoned, and a
    logistic regression learns to tell them from all others, in two stages. The first has features of the user. The
    second adds, over the user's items, the scores of the item's other users: a promoted item has users who look alike.
    The given users with the highest scores are left out of the fit, because they may be fake.

    Args:
        kinds: Kinds of profiles that are simulated; leave one out to see how well it is found unknown.
        seed: Seed of the simulations.

    Raises:
        ValueError: If there is no kind, or one is unknown.
    """

    def __init__(self, kinds: Sequence[str] = tuple(PROFILES), *, seed: int = 0) -> None:
        unknown = [kind for kind in kinds if kind not in PROFILES]
        if unknown or not kinds:
            raise ValueError(f"kinds is {list(kinds)!r}; give one or more of {', '.join(PROFILES)}")
        self.kinds, self.seed = tuple(kinds), seed

    def detect(self, shop: ShopTables) -> DetectedUsers:
        """Score the users of tables that may be poisoned, and find the events that promote an item.

        The scores are means over `DRAWS` simulations, each less its threshold, which has the best F1 score on the
        simulated users and all others; so the threshold of the means is 0. The same holds for items. Events that
        another item of the user explains by its text do not promote, and have the weight 1.

        Args:
            shop: The tables.
        """
        pairs = user_items(shop.events)
        first = _features(pairs, shop)
        draws = [self._scored(shop, pairs, first, draw) for draw in range(DRAWS)]
        scores, of_items = (np.mean(parts, axis=0) for parts in zip(*draws, strict=True))
        promoting, promoted = promoting_events(scores, of_items, pairs, 0.0, 0.0)
        weights = event_weights(scores, pairs)
        doubted = promoting | (weights < WHOLE)
        likeness = np.ones(len(weights))
        likeness[doubted] = nearest_text(pairs, shop.items, doubted)
        weighed = (weights < WHOLE) & (likeness < UNLIKE)
        chances = dict(zip(_ids(pairs, weighed), weights[weighed].tolist(), strict=True))
        items = np.asarray(pairs.items)[promoted].tolist()
        return DetectedUsers(pairs.users, scores, 0.0, items, _ids(pairs, promoting & (likeness < ALIKE)), chances)

    def _scored(
        self, shop: ShopTables, pairs: UserItems, first: np.ndarray, draw: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """(users,) and (items,) scores by one simulation, less their thresholds."""
        events, fakes, targets = self._simulated(shop, draw)
        with_fakes = user_items(events)
        known = _features(with_fakes, shop)
        labels = np.isin(np.asarray(with_fakes.users), list(fakes)).astype(float)
        stage_one = trimmed_regression(_design(known), labels)
        second = _second(known, stage_one, with_fakes)
        stage_two = trimmed_regression(second, labels)
        scores = second @ stage_two
        wanted = np.isin(np.asarray(with_fakes.items), list(targets)).astype(float)
        of_items = best_threshold(item_scores(scores, with_fakes), wanted)
        threshold = best_threshold(scores, labels)
        scores = _second(first, stage_one, pairs) @ stage_two
        return scores - threshold, item_scores(scores, pairs) - of_items

    def _simulated(self, shop: ShopTables, draw: int) -> tuple[pl.DataFrame, set[str], set[str]]:
        """The events with those of simulated fake users, and the ids of these and of the items that they promote."""
        users, made, promoted = shop.events["user_id"].n_unique(), [shop.events], set[str]()
        for place, kind in enumerate(self.kinds):
            for count, share in SIMULATED:
                seed = 1_000 + 10 * (100 * (DRAWS * self.seed + draw) + place) + count
                targets = choose_targets(shop, count, seed)
                size = max(_LEAST_SIMULATED, round(share * users))
                made.append(fake_events(shop.items, shop.events, kind, targets, size, seed))
                promoted.update(targets)
        return pl.concat(made), {name for part in made[1:] for name in part["user_id"].unique()}, promoted


def best_threshold(scores: np.ndarray, labels: np.ndarray) -> float:
    """The score from which on users are taken for fake with the best F1 score.

    Args:
        scores: (users,) scores.
        labels: (users,) 1 for a fake user.

    Example:
        >>> best_threshold(np.array([3.0, 2.0, 1.0, 0.0]), np.array([1, 1, 0, 0]))
        2.0
    """
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(labels[order])
    f1 = 2 * hits / (np.arange(1, len(order) + 1) + labels.sum())
    return float(scores[order[int(f1.argmax())]])


def trimmed_regression(design: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Coefficients of a logistic regression in which some of the users with the label 0 may belong to the others.

    It is fitted `ROUNDS` times, each time without the `TRIMMED` share of the users with the label 0 that the last fit
    gives the highest scores.

    Args:
        design: (users, features) features.
        labels: (users,) 1 for a simulated user.
    """
    kept = np.ones(len(labels), bool)
    for _ in range(ROUNDS):
        fitted = logistic_regression(design[kept], labels[kept])
        scores = np.where(labels > 0, -np.inf, design @ fitted)
        kept = scores <= np.quantile(scores[labels == 0], 1 - TRIMMED)
    return fitted


def _ids(pairs: UserItems, wanted: np.ndarray) -> list[tuple[str, str]]:
    """Ids of the users and items of (pairs,) wanted pairs."""
    users, items = np.asarray(pairs.users), np.asarray(pairs.items)
    return list(zip(users[pairs.user[wanted]].tolist(), items[pairs.item[wanted]].tolist(), strict=True))


def _design(features: np.ndarray) -> np.ndarray:
    return np.concatenate([np.ones((len(features), 1)), features], axis=1)


def _second(first: np.ndarray, stage_one: np.ndarray, pairs: UserItems) -> np.ndarray:
    """(users, columns) design of the second stage."""
    return _design(np.concatenate([first, _crowds(_design(first) @ stage_one, pairs)], axis=1))


def _features(pairs: UserItems, shop: ShopTables) -> np.ndarray:
    """Standardised features and their squares: both much and little of a feature can be suspicious."""
    found = user_features(pairs, shop.items)
    spread = found.std(axis=0)
    found = np.clip((found - found.mean(axis=0)) / np.where(spread > 0, spread, 1), -FURTHEST, FURTHEST)
    return np.concatenate([found, found**2], axis=1)


def _crowds(scores: np.ndarray, pairs: UserItems) -> np.ndarray:
    """(users, 3) maximum, mean, and maximum in standard errors, of the mean score of the other users of each item."""
    values = scores[pairs.user]
    others = others_mean(values, pairs)
    largest, clearest = np.full(len(scores), -np.inf), np.full(len(scores), -np.inf)
    np.maximum.at(largest, pairs.user, others)
    np.maximum.at(clearest, pairs.user, others_error(values, pairs))
    sums, sizes = np.bincount(pairs.user, weights=others), np.bincount(pairs.user)
    return np.stack([largest, sums / sizes, clearest], axis=1)
