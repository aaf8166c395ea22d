"""A table of items that are shown to users, for predictions of clicks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pyarrow as pa

from ..sources.generic import load_table
from ..tables.event_times import exact_times
from ..tables.keys import meet_keys
from ..tables.problems import TableError, TableProblem
from ..tables.schema import MissingUsers, TableColumns
from ..tables.table_reader import TableReader

if TYPE_CHECKING:
    from ..sources.generic import TableSource

_OF_TRAINING = ("repeated_event", "partial_split", "not_clicked")
"""Kinds of issues that do not apply to items without an outcome."""


@dataclass(frozen=True)
class ShowingTable:
    """Items that are shown to users, a row each.

    Args:
        table: The table as it was given.
        places: (rows,) row of the table of each row that has a user and an item.
        log: These rows with our names of the columns.
        times: (rows,) microseconds since 1970, -1 for none; None if the table has no times.
        problems: Data-quality issues of the table.
    """

    table: pl.DataFrame
    places: np.ndarray
    log: pl.DataFrame
    times: np.ndarray | None
    problems: list[TableProblem] = field(default_factory=list)


def read_showing_table(
    source: TableSource,
    columns: TableColumns | None = None,
    catalogue: pa.ChunkedArray | None = None,
    users: Sequence[str] = (),
    *,
    time_format: str | None = None,
    encoding: str | None = None,
    missing_users: MissingUsers = "drop",
) -> ShowingTable:
    """Read a table of shown items, with the same rules as the events of a dataset.

    Args:
        source: Table with a user, an item, and optionally a time and context columns.
        columns: Names of its columns; None for the defaults.
        catalogue: Item ids of the model, to match the table's ids with.
        users: Ids of the users with events, likewise.
        time_format: How times are written, as in `load_shop`.
        encoding: Encoding of a file of text, as in `load_shop`.
        missing_users: "error" refuses rows without a user, "drop" leaves them out.

    Raises:
        ValueError: If the table cannot be read.
        TableError: If it has a fatal issue.
    """
    table, problems = load_table(source, "shown", encoding=encoding)
    reader = TableReader(
        columns or TableColumns(), file_order=True, time_format=time_format, missing_users=missing_users
    )
    log = reader.events(table)
    if log is not None and catalogue is not None:
        log = reader.ids_of(pl.DataFrame({"item_id": pl.Series(catalogue, dtype=pl.String)}), log)
    found = [replace(one, table="shown") for one in (*problems, *reader.problems) if one.kind not in _OF_TRAINING]
    if log is None or any(problem.fatal for problem in found):
        raise TableError(found, str(source) if isinstance(source, str) else "shown")
    log = log.with_columns(user_id=meet_keys(pl.Series(users, dtype=pl.String), log["user_id"])[0])
    timed = log["timestamp"].null_count() < log.height
    times = exact_times(log).fill_null(-1).to_numpy() if timed else None
    return ShowingTable(table, reader.kept.arg_true().to_numpy(), log, times, found)
