"""Images of items in the model: pooling, whitening, representations, modality dropout and memory tokens."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.modeling_xcat.configuration_xcat import XCatConfig
from xcat_rec.modeling_xcat.images_xcat import XCatItemImages, fit_image_whitening, pooled_image
from xcat_rec.modeling_xcat.items_xcat import IMAGE, TEXT, share_of_modality
from xcat_rec.modeling_xcat.layout_xcat import SequenceLayout
from xcat_rec.modeling_xcat.memory_xcat import ItemImageMemory, MemoryInputs
from xcat_rec.modeling_xcat.text_xcat import fit_whitening

from .conftest import ROWS, tiny_config, tiny_model

IMAGES: dict[str, Any] = {
    "image_dim": 5, "image_encoder_dim": 7, "images_per_item": 2, "num_images": 6,
    "memory_sources": ["item_text", "item_image"],
}  # fmt: skip


def pictured_model(**changes: Any) -> Any:
    """A tiny model with images: row 2 has none, row 3 two, and the others one."""
    model = tiny_model(tiny_config(**{**IMAGES, **changes}))
    images = model.model.items.images
    torch.manual_seed(3)
    images.states[1:] = torch.randn(5, 5)
    images.index.zero_()
    images.index[3:, 0] = torch.arange(ROWS - 3) % 5 + 1
    images.index[3, 1] = 4
    return model


def test_one_vector_per_image_from_every_kind_of_output() -> None:
    states = torch.arange(24.0).view(2, 3, 2, 2)
    assert pooled_image(SimpleNamespace(pooler_output=states[:, :, :1, :1])).tolist() == states[:, :, 0, 0].tolist()
    assert pooled_image(SimpleNamespace(pooler_output=None, last_hidden_state=states)).tolist()[0] == [1.5, 5.5, 9.5]
    tokens = SimpleNamespace(last_hidden_state=torch.tensor([[[1.0, 4.0], [3.0, 8.0]]]))
    assert pooled_image(tokens).tolist() == [[2.0, 6.0]]
    with pytest.raises(ValueError, match="give another image_encoder"):
        pooled_image(SimpleNamespace())


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 12), st.integers(1, 6), st.integers(1, 8), st.integers(0, 99))
def test_whitened_directions_are_uncorrelated_and_shrunk_as_those_of_texts(
    images: int, width: int, size: int, seed: int
) -> None:
    vectors = torch.randn(images, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    size = min(size, width)
    mean, matrix = fit_image_whitening(vectors, size, floor=0.0)
    white = (vectors - mean) @ matrix
    variances = torch.linalg.eigvalsh(torch.cov(vectors.T).reshape(width, width)).flip(0).clamp(min=0)
    shrunk = variances / (variances + (width / images) ** 2 * variances.mean())
    expected = torch.diag(shrunk[:size])
    assert torch.allclose(white.T @ white / (images - 1), expected, atol=1e-6)


@pytest.mark.parametrize("images", [5, 40, 400])
def test_whitening_with_all_directions_gives_the_similarities_that_texts_have(images: int) -> None:
    vectors = torch.randn(images, 16, generator=torch.Generator().manual_seed(1)) * torch.arange(1.0, 17)
    (mean, matrix), (same_mean, whole) = fit_image_whitening(vectors, 16), fit_whitening(vectors)
    white, other = (vectors - mean) @ matrix, (vectors - same_mean) @ whole
    torch.testing.assert_close(white @ white.T, other @ other.T, rtol=1e-3, atol=1e-3)


def test_few_images_stay_nearest_to_those_of_the_same_look() -> None:
    generator = torch.Generator().manual_seed(0)
    looks = torch.arange(120) % 4
    vectors = 1.5 * torch.randn(4, 256, generator=generator)[looks] + torch.randn(120, 256, generator=generator)
    mean, matrix = fit_image_whitening(vectors, 64)
    white = torch.nn.functional.normalize((vectors - mean) @ matrix, dim=1)
    nearest = (white @ white.T).fill_diagonal_(-1).topk(5).indices
    assert looks[nearest].eq(looks[:, None]).float().mean() > 0.95, "with unit variance in all directions it is .42"


def test_equal_images_have_zeros() -> None:
    mean, matrix = fit_image_whitening(torch.ones(3, 4), 2)
    assert mean.tolist() == [1.0] * 4
    assert not matrix.any()


def test_an_item_is_represented_by_the_mean_of_its_images_and_one_without_by_none() -> None:
    images: XCatItemImages = pictured_model().model.items.images
    assert images.has_image().tolist() == [False] * 3 + [True] * (ROWS - 3)
    assert torch.allclose(images.pooled()[3], (images.states[1] + images.states[4]) / 2)
    assert torch.equal(images.pooled()[4], images.states[2])
    whole, some = images(), images(torch.tensor([3, 2, 7]))
    assert torch.allclose(whole[[3, 2, 7]], some) and not whole[2].any() and whole[3].any()


def test_the_image_is_added_to_the_representation() -> None:
    items = pictured_model().model.items
    added = items.images()
    whole = items()
    items.images.index.zero_()
    assert torch.allclose(whole - items(), added, atol=1e-6)


def test_training_drops_the_text_or_the_image_of_items_with_both() -> None:
    items = pictured_model(modality_dropout=0.8, id_dropout=0.0).model.items
    items.text_index[4] = 0
    text, image, whole = items._text_part(None, items.text_index), items.images(), items()
    rest = whole - text - image
    empty = items.adaptor(torch.zeros(items.text_states.shape[-1]))
    items.train()
    torch.manual_seed(1)
    seen = {"both": 0, "text": 0, "image": 0}
    for _ in range(40):
        for row, value in enumerate(items() - rest):
            kinds = {"both": text[row] + image[row], "text": text[row], "image": empty + image[row]}
            found = [name for name, wanted in kinds.items() if torch.allclose(value, wanted, atol=1e-5)]
            if row in (2, 4):  # one has no image, the other no text
                assert "both" in found
            elif row > 4:
                seen[found[0]] += 1
    share = {name: count / sum(seen.values()) for name, count in seen.items()}
    assert share["both"] == pytest.approx(0.2, abs=0.08)
    assert share["text"] == pytest.approx(share["image"], abs=0.12)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_the_share_of_the_training_in_which_an_item_has_its_text(share: float) -> None:
    model = pictured_model(modality_dropout=share)
    items = model.model.items.train()
    both = items.images.has_image() & items.text_index.gt(0)
    torch.manual_seed(0)
    kept = {TEXT: 0.0, IMAGE: 0.0}
    for _ in range(2000):
        items.draw_modality()
        dropped = items._dropped_modalities(None)[both]
        for modality in kept:
            kept[modality] += float(dropped.ne(modality).float().mean()) / 2000
    assert kept[TEXT] == pytest.approx(share_of_modality(model.config), abs=0.03)
    assert kept[IMAGE] == pytest.approx(share_of_modality(model.config), abs=0.03)


def test_in_some_steps_all_items_lose_the_same_modality() -> None:
    model = pictured_model(modality_dropout=0.5, id_dropout=0.0).model
    items, layout = model.items, SequenceLayout.from_inputs(torch.tensor([[5, 6, 7]]), None, None)
    inputs = MemoryInputs(torch.tensor([[5, 6, 7]]), layout, items, torch.zeros(1, 3, model.config.hidden_size))
    text, image = items._text_part(None, items.text_index), items.images()
    both = items.images.has_image() & items.text_index.gt(0)
    rest = items() - text - image
    empty = items.adaptor(torch.zeros(items.text_states.shape[-1]))
    model.train()
    torch.manual_seed(0)
    drawn = []
    for _ in range(200):
        model(torch.tensor([[5, 6, 7]]))
        drawn.append(items.step_modality)
    assert drawn.count(TEXT) / 200 == pytest.approx(0.25, abs=0.08)
    assert drawn.count(IMAGE) / 200 == pytest.approx(0.25, abs=0.08)
    for modality, left in ((TEXT, empty + image), (IMAGE, text)):
        items.step_modality = modality
        assert torch.allclose(items()[both], (rest + left)[both], atol=1e-5)
        shown = {name: source(inputs).document_ids.max() for name, source in model.fusion.sources.items()}
        assert shown == {"item_text": -1 if modality == TEXT else 0, "item_image": -1 if modality == IMAGE else 0}
    model.eval()
    items.draw_modality()
    assert items.step_modality == 0


def test_memory_tokens_are_the_images_of_the_events() -> None:
    model = pictured_model().model
    memory: ItemImageMemory = model.fusion.sources["item_image"]
    item_ids = torch.tensor([[3, 2, 5]])
    layout = SequenceLayout.from_inputs(item_ids, None, None)
    positions = torch.zeros(1, 3, model.config.hidden_size)
    tokens = memory(MemoryInputs(item_ids, layout, model.items, positions))
    assert tokens is not None
    assert tokens.document_ids.tolist() == [[0, 0, -1, -1, 0, -1]]
    assert tokens.event_positions.tolist() == [[0, 0, 1, 1, 2, 2]]
    images = model.items.images
    assert torch.allclose(tokens.states[0, 1], memory.projection(images.states[4]))
    assert torch.allclose(tokens.states[0, 4], memory.projection(images.states[3]))


def test_a_model_without_images_ignores_the_source_and_refuses_half_a_configuration() -> None:
    model = tiny_model(tiny_config(memory_sources=["item_text", "item_image"]))
    assert list(model.model.fusion.sources) == ["item_text"] and model.model.image is None
    with pytest.raises(ValueError, match="image_encoder_dim 0; give both"):
        XCatConfig(image_dim=4)
    with pytest.raises(ValueError, match=r"modality_dropout is 1\.5"):
        XCatConfig(modality_dropout=1.5)
    with pytest.raises(ValueError, match=r"image_config has model_type 'nonsense'.*'vit'"):
        XCatConfig(image_config={"model_type": "nonsense"})


def test_images_alone_are_enough() -> None:
    model = pictured_model(use_text=False, use_item_ids=False, item_features={}, ask_length=0)
    scores = model.score_catalogue(item_ids=torch.tensor([[3, 5]]))
    assert scores.shape == (1, ROWS) and scores[0, 2:].isfinite().all()
