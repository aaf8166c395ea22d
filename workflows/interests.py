"""Interests: interest profiles of users from their texts and ratings."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from ..checkpoints.saved_tables import table_options
from ..tokenization.interests.entities import EntityMatcher, ModelEntities
from ..tokenization.interests.keyphrases import KeyphraseExtractor
from ..tokenization.interests.opinions import Statements, full_profile, opinions_of, read_statements
from ..tokenization.interests.profiles import InterestProfile, ProfileOptions
from ..tokenization.interests.self_training import LEXICON, check_method, fit_sentiment
from ..tokenization.interests.sentiment import ModelSentiment, Sentiment
from ..tokenization.out_of_core.prepared_folder import refuse_prepared
from ..tokenization.sources import check_source
from ..tokenization.sources.generic import load_table, table_suffix
from ..tokenization.sources.labels import known_labels, read_labels
from ..tokenization.sources.table_files import find_shop, given_tables, tables_of
from ..tokenization.tables.schema import derive_items, validate_items
from ..tokenization.text import DEFAULT_TEXT_FIELDS, item_texts
from ..tokenization.text.default_encoder import EncoderChoice, choose_text_encoder
from ..tokenization.unknown_tokens import warn_of_unknown
from .fields import given_columns

if TYPE_CHECKING:
    from ..tokenization.sources.generic import TableSource
    from ..tokenization.sources.labels import LabelSource
    from ..tokenization.text.text_encoder import TextEncoder
    from .read_shop import ColumnNames

logger = logging.getLogger(__name__)


def interests(
    data: TableSource | Mapping[str, TableSource] | os.PathLike[str] | None = None,
    user: Sequence[str] | None = None,
    *,
    items: TableSource | None = None,
    events: TableSource | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    columns: ColumnNames | None = None,
    text_columns: Sequence[str] | None = None,
    before: str | None = None,
    time_format: str | None = None,
    encoding: str | None = None,
    half_life_days: float = ProfileOptions.half_life_days,
    text_encoder: str | None = None,
    sentiment: str = LEXICON,
    labels: LabelSource | Sequence[LabelSource] | None = None,
    sentiment_model: str | None = None,
    entity_model: str | None = None,
    users: int = 3,
    tell: Callable[[str], None] = logger.info,
) -> dict[str, InterestProfile]:
    """Compute interest profiles of users, like `xcat interests`.

    Args:
        data: Events file or data frame, or folder with `items.*` and `events.*`; events have texts or ratings.
        user: Ids of the users; None for the users with most texts and ratings.
        items: Items table, instead of `data`: a file or data frame; None to derive it from the events.
        events: Events table, instead of `data`.
        checkpoint: Checkpoint to take column names, time format and encoding from: a folder, or NAMESPACE/NAME on
            the hub.
        columns: Column names; None for the names in the checkpoint's training, or the default names.
        text_columns: Columns of events with texts; None for the usual names.
        before: Time in ISO 8601; only earlier events are read. None for all.
        time_format: Time format, as in `load_shop`; None for the format in the checkpoint's training, or to detect it.
        encoding: Encoding of text files; None as for `time_format`.
        half_life_days: Days after which a review counts half.
        text_encoder: Folder or hub id of the text encoder; None or "auto" for one by the language of the texts.
        sentiment: Source of the sentiment of texts without rating: "lexicon", "learned" (from the rated texts) or
            "self-trained" (also from texts without rating, if this helps on held-out rated texts).
        labels: Sentiment of texts that people gave: tables with `text` and `label`, which counts as their rating;
            see `suggest_labels`.
        sentiment_model: Text-classification model for texts without rating, instead of `sentiment`.
        entity_model: Token-classification model that finds names; None for the names of the catalogue.
        users: Number of users, if `user` is None.
        tell: Called with each repair of the tables; by default they are logged.

    Returns:
        User id to profile.

    Raises:
        ValueError: If a table or an option cannot be used, or there is no such user.
        OSError: If there is no such checkpoint.

    Example (not run: it needs tables and a text encoder):
        interests("my-shop", ["U1"])["U1"].categories
    """
    options = ProfileOptions(half_life_days=half_life_days)
    if users < 1:
        raise ValueError(f"users is {users}; give at least 1")
    refuse_prepared(data, "give")
    check_sentiment(sentiment, sentiment_model)
    at = None if before is None else _seconds(before)
    given = read_labels(labels, "text")
    told = table_options(checkpoint, given_columns(columns), time_format, encoding)
    tables = interest_tables(data, items, events)
    log, problems = load_table(tables["events"], "events", encoding=told["encoding"])
    statements = read_statements(log, told["columns"], text_columns, time_format=told["time_format"])
    statements = statements.with_labels(known_labels(given, set(statements.table["text"]), "text"))
    if "items" in tables:
        raw, found = load_table(tables["items"], "items", encoding=told["encoding"])
        catalogue, report = validate_items(raw, told["columns"], found=found)
    else:
        catalogue, report = derive_items(log, told["columns"])
    for problem in (*problems, *report.problems):
        tell(f"note: {problem}")
    asked = user or _most_told(statements, users)
    chosen = {name: statements.of_user(name) for name in asked}
    fields = [name for name in DEFAULT_TEXT_FIELDS if name in catalogue.columns]
    ids, written = catalogue["item_id"], item_texts(catalogue, fields)
    texts = dict(zip(ids, written, strict=True))
    categories = dict(zip(ids, catalogue["category"].fill_null(""), strict=True))
    said = [text for text in statements.table["text"] if text]
    encode = _encoder(text_encoder, list(filter(None, written)), said, tell)
    judge: Sentiment | None = None if sentiment_model is None else ModelSentiment(sentiment_model)
    if sentiment != LEXICON:
        judge, message = fit_sentiment(statements, sentiment, encode)
        tell(message)
    entities = EntityMatcher.of_catalogue(catalogue) if entity_model is None else ModelEntities(entity_model)
    keyphrases = KeyphraseExtractor().fit(said) if said else None
    profiles = {}
    for name, of_user in chosen.items():
        opinions = opinions_of(of_user, encode, texts, categories, judge)
        profiles[name] = full_profile(of_user, opinions, at, options, entities, keyphrases)
    return profiles


def check_sentiment(sentiment: str, sentiment_model: str | None) -> None:
    """Refuse an unknown source of sentiment, or two.

    Raises:
        ValueError: If it is so.
    """
    check_method(sentiment)
    if sentiment != LEXICON and sentiment_model is not None:
        raise ValueError(f"sentiment={sentiment!r} and sentiment_model= are given; leave one of them out")


def interest_tables(data: Any, items: Any, events: Any) -> dict[str, Any]:
    """The tables, as files or objects."""
    if not isinstance(data, str | os.PathLike):
        check_source(data, items=items, events=events)
        return given_tables({"items": items, "events": events} if data is None else tables_of(data))
    place = Path(data).expanduser()
    if not place.is_dir() and not (place.is_file() and table_suffix(place)):
        raise ValueError(
            f"{data} is not a table or folder; give an events file, or a folder with items.* and events.*"
        )
    check_source(data, items=items, events=events)
    return dict(find_shop(place))


def _seconds(time: str) -> int:
    try:
        moment = datetime.fromisoformat(time)
    except ValueError as error:
        raise ValueError(f"before is {time!r}; write ISO 8601, such as 2023-01-31") from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _most_told(statements: Statements, count: int) -> list[str]:
    counts = statements.table.group_by("user_id").len().sort(pl.col("len"), "user_id", descending=[True, False])
    return [str(user) for user in counts["user_id"].head(count)]


def _encoder(
    name: str | None, items: list[str], said: list[str], tell: Callable[[str], None]
) -> Callable[[list[str]], np.ndarray]:
    """Load the encoder; it gives one state per text."""
    chosen = choose_text_encoder(name, items, said)
    for note in chosen.notes:
        tell(note)
    encoder = encoder_of(chosen)
    warn_of_unknown(encoder.tokenizer, items, "texts of items")
    warn_of_unknown(encoder.tokenizer, said, "texts of users")
    return lambda texts: encoder.encode(texts)[:, 0]


def encoder_of(chosen: EncoderChoice) -> TextEncoder:
    """Load a text encoder, in the arithmetic that is faster on this machine."""
    from ..tokenization.text.pooling import read_pooling
    from ..tokenization.text.precision import use_bf16
    from ..tokenization.text.text_encoder import (
        TextEncoder,
    )  # imports torch, so bad options are refused earlier

    return TextEncoder.from_pretrained(
        chosen.path, pooling=read_pooling(chosen.path, chosen.name), bf16=use_bf16("auto")
    )
