"""Batches by events: every history once, none too large, none empty, always as many."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from xcat_rec.training.samplers import TokenBatchSampler


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
