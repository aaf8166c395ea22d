"""From raw tables to sequences on disk, out of core: typed, validated, sorted, filtered, split, written as parquet.

The events are read in chunks and distributed to partitions by the hash of the user. The partitions are then filtered
and split one at a time. Finished chunks and partitions are stored, and an interrupted run resumes from them.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial, reduce
from operator import add
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from ..images.image_options import ImageOptions
from ..policy.policy_options import PolicyOptions
from ..sequences.event_options import EventOptions
from ..sequences.filters import RepeatPolicy, check_session_times
from ..sequences.held_out_items import nothing_trained, pick_cold
from ..sequences.split import AllEvents
from ..sequences.splits import AUTO, SPLITS, auto_split
from ..sequences.timeline import TiePolicy
from ..tables.event_roles import EventRoles, event_roles
from ..tables.event_times import exact_times
from ..tables.problems import TableProblem
from ..vocabulary import VOCABULARY_FILE
from .chunks import ChunkReading, EventChunk, EventFacts, cut_chunks, load_items, merge_facts, read_chunk, unique_items
from .inputs import PreparationInputs
from .local_engine import Engine, LocalEngine
from .partition_filters import Keeping, filter_log, items_by_age, partition_times, split_kept
from .partitions import SplitPlan, finish_partition, shard_path, take_cold_items, trained_in
from .prepared_folder import PARTS, WORK, PreparedFolder, check_folder, empty_folder, write_manifest
from .prepared_images import prepare_images

PARTITION_EVENTS = 2_500_000
"""Events per partition: a few hundred megabytes during the split."""

EngineName = Literal["local", "ray"]


@dataclass
class PrepareOptions(PolicyOptions, ImageOptions, EventOptions):
    """Options of `prepare_tables`: `EventOptions`, `ImageOptions`, `PolicyOptions`, and the length of histories.

    Args:
        max_history: Events kept of an evaluation history, the latest; None for all.
    """

    max_history: int | None = None

    def __post_init__(self) -> None:
        EventOptions.__post_init__(self)
        ImageOptions.__post_init__(self)
        PolicyOptions.__post_init__(self)
        if self.max_history is not None and self.max_history < 1:
            raise ValueError(f"max_history is {self.max_history}; give a number from 1, or None for the whole history")
        if self.split in SPLITS and not SPLITS[self.split].out_of_core:
            raise ValueError(
                f"split {self.split!r} needs the events of all users at once, which a preparation never has; choose "
                "another split, or train on the tables themselves"
            )


def prepare_tables(
    inputs: PreparationInputs,
    output: Path,
    options: PrepareOptions | None = None,
    *,
    engine: EngineName = "local",
    num_proc: int = 1,
    overwrite: bool = False,
    progress: bool = True,
) -> PreparedFolder:
    """Prepare the tables of a dataset for training.

    Args:
        inputs: The tables.
        output: Folder of the result. An unfinished preparation of the same tables with the same options is resumed; a
            finished one is kept as it is.
        options: How to filter and split.
        engine: "local" or "ray".
        num_proc: Number of processes; tasks at a time for the Ray engine.
        overwrite: Whether another preparation in the folder may be replaced.
        progress: Whether to show bars.

    Raises:
        ValueError: If the folder holds something else, or the tables cannot be split with these options.
        TableError: If the tables cannot be used.
        ImportError: If the Ray engine is requested and Ray is not installed.
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
        # After bad input, clean up. After a kill or a full disk, keep the finished work.
        if existed:
            empty_folder(output)
        else:
            shutil.rmtree(output, ignore_errors=True)
        raise


