"""Suggest labels: the texts, items or users whose labels would teach most."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import polars as pl

from ..checkpoints.saved_tables import table_options
from ..modeling_xcat.arguments_xcat import whole_number
from ..tokenization.interests.opinions import read_texts
from ..tokenization.out_of_core.prepared_folder import refuse_prepared
from ..tokenization.sources.generic import load_table
from ..tokenization.sources.labels import LABEL, read_labels
from ..tokenization.text.default_encoder import choose_text_encoder
from ..training.labelling.label_pool import LabelPool, LabelSuggestion
from ..training.labelling.ranking import rank_pool
from .fields import given_columns
from .interests import encoder_of, interest_tables
from .label_pools import Encode, item_pool, text_pool, user_pool
from .output_folders import check_file_to_write
from .read_shop import read_shop

if TYPE_CHECKING:
    from ..ranking.recommender import XCatRecommender
    from ..tokenization.sources.generic import TableSource
    from ..tokenization.sources.labels import LabelSource
    from ..tokenization.tables.schema import MissingUsers, UnknownItems
    from .read_shop import ColumnNames, ShopSource

logger = logging.getLogger(__name__)

Kind = Literal["texts", "items", "users"]
KEYS: dict[str, str] = {"texts": "text", "items": "item_id", "users": "user_id"}
"""Kind to the column that names a thing of it."""
POOL = 5_000


@dataclass(frozen=True)
class LabelSuggestions:
    """Result of `suggest_labels`.

    Args:
        kind: "texts", "items" or "users".
        suggestions: The suggestions, best first.
        candidates: Number of candidates that were ranked.
        labelled: Number of labelled things that were read.
        output: Written file; None for none.
    """

    kind: str
    suggestions: list[LabelSuggestion]
    candidates: int
    labelled: int
    output: Path | None = field(default=None)

    def rows(self) -> list[dict[str, Any]]:
        """Rows of the file: the key, what it is, an empty `label`, a guess, and the reason."""
        key = KEYS[self.kind]
        return [
            {key: one.id, **({} if key == "text" else {"about": one.shown}), LABEL: "", "guess": one.guess,
             "uncertainty": one.uncertainty, "reason": one.reason}
            for one in self.suggestions
        ]  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Convert to JSON."""
        return {"kind": self.kind, "candidates": self.candidates, "labelled": self.labelled,
                "suggestions": self.rows(), "output": None if self.output is None else str(self.output)}  # fmt: skip


