"""Generic outputs of transformers models: tuples, hidden states, attentions; and exported graphs."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem

from .conftest import tiny_config, tiny_model

ENCODERS = {"transformer": 2, "gru": 0, "lstm": 0}
"""Encoder to its layers that attend; a recurrent encoder is one layer without attention."""
ROWS, LENGTH = 3, 5


def inputs(ids: list[list[int]] | None = None) -> dict[str, torch.Tensor]:
    item_ids = torch.tensor(ids or [[2, 3, 4, 2, 0], [5, 6, 7, 8, 9], [1, 2, 0, 0, 0]])
    mask = item_ids.ne(0).long()
    return {
        "item_ids": item_ids, "attention_mask": mask, "event_type_ids": mask, "rating_ids": mask * 2,
        "time_gap_ids": mask * 3,
    }  # fmt: skip


def model_of(encoder: str, **changes: Any) -> XCatForNextItem:
    return tiny_model(tiny_config(behavior_encoder=encoder, **changes)).eval()


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("where", ["argument", "configuration"])
def test_hidden_states_and_attentions(encoder: str, where: str) -> None:
    head = model_of(encoder)
    asked = {"output_hidden_states": True, "output_attentions": True}
    plain = head(**inputs())
    assert plain.hidden_states is plain.attentions is plain.cross_attentions is None
    if where == "configuration":
        for name, value in asked.items():
            setattr(head.config, name, value)
        asked = {}
    for model in (head, head.model):
        output = model(**inputs(), **asked)
        layers = max(1, ENCODERS[encoder]) + head.config.num_fusion_layers
        assert len(output.hidden_states) == layers + 1
        assert all(states.shape == (ROWS, LENGTH, head.config.hidden_size) for states in output.hidden_states)
        assert output.hidden_states[-1] is output.last_hidden_state
        torch.testing.assert_close(output.last_hidden_state, plain.last_hidden_state)
        assert len(output.attentions) == ENCODERS[encoder]
        assert all(weights.shape == (ROWS, 2, LENGTH, LENGTH) for weights in output.attentions)
        assert len(output.cross_attentions) == head.config.num_fusion_layers
        assert list(output) == [
            "last_hidden_state", "hidden_states", "attentions", "cross_attentions", "memory_positions"
        ]  # fmt: skip
    if where == "configuration":
        assert model(**inputs(), output_hidden_states=False, output_attentions=False).to_tuple()[1:] == ()


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("where", ["argument", "configuration"])
def test_tuples_in_place_of_outputs(encoder: str, where: str) -> None:
    head = model_of(encoder)
    wanted = {**inputs(), "labels": torch.full((ROWS, LENGTH), 4), "query_positions": torch.tensor([3, 9])}
    output, states = head(**wanted), head.model(**inputs())
    asked: dict[str, Any] = {"return_dict": False}
    if where == "configuration":
        head.config.return_dict, asked = False, {}
        torch.testing.assert_close(head(**wanted, return_dict=True).loss, output.loss)
    loss, logits, last = head(**wanted, **asked)
    assert [part.shape for part in (loss, logits, last)] == [(), output.logits.shape, output.last_hidden_state.shape]
    torch.testing.assert_close((loss, logits, last), (output.loss, output.logits, output.last_hidden_state))
    torch.testing.assert_close(head.model(**inputs(), **asked), (states.last_hidden_state,))
    expected = head.score_catalogue(**inputs(), query_positions=torch.tensor([3, 9]))  # inside, outputs have names
    torch.testing.assert_close(expected, logits.detach())


def test_attentions_may_be_asked_of_a_checkpoint(tmp_path: Path) -> None:
    head = model_of("transformer")
    head.config.output_attentions = head.config.output_hidden_states = True
    head.save_pretrained(tmp_path)
    loaded = XCatForNextItem.from_pretrained(tmp_path)
    assert loaded.config.output_attentions and loaded.config._attn_implementation == "sdpa"
    assert len(loaded(**inputs()).attentions) == 2 and len(loaded(**inputs()).hidden_states) == 4


def exported(model: torch.nn.Module, given: dict[str, Any], length: bool) -> torch.nn.Module:
    free = torch.export.Dim.AUTO
    shapes = {
        name: {0: free} if name == "query_positions" or not length else {0: free, 1: free} for name in given
    }  # fmt: skip
    return torch.export.export(model, (), kwargs=given, dynamic_shapes=shapes).module()


@pytest.mark.parametrize("encoder", ENCODERS)
def test_states_as_a_graph_of_any_batch_and_length(encoder: str) -> None:
    """A recurrent encoder has the length of the example, because its loop over time is unrolled."""
    model, free = model_of(encoder).model, encoder == "transformer"
    graph = exported(model, inputs(), free)
    shorter = [[0, 0, 3, 4], [5, 6, 7, 8]] if free else [[0, 0, 0, 3, 4], [5, 6, 7, 8, 9]]
    for given in (inputs(), inputs(shorter)):
        there = given["attention_mask"].bool()
        found, expected = (run(**given).last_hidden_state[there] for run in (graph, model))
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("second_stage", [False, True])
def test_scores_as_a_graph(second_stage: bool) -> None:
    head = model_of("transformer")
    head.config.candidate_attention = second_stage
    if second_stage:
        for buffer in head.model.candidates.buffers():
            buffer.copy_(torch.rand(buffer.shape) + 0.5)
    names = ("item_ids", "attention_mask")
    given = {name: inputs()[name] for name in names}
    graph = exported(head, {**given, "query_positions": torch.tensor([3, 9, 11])}, True)
    other = inputs([[2, 3, 4, 2], [5, 6, 7, 8]])
    for ids, positions in ((inputs(), [3, 9, 11, 1]), (other, [3, 7])):
        asked = {**{name: ids[name] for name in names}, "query_positions": torch.tensor(positions)}
        torch.testing.assert_close(graph(**asked).logits, head(**asked).logits)


@pytest.mark.slow
@pytest.mark.skipif(not all(map(find_spec, ("onnx", "onnxscript", "onnxruntime"))), reason="the extra onnx is needed")
def test_states_by_onnx(tmp_path: Path) -> None:
    import numpy as np
    import onnxruntime

    model, given = model_of("transformer").model, inputs()
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    program = torch.onnx.export(
        model, (), kwargs=given, dynamo=True, dynamic_shapes=dict.fromkeys(given, free), verbose=False
    )
    program.save(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    for asked in (given, inputs([[2, 3, 4, 6], [5, 6, 7, 8]])):
        (found,) = session.run(None, {name: value.numpy() for name, value in asked.items()})
        np.testing.assert_allclose(found, model(**asked).last_hidden_state.detach().numpy(), atol=1e-4)
