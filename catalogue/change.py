"""Replace the catalogue of a trained model; items in both catalogues keep what the model learned about them."""

from __future__ import annotations

from copy import copy
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import nn

from ..modeling_xcat.configuration_xcat import NUM_SPECIAL_ROWS
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..tokenization.images.item_images import ItemImages
from ..tokenization.policy.item_verdicts import rechecked_catalogue
from ..tokenization.processing_xcat import XCatProcessor
from ..tokenization.unknown_tokens import warn_of_unknown
from ..tokenization.vocabulary import UNKNOWN_ROW, ItemVocabulary
from .cold_start import complete_added_items, fill_neighbors_from_text
from .item_images import change_images
from .item_table import distinct_texts, feature_codes, nearest_rows, place_categories, place_text_states, text_states
from .item_words import EarlierWords, place_words

_MOSTLY_UNSEEN = 10
"""A catalogue is mostly unseen when the base was trained on less than one in this many of its items."""
_SHOWN = ("item_id", "text", "title", "category", "brand", "price")


def ordered_after(base: ItemVocabulary, vocabulary: ItemVocabulary) -> ItemVocabulary:
    """Sort a vocabulary: items of the base first, in the base's order, so that a grown catalogue keeps its indices."""
    rows = base.encode(vocabulary.column("item_id"))
    order = np.argsort(np.where(rows == UNKNOWN_ROW, len(base), rows), kind="stable")
    return ItemVocabulary(vocabulary.table.take(pa.array(order)).combine_chunks())


def same_catalogue(one: ItemVocabulary, other: ItemVocabulary, features: dict[str, int]) -> bool:
    """Whether two vocabularies have the same items in the same order, with the same features and displayed columns."""
    return all(_column(one, name).equals(_column(other, name)) for name in (*_SHOWN, *features))


def _column(vocabulary: ItemVocabulary, name: str) -> pa.Array:
    if name not in vocabulary.table.column_names:
        return pa.nulls(vocabulary.num_items, pa.string())
    column = vocabulary.column(name).combine_chunks()
    return pc.cast(column, pa.string()) if not pa.types.is_nested(column.type) else column


def change_catalogue(
    model: XCatForNextItem,
    processor: XCatProcessor,
    vocabulary: ItemVocabulary,
    *,
    cache_dir: Path | None = None,
    images: ItemImages | None = None,
) -> XCatProcessor:
    """Give a trained model another catalogue, in place.

    * An item in both catalogues keeps its id embedding, counts and neighbours, and its text states unless the text
      changed.
    * A new item has text states (encoded in float32, with the base's whitening) and the feature values that the base
      was trained with. It has no id embedding. Its neighbours, and its rates of first purchases, come from similar
      items (`complete_added_items`).
    * Items missing from the new catalogue are removed.
    * New items and changed texts are checked by the content policy, if the processor has one.
    * If the base was trained on less than half of the new catalogue, the re-rankers are turned off, because they were
      fitted to other counts and item-to-item weights. The weights of heads of targets are then 0.
    * If the base was trained on less than a tenth, the item-to-item weights and their weight in the score come from
      texts alone (`fill_neighbors_from_text`).

    Args:
        model: The model, with the catalogue of the processor.
        processor: Its processor.
        vocabulary: The new catalogue.
        cache_dir: Where text states are cached; None for the user's cache.
        images: Images of items of the new catalogue, encoded by the model's vision encoder; None for none. An item
            keeps its images if there are no new ones.

    Returns:
        A processor with the new catalogue.

    Raises:
        ValueError: If there are new texts and the model has no text encoder, or vectors of images have another width.
    """
    items, config, old = model.model.items, model.config, processor.catalogue
    source = np.concatenate([np.arange(NUM_SPECIAL_ROWS), old.encode(vocabulary.column("item_id"))])
    rows = torch.from_numpy(source)
    earlier = _words_of(model, old, source)
    learned = _learned_values(old, items.feature_values.numpy(), config.item_features or {})
    if config.use_text:
        _change_texts(model, processor, vocabulary, cache_dir)
    change_images(model, vocabulary, rows, images)
    items.item_counts = items.item_counts[rows]
    if hasattr(items, "return_counts"):
        items.return_counts, items.return_gaps = items.return_counts[rows], items.return_gaps[rows]
    segments = model.model.segments
    if segments is not None:  # a new item has the values of the unknown item: the mean rate, and no events
        for name, values in segments.named_buffers():
            if name != "centers":
                setattr(segments, name, values[rows])
    items.feature_values = feature_codes(vocabulary, config.item_features or {}, learned)
    if config.use_item_ids:
        items.id_embeddings = _taken(items.id_embeddings, rows)
    now = torch.zeros(len(old), dtype=torch.int32)
    kept = (rows != UNKNOWN_ROW).nonzero().squeeze(1)
    now[rows[kept]] = kept.int()
    for table in (model.model.neighbors, model.model.successors):
        if table is not None:
            table.rows = now[table.rows[rows].long()]
            table.similarities = table.similarities[rows] * (table.rows > 0)
    config.num_item_rows = len(vocabulary)
    known = int((items.item_counts > 0).sum())
    if 2 * known < config.num_items:
        config.candidate_attention, config.discover_candidate_attention = False, None
        config.discover_trends = False
        config.target_head_weights = {column: [0.0, 0.0] for column in config.target_head_groups or {}}
    place_categories(model, vocabulary)
    if _MOSTLY_UNSEEN * known >= config.num_items or not fill_neighbors_from_text(model):
        complete_added_items(model, (rows == UNKNOWN_ROW).nonzero().squeeze(1))
    change_soft_targets(model)
    changed = copy(processor)
    changed.vocabulary = vocabulary
    changed.policy = rechecked_catalogue(processor.policy, old, vocabulary)
    place_words(model, changed, earlier)
    return changed


