"""The words of items, which a model compares with what a customer asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
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


@dataclass(frozen=True)
class EarlierWords:
    """The tokens of an earlier catalogue, which are kept for items with the same texts.

    Args:
        entries: (texts, length) tokens of the earlier texts.
        index: (earlier rows,) number of each item's text.
        vocabulary: The earlier catalogue.
        source: (rows,) earlier item index of each item now, below `NUM_SPECIAL_ROWS` for none.
    """

    entries: np.ndarray
    index: np.ndarray
    vocabulary: ItemVocabulary
    source: np.ndarray

    def numbers(self, vocabulary: ItemVocabulary, rows: np.ndarray) -> np.ndarray:
        """(items,) number of the earlier text whose tokens an item has, -1 for none.

        Args:
            vocabulary: The catalogue now.
            rows: (items,) indices of the first item of each text.
        """
        before = self.source[rows]
        first = np.full(len(self.entries), -1)
        first[self.index[::-1]] = np.arange(len(self.index))[::-1]
        same = (before >= NUM_SPECIAL_ROWS) & (first[self.index[before]] == before)
        places = np.maximum(before, NUM_SPECIAL_ROWS) - NUM_SPECIAL_ROWS
        for name in (*FIELDS[:-1], "text"):
            tables = self.vocabulary.table, vocabulary.table
            if all(name not in table.column_names for table in tables):
                continue
            if any(name not in table.column_names for table in tables):
                return np.full(len(rows), -1)
            own, now = (
                pc.fill_null(pc.cast(table[name].take(taken), pa.string()), "")
                for table, taken in zip(tables, (places, rows - NUM_SPECIAL_ROWS), strict=True)
            )
            same &= np.asarray(pc.equal(own, now))
        return np.where(same, self.index[before], -1)


@torch.no_grad()
def place_words(model: XCatForNextItem, processor: XCatProcessor, earlier: EarlierWords | None = None) -> None:
    """Store the tokens of the catalogue's texts and how rare they are, in a model that reads asks.

    Args:
        model: A model whose texts are in place.
        processor: The processor with the catalogue.
        earlier: Tokens to keep; None to compute all.
    """
    asks, items = model.model.asks, model.model.items
    if asks is None:
        return
    numbers, first = np.unique(items.text_index.cpu().numpy(), return_index=True)
    real = first >= NUM_SPECIAL_ROWS
    numbers, first = numbers[real & (numbers > 0)], first[real & (numbers > 0)]
    length = model.config.ask_length
    entries = np.zeros((model.config.num_texts, length), dtype=np.int32)
    if earlier is not None:
        kept = earlier.numbers(processor.catalogue, first)
        entries[numbers[kept >= 0]] = earlier.entries[kept[kept >= 0]]
        numbers, first = numbers[kept < 0], first[kept < 0]
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
            read = ids[: length - filled[place]]
            entries[numbers[place], filled[place] : filled[place] + len(read)] = compared[read] * FIELD_CODES + field
            filled[place] += len(read)
    asks.words = torch.from_numpy(entries).to(asks.words.device)
    rarity = _rarity(entries // FIELD_CODES, len(asks.rarity), processor.tokenizer.all_special_ids)
    asks.rarity = rarity.to(asks.rarity.device)


def _rarity(tokens: np.ndarray, vocabulary: int, special: list[int]) -> torch.Tensor:
    """(vocabulary,) inverse document frequency of tokens among (texts, length) tokens, 0 for special tokens."""
    text, place = tokens.nonzero()
    pairs = np.unique(np.stack([text, tokens[text, place]]), axis=1)
    counts = np.bincount(pairs[1], minlength=vocabulary)
    texts = len(np.unique(text))
    rarity = np.log1p((texts - counts + 0.5) / (counts + 0.5))
    rarity[special] = 0.0
    return torch.from_numpy(rarity.astype(np.float32))
