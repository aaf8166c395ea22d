"""A guaranteed share of a group, by hand and against brute force."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.evaluation.audits.popularity import tail_rows
from xcat_rec.ranking.rerank import Candidates, rerank_order
from xcat_rec.ranking.rerankers import LogitAdjustment, Share, read_rerankers


def candidates(counts: list[int], scores: list[float] | None = None) -> Candidates:
    """Items 2, 3, ... with training events, in this order."""
    size = len(counts)
    rows = torch.arange(2, 2 + size)[None]
    given_scores = torch.tensor([scores or [float(size - place) for place in range(size)]])
    data = SimpleNamespace(counts=torch.tensor([0, 0, *counts]))
    return Candidates(rows, given_scores, [()], None, data)  # type: ignore[arg-type]


def order(pool: Candidates, *rules) -> list[int]:
    return pool.rows[0, rerank_order(pool, rules)[0]].tolist()


HEAD_AND_TAIL = [50, 30, 1, 1, 1, 1]
"""The first two items have 80 of 84 events; the head is the first two items."""


def test_every_length_has_its_share():
    assert order(candidates(HEAD_AND_TAIL), Share("long-tail", 0.5, within=4)) == [2, 4, 3, 5, 6, 7]
    assert order(candidates(HEAD_AND_TAIL), Share("long-tail", 1.0, within=2)) == [4, 5, 2, 3, 6, 7]
    assert order(candidates(HEAD_AND_TAIL), Share("long-tail", 0.3, within=3)) == [2, 3, 4, 5, 6, 7]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=7), st.floats(0.05, 1), st.integers(1, 7))
def test_it_is_the_best_list_that_keeps_the_guarantee(rare, share, within):
    """Of all lists with the guarantee, the greedy one has the most relevant items at the first difference."""
    counts = [1 if flag else 1000 for flag in rare]
    pool = candidates(counts)
    tail = tail_rows(pool.known_data.counts.numpy())[2:].tolist()
    length = min(within, len(counts))

    def kept(rows: tuple[int, ...]) -> bool:
        flags = [tail[row - 2] for row in rows]
        return all(sum(flags[:n]) >= min(int(share * n + 1e-9), sum(tail)) for n in range(1, length + 1))

    best = min(rows for rows in itertools.permutations(range(2, 2 + len(counts)), length) if kept(rows))
    assert tuple(order(pool, Share("long-tail", share, within))[:length]) == best


def test_later_rules_keep_the_guarantee():
    pool = candidates(HEAD_AND_TAIL)
    assert order(pool, Share("long-tail", 0.5, within=4), LogitAdjustment(-5.0)) == [2, 4, 3, 5, 6, 7]


def test_places_without_an_item_stay_last():
    scores = [3.0, 2.0, -torch.inf, -torch.inf]
    assert order(candidates([50, 30, 1, 1], scores), Share("long-tail", 1.0, within=2))[:2] == [2, 3]


def test_words():
    assert read_rerankers("share=long-tail:0.3") == [Share("long-tail", 0.3)]
    assert read_rerankers("share=brand=Acme:0.2:5") == [Share("brand=Acme", 0.2, 5)]
    assert read_rerankers("logit-adjustment=0.5:3") == [LogitAdjustment(0.5, 3)]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("share=long-tail:0", "share is 0; give a share above 0"),
        ("share=long-tail:1.5", "share is 1.5"),
        ("share=rare:0.3", "rare"),
        ("logit-adjustment=much", "strength is a value of type str"),
    ],
)
def test_bad_words(given, message):
    with pytest.raises(ValueError, match=message):
        read_rerankers(given)


def test_logit_adjustment_subtracts_the_log_of_the_events():
    counts, scores = [7, 1, 3, 0], [5.0, 4.5, 4.2, 2.9]  # log2 of 1 + events: 3, 1, 2, 0
    pool = candidates(counts, scores)
    strength = 0.6 / torch.log(torch.tensor(2.0)).item()  # adjusted: 3.2, 3.9, 3.0, 2.9
    assert order(pool, LogitAdjustment(strength)) == [3, 2, 4, 5]
    assert order(pool, LogitAdjustment(2 * strength)) == [3, 5, 4, 2]  # 1.4, 3.3, 1.8, 2.9
    assert order(pool, LogitAdjustment(2 * strength, after=2)) == [2, 3, 5, 4]
    assert order(pool, LogitAdjustment(0.0)) == [2, 3, 4, 5]
    assert order(pool, LogitAdjustment(-1.0)) == [2, 4, 3, 5]  # 7.1, 5.2, 5.6, 2.9


def test_logit_adjustment_is_in_units_of_the_score_whatever_the_pool():
    wide = candidates([7, 1, 3, 0], [5.0, 4.5, 4.2, -100.0])
    keys = LogitAdjustment(0.5)(wide)[0]
    expected = torch.tensor([5.0, 4.5, 4.2, -100.0]).double() - 0.5 * torch.tensor([7, 1, 3, 0]).double().log1p()
    torch.testing.assert_close(keys - keys[0], expected - expected[0], atol=1e-5, rtol=0)


def test_equal_scores_are_ordered_by_the_adjustment():
    assert order(candidates([7, 1], [2.0, 2.0]), LogitAdjustment(0.1)) == [3, 2]
