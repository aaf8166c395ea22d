"""Pair counts and strongest pairs, against dictionaries."""

from __future__ import annotations

from collections import defaultdict

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.modeling_baselines import cooccurrence
from xcat_rec.modeling_baselines.cooccurrence import PairCounts, nearest_by_cosine, strongest

ROWS = 7
TRAIN = [[2, 3, 3], [3, 1, 2, 4], [], [5, 3], [4, 0]]

logs = st.lists(st.lists(st.integers(0, ROWS - 1), max_size=6), max_size=7)


def pairs_of(counts: PairCounts, block: torch.Tensor) -> dict[tuple[int, int], int]:
    own, other, together = (found.tolist() for found in counts.count(block))
    keys = [(int(block[number]), row) for number, row in zip(own, other, strict=True)]
    assert [(number, row) for number, row in zip(own, other, strict=True)] == sorted(zip(own, other, strict=True))
    assert len(set(keys)) == len(keys)
    return dict(zip(keys, together, strict=True))


def pairs_by_hand(sequences: list[list[int]]) -> dict[tuple[int, int], int]:
    expected: defaultdict[tuple[int, int], int] = defaultdict(int)
    for sequence in sequences:
        items = {item for item in sequence if item > 1}
        for one in items:
            for other in items:
                expected[one, other] += 1
    return dict(expected)


def test_pairs_by_hand() -> None:
    counts = PairCounts(TRAIN, ROWS)
    assert counts.rows == ROWS and counts.popularity.tolist() == [0, 0, 2, 3, 2, 1, 0]
    assert counts.pairs.tolist() == [0, 0, 2 + 3, 2 + 3 + 2, 3 + 1, 2, 0]
    assert pairs_of(counts, torch.tensor([4, 2])) == {
        (4, 2): 1, (4, 3): 1, (4, 4): 2, (2, 2): 2, (2, 3): 2, (2, 4): 1,
    }  # fmt: skip


def test_blocks_have_items_of_similar_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = PairCounts(TRAIN, ROWS)
    assert [block.tolist() for block in counts.blocks(ROWS)] == [[3, 2, 4, 5]]
    assert [block.tolist() for block in counts.blocks(3)] == [[3, 2, 4], [5]]
    monkeypatch.setattr(cooccurrence, "_PAIRS_AT_ONCE", 8)  # one of seven pairs, one of five, then four and two
    assert [block.tolist() for block in counts.blocks(ROWS)] == [[3], [2], [4, 5]]
    assert list(PairCounts([[0, 1], []], ROWS).blocks(ROWS)) == []


def test_weighted_pairs_by_hand() -> None:
    """A user's weight of an item is the largest of its events: .5 and .25 of item 3 count .5."""
    weights = torch.tensor([1.0, 0.5, 0.25, 1.0, 1.0, 0.5, 0.0, 1.0, 1.0, 0.25, 1.0])
    counts = PairCounts(TRAIN, ROWS, weights=weights)
    assert counts.popularity.tolist() == [0, 0, 2, 3, 2, 1, 0]
    assert counts.mass.tolist() == [0, 0, 1 + 0.25, 0.25 + 1 + 1, 0.25**2, 1, 0]
    assert pairs_of(counts, torch.tensor([2, 3])) == {
        (2, 2): 1.25, (2, 3): 1.0, (2, 4): 0.0, (3, 2): 1.0, (3, 3): 2.25, (3, 4): 0.0, (3, 5): 1.0,
    }  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(logs, st.integers(0, 1000), st.sampled_from([1, 30]))
def test_weighted_pairs_match_a_matrix(sequences: list[list[int]], seed: int, most_pairs: int) -> None:
    """And weights of 1 give the counts without weights, also of a sample of users."""
    number = sum(map(len, sequences))
    weights = torch.rand(number, generator=torch.Generator().manual_seed(seed))
    matrix, place = torch.zeros(max(1, len(sequences)), ROWS), 0
    for user, sequence in enumerate(sequences):
        for item in sequence:
            matrix[user, item] = max(matrix[user, item], weights[place])
            place += 1
    matrix[:, :2] = 0
    counts = PairCounts(sequences, ROWS, weights=weights)
    assert torch.allclose(counts.mass, matrix.square().sum(0))
    expected = matrix.T @ matrix
    for block in counts.blocks(ROWS):
        for (one, other), together in pairs_of(counts, block).items():
            assert together == pytest.approx(expected[one, other].item(), abs=1e-6)
    plain = PairCounts(sequences, ROWS, most_pairs)
    whole = PairCounts(sequences, ROWS, most_pairs, torch.ones(number))
    assert whole.mass.equal(plain.mass) and whole.popularity.equal(plain.popularity)
    for block in plain.blocks(ROWS):
        assert pairs_of(whole, block) == pairs_of(plain, block)


