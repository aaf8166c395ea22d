"""The re-ranker: its features against loops, exact small bonuses, and the allowed changes."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import cosine_similarity

from xcat_rec.modeling_xcat.configuration_xcat import XCatConfig
from xcat_rec.modeling_xcat.items_xcat import XCatItemEncoder
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem
from xcat_rec.modeling_xcat.neighbors_xcat import XCatItemTable
from xcat_rec.modeling_xcat.recent_events_xcat import RecentEvents
from xcat_rec.modeling_xcat.reranker_xcat import CandidateFeatures, CandidateSources, XCatCandidateAttention

from .conftest import ROWS, tiny_config, tiny_model

RECENT = RecentEvents(
    torch.tensor([[5, 3, 5, 7], [2, 0, 0, 0], [9, 8, 4, 2]]), torch.tensor([[2, 1, 0, 1], [1, 0, 0, 0], [1, 1, 1, 1]])
)
CONFIGURATIONS = {
    "all": {},
    "no text": {"use_text": False},
    "no neighbours": {"num_neighbors": 0},
    "no successors": {"num_successors": 0},
    "no features": {"item_features": {}},
    "dot": {"scoring": "dot"},
    "several tokens": {"text_tokens_per_item": 2},
    "format 5": {"format_version": 5},
    "format 6": {"format_version": 6},
    "format 7": {"format_version": 7},
    "format 8": {"format_version": 8},
}
every_configuration = pytest.mark.parametrize("changes", CONFIGURATIONS.values(), ids=list(CONFIGURATIONS))


def with_stage(**changes) -> XCatForNextItem:
    """A tiny model whose re-ranker has random weights and is used."""
    model = tiny_model(tiny_config(**{"num_candidates": 6, "candidate_window": 3, **changes}))
    generator = torch.Generator().manual_seed(2)
    for name, buffer in model.model.candidates.named_buffers():
        drawn = torch.randn(buffer.shape, generator=generator)
        buffer.copy_(drawn.abs() + 0.5 if name.endswith("scale") else drawn)
    for table in (model.model.neighbors, model.model.successors):
        for row in range(ROWS if table is not None else 0):  # no item twice
            table.rows[row] = 2 + torch.randperm(ROWS - 2, generator=generator)[:4].int()
    model.config.candidate_attention = True
    return model


def root_in(table: XCatItemTable | None, event: int, row: int) -> float:
    others = [] if table is None else table.rows[event].tolist()
    return math.sqrt(table.similarities[event, others.index(row)]) if row in others else 0.0


def returns_to(items: XCatItemEncoder, row: int) -> tuple[float, float]:
    counts, returns, gaps = items.item_counts.tolist(), items.return_counts.tolist(), items.return_gaps.tolist()
    share = (returns[row] + 10 * sum(returns) / sum(counts)) / (counts[row] + 10)
    return share, (gaps[row] + 10 * sum(gaps) / sum(returns)) / (returns[row] + 10)


def first_stage(model: XCatForNextItem, states: torch.Tensor) -> torch.Tensor:
    model.config.candidate_attention = False
    scores = model.model.score_states(states, RECENT)
    model.config.candidate_attention = True
    return scores


@every_configuration
@torch.no_grad()
def test_features_are_those_of_loops(changes):
    model = with_stage(**changes)
    base, stage = model.model, model.model.candidates
    states = torch.randn(3, 16, generator=torch.Generator().manual_seed(3))
    table, queries = base.item_side(base.items().float()), base.query_side(states)
    rows = torch.stack(
        [torch.randperm(ROWS - 2, generator=torch.Generator().manual_seed(i))[:5] + 2 for i in range(3)]
    )
    scores = first_stage(model, states).gather(1, rows)
    sources = CandidateSources(base.items, table, base.neighbors, base.successors)
    found = stage.features(queries, RECENT, rows, scores, sources)
    assert found.pairs.shape == (3, 5, 3, len(stage.key)) and found.events.equal(RECENT.items[:, :3] > 0)
    items = base.items
    for q in range(3):
        for c, row in enumerate(rows[q].tolist()):
            product = float(queries[q] @ table[row])
            count = math.log1p(int(items.item_counts[row]))
            history = RECENT.items[q].tolist()
            had, score = float(row in history), float(scores[q, c])
            expected = [score, product, score - product, had, count]
            if model.config.format_version > 5:
                expected += [math.log(1 + history.count(row)), math.log(history.index(row) + 1) if had else 0.0]
            if model.config.format_version > 6:
                expected.append(float(items.item_counts[row] == 0))
            if model.config.format_version > 7:
                share, gap = returns_to(items, row)
                expected += [share, gap, math.log(history.index(row) + 1) - gap if had else 0.0]
            assert found.candidates[q, c].tolist() == pytest.approx(expected, abs=1e-4)
            for e, event in enumerate(RECENT.items[q, :3].tolist()):
                if not event:
                    continue
                text = 0.0
                if model.config.use_text:
                    own, other = (items.text_states[items.text_index[i], 0] for i in (row, event))
                    text = float(cosine_similarity(own, other, dim=0))
                nearness = root_in(base.neighbors, event, row)
                expected = [text, float(cosine_similarity(table[row], table[event], dim=0))]
                pair = found.pairs[q, c, e].tolist()
                assert pair[:3] == pytest.approx([*expected, nearness], abs=1e-5)
                if base.successors is not None:
                    assert pair.pop(6) == pytest.approx(root_in(base.successors, event, row), abs=1e-5)
                same = [
                    float(own == other != 0)
                    for own, other in zip(items.feature_values[row], items.feature_values[event], strict=True)
                ]
                category = float(items.category_values[row] == items.category_values[event] != 0)
                assert pair[4] == pytest.approx(max(0.0, text) ** 4, abs=1e-5)
                assert [pair[3], *pair[5:]] == [float(row == event), category, *same]


@every_configuration
@torch.no_grad()
def test_queries_with_the_same_candidates_have_the_features_of_each_alone(changes):
    model = with_stage(**changes)
    base, stage = model.model, model.model.candidates
    sources = base.candidate_sources(base.item_side(base.items().float()))
    queries, rows = torch.randn(3, 16), torch.tensor([[5, 9, 4, 2, 0, 8]]).expand(3, -1)
    scores = torch.randn(3, 6)
    found = stage.features(queries, RECENT, rows, scores, sources)
    for query in range(3):
        one = slice(query, query + 1)
        alone = stage.features(queries[one], RECENT[one], rows[one], scores[one], sources)
        torch.testing.assert_close(found.pairs[one], alone.pairs)
        torch.testing.assert_close(found.candidates[one], alone.candidates)
        assert torch.equal(found.events[one], alone.events)


def test_a_bonus_of_the_network_follows_the_formula():
    stage = XCatCandidateAttention(
        XCatConfig(num_candidates=1, candidate_window=2, candidate_hidden=2, num_successors=0)
    )
    stage.pair_scale.fill_(1.0)
    stage.candidate_scale.fill_(1.0)
    stage.key[0], stage.value[1], stage.weight[4] = 1.0, 3.0, 0.5
    # The first unit sees the text attended to and the score, the second the bias alone.
    stage.expand[0, 0], stage.expand[0, 6], stage.expand_bias[1] = 2.0, 1.0, -1.0
    stage.contract.copy_(torch.tensor([10.0, 100.0]))
    pairs = torch.zeros(1, 1, 2, 6)
    pairs[0, 0, :, 0], pairs[0, 0, :, 1] = torch.tensor([math.log(3), 0.0]), torch.tensor([1.0, 5.0])
    candidates = torch.tensor([[[0.25, 0, 0, 0, 4.0, *[0] * 6]]])
    bonus, attention = stage(CandidateFeatures(pairs, candidates, torch.tensor([[True, True]])))
    torch.testing.assert_close(attention, torch.tensor([[[0.75, 0.25]]]))
    gelu = torch.nn.functional.gelu(torch.tensor([2 * 0.75 * math.log(3) + 0.25, -1.0]))
    expected = 3 * (0.75 + 1.25) + 0.5 * 4 + float(10 * gelu[0] + 100 * gelu[1])
    torch.testing.assert_close(bonus, torch.tensor([[expected]]))
    nobody, _ = stage(CandidateFeatures(pairs, candidates, torch.tensor([[False, False]])))
    gelu = torch.nn.functional.gelu(torch.tensor([0.25, -1.0]))
    torch.testing.assert_close(nobody, torch.tensor([[2 + float(10 * gelu[0] + 100 * gelu[1])]]))


def test_without_a_window_there_is_no_attention():
    model = with_stage(candidate_window=0)
    model.model.candidates.pair_scale.zero_()  # as it is where nothing was fitted
    states = torch.randn(3, 16, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        scores = model.model.score_states(states, RECENT)
        moved = model.model.score_states(states, RECENT[torch.tensor([0, 1, 2])])
        assert scores.equal(moved) and scores[:, 2:].isfinite().all()
        stage = model.model.candidates
        stage.key.add_(3.0)
        stage.value.add_(3.0)
        assert model.model.score_states(states, RECENT).equal(scores)


def test_a_stage_that_was_never_fitted_changes_nothing():
    model = with_stage()
    stage = model.model.candidates
    for buffer in stage.buffers():
        buffer.zero_()
    states = torch.randn(3, 16, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        assert model.model.score_states(states, RECENT).equal(first_stage(model, states))


def test_a_bonus_before_format_4_is_linear():
    stage = XCatCandidateAttention(XCatConfig(num_candidates=2, candidate_window=2, format_version=3))
    assert not hasattr(stage, "expand")
    for name, values in {
        "key": [1, 0, 0, 0], "value": [0, 2, 0, 0], "ages": [0, math.log(2)], "weight": [0, 0, 0, 0, 3],
        "pair_mean": [0, 1, 0, 0], "pair_scale": [1, 2, 1, 1], "candidate_mean": [0] * 5, "candidate_scale": [1] * 5,
    }.items():  # fmt: skip
        getattr(stage, name).copy_(torch.tensor(values))
    pairs = torch.tensor([[[[math.log(4), 3.0, 0, 0], [math.log(2), 5.0, 0, 0]], [[0, 1.0, 0, 0], [0, 2.0, 0, 0]]]])
    candidates = torch.tensor([[[0, 0, 0, 0, 1.0], [0, 0, 0, 0, 0.0]]])
    bonus, attention = stage(CandidateFeatures(pairs, candidates, torch.tensor([[True, True]])))
    # Both events weigh 4 in the first row; values are 2 (3 - 1) / 2 = 2 and 4. In the second they weigh 1 and 2.
    torch.testing.assert_close(attention, torch.tensor([[[0.5, 0.5], [1 / 3, 2 / 3]]]))
    torch.testing.assert_close(bonus, torch.tensor([[3 + 3.0, 2 / 3 * 1.0]]))
    alone, attention = stage(CandidateFeatures(pairs, candidates, torch.tensor([[True, False]])))
    torch.testing.assert_close(alone, torch.tensor([[2 + 3.0, 0.0]]))
    assert attention[..., 1].eq(0).all()
    nobody, _ = stage(CandidateFeatures(pairs, candidates, torch.tensor([[False, False]])))
    torch.testing.assert_close(nobody, torch.tensor([[3.0, 0.0]]))


@every_configuration
@torch.no_grad()
def test_only_the_order_of_candidates_changes(changes):
    model = with_stage(**changes)
    states = torch.randn(3, 16, generator=torch.Generator().manual_seed(4))
    before, after = first_stage(model, states), model.model.score_states(states, RECENT)
    best = before.topk(6, dim=1).indices
    others = torch.ones_like(before, dtype=torch.bool).scatter(1, best, False)
    assert after[others].equal(before[others])
    assert (after.gather(1, best) >= before.gather(1, best)).all()
    assert not after.gather(1, best).argsort(1).equal(before.gather(1, best).argsort(1))
    one_by_one = torch.cat([model.model.score_states(states[[i]], RECENT[torch.tensor([i])]) for i in range(3)])
    torch.testing.assert_close(one_by_one, after, atol=1e-4, rtol=1e-5)
    assert model.model.score_states(states, None).isfinite()[:, 2:].all()  # nothing to go by: the first stage alone


@every_configuration
@torch.no_grad()
def test_the_reranker_does_not_see_the_cold_boost(changes):
    model = with_stage(**{**changes, "num_candidates": ROWS - 2})
    states = torch.randn(3, 16, generator=torch.Generator().manual_seed(6))
    untrained = model.model.items.item_counts[2:] == 0
    assert 0 < untrained.sum() < ROWS - 2
    for scores in (lambda: first_stage(model, states), lambda: model.model.score_states(states, RECENT)):
        model.config.untrained_bonus = 0.0
        before = scores()[:, 2:]
        model.config.untrained_bonus = -1.5
        torch.testing.assert_close(scores()[:, 2:], before - 1.5 * untrained, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize(("version", "of_cold"), [(8, -6.0), (9, 0.0)])
@torch.no_grad()
def test_the_count_of_a_cold_item_is_unknown_and_not_far_below_all_others(version, of_cold):
    stage = XCatCandidateAttention(XCatConfig(num_candidates=3, candidate_window=0, format_version=version))
    count = 4
    stage.weight[count], stage.candidate_mean[count], stage.candidate_scale[count] = 2.0, 3.0, 1.0
    candidates = torch.zeros(1, 3, len(stage.weight))
    candidates[0, :, count] = torch.tensor([0.0, 3.0, 5.0])  # logarithms of 1 + training events: none, the mean, many
    nothing = torch.zeros(1, 3, 0, len(stage.pair_mean))
    bonus, _ = stage(CandidateFeatures(nothing, candidates, torch.zeros(1, 0, dtype=torch.bool)))
    assert bonus[0].tolist() == [of_cold, 0.0, 4.0]


@torch.no_grad()
def test_what_a_filter_took_out_stays_out():
    model = with_stage()
    base, states = model.model, torch.randn(1, 16, generator=torch.Generator().manual_seed(5))
    first, table = base.first_stage(states, None), base.item_side(base.items().float())
    rows, scores = torch.tensor([[4, 6, 0]]), torch.tensor([[2.0, 1.0, -torch.inf]])
    rescored, attention = base.second_stage(first, RECENT[slice(0, 1)], rows, scores, table)
    assert rescored[0, 2] == -torch.inf and rescored[0, :2].isfinite().all()
    assert ((rescored - scores)[0, :2].min()) == 0 and attention.shape == (1, 3, 3)
    torch.testing.assert_close(attention.sum(-1), torch.ones(1, 3))


def test_it_is_saved_and_older_formats_have_none(tmp_path):
    model = with_stage()
    model.save_pretrained(tmp_path)
    loaded = XCatForNextItem.from_pretrained(tmp_path).eval()
    states = torch.randn(3, 16, generator=torch.Generator().manual_seed(6))
    with torch.no_grad():
        assert loaded.model.has_second_stage
        for (name, kept), saved in zip(loaded.named_buffers(), model.buffers(), strict=True):
            assert kept.equal(saved), name
        torch.testing.assert_close(
            loaded.model.score_states(states, RECENT), model.model.score_states(states, RECENT), atol=1e-4, rtol=1e-5
        )
    assert XCatConfig(format_version=2).num_candidates == 0
    assert XCatForNextItem(tiny_config(format_version=2)).model.candidates is None
    assert not XCatForNextItem(tiny_config()).model.has_second_stage
    assert not hasattr(XCatForNextItem(tiny_config(format_version=3)).model.items, "category_values")
    with pytest.raises(ValueError, match="candidate_hidden is 0; give at least 1"):
        XCatConfig(candidate_hidden=0)
