"""One matrix of configurations through the same checks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem, XCatModel
from xcat_rec.tokenization.packing import EventFeatures, pack_histories

from .conftest import ROWS, tiny_config, tiny_model

FEATURES = EventFeatures(num_rating_buckets=6, num_time_gap_buckets=8, use_event_types=True)
MATRIX: dict[str, dict[str, Any]] = {
    "transformer": {},
    "gru": {"behavior_encoder": "gru"},
    "lstm": {"behavior_encoder": "lstm"},
    "several text tokens": {"text_tokens_per_item": 3},
    "two fusion layers": {"num_fusion_layers": 2},
    "no fusion": {"num_fusion_layers": 0},
    "no text": {"use_text": False},
    "no ids": {"use_item_ids": False},
    "dot product": {"scoring": "dot", "temperature": 1.0},
    "sampled softmax": {"objective": "sampled_softmax"},
    "gbce": {"objective": "gbce"},
    "bpr-max": {"objective": "bpr_max", "negatives_exponent": 0.5},
    "masks": {
        "behavior_encoder": "bidirectional",
        "objective": "cloze",
        "num_fusion_layers": 0,
        "repeats": "off",
        "soft_target_weight": 0.0,
        "max_history": 7,
    },
    "no features": {"item_features": {}, "event_types": [], "num_rating_buckets": 0, "num_time_gap_buckets": 0},
    "no neighbours": {"num_neighbors": 0},
    "no encoder carried": {"text_config": None},
    "texts of users": {"memory_sources": ["item_text", "user_text"]},
    "texts of users alone": {"memory_sources": ["user_text"]},
}
matrix = pytest.mark.parametrize("changes", MATRIX.values(), ids=MATRIX.keys())


def layout(histories: list[dict[str, Any]], mode: str, **options: Any) -> dict[str, torch.Tensor]:
    return pack_histories(histories, max_history=6, features=FEATURES, mode=mode, **options)


def assert_same_scores(actual: torch.Tensor, expected: torch.Tensor, tolerance: float = 1e-4) -> None:
    assert torch.isneginf(actual[:, :2]).all()
    torch.testing.assert_close(actual[:, 2:], expected[:, 2:], atol=tolerance, rtol=0)


@matrix
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_every_layout_gives_the_same_scores(changes, attention, histories):
    model = tiny_model(tiny_config(**changes), attention)
    expected = tiny_model(tiny_config(**changes), "eager").score_catalogue(**layout(histories, "right"))
    assert expected[:, 2:].std() > 0
    for mode in ("packed", "left", "right"):
        assert_same_scores(model.score_catalogue(**layout(histories, mode)), expected)
    alone = [model.score_catalogue(**layout([history], "left")) for history in histories]
    assert_same_scores(torch.cat(alone), expected)


@matrix
def test_the_loss_does_not_depend_on_the_layout(changes, histories):
    model = tiny_model(tiny_config(**changes))
    long_enough = [history for history in histories if len(history["items"]) > 1]
    losses = []
    for mode in ("packed", "left", "right"):
        torch.manual_seed(3)
        losses.append(model(**layout(long_enough, mode, with_labels=True)).loss)
    if changes.get("objective") not in ("sampled_softmax", "gbce", "bpr_max", "cloze"):  # which draw for each order
        torch.testing.assert_close(losses[1], losses[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(losses[2], losses[1], atol=1e-5, rtol=1e-5)


@matrix
def test_save_and_load_keep_every_number(changes, histories, tmp_path: Path):
    model = tiny_model(tiny_config(**changes))
    model.save_pretrained(tmp_path)
    assert not list(tmp_path.glob("*.bin"))
    inputs = layout(histories, "packed")
    for kind in (XCatForNextItem, XCatModel):
        loaded, info = kind.from_pretrained(tmp_path, output_loading_info=True)
        assert not info["missing_keys"]
        assert_same_scores(loaded.score_catalogue(**inputs), model.score_catalogue(**inputs), 0)
    state, reloaded = model.state_dict(), XCatForNextItem.from_pretrained(tmp_path).state_dict()
    assert state.keys() == reloaded.keys()
    assert all(torch.equal(state[name], reloaded[name]) for name in state)


@matrix
def test_every_trained_parameter_gets_a_gradient(changes, histories):
    model = tiny_model(tiny_config(**changes, hidden_dropout=0.0, attention_dropout=0.0, id_dropout=0.0)).train()
    batch = layout([history for history in histories if len(history["items"]) > 1], "packed", with_labels=True)
    model(**batch).loss.backward()
    silent = {
        name for name, parameter in model.named_parameters()
        if parameter.requires_grad and (parameter.grad is None or not parameter.grad.abs().sum() > 0)
    }  # fmt: skip
    assert not silent
    frozen = [p for n, p in model.named_parameters() if ".text.encoder." in n]
    assert all(parameter.grad is None for parameter in frozen)


@matrix
def test_gradient_checkpointing_changes_nothing(changes, histories):
    batch = layout([history for history in histories if len(history["items"]) > 1], "packed", with_labels=True)
    gradients = []
    for checkpointing in (False, True):
        model = tiny_model(tiny_config(**changes, hidden_dropout=0.0, attention_dropout=0.0, id_dropout=0.0)).train()
        if checkpointing:
            model.activation_checkpointing_enable()
        torch.manual_seed(5)
        model(**batch).loss.backward()
        gradients.append(model.model.position_embeddings.weight.grad)
    torch.testing.assert_close(gradients[1], gradients[0])


@matrix
def test_bfloat16_weights_stay_close(changes, histories):
    inputs = layout(histories, "packed")
    expected = tiny_model(tiny_config(**changes)).score_catalogue(**inputs)[:, 2:]
    low = tiny_model(tiny_config(**changes)).to(torch.bfloat16).score_catalogue(**inputs)[:, 2:]
    assert torch.corrcoef(torch.stack([expected.flatten(), low.float().flatten()]))[0, 1] > 0.98


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_reranker_with_low_precision_weights_computes_in_float32(histories, dtype):
    inputs = layout(histories, "packed")
    model = tiny_model(tiny_config(num_candidates=6, candidate_window=3, candidate_attention=True))
    generator = torch.Generator().manual_seed(2)
    for name, buffer in model.model.candidates.named_buffers():
        drawn = torch.randn(buffer.shape, generator=generator)
        buffer.copy_(drawn.abs() + 0.5 if name.endswith("scale") else drawn)
    low = model.to(dtype)
    states, recent, _ = low.model.encode_queries(**inputs)
    found = low.model.score_states(states.float(), recent)
    expected = low.float().model.score_states(states.float(), recent)
    assert found.dtype == torch.float32
    assert torch.corrcoef(torch.stack([found[:, 2:].flatten(), expected[:, 2:].flatten()]))[0, 1] > 0.98


def test_scores_are_float32_under_autocast(histories):
    model, inputs = tiny_model(), layout(histories, "packed")
    states, recent, _ = model.model.encode_queries(**inputs)
    expected = model.model.score_states(states, recent)
    with torch.autocast("cpu", torch.bfloat16):
        found = model.model.score_states(states, recent)
        assert model(**inputs).logits.dtype == torch.float32
    assert found.equal(expected)


def test_the_future_is_not_seen(histories):
    model = tiny_model()
    inputs = layout(histories[1:2], "right")
    states = model.model(**{k: v for k, v in inputs.items() if k != "query_positions"}).last_hidden_state
    changed = {k: v.clone() for k, v in inputs.items() if k != "query_positions"}
    changed["item_ids"][0, -1] = 2 + (changed["item_ids"][0, -1] - 1) % (ROWS - 2)
    other = model.model(**changed).last_hidden_state
    torch.testing.assert_close(other[0, :-1], states[0, :-1])
    assert (other[0, -1] - states[0, -1]).abs().max() > 1e-3


def test_user_texts_reach_only_their_user_and_only_from_their_time_on(histories):
    model = tiny_model(tiny_config(memory_sources=["item_text", "user_text"]))
    inputs = layout(histories[:2], "right")
    query = inputs.pop("query_positions")
    texts = {
        "user_text_input_ids": torch.tensor([[[3, 4, 5]], [[0, 0, 0]]]),
        "user_text_attention_mask": torch.tensor([[[1, 1, 1]], [[0, 0, 0]]]),
        "user_text_document_ids": torch.tensor([[0], [-1]]),
        "user_text_positions": torch.tensor([[2], [0]]),
    }
    without = model.model(**inputs).last_hidden_state
    with_texts = model.model(**inputs, **texts).last_hidden_state
    torch.testing.assert_close(with_texts[1], without[1])
    torch.testing.assert_close(with_texts[0, :2], without[0, :2])
    assert (with_texts[0, 2:4] - without[0, 2:4]).abs().amax(-1).min() > 1e-4
    assert len(query) == 2
    with pytest.raises(ValueError, match=r"does not read user texts: its memory_sources are \['item_text'\]"):
        tiny_model().model(**inputs, **texts)


def test_attention_weights_are_returned_and_sum_to_one(histories):
    model = tiny_model(tiny_config(text_tokens_per_item=3))
    inputs = layout(histories, "packed")
    inputs.pop("query_positions")
    output = model(**inputs, output_attentions=True)
    assert len(output.attentions) == 2 and len(output.cross_attentions) == 1
    for weights in (*output.attentions, *output.cross_attentions):
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
    assert output.memory_positions.shape[1] == output.cross_attentions[0].shape[-1]
    plain = model(**inputs)
    assert plain.attentions is None
    torch.testing.assert_close(plain.last_hidden_state, output.last_hidden_state, atol=1e-5, rtol=1e-4)


def test_an_item_without_training_events_is_scored_by_text_and_attributes(histories):
    model = tiny_model()
    cold = 5  # item_counts is 0 for every fifth row
    assert model.model.items.item_counts[cold] == 0
    inputs = layout(histories, "packed")
    before = model.score_catalogue(**inputs)
    with torch.no_grad():
        model.model.items.id_embeddings.weight[cold] += 10
    torch.testing.assert_close(model.score_catalogue(**inputs), before)
    with torch.no_grad():
        model.model.items.text_index[cold] = (model.model.items.text_index[cold] % 8) + 1
    assert (model.score_catalogue(**inputs)[:, cold] - before[:, cold]).abs().max() > 1e-3


def test_id_dropout_acts_in_training_only(histories):
    model = tiny_model(tiny_config(id_dropout=0.5))
    torch.testing.assert_close(model.model.items(), model.model.items())
    model.train()
    assert not torch.equal(model.model.items(), model.model.items())


def test_a_history_too_long_is_refused():
    model = tiny_model()
    with pytest.raises(ValueError, match="7 events and the model reads 6"):
        model(item_ids=torch.full((1, 7), 3))


def test_the_loss_is_divided_by_the_labels_of_all_processes(histories):
    model = tiny_model()
    batch = layout(histories[:2], "packed", with_labels=True)
    labels = int(batch["labels"].ne(-100).sum())
    torch.testing.assert_close(model(**batch, num_items_in_batch=2 * labels).loss * 2, model(**batch).loss)
