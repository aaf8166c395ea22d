"""Histories of many users from one table, for batch recommendation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa

from ...deprecation import deprecated
from ..sources.generic import load_table
from ..tables.event_times import exact_time
from ..tables.problems import TableError, TableProblem
from ..tables.schema import MissingUsers, TableColumns
from ..tables.table_columns import CLICKED, QUANTITY, QUERY
from ..tables.table_reader import TableReader
from ..text.text_columns import joined_texts
from .click_labels import types_of_impressions
from .timeline import TiePolicy, Unit, sort_events

if TYPE_CHECKING:
    from ..sources.generic import TableSource

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
        exact_times: Microseconds since 1970 of each event, where there are `timestamps`.
        problems: Data-quality issues of the table.
    """

    user_ids: list[str]
    items: list[list[str]]
    event_types: list[list[str]] | None = None
    ratings: list[list[float | None]] | None = None
    timestamps: list[list[int | None]] | None = None
    event_texts: list[list[str]] | None = None
    exact_times: list[list[int | None]] | None = None
    problems: list[TableProblem] = field(default_factory=list, compare=False)


@deprecated("0.2", "0.4", use="missing_users=", renamed={"on_missing_users": "missing_users"})
def read_histories(
    path: TableSource,
    columns: TableColumns | None = None,
    text_columns: Sequence[str] = (),
    catalogue: pa.ChunkedArray | None = None,
    *,
    time_format: str | None = None,
    encoding: str | None = None,
    missing_users: MissingUsers = "error",
    event_settings: Mapping[str, Any] | None = None,
) -> Histories:
    """Read users and their histories, with the same rules as the events of a dataset.

    Args:
        path: A table of events (user, item, and time or order; type and rating if known; one row per event), as
            `read_table` reads it. Without time and order the order of the table is used.
        columns: Names of its columns; None for the defaults.
        text_columns: Columns with texts of the events; missing columns are ignored.
        catalogue: Item ids of the model, to match the table's ids with; None for no matching.
        time_format: How times are written, as in `load_shop`.
        encoding: Encoding of a file of text, as in `load_shop`.
        missing_users: "error" refuses events without a user, "drop" leaves them out.
        event_settings: Event settings of the model. A model of clicks on impressions was trained without impressions
            in histories, so they are left out; they are without a click, because a click is an event of its own.

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
    if QUANTITY in log.columns or CLICKED in log.columns:
        kept["event_types"] = "event_type"  # negative quantities became returns, rows without a click impressions
    if log["timestamp"].null_count() == log.height:
        kept.pop("timestamps", None)
    named = [reader.columns.name_of(QUERY) if name == QUERY else name for name in text_columns]
    texts = [name for name in named if name in table.columns]
    if texts:
        ordered = ordered.with_columns(
            event_texts=joined_texts(table.filter(reader.kept), texts).gather(ordered["_file"])
        )
        kept["event_texts"] = "event_texts"
    if "timestamps" in kept:
        ordered = ordered.with_columns(exact_times=exact_time(ordered))
        kept["exact_times"] = "exact_times"
    shown = ordered["event_type"].is_in(types_of_impressions(ordered["event_type"].unique(), event_settings))
    problems = reader.problems
    if shown.any():
        ordered = ordered.filter(~shown)
        problems = [one for one in problems if one.kind != "not_clicked"]
        column = reader.columns.name_of(CLICKED if CLICKED in log.columns else "event_type")
        remedy = "they were left out of histories, as in the training"
        problems.append(TableProblem("events", column, "not_in_history", int(shown.sum()), None, remedy, False))
    lists = ordered.group_by("user_id", maintain_order=True).agg(
        **{title: pl.col(name) for title, name in kept.items()}
    )
    found = {name: lists[name].to_list() for name in lists.columns}
    notes = [problem for problem in problems if problem.kind not in _OF_TRAINING]
    return Histories(user_ids=found.pop("user_id"), **found, problems=notes)
