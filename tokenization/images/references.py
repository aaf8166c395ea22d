"""Cells of an image column: references to images, or vectors."""

from __future__ import annotations

import json
from typing import Any, TypeAlias

import numpy as np
import polars as pl

Reference: TypeAlias = str | bytes
"""A file, an address, or the bytes of an image."""


def holds_vectors(column: pl.Series) -> bool:
    """Whether a column has vectors instead of references to images.

    Args:
        column: A column of the items table. Texts are vectors if the first one is a list of numbers in JSON.
    """
    kind: Any = column.dtype
    while kind in (pl.List, pl.Array):
        kind = kind.inner
    if kind != column.dtype and kind.is_numeric():
        return True
    if column.dtype != pl.String:
        return False
    first = next((text for text in column.drop_nulls() if text.strip()), "")
    values = _listed(first)
    return bool(values) and all(isinstance(value, int | float) for value in _flat(values))


def has_images(column: pl.Series) -> bool:
    """Whether any row of a column has an image or a vector."""
    return bool(column.drop_nulls().len()) and (holds_vectors(column) or any(references_of(column)))


def references_of(column: pl.Series) -> list[list[Reference]]:
    """References of each row; an empty list where there is none.

    Args:
        column: Texts, bytes, structs with `bytes` or a text (as of `datasets.Image`), or lists of them. A text may be
            a list in JSON.

    Raises:
        ValueError: If the column has another type.

    Example:
        >>> references_of(pl.Series("image", ["a.png", None, '["b.png", "c.png"]']))
        [['a.png'], [], ['b.png', 'c.png']]
    """
    return [_references(value, column) for value in column.to_list()]


def vectors_of(column: pl.Series) -> list[np.ndarray | None]:
    """(images, width) float32 vectors of each row, None where there is none.

    Args:
        column: One vector per row, or a list of vectors.

    Raises:
        ValueError: If vectors differ in width, or one has a value that is not finite.
    """
    texts = column.dtype == pl.String
    found: list[np.ndarray | None] = []
    width = 0
    for row, value in enumerate(column.to_list(), start=1):
        if texts and value and value.strip():
            value = _listed(value) or value
        if not value:
            found.append(None)
            continue
        try:
            vectors = np.atleast_2d(np.asarray(value, dtype=np.float32))
        except (TypeError, ValueError):
            raise ValueError(f"items, column {column.name}, row {row:,}: {str(value)[:60]!r} is no vector") from None
        width = width or vectors.shape[-1]
        if vectors.ndim != 2 or vectors.shape[1] != width or not np.isfinite(vectors).all():
            raise ValueError(
                f"items, column {column.name}, row {row:,}: a vector of shape {list(vectors.shape)} among vectors of "
                f"{width} numbers, or a number that is not finite; give vectors of one width"
            )
        found.append(vectors)
    return found


def spread(values: list[Any], most: int) -> list[Any]:
    """At most `most` of the values, evenly spread, the first and the last among them.

    Example:
        >>> spread([0, 1, 2, 3, 4, 5, 6], 3), spread([5], 3)
        ([0, 3, 6], [5])
    """
    if len(values) <= most:
        return list(values)
    return [values[round(place)] for place in np.linspace(0, len(values) - 1, most)] if most > 1 else values[:1]


def _references(value: Any, column: pl.Series) -> list[Reference]:
    if value is None:
        return []
    if isinstance(value, bytes):
        return [value] if value else []
    if isinstance(value, str):
        listed = _listed(value)
        if listed:
            return [one for part in listed for one in _references(part, column)]
        return [value.strip()] if value.strip() else []
    if isinstance(value, dict):
        content = value.get("bytes") or next((text for text in value.values() if isinstance(text, str) and text), None)
        return _references(content, column)
    if isinstance(value, list):
        return [one for part in value for one in _references(part, column)]
    raise ValueError(
        f"items, column {column.name} has the type {column.dtype}; give files, addresses, bytes or vectors of images"
    )


def _listed(text: str) -> list[Any]:
    """The values of a list in JSON; empty for another text."""
    if not text.lstrip().startswith("["):
        return []
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return values if isinstance(values, list) else []


def _flat(values: Any) -> list[Any]:
    return [one for value in values for one in _flat(value)] if isinstance(values, list) else [values]
