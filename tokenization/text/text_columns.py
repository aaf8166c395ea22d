"""Texts of users, from the columns of an events table."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from ..tables.values import read_texts
from .cleaning import clean_text

TEXT_COLUMNS = ("review_title", "review_text", "text", "query")
"""The usual names."""
_SAMPLED_ROWS = 2_000


def joined_texts(table: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    """The cleaned texts of each row, joined in the order of the columns; "" for none.

    Example:
        >>> table = pl.DataFrame({"title": ["Good", None], "text": ["<b>Warm</b>", ""]})
        >>> joined_texts(table, ["title", "text"]).to_list()
        ['Good. Warm', '']
    """
    parts = [[clean_text(value) for value in read_texts(table[name])] for name in columns]
    texts = [". ".join(filter(None, row)) for row in zip(*parts, strict=True)] if parts else [""] * table.height
    return pl.Series("text", texts, dtype=pl.String)


def sampled_user_texts(events: pl.DataFrame, columns: Sequence[str] = ()) -> list[str]:
    """Texts of users in an even sample of at most 2,000 events that have some.

    Args:
        events: The events table.
        columns: Text columns; empty for the columns of `TEXT_COLUMNS` in the table.
    """
    found = [name for name in columns or TEXT_COLUMNS if name in events.columns]
    if not found:
        return []
    written = events.select(found).filter(pl.any_horizontal(pl.col(name).is_not_null() for name in found))
    sample = written.gather_every(max(1, written.height // _SAMPLED_ROWS)).head(_SAMPLED_ROWS)
    return [text for text in joined_texts(sample, found) if text]
