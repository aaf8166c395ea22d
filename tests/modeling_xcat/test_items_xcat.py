"""Projected texts that are kept from one training step to the next."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem

from .conftest import tiny_config, tiny_model
from .test_modeling_xcat import layout

STILL = {"hidden_dropout": 0.0, "attention_dropout": 0.0, "id_dropout": 0.0, "objective": "softmax"}


def batch_of(histories: list[dict[str, Any]], *numbers: int) -> dict[str, torch.Tensor]:
    return layout([histories[i] for i in numbers], "packed", with_labels=True)


def gradients(model: XCatForNextItem, batch: dict[str, torch.Tensor]) -> tuple[float, dict[str, torch.Tensor]]:
    model.zero_grad()
    loss = model(**batch).loss
    loss.backward()
    return loss.item(), {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def step_texts(model: XCatForNextItem, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    items = torch.cat([batch["item_ids"].flatten(), batch["labels"].flatten().clamp(min=0)])
    return model.model.items.text_index[items].unique()


def train_a_little(model: XCatForNextItem) -> None:
    with torch.no_grad():
        for parameter in model.model.items.adaptor.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)) * 0.2)


def test_a_step_that_refreshes_is_one_that_keeps_nothing(histories):
    keeping, plain = tiny_model(tiny_config(**STILL)).train(), tiny_model(tiny_config(**STILL)).train()
    keeping.keep_texts = True
    batch = batch_of(histories, 0, 1)
    loss, found = gradients(keeping, batch)
    expected_loss, expected = gradients(plain, batch)
    assert loss == expected_loss and found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)
    kept = keeping.model.items.kept_texts
    assert not kept.requires_grad and plain.model.items.kept_texts is None
    assert "kept_texts" not in " ".join(keeping.state_dict())


def test_with_a_constant_projection_kept_texts_equal_new_ones(histories):
    model, plain = tiny_model(tiny_config(**STILL)).train(), tiny_model(tiny_config(**STILL)).train()
    model.keep_texts = True
    gradients(model, batch_of(histories, 0, 1))
    assert model.model.items.kept_texts is not None
    loss, found = gradients(model, batch_of(histories, 3, 4))
    expected_loss, expected = gradients(plain, batch_of(histories, 3, 4))
    assert loss == pytest.approx(expected_loss, abs=1e-6)
    for name in found:
        if "adaptor" not in name:
            torch.testing.assert_close(found[name], expected[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("changes", [{}, {"use_item_ids": False}, {"scoring": "dot", "temperature": 1.0}])
def test_a_step_in_between_learns_from_the_texts_of_its_own_items(changes, histories, monkeypatch):
    """Compare with a projection of all texts whose result is used for the step's texts only."""
    model, oracle = (tiny_model(tiny_config(**STILL, **changes)).train() for _ in range(2))
    model.keep_texts = True
    gradients(model, batch_of(histories, 0, 1))
    old = oracle.model.items.adaptor(oracle.model.items.text_states[:, 0]).detach()
    for each in (model, oracle):
        train_a_little(each)
    batch = batch_of(histories, 3, 5)
    own = torch.zeros(len(old), dtype=torch.bool)
    own[step_texts(oracle, batch)] = True
    assert own.any() and not own.all()

    def whole(self: Any, rows: Any, index: Any) -> torch.Tensor:
        assert rows is None
        made = self.adaptor(self.text_states[:, 0])
        return torch.where(own[:, None], made, old)[index]

    monkeypatch.setattr(type(oracle.model.items), "_text_part", whole)
    loss, found = gradients(model, batch)
    expected_loss, expected = gradients(oracle, batch)
    assert loss == pytest.approx(expected_loss, abs=1e-5) and found.keys() == expected.keys()
    assert found["model.items.adaptor.expand.weight"].abs().sum() > 0
    for name in found:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-6)


def test_evaluation_neither_uses_nor_changes_kept_texts(histories):
    model, plain = tiny_model(tiny_config(**STILL)).train(), tiny_model(tiny_config(**STILL)).train()
    model.keep_texts = True
    gradients(model, batch_of(histories, 0, 1))
    kept = model.model.items.kept_texts.clone()
    for each in (model, plain):
        train_a_little(each)
        each.eval()
    batch = batch_of(histories, 3, 4)
    assert model(**batch).loss.item() == plain(**batch).loss.item()
    inputs = layout([histories[1]], "packed")
    assert torch.equal(model.score_catalogue(**inputs), plain.score_catalogue(**inputs))
    assert torch.equal(model.model.items.kept_texts, kept)


def test_texts_encoded_again_drop_the_kept_ones(histories):
    model = tiny_model(tiny_config(**STILL)).train()
    model.keep_texts = True
    gradients(model, batch_of(histories, 0, 1))
    items = model.model.items
    with items.fresh_texts(torch.tensor([2]), torch.randn(1, *items.text_states.shape[1:])):
        assert items.kept_texts is None
