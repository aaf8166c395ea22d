"""Percentages of a whole add up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xcat_rec.rounded_shares import percentages


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=12).filter(any))
def test_shares_of_a_whole_sum_to_100_and_stay_within_one_per_cent(parts: list[int]) -> None:
    shares = [part / sum(parts) for part in parts]
    found = [int(text.removesuffix("%")) for text in percentages(shares)]
    assert sum(found) == 100
    assert all(abs(100 * share - shown) < 1 + 1e-9 for share, shown in zip(shares, found, strict=True))
    assert all(a <= b for (_, a), (_, b) in zip(*[iter(sorted(zip(parts, found, strict=True)))] * 2, strict=False))


def test_a_part_of_a_whole_keeps_its_sum() -> None:
    assert percentages([0.333, 0.333]) == ["34%", "33%"] and percentages([]) == []
