"""Repurchase counts against a loop over every user's events."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.catalogue.repurchases import count_repurchases
from xcat_rec.modeling_baselines import reading

ROWS = 8
SEQUENCES = st.lists(st.lists(st.integers(0, ROWS - 1), max_size=12), max_size=8)


def brute_force(sequences: list[list[int]]) -> tuple[list[int], list[float]]:
    counts, gaps = [0] * ROWS, [0.0] * ROWS
    for sequence in sequences:
        last: dict[int, int] = {}
        for place, item in enumerate(sequence):
            if item in last and item > 1:
                counts[item] += 1
                gaps[item] += math.log(place - last[item])
            last[item] = place
    return counts, gaps


@settings(max_examples=200, deadline=None)
@given(sequences=SEQUENCES, at_once=st.integers(1, 9))
def test_counts_and_gaps_match_a_loop(sequences: list[list[int]], at_once: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "_SEQUENCES_AT_ONCE", at_once)
        counts, gaps = count_repurchases(sequences, ROWS)
    expected = brute_force(sequences)
    assert counts.tolist() == expected[0]
    assert gaps.tolist() == pytest.approx(expected[1], abs=1e-5)


def test_a_row_outside_the_table_is_refused() -> None:
    with pytest.raises(ValueError, match="have item indices outside the item table, for example 8"):
        count_repurchases([[2, 8]], ROWS)