def suggest_labels(
    data: ShopSource | None = None,
    kind: Kind = "texts",
    n: int = 100,
    *,
    items: TableSource | None = None,
    events: TableSource | None = None,
    labels: LabelSource | Sequence[LabelSource] | None = None,
    output: str | os.PathLike[str] | None = None,
    column: str = "category",
    text_columns: Sequence[str] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    columns: ColumnNames | None = None,
    time_format: str | None = None,
    encoding: str | None = None,
    unknown_items: UnknownItems = "error",
    missing_users: MissingUsers = "error",
    text_encoder: str | None = None,
    pool: int = POOL,
    tell: Callable[[str], None] = logger.info,
) -> LabelSuggestions:
    """Rank the texts, items or users whose labels would teach most, like `xcat suggest-labels`.

    Candidates are uncertain and unlike each other; with few labels they are typical of many others. What has a label
    is not suggested. The result is the same for the same data.

    Args:
        data: As in `fit`, and so are `items`, `events` and the arguments from `columns` to `missing_users`.
        kind: "texts" (sentiment of users' texts), "items" (values of `column`) or "users" (a segment of your own).
        n: Number of suggestions.
        items: Items table, instead of `data`.
        events: Events table, instead of `data`.
        labels: Labels that were given earlier: tables with the key (text, item_id or user_id) and `label`.
        output: File for the suggestions with an empty column `label`: .csv or .json; None to write none.
        column: Column of items that is labelled, for `kind="items"`.
        text_columns: Columns of events with texts, for `kind="texts"`; None for the usual names.
        checkpoint: Checkpoint with the column names and the text encoder; it predicts the next category of users.
        columns: Column names; None for those of the checkpoint, or the default names.
        time_format: Format of times; texts need no users and times.
        encoding: Encoding of the files.
        unknown_items: "error" or "drop".
        missing_users: "error" or "drop".
        text_encoder: Folder or hub id of the text encoder; None for that of the checkpoint, or one by the language.
        pool: Most candidates, and most labelled things, that are read; they are evenly spread.
        tell: Called with every message.

    Returns:
        The suggestions, best first.

    Raises:
        OSError: If there is no such checkpoint or file.
        ValueError: If an argument, a table or a label cannot be used, or nothing is left to label.

    Example (not run: it needs tables and a text encoder):
        suggest_labels("my-shop", "texts", 100, output="to-label.csv")
        suggest_labels("my-shop", "texts", 100, labels="to-label.csv", output="to-label-2.csv")
    """
    check_suggestions(kind, n, pool, output)
    refuse_prepared(data, "give")
    given = read_labels(labels, KEYS[kind])
    told = table_options(checkpoint, given_columns(columns), time_format, encoding)
    recommender = None if checkpoint is None else _recommender(checkpoint)
    encode = _encoder(text_encoder, recommender, tell)
    if kind == "texts":
        log, problems = load_table(interest_tables(data, items, events)["events"], "events", encoding=told["encoding"])
        for problem in problems:
            tell(f"note: {problem}")
        found = text_pool(read_texts(log, told["columns"], text_columns), given, pool, encode)
    else:
        shop = read_shop(
            data, items=items, events=events, **told, unknown_items=unknown_items, missing_users=missing_users
        )
        if kind == "items":
            found = item_pool(shop, column, given, pool, encode)
        else:
            found = user_pool(shop, given, pool, encode if recommender is None else None, recommender)
    return _result(kind, found, n, output)


def check_suggestions(kind: str, n: int, pool: int, output: str | os.PathLike[str] | None) -> None:
    """Refuse arguments that cannot be used, before any table is read.

    Raises:
        ValueError: If one is, or the output exists: it may hold labels.
    """
    if kind not in get_args(Kind):
        raise ValueError(f"kind is {kind!r}; give one of {', '.join(get_args(Kind))}")
    for name, value in (("n", n), ("pool", pool)):
        if whole_number(name, value) < 1:
            raise ValueError(f"{name} is {value}; give at least 1")
    if output is None:
        return
    file = Path(output)
    if file.suffix not in (".csv", ".json"):
        raise ValueError(f"output={str(file)!r}: give a file that ends in .csv or .json")
    check_file_to_write(file, f"output={str(file)!r}")
    if file.exists():
        raise ValueError(f"output={str(file)!r} exists and may hold labels; give another file, or remove it")


def _recommender(checkpoint: str | os.PathLike[str]) -> XCatRecommender:
    from ..ranking.recommender import XCatRecommender

    return XCatRecommender.from_pretrained(checkpoint)


def _encoder(name: str | None, recommender: XCatRecommender | None, tell: Callable[[str], None]) -> Encode:
    """Texts to states; the encoder is loaded at the first use."""

    def encode(texts: list[str]) -> np.ndarray:
        if name is None and recommender is not None and recommender.model.model.text is not None:
            from ..catalogue.item_table import text_states

            return text_states(recommender.model, recommender.processor, texts)[:, 0].numpy()
        chosen = choose_text_encoder(name, texts)
        for note in chosen.notes:
            tell(note)
        return encoder_of(chosen).encode(texts)[:, 0]

    return encode


def _result(kind: str, found: LabelPool, n: int, output: str | os.PathLike[str] | None) -> LabelSuggestions:
    chosen = rank_pool(found, n)
    labelled = sum(map(bool, found.labels))
    result = LabelSuggestions(
        kind, chosen, len(found.ids) - labelled, labelled, None if output is None else Path(output)
    )
    if result.output is None:
        return result
    if result.output.suffix == ".json":
        result.output.write_text(json.dumps(result.rows(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    else:
        schema = {"uncertainty": pl.Float64}
        pl.DataFrame(result.rows(), schema_overrides=schema).write_csv(result.output)
    return result
