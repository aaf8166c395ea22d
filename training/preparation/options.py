"""Options of a preparation for training, and its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from datasets import DatasetDict

from ...modeling_xcat.modeling_xcat import XCatForNextItem
from ...tokenization.interests.reader import NO_INTEREST, UserInterests
from ...tokenization.processing_xcat import XCatProcessor
from ...tokenization.sequences.event_options import EventOptions
from ...tokenization.sequences.split_data import SplitData


@dataclass
class PreparationOptions(EventOptions):
    """What to make of a shop's tables: `EventOptions`, and the texts, features and settings of the model.

    Args:
        text_encoder: Hub id or folder of the text encoder; None for the default.
        seed: Seed of ties, initial weights and training.
        text_fields: Columns of the items table that make an item's text, in order.
        max_text_length: Tokens read of a text.
        item_features: Columns of the items table that get an embedding a value; None for those of `DEFAULT_FEATURES`
            that there are.
        config: Fields of `XCatConfig` to override.
        cache_dir: Where text states and splits are cached; None for the user's cache and for that of `datasets`.
        split_seed: Seed of ties and cold items alone, so that runs of several seeds see one data set; None for `seed`.
        interests: Interest profiles of users as memory: none, words (what they wrote), or items (what their opinions
            are about).
        interest_columns: Columns of the events table with texts for them; the usual names if empty.
    """

    text_encoder: str | None = None
    text_fields: tuple[str, ...] = ("title", "brand", "category")
    max_text_length: int = 64
    item_features: tuple[str, ...] | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    cache_dir: Path | None = None
    split_seed: int | None = None
    interests: str = NO_INTEREST
    interest_columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        self.cache_dir = None if self.cache_dir is None else Path(self.cache_dir)
        for name in ("text_fields", "item_features", "interest_columns"):
            value: Any = getattr(self, name)
            if isinstance(value, str):  # the letters of which are no columns
                setattr(self, name, (value,))

    @property
    def event_seed(self) -> int:
        """Seed of shuffled ties and of cold items: `split_seed`, or `seed` where that is None."""
        return self.seed if self.split_seed is None else self.split_seed


@dataclass
class PreparedTraining:
    """A model with its catalogue in place, its processor, the data, and what a user should be told."""

    model: XCatForNextItem
    processor: XCatProcessor
    data: SplitData
    text_encoder: str
    notes: list[str]
    interests: UserInterests | None = None

    @property
    def splits(self) -> DatasetDict:
        """The parts of the data: `train`, `validation` and `test`."""
        return self.data.splits

    @property
    def trained(self) -> np.ndarray:
        """(rows,) True for items that training events name."""
        trained: np.ndarray = (self.model.model.items.item_counts > 0).cpu().numpy()
        return trained
