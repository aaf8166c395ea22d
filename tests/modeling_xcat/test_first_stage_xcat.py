"""The score before re-ranking: blocks and the whole catalogue are one definition."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.modeling_xcat.first_stage_xcat import FirstStage
from xcat_rec.modeling_xcat.ranking_xcat import ItemIndex


def stage_of(seed: int, queries: int, rows: int, pairs: int, boosted: bool) -> tuple[FirstStage, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    items = torch.randn(rows, 3, generator=generator)
    bonuses = []
    for _ in range(2):
        keys = torch.randperm(queries * rows, generator=generator)[:pairs]
        bonuses.append((keys // rows, keys % rows, torch.randn(len(keys), generator=generator)))
    boosts = torch.randn(rows, generator=generator) if boosted else None
    return FirstStage(torch.randn(queries, 3, generator=generator), bonuses, boosts), items


@settings(deadline=None, max_examples=50)
@given(
    st.integers(0, 9999), st.integers(1, 4), st.integers(3, 30), st.integers(0, 40), st.booleans(), st.integers(1, 9)
)
def test_blocks_and_the_whole_catalogue_have_the_scores_of_a_plain_sum(
    seed: int, queries: int, rows: int, pairs: int, boosted: bool, block: int
) -> None:
    stage, items = stage_of(seed, queries, rows, pairs, boosted)
    whole = stage.scores(items)
    expected = [[-torch.inf] * rows for _ in range(queries)]
    for query in range(queries):
        for row in range(2, rows):
            score = float(stage.queries[query] @ items[row])
            for numbers, of, values in stage.bonuses:
                score += float(values[(numbers == query) & (of == row)].sum())
            expected[query][row] = score + (0.0 if stage.boosts is None else float(stage.boosts[row]))
    torch.testing.assert_close(whole, torch.tensor(expected))
    for start in range(2, rows, block):
        part = stage.queries @ items[start : start + block].T
        stage.add_to(part, start)
        torch.testing.assert_close(part, whole[:, start : start + block])
    found, of = ItemIndex(items, first_row=2).search(stage.queries, rows - 2, stage.add_to)
    torch.testing.assert_close(found, whole.gather(1, of))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 9999), st.integers(1, 4), st.integers(3, 30), st.booleans())
def test_scores_of_items_are_those_of_the_catalogue(seed: int, queries: int, rows: int, alike: bool) -> None:
    stage, items = stage_of(seed, queries, rows, 20, True)
    generator = torch.Generator().manual_seed(seed)
    wanted = torch.stack([torch.randperm(rows, generator=generator)[:5] for _ in range(queries)])
    wanted = wanted[:1].repeat(queries, 1) if alike else wanted
    torch.testing.assert_close(stage.scores_of(wanted, items), stage.scores(items).gather(1, wanted))


def test_boosts_of_candidates() -> None:
    rows = torch.tensor([[2, 0], [1, 2]])
    assert FirstStage(torch.ones(2, 1)).given(rows).tolist() == [[0, 0], [0, 0]]
    assert FirstStage(torch.ones(2, 1), (), torch.tensor([0.0, 0.5, 2.0])).given(rows).tolist() == [[2, 0], [0.5, 2]]
