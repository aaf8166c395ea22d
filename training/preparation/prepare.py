"""From tables to a model, a processor and data splits for a trainer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import torch
from datasets import DatasetDict
from transformers import AutoConfig, AutoModel, AutoTokenizer, set_seed
from transformers.activations import ACT2FN

from ...catalogue.interests import interest_settings, learn_sentiment, shop_interests
from ...catalogue.item_images import fill_images, image_fields, image_settings
from ...catalogue.item_table import distinct_texts, fill_item_table
from ...catalogue.segments import segment_count
from ...modeling_xcat.configuration_xcat import XCatConfig
from ...modeling_xcat.hub_xcat import is_local
from ...modeling_xcat.modeling_xcat import XCatForNextItem
from ...tokenization.images.image_encoder import ImageEncoder
from ...tokenization.images.item_images import ItemImages
from ...tokenization.images.references import holds_vectors
from ...tokenization.interests.reader import NO_INTEREST, UserInterests
from ...tokenization.interests.self_training import LEXICON
from ...tokenization.policy.item_verdicts import place_policy
from ...tokenization.processing_xcat import XCatProcessor
from ...tokenization.progress import quiet_transformers, stage
from ...tokenization.sequences.row_asks import add_asks
from ...tokenization.sequences.split_data import SplitData
from ...tokenization.tables.schema import ShopTables
from ...tokenization.text.default_encoder import EncoderChoice, choose_text_encoder
from ...tokenization.text.item_text import DEFAULT_TEXT_FIELDS
from ...tokenization.text.pooling import read_pooling
from ...tokenization.text.text_columns import sampled_user_texts
from ...tokenization.text.vocabulary_texts import text_vocabulary
from ...tokenization.unknown_tokens import share_unknown_to, warn_of_unknown
from ...tokenization.vocabulary import ItemVocabulary
from .options import PreparationOptions, PreparedTraining
from .robust import weigh_events
from .windows import history_length

RATING_BUCKETS_LIMIT = 11
TIME_GAP_BUCKETS = 20
UNTRAINED_BONUS = 0.25
"""Cold-item boost (`untrained_bonus`) of a model that reads texts. It finds 20 % more cold items. The loss over all
targets is not measurable (docs/research/trials.md, "Cold items, second study").
"""
ASK_LENGTH = 48
"""Tokens per item text that are compared with what a customer asks for; titles, brands and categories have fewer."""
DEFAULT_FEATURES = ("brand",)
"""Brands get embeddings, because they cross categories and the text encodes them weakly. Categories need none."""


def build_vocabulary(shop: ShopTables, text_fields: tuple[str, ...] = DEFAULT_TEXT_FIELDS) -> ItemVocabulary:
    """Build the item vocabulary, with the text of each item in the column `text`."""
    return text_vocabulary(shop.items, text_fields)


def feature_columns(shop: ShopTables, options: PreparationOptions) -> tuple[str, ...]:
    """Columns with one embedding per value: the given ones, or default columns with more than one value."""
    if options.item_features is not None:
        return options.item_features
    return tuple(
        name
        for name in DEFAULT_FEATURES
        if name in shop.items.columns and shop.items[name].drop_nulls().n_unique() > 1
    )


def split_shop(
    shop: ShopTables,
    options: PreparationOptions,
    vocabulary: ItemVocabulary | None = None,
    event_types: list[str] | None = None,
    split: Callable[..., SplitData] | None = None,
) -> SplitData:
    """Build the sequences for every trained or counted model.

    Args:
        shop: Validated tables.
        options: Options of the preparation.
        vocabulary: The item vocabulary; None to build it from the items table.
        event_types: Event types, where they are not to be those of the events table.
        split: Splits the events as `ShopTables.split`, such as the method of a `Task`; None for that of the tables.

    Raises:
        ValueError: If a text field or feature is not a column of the items table, or nothing is left to train on.
    """
    for kind, names in (("text_fields", options.text_fields), ("item_features", options.item_features or ())):
        missing = [name for name in names if name not in shop.items.columns]
        if missing:
            raise ValueError(
                f"{kind} has {missing[0]!r}, which is not a column of the items table; "
                f"it has {', '.join(shop.items.columns)}"
            )
    data = (split or type(shop).split)(
        shop, options, vocabulary=vocabulary, event_types=event_types, text_fields=options.text_fields,
        cache_dir=options.cache_dir,
    )  # fmt: skip
    data.require("train")
    return data


def shop_images(
    shop: ShopTables, options: PreparationOptions, encoder: Callable[[], ImageEncoder] | None = None
) -> tuple[ShopTables, ItemImages | None]:
    """Read the images of the items.

    Args:
        shop: Validated tables.
        options: Options of the preparation.
        encoder: Gives the encoder, in place of that of the options.

    Returns:
        The tables without a column of vectors, which are stored in the model and not in the catalogue, and the images;
        None without a column of images.
    """
    images, column = shop.item_images(options, encoder=encoder, cache_dir=options.cache_dir), options.images
    if column in shop.items.columns and holds_vectors(shop.items[column]):
        shop = replace(shop, items=shop.items.drop(column))
    return shop, images


def prepare_training(
    shop: ShopTables,
    options: PreparationOptions,
    precision: str = "auto",
    *,
    model_class: type[XCatForNextItem] = XCatForNextItem,
    split: Callable[..., SplitData] | None = None,
    relations: bool = True,
) -> PreparedTraining:
    """Prepare training from tables.

    Args:
        shop: Validated tables.
        options: Options of the preparation.
        precision: Arithmetic of the text encoder: auto, fp32 or bf16.
        model_class: Class of the model, if it is a subclass.
        split: Splits the events, such as `ClickTask().split`; None for `ShopTables.split`.
        relations: As in `fill_item_table`.

    Raises:
        ValueError: If a text field or feature is not a column of the items table, or a configuration field is unknown.
    """
    read = options.interests != NO_INTEREST
    settings = interest_settings(shop, options.interests, options.interest_columns) if read else None
    shop, images = shop_images(shop, options)
    data = split_shop(shop, options, split=split)
    weighed = weigh_events(data, options)
    vocabulary, kinds = data.vocabulary, data.event_types
    set_seed(options.seed)
    with stage("finding the text encoder"):
        said = sampled_user_texts(shop.events, options.interest_columns)
        encoder = choose_text_encoder(options.text_encoder, vocabulary.column("text").to_pylist(), said)
    pooling, asking = (read_pooling(encoder.path, encoder.name, query=query) for query in (False, True))
    config = _config(data, encoder, pooling.mode, options, images)
    model = model_class(config)
    processor = XCatProcessor(
        AutoTokenizer.from_pretrained(encoder.path),
        vocabulary,
        event_types=kinds,
        max_history=config.max_history,
        num_rating_buckets=config.num_rating_buckets,
        rating_range=rating_scale(shop)[1],
        num_time_gap_buckets=config.num_time_gap_buckets,
        max_text_length=options.max_text_length,
        text_fields=options.text_fields,
        interest_settings=None if settings is None else settings.to_dict(),
        event_settings=data.settings,
        reads_texts=model.model.reads_user_texts,
        item_prompt=pooling.prompt,
        query_prompt=asking.prompt,
        image_settings=None if images is None else image_settings(images),
    )
    if config.text_config is not None:
        with stage("loading the text encoder"), quiet_transformers():
            pretrained = AutoModel.from_pretrained(encoder.path, dtype=torch.float32)
            assert model.model.text.encoder is not None
            model.model.text.encoder.load_state_dict(pretrained.state_dict())
    if images is not None:
        fill_images(model, vocabulary, images)
    fill_item_table(
        model, processor, data.train, precision=precision, cache_dir=options.cache_dir, relations=relations
    )
    taught = []
    if settings is not None and options.interest_sentiment != LEXICON:
        taught = [learn_sentiment(
            shop, model, processor, data.train, options.interest_sentiment, options.interest_labels,
            precision=precision, cache_dir=options.cache_dir,
        )]  # fmt: skip
    interests = add_interests(shop, model, processor, data.splits, options, precision)
    if model.model.asks is not None:  # last, because the rows of other additions are cached on disk
        add_asks(data, options.interest_columns)
    model.model.given_fields = frozenset(options.config)
    notes = [
        *encoder.notes, *place_policy(processor, options.policy), *filter(None, [shop.split_advice(options)]),
        *weighed, *([] if images is None else images.describe()), *taught,
    ]  # fmt: skip
    return PreparedTraining(
        model, processor, data, encoder.name, notes, interests, measure_unknown(shop, processor, options)
    )


def measure_unknown(shop: ShopTables, processor: XCatProcessor, options: PreparationOptions) -> dict[str, float]:
    """Share of the tokens that the text encoder does not know, in texts of items and, if there are any, of users.

    Logs a warning for texts of users with a large share; `fill_catalogue` does for those of items.

    Args:
        shop: Validated tables.
        processor: The processor with the catalogue.
        options: Options of the preparation.
    """
    said = sampled_user_texts(shop.events, options.interest_columns)
    warn_of_unknown(processor.tokenizer, said, "texts of users")
    found = {"items": [text for text in processor.catalogue.column("text").to_pylist() if text], "users": said}
    return {name: share_unknown_to(processor.tokenizer, texts) for name, texts in found.items() if texts}


def add_interests(
    shop: ShopTables,
    model: XCatForNextItem,
    processor: XCatProcessor,
    splits: DatasetDict,
    options: PreparationOptions,
    precision: str,
) -> UserInterests | None:
    """Add users' interests to evaluation rows; training rows get theirs when windows are cut.

    Args:
        shop: Validated tables.
        model: The model, with its catalogue in place.
        processor: Its processor, which states whether interests are read.
        splits: The splits, changed in place.
        options: Options of the preparation.
        precision: Arithmetic of the text encoder.
    """
    interests = shop_interests(
        shop, model, processor, precision=precision, cache_dir=options.cache_dir, keep=True
    )  # fmt: skip
    if interests is not None:
        for part in ("validation", "test"):
            splits[part] = interests.added(splits[part])
    return interests


def _config(
    data: SplitData, found: EncoderChoice, pooling: str, options: PreparationOptions, images: ItemImages | None
) -> XCatConfig:
    shop, vocabulary, kinds = data.shop, data.vocabulary, data.event_types
    known = set(XCatConfig().to_dict())
    unknown = [name for name in options.config if name not in known]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not a field of XCatConfig")
    text_config = AutoConfig.from_pretrained(found.path)
    text_config.name_or_path = "" if is_local(found.name) else found.name
    limit = getattr(text_config, "max_position_embeddings", None) or options.max_text_length
    if not 1 <= options.max_text_length <= limit:
        raise ValueError(
            f"max_text_length is {options.max_text_length}; give 1 to {limit}, the maximum of {found.path}"
        )
    has_times = "timestamp" in shop.events.columns and shop.events["timestamp"].null_count() < shop.events.height
    features = {name: len(vocabulary.codes(name)[1]) + 1 for name in feature_columns(shop, options)}
    named = options.config.get("event_types") or kinds
    measured: dict[str, Any] = {
        "text_config": text_config,
        "text_dim": text_config.hidden_size,
        "text_pooling": pooling,
        "num_item_rows": len(vocabulary),
        "num_texts": len(distinct_texts(vocabulary)[0]),
        "item_features": features,
        "event_types": kinds,
        "negative_event_types": [name for name in data.roles.negative if name in named],
        "num_rating_buckets": rating_scale(shop)[0],
        "num_time_gap_buckets": TIME_GAP_BUCKETS if has_times else 0,
        "max_history": history_length(data.train),
        "ask_length": ASK_LENGTH if options.config.get("use_text", XCatConfig.use_text) else 0,
        "untrained_bonus": UNTRAINED_BONUS if options.config.get("use_text", XCatConfig.use_text) else 0.0,
    }
    measured["num_segments"] = segment_count(data.train)
    measured |= {} if images is None else image_fields(images)
    config = XCatConfig(**{**measured, **with_both_boosts(options.config)})
    if options.interests != NO_INTEREST:
        if not config.use_text or config.num_fusion_layers < 1 or config.text_config is None:
            raise ValueError(
                "interests need cross-attention to texts; keep use_text on, num_fusion_layers above 0 and the text "
                "encoder"
            )
        config.memory_sources = list(dict.fromkeys([*(config.memory_sources or ()), "interests"]))
    if config.hidden_act not in ACT2FN:
        raise ValueError(f"hidden_act is {config.hidden_act!r}; give one of {', '.join(sorted(ACT2FN))}")
    return config


def with_both_boosts(config: Mapping[str, Any]) -> dict[str, Any]:
    """Given configuration fields; a cold-item boost among them is for discovery too, if that has none of its own."""
    both = {"discover_untrained_bonus": config["untrained_bonus"]} if "untrained_bonus" in config else {}
    return {**both, **config}


def rating_scale(shop: ShopTables) -> tuple[int, tuple[float, float] | None]:
    """Rating buckets and their range: one bucket per whole number on scales up to 10, else ten buckets."""
    ratings = shop.events["rating"].drop_nulls() if "rating" in shop.events.columns else pl.Series([])
    if not len(ratings):
        return 0, None
    low, high = float(ratings.min()), float(ratings.max())  # type: ignore[arg-type]
    if low == high:
        return 2, (low, high)
    if low >= 1 and high < RATING_BUCKETS_LIMIT:
        return max(2, int(np.ceil(high)) + 1), None
    return RATING_BUCKETS_LIMIT, (low, high)
