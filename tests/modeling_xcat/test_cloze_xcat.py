"""Masked events: slots, masks and their loss by hand, and no event behind a mask or after a query in any state."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from xcat_rec.modeling_xcat import cloze_xcat
from xcat_rec.modeling_xcat.cloze_xcat import ClozeBatch, Slots, draw_masks
from xcat_rec.modeling_xcat.layout_xcat import SequenceLayout
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem

from .conftest import ROWS, tiny_config, tiny_model

MASKS: dict[str, Any] = {
    "behavior_encoder": "bidirectional", "objective": "cloze", "num_fusion_layers": 0, "repeats": "off",
    "soft_target_weight": 0.0, "num_neighbors": 0, "num_candidates": 0, "num_segments": 0,
}  # fmt: skip


def model_of(**changes: Any) -> XCatForNextItem:
    return tiny_model(tiny_config(**{**MASKS, **changes}), "eager")


def states_of(model: XCatForNextItem, item_ids: list[list[int]], masked: list[list[int]], **inputs: Any) -> Any:
    """(rows, length, hidden) states of histories whose masks are given."""
    return model.model(item_ids=torch.tensor(item_ids), masked=torch.tensor(masked).bool(), **inputs).last_hidden_state


def test_a_batch_of_masks_by_hand(monkeypatch):
    """Two histories in one row; labels are the next events, and one label is missing."""
    item_ids = torch.tensor([[5, 6, 7, 8, 9, 0]])
    labels = torch.tensor([[6, -100, 4, 9, -100, -100]])
    layout = SequenceLayout.from_inputs(item_ids, None, torch.tensor([[0, 1, 2, 0, 1, 0]]))
    monkeypatch.setattr(torch, "rand", lambda *shape, **_: torch.tensor([[0.9], [0.01]]) if shape[-1] == 1 else
                        torch.tensor([[0.0, 0.0, 0.1, 0.1], [0.0, 0.9, 0.0, 0.0]]))  # fmt: skip
    batch = ClozeBatch.draw(item_ids, labels, layout, max_history=6, probability=0.2)
    # Events 6 and 4 of the first history have labels; the second history has its only mask at 9, its last label.
    assert batch.item_ids.tolist() == [[5, 1, 7, 1], [8, 1, 0, 0]]
    assert batch.masked.long().tolist() == [[0, 1, 0, 1], [0, 1, 0, 0]]
    assert batch.attention_mask.tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    assert batch.targets.tolist() == [6, 4, 9]
    ratings = batch.inputs({"rating_ids": torch.tensor([[1, 2, 3, 4, 5, 0]]), "position_ids": layout.position_ids})
    assert ratings["rating_ids"].tolist() == [[1, 0, 3, 0], [4, 0, 0, 0]] and "position_ids" not in ratings


def test_the_oldest_events_leave_room_for_the_mask():
    layout = SequenceLayout.from_inputs(torch.tensor([[5, 6, 7, 8]]), None, None)
    batch = ClozeBatch.ends(torch.tensor([[5, 6, 7, 8]]), layout, max_history=4)
    assert batch.item_ids.tolist() == [[6, 7, 8, 1]] and batch.masked.long().tolist() == [[0, 0, 0, 1]]
    assert Slots.after(layout, max_history=4).before.tolist() == [[0, 1, 2, 3]]


def test_masks_have_their_probability_and_every_history_has_one(monkeypatch):
    torch.manual_seed(0)
    eligible = torch.rand(4000, 30) < 0.7
    eligible[:10] = False
    drawn = draw_masks(eligible, 0.2)
    assert not (drawn & ~eligible).any() and drawn[10:].any(1).all() and not drawn[:10].any()
    last = (eligible.flip(1).cumsum(1).flip(1) == 1) & eligible
    at_the_end_only = (drawn == last).all(1) & last.any(1)
    assert at_the_end_only.float().mean() == pytest.approx(0.1 + 0.9 * 0.01, abs=0.02)
    monkeypatch.setattr(cloze_xcat, "LAST_ONLY", 0.0)
    assert draw_masks(eligible, 0.2).sum() / eligible.sum() == pytest.approx(0.2, abs=0.01)


def test_a_state_by_hand():
    """One layer of pre-norm self-attention over two events and the mask, with plain matrix products."""
    model = model_of(num_behavior_layers=1, num_attention_heads=1, event_types=[], num_rating_buckets=0,
                     num_time_gap_buckets=0)  # fmt: skip
    base = model.model
    block = base.encoder.layers[0]
    items = torch.cat([base.items(torch.tensor([4, 7])), base.encoder.mask_embedding.weight])
    states = base.input_norm(items + base.position_embeddings.weight[:3])
    normed = block.attention_norm(states)
    query, key, value = (part(normed) for part in (block.attention.query, block.attention.key, block.attention.value))
    weights = torch.softmax(query @ key.T / 4, dim=-1)  # every event sees every event; the width is 16
    states = states + block.attention.output(weights @ value)
    states = states + block.feed_forward(block.feed_forward_norm(states))
    found, _, _ = base.encode_queries(item_ids=torch.tensor([[4, 7]]))
    torch.testing.assert_close(found, base.output_norm(states)[2:], atol=1e-5, rtol=1e-5)


def test_the_loss_is_the_mean_of_the_masks_cross_entropies():
    model = model_of(hidden_dropout=0.0, attention_dropout=0.0, id_dropout=0.0).train()
    item_ids, labels = torch.tensor([[4, 7, 5], [6, 3, 0]]), torch.tensor([[7, 5, 9], [3, 8, -100]])
    torch.manual_seed(4)
    loss = model(item_ids=item_ids, labels=labels).loss
    torch.manual_seed(4)
    layout = SequenceLayout.from_inputs(item_ids, None, None)
    batch = ClozeBatch.draw(item_ids, labels, layout, 6, 0.2)
    states = model.model.query_side(states_of(model, batch.item_ids.tolist(), batch.masked.tolist())[batch.masked])
    scores = states @ model.model.item_side(model.model.items())[2:].T
    expected = torch.nn.functional.cross_entropy(scores, batch.targets - 2)
    torch.testing.assert_close(loss, expected, atol=1e-5, rtol=1e-5)
    torch.manual_seed(4)  # with gradient accumulation a batch counts by its labels: five of ten
    torch.testing.assert_close(model(item_ids=item_ids, labels=labels, num_items_in_batch=10).loss, loss / 2)


def test_weights_are_those_of_the_masked_labels():
    model = model_of(hidden_dropout=0.0, attention_dropout=0.0, id_dropout=0.0).train()
    item_ids, labels = torch.tensor([[4, 7, 5]]), torch.tensor([[7, 5, 9]])
    losses = []
    for weights in (torch.ones(1, 3), torch.full((1, 3), 3.0), torch.zeros(1, 3)):
        torch.manual_seed(1)
        losses.append(model(item_ids=item_ids, labels=labels, loss_weights=weights).loss)
    torch.testing.assert_close(losses[1], 3 * losses[0])
    assert losses[2] == 0


def test_nothing_behind_a_mask_is_read():
    model = model_of()
    masks = [[0, 1, 0, 1]]
    inputs = {"rating_ids": torch.tensor([[3, 0, 2, 0]])}
    before = states_of(model, [[4, 1, 7, 1]], masks, **inputs)
    torch.testing.assert_close(states_of(model, [[4, 9, 7, 12]], masks, **inputs), before)
    later = states_of(model, [[4, 1, 8, 1]], masks, **inputs)
    assert (later[0, 1] - before[0, 1]).abs().max() > 1e-3, "a mask sees later events"


def test_a_prediction_sees_its_own_history_only_and_is_made_at_its_end(histories):
    model = model_of()
    packed = torch.tensor([[4, 7, 5, 9, 3]])
    positions = torch.tensor([[0, 1, 2, 0, 1]])
    expected = model.score_catalogue(item_ids=torch.tensor([[4, 7, 5]]))
    other = model.score_catalogue(item_ids=packed, position_ids=positions)
    torch.testing.assert_close(other[:1], expected)
    with pytest.raises(ValueError, match="1 of 2 query_positions are not at the last event of a history"):
        model.score_catalogue(item_ids=packed, position_ids=positions, query_positions=torch.tensor([1, 4]))
    hidden = model.model(item_ids=packed, position_ids=positions).last_hidden_state
    assert not hidden[0, [0, 1, 3]].any() and hidden[0, [2, 4]].any(1).all()


def test_the_mask_is_no_item():
    model = model_of()
    assert model.score_catalogue(item_ids=torch.tensor([[4]])).shape == (1, ROWS)
    assert len(model.model.items.id_embeddings.weight) == ROWS
    assert model.model.encoder.mask_embedding.weight.shape == (1, 16)


def test_labels_and_queries_together_score_the_queries():
    model = model_of()
    item_ids = torch.tensor([[4, 7, 5]])
    found = model(item_ids=item_ids, labels=torch.tensor([[7, 5, 9]]), query_positions=torch.tensor([2]))
    torch.testing.assert_close(found.logits, model.score_catalogue(item_ids=item_ids))
    assert found.loss > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objective": "softmax"}, "behavior_encoder is 'bidirectional' and objective 'softmax'"),
        ({"behavior_encoder": "transformer"}, "behavior_encoder is 'transformer' and objective 'cloze'"),
        ({"num_fusion_layers": 1}, "num_fusion_layers is 1, .*give num_fusion_layers=0"),
        ({"repeats": "jointly"}, "repeats is 'jointly', .*give repeats='off'"),
        ({"soft_target_weight": 0.3}, "soft_target_weight is 0.3"),
        ({"max_history": 1}, "max_history is 1, .*at least 2"),
        ({"num_behavior_layers": 0}, "num_behavior_layers is 0, .*at least 1"),
        ({"mask_probability": 0.0}, "mask_probability is 0.0; give a share above 0"),
    ],
)
def test_options_that_do_not_go_together(changes, message):
    with pytest.raises(ValueError, match=message):
        tiny_config(**{**MASKS, **changes})
