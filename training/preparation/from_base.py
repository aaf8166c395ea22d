"""Training that starts from a trained checkpoint, on the same or another catalogue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import torch
from transformers import set_seed

from ...catalogue.change import change_catalogue, change_soft_targets, ordered_after, same_catalogue
from ...catalogue.cold_start import add_cold_start_neighbors, drop_cold_start_neighbors, united_neighbors
from ...catalogue.item_images import image_encoder_of
from ...catalogue.item_table import (
    add_repurchases,
    fill_neighbors,
    fill_transitions,
    training_counts,
)
from ...catalogue.segments import fill_segments
from ...checkpoints.check import check_checkpoint
from ...checkpoints.load import load_base, load_processor
from ...counting import counted_of
from ...modeling_xcat.configuration_xcat import XCatConfig
from ...modeling_xcat.hub_xcat import locate_checkpoint
from ...modeling_xcat.modeling_xcat import XCatForNextItem
from ...tokenization.images.item_images import ItemImages
from ...tokenization.interests.reader import NO_INTEREST
from ...tokenization.interests.self_training import LEXICON
from ...tokenization.policy.item_verdicts import place_policy
from ...tokenization.processing_xcat import XCatProcessor
from ...tokenization.sequences.build import target_histories, target_items
from ...tokenization.sequences.event_weights import target_weights
from ...tokenization.sequences.row_asks import add_asks
from ...tokenization.sequences.split_data import SplitData
from ...tokenization.tables.schema import ShopTables
from ...tokenization.text.default_encoder import AUTO
from ...tokenization.vocabulary import UNKNOWN_ROW
from .options import PreparationOptions, PreparedTraining
from .prepare import add_interests, build_vocabulary, measure_unknown, shop_images, split_shop, with_both_boosts
from .robust import weigh_events

CHANGEABLE = frozenset({
    "hidden_dropout", "attention_dropout", "id_dropout", "modality_dropout", "temperature", "objective",
    "full_softmax_limit", "num_negatives", "gbce_calibration", "neighbor_window", "neighbor_decay", "neighbor_weight",
    "discover_neighbor_weight", "discover_product_weight", "repeat_weight", "untrained_bonus",
    "discover_untrained_bonus", "soft_target_weight", "freeze_text_encoder",
})  # fmt: skip
"""Configuration fields that may differ from the base's, because no weight depends on them."""


def prepare_from_base(
    shop: ShopTables,
    options: PreparationOptions,
    base: str,
    *,
    recount: bool = True,
    split: Callable[..., SplitData] | None = None,
) -> tuple[PreparedTraining, bool]:
    """Prepare training that starts from a trained checkpoint.

    The result has the catalogue of the tables; see `change_catalogue` for the base's items.

    Args:
        shop: Validated tables.
        options: Options of the preparation; the base fixes encoder, text fields and features: leave them out.
        base: Folder or repository of the base.
        recount: Whether to count the new events: then their items get id embeddings, and their item-to-item weights
            are added to the base's. Otherwise both stay as in the base, so an adapter is the only difference.
        split: Splits the events, as in `prepare_training`.

    Returns:
        Result of `prepare_training`, and whether the catalogue differs from the base's.

    Raises:
        ValueError: If an option contradicts the base.
        OSError: If the base does not exist.
    """
    set_seed(options.seed)
    model, processor = load_base(base)
    options = _of_base(options, model.config, processor, base)
    if recount:
        model.config.discover_untrained_bonus = None  # training chooses it again
    for name, value in with_both_boosts(options.config).items():
        setattr(model.config, name, value)
    XCatConfig(**model.config.to_dict())  # checks values
    model.model.text.frozen = model.config.freeze_text_encoder
    model.model.text.freeze()
    shop, images = _images_for(model, processor, shop, options, base)
    old = processor.catalogue
    vocabulary = ordered_after(old, build_vocabulary(shop, options.text_fields))
    new = int((old.encode(vocabulary.column("item_id")) == UNKNOWN_ROW).sum())
    gone = old.num_items - (vocabulary.num_items - new)
    notes = [told for told in (shop.split_advice(options), *([] if images is None else images.describe())) if told]
    changed = images is not None or not same_catalogue(old, vocabulary, model.config.item_features or {})
    weights = {name: getattr(model.config, name) for name in ("neighbor_weight", "discover_neighbor_weight")}
    if changed:
        processor = change_catalogue(model, processor, vocabulary, cache_dir=options.cache_dir, images=images)
        added = counted_of(new, vocabulary.num_items, "item", "are")
        notes.append(f"{added} new to the base; {gone} of the base's {'is' if gone == 1 else 'are'} dropped")
    else:
        change_soft_targets(model)
    notes += place_policy(processor, options.policy)
    data = split_shop(shop, options, processor.catalogue, processor.event_types, split)
    notes += weigh_events(data, options)
    processor.event_settings = settings = data.settings
    before = set(model.config.negative_event_types or ()) - set(settings["target_event_types"])
    negative = before | set(settings["negative_event_types"])
    model.config.negative_event_types = [name for name in processor.event_types if name in negative]
    interests = add_interests(shop, model, processor, data.splits, options, "fp32")
    if model.model.asks is not None:
        add_asks(data, options.interest_columns)
    if recount:
        model.config.neighbor_history = False  # decided by the log
        _recount(model, data.train)
    for name, weight in weights.items():
        if recount or name in options.config:
            setattr(model.config, name, weight)
    model.model.given_fields = frozenset(options.config)
    unknown = measure_unknown(shop, processor, options)
    return PreparedTraining(model, processor, data, base, notes, interests, unknown), changed


