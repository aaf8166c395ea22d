"""Negatives for click prediction: items that a user has no event with, drawn uniformly, by popularity, or by category.

Training batches and the fixed rows of validation and test use the same draw.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...counting import counted
from ..vocabulary import NUM_SPECIAL_ROWS, PAD_ROW

UNIFORM, POPULARITY, CATEGORY = "uniform", "popularity", "category"
NEGATIVE_KINDS = (UNIFORM, POPULARITY, CATEGORY)
"""All items alike; by number of training events; items of the positive's category, all alike."""
_ROUNDS = 32
"""Draws of a negative that may be refused; then the remaining items are listed."""


def check_negatives(kind: str) -> None:
    """Refuse an unknown kind of negatives.

    Args:
        kind: The kind.

    Raises:
        ValueError: If the kind is unknown.
    """
    if kind not in NEGATIVE_KINDS:
        raise ValueError(f"negatives is {kind!r}; give one of {', '.join(NEGATIVE_KINDS)}")


class NegativeSampler:
    """Draws negatives of one kind.

    Args:
        kind: One of `NEGATIVE_KINDS`.
        num_rows: Rows of the vocabulary.
        counts: (rows,) training events of each item; for "popularity".
        categories: (rows,) category code of each item, -1 for none; for "category". Items without a category are
            drawn for positives without one.

    Raises:
        ValueError: If the kind is unknown, no item has training events or a category, or there are fewer than two
            items.
    """

    def __init__(
        self, kind: str, num_rows: int, counts: np.ndarray | None = None, categories: np.ndarray | None = None
    ) -> None:
        check_negatives(kind)
        if num_rows - NUM_SPECIAL_ROWS < 2:
            raise ValueError(
                f"the catalogue has {counted(max(num_rows - NUM_SPECIAL_ROWS, 0), 'item')}; negatives need two"
            )
        weights = np.ones(num_rows)
        group = np.zeros(num_rows, dtype=np.int64)
        if kind == POPULARITY:
            if counts is None or not np.any(counts[NUM_SPECIAL_ROWS:]):
                raise ValueError("negatives='popularity' needs items with training events; give negatives='uniform'")
            weights = np.asarray(counts, dtype=np.float64).copy()
        if kind == CATEGORY:
            if categories is None or np.all(categories[NUM_SPECIAL_ROWS:] < 0):
                raise ValueError(
                    "items: no item has a category, and negatives='category' draws items of the positive's category; "
                    "map a column as category, or give negatives='uniform'"
                )
            group = np.asarray(categories, dtype=np.int64) + 1
        weights[:NUM_SPECIAL_ROWS] = 0
        self.kind = kind
        self.num_rows = num_rows
        self._weights, self._group = weights, group
        # Items sorted by group; `_ends` has the cumulative weights, which each group divides among its items.
        self._order = np.lexsort((np.arange(num_rows), group))
        self._order = self._order[weights[self._order] > 0]
        self._ends = np.cumsum(weights[self._order])
        groups = int(group.max(initial=0)) + 1
        self._sizes = np.bincount(group[self._order], minlength=groups)
        self._last = np.cumsum(self._sizes)
        ends = np.append(0.0, self._ends)
        self._low, self._high = ends[self._last - self._sizes], ends[self._last]

    def draw(
        self,
        generator: np.random.Generator,
        positives: np.ndarray,
        owners: np.ndarray,
        seen: Sequence[np.ndarray] | Sequence[Sequence[int]],
        count: int,
    ) -> np.ndarray:
        """Draw distinct negatives for each positive, none of which its user has.

        The draw of a positive depends on the generator, on its place in `positives` and on its own user, not on the
        items of other users.

        Args:
            generator: Source of randomness; it is advanced by one number.
            positives: (positives,) item indices.
            owners: (positives,) place in `seen` of each positive's user.
            seen: Item indices that each user has; the positives need not be among them.
            count: Negatives per positive.

        Returns:
            (positives, count) item indices; all `PAD_ROW` for a positive with fewer than `count` possible negatives.
        """
        positives, owners = np.asarray(positives, dtype=np.int64), np.asarray(owners, dtype=np.int64)
        base = int(generator.integers(2**62))
        drawn = np.full((len(positives), count), PAD_ROW, dtype=np.int64)
        keys = self._keys(seen, positives, owners)
        possible = self._possible(keys, positives, owners)
        chosen = possible >= count
        for place in range(count):
            rows = np.flatnonzero(chosen)
            for number in range(_ROUNDS):
                if not len(rows):
                    break
                # One number per positive in every round, so that a refusal changes no other positive's draws.
                uniform = np.random.default_rng((base, place, number)).random(len(positives))[rows]
                items = self._at(uniform, self._group[positives[rows]])
                refused = _contains(keys, owners[rows] * self.num_rows + items)
                refused |= (drawn[rows, :place] == items[:, None]).any(axis=1)
                drawn[rows[~refused], place] = items[~refused]
                rows = rows[refused]
            if len(rows):
                uniform = np.random.default_rng((base, place, _ROUNDS)).random(len(positives))
                for row in rows:
                    drawn[row, place] = self._listed(
                        keys, positives[row], owners[row], drawn[row, :place], uniform[row]
                    )
        return drawn

    def possible(
        self, positives: np.ndarray, owners: np.ndarray, seen: Sequence[np.ndarray] | Sequence[Sequence[int]]
    ) -> np.ndarray:
        """(positives,) number of items that `draw` can choose among; arguments as there.

        Example:
            >>> NegativeSampler("uniform", 6).possible(np.array([2]), np.array([0]), [[2, 3, 3]]).tolist()
            [2]
        """
        return self._possible(self._keys(seen, positives, owners), positives, owners)

    def _keys(
        self, seen: Sequence[np.ndarray] | Sequence[Sequence[int]], positives: np.ndarray, owners: np.ndarray
    ) -> np.ndarray:
        """Sorted distinct pairs of user and item, as one number each."""
        lengths = np.fromiter(map(len, seen), np.int64, count=len(seen))
        flat = np.concatenate([np.asarray(items, dtype=np.int64) for items in seen]) if len(seen) else positives[:0]
        user = np.append(np.repeat(np.arange(len(seen)), lengths), owners)
        keys: np.ndarray = np.unique(user * self.num_rows + np.append(flat, positives))
        return keys

    def _possible(self, keys: np.ndarray, positives: np.ndarray, owners: np.ndarray) -> np.ndarray:
        """(positives,) number of items that can be drawn."""
        user, item = np.divmod(keys, self.num_rows)
        user, item = user[self._weights[item] > 0], item[self._weights[item] > 0]
        groups = len(self._sizes)
        pairs, taken = np.unique(user * groups + self._group[item], return_counts=True)
        wanted = owners * groups + self._group[positives]
        place = np.minimum(np.searchsorted(pairs, wanted), max(len(pairs) - 1, 0))
        found = pairs[place] == wanted if len(pairs) else np.zeros(len(wanted), dtype=bool)
        left = self._sizes[self._group[positives]].copy()
        left[found] -= taken[place[found]]
        possible: np.ndarray = left
        return possible

    def _at(self, uniform: np.ndarray, group: np.ndarray) -> np.ndarray:
        """The item at a share of a group's cumulative weights."""
        place = self._low[group] + uniform * (self._high[group] - self._low[group])
        first = self._last[group] - self._sizes[group]
        index = np.clip(np.searchsorted(self._ends, place, side="right"), first, self._last[group] - 1)
        items: np.ndarray = self._order[index]
        return items

    def _listed(self, keys: np.ndarray, positive: int, owner: int, before: np.ndarray, uniform: float) -> int:
        """A draw among the listed remaining items of one positive; the same distribution without refusals."""
        group = self._group[positive]
        items = self._order[self._last[group] - self._sizes[group] : self._last[group]]
        items = items[~_contains(keys, owner * self.num_rows + items) & ~np.isin(items, before)]
        ends = np.cumsum(self._weights[items])
        return int(items[min(int(np.searchsorted(ends, uniform * ends[-1], side="right")), len(items) - 1)])


def _contains(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Whether each number is among the sorted ones."""
    found: np.ndarray = keys[np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)] == wanted
    return found
