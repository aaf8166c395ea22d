"""The best items in blocks equal a plain sort, whatever the blocks and the filter."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.modeling_xcat import ranking_xcat as ranking
from xcat_rec.modeling_xcat.ranking_xcat import ItemIndex


@settings(max_examples=60, deadline=None)
@given(
    queries=st.integers(1, 4), items=st.integers(3, 2500), k=st.integers(1, 30), hidden=st.floats(0, 1),
    seed=st.integers(0, 99), coded=st.booleans(),
)  # fmt: skip
def test_it_is_a_plain_sort(queries: int, items: int, k: int, hidden: float, seed: int, coded: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    states, table = torch.randn(queries, 16, generator=generator), torch.randn(items, 16, generator=generator)
    away = torch.rand(queries, items, generator=generator) < hidden

    def hide(scores: torch.Tensor, start: int) -> None:
        scores[away[:, start : start + scores.shape[1]]] = -torch.inf

    small = {"BLOCK_SCORES": 1, "CODES_FROM": 1 if coded else items}
    original = {name: getattr(ranking, name) for name in small}
    vars(ranking).update(small)
    try:
        scores, rows = ItemIndex(table, first_row=2).search(states, k, hide)
    finally:
        vars(ranking).update(original)
    assert scores.shape == rows.shape == (queries, k)
    everything = (states @ table.T).masked_fill(away, -torch.inf)[:, 2:]
    expected = torch.full((queries, k), -torch.inf)
    best = everything.sort(dim=1, descending=True).values[:, :k]
    expected[:, : best.shape[1]] = best
    torch.testing.assert_close(scores, expected, rtol=1e-4, atol=1e-5)
    finite = scores.isfinite()
    assert (rows[finite] >= 2).all()
    torch.testing.assert_close((states @ table.T).gather(1, rows)[finite], scores[finite], rtol=1e-4, atol=1e-5)
    for user in range(queries):
        found = rows[user][finite[user]].tolist()
        assert len(found) == len(set(found)) and not away[user][found].any()


def test_no_more_scores_than_a_block_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "BLOCK_SCORES", 4096)
    seen: list[int] = []
    ItemIndex(torch.randn(10_000, 4)).search(torch.randn(2, 4), 3, lambda scores, start: seen.append(scores.numel()))
    assert max(seen) <= 4096 and sum(seen) == 20_000


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
def test_codes_find_what_differs_in_the_last_bits(scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "CODES_FROM", 100)
    generator = torch.Generator().manual_seed(3)
    table = torch.nn.functional.normalize(torch.randn(40_000, 64, generator=generator), dim=-1) * scale
    query = table[17:18] + 1e-3 * scale * torch.randn(1, 64, generator=generator)
    table[1000:3000] = table[17] * (1 + 1e-4 * torch.randn(2000, 1, generator=generator))
    index = ItemIndex(table)
    assert index._coded is not None
    scores, rows = index.search(query, 50, lambda scores, start: None)
    expected = (query @ table.T).topk(50)
    assert set(rows[0].tolist()) == set(expected.indices[0].tolist())
    torch.testing.assert_close(scores, expected.values)


def test_bonuses_count_for_codes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "CODES_FROM", 100)
    generator = torch.Generator().manual_seed(4)
    table, query = torch.randn(5000, 32, generator=generator), torch.randn(1, 32, generator=generator)
    bonus = torch.zeros(5000).index_fill_(0, torch.randint(5000, (300,), generator=generator), 20.0)

    def adjust(scores: torch.Tensor, start: int) -> None:
        scores += bonus[start : start + scores.shape[1]]

    scores, rows = ItemIndex(table, first_row=2).search(query, 40, adjust)
    everything = query @ table.T + bonus
    everything[:, :2] = -torch.inf
    expected = everything.topk(40)
    assert rows.tolist() == expected.indices.tolist()
    torch.testing.assert_close(scores, expected.values)
