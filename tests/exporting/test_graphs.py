"""Graphs of a model: dense sums in place of pairs give the scores of the recommender, for any batch and length."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from xcat_rec.exporting.graphs import (
    BEHAVIOR,
    DISCOVER,
    SCORES,
    TEXT,
    Graph,
    check_exportable,
    example_histories,
    graphs_of,
    last_events,
)
from xcat_rec.modeling_xcat.modeling_click_xcat import XCatForClickPrediction
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem, XCatModel

from ..modeling_xcat.conftest import ROWS, tiny_config, tiny_model

SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {"num_candidates": 0, "num_neighbors": 0, "repeats": "off"},
    "re-ranked": {"neighbor_history": True, "candidate_attention": True, "negative_event_types": ["view"]},
    "trends": {
        "discover_product_weight": 0.5, "discover_neighbor_weight": 20.0, "discover_trends": True,
        "discover_untrained_bonus": 0.25,
    },
}  # fmt: skip


def model_of(settings: str) -> Any:
    """A tiny model whose re-rankers have random weights, and change the order of a few best items."""
    config = tiny_config(num_candidates=SETTINGS[settings].get("num_candidates", 5), num_discovery_candidates=6)
    for name, value in SETTINGS[settings].items():
        setattr(config, name, value)
    model = tiny_model(config)
    base = model.model
    torch.manual_seed(1)
    for part in (base.candidates, base.discover_candidates, base.discovery_ranker, base.segments):
        for buffer in () if part is None else part.buffers():
            buffer.copy_(torch.rand(buffer.shape))
    return model


def graph_of(model: Any, name: str) -> Graph:
    return next(graph for graph in graphs_of(model) if graph.name == name)


def inputs_of(model: Any, rows: int, length: int, candidates: list[int], discovers: bool) -> dict[str, torch.Tensor]:
    inputs = example_histories(model, rows, length, seed=length)
    inputs["candidate_ids"] = torch.tensor(candidates)
    if discovers:
        inputs["seen_ids"] = torch.cat([inputs["item_ids"], torch.full((rows, 1), 2)], 1)
    return inputs


def scores_by_pairs(model: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """The scores as the recommender composes them, for the candidates alone."""
    base, codes = model.model, {name: value for name, value in inputs.items() if name.endswith("_ids")}
    given = {name: codes[name] for name in ("item_ids", "event_type_ids", "rating_ids", "time_gap_ids")}
    states, recent, _ = base.encode_queries(attention_mask=inputs["attention_mask"], **given)
    if "seen_ids" in inputs:
        recent = recent.discovering(inputs["seen_ids"].tolist())
    first = base.first_stage(states, recent)
    scores = first.scores(base.item_side(base.items().float()))
    hidden = torch.ones(ROWS, dtype=torch.bool)
    hidden[inputs["candidate_ids"]] = False
    scores[:, hidden] = -torch.inf
    if count := base.candidate_count(first):
        best = scores.topk(count, dim=1)
        side = base.item_side(base.items().float())
        scores.scatter_(1, best.indices, base.second_stage(first, recent, best.indices, best.values, side)[0])
    return scores[:, inputs["candidate_ids"]]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("name", [SCORES, DISCOVER])
def test_scores_of_a_traced_graph(settings: str, name: str) -> None:
    model = model_of(settings)
    graph = graph_of(model, name)
    shapes = {key: dict.fromkeys(range(len(axes)), torch.export.Dim.DYNAMIC) for key, axes in graph.axes.items()}
    with torch.no_grad():
        traced = torch.export.export(
            graph.module, (), kwargs=graph.inputs, dynamic_shapes=shapes, strict=False
        ).module()
        every = list(range(2, ROWS))
        for rows, length, candidates in ((1, 1, every), (4, 3, every), (2, 6, every[::-2])):
            inputs = inputs_of(model, rows, length, candidates, name == DISCOVER)
            expected = scores_by_pairs(model, inputs)
            torch.testing.assert_close(traced(**inputs), expected, atol=1e-4, rtol=1e-5)
            torch.testing.assert_close(graph.module(**inputs), expected, atol=1e-4, rtol=1e-5)
            assert torch.isinf(expected).any() == (name == DISCOVER)


def test_states_and_texts() -> None:
    model = model_of("plain")
    assert [graph.name for graph in graphs_of(model)] == [TEXT, BEHAVIOR, SCORES, DISCOVER]
    inputs = example_histories(model, 3, 5)
    states, users = graph_of(model, BEHAVIOR).module(**inputs)
    expected, _, _ = model.model.encode_queries(**inputs)
    torch.testing.assert_close(states, expected)
    torch.testing.assert_close(users, model.get_user_features(**inputs))
    ids = torch.tensor([[3, 4, 5], [6, 7, 0]])
    pooled, valid, whitened = graph_of(model, TEXT).module(input_ids=ids, attention_mask=ids.ne(0).long())
    torch.testing.assert_close(whitened, model.model.encode_text(ids, ids.ne(0).long()))
    torch.testing.assert_close(pooled, model.model.text(ids, ids.ne(0).long())[0])
    assert valid.tolist() == [[1], [1]]
    assert last_events(torch.tensor([[1, 1, 0], [0, 1, 1], [1, 0, 0]])).tolist() == [1, 5, 6]


class OtherScores(XCatModel):
    def score_states(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        return super().score_states(*args, **kwargs)


class WithOtherScores(XCatForNextItem):
    base_class = OtherScores


@pytest.mark.parametrize(
    ("kind", "changes", "reason"),
    [
        (
            XCatForNextItem,
            {"behavior_encoder": "gru"},
            "behavior_encoder is 'gru', whose graph would have one fixed length",
        ),
        (XCatForClickPrediction, {}, "the model predicts clicks, and only lists of items can be exported"),
        (WithOtherScores, {}, "OtherScores overrides score_states, which is not exported"),
    ],
)
def test_refusals(kind: type[XCatForNextItem], changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_exportable(tiny_model(tiny_config(**changes), kind=kind))
