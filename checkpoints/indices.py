"""Check that the index tensors of a loaded model point into its other tensors."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from ..modeling_xcat.asks_xcat import FIELD_CODES
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from .json_files import COPY_AGAIN

_OF_ITEMS = ("neighbors.rows", "successors.rows", "soft_target_rows", "items.category_values")
"""Tensors of item indices, or of categories, of which there are fewer than items."""


def check_indices(model: XCatForNextItem, name: str) -> None:
    """Refuse a model with an index that points outside of a tensor, as damaged weights may have.

    Args:
        model: The loaded model.
        name: Name of the checkpoint in messages.

    Raises:
        ValueError: If an index is negative or too large.
    """
    for key, indices, limit in _indices(model):
        if indices.is_meta or not indices.numel():
            continue
        low, high = (int(end) for end in indices.aminmax())
        if low < 0 or high >= limit:
            found = low if low < 0 else high
            raise ValueError(f"{name}: its weights are damaged: {key} has the index {found} of {limit}; {COPY_AGAIN}")


def _indices(model: XCatForNextItem) -> Iterator[tuple[str, torch.Tensor, int]]:
    """Name, values and exclusive limit of each index tensor."""
    items, buffers = model.model.items, dict(model.named_buffers())
    for key, values in buffers.items():
        if key.endswith(_OF_ITEMS):
            yield key, values, model.config.num_item_rows
        elif key.endswith("items.text_index"):
            yield key, values, len(items.text_states)
        elif key.endswith("images.index"):
            yield key, values, len(buffers[key.replace("index", "states")])
        elif key.endswith("asks.words"):
            yield key, values, len(buffers[key.replace("words", "rarity")]) * FIELD_CODES
        elif key.endswith("items.feature_values"):
            for place, num_values in enumerate((model.config.item_features or {}).values()):
                yield f"{key}[:, {place}]", values[:, place], num_values
