"""Validated items as an item vocabulary with texts."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pyarrow as pa

from ..vocabulary import ItemVocabulary
from .item_text import item_texts


def items_table(items: pl.DataFrame) -> pa.Table:
    """Validated items as the table of an `ItemVocabulary`."""
    table = items.to_arrow(compat_level=pl.CompatLevel.oldest())
    columns = {
        name: table[name].cast(pa.string()) if pa.types.is_large_string(table[name].type) else table[name]
        for name in table.column_names
    }
    return pa.table(columns)


def text_vocabulary(items: pl.DataFrame, text_fields: Sequence[str]) -> ItemVocabulary:
    """The item vocabulary of validated items, with the texts of items in the column `text`.

    Raises:
        ValueError: If a text field is not a column of the table.
    """
    texts = pl.Series("text", item_texts(items, text_fields), dtype=pl.String)
    return ItemVocabulary(items_table(items.with_columns(texts)))
