"""A trained checkpoint as the start of another training, on the same catalogue or on another one."""

from __future__ import annotations

import os
from copy import copy
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import nn
from transformers import set_seed

from ..modeling_xcat.configuration_xcat import NUM_SPECIAL_ROWS, XCatConfig
from ..modeling_xcat.hub_xcat import HUB_ARGUMENTS, locate_checkpoint
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..tokenization.processing_xcat import XCatProcessor
from ..tokenization.schema import ShopTables
from ..tokenization.sequences import target_histories, target_items
from ..tokenization.unknown_tokens import warn_of_unknown
from ..tokenization.user_interests import NO_INTEREST
from ..tokenization.vocabulary import UNKNOWN_ROW, ItemVocabulary
from .catalogue import (
    add_returns,
    distinct_texts,
    feature_codes,
    fill_neighbors,
    fill_successors,
    nearest_rows,
    place_categories,
    place_text_states,
    text_states,
    training_counts,
)
from .checkpoints import check_checkpoint, load_model
from .lent_neighbors import drop_lent, lend_neighbors, remember_texts, united_neighbors
from .preparation import (
    PreparationOptions,
    PreparedTraining,
    add_interests,
    build_vocabulary,
    event_settings,
    split_advice,
    split_shop,
)

CHANGEABLE = frozenset({
    "hidden_dropout", "attention_dropout", "id_dropout", "temperature", "objective", "full_softmax_limit",
    "num_negatives", "gbce_calibration", "neighbor_window", "neighbor_decay", "neighbor_weight", "repeat_weight",
    "untrained_bonus", "soft_target_weight", "freeze_text_encoder",
})  # fmt: skip
"""Fields of the configuration that may differ from the base's: those that no weight depends on."""
_STRANGE = 10
"""A catalogue is strange to a base that was trained on less than one in so many of its items."""
_SHOWN = ("item_id", "text", "title", "category", "brand", "price")


def load_base(
    name_or_path: str | os.PathLike[str], model_class: type[XCatForNextItem] = XCatForNextItem, **kwargs: Any
) -> tuple[XCatForNextItem, XCatProcessor]:
    """Load model and processor of a whole checkpoint.

    Args:
        name_or_path: A folder, or NAMESPACE/NAME on the hub.
        model_class: The class that the model was saved as, where that is a subclass.
        **kwargs: Arguments of `locate_checkpoint`, and of the model's `from_pretrained`.

    Raises:
        OSError: If there is none.
        ValueError: If it is not one of `xcat fit`, was saved as another class, is damaged, or was made to do harm.
    """
    place = {name: kwargs.pop(name) for name in HUB_ARGUMENTS if name in kwargs}
    folder = locate_checkpoint(name_or_path, **place)
    model = load_model(folder, str(name_or_path), model_class, **kwargs)
    return model, XCatProcessor.from_pretrained(folder)


def ordered_after(base: ItemVocabulary, vocabulary: ItemVocabulary) -> ItemVocabulary:
    """The items of a vocabulary, those of a base first and in its order, so that a grown catalogue keeps its rows."""
    rows = base.encode(vocabulary.column("item_id"))
    order = np.argsort(np.where(rows == UNKNOWN_ROW, len(base), rows), kind="stable")
    return ItemVocabulary(vocabulary.table.take(pa.array(order)).combine_chunks())


