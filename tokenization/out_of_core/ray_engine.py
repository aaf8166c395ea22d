"""Preparation with Ray Data: chunks are read on all nodes, shuffled by partition, and processed on the same node.

Every node must read the tables, and write the output folder, under the same paths.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import polars as pl
import pyarrow as pa

from ..tables.table_columns import MICROSECOND
from .chunks import ROW, ChunkReading, EventChunk, EventFacts, empty_events, read_chunk
from .local_engine import Jobs, PartitionJob
from .partitions import PARTITION, finished, number_partition
from .ray_cluster import connect_ray, import_ray

KIND, RESULT, ERROR = "kind", "result", "error"
MAX_REDUCERS = 200
"""Tasks of the shuffle; each processes its partitions one after the other."""

_R = TypeVar("_R")


class RayEngine:
    """Engine for a Ray cluster: the connected one, the one in RAY_ADDRESS, or a new one on this machine.

    Args:
        chunks: Chunks of the events.
        reading: Options for reading them.
        partitions: Number of partitions of the users.
        output: The output folder, visible to every node.
        num_proc: Tasks at a time.
        progress: Whether Ray shows its bars.

    Raises:
        ImportError: If Ray is not installed.
    """

    def __init__(
        self,
        chunks: list[EventChunk],
        reading: ChunkReading,
        partitions: int,
        output: Path,
        num_proc: int,
        progress: bool,
    ) -> None:
        self.chunks, self.reading, self.partitions = chunks, reading, partitions
        self.output = output.resolve()  # workers have another working directory
        self.num_proc, self.progress = num_proc, progress
        self._ray = import_ray()
        self._connection = ExitStack()

    def __enter__(self) -> Self:
        self._connection.enter_context(connect_ray(self._ray))
        self._ray.data.DataContext.get_current().enable_progress_bars = self.progress
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.close()

    def read(self) -> list[EventFacts]:
        """Read the chunks for their facts only; the shuffle reads them again."""
        jobs: Jobs[dict[str, Any]] = [(_facts_of, (chunk, self.reading)) for chunk in self.chunks]
        return [EventFacts.from_dict(part) for part in self.run(jobs, "reading events")]

    def gather(self, job: PartitionJob, prefix: str, *arguments: Any, title: str) -> list[dict[str, Any]]:
        """See `Engine.gather`; the events go through Ray's object store."""
        numbers = range(self.partitions)
        done = {n: result for n in numbers if (result := finished(self.output, prefix, n)) is not None}
        if len(done) < self.partitions:
            rows = [{"number": chunk.number} for chunk in self.chunks]
            reader = partial(
                _events_of, chunks=self.chunks, reading=self.reading, partitions=self.partitions, done=set(done)
            )
            events = self._ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
                reader, batch_size=1, batch_format="pyarrow", compute=self._limit()
            )
            groups = events.groupby(PARTITION, num_partitions=min(self.partitions, MAX_REDUCERS)).map_groups(
                partial(_call_group, job=job, arguments=arguments, output=self.output), batch_format="pyarrow"
            )
            done |= {row["number"]: _unpacked(row) for row in groups.take_all()}
        for number in numbers:
            if number not in done:  # it has no users
                done[number] = job(empty_events(), number, *arguments, self.output)
        return [done[number] for number in numbers]

    def run(self, jobs: Jobs[_R], title: str) -> list[_R]:
        """Run jobs as tasks."""
        rows = [{"number": number} for number in range(len(jobs))]
        found = self._ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            partial(_call_job, jobs=jobs), batch_size=1, batch_format="pyarrow", compute=self._limit()
        )
        results: dict[int, _R] = {row["number"]: _unpacked(row) for row in found.take_all()}
        return [results[number] for number in range(len(jobs))]

    def _limit(self) -> Any:
        return self._ray.data.TaskPoolStrategy(size=self.num_proc)


def _facts_of(chunk: EventChunk, reading: ChunkReading) -> dict[str, Any]:
    return read_chunk(chunk, reading)[1].to_dict()


def _events_of(
    batch: pa.Table, chunks: list[EventChunk], reading: ChunkReading, partitions: int, done: set[int]
) -> pa.Table:
    """The events of one chunk in partitions that are not finished."""
    events, _ = read_chunk(chunks[batch["number"][0].as_py()], reading)
    if MICROSECOND not in events.columns:
        # All blocks need one schema; the column of fractional seconds exists only in chunks with such times.
        events = events.with_columns(pl.lit(None, pl.Int32).alias(MICROSECOND)).select(pl.exclude(ROW), ROW)
    events = events.with_columns(number_partition(events, partitions)).filter(~pl.col(PARTITION).is_in(sorted(done)))
    return events.to_arrow(compat_level=pl.CompatLevel.oldest())


def _call_group(group: pa.Table, job: PartitionJob, arguments: tuple[Any, ...], output: Path) -> pa.Table:
    number = group[PARTITION][0].as_py()
    events = pl.from_arrow(group.drop_columns(PARTITION))
    assert isinstance(events, pl.DataFrame)
    return _packed(number, partial(job, events, number, *arguments, output))


def _call_job(batch: pa.Table, jobs: Jobs[Any]) -> pa.Table:
    number = batch["number"][0].as_py()
    function, arguments = jobs[number]
    return _packed(number, partial(function, *arguments))


def _packed(number: int, call: partial[Any]) -> pa.Table:
    """One row: a job's number, and its result or error message as plain bytes without code."""
    try:
        kind, content = _encoded(call())
    except ValueError as error:
        kind, content = ERROR, str(error).encode()  # Ray would lose the error's type
    return pa.table({
        "number": pa.array([number], pa.int64()),
        KIND: pa.array([kind], pa.string()),
        RESULT: pa.array([content], pa.binary()),
    })  # fmt: skip


def _encoded(result: Any) -> tuple[str, bytes]:
    """The kind of a result (a key of `_DECODERS`), and its bytes."""
    buffer = io.BytesIO()
    if isinstance(result, pl.DataFrame):
        result.write_ipc(buffer)
        return "frame", buffer.getvalue()
    if isinstance(result, np.ndarray):
        np.save(buffer, result, allow_pickle=False)
        return "array", buffer.getvalue()
    return "json", json.dumps(result).encode()


def _unpacked(row: dict[str, Any]) -> Any:
    if row[KIND] == ERROR:
        raise ValueError(row[RESULT].decode())
    return _DECODERS[row[KIND]](row[RESULT])


_DECODERS: dict[str, Callable[[bytes], Any]] = {
    "frame": pl.read_ipc,
    "array": lambda content: np.load(io.BytesIO(content), allow_pickle=False),
    "json": json.loads,
}
