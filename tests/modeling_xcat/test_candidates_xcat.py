"""The second stage: its formula written out, and its place behind the first."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from xcat_rec.modeling_xcat.recent_xcat import RecentEvents
from xcat_rec.tokenization.packing import EventFeatures, pack_histories

from .conftest import tiny_config, tiny_model

_ROWS = [{"items": [3, 4, 5]}, {"items": [7]}, {"items": [2, 9, 2, 4, 6]}]


def test_a_candidate_attends_to_the_events_it_is_like() -> None:
    model = tiny_model(tiny_config(neighbor_window=2, candidate_weights=[2.0, 3.0])).model
    assert model.candidates is not None
    table = F.normalize(model.items().float(), dim=-1).detach()
    recent = RecentEvents(torch.tensor([[5, 4, 3], [7, 0, 0]]), torch.ones(2, 3, dtype=torch.long))
    candidates = torch.tensor([[2, 5, 9], [8, 3, 7]])
    found = model.candidates(recent, candidates, table, model.text_view)
    texts = F.normalize(model.items.text_states[model.items.text_index, 0], dim=-1)
    for user, events in enumerate(([5, 4], [7])):
        for place, candidate in enumerate(candidates[user].tolist()):
            expected = 0.0
            for weight, view in ((2.0, table), (3.0, texts)):
                similarities = view[events] @ view[candidate]
                attended = float((torch.softmax(20 * similarities, 0) * similarities).sum())
                expected += weight * max(0.0, attended)
            assert abs(float(found[user, place]) - expected) < 1e-4


def test_only_the_best_of_the_first_stage_are_reconsidered_and_stay_ahead() -> None:
    first = tiny_model(tiny_config(num_candidates=3)).model
    second = tiny_model(tiny_config(num_candidates=3, candidate_weights=[4.0, 4.0])).model
    inputs = pack_histories(_ROWS, max_history=6, features=EventFeatures())
    plain, found = first.score_catalogue(**inputs), second.score_catalogue(**inputs)
    best = plain.topk(3, dim=1).indices
    added = found - plain
    added[:, :2] = 0.0
    assert (added.gather(1, best) >= 0).all() and (added > 0).any()
    assert torch.equal(added.scatter(1, best, 0.0), torch.zeros_like(added))
    assert torch.equal(found.topk(3, dim=1).indices.sort(1).values, best.sort(1).values)


def test_without_text_there_is_one_view() -> None:
    model = tiny_model(tiny_config(use_text=False, candidate_weights=[0.0, 5.0])).model
    inputs = pack_histories(_ROWS, max_history=6, features=EventFeatures())
    states, recent, _ = model.encode_queries(**inputs)
    plain = tiny_model(tiny_config(use_text=False, num_candidates=0)).model
    torch.testing.assert_close(model.score_states(states, recent), plain.score_states(states, recent))