def _prepare(
    inputs: PreparationInputs,
    output: Path,
    options: PrepareOptions,
    request: dict[str, Any],
    engine: EngineName,
    num_proc: int,
    progress: bool,
) -> PreparedFolder:
    work = output / WORK
    work.mkdir(parents=True, exist_ok=True)
    write_manifest(output, {"complete": False, "request": request})
    tables = inputs.write_tables(output, work)
    reading = ChunkReading(
        str((work / VOCABULARY_FILE).resolve()), tables.columns, inputs.on_unknown_items, tables.style,
        tables.time_format, inputs.missing_users,
    )  # fmt: skip
    chunks = cut_chunks(tables.events)
    partitions = max(1, -(-sum(chunk.rows for chunk in chunks) // PARTITION_EVENTS))
    with _engine(engine)(chunks, reading, partitions, output, num_proc, progress) as running:
        # A cluster's workers have another working directory.
        log = _Log(running, chunks, reading, partitions, output.resolve(), options, tables.name)
        facts, split, results, noted = log.split()
        roles = log.roles(facts)
        rows = {name: sum(result["rows"][name] for result in results) for name in PARTS}
        if not rows["train"]:
            raise ValueError(
                f"events: split {options.split!r} leaves no user with two training events ({facts.total} rows); "
                "give more events or another split"
            )
        if options.cold_items:
            rows["train"] = log.take_cold_items(rows["train"])
    images = prepare_images(output, options, inputs.folder)
    found = [*tables.problems, *facts.problems, *noted]
    found += [TableProblem(**problem) for problem in _merged(result["problems"] for result in results)]
    shards = {name: len(list(shard_path(output, name, 0).parent.glob("*.parquet"))) for name in PARTS}
    manifest = {
        "shards": shards, "complete": True, "request": request, "name": tables.name, "split": split,
        "event_types": facts.kinds, "target_event_types": list(roles.targets),
        "negative_event_types": list(roles.negative),
        "rows": rows, "events": facts.total, "partitions": partitions,
        "items": load_items(str(output / VOCABULARY_FILE)).num_items,
        "users": sum(result["users"] for result in results), "ratings": facts.ratings, "times": facts.times,
        "problems": [problem.to_dict() for problem in found], **({} if images is None else {"images": images}),
    }  # fmt: skip
    prepared = write_manifest(output, manifest)
    tables.card(manifest).write(output)
    shutil.rmtree(work)
    return replace(prepared, found=tuple(found))


def _engine(name: EngineName) -> type[LocalEngine] | Any:
    if name == "local":
        return LocalEngine
    from .ray_engine import RayEngine

    return RayEngine


@dataclass(frozen=True)
class _Log:
    """The events table during preparation by an engine."""

    engine: Engine
    chunks: list[EventChunk]
    reading: ChunkReading
    partitions: int
    output: Path
    options: PrepareOptions
    name: str

    def split(self) -> tuple[EventFacts, str, list[dict[str, Any]], list[TableProblem]]:
        """Read, filter and split the events.

        Returns:
            Facts of the events in use, the split, the content of each partition, and issues about users.
        """
        options, minimum = self.options, self.options.min_user_events
        facts = merge_facts(self.engine.read(), self.name)
        noted = unique_items(self.chunks, self.reading, facts.total)
        if self._filtered:
            if options.session_gap:
                check_session_times(facts.no_time, facts.total)
            keeping = Keeping(
                self.reading.vocabulary, bool(facts.no_order), RepeatPolicy(options.repeats), options.session_gap,
                minimum, options.min_item_events,
            )  # fmt: skip
            shuffled = options.tie_policy == TiePolicy.SHUFFLE
            facts, found = filter_log(
                self.engine, keeping, facts, self.partitions, shuffled, self.output, self.name
            )  # fmt: skip
            noted += found
        else:
            load_items(self.reading.vocabulary).save(self.output)
        plan = self._plan(facts)
        if not self._filtered:
            results = self.engine.gather(finish_partition, "part", plan, title="splitting users")
            return facts, plan.split.name, results, noted
        jobs = [(split_kept, (number, plan, minimum, self.output)) for number in range(self.partitions)]
        return facts, plan.split.name, self.engine.run(jobs, "splitting users"), noted

    def take_cold_items(self, users: int) -> int:
        """Remove training events of cold items; returns the number of user sequences left.

        Raises:
            ValueError: If none is left.
        """
        numbers = range(self.partitions)
        trained = reduce(add, (trained_in(self.output, number) for number in numbers))
        cold = pick_cold(trained, self.options.cold_items, self.options.cold_policy, self.options.seed)
        if not len(cold):
            return users
        jobs = [(take_cold_items, (number, cold, self.output)) for number in numbers]
        left = sum(self.engine.run(jobs, "taking cold items away"))
        if not left:
            raise nothing_trained(len(cold), users)
        return left

    @property
    def _filtered(self) -> bool:
        """Whether partitions go through the filters; a split with two passes needs their files too."""
        options = self.options
        two_passes = options.split != AUTO and SPLITS.find(options.split).two_passes
        chosen = options.repeats != RepeatPolicy.KEEP or options.session_gap or two_passes
        return bool(chosen or options.min_user_events > 1 or options.min_item_events > 0)

    def _plan(self, facts: EventFacts) -> SplitPlan:
        """The settings shared by all partitions.

        Raises:
            ValueError: If the events lack a column that the split needs.
        """
        options = self.options
        split = SPLITS.find(auto_split(facts.no_split) if options.split == AUTO else options.split)
        plan = SplitPlan(
            str((self.output / VOCABULARY_FILE).resolve()), facts, split, TiePolicy(options.tie_policy), options.seed,
            options.max_history, self.roles(facts), noted=self._filtered,
        )  # fmt: skip
        ages = partial(items_by_age, self.engine, plan, options.min_user_events, self.partitions, self.output)
        events = AllEvents(
            total=facts.total, no_time=facts.no_time, no_split=facts.no_split, marked=facts.marked,
            times=partial(self._times, facts.total), items_by_age=ages if split.two_passes else _unread,
        )  # fmt: skip
        return replace(plan, shared=split.shared(events))

    def roles(self, facts: EventFacts) -> EventRoles:
        """Roles of the event types in use.

        Raises:
            ValueError: As `event_roles`.
        """
        return event_roles(facts.kinds, self.options.target_event_types, self.options.negative_event_types)

    def _times(self, total: int) -> np.ndarray:
        """(events,) microseconds since 1970; 8 bytes per event."""
        times = np.empty(total, dtype=np.int64)
        filled = 0
        for part in self._parts_of_times():
            times[filled : filled + len(part)] = part
            filled += len(part)
        return times

    def _parts_of_times(self) -> Iterator[np.ndarray]:
        if self._filtered:
            for number in range(self.partitions):
                yield partition_times(number, self.options.min_user_events, self.output)
        else:
            for chunk in self.chunks:
                yield exact_times(read_chunk(chunk, self.reading)[0]).to_numpy()


def _unread() -> pl.Series:
    raise RuntimeError("the split reads items_by_age out of core; set two_passes = True in its class")


def _merged(parts: Iterable[list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """Issues of all partitions; issues of the same kind are summed."""
    kinds: dict[tuple[str, str, str], dict[str, Any]] = {}
    for problem in (problem for part in parts for problem in part):
        key = (problem["table"], problem["column"], problem["kind"])
        if key in kinds:
            kinds[key]["count"] += problem["count"]
        else:
            kinds[key] = dict(problem)
    yield from kinds.values()
