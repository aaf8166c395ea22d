"""From raw tables to sequences on disk, out of core: typed, validated, sorted, split, and written as parquet shards.

The log is read in chunks, each of which is scattered to partitions by the hash of its users; then the partitions are
split one at a time. Chunks and partitions that are finished are kept, and a run that was killed goes on from there.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import polars as pl
import pyarrow as pa
from tqdm.auto import tqdm

from .event_chunks import ChunkReading, EventChunk, EventFacts, cut_chunks, merge_facts, read_chunk
from .partitions import PARTITION, SPLITS, SplitPlan, number_partition, split_partition, write_shards
from .preparation_inputs import PreparationInputs
from .prepared import MANIFEST, WORK, PreparedFolder, check_folder, write_manifest
from .problems import TableProblem
from .splits import TEST_QUANTILE, VALIDATION_QUANTILE, SplitName, TiePolicy

PARTITION_EVENTS = 2_500_000
"""Events a partition: a few hundred megabytes while it is split."""

Engine = Literal["local", "ray"]
_R = TypeVar("_R")


@dataclass(frozen=True)
class PrepareOptions:
    """How a log is split; the same words as `build_splits`.

    Args:
        split: auto or a `SplitName` other than cold-items.
        tie_policy: file or shuffle.
        seed: Seed of shuffled ties.
        max_history: Events kept of an evaluation history, the latest; None for all.
    """

    split: str = "auto"
    tie_policy: str = "file"
    seed: int = 0
    max_history: int | None = None

    def __post_init__(self) -> None:
        if self.split != "auto" and self.split not in list(SplitName):
            raise ValueError(f"split is {self.split!r}; give auto or one of {', '.join(SplitName)}")
        if self.split == SplitName.COLD_ITEMS:
            raise ValueError("split cold-items looks at the whole log at once; give it to fit, with the tables")
        if self.tie_policy not in list(TiePolicy):
            raise ValueError(f"tie_policy is {self.tie_policy!r}; give one of {', '.join(TiePolicy)}")
        if self.max_history is not None and self.max_history < 1:
            raise ValueError(f"max_history is {self.max_history}; give a number from 1, or None for the whole history")


def prepare_tables(
    inputs: PreparationInputs,
    output: Path,
    options: PrepareOptions | None = None,
    *,
    engine: Engine = "local",
    num_proc: int = 1,
    overwrite: bool = False,
    progress: bool = True,
) -> PreparedFolder:
    """Prepare a shop's tables for training.

    Args:
        inputs: The tables.
        output: Folder of the result. One that holds an unfinished preparation of the same tables with the same options
            is gone on with; one that is finished is left as it is.
        options: How to split.
        engine: "local" or "ray".
        num_proc: Processes; of the Ray engine, tasks at a time.
        overwrite: Whether another preparation in the folder may be replaced.
        progress: Whether to show bars.

    Raises:
        ValueError: If the folder holds something else, or the tables cannot be split so.
        TableError: If the tables cannot be used.
        ImportError: If Ray is wanted and not installed.
    """
    options = options or PrepareOptions()
    if num_proc < 1:
        raise ValueError(f"num_proc is {num_proc}; give at least 1")
    if engine == "ray":
        from .ray_cluster import import_ray

        import_ray()
    existed = output.exists()
    request = inputs.describe(options)
    done = check_folder(output, request, overwrite)
    if done is not None:
        return done
    try:
        return _prepare(inputs, output, options, request, engine, num_proc, progress)
    except ValueError:
        # Bad input leaves nothing behind; a kill or a full disk leaves what is finished.
        shutil.rmtree(output if not existed else output / WORK, ignore_errors=True)
        if existed:
            (output / MANIFEST).unlink(missing_ok=True)
            for name in SPLITS:
                shutil.rmtree(output / name, ignore_errors=True)
        raise


def _prepare(
    inputs: PreparationInputs,
    output: Path,
    options: PrepareOptions,
    request: dict[str, Any],
    engine: Engine,
    num_proc: int,
    progress: bool,
) -> PreparedFolder:
    work = output / WORK
    work.mkdir(parents=True, exist_ok=True)
    write_manifest(output, {"complete": False, "request": request})
    tables = inputs.write_tables(output, work)
    reading = ChunkReading(str((output / "items.arrow").resolve()), tables.columns, inputs.on_unknown_items)
    chunks = cut_chunks(tables.events)
    partitions = max(1, -(-sum(chunk.rows for chunk in chunks) // PARTITION_EVENTS))
    if engine == "ray":
        from .ray_preparing import prepare_with_ray

        facts, results = prepare_with_ray(
            chunks, reading, partitions, output,
            lambda facts: _plan(facts, options, chunks, reading, tables.name), num_proc, progress, tables.name,
        )  # fmt: skip
    else:
        facts, results = _prepare_locally(
            chunks, reading, partitions, output, options, num_proc, progress, tables.name
        )
    rows = {name: sum(result["rows"][name] for result in results) for name in SPLITS}
    if not rows["train"]:
        raise ValueError(
            f"events: split {options.split!r} leaves no user with two training events ({facts.total} rows); "
            "give more events or another split"
        )
    found = [*tables.problems, *facts.problems]
    found += [TableProblem(**problem) for problem in _merged(result["problems"] for result in results)]
    manifest = {
        "shards": {name: sum(result["rows"][name] > 0 for result in results) for name in SPLITS},
        "complete": True, "request": request, "name": tables.name, "split": _resolve(options, facts).value,
        "event_types": facts.kinds, "rows": rows, "events": facts.total, "partitions": partitions,
        "users": sum(result["users"] for result in results), "ratings": facts.ratings, "times": facts.times,
        "problems": EventFacts(problems=found).to_dict()["problems"],
    }  # fmt: skip
    prepared = write_manifest(output, manifest)
    tables.card(manifest).write(output)
    shutil.rmtree(work)
    return prepared


def _prepare_locally(
    chunks: list[EventChunk],
    reading: ChunkReading,
    partitions: int,
    output: Path,
    options: PrepareOptions,
    num_proc: int,
    progress: bool,
    name: str,
) -> tuple[EventFacts, list[dict[str, Any]]]:
    work = output / WORK
    jobs = [(scatter_chunk, (chunk, reading, partitions, work)) for chunk in chunks]
    read = _run(jobs, num_proc, "reading events", progress)
    facts = merge_facts((EventFacts.from_dict(part) for part in read), name)
    plan = _plan(facts, options, chunks, reading, name)
    splitting = [(gather_partition, (number, len(chunks), plan, output)) for number in range(partitions)]
    return facts, _run(splitting, num_proc, "splitting users", progress)


def _resolve(options: PrepareOptions, facts: EventFacts) -> SplitName:
    if options.split == "auto":
        return SplitName.LEAVE_ONE_OUT if facts.no_split else SplitName.COLUMN
    return SplitName(options.split)


def _plan(
    facts: EventFacts, options: PrepareOptions, chunks: list[EventChunk], reading: ChunkReading, name: str
) -> SplitPlan:
    """What every partition is told.

    Raises:
        ValueError: If the log lacks what the split needs.
    """
    split = _resolve(options, facts)
    bounds = None
    if split is SplitName.GLOBAL_TIME:
        if facts.no_time:
            raise ValueError(
                f"events, column timestamp: {facts.no_time} of {facts.total} rows have no time, and the split "
                "global-time needs one for every event; fill them, or use leave-one-out"
            )
        bounds = _time_bounds(chunks, reading, facts.total)
    if split is SplitName.COLUMN and facts.no_split:
        raise ValueError(
            f"events, column split: {facts.no_split} of {facts.total} rows have no value; "
            "fill them with train, validation or test, or use another split"
        )
    return SplitPlan(
        reading.vocabulary, facts, split, TiePolicy(options.tie_policy), options.seed, options.max_history, bounds
    )


def _time_bounds(chunks: list[EventChunk], reading: ChunkReading, total: int) -> tuple[int, int]:
    """The two times that `cut_time` finds for the whole log; 8 bytes an event are held."""
    import numpy as np

    stamps = np.empty(total, dtype=np.int64)
    filled = 0
    for chunk in chunks:
        times = read_chunk(chunk, reading)[0]["timestamp"].to_numpy()
        stamps[filled : filled + len(times)] = times
        filled += len(times)
    places = [min(int(quantile * total), total - 1) for quantile in (VALIDATION_QUANTILE, TEST_QUANTILE)]
    stamps.partition(places)
    return int(stamps[places[0]]), int(stamps[places[1]])


def scatter_chunk(chunk: EventChunk, reading: ChunkReading, partitions: int, work: Path) -> dict[str, Any]:
    """Read a chunk and write its events as one Arrow batch a partition; returns its facts, which are kept too."""
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
    _write_json(told, facts.to_dict())
    return facts.to_dict()


def gather_partition(number: int, chunks: int, plan: SplitPlan, output: Path) -> dict[str, Any]:
    """Split a partition from what the chunks hold of it, and write its shards; returns what it holds."""
    done = finished_partition(output, number)
    if done is not None:
        return done
    batches = []
    for chunk in range(chunks):
        with pa.memory_map(str(output / WORK / f"chunk-{chunk:05d}.arrow")) as source:
            batches.append(pa.ipc.open_file(source).get_batch(number))
    events = pl.from_arrow(pa.Table.from_batches(batches))
    assert isinstance(events, pl.DataFrame)
    return finish_partition(events, number, plan, output)


def finished_partition(output: Path, number: int) -> dict[str, Any] | None:
    """What a partition holds that was finished before; None if it is still to be done."""
    told = output / WORK / f"part-{number:05d}.json"
    return dict(json.loads(told.read_text(encoding="utf-8"))) if told.is_file() else None


def finish_partition(events: pl.DataFrame, number: int, plan: SplitPlan, output: Path) -> dict[str, Any]:
    """Split the events of a partition, write its shards, and say so in the work folder."""
    users = events["user_id"].n_unique()
    splits, problems = split_partition(events, plan)
    del events
    result = {
        "rows": write_shards(splits, output, number),
        "users": users,
        "problems": EventFacts(problems=problems).to_dict()["problems"],
    }
    _write_json(output / WORK / f"part-{number:05d}.json", result)
    return result


def _write_json(path: Path, content: Any) -> None:
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(content), encoding="utf-8")
    unfinished.replace(path)


def _run(jobs: list[tuple[Callable[..., _R], tuple[Any, ...]]], num_proc: int, title: str, progress: bool) -> list[_R]:
    """Run jobs, in processes of their own where more than one is wanted; results in the order of the jobs."""
    bar = tqdm(total=len(jobs), desc=title, disable=not progress, delay=1)
    results: list[Any] = [None] * len(jobs)
    with bar:
        if num_proc == 1 or len(jobs) == 1:
            for place, (function, arguments) in enumerate(jobs):
                results[place] = function(*arguments)
                bar.update()
            return results
        # Fresh processes: polars has threads, which a fork would leave behind.
        context = multiprocessing.get_context("spawn")
        with (
            _threads_each(num_proc),
            ProcessPoolExecutor(min(num_proc, len(jobs)), mp_context=context) as pool,
        ):
            places = {pool.submit(function, *arguments): place for place, (function, arguments) in enumerate(jobs)}
            try:
                for future in as_completed(places):
                    results[places[future]] = future.result()
                    bar.update()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    return results


@contextmanager
def _threads_each(processes: int) -> Iterator[None]:
    """Let the processes that are started share the cores; polars reads this once, when it is imported."""
    name, before = "POLARS_MAX_THREADS", os.environ.get("POLARS_MAX_THREADS")
    os.environ[name] = before or str(max(1, (os.cpu_count() or 1) // processes))
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]


def _merged(parts: Iterable[list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """Problems of the partitions, those of one kind added up."""
    kinds: dict[tuple[str, str, str], dict[str, Any]] = {}
    for problem in (problem for part in parts for problem in part):
        key = (problem["table"], problem["column"], problem["kind"])
        if key in kinds:
            kinds[key]["count"] += problem["count"]
        else:
            kinds[key] = dict(problem)
    yield from kinds.values()
