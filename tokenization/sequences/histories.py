"""Histories of many users from one table, for batch recommendation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pyarrow as pa

from ...deprecation import deprecated
from ..sources.generic import load_table
from ..tables.problems import TableError, TableProblem
from ..tables.schema import MissingUsers, TableColumns
from ..tables.table_columns import QUANTITY, QUERY
from ..tables.table_reader import TableReader
from ..text.text_columns import joined_texts
from .timeline import TiePolicy, Unit, sort_events

_FIELDS = {"items": "item_id", "event_types": "event_type", "ratings": "rating", "timestamps": "timestamp"}
"""Fields of `Histories` and their columns."""
_OF_TRAINING = ("repeated_event", "partial_split")
"""Kinds of issues that do not apply to histories."""


@dataclass(frozen=True)
class Histories:
    """Users and their events, oldest first; all lists have the shape of `items`.

    Args:
        user_ids: Users.
        items: Item ids of each user.
        event_types: Type of each event, or None if the table has no types.
        ratings: Rating of each event, None for none, or None if the table has no ratings.
        timestamps: Seconds since 1970 of each event, None for none, or None if the table has no times.
        event_texts: Text of each event, "" for none, or None if no texts were requested.
        problems: Data-quality issues of the table.
    """

    user_ids: list[str]
    items: list[list[str]]
    event_types: list[list[str]] | None = None
    ratings: list[list[float | None]] | None = None
    timestamps: list[list[int | None]] | None = None
    event_texts: list[list[str]] | None = None
    problems: list[TableProblem] = field(default_factory=list, compare=False)


@deprecated("0.2", "0.4", use="missing_users=", renamed={"on_missing_users": "missing_users"})
def read_histories(
    path: str | Path,
    columns: TableColumns | None = None,
    text_columns: Sequence[str] = (),
    catalogue: pa.ChunkedArray | None = None,
    *,
    time_format: str | None = None,
    encoding: str | None = None,
    missing_users: MissingUsers = "error",
) -> Histories:
    """Read users and their histories, with the same rules as the events of a dataset.

    Args:
        path: A table of events (user, item, and time or order; type and rating if known; one row per event), in any
            format of `read_table`. Without time and order the order of the file is used.
        columns: Names of its columns; None for the defaults.
        text_columns: Columns with texts of the events; missing columns are ignored.
        catalogue: Item ids of the model, to match the table's ids with; None for no matching.
        time_format: How times are written, as in `load_shop`.
        encoding: Encoding of a file of text, as in `load_shop`.
        missing_users: "error" refuses events without a user, "drop" leaves them out.

    Returns:
        Users in order of first appearance, with their events.

    Raises:
        ValueError: If the file cannot be read.
        TableError: If the table has a fatal issue.
    """
    columns = columns or TableColumns()
    table, problems = load_table(path, "events", encoding=encoding)
    reader = TableReader(columns, file_order=True, time_format=time_format, missing_users=missing_users)
    reader.problems += problems
    log = reader.events(table)
    if log is None or any(problem.fatal for problem in reader.problems):
        raise TableError(reader.problems, str(path))
    if catalogue is not None:
        log = reader.ids_of(pl.DataFrame({"item_id": pl.Series(catalogue, dtype=pl.String)}), log)
    ordered = sort_events(log, Unit.EVENT, TiePolicy.FILE, 0).events
    kept = {title: name for title, name in _FIELDS.items() if reader.columns.name_of(name) in table.columns}
    if QUANTITY in log.columns:
        kept["event_types"] = "event_type"  # negative quantities became returns
    if log["timestamp"].null_count() == log.height:
        kept.pop("timestamps", None)
    named = [reader.columns.name_of(QUERY) if name == QUERY else name for name in text_columns]
    texts = [name for name in named if name in table.columns]
    if texts:
        ordered = ordered.with_columns(
            event_texts=joined_texts(table.filter(reader.kept), texts).gather(ordered["_file"])
        )
        kept["event_texts"] = "event_texts"
    lists = ordered.group_by("user_id", maintain_order=True).agg(
        **{title: pl.col(name) for title, name in kept.items()}
    )
    found = {name: lists[name].to_list() for name in lists.columns}
    notes = [problem for problem in reader.problems if problem.kind not in _OF_TRAINING]
    return Histories(user_ids=found.pop("user_id"), **found, problems=notes)
