"""An events table larger than memory, read and validated in chunks of rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
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
from ..tables.items_of_events import ItemsOfEvents
from ..tables.problems import TableError, TableProblem
from ..tables.schema import EVENT_SCHEMA, MissingUsers, TableColumns, UnknownItems
from ..tables.table_columns import EVENT_INPUTS, ITEM_SCHEMA
from ..tables.table_reader import MAX_EVENT_TYPES, TableReader
from ..tables.time_texts import TimeReading
from ..vocabulary import ItemVocabulary

CHUNK_ROWS = 4_000_000
"""Rows per chunk, rounded up to whole row groups of the file."""
ROW = "_row"
"""Column that stores the order of the file: chunk number, then position in the chunk."""
_PLACE_BITS = 40


@dataclass(frozen=True)
class EventChunk:
    """Some row groups of a parquet file, here or on the hub."""

    number: int
    path: str
    row_groups: tuple[int, ...]
    rows: int
    start: int = 0
    """Rows of the file before this chunk."""


@dataclass(frozen=True)
class ChunkReading:
    """Options for reading chunks.

    Args:
        vocabulary: File of the item vocabulary.
        columns: Column names of the events table.
        on_unknown_items: Treatment of events whose items the vocabulary lacks.
        style: Format of ids, numbers and times in the whole table.
        time_format: Time format given by the user.
        missing_users: Treatment of events without a user.
    """

    vocabulary: str
    columns: TableColumns = field(default_factory=TableColumns)
    on_unknown_items: UnknownItems = "error"
    style: TableStyle = field(default_factory=TableStyle)
    time_format: str | None = None
    missing_users: MissingUsers = "error"


@dataclass
class EventFacts:
    """Facts about the whole table that are needed before a part of it can be split.

    Args:
        rows: Events kept, per chunk.
        no_time: Events without a time.
        no_order: Events without an order.
        no_split: Events without a split.
        marked: Whether any event is marked as a target.
        kinds: Event types.
        ratings: Lowest and highest rating; None without ratings.
        times: First and last time; None without times.
        problems: Data-quality issues: repairs, and fatal ones.
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
        """Number of events kept."""
        return sum(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """JSON values, for another process; an offending value becomes text and is not masked."""
        problems = [problem.to_dict(show_values=True) for problem in self.problems]
        return {**dataclasses.asdict(self), "problems": problems}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> EventFacts:
        """The reverse of `to_dict`."""
        return cls(**{**content, "problems": [TableProblem(**problem) for problem in content["problems"]]})


class _ChunkReader(TableReader):
    def repeated_events(self, log: pl.DataFrame) -> None:
        """Does nothing: partitions have all events of a user together and find duplicates."""

    def date_order(self, label: str, column: str, reading: TimeReading) -> None:
        """Does nothing: this is reported once, for the whole table."""


def cut_chunks(paths: Sequence[str | Path], rows: int = CHUNK_ROWS) -> list[EventChunk]:
    """Cut parquet files into chunks of whole row groups.

    Raises:
        ValueError: If a file is not a parquet file.
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
        PermissionError: If the file is not readable.
        ValueError: If it is not a parquet file.
    """
    check_permission(Path(path))
    try:
        return pq.read_metadata(open_parquet_file(path))
    except (OSError, ValueError) as error:
        raise ValueError(f"table {path} cannot be read as parquet: {error}; check that it is complete") from error


def read_chunk(chunk: EventChunk, reading: ChunkReading) -> tuple[pl.DataFrame, EventFacts]:
    """Read and validate one chunk.

    Args:
        chunk: The row groups.
        reading: Options for reading.

    Returns:
        Events with our columns (`event_columns`) and `ROW`, in the order of the file, and the issues found. The table
        is empty if an issue is fatal.
    """
    raw, found = _read_columns(chunk, reading.columns, {"events": EVENT_INPUTS})
    columns = reading.columns.of_table(raw.columns, "events")
    reader = _ChunkReader(
        columns, time_format=reading.time_format, style=reading.style,
        missing_users=reading.missing_users,
    )  # fmt: skip
    reader.problems += found if not chunk.start else []  # once per file
    events = reader.events(raw)
    reader.problems = [
        problem if problem.row is None else dataclasses.replace(problem, row=problem.row + chunk.start)
        for problem in reader.problems
    ]
    if events is None:
        return empty_events(), EventFacts([0], problems=reader.problems)
    items = pl.DataFrame({"item_id": _item_ids(reading.vocabulary)})
    _, events = reader.known_items(items, events, reading.on_unknown_items)
    # A chunk may be empty after validation although the whole table is not.
    lost = [columns.item_id, columns.user_id]
    problems = [
        problem for problem in reader.problems if not (problem.kind == "empty_table" and problem.column in lost)
    ]
    if any(problem.fatal for problem in problems):
        return empty_events(), EventFacts([0], problems=problems)
    events = events.select(event_columns(events))
    numbered = events.with_columns((pl.int_range(pl.len(), dtype=pl.Int64) + (chunk.number << _PLACE_BITS)).alias(ROW))
    return numbered, event_facts(events, problems)


def items_of_log(
    paths: Sequence[str | Path], columns: TableColumns, style: TableStyle
) -> tuple[pl.DataFrame | None, list[TableProblem]]:
    """The items table of a log that holds the columns of items too, read one chunk at a time.

    Args:
        paths: Parquet files of the log.
        columns: Names of its columns.
        style: How the whole log is written.

    Returns:
        The items, None if no event has an item id; and what was found.
    """
    derived = ItemsOfEvents(columns, style)
    for chunk in cut_chunks(paths):
        raw, _ = _read_columns(chunk, columns, {"items": ITEM_SCHEMA, "events": ("item_id", "user_id")})
        derived.add(raw)
    items = derived.finish()
    if items is None:  # reading the events tells why
        reader = TableReader(columns, style=style)
        for chunk in cut_chunks(paths)[:1]:
            reader.events(_read_columns(chunk, columns, {"events": EVENT_INPUTS})[0])
        return None, reader.problems
    return items, derived.problems


def _read_columns(
    chunk: EventChunk, columns: TableColumns, wanted: Mapping[str, Iterable[str]]
) -> tuple[pl.DataFrame, list[TableProblem]]:
    """Some columns of a chunk under the user's names, and what is wrong with the header.

    Args:
        chunk: The row groups.
        columns: The mapping of the user.
        wanted: Our names of the columns, by the table that they are of.
    """
    # Columns of a file on the hub are fetched in few requests.
    file = pq.ParquetFile(open_parquet_file(chunk.path), pre_buffer=chunk.path.startswith(HUB_SCHEME))
    there = [name.strip() for name in file.schema_arrow.names]
    mapped = {label: columns.of_table(there, label) for label in wanted}
    names = {mapped[label].name_of(name) for label, ours in wanted.items() for name in ours}
    present = [name for name in file.schema_arrow.names if name.strip() in names]
    return tidy_header(from_arrow(file.read_row_groups(list(chunk.row_groups), columns=present)), [], "events")


def event_facts(events: pl.DataFrame, problems: list[TableProblem]) -> EventFacts:
    """Compute the facts of some events.

    Args:
        events: The columns of `EVENT_SCHEMA`.
        problems: Data-quality issues found while reading them.
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
    """Combine the facts of all chunks, in order.

    Raises:
        TableError: If a chunk has a fatal issue, or all chunks together have one.
    """
    whole = add_facts(parts)
    whole.problems += _seen_from_above(whole)
    if any(problem.fatal for problem in whole.problems):
        raise TableError(whole.problems, name)
    return whole


def unique_items(chunks: Sequence[EventChunk], reading: ChunkReading, events: int) -> list[TableProblem]:
    """The warning that each event has its own item, as `TableReader.unique_items` gives it for a whole table.

    Args:
        chunks: The chunks of the log.
        reading: Options for reading them.
        events: Number of events kept of all chunks.
    """
    # With more events than items some item recurs, so only logs smaller than the catalogue are read again.
    if events > load_items(reading.vocabulary).num_items:
        return []
    ids = pl.Series("item_id", [], dtype=pl.String)
    for chunk in chunks:
        ids = ids.append(read_chunk(chunk, reading)[0]["item_id"])
        if ids.n_unique() < ids.len():
            return []
    names = [name.strip() for name in read_footer(chunks[0].path).schema.to_arrow_schema().names]
    reader = TableReader(reading.columns.of_table(names, "events"))
    reader.unique_items(pl.DataFrame([ids]))
    return reader.problems


def add_facts(parts: Iterable[EventFacts]) -> EventFacts:
    """Add up the facts of several parts; issues of the same kind are summed."""
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
        remedy = "fill them, or leave the column out to use the column order only"
        found.append(TableProblem("events", "timestamp", "null_timestamp", whole.no_time, None, remedy, True))
    if len(whole.kinds) > MAX_EVENT_TYPES and not any(p.kind == "many_event_types" for p in whole.problems):
        remedy = "an event type is a word such as buy or view; map another column, or leave it out"
        found.append(TableProblem("events", "event_type", "many_event_types", len(whole.kinds), None, remedy, True))
    if not whole.total and not any(problem.fatal for problem in whole.problems):
        found.append(TableProblem("events", "", "empty_table", 0, None, "no events are left; check the ids", True))
    return found


def _span(first: list[Any] | None, second: list[Any] | None) -> list[Any] | None:
    if first is None or second is None:
        return first or second
    return [min(first[0], second[0]), max(first[1], second[1])]


def file_places(rows: pl.Series, kept: Sequence[int]) -> pl.Series:
    """Positions in the whole table from the column `ROW`, given the number of events per chunk.

    Example:
        >>> file_places(pl.Series([0, 1, 1 << 40]), [2, 5]).to_list()
        [0, 1, 2]
    """
    starts = pl.Series([0, *kept], dtype=pl.Int64).cum_sum()
    return starts.gather(rows.to_numpy() >> _PLACE_BITS) + pl.Series(rows.to_numpy() & ((1 << _PLACE_BITS) - 1))


def empty_events() -> pl.DataFrame:
    """An empty table with the columns of `read_chunk`."""
    return pl.DataFrame(schema={**EVENT_SCHEMA, ROW: pl.Int64()})


def load_items(vocabulary: str) -> ItemVocabulary:
    """The item vocabulary in a file, loaded once per process for each content."""
    return _load_items(vocabulary, Path(vocabulary).stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _load_items(vocabulary: str, written: int) -> ItemVocabulary:
    return ItemVocabulary.load(vocabulary)


def _item_ids(vocabulary: str) -> pl.Series:
    ids = pl.from_arrow(load_items(vocabulary).table["item_id"])
    assert isinstance(ids, pl.Series)
    return ids
