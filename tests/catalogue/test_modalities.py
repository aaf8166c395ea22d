"""Texts and images changed to measure what they bring: the model is as before afterwards."""

from __future__ import annotations

import pytest
import torch

from xcat_rec.catalogue import cold_start
from xcat_rec.catalogue.modalities import NEITHER, NO_IMAGES, NO_TEXTS, SHUFFLED, WHOLE, changed_content, conditions_of

from ..modeling_xcat.conftest import ROWS, tiny_config, tiny_model
from ..modeling_xcat.test_images_xcat import pictured_model


def state(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("condition", [WHOLE, NO_IMAGES, NO_TEXTS, NEITHER, SHUFFLED])
def test_conditions(condition, monkeypatch):
    monkeypatch.setattr(cold_start, "MIN_WARM_ITEMS", 2)
    model = pictured_model()
    items, before = model.model.items, state(model)
    index, texts = items.images.index.clone(), items.text_index.clone()
    assert condition in conditions_of(model)
    with changed_content(model, condition, seed=1):
        assert items.text_index.any() == (condition in (WHOLE, NO_IMAGES, SHUFFLED))
        assert items.images.index.any() == (condition in (WHOLE, NO_TEXTS, SHUFFLED))
        _, tokens = items.history_text(torch.tensor([[5, 6]]))
        assert tokens.any() == (condition not in (NO_TEXTS, NEITHER))
        if condition == SHUFFLED:
            assert not torch.equal(items.images.index, index)
            assert torch.equal(items.images.index.unique(dim=0), index.unique(dim=0))
            assert torch.equal(items.images.has_image(), index.gt(0).any(1))
        if condition in (WHOLE, SHUFFLED, NO_IMAGES):
            assert torch.equal(items.text_index, texts)
    after = state(model)
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_cold_items_have_neighbours_by_what_is_left(monkeypatch):
    monkeypatch.setattr(cold_start, "MIN_WARM_ITEMS", 2)
    model = pictured_model()
    memory, items = model.model.neighbors, model.model.items
    cold = int((items.item_counts == 0).nonzero()[-1])
    assert cold > 2
    items.text_index[cold] = 0
    with changed_content(model, SHUFFLED):
        assert memory.similarities[cold].any()
    with changed_content(model, NO_IMAGES):  # nothing is known of it
        assert not memory.similarities[cold].any()


def test_a_model_of_texts_has_the_conditions_of_texts():
    model = tiny_model(tiny_config())
    assert conditions_of(model) == [WHOLE, NO_TEXTS]
    with changed_content(model, NO_TEXTS):
        assert not model.model.items.text_index.any()
    assert model.model.items.text_index.any() and len(model.model.items.text_index) == ROWS


def test_an_error_in_the_block_restores_the_model():
    model = pictured_model()
    before = state(model)
    with pytest.raises(RuntimeError, match="no"), changed_content(model, NEITHER):
        raise RuntimeError("no")
    assert all(torch.equal(value, state(model)[name]) for name, value in before.items())
