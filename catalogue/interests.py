"""Interests of users for a model: profiles are built from the model's own text states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch

from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..tokenization.interests.opinions import Statements
from ..tokenization.interests.reader import InterestReader, InterestSettings, UserInterests, read_shop_statements
from ..tokenization.interests.self_training import fit_or_lexicon
from ..tokenization.interests.sentiment import StateSentiment
from ..tokenization.processing_xcat import XCatProcessor
from ..tokenization.sources.labels import read_labels
from ..tokenization.tables.schema import ShopTables
from ..tokenization.unknown_tokens import warn_of_unknown
from .item_table import text_states

if TYPE_CHECKING:  # serving reads other files of this room, and needs no data sets
    import datasets

MOST_TEXTS = 20_000
"""Maximum number of texts with a rating, and of texts without, that sentiment is trained on."""
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


def learn_sentiment(
    shop: ShopTables,
    model: XCatForNextItem,
    processor: XCatProcessor,
    train: datasets.Dataset,
    method: str,
    labels: Sequence[str] = (),
    *,
    precision: str = "fp32",
    cache_dir: Path | None = None,
) -> str:
    """Train the sentiment of texts without rating and put it into the processor's settings of interests.

    It is a linear model of the text states that profiles have too. It reads rated texts of training and the labels,
    and by self-training also texts of training without rating. No text after a user's last training event is read,
    so validation and test stay unseen. At most 20,000 texts with a rating and as many without are read, evenly spread.
    If the lexicon is better on labelled texts, the settings keep it.

    Args:
        shop: Validated tables.
        model: A model whose catalogue is in place.
        processor: Its processor, with interest settings.
        train: Training sequences with `user_id` and `timestamps`.
        method: "learned" or "self-trained".
        labels: Tables with `text` and `label`; they take precedence over ratings.
        precision: As for `interest_reader`.
        cache_dir: As for `interest_reader`.

    Returns:
        A sentence about the training.

    Raises:
        ValueError: If there are too few labelled texts, as `fit_or_lexicon`, or a label is not a sentiment.
    """
    reader = interest_reader(model, processor, precision=precision, cache_dir=cache_dir, keep=True)
    assert reader is not None
    settings = reader.settings
    statements, _ = read_shop_statements(shop.log(_READS), settings.about, settings.text_columns)
    known = _of_training(statements.table, train).select("rating", "text")
    given = read_labels(list(labels), "text") if labels else {}
    more = pl.DataFrame({"rating": None, "text": list(given)}, schema=known.schema)
    told = Statements(pl.concat([_spread(known), more]), settings.scale).with_labels(given)
    states: dict[str, np.ndarray] = {}

    def encode(texts: list[str]) -> np.ndarray:
        missing = [text for text in dict.fromkeys(texts) if text not in states]
        states.update(zip(missing, reader.encode(missing) if missing else (), strict=True))
        return np.stack([states[text] for text in texts])

    learned, message = fit_or_lexicon(told, method, encode)
    if learned is not None:
        processor.interest_settings = replace(settings, sentiment=StateSentiment.of(learned, method)).to_dict()
    return message


def _of_training(statements: pl.DataFrame, train: datasets.Dataset) -> pl.DataFrame:
    """Rows up to the last training event of their user."""
    rows = pl.DataFrame(pl.from_arrow(train.select_columns(["user_id", "timestamps"]).with_format("arrow")[:]))
    last = rows.group_by("user_id").agg(pl.col("timestamps").list.max().max().alias("_last"))
    joined = statements.join(last, on="user_id", how="inner", maintain_order="left")
    return joined.filter(pl.col("timestamp") <= pl.col("_last")).drop("_last")


def _spread(table: pl.DataFrame) -> pl.DataFrame:
    """At most `MOST_TEXTS` distinct texts with a rating and as many without, evenly spread."""
    table = table.filter(pl.col("text") != "").unique("text", keep="last", maintain_order=True)
    parts = []
    for rated in (True, False):
        part = table.filter(pl.col("rating").is_not_null() == rated)
        chosen = np.unique(np.linspace(0, max(part.height - 1, 0), min(part.height, MOST_TEXTS)).astype(int))
        parts.append(part[chosen])
    return pl.concat(parts)
