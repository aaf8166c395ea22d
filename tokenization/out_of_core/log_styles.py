"""Format of events in parquet files: decided for all rows, before they are read in chunks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ..sources.generic import from_arrow
from ..sources.hub import HUB_SCHEME, open_parquet_file
from ..tables.column_reader import ColumnReader, TableStyle, personal_names
from ..tables.keys import KeyStyle, key_style
from ..tables.problems import TableProblem
from ..tables.table_columns import TableColumns
from ..tables.time_columns import TimeStyle, time_style
from ..tables.values import comma_style, is_text
from .chunks import read_footer

_KEYS = ("user_id", "item_id", "basket_id", "event_type", "split")
"""Columns with ids, or with values read like ids."""
_NUMBERS = ("order", "rating", "quantity")


def log_style(
    paths: Sequence[str | Path], columns: TableColumns, time_format: str | None
) -> tuple[TableStyle, list[TableProblem]]:
    """Find the format of events: integer ids, decimal commas, time units and time formats.

    Args:
        paths: Parquet files of the events.
        columns: Column names of the events.
        time_format: Time format given by the user.

    Returns:
        The style, and issues or questions about dates.

    Raises:
        ValueError: If a file is not a parquet file, or the time format cannot be used.
    """
    schemas = [from_arrow(read_footer(path).schema.to_arrow_schema().empty_table()).schema for path in paths]
    given = dict.fromkeys(name.strip() for schema in schemas for name in schema)
    columns = columns.of_table(given.keys(), "events")
    keys: dict[str, KeyStyle] = {}
    numbers: dict[str, list[pl.LazyFrame]] = {columns.name_of(name): [] for name in _NUMBERS}
    times: list[pl.LazyFrame] = []
    for path, schema in zip(paths, schemas, strict=True):
        there = {name.strip(): name for name in schema}
        for name in (columns.name_of(column) for column in _KEYS):
            if name in there:
                style = _style_in(path, there[name])
                keys[name] = style.joined(keys[name]) if name in keys else style
        for name, parts in numbers.items():
            if name in there and is_text(schema[there[name]]):
                parts += _parts(path, there[name], name)
        timed = there.get(columns.timestamp)
        if timed is not None and not isinstance(schema[timed], pl.Date | pl.Datetime):
            times += _parts(path, timed, columns.timestamp)
    commas = {
        name: comma_style(pl.concat(part.select(pl.col(name).cast(pl.String)) for part in parts), name)
        for name, parts in numbers.items()
        if parts
    }
    written = _times_of(times, columns.timestamp, time_format)
    reader = ColumnReader(columns)
    reader.date_order("events", "timestamp", written.reading)
    problems = [*reader.problems, *personal_names("events", list(given))]
    return TableStyle(keys, commas, {columns.timestamp: written}), problems


def _times_of(parts: Sequence[pl.LazyFrame], name: str, time_format: str | None) -> TimeStyle:
    """Time format of all files; numbers of any type are treated alike."""
    if not parts:
        return TimeStyle()
    kinds = {part.collect_schema()[name] for part in parts}
    if len(kinds) > 1:
        common = pl.String() if any(map(is_text, kinds)) else pl.Float64()
        parts = [part.select(pl.col(name).cast(common, strict=False)) for part in parts]
    return time_style(pl.concat(parts), name, time_format)


def _style_in(path: str | Path, name: str) -> KeyStyle:
    """Format of the ids in a column of a file; reading stops at the first id that is not a number."""
    style = KeyStyle()
    for part in _parts(path, name, name):
        style = style.joined(key_style(part, name))
        if not style.numbers:
            break
    return style


def _parts(path: str | Path, column: str, name: str) -> Iterator[pl.LazyFrame]:
    """A column of a file under another name; read by row groups on the hub, or if polars lacks its type."""
    kinds = read_footer(path).schema.to_arrow_schema().types
    if not (str(path).startswith(HUB_SCHEME) or any(map(pa.types.is_decimal256, kinds))):
        yield pl.scan_parquet(path, glob=False).select(pl.col(column).alias(name))
        return
    file = pq.ParquetFile(open_parquet_file(path))
    for group in range(file.num_row_groups):
        yield from_arrow(file.read_row_group(group, columns=[column])).lazy().rename({column: name})
