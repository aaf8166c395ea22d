"""The same preparation on Ray Data: chunks are read on all nodes, shuffled by partition, and split where they arrive.

Every node must read the tables, and write the output folder, under the same paths.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from .event_chunks import ChunkReading, EventChunk, EventFacts, empty_events, merge_facts, read_chunk
from .partitions import PARTITION, SplitPlan, number_partition
from .preparing import finish_partition, finished_partition
from .ray_cluster import connect_ray, import_ray

RESULT = "result"
MAX_REDUCERS = 200
"""Tasks of the shuffle; each takes one partition after the other."""


def prepare_with_ray(
    chunks: list[EventChunk],
    reading: ChunkReading,
    partitions: int,
    output: Path,
    make_plan: Callable[[EventFacts], SplitPlan],
    num_proc: int,
    progress: bool,
    name: str,
) -> tuple[EventFacts, list[dict[str, Any]]]:
    """Read, shuffle and split the log on the Ray cluster that is connected to or that RAY_ADDRESS names.

    Without either a cluster of this machine alone is started, and stopped at the end.

    Args:
        chunks: The log.
        reading: How it is read.
        partitions: Partitions of the users.
        output: The output folder.
        make_plan: Says from the facts of the log how it is split.
        num_proc: Tasks at a time.
        progress: Whether Ray shows its bars.
        name: Name of the shop.

    Returns:
        The facts of the log, and what each partition holds.

    Raises:
        TableError: If the log cannot be used.
        ValueError: If the log cannot be split so.
    """
    ray = import_ray()
    output = output.resolve()  # a worker's working directory is its own
    with connect_ray(ray):
        ray.data.DataContext.get_current().enable_progress_bars = progress
        rows = [{"number": chunk.number} for chunk in chunks]
        log = ray.data.from_items(rows, override_num_blocks=len(chunks))
        limit = ray.data.TaskPoolStrategy(size=num_proc)
        told = log.map_batches(
            partial(_facts_of, chunks=chunks, reading=reading), batch_size=1, batch_format="pyarrow", compute=limit
        ).take_all()
        found = {row["number"]: row[RESULT] for row in told}
        facts = merge_facts((EventFacts.from_dict(json.loads(found[chunk.number])) for chunk in chunks), name)
        plan = make_plan(facts)
        done = {n: result for n in range(partitions) if (result := finished_partition(output, n)) is not None}
        if len(done) < partitions:
            reader = partial(_events_of, chunks=chunks, reading=reading, partitions=partitions, done=set(done))
            events = log.map_batches(reader, batch_size=1, batch_format="pyarrow", compute=limit)
            done |= _split_groups(events, partitions, plan, output)
    for number in range(partitions):
        if number not in done:  # no user fell into it
            done[number] = finish_partition(empty_events(), number, plan, output)
    return facts, [done[number] for number in range(partitions)]


def _split_groups(events: Any, partitions: int, plan: SplitPlan, output: Path) -> dict[int, dict[str, Any]]:
    """Shuffle the events by partition, and split each; results by partition."""
    split = events.groupby(PARTITION, num_partitions=min(partitions, MAX_REDUCERS)).map_groups(
        partial(_split_group, plan=plan, output=output), batch_format="pyarrow"
    )
    results = {row["number"]: json.loads(row[RESULT]) for row in split.take_all()}
    for result in results.values():
        if "error" in result:
            raise ValueError(result["error"])
    return results


def _facts_of(batch: pa.Table, chunks: list[EventChunk], reading: ChunkReading) -> pa.Table:
    number = batch["number"][0].as_py()
    return pa.table({"number": [number], RESULT: [json.dumps(read_chunk(chunks[number], reading)[1].to_dict())]})


def _events_of(
    batch: pa.Table, chunks: list[EventChunk], reading: ChunkReading, partitions: int, done: set[int]
) -> pa.Table:
    """The events of one chunk that belong to partitions which are still to be done."""
    events, _ = read_chunk(chunks[batch["number"][0].as_py()], reading)
    events = events.with_columns(number_partition(events, partitions)).filter(~pl.col(PARTITION).is_in(sorted(done)))
    return events.to_arrow(compat_level=pl.CompatLevel.oldest())


def _split_group(group: pa.Table, plan: SplitPlan, output: Path) -> pa.Table:
    number = group[PARTITION][0].as_py()
    events = pl.from_arrow(group.drop_columns(PARTITION))
    assert isinstance(events, pl.DataFrame)
    try:
        result = finish_partition(events, number, plan, output)
    except ValueError as error:
        result = {"error": str(error)}  # Ray would lose its type
    return pa.table({"number": pa.array([number], pa.int64()), RESULT: [json.dumps(result)]})
