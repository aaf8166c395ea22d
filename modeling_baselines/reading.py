"""Read training sequences as tensors, in batches, checked against the item table."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

import torch

NUM_SPECIAL_ROWS = 2
"""Rows of the item table before the first catalogue item: 0 is padding, 1 is an unknown item."""

_SEQUENCES_AT_ONCE = 4096


def read_sequences(train_rows: Iterable[Sequence[int]], size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Read sequences of item indices.

    Args:
        train_rows: One sequence of item indices per user.
        size: Rows of the item table.

    Yields:
        Batches of users: their item indices, concatenated, and the number per user.

    Raises:
        ValueError: If an index is not in the item table.
    """
    sequences = iter(train_rows)
    while batch := list(islice(sequences, _SEQUENCES_AT_ONCE)):
        items = torch.tensor(list(chain.from_iterable(batch)), dtype=torch.long)
        strangers = items[(items < 0) | (items >= size)]
        if len(strangers):
            raise ValueError(
                f"{len(strangers)} of {len(items)} training events have item indices outside the item table, for "
                f"example {int(strangers[0])}; num_item_rows is {size}, set it to the length of the vocabulary"
            )
        yield items, torch.tensor([len(sequence) for sequence in batch])
