"""Batches by number of events, and batches of one group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from torch.utils.data import Sampler
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class TokenBatchSampler(Sampler[list[int]]):
    """Batches whose histories have at most `max_tokens` events in total.

    Every epoch draws a new order from the seed and the epoch number, concatenates the histories and cuts the sequence
    at equal distances. A history belongs to the batch in which it begins; a batch without a beginning takes the
    next history. So no batch is empty, and all epochs have the same known number of batches, which schedules and
    resuming need. Histories are packed later, so sorting by length would save no padding.

    Args:
        lengths: Labelled events of every history, at least 1.
        max_tokens: Maximum events per batch.
        seed: Seed of the order.
        processes: Number of processes; the number of batches is a multiple of it if there are enough histories.

    Raises:
        ValueError: If a batch of `max_tokens` cannot hold two of the longest histories: a batch could be empty.

    Example:
        >>> batches = list(TokenBatchSampler([2, 3, 2, 1], max_tokens=6))
        >>> sorted(i for batch in batches for i in batch)
        [0, 1, 2, 3]
    """

    def __init__(self, lengths: Sequence[int], max_tokens: int, seed: int = 0, processes: int = 1) -> None:
        self.lengths = np.asarray(lengths, dtype=np.int64)
        longest, total = int(self.lengths.max(initial=1)), int(self.lengths.sum())
        if max_tokens < 2 * longest:
            raise ValueError(
                f"max_tokens_per_batch is {max_tokens} and the longest history has {longest} events to predict; give "
                f"at least {2 * longest}, or a smaller max_history"
            )
        count = -(-total // (max_tokens - longest + 1))
        self.num_batches = max(1, min(-(-count // processes) * processes, len(self.lengths)))
        self.seed, self.epoch = seed, 0

    def __len__(self) -> int:
        return self.num_batches

    def __iter__(self) -> Iterator[list[int]]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.lengths))
        begins = np.cumsum(self.lengths[order]) - self.lengths[order]
        batch_of = begins * self.num_batches // max(1, int(self.lengths.sum()))
        number = np.arange(1, self.num_batches)
        cuts = np.maximum.accumulate(np.maximum(np.searchsorted(batch_of, number) - number, 0)) + number
        cuts = np.minimum(cuts, len(order) - self.num_batches + number)
        yield from (part.tolist() for part in np.split(order, cuts))

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of an epoch."""
        self.epoch = epoch


class GroupBatchSampler(Sampler[list[int]]):
    """Batches of rows of one group each, in a random order of all batches.

    Every epoch reads every row once, so a group has batches in proportion to its rows.

    Args:
        groups: (rows,) number of each row's group, from 0.
        batch_size: Maximum rows per batch. The batches of a group have equal sizes, up to one row.
        seed: Seed of the order.

    Example:
        >>> batches = list(GroupBatchSampler([0, 0, 0, 1, 1], batch_size=2))
        >>> sorted(sorted(batch) for batch in batches)[-1], sorted(map(len, batches))
        ([3, 4], [1, 2, 2])
    """

    def __init__(self, groups: Sequence[int], batch_size: int, seed: int = 0) -> None:
        numbers = np.asarray(groups, dtype=np.int64)
        self.members = [np.flatnonzero(numbers == group) for group in np.unique(numbers)]
        self.batch_size, self.seed, self.epoch = batch_size, seed, 0

    def __len__(self) -> int:
        return sum(-(-len(members) // self.batch_size) for members in self.members)

    def __iter__(self) -> Iterator[list[int]]:
        generator = np.random.default_rng([self.seed, self.epoch])
        parts = [
            part
            for members in self.members
            for part in np.array_split(generator.permutation(members), -(-len(members) // self.batch_size))
        ]
        yield from (parts[place].tolist() for place in generator.permutation(len(parts)))

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of an epoch."""
        self.epoch = epoch


class OrderOfEpoch(TrainerCallback):
    """Sets the epoch of a batch sampler.

    With several processes and a run resumed within an epoch, the sampler is inside two wrappers, and `Trainer` reaches
    through one only.

    Args:
        sampler: The sampler.
    """

    def __init__(self, sampler: TokenBatchSampler | GroupBatchSampler) -> None:
        self.sampler = sampler

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Choose the order of the epoch that begins or is resumed."""
        self.sampler.set_epoch(int(state.epoch or 0))
