"""Rankings for queries: asks made of the targets of the test split, and queries of its events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import polars as pl
from datasets import Dataset

from ..evaluation.ranker_evaluation import Ranker, evaluate_ranker
from ..tokenization.sequences.row_asks import ASKS, REVIEWS, add_asks, review_columns
from ..tokenization.sequences.split_data import SplitData
from ..tokenization.tables.schema import ShopTables
from ..tokenization.tables.table_columns import QUERY
from ..tokenization.text.asks import ASK_KINDS, AskWriter, ItemWords
from ..tokenization.vocabulary import NUM_SPECIAL_ROWS, UNKNOWN_ROW, ItemVocabulary
from .results import ASK_INPUTS

MEASURED_KINDS = (*ASK_KINDS, QUERY)
"""Kinds of asks: made ones, and real queries of events."""
MOST_USERS = 2048
"""Users whose ranking is measured; more are reduced to an evenly spread sample, which is the same for all models."""
_SEED = 0
_METRICS = ("ndcg@10", "recall@10")
_NEEDS = {
    "category": "an item with a category",
    "attributes": "a word, of titles, brands and descriptions, that at least 5 items and 1 % of the items have",
    "review": "an item with a description, or an event with a review",
    "title": "an item with a title",
    "paraphrase": "an item with a title or a category",
    "own-title": "an item with a title",
    QUERY: "an event with a query (column query)",
}


def ask_kinds(asks: str | Sequence[str] | None) -> tuple[str, ...]:
    """Kinds of asks by name.

    Args:
        asks: Names, or one text with commas.

    Raises:
        ValueError: If a name is unknown.

    Example:
        >>> ask_kinds("category, title")
        ('category', 'title')
    """
    names = asks.split(",") if isinstance(asks, str) else list(asks or ())
    kinds = tuple(dict.fromkeys(name.strip() for name in names if name.strip()))
    unknown = [name for name in kinds if name not in MEASURED_KINDS]
    if unknown:
        raise ValueError(f"asks has {unknown[0]!r}; give some of {', '.join(MEASURED_KINDS)}")
    return kinds


def check_asks(shop: ShopTables, kinds: Sequence[str], text_columns: Sequence[str] = ()) -> None:
    """Refuse kinds of asks that the tables have no texts for, before anything is fitted.

    Args:
        shop: The tables.
        kinds: Kinds of asks.
        text_columns: Event columns with reviews; empty for the usual names.

    Raises:
        ValueError: If it is so.
    """
    made = [kind for kind in kinds if kind != QUERY]
    writer = AskWriter(ItemWords.of_table(shop.items)) if made else None
    some = np.unique(np.linspace(0, shop.items.height - 1, min(MOST_USERS, shop.items.height)).astype(int)).tolist()
    for kind in kinds:
        columns = [QUERY] if kind == QUERY else review_columns(shop.events, text_columns) if kind == "review" else []
        found = any(_has_text(shop.events, column) for column in columns)
        found = found or (writer is not None and kind != QUERY and any(any(writer.write([i], kind)) for i in some))
        if not found:
            others = [other for other in kinds if other != kind]
            remedy = f"asks={','.join(others)!r}" if others else "another kind"
            raise ValueError(
                f"asks has {kind!r}, which needs {_NEEDS[kind]}, and {shop.name} has none; give {remedy}, or name the "
                "columns with columns="
            )


def _has_text(events: pl.DataFrame, column: str) -> bool:
    if column not in events.columns:
        return False
    written = events[column].cast(pl.String, strict=False).str.strip_chars()
    return bool((written.fill_null("") != "").any())


def add_missing_asks(data: SplitData, text_columns: Sequence[str] = ()) -> None:
    """Add queries and reviews to the test rows of a model that does not read queries, so that all have the same.

    Args:
        data: The split.
        text_columns: As in `add_asks`.
    """
    if not {ASKS, REVIEWS} & set(data.test.column_names):
        add_asks(data, text_columns)


def measure_asks(
    ranker: Ranker, test: Dataset, vocabulary: ItemVocabulary, trained: np.ndarray, kinds: Sequence[str]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Rank the targets for an ask of each kind: with history and ask, with the ask alone, and with the history alone.

    An ask is made of one target of the user, or is the query of its event, and this target is then the only one. A
    user whose target has no text for a kind is left out.

    Args:
        ranker: The model; one that does not read `ask` ranks as if nobody asked.
        test: The test split; its columns `asks` and `reviews` are used if there are any (`add_asks`).
        vocabulary: The catalogue.
        trained: (rows,) whether an item has training events.
        kinds: Kinds of asks.

    Returns:
        By kind: `metrics` with history and query, `query_alone`, `history_alone`, `num_users` and median ranks, or
        None if no user has an ask; and metrics per user by `asks.KIND.METRIC` and `asks.KIND.INPUT.METRIC`, for paired
        intervals.
    """
    from ..training.tuning.ask_rows import item_reviews, new_customer

    table: Any = pl.from_arrow(vocabulary.table)
    numbers = np.linspace(0, len(test) - 1, min(MOST_USERS, len(test))).astype(int)
    rows: list[dict[str, Any]] = [test[int(number)] for number in numbers]
    writer = AskWriter(ItemWords.of_table(table), item_reviews(rows, table.height))
    found: dict[str, Any] = {}
    per_user: dict[str, np.ndarray] = {}
    for kind in kinds:
        asked = [
            {
                **{name: value for name, value in row.items() if name not in (ASKS, REVIEWS)},
                "targets": [item],
                "ask": ask,
            }
            for row, (item, ask) in zip(rows, _asks(rows, kind, writer), strict=True)
            if ask
        ]
        asked.sort(key=lambda row: len(row["ask"]))  # the text encoder reads texts of similar length together
        if not asked:
            found[kind] = None
            continue
        part: dict[str, Any] = {"num_users": len(asked)}
        inputs = (asked, [new_customer(row) for row in asked], [{**row, "ask": ""} for row in asked])
        for (name, (key, median, start)), changed in zip(ASK_INPUTS.items(), inputs, strict=True):
            report = evaluate_ranker(
                ranker, Dataset.from_list(changed), vocabulary, trained=trained, progress=False, name=name
            )
            assert report.ranks is not None
            part[key] = json.loads(report.to_json())["metrics"]
            part[median] = float(np.median(report.ranks[:, 0]))
            per_user |= {f"asks.{kind}.{start}{metric}": report.per_user[metric] for metric in _METRICS}
        found[kind] = part
    return found, per_user


def _asks(rows: Sequence[dict[str, Any]], kind: str, writer: AskWriter) -> list[tuple[int, str]]:
    """A target of each row, and its ask, "" for none."""
    if kind == QUERY:
        return [_first(zip(row["targets"], row.get(ASKS) or (), strict=False)) for row in rows]
    targets = [_first((item, "-") for item in row["targets"])[0] for row in rows]
    asks = writer.write([max(0, item - NUM_SPECIAL_ROWS) for item in targets], kind, _SEED)
    return [(item, ask if item >= NUM_SPECIAL_ROWS else "") for item, ask in zip(targets, asks, strict=True)]


def _first(pairs: Iterable[tuple[int, str]]) -> tuple[int, str]:
    """The first item of the catalogue that has a text, with the text."""
    return next(((item, ask) for item, ask in pairs if item >= NUM_SPECIAL_ROWS and ask), (UNKNOWN_ROW, ""))
