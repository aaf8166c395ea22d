"""Which items occur together: the cosine neighbours of every item, counted block by block."""

from collections.abc import Iterable, Iterator, Sequence

import torch

from .reading import NUM_SPECIAL_ROWS, read_sequences

_PAIRS_AT_ONCE = 1 << 22
"""Pairs of items counted at once; what bounds the memory."""


def nearest_by_cosine(
    train_rows: Iterable[Sequence[int]], rows: int, neighbours: int, shrink: float = 0.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """The items nearest to each by the cosine of the sets of users whose sequences name them.

    Memory grows with the events and with rows times neighbours, never with rows times rows or users.

    Args:
        train_rows: One sequence of item rows a user.
        rows: Rows of the item table, `NUM_SPECIAL_ROWS` included.
        neighbours: Nearest items wanted of each, itself never among them; the lower row first among equals.
        shrink: Added to the divisor of a similarity.

    Returns:
        (rows, neighbours) int32 rows and float32 similarities, falling; 0 and 0 where there are fewer.

    Raises:
        ValueError: If a sequence names a row that is not in the item table.

    Example:
        >>> nearest_by_cosine([[2, 3], [3, 2], [4]], rows=5, neighbours=1)[0].tolist()
        [[0], [0], [3], [2], [0]]
    """
    items, lengths = _distinct_items(train_rows, rows)
    starts = lengths.cumsum(0) - lengths
    users = torch.repeat_interleave(lengths)
    popularity = torch.bincount(items, minlength=rows)
    first = popularity.cumsum(0) - popularity
    users_of = users[items.argsort(stable=True)]
    # Every (item, user) is a pair of the item with each item of the user.
    pairs = torch.zeros(rows, dtype=torch.long).index_add_(0, items, lengths[users])
    neighbour_rows = torch.zeros((rows, neighbours), dtype=torch.int32)
    similarities = torch.zeros(rows, neighbours)
    for block in _blocks(pairs):
        entries = _ranges(first[block], popularity[block])
        owners = torch.repeat_interleave(popularity[block])
        own, other, together = _count_pairs(owners, users_of[entries], items, starts, lengths, (len(block), rows))
        divisor = (popularity[block][own] * popularity[other]).double().sqrt() + shrink
        similarity = (together / divisor).float()
        similarity[other == block[own]] = 0.0
        best, kept = _best(own, other, similarity, len(block), neighbours)
        neighbour_rows[block, : best.shape[1]] = kept
        similarities[block, : best.shape[1]] = best
    return neighbour_rows, similarities


def _distinct_items(train_rows: Iterable[Sequence[int]], size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The distinct catalogue items of each user, user after user, and how many each user has."""
    parts, lengths = [torch.zeros(0, dtype=torch.long)], [torch.zeros(0, dtype=torch.long)]
    for items, sizes in read_sequences(train_rows, size):
        users = torch.repeat_interleave(sizes)
        keys = (users * size + items)[items >= NUM_SPECIAL_ROWS].unique()
        parts.append(keys % size)
        lengths.append(torch.bincount(keys // size, minlength=len(sizes)))
    return torch.cat(parts), torch.cat(lengths)


def _blocks(pairs: torch.Tensor) -> Iterator[torch.Tensor]:
    """Rows of items with any pair, like with like, so many at once as all together bound `_PAIRS_AT_ONCE` pairs."""
    order = pairs.argsort(descending=True)
    order = order[pairs[order] > 0]
    start = 0
    while start < len(order):
        size = max(1, _PAIRS_AT_ONCE // int(pairs[order[start]]))
        yield order[start : start + size]
        start += size


def _ranges(starts: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """The numbers `start, ..., start + length - 1` of every range, one range after the other."""
    before = lengths.cumsum(0) - lengths
    return torch.arange(int(lengths.sum())) + torch.repeat_interleave(starts - before, lengths)


def _count_pairs(
    owners: torch.Tensor,
    users: torch.Tensor,
    items: torch.Tensor,
    starts: torch.Tensor,
    lengths: torch.Tensor,
    shape: tuple[int, int],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """For the items of a block, with whom they occur and in how many users; sorted by item, then by partner.

    Args:
        owners: (entries,) number of the item within its block.
        users: (entries,) a user of that item.
        items: Distinct items of all users, user after user.
        starts: (users,) where each user's items start.
        lengths: (users,) how many they are.
        shape: Items of the block, and rows of the item table.
    """
    size = shape[0] * shape[1]
    total = int(lengths[users].sum())
    if 2 * total < size:
        keys = (
            torch.repeat_interleave(owners * shape[1], lengths[users]) + items[_ranges(starts[users], lengths[users])]
        )
        keys, together = keys.unique(return_counts=True)
    else:  # sorting would take longer than counting into a table
        counts = torch.zeros(size, dtype=torch.long)
        step = max(1, _PAIRS_AT_ONCE // int(lengths[users].max()))
        for own, part in zip(owners.split(step), users.split(step), strict=True):
            others = items[_ranges(starts[part], lengths[part])]
            counts += torch.bincount(torch.repeat_interleave(own * shape[1], lengths[part]) + others, minlength=size)
        keys = counts.nonzero().flatten()
        together = counts[keys]
    return keys // shape[1], keys % shape[1], together


def _best(
    own: torch.Tensor, other: torch.Tensor, similarity: torch.Tensor, size: int, count: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Of each item of a block the `count` highest similarities and their rows; 0 and row 0 where there are fewer."""
    found = torch.bincount(own, minlength=size)
    places = torch.arange(len(own)) - (found.cumsum(0) - found)[own]
    table = torch.zeros(size, int(found.max()))
    table[own, places] = similarity
    rows = torch.zeros(table.shape, dtype=torch.int32)
    rows[own, places] = other.int()
    best, order = table.sort(dim=1, descending=True, stable=True)
    best, kept = best[:, :count], rows.gather(1, order[:, :count])
    return best, torch.where(best > 0, kept, 0)
