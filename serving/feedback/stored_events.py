"""The events in the store of the service, as a table to learn from."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from .opening import sqlite_file

if TYPE_CHECKING:
    import polars as pl

_QUERY = "SELECT user, item, timestamp, type, rating, text FROM events ORDER BY id"
COLUMNS = ("user_id", "item_id", "timestamp", "event_type", "rating", "text")


def stored_events(path: str | os.PathLike[str]) -> pl.DataFrame:
    """Read the events of a store that `xcat serve --store sqlite:///FILE` writes; the service may go on writing.

    Args:
        path: The SQLite file, or its URL, "sqlite:///state.db".

    Returns:
        One row per event, in the order of arrival: `user_id`, `item_id`, `timestamp` (seconds since 1970),
        `event_type` ("" for the model's first target type), `rating` and `text`.

    Raises:
        OSError: If the file does not exist, or is not such a store.
    """
    import polars as pl

    try:
        place = f"{sqlite_file(path).absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(place, uri=True)) as base:
            rows = base.execute(_QUERY).fetchall()
        kinds = (pl.String, pl.String, pl.Int64, pl.String, pl.Float64, pl.String)
        return pl.DataFrame(rows, schema=dict(zip(COLUMNS, kinds, strict=True)), orient="row")
    except (sqlite3.Error, UnicodeError, TypeError, pl.exceptions.PolarsError) as error:
        raise OSError(f"log {path} cannot be read as a store of xcat serve: {error}; give its SQLite file") from error
