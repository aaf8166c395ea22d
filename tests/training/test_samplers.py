"""Batches by events: every history once, none too large, none empty, always as many."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from xcat_rec.training.samplers import GroupBatchSampler, TokenBatchSampler


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=60), st.integers(18, 60), st.integers(1, 3), st.integers(0, 3))
@example([1, 1, 1, 1, 1, 7, 1, 9], 18, 1, 1)
@example([9] * 7, 18, 2, 0)
def test_every_history_is_in_one_batch(lengths: list[int], most: int, processes: int, epoch: int) -> None:
    sampler = TokenBatchSampler(lengths, most, seed=5, processes=processes)
    sampler.set_epoch(epoch)
    batches = list(sampler)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    assert len(batches) == len(sampler)
    assert all(batch and sum(lengths[i] for i in batch) <= most for batch in batches)
    if len(lengths) >= sum(lengths) / (most - max(lengths) + 1) + processes:
        assert len(batches) % processes == 0
    again = TokenBatchSampler(lengths, most, seed=5, processes=processes)
    again.set_epoch(epoch)
    assert list(again) == batches


def test_epochs_and_seeds_differ() -> None:
    first, second, other = (TokenBatchSampler([1] * 50, 10, seed=seed) for seed in (0, 0, 1))
    second.set_epoch(1)
    assert list(first) != list(second) and list(first) != list(other)


def test_a_batch_that_might_hold_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="max_tokens_per_batch is 15 and the longest history has 8 events"):
        TokenBatchSampler([8, 2], 15)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(1, 9), st.integers(0, 3))
def test_batches_have_rows_of_one_group(groups: list[int], size: int, epoch: int) -> None:
    sampler = GroupBatchSampler(groups, size, seed=5)
    sampler.set_epoch(epoch)
    batches = list(sampler)
    assert sorted(i for batch in batches for i in batch) == list(range(len(groups))) and len(batches) == len(sampler)
    for group in set(groups):
        own = [len(batch) for batch in batches if groups[batch[0]] == group]
        assert max(own) <= size and max(own) - min(own) <= 1
    assert all(len({groups[i] for i in batch}) == 1 for batch in batches)


def test_batches_of_groups_are_mixed_and_differ_by_epoch() -> None:
    groups = [0] * 40 + [1] * 40
    sampler = GroupBatchSampler(groups, 4)
    first = list(sampler)
    assert list(sampler) == first
    order = [groups[batch[0]] for batch in first]
    assert order not in (sorted(order), sorted(order, reverse=True))
    sampler.set_epoch(1)
    assert list(sampler) != first
