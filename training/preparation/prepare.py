"""From a shop's tables to a model, a processor and data splits that a trainer can take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from datasets import DatasetDict
from transformers import AutoConfig, AutoModel, AutoTokenizer, set_seed
from transformers.activations import ACT2FN

from ...catalogue.interests import interest_settings, shop_interests
from ...catalogue.item_table import distinct_texts, fill_item_table
from ...modeling_xcat.configuration_xcat import XCatConfig
from ...modeling_xcat.modeling_xcat import XCatForNextItem
from ...tokenization.interests.reader import NO_INTEREST, UserInterests
from ...tokenization.out_of_core.inputs import text_vocabulary
from ...tokenization.out_of_core.prepared_folder import PreparedShop
from ...tokenization.processing_xcat import XCatProcessor
from ...tokenization.progress import stage
from ...tokenization.sequences.baskets import basket_advice
from ...tokenization.sequences.build import build_splits, event_type_names, resolve_split
from ...tokenization.sequences.filters import filter_events
from ...tokenization.sequences.held_out_items import choose_cold_items, without_items
from ...tokenization.sequences.split_cache import cached_splits
from ...tokenization.sequences.splits import SplitName
from ...tokenization.tables.column_guess import changed_columns
from ...tokenization.tables.event_roles import EventRoles, event_roles, saved_roles
from ...tokenization.tables.schema import ShopTables
from ...tokenization.text import DEFAULT_TEXT_ENCODER, resolve_text_encoder
from ...tokenization.vocabulary import ItemVocabulary
from .windows import history_length

RATING_BUCKETS_LIMIT = 11
TIME_GAP_BUCKETS = 20
UNTRAINED_BONUS = 0.25
"""`untrained_bonus` of a model that reads texts: where items without training events are bought it finds a fifth more
of them, at a cost over all targets that no set tells from nothing (docs/trials.md, "Cold items once more").
"""
DEFAULT_FEATURES = ("brand",)
"""A brand goes across categories, which its name in a text says too softly; of categories the text says enough."""


@dataclass
class PreparationOptions:
    """What to make of a shop's tables.

    Args:
        text_encoder: Hub id or folder of the text encoder; None for the default.
        split: leave-one-out, last-basket, global-time, column, user-level, cold-items, or auto.
        tie_policy: "file" keeps the file's order of events at one time, "shuffle" draws it.
        seed: Seed of ties, initial weights and training.
        text_fields: Columns of the items table that make an item's text, in order.
        max_text_length: Tokens read of a text.
        item_features: Columns of the items table that get an embedding a value; None for those of `DEFAULT_FEATURES`
            that there are.
        config: Fields of `XCatConfig` to override.
        cache_dir: Where text states and splits are cached; None for the user's cache and for that of `datasets`.
        split_seed: Seed of ties and cold items alone, so that runs of several seeds see one data set; None for `seed`.
        cold_items: Share of the items, from 0 to 0.5, whose training events are taken away.
        cold_policy: Which items: random or newest.
        repeats: A user's further events with an item: keep, collapse (the first of those in a row), or first.
        min_user_events: Events that a user must have to be used; 0 for any number.
        min_item_events: Events that an item must have to be in the catalogue; 0 for any number.
        session_gap: Seconds without an event after which a session ends; sessions become baskets. 0 for none.
        interests: Interest profiles of users as memory: none, words (what they wrote), or items (what their opinions
            are about).
        interest_columns: Columns of the events table with texts for them; the usual names if empty.
        target_event_types: Event types that are predicted; None for the default by their names, see `event_roles`.
            Events of other types only stand in histories.
        negative_event_types: Event types that are negative, such as returns; None for the default by their names.
    """

    text_encoder: str | None = None
    split: str = "auto"
    tie_policy: str = "file"
    seed: int = 0
    text_fields: tuple[str, ...] = ("title", "brand", "category")
    max_text_length: int = 64
    item_features: tuple[str, ...] | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    cache_dir: Path | None = None
    split_seed: int | None = None
    cold_items: float = 0.0
    cold_policy: str = "random"
    repeats: str = "keep"
    min_user_events: int = 0
    min_item_events: int = 0
    session_gap: int = 0
    interests: str = NO_INTEREST
    interest_columns: tuple[str, ...] = ()
    target_event_types: tuple[str, ...] | None = None
    negative_event_types: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        self.cache_dir = None if self.cache_dir is None else Path(self.cache_dir)
        for name in ("text_fields", "item_features", "interest_columns"):
            value: Any = getattr(self, name)
            if isinstance(value, str):  # the letters of which are no columns
                setattr(self, name, (value,))


@dataclass
class PreparedTraining:
    """A model with its catalogue in place, its processor, the splits, and what a user should be told."""

    model: XCatForNextItem
    processor: XCatProcessor
    splits: DatasetDict
    text_encoder: str
    notes: list[str]
    interests: UserInterests | None = None

    @property
    def trained(self) -> np.ndarray:
        """(rows,) True for items that training events name."""
        trained: np.ndarray = (self.model.model.items.item_counts > 0).cpu().numpy()
        return trained


def build_vocabulary(
    shop: ShopTables, text_fields: tuple[str, ...] = ("title", "brand", "category")
) -> ItemVocabulary:
    """The item vocabulary of a shop, with the text of each item in the column `text`."""
    return text_vocabulary(shop.items, text_fields)


EVENT_OPTIONS = (
    "split", "tie_policy", "repeats", "min_user_events", "min_item_events", "session_gap", "target_event_types",
    "negative_event_types", "cold_items", "cold_policy",
)  # fmt: skip
"""Options that choose and split events; sequences that were prepared have theirs."""


def resolve_options(shop: ShopTables, options: PreparationOptions) -> PreparationOptions:
    """The options with those that a prepared shop was made with; of a log, the options themselves.

    Raises:
        ValueError: If others are wanted than the shop was made with.
    """
    if not isinstance(shop, PreparedShop):
        return options
    # Cold items can be made to order of sequences too, once.
    names = EVENT_OPTIONS if shop.made.get("cold_items") else EVENT_OPTIONS[:-2]
    wanted, defaults = ({name: getattr(o, name) for name in names} for o in (options, PreparationOptions()))
    return replace(options, **shop.check_options(wanted, defaults))


def select_events(shop: ShopTables, options: PreparationOptions) -> ShopTables:
    """The shop with the events and items that are to be used, as `filter_events` chooses them.

    Args:
        shop: Validated tables; of a prepared shop they were chosen before.
        options: What to make of them.
    """
    if isinstance(shop, PreparedShop):
        return shop
    return filter_events(
        shop,
        repeats=options.repeats,
        min_user_events=options.min_user_events,
        min_item_events=options.min_item_events,
        session_gap=options.session_gap,
    )


def feature_columns(shop: ShopTables, options: PreparationOptions) -> tuple[str, ...]:
    """The columns that get an embedding a value: those asked for, or the default ones that tell items apart."""
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
    kinds: list[str] | None = None,
) -> tuple[ItemVocabulary, list[str], DatasetDict]:
    """The item vocabulary, the kinds of event and the splits: what every model is given, trained or counted.

    Args:
        shop: Validated tables.
        options: What to make of them.
        vocabulary: The item vocabulary, where it is not to be that of the items table.
        kinds: The kinds of event, where they are not to be those of the events table.

    Raises:
        ValueError: If a text field or feature is no column of the items table, or nothing is left to train on.
    """
    for kind, names in (("text_fields", options.text_fields), ("item_features", options.item_features or ())):
        missing = [name for name in names if name not in shop.items.columns]
        if missing:
            raise ValueError(
                f"{kind} names {missing[0]!r}, which is no column of the items table; "
                f"it has {', '.join(shop.items.columns)}"
            )
    options = resolve_options(shop, options)
    shop = select_events(shop, options)
    if isinstance(shop, PreparedShop) and (vocabulary is None or kinds is None):
        vocabulary, kinds = build_vocabulary(shop, options.text_fields), shop.event_types
        splits = _without_cold(DatasetDict(shop.sequences), shop, options)
    else:
        with stage("splitting events"):
            vocabulary = build_vocabulary(shop, options.text_fields) if vocabulary is None else vocabulary
            kinds = event_type_names(shop) if kinds is None else kinds
            splits = split_events(shop, options, vocabulary, kinds)
    if not len(splits["train"]):
        raise ValueError(
            f"events: split {options.split!r} leaves no user with two training events "
            f"({shop.events.height} rows); give more events or another split"
        )
    return vocabulary, kinds, splits


def split_events(
    shop: ShopTables, options: PreparationOptions, vocabulary: ItemVocabulary, kinds: list[str]
) -> DatasetDict:
    """The splits of events that were chosen, without the training events of items that are to be cold.

    Args:
        shop: Validated tables, after `select_events`.
        options: What to make of them, after `resolve_options`.
        vocabulary: The item vocabulary.
        kinds: The kinds of event.
    """
    if isinstance(shop, PreparedShop):
        return _without_cold(shop.splits_for(vocabulary, kinds), shop, options)
    seed, roles = _split_seed(options), roles_of(shop, options)

    def make() -> DatasetDict:
        made = build_splits(
            shop, vocabulary, kinds, split=options.split, tie_policy=options.tie_policy, seed=seed, roles=roles
        )
        return _without_cold(made, shop, options)

    settings = {**{name: getattr(options, name) for name in EVENT_OPTIONS}, "seed": seed, "kinds": kinds}
    settings |= {"target_event_types": roles.targets, "negative_event_types": roles.negative}
    return cached_splits(make, shop, vocabulary, settings, options.cache_dir)


def _without_cold(splits: DatasetDict, shop: ShopTables, options: PreparationOptions) -> DatasetDict:
    if isinstance(shop, PreparedShop) and shop.made.get("cold_items"):
        return splits  # taken away before
    cold = choose_cold_items(splits["train"], options.cold_items, options.cold_policy, _split_seed(options))
    if len(cold):
        splits["train"] = without_items(splits["train"], cold)
    return splits


def _split_seed(options: PreparationOptions) -> int:
    return options.seed if options.split_seed is None else options.split_seed


_NEEDED = {
    SplitName.LEAVE_ONE_OUT: "users need three events each for it, four to be trained on",
    SplitName.LAST_BASKET: "users need three baskets each for it",
    SplitName.GLOBAL_TIME: "it takes users with events before and after four fifths, and nine tenths, of all events",
    SplitName.COLUMN: "the column split has to give events to it, of users with earlier ones",
    SplitName.USER_LEVEL: "it takes one user in ten, of those with two events or more",
    SplitName.COLD_ITEMS: "it takes users of the newest items with earlier events",
}


def check_parts(shop: ShopTables, splits: DatasetDict, split: str, parts: Sequence[str]) -> None:
    """Refuse splits without users in a part that is needed.

    Args:
        shop: The tables.
        splits: What was made of them.
        split: Name of the split, "auto" included.
        parts: Names of the parts.

    Raises:
        ValueError: If a part has no user.
    """
    for part in parts:
        if not len(splits[part]):
            name = resolve_split(shop, split)
            raise ValueError(
                f"events: split {str(name)!r} leaves no user in {part} ({shop.events.height} rows); {_NEEDED[name]}, "
                "or choose another split="
            )


def roles_of(shop: ShopTables, options: PreparationOptions) -> EventRoles:
    """Roles of the event types of a shop; of a prepared one, those it was prepared with.

    Raises:
        ValueError: As `event_roles`.
    """
    if isinstance(shop, PreparedShop):
        return saved_roles(shop.event_types, shop.made)
    return event_roles(event_type_names(shop), options.target_event_types, options.negative_event_types)


def split_advice(shop: ShopTables, options: PreparationOptions) -> str | None:
    """What to know of the split where events come in baskets; None where there is nothing to say."""
    if isinstance(shop, PreparedShop):
        return None
    return basket_advice(shop.events, resolve_split(shop, options.split), roles_of(shop, options))


def event_settings(shop: ShopTables, options: PreparationOptions) -> dict[str, Any]:
    """How the events of a shop are chosen and split, as a processor keeps it: `EVENT_OPTIONS` and their seed."""
    options = resolve_options(shop, options)
    settings = {name: getattr(options, name) for name in EVENT_OPTIONS}
    roles = roles_of(shop, options)
    settings |= {"target_event_types": list(roles.targets), "negative_event_types": list(roles.negative)}
    named = changed_columns(shop.columns)
    settings |= {"columns": named} if named else {}
    formats = {"time_format": shop.time_format, "encoding": shop.encoding}
    settings |= {name: value for name, value in formats.items() if value is not None}
    plain = {name: str(value) if isinstance(value, str) else value for name, value in settings.items()}
    return {**plain, "split": str(resolve_split(shop, options.split)), "seed": _split_seed(options)}


def prepare_training(
    shop: ShopTables,
    options: PreparationOptions,
    precision: str = "auto",
    *,
    model_class: type[XCatForNextItem] = XCatForNextItem,
) -> PreparedTraining:
    """Make everything that training needs.

    Args:
        shop: Validated tables.
        options: What to make of them.
        precision: Arithmetic of the text encoder: auto, fp32 or bf16.
        model_class: What is trained, where it is a subclass.

    Raises:
        ValueError: If a text field or feature is no column of the items table, or a configuration field is unknown.
    """
    read = options.interests != NO_INTEREST
    settings = interest_settings(shop, options.interests, options.interest_columns) if read else None
    vocabulary, kinds, splits = split_shop(shop, options)
    set_seed(options.seed)
    with stage("finding the text encoder"):
        encoder_path, note = resolve_text_encoder(options.text_encoder)
    config = _config(shop, vocabulary, kinds, encoder_path, history_length(splits["train"]), options)
    model = model_class(config)
    processor = XCatProcessor(
        AutoTokenizer.from_pretrained(encoder_path),
        vocabulary,
        event_types=kinds,
        max_history=config.max_history,
        num_rating_buckets=config.num_rating_buckets,
        rating_range=_rating_scale(shop)[1],
        num_time_gap_buckets=config.num_time_gap_buckets,
        max_text_length=options.max_text_length,
        text_fields=options.text_fields,
        interest_settings=None if settings is None else settings.to_dict(),
        event_settings=event_settings(shop, options),
        reads_texts=model.model.reads_user_texts,
    )
    if config.text_config is not None:
        with stage("loading the text encoder"):
            pretrained = AutoModel.from_pretrained(encoder_path, dtype=torch.float32)
            model.model.text.encoder.load_state_dict(pretrained.state_dict())
    fill_item_table(model, processor, splits["train"], precision=precision, cache_dir=options.cache_dir)
    interests = add_interests(shop, model, processor, splits, options, precision)
    notes = [told for told in (note, split_advice(shop, options)) if told]
    return PreparedTraining(model, processor, splits, options.text_encoder or DEFAULT_TEXT_ENCODER, notes, interests)


def add_interests(
    shop: ShopTables,
    model: XCatForNextItem,
    processor: XCatProcessor,
    splits: DatasetDict,
    options: PreparationOptions,
    precision: str,
) -> UserInterests | None:
    """Give the rows that are evaluated the interests of their users; training rows get theirs once they are cut.

    Args:
        shop: Validated tables.
        model: The model, with its catalogue in place.
        processor: Its processor, which says whether interests are read.
        splits: The splits, changed in place.
        options: What to make of the tables.
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
    shop: ShopTables,
    vocabulary: ItemVocabulary,
    kinds: list[str],
    encoder_path: str,
    history: int,
    options: PreparationOptions,
) -> XCatConfig:
    known = set(XCatConfig().to_dict())
    unknown = [name for name in options.config if name not in known]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no field of XCatConfig")
    text_config = AutoConfig.from_pretrained(encoder_path)
    limit = getattr(text_config, "max_position_embeddings", None) or options.max_text_length
    if not 1 <= options.max_text_length <= limit:
        raise ValueError(
            f"max_text_length is {options.max_text_length}; give 1 to {limit}, the most that {encoder_path} reads"
        )
    has_times = "timestamp" in shop.events.columns and shop.events["timestamp"].null_count() < shop.events.height
    features = {name: len(vocabulary.codes(name)[1]) + 1 for name in feature_columns(shop, options)}
    named = options.config.get("event_types") or kinds
    measured: dict[str, Any] = {
        "text_config": text_config,
        "text_dim": text_config.hidden_size,
        "num_item_rows": len(vocabulary),
        "num_texts": len(distinct_texts(vocabulary)[0]),
        "item_features": features,
        "event_types": kinds,
        "negative_event_types": [name for name in roles_of(shop, options).negative if name in named],
        "num_rating_buckets": _rating_scale(shop)[0],
        "num_time_gap_buckets": TIME_GAP_BUCKETS if has_times else 0,
        "max_history": history,
        "untrained_bonus": UNTRAINED_BONUS if options.config.get("use_text", XCatConfig.use_text) else 0.0,
    }
    config = XCatConfig(**{**measured, **options.config})
    if options.interests != NO_INTEREST:
        if not config.use_text or config.num_fusion_layers < 1 or config.text_config is None:
            raise ValueError(
                "interests are texts that behaviour attends to; leave use_text on, num_fusion_layers above 0 and the "
                "text encoder in place"
            )
        config.memory_sources = list(dict.fromkeys([*(config.memory_sources or ()), "interests"]))
    if config.hidden_act not in ACT2FN:
        raise ValueError(f"hidden_act is {config.hidden_act!r}; give one of {', '.join(sorted(ACT2FN))}")
    return config


def _rating_scale(shop: ShopTables) -> tuple[int, tuple[float, float] | None]:
    """Buckets of ratings and the range they divide: a bucket a whole number on scales of 1 to 10, else a tenth."""
    ratings = shop.events["rating"].drop_nulls() if "rating" in shop.events.columns else pl.Series([])
    if not len(ratings):
        return 0, None
    low, high = float(ratings.min()), float(ratings.max())  # type: ignore[arg-type]
    if low == high:
        return 2, (low, high)
    if low >= 1 and high < RATING_BUCKETS_LIMIT:
        return max(2, int(np.ceil(high)) + 1), None
    return RATING_BUCKETS_LIMIT, (low, high)
