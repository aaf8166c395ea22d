"""Negatives of click prediction: items that a user has no event with, drawn by one of three rules."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from ...modeling_xcat.limits_xcat import NUM_SPECIAL_ROWS

NegativeKind = Literal["uniform", "popularity", "category"]
NEGATIVE_KINDS: tuple[str, ...] = get_args(NegativeKind)
_ROUNDS = 20
"""Draws for a place before the items that are left are listed."""


class NegativeSampler:
    """Draws negatives.

    "uniform" draws from the whole catalogue, "popularity" by the number of training events, and "category" uniformly
    from the category of the positive (for a positive without one, from the items without one). The harder the
    negatives, the lower every metric: a figure without its kind says nothing.

    Args:
        kind: The rule.
        counts: (item rows,) training events of every item, special rows included.
        categories: (item rows,) category code of every item, -1 for none.

    Raises:
        ValueError: If the kind is unknown, the catalogue has no items, or no item has what the rule needs.

    Example:
        >>> sampler = NegativeSampler("category", np.ones(6), np.array([-1, -1, 0, 0, 1, 1]))
        >>> sampler.draw(np.random.default_rng(0), np.array([0]), np.array([2]), np.array([2]), 1).tolist()
        [[3]]
    """

    def __init__(self, kind: str, counts: np.ndarray, categories: np.ndarray) -> None:
        if kind not in NEGATIVE_KINDS:
            raise ValueError(f"negatives has {kind!r}; give one of {', '.join(NEGATIVE_KINDS)}")
        self.kind, self.num_rows = kind, len(counts)
        if self.num_rows <= NUM_SPECIAL_ROWS:
            raise ValueError("negatives are drawn from the catalogue, and it has no items")
        weights = np.asarray(counts, dtype=np.float64).copy()
        weights[:NUM_SPECIAL_ROWS] = 0
        if kind == "popularity" and not weights.any():
            raise ValueError("negatives='popularity' draws by training events, and no item has any; give 'uniform'")
        codes = np.asarray(categories)[NUM_SPECIAL_ROWS:]
        if kind == "category" and (codes < 0).all():
            raise ValueError("negatives='category' needs items with a category, and none has one; give 'uniform'")
        self._cumulative = weights.cumsum()
        self._categories = np.asarray(categories)
        order = np.argsort(codes, kind="stable")
        self._by_category = order + NUM_SPECIAL_ROWS
        self._starts = np.searchsorted(codes[order], np.arange(-1, codes.max(initial=-1) + 2))

    def draw(
        self, generator: np.random.Generator, users: np.ndarray, positives: np.ndarray, seen: np.ndarray, number: int
    ) -> np.ndarray:
        """Draw negatives, none of them the positive, an item that the user has seen, or the same twice.

        Args:
            generator: Random generator.
            users: (positives,) numbers of users.
            positives: (positives,) item indices.
            seen: (pairs,) user number * item rows + item index of every pair with an event, in any order.
            number: Negatives of each positive.

        Returns:
            (positives, number) item indices; 0 where no item is left.
        """
        known = np.unique(seen)
        drawn = np.zeros((len(users), number), dtype=np.int64)
        for place in range(number):
            rows = np.arange(len(users))
            for _ in range(_ROUNDS):
                if not len(rows):
                    break
                found = self._candidates(generator, positives[rows])
                kept = self._allowed(found, users[rows], positives[rows], drawn[rows, :place], known)
                drawn[rows[kept], place] = found[kept]
                rows = rows[~kept]
            for row in rows:
                drawn[row, place] = self._left(generator, users[row], positives[row], drawn[row, :place], known)
        return drawn

    def _candidates(self, generator: np.random.Generator, positives: np.ndarray) -> np.ndarray:
        """(positives,) item indices by the rule, seen or not."""
        if self.kind == "uniform":
            return generator.integers(NUM_SPECIAL_ROWS, self.num_rows, len(positives))
        if self.kind == "popularity":
            points = generator.random(len(positives)) * self._cumulative[-1]
            return np.searchsorted(self._cumulative, points, side="right")
        first, last = self._span(positives)
        return self._by_category[(first + generator.random(len(positives)) * (last - first)).astype(np.int64)]

    def _span(self, positives: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Start and end, in `_by_category`, of the category of each positive."""
        codes = self._categories[positives] + 1
        return self._starts[codes], self._starts[codes + 1]

    def _allowed(
        self, found: np.ndarray, users: np.ndarray, positives: np.ndarray, before: np.ndarray, known: np.ndarray
    ) -> np.ndarray:
        """Whether each draw is none of the excluded items."""
        taken = (before == found[:, None]).any(1) | (found == positives)
        if not len(known):
            return ~taken
        keys = users * self.num_rows + found
        place = np.searchsorted(known, keys).clip(max=len(known) - 1)
        allowed: np.ndarray = ~taken & (known[place] != keys)
        return allowed

    def _left(
        self, generator: np.random.Generator, user: int, positive: int, before: np.ndarray, known: np.ndarray
    ) -> int:
        """One of the items that are left for a user with most of them; 0 for none."""
        weights = np.diff(self._cumulative, prepend=0.0)
        items = np.flatnonzero(weights) if self.kind == "popularity" else np.arange(NUM_SPECIAL_ROWS, self.num_rows)
        if self.kind == "category":
            first, last = self._span(np.array([positive]))
            items = self._by_category[first[0] : last[0]]
        same = np.full(len(items), user)
        items = items[
            self._allowed(items, same, np.full(len(items), positive), np.tile(before, (len(items), 1)), known)
        ]
        if not len(items):
            return 0
        share = weights[items] / weights[items].sum() if self.kind == "popularity" else None
        return int(generator.choice(items, p=share))