def same_catalogue(one: ItemVocabulary, other: ItemVocabulary, features: dict[str, int]) -> bool:
    """Whether two vocabularies have the same items in the same order, and the same of them is read and shown."""
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
) -> XCatProcessor:
    """Give a trained model another catalogue, in place.

    Items that the model knows keep what it knows of them: id embedding, counts, neighbours, and the states of their
    text unless that changed. A new item has its text, encoded in float32 and whitened as the base's were, and those
    values of its features that the base knows; it has no id, and neighbours that `lend_neighbors` gives it. Items that
    are not in the new catalogue are forgotten. Where the base was trained on less than half of the new catalogue the
    second stage is put out of use: what it learnt of counts and memory says nothing of such a catalogue. Where it was
    trained on less than a tenth, items have neighbours by their texts alone (`remember_texts`), and the weight of
    those: what few items could lend says nothing.

    Args:
        model: The model, with the catalogue of the processor.
        processor: Its processor.
        vocabulary: The new catalogue.
        cache_dir: Where text states are cached; None for the user's cache.

    Returns:
        A processor with the new catalogue.

    Raises:
        ValueError: If there are new texts and the model carries no text encoder.
    """
    items, config, old = model.model.items, model.config, processor.catalogue
    source = np.concatenate([np.arange(NUM_SPECIAL_ROWS), old.encode(vocabulary.column("item_id"))])
    rows = torch.from_numpy(source)
    learned = _learned_values(old, items.feature_values.numpy(), config.item_features or {})
    if config.use_text:
        _change_texts(model, processor, vocabulary, cache_dir)
    items.item_counts = items.item_counts[rows]
    if hasattr(items, "return_counts"):
        items.return_counts, items.return_gaps = items.return_counts[rows], items.return_gaps[rows]
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
        config.candidate_attention = False
    place_categories(model, vocabulary)
    if _STRANGE * known >= config.num_items or not remember_texts(model):
        lend_neighbors(model, (rows == UNKNOWN_ROW).nonzero().squeeze(1))
    _change_soft_targets(model)
    changed = copy(processor)
    changed.vocabulary = vocabulary
    return changed


def _learned_values(old: ItemVocabulary, codes: np.ndarray, features: dict[str, int]) -> dict[str, list[str]]:
    """The value of every code of every feature, read off the rows: the order of values in a table may have changed."""
    learned = {}
    for i, (name, size) in enumerate(features.items()):
        values = [f"\0{code}" for code in range(1, size)]  # no column holds these
        place, known = old.codes(name)
        for row in np.unique(codes[:, i], return_index=True)[1]:
            if codes[row, i] and place[row] >= 0:
                values[codes[row, i] - 1] = known[place[row]]
        learned[name] = values
    return learned


def _taken(table: nn.Embedding, rows: torch.Tensor) -> nn.Embedding:
    """The rows of a table; 0 for items it does not know, which keeps them out of the way until they are trained."""
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
            f"items: {len(new)} of {len(texts) - 1} texts are not known to the base, for example {new[0][:80]!r}, and "
            "it carries no text encoder; keep to its catalogue or take a base with one"
        )
    warn_of_unknown(processor.tokenizer, new, "texts of new items")
    place_text_states(model, missing, text_states(model, processor, new, precision="fp32", cache_dir=cache))


def _change_soft_targets(model: XCatForNextItem) -> None:
    if not model._has_soft_targets:
        if hasattr(model, "soft_target_rows"):
            del model.soft_target_rows
        return
    items = model.model.items
    nearest = nearest_rows(items.text_states[:, 0], items.text_index, model.config.num_soft_targets)
    model.register_buffer("soft_target_rows", nearest)


def prepare_from_base(
    shop: ShopTables, options: PreparationOptions, base: str, *, recount: bool = True
) -> tuple[PreparedTraining, bool]:
    """Make everything that training needs, beginning with a trained checkpoint.

    The result has the shop's catalogue; see `change_catalogue` for what the base's items keep.

    Args:
        shop: Validated tables.
        options: What to make of them. What the base decides (encoder, text fields, features) is left out or equal.
        base: Folder or repository of the base.
        recount: Whether the shop's events count: then items they name have an id embedding, and the neighbours counted
            from them join the base's. Without, both stay as the base has them, so that an adapter alone makes the
            difference.

    Returns:
        What `prepare_training` returns, and whether the catalogue is another than the base's.

    Raises:
        ValueError: If an option contradicts the base.
        OSError: If there is no such base.
    """
    set_seed(options.seed)
    model, processor = load_base(base)
    options = _of_base(options, model.config, processor, base)
    for name, value in options.config.items():
        setattr(model.config, name, value)
    XCatConfig(**model.config.to_dict())  # which checks values
    model.model.text.frozen = model.config.freeze_text_encoder
    model.model.text.freeze()
    old = processor.catalogue
    vocabulary = ordered_after(old, build_vocabulary(shop, options.text_fields))
    new = int((old.encode(vocabulary.column("item_id")) == UNKNOWN_ROW).sum())
    gone = old.num_items - (vocabulary.num_items - new)
    notes = [told for told in (split_advice(shop, options),) if told]
    changed = not same_catalogue(old, vocabulary, model.config.item_features or {})
    weight = model.config.neighbor_weight
    if changed:
        processor = change_catalogue(model, processor, vocabulary, cache_dir=options.cache_dir)
        notes.append(f"{new} of {vocabulary.num_items} items are new to the base; {gone} of the base's are dropped")
    else:
        _change_soft_targets(model)
    _, _, splits = split_shop(shop, options, processor.catalogue, processor.event_types)
    processor.event_settings = settings = event_settings(shop, options)
    before = set(model.config.negative_event_types or ()) - set(settings["target_event_types"])
    negative = before | set(settings["negative_event_types"])
    model.config.negative_event_types = [name for name in processor.event_types if name in negative]
    interests = add_interests(shop, model, processor, splits, options, "fp32")
    if recount:
        model.config.neighbor_history = False  # a log tells
        _recount(model, splits["train"])
    if recount or "neighbor_weight" in options.config:
        model.config.neighbor_weight = weight
    return PreparedTraining(model, processor, splits, base, notes, interests), changed


