"""Methods: integrated gradients are complete, attention is a share, and parts of the re-ranker are its own falls."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from xcat_rec.modeling_xcat.explanation_xcat import Influences, latest_items
from xcat_rec.ranking.explanation.methods import METHODS, Case, additive, gated, gradients, neighbor_parts

from ...modeling_xcat.conftest import ROWS, tiny_config, tiny_model


def case_of(model: Any, discovers: bool = False) -> Case:
    """A history of four items, of which one came twice."""
    ids = torch.tensor([[4, 7, 4, 9, 11]])
    inputs = {
        "item_ids": ids, "attention_mask": torch.ones_like(ids), "position_ids": torch.arange(5)[None],
        "query_positions": torch.tensor([4]),
    }  # fmt: skip
    base = model.model
    with torch.no_grad():
        side = base.item_side(base.items().float())
        _, recent, _ = base.encode_queries(**inputs)
    recent = recent.discovering(ids.tolist()) if discovers else recent
    return Case(base, inputs, recent, latest_items(ids[0]), torch.tensor([3, 5, 12]), side)


def none(case: Case) -> Influences:
    return Influences(case.items, torch.zeros(3, 4), torch.zeros(3, 4))


def fitted(**changes: Any) -> Any:
    """A tiny model with a re-ranker of random weights."""
    model = tiny_model(tiny_config(num_candidates=6, candidate_attention=True, **changes))
    generator = torch.Generator().manual_seed(2)
    for name, buffer in model.model.candidates.named_buffers():
        buffer.copy_(torch.rand(buffer.shape, generator=generator) + ("scale" in name))
    return model


@pytest.mark.parametrize("changes", [{}, {"behavior_encoder": "gru"}, {"use_text": False}, {"num_fusion_layers": 0},
                                     {"behavior_encoder": "bidirectional", "objective": "cloze", "repeats": "off",
                                      "num_fusion_layers": 0, "soft_target_weight": 0.0}],
                         ids=["transformer", "gru", "no text", "no fusion", "bidirectional"])  # fmt: skip
def test_integrated_gradients_sum_to_the_difference_of_the_products(changes: dict[str, Any]) -> None:
    model = tiny_model(tiny_config(**changes))
    case = case_of(model)

    def products(gate: float) -> torch.Tensor:
        with torch.no_grad():
            view = gated(case.base, case.items, torch.full((1, 4), gate))
            states, _, _ = view.encode_queries(**case.inputs)
            return (case.base.first_stage(states, case.recent).queries @ case.item_side[case.rows].T)[0]

    with torch.no_grad():
        states, _, _ = case.base.encode_queries(**case.inputs)
        plain = case.base.first_stage(states, case.recent).queries @ case.item_side[case.rows].T
    torch.testing.assert_close(products(1.0), plain[0])
    found = gradients(case, 64)
    assert found.shape == (3, 4) and found.abs().sum() > 0
    torch.testing.assert_close(found.sum(1), products(1.0) - products(0.0), atol=0.02, rtol=0.02)
    assert not found.requires_grad and all(parameter.grad is None for parameter in model.parameters())


def test_item_to_item_weights_are_additive() -> None:
    case = case_of(tiny_model())
    _, rows, values = case.base.neighbors.bonus(case.recent)
    whole = torch.zeros(ROWS).index_put((rows,), values)
    torch.testing.assert_close(neighbor_parts(case).sum(1), whole[case.rows])


def test_parts_of_the_re_ranker_are_falls_of_its_bonus() -> None:
    model = fitted()
    case = case_of(model)
    found = additive(case, none(case)) - neighbor_parts(case)
    reranker = model.model.candidates

    def bonus(hidden: int) -> torch.Tensor:
        with torch.no_grad():
            states, _, _ = case.base.encode_queries(**case.inputs)
            first = case.base.first_stage(states, case.recent)
            scores = first.scores_of(case.rows[None], case.item_side)
            sources = case.base.candidate_sources(case.item_side)
            features = reranker.features(first.queries, case.recent, case.rows[None], scores, sources)
            features.events[0] &= case.recent.items[0] != hidden
            return reranker(features)[0][0]

    for place, item in enumerate(case.items.tolist()):
        torch.testing.assert_close(found[:, place], bonus(0) - bonus(item), atol=1e-4, rtol=1e-4)
    assert found.abs().sum() > 0


def test_attention_is_a_share_of_the_events() -> None:
    case = case_of(fitted())
    for name in ("attention", "candidate-attention"):
        found = METHODS[name](case, none(case))
        assert found.shape == (3, 4) and (found >= 0).all() and (found.sum(1) <= 1 + 1e-5).all() and found.sum() > 0
    assert METHODS["attention"](case, none(case)).unique(dim=0).shape[0] == 1, "the same for every item"
    torch.testing.assert_close(METHODS["candidate-attention"](case, none(case)).sum(1), torch.ones(3))
