"""The words of items, which a model compares with what a customer asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from ..modeling_xcat.asks_xcat import FIELD_CODES, FIELDS
from ..modeling_xcat.configuration_xcat import NUM_SPECIAL_ROWS
from ..tokenization.text.cleaning import clean_text
from ..tokenization.vocabulary import ItemVocabulary

if TYPE_CHECKING:
    from ..modeling_xcat.modeling_xcat import XCatForNextItem
    from ..tokenization.processing_xcat import XCatProcessor


def field_texts(vocabulary: ItemVocabulary, rows: np.ndarray) -> dict[str, list[str]]:
    """Texts of items by the fields of `FIELDS`.

    Args:
        vocabulary: A catalogue with a `text` column.
        rows: (items,) item indices.

    Returns:
        Field to (items,) cleaned texts; "other" is what the item's text has beside the other fields.
    """
    taken = vocabulary.table.take(rows - NUM_SPECIAL_ROWS)
    found = {
        name: [clean_text(value) for value in taken[name].to_pylist()]
        if name in taken.column_names
        else [""] * len(rows)
        for name in FIELDS[:-1]
    }
    other = []
    for place, text in enumerate(taken["text"].to_pylist()):
        for name in FIELDS[:-1]:
            text = (text or "").replace(found[name][place], " ", 1) if found[name][place] else text or ""
        other.append(text)
    return {**found, FIELDS[-1]: other}


@torch.no_grad()
def place_words(model: XCatForNextItem, processor: XCatProcessor) -> None:
    """Store the tokens of the catalogue's texts and how rare they are, in a model that reads asks.

    Args:
        model: A model whose texts are in place.
        processor: The processor with the catalogue.
    """
    asks, items = model.model.asks, model.model.items
    if asks is None:
        return
    numbers, first = np.unique(items.text_index.cpu().numpy(), return_index=True)
    real = first >= NUM_SPECIAL_ROWS
    numbers, first = numbers[real & (numbers > 0)], first[real & (numbers > 0)]
    length = model.config.ask_length
    entries = np.zeros((model.config.num_texts, length), dtype=np.int32)
    filled, compared = np.zeros(len(numbers), dtype=np.int64), processor.compared_tokens.numpy()
    for field, (_, texts) in enumerate(field_texts(processor.catalogue, first).items(), start=1):
        found = (
            processor.tokenizer(texts, add_special_tokens=False, truncation=True, max_length=length, verbose=False)[
                "input_ids"
            ]
            if texts
            else []
        )
        for place, ids in enumerate(found):
            kept = ids[: length - filled[place]]
            entries[numbers[place], filled[place] : filled[place] + len(kept)] = compared[kept] * FIELD_CODES + field
            filled[place] += len(kept)
    asks.words = torch.from_numpy(entries).to(asks.words.device)
    asks.rarity.copy_(_rarity(entries // FIELD_CODES, len(asks.rarity), processor.tokenizer.all_special_ids))


def _rarity(tokens: np.ndarray, vocabulary: int, special: list[int]) -> torch.Tensor:
    """(vocabulary,) inverse document frequency of tokens among (texts, length) tokens, 0 for special tokens."""
    text, place = tokens.nonzero()
    pairs = np.unique(np.stack([text, tokens[text, place]]), axis=1)
    counts = np.bincount(pairs[1], minlength=vocabulary)
    texts = len(np.unique(text))
    rarity = np.log1p((texts - counts + 0.5) / (counts + 0.5))
    rarity[special] = 0.0
    return torch.from_numpy(rarity.astype(np.float32))