def check_base_options(options: PreparationOptions, base: str) -> None:
    """Refuse a base that is no checkpoint, or options that contradict it, before anything is loaded or prepared.

    Args:
        options: What to make of a shop's tables.
        base: Folder or repository of the base.

    Raises:
        ValueError: If the base is damaged or no checkpoint of ours, or an option contradicts it.
        OSError: If there is no such base.
    """
    folder = locate_checkpoint(base)
    check_checkpoint(folder, base)
    _of_base(options, XCatConfig.from_pretrained(folder), XCatProcessor.from_pretrained(folder), base)


def _recount(model: XCatForNextItem, train: Any) -> None:
    """Add the counts of training sequences to those of the base, and their neighbours to its own."""
    memory, items = model.model.neighbors, model.model.items
    if memory is not None:
        drop_lent(memory, items.item_counts)
    elsewhere = items.user_counts()
    items.item_counts += training_counts(target_items(train), model.config.num_item_rows)
    tables = [table for table in (memory, model.model.successors) if table is not None]
    before = [(table.rows.clone(), table.similarities.clone()) for table in tables]
    histories = target_histories(train)
    add_returns(model, histories)
    fill_neighbors(model, histories, elsewhere)
    fill_successors(model, histories)
    for table, (rows, similarities) in zip(tables, before, strict=True):
        table.rows, table.similarities = united_neighbors(
            torch.cat([rows, table.rows], 1), torch.cat([similarities, table.similarities], 1), rows.shape[1]
        )
    lend_neighbors(model)


def _of_base(
    options: PreparationOptions, config: XCatConfig, processor: XCatProcessor, base: str
) -> PreparationOptions:
    """The options with what the base decides filled in.

    Raises:
        ValueError: If something else was asked for.
    """
    unknown = [name for name in options.config if name not in {f.name for f in fields(XCatConfig)}]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no field of XCatConfig")
    fixed = [n for n in options.config if n not in CHANGEABLE and options.config[n] != getattr(config, n)]
    if fixed:
        raise ValueError(
            f"{fixed[0]} is {options.config[fixed[0]]!r}, and {getattr(config, fixed[0])!r} in the base {base}, whose "
            f"weights depend on it; leave it out. With base= these may change: {', '.join(sorted(CHANGEABLE))}"
        )
    if options.text_encoder is not None:
        raise ValueError(f"text_encoder={options.text_encoder!r}: the base {base} brings its own; leave it out")
    own: dict[str, Any] = {
        "text_fields": tuple(processor.text_fields),
        "max_text_length": processor.max_text_length,
        "item_features": tuple(config.item_features or {}),
        "interests": (processor.interest_settings or {}).get("about", NO_INTEREST),
        "interest_columns": tuple((processor.interest_settings or {}).get("text_columns", ())),
    }
    defaults = PreparationOptions()
    for name, value in own.items():
        if getattr(options, name) not in (getattr(defaults, name), value):
            raise ValueError(f"{name} is {getattr(options, name)!r}, and {value!r} in the base {base}; leave it out")
    return replace(options, **own)
