"""Images in the item table of a model: their sizes in the configuration, their vectors, and new ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..modeling_xcat.configuration_xcat import NUM_SPECIAL_ROWS
from ..modeling_xcat.images_xcat import fit_image_whitening
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..tokenization.images.image_encoder import ImageEncoder
from ..tokenization.images.item_images import ItemImages
from ..tokenization.processing_xcat import XCatProcessor
from ..tokenization.text.text_encoder import weights_digest
from ..tokenization.vocabulary import ItemVocabulary

IMAGE_DIM = 128
"""Directions of the images' vectors that are stored, at most."""
_WITHOUT = "this model was trained without images; leave images out, or train it with images="
MODALITY_DROPOUT = 0.5
"""`modality_dropout` of models with texts and images."""


def image_fields(images: ItemImages) -> dict[str, Any]:
    """Fields of `XCatConfig` for a catalogue with images.

    Args:
        images: The images of its items.
    """
    width = images.vectors.shape[1]
    return {
        "image_config": None if images.encoder is None else images.encoder.config, "image_encoder_dim": width,
        "image_dim": min(IMAGE_DIM, width), "images_per_item": images.index.shape[1],
        "num_images": len(images.vectors) + 1, "modality_dropout": MODALITY_DROPOUT,
        "memory_sources": ["item_text", "item_image"],
    }  # fmt: skip


def image_settings(images: ItemImages) -> dict[str, Any]:
    """What a processor saves about images: the column, and how the encoder prepares a picture."""
    prepared = None if images.encoder is None else dict(images.encoder.preprocessor)
    return {"column": images.column, "preprocessor": prepared}


@torch.no_grad()
def fill_images(model: XCatForNextItem, vocabulary: ItemVocabulary, images: ItemImages) -> None:
    """Load the vision encoder, fit the whitening, and place the images of a new model's catalogue.

    Args:
        model: A model whose configuration has the fields of `image_fields`.
        vocabulary: Its catalogue.
        images: The images of the items.
    """
    table, encoder = model.model.items.images, model.model.image
    assert table is not None
    assert encoder is not None
    if images.encoder is not None and images.encoder.module is not None:
        assert encoder.encoder is not None
        encoder.encoder.load_state_dict(images.encoder.module.state_dict())
    vectors = torch.from_numpy(images.vectors)
    mean, whitening = fit_image_whitening(vectors, model.config.image_dim)
    encoder.mean.copy_(mean)
    encoder.whitening.copy_(whitening)
    table.states[1:] = encoder.whiten(vectors)
    ids = vocabulary.column("item_id").to_pylist()
    table.index[NUM_SPECIAL_ROWS:] = torch.from_numpy(images.rows_of(ids, model.config.images_per_item))


@torch.no_grad()
def change_images(
    model: XCatForNextItem, vocabulary: ItemVocabulary, source: torch.Tensor, images: ItemImages | None
) -> None:
    """Give a model the images of another catalogue; does nothing to a model without images.

    An item keeps its images unless new ones are given.

    Args:
        model: The model; its item table still has the images of the earlier catalogue.
        vocabulary: The new catalogue.
        source: (rows,) earlier row of each row.
        images: Images of some or all items, encoded by the model's encoder; None for none.

    Raises:
        ValueError: If their vectors have another width than the model's, or the model has no images.
    """
    table, encoder = model.model.items.images, model.model.image
    if table is None or encoder is None:
        if images is not None:
            raise ValueError(_WITHOUT)
        return
    index, states = table.index[source.to(table.index.device)], table.states
    if images is not None:
        check_image_width(model, images)
        given = np.zeros(index.shape, dtype=np.int64)
        given[NUM_SPECIAL_ROWS:] = images.rows_of(vocabulary.column("item_id").to_pylist(), index.shape[1])
        new = torch.from_numpy(given).to(index.device)
        shifted = torch.where(new > 0, new + len(states) - 1, 0)
        index = torch.where(new.gt(0).any(1, keepdim=True), shifted, index)
        states = torch.cat([states, encoder.whiten(torch.from_numpy(images.vectors).to(states))])
    kept, numbers = torch.unique(torch.cat([index.new_zeros(1), index.flatten()]), return_inverse=True)
    table.states, table.index = states[kept], numbers[1:].view_as(index)
    model.config.num_images = len(table.states)


def check_image_width(model: XCatForNextItem, images: ItemImages) -> None:
    """Refuse vectors that are not of the model's encoder.

    Raises:
        ValueError: If their width differs.
    """
    width = images.vectors.shape[1]
    if width != model.config.image_encoder_dim:
        raise ValueError(
            f"items, column {images.column}: vectors of {width} numbers, and the model's images have "
            f"{model.config.image_encoder_dim}; give images or vectors of the encoder that the model was trained with"
        )


def image_encoder_of(model: XCatForNextItem, processor: XCatProcessor) -> ImageEncoder:
    """The vision encoder within a trained model.

    Args:
        model: The model.
        processor: Its processor.

    Raises:
        ValueError: If the model has no images, or was trained on vectors.
    """
    encoder, settings = model.model.image, processor.image_settings or {}
    if encoder is None:
        raise ValueError(_WITHOUT)
    if encoder.encoder is None or not settings.get("preprocessor"):
        raise ValueError(
            "this model was trained on vectors of images and has no vision encoder; give a column of vectors, or "
            "train it again with image_encoder="
        )
    module, device = encoder.encoder.eval(), model.device

    def encode(pixels: torch.Tensor) -> torch.Tensor:
        vectors: torch.Tensor = encoder(pixels.to(device))
        return vectors

    return ImageEncoder(encode, settings["preprocessor"], weights_digest(module), config=model.config.image_config)
