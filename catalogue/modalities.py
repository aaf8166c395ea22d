"""A model as if its items lacked texts or images, or had the images of others, to measure what each brings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ..modeling_xcat.configuration_xcat import NUM_SPECIAL_ROWS
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..tokenization.vocabulary import UNKNOWN_ROW
from .cold_start import add_cold_start_neighbors, added_items, complete_added_items, drop_cold_start_neighbors

WHOLE, NO_IMAGES, NO_TEXTS, NEITHER = "all", "without images", "without texts", "without both"
SHUFFLED = "images of other items"
_OF_IMAGES = (NO_IMAGES, NEITHER, SHUFFLED)
_OF_TEXTS = (NO_TEXTS, NEITHER)


def conditions_of(model: XCatForNextItem) -> list[str]:
    """The conditions that can be measured: those of texts and images that the model reads.

    Args:
        model: The model.
    """
    texts, images = model.config.use_text, model.model.items.images is not None
    found = [WHOLE]
    found += [NO_IMAGES] if images else []
    found += [NO_TEXTS] if texts else []
    found += [NEITHER] if texts and images else []
    return [*found, *([SHUFFLED] if images else [])]


@contextmanager
@torch.no_grad()
def changed_content(model: XCatForNextItem, condition: str, seed: int = 0) -> Iterator[None]:
    """Change the texts and images of all items within the block.

    Cold-start neighbours, and rates of items that were added after training, are computed again from what is left.
    Item-to-item weights between items with training events stay: they were computed from events and texts.

    Args:
        model: The model; it is as before after the block.
        condition: One of `conditions_of`.
        seed: Seed of the order of images of other items; items without an image keep none.
    """
    items, memory, segments = model.model.items, model.model.neighbors, model.model.segments
    if condition == WHOLE:
        yield
        return
    images: Any = items.images
    places: list[tuple[Any, str]] = (
        [(items, "text_index"), (items, "text_token_mask")] if condition in _OF_TEXTS else []
    )
    places += [(images, "index")] if condition in _OF_IMAGES else []
    places += [(memory, "rows"), (memory, "similarities")] if memory is not None else []
    added = added_items(model)
    tables = [name for name in ("rates", "trends") if len(added) and hasattr(segments, name)]
    places += [(segments, name) for name in tables]
    kept = [(module, name, getattr(module, name)) for module, name in places]
    try:
        for module, name, value in kept:
            setattr(module, name, value.clone())
        if condition in _OF_TEXTS:
            items.text_index.zero_()
            items.text_token_mask[0] = False
        if condition in (NO_IMAGES, NEITHER):
            images.index.zero_()
        elif condition == SHUFFLED:
            pictured = images.has_image().nonzero().squeeze(1)
            pictured = pictured[pictured >= NUM_SPECIAL_ROWS]
            order = torch.randperm(len(pictured), generator=torch.Generator().manual_seed(seed))
            images.index[pictured] = images.index[pictured[order.to(pictured.device)]]
        if memory is not None:
            drop_cold_start_neighbors(memory, items.item_counts)
            add_cold_start_neighbors(model)
        for name in tables:
            values = getattr(segments, name)
            values[added] = values[UNKNOWN_ROW].clone()
        complete_added_items(model, added)
        yield
    finally:
        for module, name, value in kept:
            setattr(module, name, value)