def _words_of(model: XCatForNextItem, old: ItemVocabulary, source: np.ndarray) -> EarlierWords | None:
    """The tokens of the old catalogue's texts; None for a model that does not read asks."""
    asks = model.model.asks
    if asks is None:
        return None
    index = model.model.items.text_index.cpu().numpy()
    return EarlierWords(asks.words.cpu().numpy(), index, old, source)


def _learned_values(old: ItemVocabulary, codes: np.ndarray, features: dict[str, int]) -> dict[str, list[str]]:
    """Values of all feature codes, read from the item table: a new vocabulary may order the values otherwise."""
    learned = {}
    for i, (name, size) in enumerate(features.items()):
        values = [f"\0{code}" for code in range(1, size)]  # placeholders that no column contains
        place, known = old.codes(name)
        for row in np.unique(codes[:, i], return_index=True)[1]:
            if codes[row, i] and place[row] >= 0:
                values[codes[row, i] - 1] = known[place[row]]
        learned[name] = values
    return learned


def _taken(table: nn.Embedding, rows: torch.Tensor) -> nn.Embedding:
    """Select rows of an embedding; unknown items get zeros, which have no effect until the items are trained."""
    known = (rows != UNKNOWN_ROW)[:, None].to(table.weight.dtype)
    known[UNKNOWN_ROW] = 1
    weight = table.weight.detach()[rows] * known
    taken = nn.Embedding(len(rows), table.embedding_dim, padding_idx=table.padding_idx, _weight=weight)
    taken.weight.requires_grad_(table.weight.requires_grad)
    return taken


def _change_texts(
    model: XCatForNextItem, processor: XCatProcessor, vocabulary: ItemVocabulary, cache: Path | None
) -> None:
    items = model.model.items
    place = {text: number for number, text in enumerate(distinct_texts(processor.catalogue)[0])}
    texts, index = distinct_texts(vocabulary)
    source = torch.tensor([place.get(text, -1) for text in texts])
    missing = (source < 0).nonzero().squeeze(1)
    states, valid = items.text_states[source.clamp(min=0)], items.text_token_mask[source.clamp(min=0)]
    items.text_states, items.text_token_mask, items.text_index = states, valid, torch.from_numpy(index)
    items.kept_texts = None
    model.config.num_texts = len(texts)
    if not len(missing):
        return
    new = [texts[number] for number in missing.tolist()]
    if model.model.text.encoder is None:
        raise ValueError(
            f"items: {len(new)} of {len(texts) - 1} texts are new to the model, for example {new[0][:80]!r}, and the "
            "model has no text encoder to encode them; keep to its own catalogue, or use a base with a text encoder"
        )
    warn_of_unknown(processor.tokenizer, new, "texts of new items")
    place_text_states(model, missing, text_states(model, processor, new, precision="fp32", cache_dir=cache))


def change_soft_targets(model: XCatForNextItem) -> None:
    """Recompute the text neighbours for label smoothing from the model's current catalogue."""
    if not model._has_soft_targets:
        if hasattr(model, "soft_target_rows"):
            del model.soft_target_rows
        return
    items = model.model.items
    nearest = nearest_rows(items.text_states[:, 0], items.text_index, model.config.num_soft_targets)
    model.register_buffer("soft_target_rows", nearest)
