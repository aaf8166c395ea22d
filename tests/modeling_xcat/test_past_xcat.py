"""Cached states: whatever happens to a history, its state is that of a new encoding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from xcat_rec.modeling_xcat.attention_xcat import XCatAttentionBlock
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem, XCatModel
from xcat_rec.modeling_xcat.past_xcat import XCatPast, next_states, reads_next
from xcat_rec.tokenization.packing import EventFeatures, pack_histories

from .conftest import ROWS, WIDTH, tiny_config, tiny_model

FEATURES = EventFeatures(num_rating_buckets=6, num_time_gap_buckets=8, use_event_types=True)
MODELS: dict[str, dict[str, Any]] = {
    "transformer": {},
    "one layer, several texts": {"num_behavior_layers": 1, "text_tokens_per_item": 3, "num_fusion_layers": 2},
    "no encoder": {"num_behavior_layers": 0},
    "no fusion": {"num_fusion_layers": 0},
    "gru": {"behavior_encoder": "gru"},
    "lstm, no fusion": {"behavior_encoder": "lstm", "num_fusion_layers": 0},
    "lstm": {"behavior_encoder": "lstm"},
    "bidirectional": {
        "behavior_encoder": "bidirectional", "objective": "cloze", "num_fusion_layers": 0, "repeats": "off",
        "soft_target_weight": 0.0,
    },
    "no text": {"use_text": False},
    "texts and images": {
        "image_dim": 5, "image_encoder_dim": 7, "images_per_item": 2, "num_images": 6,
        "memory_sources": ["item_text", "item_image"],
    },
    "texts and interests": {"memory_sources": ["user_text", "item_text", "interests"]},
}  # fmt: skip
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def drawn(seed: int, events: int) -> dict[str, Any]:
    """A history of `events` random events."""
    generator = np.random.default_rng(seed)
    return {
        "items": generator.integers(1, ROWS, events).tolist(),
        "event_types": generator.integers(0, 3, events).tolist(),
        "ratings": [float(value) if value else np.nan for value in generator.integers(0, 6, events)],
        "timestamps": np.cumsum(generator.integers(0, 10_000, events)).tolist(),
    }


def part(history: dict[str, Any], places: Any) -> dict[str, Any]:
    return {name: [values[place] for place in places] for name, values in history.items()}


def inputs_of(model: Any, rows: list[dict[str, Any]], seed: int = 0) -> dict[str, torch.Tensor]:
    """Inputs of the model, with texts and interests of the users if it reads them."""
    inputs = pack_histories(rows, max_history=6, features=FEATURES, mode="right")
    if not model.model.reads_user_texts:
        return inputs
    generator = torch.Generator().manual_seed(seed)
    users = len(rows)
    last = inputs["attention_mask"].sum(1, keepdim=True) - 1
    return inputs | {
        "user_text_input_ids": torch.randint(1, 30, (users, 2, 5), generator=generator),
        "user_text_attention_mask": torch.ones(users, 2, 5, dtype=torch.long),
        "user_text_document_ids": torch.tensor([[0, -1]]).expand(users, 2),
        "user_text_positions": torch.zeros(users, 2, dtype=torch.long),
        "interest_states": torch.randn(users, 3, WIDTH, generator=generator),
        "interest_kinds": torch.tensor([[1, 3, 0]]).expand(users, 3),
        "interest_document_ids": torch.zeros(users, 3, dtype=torch.long),
        "interest_positions": torch.cat([0 * last, last, 0 * last], 1),
    }


def expected(model: Any, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores of a new encoding, and the states."""
    with torch.no_grad():
        states, recent, _ = model.model.encode_queries(**inputs)
        return model.model.score_states(states, recent), states


@pytest.mark.parametrize("name", MODELS)
def test_a_growing_history_has_the_states_and_scores_of_a_new_encoding(name: str) -> None:
    model = tiny_model(tiny_config(**MODELS[name]))
    history, past = drawn(3, 9), XCatPast()
    for events in (1, 2, 3, 5, 6, 7, 9):
        inputs = inputs_of(model, [part(history, range(events))], seed=events)
        scores, states = expected(model, inputs)
        found, recent = next_states(model.model, inputs, [past])
        torch.testing.assert_close(found, states, **CLOSE)
        torch.testing.assert_close(model.model.score_states(found, recent).detach(), scores, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["transformer", "no encoder", "one layer, several texts"])
def test_a_new_event_costs_one_step(name: str) -> None:
    model = tiny_model(tiny_config(**MODELS[name]))
    history, past = drawn(4, 8), XCatPast()
    counts = []
    for events in (3, 3, 4, 6, 7, 8):
        next_states(model.model, inputs_of(model, [part(history, range(events))]), [past])
        counts.append(past.encoded)
    # Three events, none, one, two; then the oldest is dropped, so all six are encoded again, twice.
    assert counts == [3, 3, 4, 6, 12, 18]


def test_an_inserted_event_costs_the_events_after_it() -> None:
    history, late = drawn(5, 6), [0, 1, 2, 4]
    for encoder, cost in (("transformer", 2), ("gru", 5)):
        model, past = tiny_model(tiny_config(behavior_encoder=encoder)), XCatPast()
        next_states(model.model, inputs_of(model, [part(history, late)]), [past])
        inputs = inputs_of(model, [part(history, range(5))])
        found, _ = next_states(model.model, inputs, [past])
        torch.testing.assert_close(found, expected(model, inputs)[1], **CLOSE)
        assert past.encoded == 4 + cost


