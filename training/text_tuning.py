"""Training the text encoder: a budget of texts a step goes through it with gradients, the others keep their states.

The texts of a step's histories and labels are what it can learn most from; as many of them as the budget allows are
drawn at random and encoded anew. All others are read from the item table, as with a frozen encoder, so that memory
and time a step depend on the budget and not on the catalogue. What was encoded anew is kept, and before each
evaluation the whole catalogue is encoded with the encoder of that moment: metrics, checkpoints and recommendations
never rest on stale states.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from ..catalogue.item_table import distinct_texts
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..tokenization.processing_xcat import XCatProcessor


def trains_text(model: XCatForNextItem) -> bool:
    """Whether any parameter of the text encoder is trained, and items are represented by text."""
    return bool(model.config.use_text) and any(p.requires_grad for p in model.model.text.parameters())


def text_learning_rate(model: XCatForNextItem, given: float | None) -> float:
    """Learning rate of the text encoder: the given one, or 2e-4 for adapters, or 5e-5 for its own weights.

    The rest is trained at rates of 1e-3 and more; at such, what the encoder was pretrained to is lost.
    """
    if given is not None:
        return given
    encoder = model.model.text.encoder
    own = encoder is not None and encoder.get_input_embeddings().weight.requires_grad
    return 5e-5 if own else 2e-4


class TextTuningCollator:
    """Adds to the batches of another collator the item texts that are to be encoded anew.

    Args:
        collate: Makes `XCatForNextItem` inputs of dataset rows.
        processor: The processor with the catalogue.
        budget: Texts a batch, at most.
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
            # Of the batch alone, so that it does not matter how many were made before, nor in which process.
            drawn = torch.Generator().manual_seed(zlib.crc32(items.numpy().tobytes()))
            numbers = numbers[torch.randperm(len(numbers), generator=drawn)[: self.budget]].sort().values
        if len(numbers):
            tokens = self.processor.tokenize([self.texts[number] for number in numbers.tolist()])
            batch["item_text_numbers"] = numbers
            batch["item_text_input_ids"] = tokens["input_ids"]
            batch["item_text_attention_mask"] = tokens["attention_mask"]
        return batch
