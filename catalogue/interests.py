"""Interests of users for a model: profiles are built from the model's own text states."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..tokenization.interests.opinions import Statements
from ..tokenization.interests.reader import InterestReader, InterestSettings, UserInterests, read_shop_statements
from ..tokenization.processing_xcat import XCatProcessor
from ..tokenization.tables.schema import ShopTables
from ..tokenization.unknown_tokens import warn_of_unknown
from .item_table import text_states

_READS = "interests are read from texts and ratings of events"


def interest_reader(
    model: XCatForNextItem,
    processor: XCatProcessor,
    *,
    precision: str = "fp32",
    cache_dir: Path | None = None,
    keep: bool = False,
) -> InterestReader | None:
    """Reader of interests for a model; None for a model without interests.

    Args:
        model: A model whose catalogue is in place.
        processor: Its processor.
        precision: Arithmetic of the text encoder: auto, fp32 or bf16.
        cache_dir: Where text states are cached; None for the user's cache.
        keep: Whether they are cached on disk.
    """
    if processor.interest_settings is None:
        return None
    items, text = model.model.items, model.model.text

    @torch.no_grad()
    def encode(texts: list[str]) -> np.ndarray:
        warn_of_unknown(processor.tokenizer, texts, "texts of users")
        states = text_states(model, processor, texts, precision=precision, cache_dir=cache_dir, keep=keep)
        whitened: np.ndarray = text.whiten(states[:, 0].to(text.mean.device)).float().cpu().numpy()
        return whitened

    def vectors_of(rows: np.ndarray) -> np.ndarray:
        texts = items.text_index[torch.from_numpy(rows).to(items.text_index.device)]
        states: np.ndarray = items.text_states[texts, 0].float().cpu().numpy()
        return states

    settings = InterestSettings.from_dict(processor.interest_settings)
    return InterestReader(settings, processor.catalogue, vectors_of, encode)


def shop_interests(
    shop: ShopTables,
    model: XCatForNextItem,
    processor: XCatProcessor,
    *,
    precision: str = "fp32",
    cache_dir: Path | None = None,
    keep: bool = False,
) -> UserInterests | None:
    """Compute the interests of the users of a dataset; None for a model without interests.

    Args:
        shop: Validated tables whose events have texts.
        model: A model whose catalogue is in place.
        processor: Its processor.
        precision: As for `interest_reader`.
        cache_dir: As for `interest_reader`.
        keep: As for `interest_reader`.

    Raises:
        ValueError: If the dataset was prepared without texts and ratings, or its events have no times.
    """
    reader = interest_reader(model, processor, precision=precision, cache_dir=cache_dir, keep=keep)
    if reader is None:
        return None
    statements, _ = read_shop_statements(shop.log(_READS), reader.settings.about, reader.settings.text_columns)
    told = Statements(statements.table, reader.settings.scale)
    return UserInterests(reader, reader.opinions(told), processor.max_history)


def interest_settings(shop: ShopTables, about: str, columns: Sequence[str]) -> InterestSettings:
    """Settings of interests for a model that is trained on a dataset.

    Args:
        shop: Validated tables.
        about: As in `InterestSettings`.
        columns: Event columns with texts; None or empty for the usual names.

    Raises:
        ValueError: As `shop_interests`.
    """
    statements, found = read_shop_statements(shop.log(_READS), about, columns)
    return InterestSettings(about, tuple(found), statements.scale)
