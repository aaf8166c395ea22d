"""A log of events that is larger than memory, read and validated one chunk of rows at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from ..sources.generic import from_arrow, tidy_header
from ..sources.hub import HUB_SCHEME, open_parquet_file
from ..sources.text_files import check_permission
from ..tables.column_reader import TableStyle
from ..tables.event_times import event_columns
from ..tables.problems import TableError, TableProblem
from ..tables.schema import EVENT_SCHEMA, MissingUsers, TableColumns, UnknownItems
from ..tables.table_columns import EVENT_INPUTS
from ..tables.table_reader import MAX_EVENT_TYPES, TableReader
from ..tables.time_texts import TimeReading
from ..vocabulary import ItemVocabulary

CHUNK_ROWS = 4_000_000
"""Rows a chunk, rounded up to whole row groups of the file."""
ROW = "_row"
"""Column that keeps the order of the file: number of the chunk, then the place in it."""
_PLACE_BITS = 40


@dataclass(frozen=True)
class EventChunk:
    """Some row groups of a parquet file, here or on the hub."""

    number: int
    path: str
    row_groups: tuple[int, ...]
    rows: int
    start: int = 0
    """Rows of the file before it."""


@dataclass(frozen=True)
class ChunkReading:
    """How chunks are read.

    Args:
        vocabulary: File of the item vocabulary.
        columns: Names of the columns of the events table.
        on_unknown_items: What to do with events of items that the vocabulary lacks.
        style: How the whole log is written.
        time_format: Format of times that the user gave.
        on_missing_users: What to do with events without a user.
    """

    vocabulary: str
    columns: TableColumns = field(default_factory=TableColumns)
    on_unknown_items: UnknownItems = "error"
    style: TableStyle = field(default_factory=TableStyle)
    time_format: str | None = None
    on_missing_users: MissingUsers = "error"


@dataclass
class EventFacts:
    """What has to be known of the whole log before a part of it can be split.

    Args:
        rows: Events that are kept, by chunk.
        no_time: Events without a time.
        no_order: Events without an order.
        no_split: Events without a split.
        marked: Whether any event is marked as a target.
        kinds: Kinds of event.
        ratings: Lowest and highest rating; None where there is none.
        times: First and last time; None where there is none.
        problems: What was repaired, or is wrong.
    """

    rows: list[int] = field(default_factory=list)
    no_time: int = 0
    no_order: int = 0
    no_split: int = 0
    marked: bool = False
    kinds: list[str] = field(default_factory=list)
    ratings: list[float] | None = None
    times: list[int] | None = None
    problems: list[TableProblem] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Events that are kept."""
        return sum(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """For JSON, from one process to another; an offending value becomes text and is not masked."""
        problems = [problem.to_dict(show_values=True) for problem in self.problems]
        return {**dataclasses.asdict(self), "problems": problems}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> EventFacts:
        """The reverse of `to_dict`."""
        return cls(**{**content, "problems": [TableProblem(**problem) for problem in content["problems"]]})


class _ChunkReader(TableReader):
    def repeated_events(self, log: pl.DataFrame) -> None:
        """Left to the partitions, where all events of a user are together."""

    def date_order(self, label: str, column: str, reading: TimeReading) -> None:
        """Noted once, for the whole log."""


def cut_chunks(paths: Sequence[str | Path], rows: int = CHUNK_ROWS) -> list[EventChunk]:
    """Cut parquet files into chunks of whole row groups.

    Raises:
        ValueError: If a file is no parquet file.
    """
    chunks: list[EventChunk] = []
    for path in paths:
        footer = read_footer(path)
        groups: list[int] = []
        held = start = 0
        for group in range(footer.num_row_groups):
            groups.append(group)
            held += footer.row_group(group).num_rows
            if held >= rows or group == footer.num_row_groups - 1:
                chunks.append(EventChunk(len(chunks), str(path), tuple(groups), held, start))
                groups, held, start = [], 0, start + held
    return chunks


def read_footer(path: str | Path) -> pq.FileMetaData:
    """The metadata of a parquet file, here or on the hub.

    Raises:
        PermissionError: If it may not be read.
        ValueError: If it is not a parquet file.
    """
    check_permission(Path(path))
    try:
        return pq.read_metadata(open_parquet_file(path))
    except (OSError, ValueError) as error:
        raise ValueError(f"table {path} cannot be read as parquet: {error}; check that it is whole") from error


def read_chunk(chunk: EventChunk, reading: ChunkReading) -> tuple[pl.DataFrame, EventFacts]:
    """Read and validate one chunk.

    Args:
        chunk: The row groups.
        reading: How they are read.

    Returns:
        Our columns (`event_columns`) and `ROW`, in the order of the file, and what was found. An empty table where
        something is fatal.
    """
    # Columns of a file on the hub are fetched in few requests.
    file = pq.ParquetFile(open_parquet_file(chunk.path), pre_buffer=chunk.path.startswith(HUB_SCHEME))
    columns = reading.columns.of_table([name.strip() for name in file.schema_arrow.names], "events")
    wanted = [columns.name_of(name) for name in EVENT_INPUTS]
    present = [name for name in file.schema_arrow.names if name.strip() in wanted]
    raw, found = tidy_header(from_arrow(file.read_row_groups(list(chunk.row_groups), columns=present)), [], "events")
    reader = _ChunkReader(
        columns, time_format=reading.time_format, style=reading.style,
        on_missing_users=reading.on_missing_users,
    )  # fmt: skip
    reader.problems += found if not chunk.start else []  # once a file
    events = reader.events(raw)
    reader.problems = [
        problem if problem.row is None else dataclasses.replace(problem, row=problem.row + chunk.start)
        for problem in reader.problems
    ]
    if events is None:
        return empty_events(), EventFacts([0], problems=reader.problems)
    items = pl.DataFrame({"item_id": _item_ids(reading.vocabulary)})
    _, events = reader.known_items(items, events, reading.on_unknown_items)
    # A chunk may have lost all of its events, the log not.
    lost = [columns.item_id, columns.user_id]
    problems = [
        problem for problem in reader.problems if not (problem.kind == "empty_table" and problem.column in lost)
    ]
    if any(problem.fatal for problem in problems):
        return empty_events(), EventFacts([0], problems=problems)
    events = events.select(event_columns(events))
    numbered = events.with_columns((pl.int_range(pl.len(), dtype=pl.Int64) + (chunk.number << _PLACE_BITS)).alias(ROW))
    return numbered, event_facts(events, problems)


def event_facts(events: pl.DataFrame, problems: list[TableProblem]) -> EventFacts:
    """The facts of some events of a log.

    Args:
        events: The columns of `EVENT_SCHEMA`.
        problems: What was found when they were read.
    """
    times, ratings = events["timestamp"].drop_nulls(), events["rating"].drop_nulls()
    low, high = ratings.min(), ratings.max()
    first, last = times.min(), times.max()
    return EventFacts(
        rows=[events.height],
        no_time=events["timestamp"].null_count(),
        no_order=events["order"].null_count(),
        no_split=events["split"].null_count(),
        marked=bool(events["is_target"].any()),
        kinds=sorted(events["event_type"].drop_nulls().unique().to_list()),
        ratings=None if low is None else [float(low), float(high)],  # type: ignore[arg-type]
        times=None if first is None else [int(first), int(last)],  # type: ignore[arg-type]
        problems=problems,
    )


def merge_facts(parts: Iterable[EventFacts], name: str) -> EventFacts:
    """The facts of the whole log from those of its chunks, in order.

    Raises:
        TableError: If anything fatal was found in a chunk, or shows only when all of them are seen.
    """
    whole = add_facts(parts)
    whole.problems += _seen_from_above(whole)
    if any(problem.fatal for problem in whole.problems):
        raise TableError(whole.problems, name)
    return whole


def add_facts(parts: Iterable[EventFacts]) -> EventFacts:
    """The facts of several parts together; problems of one kind are added up."""
    whole = EventFacts()
    problems: dict[tuple[str, str, str], TableProblem] = {}
    for part in parts:
        whole.rows += part.rows
        whole.no_time += part.no_time
        whole.no_order += part.no_order
        whole.no_split += part.no_split
        whole.marked |= part.marked
        whole.kinds = sorted({*whole.kinds, *part.kinds})
        whole.ratings = _span(whole.ratings, part.ratings)
        whole.times = _span(whole.times, part.times)
        for problem in part.problems:
            key = (problem.table, problem.column, problem.kind)
            before = problems.get(key, dataclasses.replace(problem, count=0, fatal=False))
            problems[key] = dataclasses.replace(
                before, count=before.count + problem.count, fatal=before.fatal or problem.fatal
            )
    whole.problems = list(problems.values())
    return whole


def _seen_from_above(whole: EventFacts) -> list[TableProblem]:
    found = []
    if 0 < whole.no_time < whole.total:
        remedy = "fill them, or leave the column out so that the column order alone counts"
        found.append(TableProblem("events", "timestamp", "null_timestamp", whole.no_time, None, remedy, True))
    if len(whole.kinds) > MAX_EVENT_TYPES and not any(p.kind == "many_event_types" for p in whole.problems):
        remedy = "an event type is a word such as buy or view; map another column, or leave it out"
        found.append(TableProblem("events", "event_type", "many_event_types", len(whole.kinds), None, remedy, True))
    if not whole.total and not any(problem.fatal for problem in whole.problems):
        found.append(TableProblem("events", "", "empty_table", 0, None, "no event was left; check the ids", True))
    return found


def _span(first: list[Any] | None, second: list[Any] | None) -> list[Any] | None:
    if first is None or second is None:
        return first or second
    return [min(first[0], second[0]), max(first[1], second[1])]


def file_places(rows: pl.Series, kept: Sequence[int]) -> pl.Series:
    """Places in the whole log from the column `ROW`, given how many events each chunk kept.

    Example:
        >>> file_places(pl.Series([0, 1, 1 << 40]), [2, 5]).to_list()
        [0, 1, 2]
    """
    starts = pl.Series([0, *kept], dtype=pl.Int64).cum_sum()
    return starts.gather(rows.to_numpy() >> _PLACE_BITS) + pl.Series(rows.to_numpy() & ((1 << _PLACE_BITS) - 1))


def empty_events() -> pl.DataFrame:
    """No events, with the columns that `read_chunk` gives."""
    return pl.DataFrame(schema={**EVENT_SCHEMA, ROW: pl.Int64()})


def load_items(vocabulary: str) -> ItemVocabulary:
    """The item vocabulary of a file, once a process for each of its contents."""
    return _load_items(vocabulary, Path(vocabulary).stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _load_items(vocabulary: str, written: int) -> ItemVocabulary:
    return ItemVocabulary.load(vocabulary)


def _item_ids(vocabulary: str) -> pl.Series:
    ids = pl.from_arrow(load_items(vocabulary).table["item_id"])
    assert isinstance(ids, pl.Series)
    return ids
