"""Histories with times, written in one line of text: `item@time`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..tokenization.tables.event_times import read_call_times
from ..tokenization.vocabulary import UNKNOWN_ROW, ItemVocabulary

_TIME = re.compile(r"\d{8,19}(\.\d+)?|\d{4}[-/]\d{1,2}[-/]\d.*")
"""A number of seconds (or of a smaller unit) since 1970, a date such as 20240131, or an ISO 8601 text."""


def read_timed_history(
    entries: Sequence[str], vocabulary: ItemVocabulary
) -> tuple[list[str], list[int | None] | None]:
    """Read the entries `item`, `item@time` and `item@`.

    An item id may contain an `@`. If the whole entry is an id of the catalogue, it is that id. Otherwise the part
    after the last `@` is a time if it looks like one, or if the part before it is an id of the catalogue; else it is
    part of the id. In `item@` the id is the part before the last `@`, and its time is unknown.

    Args:
        entries: Entries, oldest first.
        vocabulary: The catalogue.

    Returns:
        Item ids, and seconds since 1970 with None for unknown; None if no entry has a time.

    Raises:
        ValueError: If a time is invalid, or times have several kinds or units.

    Example:
        >>> import pyarrow as pa
        >>> catalogue = ItemVocabulary(pa.table({"item_id": ["a", "b@2020-01-01"]}))
        >>> read_timed_history(["a@2024-01-31", "b@2020-01-01", "c@home"], catalogue)
        (['a', 'b@2020-01-01', 'c@home'], [1706659200, None, None])
    """
    known = vocabulary.encode(entries) != UNKNOWN_ROW
    parts = [entry.rpartition("@") for entry in entries]
    known_parts = vocabulary.encode([item for item, _, _ in parts]) != UNKNOWN_ROW
    ids, times = [], list[str | None]()
    for entry, is_id, (item, at, time), is_item in zip(entries, known, parts, known_parts, strict=True):
        timed = bool(item and at and not is_id and (not time or is_item or _TIME.fullmatch(time)))
        ids.append(item if timed else entry)
        times.append(time if timed and time else None)
    if not any(times):
        return ids, None
    return ids, read_call_times("the times of the history", times)
