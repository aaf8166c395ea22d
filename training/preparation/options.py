"""Options of a preparation for training, in groups, and its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from datasets import DatasetDict

from ...modeling_xcat.modeling_xcat import XCatForNextItem
from ...tokenization.images.image_options import ImageOptions
from ...tokenization.interests.reader import NO_INTEREST, UserInterests
from ...tokenization.interests.self_training import LEXICON
from ...tokenization.policy.policy_options import PolicyOptions
from ...tokenization.processing_xcat import XCatProcessor
from ...tokenization.sequences.event_options import EventOptions
from ...tokenization.sequences.row_asks import AskSources, ask_sources
from ...tokenization.sequences.split_data import SplitData
from ...tokenization.text.item_text import DEFAULT_TEXT_FIELDS


@dataclass
class TextOptions:
    """Texts of items, and the encoder that reads them.

    Args:
        text_encoder: Hub id or folder of the text encoder; None or "auto" to choose by the language of the texts:
            all-MiniLM-L6-v2 for English, bge-small-zh-v1.5 for Chinese, multilingual-e5-small for others and mixtures.
        text_fields: Columns of the items table that form an item's text, in order.
        max_text_length: Maximum tokens per text.
    """

    text_encoder: str | None = None
    text_fields: tuple[str, ...] = DEFAULT_TEXT_FIELDS
    max_text_length: int = 64

    def __post_init__(self) -> None:
        self.text_fields = _names(self.text_fields)


@dataclass
class InterestOptions:
    """Interest profiles of users as memory of the model.

    Args:
        interests: Source of the profiles: none, words (what users wrote), or items (what their opinions are about).
        interest_columns: Columns of the events table with the users' texts; the usual names if empty.
        interest_sentiment: Sentiment of texts without rating: lexicon, learned (from rated texts of training and
            `interest_labels`) or self-trained (also from texts of training without rating, if this helps).
        interest_labels: Files with `text` and `label` (positive, negative, neutral or stars), for learned sentiment.
    """

    interests: str = NO_INTEREST
    interest_columns: tuple[str, ...] = ()
    interest_sentiment: str = LEXICON
    interest_labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.interest_columns, self.interest_labels = _names(self.interest_columns), _names(self.interest_labels)


@dataclass
class ModelOptions:
    """The model: attributes of items that it embeds, and fields of its configuration.

    Args:
        item_features: Columns of the items table that get one embedding per value; None for those of
            `DEFAULT_FEATURES` in the table.
        config: Fields of `XCatConfig` to override.
    """

    item_features: tuple[str, ...] | None = None
    config: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.item_features = None if self.item_features is None else _names(self.item_features)


@dataclass
class PreparationOptions(ModelOptions, InterestOptions, PolicyOptions, ImageOptions, TextOptions, EventOptions):
    """Options of a preparation: those of events, texts, images, content policy, interests and the model in one.

    All fields are keywords: `PreparationOptions(split="last-basket", text_encoder="folder")`.

    Args:
        seed: Seed of ties, initial weights and training.
        split_seed: Seed of ties and cold items only, so that runs with several seeds have the same data; None: `seed`.
        cache_dir: Folder for cached text states and splits; None for the user's cache and the cache of `datasets`.
        robust_training: Whether a training event counts by the probability that it is real, in the loss, item-to-item
            weights and transitions. Coordinated fake users then have less influence; needs the extra attack.
    """

    cache_dir: Path | None = None
    split_seed: int | None = None
    robust_training: bool = False

    def __post_init__(self) -> None:
        for group in (EventOptions, TextOptions, ImageOptions, PolicyOptions, InterestOptions, ModelOptions):
            group.__post_init__(self)
        self.cache_dir = None if self.cache_dir is None else Path(self.cache_dir)

    @property
    def event_seed(self) -> int:
        """Seed of shuffled ties and of cold items: `split_seed`, or `seed` if that is None."""
        return self.seed if self.split_seed is None else self.split_seed


@dataclass
class PreparedTraining:
    """A model with its catalogue in place, its processor, the data, and notes for the user."""

    model: XCatForNextItem
    processor: XCatProcessor
    data: SplitData
    text_encoder: str
    notes: list[str]
    interests: UserInterests | None = None
    unknown_tokens: Mapping[str, float] = field(default_factory=dict)
    """Share of tokens that the text encoder does not know, in texts of "items" and of "users"."""

    @property
    def splits(self) -> DatasetDict:
        """The parts of the data: `train`, `validation` and `test`."""
        return self.data.splits

    @property
    def ask_sources(self) -> AskSources | None:
        """The texts that queries for fitting are made from; None for a model that reads no queries."""
        if self.model.model.asks is None:
            return None
        return ask_sources(self.splits["validation"], self.processor.catalogue.table)

    @property
    def trained(self) -> np.ndarray:
        """(rows,) True for items with training events."""
        trained: np.ndarray = (self.model.model.items.item_counts > 0).cpu().numpy()
        return trained


def _names(value: Any) -> Any:
    """Names of columns; a text is one name, not its letters."""
    return (value,) if isinstance(value, str) else value
