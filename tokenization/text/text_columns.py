"""Texts of users, from the columns of an events table."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from ..tables.values import read_texts
from .cleaning import clean_text

TEXT_COLUMNS = ("review_title", "review_text", "text", "query")
"""The usual names."""


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
