"""Item co-occurrence: pairs counted in blocks, and the cosine neighbours of each item."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch

from .reading import NUM_SPECIAL_ROWS, read_sequences

_PAIRS_AT_ONCE = 1 << 22
"""Pairs of items counted per block; this limits the memory."""
_MOST_CELLS_PER_PAIR = 16
"""Cells of a table per pair up to which the highest values are selected in a table."""


class PairCounts:
    """The distinct items of each user, and the number of common users of each pair of items.

    Memory grows with the events and with the pairs of a block, never with rows times rows or users.

    Attributes:
        rows: Rows of the item table.
        popularity: (rows,) users per item.
        mass: (rows,) sum of the squared weights of an item's users: its common users with itself.
        pairs: (rows,) (user, item) pairs of each item's users: the cost of counting the item.
    """

    def __init__(
        self,
        train_rows: Iterable[Sequence[int]],
        rows: int,
        most_pairs: int | None = None,
        weights: torch.Tensor | None = None,
    ) -> None:
        """Read sequences.

        Args:
            train_rows: One sequence of item indices per user.
            rows: Rows of the item table, `NUM_SPECIAL_ROWS` included.
            most_pairs: Maximum pairs that are counted. Of larger data, evenly spread users are counted. None counts
                all users.
            weights: (events,) weights of all events, user after user. A user's weight of an item is the largest of its
                events, and a common user of two items counts the product of both. None for 1.

        Raises:
            ValueError: If a sequence contains an index that is not in the item table.
        """
        self.rows = rows
        self._items, self._lengths, self._weights = _distinct_items(train_rows, rows, weights)
        if most_pairs is not None:
            self._spread_users(most_pairs)
        self._starts = self._lengths.cumsum(0) - self._lengths
        users = torch.repeat_interleave(self._lengths)
        self.popularity = torch.bincount(self._items, minlength=rows)
        self.mass = self.popularity.float()
        self._first = self.popularity.cumsum(0) - self.popularity
        order = self._items.argsort(stable=True)
        self._users_of = users[order]
        if self._weights is not None:
            self.mass = torch.zeros(rows).index_add_(0, self._items, self._weights.square())
            self._weights_of = self._weights[order]
        # Each (item, user) gives a pair of the item with each item of the user.
        self.pairs = torch.zeros(rows, dtype=torch.long).index_add_(0, self._items, self._lengths[users])

    def _spread_users(self, most_pairs: int) -> None:
        step = -(-int(self._lengths.square().sum()) // most_pairs)
        if step > 1:
            kept = torch.arange(len(self._lengths)) % step == 0
            events = kept.repeat_interleave(self._lengths)
            self._items, self._lengths = self._items[events], self._lengths[kept]
            self._weights = None if self._weights is None else self._weights[events]

    def blocks(self, most_rows: int) -> Iterator[torch.Tensor]:
        """Items with any pair, in blocks of items with similar cost; `most_rows` limits the size of a block."""
        order = self.pairs.argsort(descending=True)
        order = order[self.pairs[order] > 0]
        start = 0
        while start < len(order):
            size = min(most_rows, max(1, _PAIRS_AT_ONCE // int(self.pairs[order[start]])))
            yield order[start : start + size]
            start += size

    def count(self, block: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Count the pairs of some items.

        Args:
            block: (items,) rows.

        Returns:
            (pairs,) number of the item within the block, index of its partner (the item itself included), and number
            of common users, or the sum of their weights; sorted by item, then by partner.
        """
        entries = _ranges(self._first[block], self.popularity[block])
        owners = torch.repeat_interleave(self.popularity[block])
        users, shape = self._users_of[entries], (len(block), self.rows)
        lengths, size = self._lengths[users], len(block) * self.rows
        if self._weights is not None:
            places = _ranges(self._starts[users], lengths)
            values = torch.repeat_interleave(self._weights_of[entries], lengths) * self._weights[places]
            keys = torch.repeat_interleave(owners * shape[1], lengths) + self._items[places]
            keys, inverse = keys.unique(return_inverse=True)
            together = torch.zeros(len(keys)).index_add_(0, inverse, values)
        elif 2 * int(lengths.sum()) < size:
            others = self._items[_ranges(self._starts[users], lengths)]
            keys, together = (torch.repeat_interleave(owners * shape[1], lengths) + others).unique(return_counts=True)
        else:  # counting into a table is faster than sorting
            counts = torch.zeros(size, dtype=torch.long)
            step = max(1, _PAIRS_AT_ONCE // int(lengths.max()))
            for own, part in zip(owners.split(step), users.split(step), strict=True):
                others = self._items[_ranges(self._starts[part], self._lengths[part])]
                keys = torch.repeat_interleave(own * shape[1], self._lengths[part]) + others
                counts += torch.bincount(keys, minlength=size)
            keys = counts.nonzero().flatten()
            together = counts[keys]
        return keys // shape[1], keys % shape[1], together


def nearest_by_cosine(
    train_rows: Iterable[Sequence[int]], rows: int, neighbours: int, shrink: float = 0.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the items nearest to each item, by the cosine of their sets of users.

    Args:
        train_rows: One sequence of item indices per user.
        rows: Rows of the item table, `NUM_SPECIAL_ROWS` included.
        neighbours: Nearest items per item, never the item itself; ties keep the lower index first.
        shrink: Added to the divisor of a similarity.

    Returns:
        (rows, neighbours) int32 item indices and float32 similarities, descending; 0 and 0 where there are fewer.

    Raises:
        ValueError: If a sequence contains an index that is not in the item table.

    Example:
        >>> nearest_by_cosine([[2, 3], [3, 2], [4]], rows=5, neighbours=1)[0].tolist()
        [[0], [0], [3], [2], [0]]
    """
    counts = PairCounts(train_rows, rows)
    neighbour_rows = torch.zeros((rows, neighbours), dtype=torch.int32)
    similarities = torch.zeros(rows, neighbours)
    for block in counts.blocks(rows):
        own, other, together = counts.count(block)
        divisor = (counts.popularity[block][own] * counts.popularity[other]).double().sqrt() + shrink
        similarity = (together / divisor).float()
        similarity[other == block[own]] = 0.0
        kept, best = strongest(own, other, similarity, len(block), neighbours)
        neighbour_rows[block], similarities[block] = kept, best
    return neighbour_rows, similarities


def strongest(
    owners: torch.Tensor, others: torch.Tensor, values: torch.Tensor, size: int, count: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the partners of each owner with the highest values.

    Args:
        owners: (pairs,) from 0 to below `size`.
        others: (pairs,) item indices.
        values: (pairs,) values to sort by; pairs with value 0 are left out.
        size: Number of owners.
        count: Partners per owner.

    Returns:
        (size, count) int32 indices and values, descending; ties keep the order of the input. 0 and 0 where there are
        fewer.

    Example:
        >>> owners, others = torch.tensor([0, 1, 0]), torch.tensor([5, 6, 7])
        >>> strongest(owners, others, torch.tensor([0.5, 0.25, 0.75]), 2, 2)[0].tolist()
        [[7, 5], [6, 0]]
    """
    kept = _worth_sorting(owners, others, values, size, count)
    owners, others, values = owners[kept], others[kept], values[kept]
    order = values.argsort(descending=True, stable=True)
    order = order[owners[order].argsort(stable=True)]
    owners, others, values = owners[order], others[order], values[order]
    lengths = torch.bincount(owners, minlength=size)
    place = torch.arange(len(owners), device=owners.device) - (lengths.cumsum(0) - lengths)[owners]
    kept = place < count
    rows, best = owners.new_zeros(size, count, dtype=torch.int32), values.new_zeros(size, count)
    rows[owners[kept], place[kept]] = others[kept].int()
    best[owners[kept], place[kept]] = values[kept]
    return rows, best


def _worth_sorting(
    owners: torch.Tensor, others: torch.Tensor, values: torch.Tensor, size: int, count: int
) -> torch.Tensor:
    """(pairs,) True for the pairs to sort.

    All positive values are sorted. If pairs are dense, only the highest values of each owner are, with ties.
    """
    positive = values > 0
    width = int(others.max()) + 1 if len(others) else 0
    if not count or count >= width or size * width > _MOST_CELLS_PER_PAIR * len(values):
        return positive
    table = values.new_zeros(size, width)
    table[owners, others] = values
    least = table.topk(count, dim=1, sorted=False).values.amin(1)
    return positive & (values >= least[owners])


def _distinct_items(
    train_rows: Iterable[Sequence[int]], size: int, weights: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """The distinct catalogue items of each user, user after user, their number per user, and their weights."""
    parts, lengths = [torch.zeros(0, dtype=torch.long)], [torch.zeros(0, dtype=torch.long)]
    largest, start = [torch.zeros(0)], 0
    for items, sizes in read_sequences(train_rows, size):
        users, known = torch.repeat_interleave(sizes), items >= NUM_SPECIAL_ROWS
        keys, inverse = (users * size + items)[known].unique(return_inverse=True)
        parts.append(keys % size)
        lengths.append(torch.bincount(keys // size, minlength=len(sizes)))
        if weights is not None:
            own = weights[start : start + len(items)][known].float()
            largest.append(torch.zeros(len(keys)).scatter_reduce_(0, inverse, own, "amax"))
        start += len(items)
    return torch.cat(parts), torch.cat(lengths), None if weights is None else torch.cat(largest)


def _ranges(starts: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """The numbers `start, ..., start + length - 1` of every range, one range after the other."""
    before = lengths.cumsum(0) - lengths
    return torch.arange(int(lengths.sum())) + torch.repeat_interleave(starts - before, lengths)