def test_users_of_a_batch_have_their_own_states_and_another_model_starts_again() -> None:
    model, other = tiny_model(), tiny_model(seed=1)
    pasts = [XCatPast(), XCatPast(), XCatPast()]
    for using, lengths in ((model, (2, 5, 1)), (model, (3, 5, 6)), (other, (3, 5, 6))):
        inputs = inputs_of(using, [part(drawn(seed, 6), range(size)) for seed, size in enumerate(lengths)])
        found, _ = next_states(using.model, inputs, pasts)
        torch.testing.assert_close(found, expected(using, inputs)[1], **CLOSE)


def test_slack_encodes_again_only_now_and_then() -> None:
    model, history = tiny_model(), drawn(6, 30)
    past = XCatPast(slack=3)
    costs = []
    for events in range(1, 16):
        size = past.window(events, 6)
        inputs = inputs_of(model, [part(history, range(events - size, events))])
        before = past.encoded
        found, _ = next_states(model.model, inputs, [past])
        torch.testing.assert_close(found, expected(model, inputs)[1], **CLOSE)
        costs.append(past.encoded - before)
    assert costs == [1] * 6 + [3, 1, 1, 1] * 2 + [3]
    with pytest.raises(ValueError, match="slack is -1"):
        XCatPast(slack=-1)


def test_inputs_of_other_kinds_start_again() -> None:
    model, past, history = tiny_model(), XCatPast(), drawn(10, 4)
    for left_out in ("none", "rating_ids", "event_type_ids"):
        inputs = {name: value for name, value in inputs_of(model, [history]).items() if name != left_out}
        torch.testing.assert_close(next_states(model.model, inputs, [past])[0], expected(model, inputs)[1], **CLOSE)
    assert past.encoded == 12


class _OtherBlock(XCatAttentionBlock):
    """A fusion block that may do anything with the states."""


class _OtherModel(XCatModel):
    def forward(self, *args: Any, **inputs: Any) -> Any:
        output = super().forward(*args, **inputs)
        output.last_hidden_state = output.last_hidden_state.cumsum(1)
        return output


class _ForOther(XCatForNextItem):
    base_class = _OtherModel


def test_what_is_not_known_to_continue_is_encoded_again() -> None:
    plain, bidirectional = tiny_model(), tiny_model(tiny_config(**MODELS["bidirectional"]))
    assert reads_next(plain.model) and not reads_next(bidirectional.model)
    own = tiny_model(kind=_ForOther)
    blocks = tiny_model()
    blocks.model.fusion.layers = nn.ModuleList(_OtherBlock(blocks.config) for _ in blocks.model.fusion.layers).eval()
    for model in (own, blocks):
        past = XCatPast()
        assert not reads_next(model.model)
        for events in (2, 2, 4):
            inputs = inputs_of(model, [part(drawn(7, 4), range(events))])
            found, _ = next_states(model.model, inputs, [past])
            torch.testing.assert_close(found, expected(model, inputs)[1], **CLOSE)
        assert past.encoded == 6, "the same history is not encoded twice, a longer one is"


def test_a_failed_step_leaves_nothing_half_read(monkeypatch: pytest.MonkeyPatch) -> None:
    model, past, history = tiny_model(), XCatPast(), drawn(8, 4)
    next_states(model.model, inputs_of(model, [part(history, range(3))]), [past])
    with monkeypatch.context() as patch:
        patch.setattr(type(model.model.encoder.layers[1]), "forward", _stop)
        with pytest.raises(KeyboardInterrupt):
            next_states(model.model, inputs_of(model, [history]), [past])
    inputs = inputs_of(model, [history])
    torch.testing.assert_close(next_states(model.model, inputs, [past])[0], expected(model, inputs)[1], **CLOSE)


def _stop(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


CHANGES = st.lists(
    st.tuples(st.sampled_from(["append", "insert", "delete", "repeat", "retype"]), st.integers(0, 99)), max_size=12
)


@pytest.mark.parametrize("encoder", ["transformer", "lstm"])
@settings(max_examples=25, deadline=None)
@given(changes=CHANGES, slack=st.integers(0, 7))
def test_any_changes_give_the_states_of_a_new_encoding(encoder: str, changes: list[Any], slack: int) -> None:
    model = _model(encoder)
    pool, past = drawn(9, 100), XCatPast(slack)
    rows = [part(pool, [0])]
    for change, number in changes:
        place = number % len(rows)
        if change == "append":
            rows.append(part(pool, [number]))
        elif change == "insert":
            rows.insert(place, part(pool, [number]))
        elif change == "delete" and len(rows) > 1:
            del rows[place]
        elif change == "retype":
            rows[place] = rows[place] | {"event_types": [number % 3]}
        history = {name: [row[name][0] for row in rows] for name in pool}
        read = part(history, range(len(rows) - past.window(len(rows), 6), len(rows)))
        inputs = inputs_of(model, [read])
        torch.testing.assert_close(next_states(model.model, inputs, [past])[0], expected(model, inputs)[1], **CLOSE)


_MODELS: dict[str, Any] = {}


def _model(encoder: str) -> Any:
    if encoder not in _MODELS:
        _MODELS[encoder] = tiny_model(tiny_config(behavior_encoder=encoder))
    return _MODELS[encoder]
