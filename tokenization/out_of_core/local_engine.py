"""Preparation on this machine: jobs in processes, and a shuffle through Arrow files in the work folder."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import polars as pl
import pyarrow as pa

from ..progress import stage
from .chunks import ChunkReading, EventChunk, EventFacts, read_chunk
from .partitions import PARTITION, finished, number_partition, write_json
from .prepared_folder import WORK

_R = TypeVar("_R")
Jobs = list[tuple[Callable[..., _R], tuple[Any, ...]]]
"""Functions with their arguments."""
PartitionJob = Callable[..., dict[str, Any]]
"""A function of a partition's events, the partition's number, more arguments and the output folder."""


class Engine(Protocol):
    """Place where the events are read, shuffled and processed."""

    def __enter__(self) -> Self:
        """Start the engine."""

    def __exit__(self, *error: object) -> None:
        """Free its resources."""

    def read(self) -> list[EventFacts]:
        """Facts of each chunk of the events."""

    def gather(self, job: PartitionJob, prefix: str, *arguments: Any, title: str) -> list[dict[str, Any]]:
        """Collect the events of each partition and run a job on them; returns results by partition.

        Args:
            job: Function to call.
            prefix: Prefix of the files in the work folder that mark finished partitions of this job.
            *arguments: More arguments of the job.
            title: Title of the progress bar.
        """

    def run(self, jobs: Jobs[_R], title: str) -> list[_R]:
        """Run jobs and return their results in order."""


class LocalEngine:
    """Engine for this machine.

    Args:
        chunks: Chunks of the events.
        reading: Options for reading them.
        partitions: Number of partitions of the users.
        output: The output folder.
        num_proc: Number of processes.
        progress: Whether to show bars.
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
        self.chunks, self.reading, self.partitions, self.output = chunks, reading, partitions, output
        self.num_proc, self.progress = num_proc, progress

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to free: processes end with their jobs."""

    def read(self) -> list[EventFacts]:
        """Read the chunks and distribute their events to the partitions."""
        work = self.output / WORK
        jobs: Jobs[dict[str, Any]] = [
            (scatter_chunk, (chunk, self.reading, self.partitions, work)) for chunk in self.chunks
        ]
        return [EventFacts.from_dict(part) for part in self.run(jobs, "reading events")]

    def gather(self, job: PartitionJob, prefix: str, *arguments: Any, title: str) -> list[dict[str, Any]]:
        """See `Engine.gather`."""
        jobs: Jobs[dict[str, Any]] = [
            (gather_partition, (job, prefix, number, len(self.chunks), arguments, self.output))
            for number in range(self.partitions)
        ]
        return self.run(jobs, title)

    def run(self, jobs: Jobs[_R], title: str) -> list[_R]:
        """Run jobs, in separate processes if `num_proc` is above one."""
        results: list[Any] = [None] * len(jobs)
        with stage(title, len(jobs), "parts", shown=self.progress) as running:
            if self.num_proc == 1 or len(jobs) == 1:
                for place, (function, arguments) in enumerate(jobs):
                    results[place] = function(*arguments)
                    running.advance()
                return results
            # Spawn new processes: polars has threads, which a fork would lose.
            context = multiprocessing.get_context("spawn")
            with (
                _threads_each(self.num_proc),
                ProcessPoolExecutor(min(self.num_proc, len(jobs)), mp_context=context) as pool,
            ):
                places = {pool.submit(function, *arguments): place for place, (function, arguments) in enumerate(jobs)}
                try:
                    for future in as_completed(places):
                        results[places[future]] = future.result()
                        running.advance()
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise
        return results


def scatter_chunk(chunk: EventChunk, reading: ChunkReading, partitions: int, work: Path) -> dict[str, Any]:
    """Read a chunk and write its events as one Arrow batch per partition; returns (and stores) its facts."""
    told = work / f"chunk-{chunk.number:05d}.json"
    if told.is_file():
        return dict(json.loads(told.read_text(encoding="utf-8")))
    events, facts = read_chunk(chunk, reading)
    events = events.with_columns(number_partition(events, partitions)).sort(PARTITION, maintain_order=True)
    counts = events[PARTITION].to_numpy()
    table = events.drop(PARTITION).to_arrow(compat_level=pl.CompatLevel.oldest()).combine_chunks()
    schema = table.schema
    path = told.with_suffix(".arrow")
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(
        sink, schema, options=pa.ipc.IpcWriteOptions(compression="lz4")
    ) as writer:  # fmt: skip
        start = 0
        for number in range(partitions):
            end = int(counts.searchsorted(number, side="right"))
            part = table.slice(start, end - start)
            batches = part.combine_chunks().to_batches()
            writer.write_batch(batches[0] if batches else pa.RecordBatch.from_pylist([], schema=schema))
            start = end
    write_json(told, facts.to_dict())
    return facts.to_dict()


def gather_partition(
    job: PartitionJob, prefix: str, number: int, chunks: int, arguments: tuple[Any, ...], output: Path
) -> dict[str, Any]:
    """Run a job on a partition's events from all chunks, unless it is finished."""
    done = finished(output, prefix, number)
    if done is not None:
        return done
    parts = []
    for chunk in range(chunks):
        with pa.memory_map(str(output / WORK / f"chunk-{chunk:05d}.arrow")) as source:
            parts.append(pa.Table.from_batches([pa.ipc.open_file(source).get_batch(number)]))
    # The column of fractional seconds exists only in chunks with such times.
    events = pl.from_arrow(pa.concat_tables(parts, promote_options="default"))
    assert isinstance(events, pl.DataFrame)
    return job(events, number, *arguments, output)


@contextmanager
def _threads_each(processes: int) -> Iterator[None]:
    """Let new processes share the cores; polars reads this setting once, at import."""
    name, before = "POLARS_MAX_THREADS", os.environ.get("POLARS_MAX_THREADS")
    os.environ[name] = before or str(max(1, (os.cpu_count() or 1) // processes))
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
