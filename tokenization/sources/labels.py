"""Labels that a person gave: a table with the column `label`, read back by the ids of its rows."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import polars as pl

from ..masking import mask, name_columns
from ..tables.values import read_texts

if TYPE_CHECKING:
    from .generic import TableSource

    LabelSource: TypeAlias = TableSource | os.PathLike[str]

LABEL = "label"
"""Column that a person fills in."""


def read_labels(source: LabelSource | Sequence[LabelSource] | None, key: str) -> dict[str, str]:
    """Read labels; rows with an empty label are left out.

    Args:
        source: A table, as in `read_table`, or a list of tables: files that `xcat suggest-labels` wrote, filled in.
            None for no labels.
        key: Column of the labelled things: "text", "item_id" or "user_id".

    Returns:
        Key to label.

    Raises:
        ValueError: If a column is missing, no label is filled in, or a key has two labels.

    Example:
        >>> read_labels({"item_id": ["a", "b"], "label": ["tents", None]}, "item_id")
        {'a': 'tents'}
    """
    if source is None:
        return {}
    tables = [_label_table(one, key) for one in (source if isinstance(source, list | tuple) else [source])]
    found = pl.concat(tables).unique(maintain_order=True)
    twice = found.filter(pl.col(key).is_duplicated())
    if twice.height:
        one = twice[key][0]
        given = ", ".join(map(repr, twice.filter(pl.col(key) == one)[LABEL]))
        raise ValueError(
            f"labels: {twice[key].n_unique():,} values of {key} have several labels, for example {mask(one)!r} "
            f"(masked) has {given}; keep one"
        )
    return dict(zip(found[key], found[LABEL], strict=True))


def _label_table(source: LabelSource, key: str) -> pl.DataFrame:
    """The key and the label of the rows that have one."""
    from .generic import read_table

    table = read_table(source)
    named = f"labels={os.fspath(source)!r}" if isinstance(source, str | os.PathLike) else "labels"
    for column in (key, LABEL):
        if column not in table.columns:
            raise ValueError(
                f"{named} has no column {column!r}; it has {name_columns(table.columns)}. Give a file that "
                f"suggest_labels wrote, with its columns {key} and {LABEL}"
            )
    read = pl.DataFrame({key: read_texts(table[key]), LABEL: read_texts(table[LABEL]).str.strip_chars()})
    found = read.filter(pl.col(key).is_not_null() & (pl.col(LABEL) != ""))
    if found.is_empty():
        raise ValueError(
            f"{named}: none of its {table.height:,} rows has a label; fill in the column {LABEL!r} of some rows"
        )
    return found


def known_labels(labels: Mapping[str, str], known: Mapping[str, object] | set[str], key: str) -> dict[str, str]:
    """The labels of things that the data has.

    Args:
        labels: Key to label.
        known: The keys that the data has.
        key: Name of the key.

    Raises:
        ValueError: If the data has none of them.
    """
    found = {one: label for one, label in labels.items() if one in known}
    if labels and not found:
        raise ValueError(
            f"labels: the data has none of its {len(labels):,} values of {key}, for example "
            f"{mask(next(iter(labels)))!r} (masked); give labels of the same data"
        )
    return found
