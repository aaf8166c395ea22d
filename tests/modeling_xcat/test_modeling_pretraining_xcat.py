"""Losses of pretraining: by hand, for every causal encoder, with candidates of one dataset and no id embeddings."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoModel

from xcat_rec.modeling_xcat.layout_xcat import SequenceLayout
from xcat_rec.modeling_xcat.modeling_pretraining_xcat import LOSSES, XCatForPreTraining, contrast
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem
from xcat_rec.modeling_xcat.views_xcat import DroppedView

from .conftest import ROWS, tiny_config, tiny_model

ENCODERS = ("transformer", "gru", "lstm")
BATCH = {
    "item_ids": torch.tensor([[2, 3, 4, 5, 3, 0], [6, 2, 0, 0, 0, 0]]),
    "attention_mask": torch.tensor([[1, 1, 1, 1, 1, 0], [1, 1, 0, 0, 0, 0]]),
    "position_ids": torch.tensor([[0, 1, 2, 0, 1, 0], [0, 1, 0, 0, 0, 0]]),
    "event_type_ids": torch.tensor([[1, 2, 1, 1, 2, 0], [1, 1, 0, 0, 0, 0]]),
    "labels": torch.tensor([[3, 4, 6, 3, 2, -100], [2, -100, -100, -100, -100, -100]]),
}
"""Histories 2 3 4 (6), 5 3 (2) and 6 2 of the first dataset; the last history has no label at its end."""
STILL: dict[str, Any] = {"hidden_dropout": 0.0, "attention_dropout": 0.0, "id_dropout": 0.0, "item_features": {}}


def model_of(weights: dict[str, float] | None = None, **changes: Any) -> Any:
    chosen = dict.fromkeys(LOSSES.values(), 0.0) | {LOSSES[name]: value for name, value in (weights or {}).items()}
    config = tiny_config(**{**STILL, **(chosen if weights is not None else {}), **changes})
    model = tiny_model(config, kind=XCatForPreTraining)
    with torch.no_grad():
        model.model.items.id_embeddings.weight.zero_()
        model.model.items.text_index[2:] = torch.arange(ROWS - 2) % 8 + 1  # different texts in a dataset
    model.catalogue_bounds = [2, 8, ROWS]
    return model


@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_loss_trains_every_encoder(encoder):
    for name in LOSSES:
        model = model_of({name: 1.0}, behavior_encoder=encoder, mask_probability=0.9)
        torch.manual_seed(0)
        output = model(**BATCH)
        assert torch.isfinite(output.loss) and output.loss > 0
        assert torch.equal(output.loss, getattr(output, f"{name}_loss"))
        assert all(getattr(output, f"{other}_loss") is None for other in LOSSES if other != name)
        output.loss.backward()
        learned = {key for key, value in model.named_parameters() if value.grad is not None and value.grad.any()}
        assert any("encoder" in key and "text" not in key for key in learned), name
        assert any("adaptor" in key for key in learned), name
        assert ("mask_embedding.weight" in learned) == (name != "next_item")


def test_the_loss_is_the_weighted_sum():
    weights = {"next_item": 1.0, "masked_item": 0.5, "item_contrast": 0.25, "sequence_contrast": 2.0}
    output = model_of(weights)(**BATCH)
    expected = sum(weight * getattr(output, f"{name}_loss") for name, weight in weights.items())
    assert torch.allclose(output.loss, expected)
    whole = model_of(weights)(**BATCH, num_items_in_batch=24)  # 6 labels here, 18 in the other batches of the step
    parts = sum(weight * getattr(whole, f"{name}_loss") for name, weight in weights.items())
    assert torch.allclose(whole.loss, parts / 4)


def test_the_next_item_loss_is_that_of_the_model_with_these_candidates():
    """With all items of the dataset drawn, the logQ correction is that of the sampled softmax of `XCatForNextItem`."""
    model = model_of({"next_item": 1.0}, num_negatives=200, event_types=["buy", "view"], repeats="off")
    loss = model(**BATCH).next_item_loss
    states = model.model(**{k: v for k, v in BATCH.items() if k != "labels"}).last_hidden_state
    known = BATCH["labels"] >= 2
    scores = model.model.query_side(states[known]) @ model.model.item_side(model.model.items()[2:8]).T
    expected = torch.nn.functional.cross_entropy(scores, BATCH["labels"][known] - 2)
    assert torch.allclose(loss, expected, atol=1e-4)  # every item is drawn almost surely


def test_candidates_are_of_the_dataset_of_the_batch():
    model = model_of(num_negatives=300)
    events = torch.tensor([3, 4])
    assert model._candidates(BATCH["item_ids"].clamp(max=7), events).rows.tolist() == [2, 3, 4, 5, 6, 7]
    other = torch.tensor([[9, 12]])
    assert model._candidates(other, torch.tensor([9, 12])).rows.tolist() == [8, 9, 10, 11, 12, 13]
    with pytest.raises(ValueError, match="items of several datasets"):
        model._candidates(other, torch.tensor([3, 9]))
    model.catalogue_bounds = None
    assert model._candidates(other, torch.tensor([3, 9])).rows.tolist() == [*range(2, ROWS)]


@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_masked_item_is_read_from_both_sides_and_not_from_itself(encoder, monkeypatch):
    """Changing the masked item changes no state; changing one before or after it does."""
    model = model_of({"masked_item": 1.0}, behavior_encoder=encoder).eval()
    layout = SequenceLayout.from_inputs(BATCH["item_ids"], BATCH["attention_mask"], BATCH["position_ids"])
    found: list[torch.Tensor] = []

    def states_with(items: torch.Tensor) -> torch.Tensor:
        candidates = model._candidates(items, items[items > 1])
        model._masked_item_loss(candidates, items, layout, BATCH["event_type_ids"])
        return found.pop()

    monkeypatch.setattr(model, "_among", lambda candidates, states, targets: found.append(states) or states.sum())
    drawn = torch.ones(7)
    drawn[1] = 0.0  # the second of seven events, the middle of the first history
    monkeypatch.setattr(torch, "rand", lambda *shape, **_: drawn)
    start = states_with(BATCH["item_ids"])
    assert start.shape == (1, 16)
    for place, changes in ((1, False), (0, True), (2, True), (3, False)):
        items = BATCH["item_ids"].clone()
        items[0, place] = 7
        assert torch.allclose(states_with(items), start, atol=1e-6) != changes, place


def test_a_view_without_drops_has_the_states_of_the_whole_history():
    model = model_of({"sequence_contrast": 1.0}, drop_probability=0.0).eval()
    layout = SequenceLayout.from_inputs(BATCH["item_ids"], BATCH["attention_mask"], BATCH["position_ids"])
    candidates = model._candidates(BATCH["item_ids"], BATCH["item_ids"][BATCH["item_ids"] > 1])
    view = DroppedView.draw(layout, 0.0)
    shortened = model._read_view(candidates, BATCH["item_ids"], view, BATCH["event_type_ids"])
    inputs = {name: value for name, value in BATCH.items() if name != "labels"}
    whole = model.model(**inputs).last_hidden_state.flatten(0, 1)[[2, 4, 7]]
    assert torch.allclose(shortened, whole, atol=1e-6)


def test_contrast_by_hand():
    one = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    other = torch.tensor([[3.0, 0.0], [1.0, 1.0]])
    cosines = torch.tensor([[1.0, 0.5**0.5], [0.0, 0.5**0.5]]) / 0.5
    rows, columns = cosines.log_softmax(1).diagonal(), cosines.log_softmax(0).diagonal()
    assert contrast(one, other, 0.5).item() == pytest.approx(-(rows.mean() + columns.mean()).item() / 2)


def test_without_labels_it_is_the_model_of_next_items():
    model = model_of().eval()
    plain = XCatForNextItem(model.config).eval()
    plain.model = model.model
    inputs = {name: value for name, value in BATCH.items() if name != "labels"}
    asked = {**inputs, "query_positions": torch.tensor([2, 4])}
    assert torch.equal(model(**asked).logits, plain(**asked).logits)


def test_a_batch_whose_histories_have_one_event_and_no_masks():
    model = model_of(mask_probability=0.5)
    output = model(torch.tensor([[3], [5]]), position_ids=torch.tensor([[0], [0]]), labels=torch.tensor([[4], [-100]]))
    assert output.masked_item_loss == 0 and torch.isfinite(output.loss)
    output.loss.backward()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"use_text": False, "ask_length": 0, "memory_sources": [], "num_fusion_layers": 0}, "use_text is False"),
        ({"objective": "gbce"}, "objective is 'gbce'"),
        (dict.fromkeys(LOSSES.values(), 0), "no loss of pretraining has a weight"),
        (
            {
                "behavior_encoder": "bidirectional", "objective": "cloze", "num_fusion_layers": 0, "repeats": "off",
                "soft_target_weight": 0.0,
            },
            "give transformer, gru or lstm",
        ),
    ],
)  # fmt: skip
def test_configurations_that_cannot_be_pretrained(changes, message):
    with pytest.raises(ValueError, match=message):
        XCatForPreTraining(tiny_config(**changes))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("masked_item_weight", -1),
        ("masked_item_weight", float("nan")),
        ("next_item_weight", float("inf")),
        ("drop_probability", 1.0),
        ("contrast_temperature", 0),
        ("contrast_temperature", float("nan")),
    ],
)
def test_fields_out_of_range(field, value):
    with pytest.raises(ValueError, match=f"XCatConfig.{field} is {value}"):
        tiny_config(**{field: value})


def test_it_is_saved_and_loaded_as_both_classes(tmp_path):
    model = model_of().eval()
    model.save_pretrained(tmp_path)
    assert (tmp_path / "modeling_pretraining_xcat.py").is_file() and (tmp_path / "views_xcat.py").is_file()
    inputs = {name: value for name, value in BATCH.items() if name != "labels"}
    states = model.model(**inputs).last_hidden_state
    again = XCatForPreTraining.from_pretrained(tmp_path).eval()
    assert torch.equal(again.mask_embedding.weight, model.mask_embedding.weight)
    assert again.catalogue_bounds is None
    assert type(AutoModel.from_pretrained(tmp_path)) is XCatForPreTraining
    for loaded in (again, XCatForNextItem.from_pretrained(tmp_path).eval()):
        assert torch.allclose(loaded.model(**inputs).last_hidden_state, states, atol=1e-6)


def test_every_loss_has_its_field():
    assert set(LOSSES.values()) <= set(tiny_config().to_dict())
    assert all(f"`{weight}`" in str(XCatForPreTraining.__doc__).replace(";", "`") for weight in LOSSES.values())
