"""`xcat interests`: what a user is interested in, out of what they wrote and rated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Encoding, TimeFormat

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from ..tokenization.entities import EntityMatcher, ModelEntities
    from ..tokenization.keyphrases import KeyphraseExtractor
    from ..tokenization.opinions import Statements
    from ..tokenization.sentiment import Sentiment


def interests(
    data: Annotated[str, typer.Argument(help="Folder with items.* and events.*; events carry texts or ratings.")],
    user: Annotated[
        list[str] | None, typer.Option(help="A user; may be repeated. Left out: those who wrote most.")
    ] = None,
    text_column: Annotated[
        list[str] | None,
        typer.Option(help="Column of events with a text; may be repeated. Left out: the usual names."),
    ] = None,
    before: Annotated[str | None, typer.Option(help="Read only what came before this time (ISO 8601).")] = None,
    time_format: TimeFormat = None,
    encoding: Encoding = None,
    half_life_days: Annotated[float, typer.Option(help="Days after which an opinion counts half.")] = 180.0,
    text_encoder: Annotated[str | None, typer.Option(help="Hub id or folder of the text encoder.")] = None,
    sentiment_model: Annotated[
        str | None, typer.Option(help="Text-classification model for texts without rating, in place of the lexicon.")
    ] = None,
    entity_model: Annotated[
        str | None, typer.Option(help="Token-classification model that finds names, in place of the catalogue's.")
    ] = None,
    users: Annotated[int, typer.Option(help="Users shown where --user is left out.")] = 3,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Print interest profiles: categories liked and disliked, centres of interest, names and phrases.

    Examples:

        xcat interests my-shop/ --user U1

        xcat interests my-shop/ --user U1 --before 2023-01-01 --json
    """
    from ..tokenization.interests import ProfileOptions
    from ..tokenization.opinions import full_profile, opinions_of, read_statements
    from ..tokenization.prepared import refuse_prepared
    from ..tokenization.sources import read_table
    from .console import print_json, results
    from .rendering import profile_tables

    options = ProfileOptions(half_life_days=half_life_days)
    if users < 1:
        raise ValueError(f"--users is {users}; give at least 1")
    refuse_prepared(data, "give")
    at = None if before is None else _seconds(before)
    statements = read_statements(
        read_table(_file(data, "events"), encoding=encoding), text_columns=text_column, time_format=time_format
    )
    items = read_table(_file(data, "items"), encoding=encoding)
    asked = user or _most_told(statements, users)
    chosen = [(name, statements.of_user(name)) for name in asked]
    texts, categories = _catalogue(items)
    encode = _encoder(text_encoder)
    sentiment = _sentiment(sentiment_model)
    entities, keyphrases = _finders(items, statements, entity_model)
    found = []
    for name, told in chosen:
        opinions = opinions_of(told, encode, texts, categories, sentiment)
        found.append((name, full_profile(told, opinions, at, options, entities, keyphrases)))
    if json_output:
        print_json({"profiles": [{"user_id": name, **profile.to_dict()} for name, profile in found]})
        return
    for name, profile in found:
        for table in profile_tables(name, profile):
            results.print(table, "", highlight=False, sep="\n")


def _file(data: str, name: str) -> Path:
    folder = Path(data)
    if not folder.is_dir():
        raise ValueError(f"{data} is no folder; give one with items.* and events.*")
    files = sorted(path for path in folder.iterdir() if path.name.split(".")[0] == name)
    if len(files) != 1:
        raise ValueError(f"{data} holds {len(files)} files {name}.*; it must hold one")
    return files[0]


def _seconds(time: str) -> int:
    from datetime import UTC, datetime

    try:
        moment = datetime.fromisoformat(time)
    except ValueError as error:
        raise ValueError(f"--before is {time!r}; write ISO 8601, such as 2023-01-31") from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _most_told(statements: Statements, count: int) -> list[str]:
    from polars import col

    counts = statements.table.group_by("user_id").len().sort(col("len"), "user_id", descending=[True, False])
    return [str(user) for user in counts["user_id"].head(count)]


def _catalogue(items: pl.DataFrame) -> tuple[dict[str, str], dict[str, str]]:
    """Text and category of each item."""
    from ..tokenization.columns import read_texts
    from ..tokenization.keys import read_keys
    from ..tokenization.text import DEFAULT_TEXT_FIELDS, item_texts

    ids = read_keys(items["item_id"]) if "item_id" in items.columns else None
    if ids is None:
        raise ValueError(f"items has no column 'item_id' with ids; it has {', '.join(items.columns)}")
    texts = item_texts(items, [name for name in DEFAULT_TEXT_FIELDS if name in items.columns])
    categories = read_texts(items["category"], " > ").fill_null("").to_list() if "category" in items.columns else []
    return dict(zip(ids, texts, strict=True)), dict(zip(ids, categories, strict=bool(categories)))


def _encoder(name: str | None) -> Callable[[list[str]], np.ndarray]:
    """The encoder, loaded, and one state a text."""
    from ..tokenization.encoder import TextEncoder
    from ..tokenization.text import resolve_text_encoder
    from ..training.precision import use_bf16
    from .console import say

    folder, note = resolve_text_encoder(name)
    if note:
        say(note)
    encoder = TextEncoder.from_pretrained(folder, bf16=use_bf16("auto"))
    return lambda texts: encoder.encode(texts)[:, 0]


def _sentiment(model: str | None) -> Sentiment | None:
    from ..tokenization.sentiment import ModelSentiment

    return None if model is None else ModelSentiment(model)


def _finders(
    items: pl.DataFrame, statements: Statements, model: str | None
) -> tuple[EntityMatcher | ModelEntities, KeyphraseExtractor | None]:
    """What finds names and phrases; no phrases where nobody wrote."""
    from ..tokenization.entities import EntityMatcher, ModelEntities
    from ..tokenization.keyphrases import KeyphraseExtractor

    texts = [text for text in statements.table["text"] if text]
    entities = EntityMatcher.of_catalogue(items) if model is None else ModelEntities(model)
    return entities, KeyphraseExtractor().fit(texts) if texts else None
