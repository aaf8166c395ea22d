"""Facts of the data for a card: size, time range, texts, repairs, and a hash that identifies the data."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass, field

import polars as pl

from ..tokenization.tables.schema import ShopTables
from ..tokenization.vocabulary import ItemVocabulary

_ROWS_AT_ONCE = 1 << 17


@dataclass(frozen=True)
class DatasetFacts:
    """Facts of a data set, counted in the training tables.

    Args:
        num_users: Users with events.
        num_items: Items of the catalogue.
        num_events: Events.
        num_texts: Distinct item texts.
        content_hash: SHA-256 of the validated tables.
        first_event: Time of the first event, seconds since 1970 (UTC); None without times.
        last_event: Time of the last event.
        repeated_events: Events with the same user, item, time and event type as an earlier one; they are kept.
        users_of_parts: Users of each part of the split.
        problems: Repairs of and warnings about the tables, one sentence each.
        licence: Name of the data's licence; empty if unknown.
        homepage: Source of the data; empty if unknown.
        citation: How to cite the data; empty if unknown.
    """

    num_users: int
    num_items: int
    num_events: int
    num_texts: int
    content_hash: str
    first_event: int | None = None
    last_event: int | None = None
    repeated_events: int = 0
    users_of_parts: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    licence: str = ""
    homepage: str = ""
    citation: str = ""

    @property
    def time_range(self) -> str:
        """First and last day, or "no times"."""
        if self.first_event is None or self.last_event is None:
            return "no times"
        return f"{_day(self.first_event)} to {_day(self.last_event)} (UTC)"


def describe_dataset(
    shop: ShopTables, vocabulary: ItemVocabulary, splits: Mapping[str, Sized] | None = None
) -> DatasetFacts:
    """Count the facts of tables for a card.

    Args:
        shop: Validated tables.
        vocabulary: The catalogue built from them.
        splits: The parts of the split, by name.
    """
    texts = vocabulary.column("text") if "text" in vocabulary.table.column_names else None
    return DatasetFacts(
        num_users=shop.card.users or shop.events["user_id"].n_unique(),
        num_items=vocabulary.num_items,
        num_events=shop.card.rows.get("events", shop.events.height),
        num_texts=0 if texts is None else sum(1 for text in texts.unique().to_pylist() if text),
        content_hash=content_hash([shop.items, shop.events]),
        first_event=shop.card.first_event,
        last_event=shop.card.last_event,
        repeated_events=sum(problem.count for problem in shop.problems if problem.kind == "repeated_event"),
        users_of_parts={name: len(part) for name, part in (splits or {}).items()},
        problems=tuple(str(problem) for problem in shop.problems),
        licence=shop.card.licence,
        homepage=shop.card.homepage,
        citation=shop.card.citation,
    )


def content_hash(tables: Sequence[pl.DataFrame]) -> str:
    """SHA-256 of tables: of the names of their columns and of their rows in order.

    The same tables have the same hash, whatever their file format.

    Example:
        >>> content_hash([pl.DataFrame({"a": [1, 2]})])[:12]
        'd7f5e634e3ef'
    """
    hashed = hashlib.sha256()
    for part in tables:
        hashed.update(("\t".join(part.columns) + "\n").encode())
        for rows in part.iter_slices(_ROWS_AT_ONCE):
            hashed.update(rows.write_ndjson().encode())
    return hashed.hexdigest()


def _day(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d")