def _images_for(
    model: XCatForNextItem, processor: XCatProcessor, shop: ShopTables, options: PreparationOptions, base: str
) -> tuple[ShopTables, ItemImages | None]:
    """The tables and their images, read by the base's encoder: from the given column, or the base's if it is there.

    Raises:
        ValueError: If a column is given and the base has no images.
    """
    settings = processor.image_settings
    if settings is None:
        if options.images is not None:
            raise ValueError(f"images={options.images!r}: the base {base} was trained without images; leave it out")
        return shop, None
    column = options.images
    if column is None and not shop.made_split and settings["column"] in shop.items.columns:
        column = settings["column"]
    return shop_images(shop, replace(options, images=column), lambda: image_encoder_of(model, processor))


def check_base_options(options: PreparationOptions, base: str) -> None:
    """Refuse a base that is not a checkpoint, or options that contradict it, before anything is loaded or prepared.

    Args:
        options: Options of the preparation.
        base: Folder or repository of the base.

    Raises:
        ValueError: If the base is damaged or not a checkpoint of this library, or an option contradicts it.
        OSError: If the base does not exist.
    """
    folder = locate_checkpoint(base)
    check_checkpoint(folder, base)
    _of_base(options, XCatConfig.from_pretrained(folder), load_processor(folder, base), base)


def _recount(model: XCatForNextItem, train: Any) -> None:
    """Add the counts and the item-to-item weights of training sequences to the base's."""
    memory, items = model.model.neighbors, model.model.items
    if memory is not None:
        drop_cold_start_neighbors(memory, items.item_counts)
    elsewhere = items.user_counts()
    items.item_counts += training_counts(target_items(train), model.config.num_item_rows)
    tables = [table for table in (memory, model.model.successors) if table is not None]
    before = [(table.rows.clone(), table.similarities.clone()) for table in tables]
    histories, weights = target_histories(train), target_weights(train)
    add_repurchases(model, histories)
    fill_neighbors(model, histories, elsewhere, weights)
    fill_transitions(model, histories, weights)
    fill_segments(model, train)
    for table, (rows, similarities) in zip(tables, before, strict=True):
        table.rows, table.similarities = united_neighbors(
            torch.cat([rows, table.rows], 1), torch.cat([similarities, table.similarities], 1), rows.shape[1]
        )
    add_cold_start_neighbors(model)


def _of_base(
    options: PreparationOptions, config: XCatConfig, processor: XCatProcessor, base: str
) -> PreparationOptions:
    """Fill in the options that the base fixes.

    Raises:
        ValueError: If an option has another value.
    """
    unknown = [name for name in options.config if name not in {f.name for f in fields(XCatConfig)}]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not a field of XCatConfig")
    fixed = [n for n in options.config if n not in CHANGEABLE and options.config[n] != getattr(config, n)]
    if fixed:
        raise ValueError(
            f"{fixed[0]} is {options.config[fixed[0]]!r}, but {getattr(config, fixed[0])!r} in the base {base}, whose "
            f"weights depend on it; leave it out. With base= these fields may change: {', '.join(sorted(CHANGEABLE))}"
        )
    for name in ("text_encoder", "image_encoder"):
        if getattr(options, name) not in (None, AUTO):
            raise ValueError(f"{name}={getattr(options, name)!r}: the base {base} has its own; leave it out")
    own: dict[str, Any] = {
        "text_fields": tuple(processor.text_fields),
        "max_text_length": processor.max_text_length,
        "item_features": tuple(config.item_features or {}),
        "interests": (processor.interest_settings or {}).get("about", NO_INTEREST),
        "interest_columns": tuple((processor.interest_settings or {}).get("text_columns", ())),
    }
    own["interest_sentiment"] = ((processor.interest_settings or {}).get("sentiment") or {}).get("method", LEXICON)
    own["interest_labels"] = ()
    defaults = PreparationOptions()
    for name, value in own.items():
        if getattr(options, name) not in (getattr(defaults, name), value):
            raise ValueError(f"{name} is {getattr(options, name)!r}, but {value!r} in the base {base}; leave it out")
    return replace(options, **own)
