"""Training the text encoder: a budget of texts per step is encoded with gradients, the others keep their states.

The encoder learns most from the texts of a step's histories and labels. A random sample of them, up to the budget, is
encoded again. All others are read from the item table, as with a frozen encoder, so memory and time per step depend on
the budget and not on the catalogue. New states are stored. Before each evaluation the whole catalogue is encoded with
the current encoder, so metrics, checkpoints and recommendations never use stale states.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from ..catalogue.item_table import distinct_texts
from ..modeling_xcat.items_xcat import XCatItemEncoder
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..tokenization.processing_xcat import XCatProcessor


def item_encoder(model: Any) -> XCatItemEncoder | None:
    """The item encoder of a head around an `XCatModel`; None of another model, such as a click baseline."""
    items = getattr(getattr(model, "model", None), "items", None)
    return items if hasattr(items, "kept_texts") else None


def keep_projected_texts(model: Any, keep: bool) -> None:
    """Set whether a step may reuse texts that an earlier step projected, and drop the stored ones."""
    if (items := item_encoder(model)) is not None:
        model.keep_texts, items.kept_texts = keep, None


def trains_text(model: Any) -> bool:
    """Whether any parameter of the text encoder is trained, and items are represented by text."""
    reads = item_encoder(model) is not None and bool(model.config.use_text)
    return reads and any(p.requires_grad for p in model.model.text.parameters())


def text_learning_rate(model: XCatForNextItem, given: float | None) -> float:
    """Learning rate of the text encoder: the given one, or 2e-4 for adapters, or 5e-5 for its own weights.

    The rest is trained at rates of 1e-3 and more, which would destroy the encoder's pretrained weights.
    """
    if given is not None:
        return given
    encoder = model.model.text.encoder
    own = encoder is not None and encoder.get_input_embeddings().weight.requires_grad
    return 5e-5 if own else 2e-4


class TextTuningCollator:
    """Adds the item texts to encode again to the batches of another collator.

    Args:
        collate: Makes `XCatForNextItem` inputs from dataset rows.
        processor: The processor with the catalogue.
        budget: Maximum texts per batch.
    """

    def __init__(
        self,
        collate: Callable[[Sequence[dict[str, Any]]], dict[str, torch.Tensor]],
        processor: XCatProcessor,
        budget: int,
    ) -> None:
        self.collate, self.processor, self.budget = collate, processor, budget
        self.texts, index = distinct_texts(processor.catalogue)
        self.index = torch.from_numpy(np.asarray(index, dtype=np.int64))

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Inputs with the `item_text_...` arguments of `XCatForNextItem.forward`, if there are texts."""
        batch = self.collate(rows)
        items = torch.cat([batch["item_ids"].flatten(), batch["labels"].flatten().clamp(min=0)])
        numbers = torch.unique(self.index[items])
        numbers = numbers[numbers > 0]
        if len(numbers) > self.budget:
            # Seeded by the batch only, so earlier batches and the process have no effect.
            drawn = torch.Generator().manual_seed(zlib.crc32(items.numpy().tobytes()))
            numbers = numbers[torch.randperm(len(numbers), generator=drawn)[: self.budget]].sort().values
        if len(numbers):
            tokens = self.processor.tokenize([self.texts[number] for number in numbers.tolist()])
            batch["item_text_numbers"] = numbers
            batch["item_text_input_ids"] = tokens["input_ids"]
            batch["item_text_attention_mask"] = tokens["attention_mask"]
        return batch