@settings(max_examples=200, deadline=None)
@given(logs, st.integers(1, ROWS), st.sampled_from([1, 5, 30, 1 << 22]), st.integers(2, 60))
def test_pairs_match_a_dictionary(sequences: list[list[int]], most_rows: int, pairs_at_once: int, spare: int) -> None:
    """The same for any block size, whether counts are sorted or tabulated."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cooccurrence, "_PAIRS_AT_ONCE", pairs_at_once)
        counts = PairCounts(iter(sequences), ROWS + spare)
        blocks = list(counts.blocks(most_rows))
        found = [pairs_of(counts, block) for block in blocks]
    expected = pairs_by_hand(sequences)
    assert {key: value for block in found for key, value in block.items()} == expected
    rows = [row for block in blocks for row in block.tolist()]
    assert sorted(rows) == sorted({row for row, _ in expected})
    assert all(len(block) <= most_rows for block in blocks)
    assert all(len(block) == 1 or counts.pairs[block].sum() <= pairs_at_once for block in blocks)
    assert counts.popularity.tolist() == [expected.get((row, row), 0) for row in range(ROWS + spare)]
    assert counts.pairs.tolist() == [
        sum(value for (one, _), value in expected.items() if one == row) for row in range(ROWS + spare)
    ]


@settings(max_examples=100, deadline=None)
@given(logs, st.integers(1, 200))
def test_above_the_limit_evenly_spread_users_are_counted(sequences: list[list[int]], most_pairs: int) -> None:
    step = max(1, -(-sum(pairs_by_hand(sequences).values()) // most_pairs))
    some, kept = PairCounts(sequences, ROWS, most_pairs), PairCounts(sequences[::step], ROWS)
    assert some.popularity.equal(kept.popularity) and some.pairs.equal(kept.pairs)
    assert pairs_of(some, torch.arange(ROWS)) == pairs_by_hand(sequences[::step])


@pytest.mark.parametrize("row", [ROWS, -1])
def test_rows_of_another_vocabulary_are_refused(row: int) -> None:
    with pytest.raises(ValueError, match=rf"1 of 3 training events .* for example {row}; num_item_rows is 7"):
        PairCounts([[2, 3], [row]], ROWS)


def test_the_strongest_by_hand() -> None:
    owners, others = torch.tensor([2, 0, 2, 2, 0, 2]), torch.tensor([9, 4, 3, 8, 5, 7])
    rows, values = strongest(owners, others, torch.tensor([0.5, 0.25, 0.75, 0.5, 0.0, -1.0]), 4, 2)
    assert rows.dtype == torch.int32 and values.dtype == torch.float32
    assert rows.tolist() == [[4, 0], [0, 0], [3, 9], [0, 0]]  # 9 comes before 8
    assert values.tolist() == [[0.25, 0.0], [0.0, 0.0], [0.75, 0.5], [0.0, 0.0]]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(2, 9), st.integers(-1, 4)), max_size=14), st.integers(1, 6),
    st.sampled_from([0, 16]),
)  # fmt: skip
def test_the_strongest_match_a_sort(pairs: list[tuple[int, int, int]], count: int, cells: int) -> None:
    owners, others, values = (torch.tensor([pair[i] for pair in pairs], dtype=torch.long) for i in range(3))
    with pytest.MonkeyPatch.context() as patch:  # sorted only, or selected in a table first
        patch.setattr(cooccurrence, "_MOST_CELLS_PER_PAIR", cells)
        rows, best = strongest(owners, others, values / 4, 4, count)
    for owner in range(4):
        of_owner = [(value, other) for own, other, value in pairs if own == owner and value > 0]
        kept = sorted(of_owner, key=lambda pair: -pair[0])[:count]  # stable
        kept += [(0, 0)] * (count - len(kept))
        assert list(zip(best[owner].tolist(), rows[owner].tolist(), strict=True)) == [(v / 4, row) for v, row in kept]


def test_cosines_by_hand() -> None:
    rows, similarities = nearest_by_cosine(TRAIN, ROWS, 2, shrink=1.0)
    assert rows.tolist() == [[0, 0], [0, 0], [3, 4], [2, 5], [2, 3], [3, 0], [0, 0]]
    expected = [2 / (6**0.5 + 1), 1 / 3, 2 / (6**0.5 + 1), 1 / (3**0.5 + 1), 1 / 3, 1 / (6**0.5 + 1)]
    assert similarities[2:5].flatten().tolist() == pytest.approx(expected)
    assert similarities[5].tolist() == pytest.approx([1 / (3**0.5 + 1), 0.0])
