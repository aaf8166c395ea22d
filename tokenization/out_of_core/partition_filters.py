"""The filters of `sequences.filters` for partitioned events, and the pass over all partitions for a split by items.

A partition has all events of its users, so it filters sessions and repeats by itself. Events per item are counted over
all partitions, repeatedly until nothing changes. The events left after sessions and repeats are stored in the work
folder, with codes of users and items; the counting passes memory-map only these codes.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from ..sequences.filters import (
    RepeatPolicy,
    add_sessions,
    core_counts,
    core_items,
    in_core,
    nothing_left,
    without_repeats,
)
from ..sequences.timeline import TiePolicy, sort_events
from ..tables.event_times import exact_times
from ..tables.problems import TableProblem
from ..tables.schema import EVENT_SCHEMA
from ..vocabulary import NUM_SPECIAL_ROWS, ItemVocabulary
from .chunks import ROW, EventFacts, add_facts, event_facts, load_items
from .local_engine import Engine
from .partitions import SplitPlan, finish_partition, finished, in_order, user_problems, write_json
from .prepared_folder import WORK

USER, ITEM = "_user", "_item"
KEPT = "kept"
ALIVE, PLACES = "alive.npy", "places.npy"


@dataclass(frozen=True)
class Keeping:
    """Options of the filters.

    Args:
        vocabulary: File of the whole item vocabulary.
        no_order: Whether to ignore the order of events, because some events have none.
        repeats: A `RepeatPolicy`.
        session_gap: Seconds after which a session ends; 0 for no sessions.
        min_user_events: Minimum events per user.
        min_item_events: Minimum events per item.
    """

    vocabulary: str
    no_order: bool
    repeats: RepeatPolicy
    session_gap: int
    min_user_events: int
    min_item_events: int


def keep_partition(events: pl.DataFrame, number: int, keeping: Keeping, output: Path) -> dict[str, Any]:
    """Filter sessions and repeats of a partition into the work folder; returns issues about users."""
    events = events.sort(ROW)
    problems = user_problems(events)
    if keeping.no_order:
        events = events.with_columns(order=pl.lit(None, pl.Int64))
    if keeping.session_gap:
        events = add_sessions(events, keeping.session_gap)
    events = without_repeats(events, keeping.repeats)
    rows = load_items(keeping.vocabulary).encode(events["item_id"].to_arrow())
    coded = events.with_columns(
        (pl.col("user_id").rank("dense") - 1).cast(pl.Int32).alias(USER),
        pl.Series(ITEM, rows - NUM_SPECIAL_ROWS, dtype=pl.Int32),
    )
    table = coded.to_arrow(compat_level=pl.CompatLevel.oldest()).combine_chunks()
    path = output / WORK / f"{KEPT}-{number:05d}.arrow"
    unfinished = path.with_suffix(".unfinished")
    # Uncompressed, so that the passes can memory-map two columns.
    with pa.OSFile(str(unfinished), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    unfinished.replace(path)
    result = {"events": events.height, "problems": EventFacts(problems=problems).to_dict()["problems"]}
    write_json(path.with_suffix(".json"), result)
    return result


def count_partition(number: int, alive: np.ndarray, min_user_events: int, output: Path) -> np.ndarray:
    """(items,) events of each item in a partition, among events in the core so far."""
    table = _kept(output, number, [USER, ITEM])
    users, items = (table[name].to_numpy() for name in (USER, ITEM))
    return core_counts(users, items, alive, min_user_events)


def read_partition(number: int, min_user_events: int, output: Path) -> pl.DataFrame:
    """The filtered events of a partition: our columns (`event_columns`) and `ROW`, in the order of the file."""
    alive, places = (_array(output, name) for name in (ALIVE, PLACES))
    table = pl.from_arrow(_kept(output, number))
    assert isinstance(table, pl.DataFrame)
    if alive is not None:
        kept = in_core(table[USER].to_numpy(), table[ITEM].to_numpy(), alive, min_user_events)
        table = table.filter(pl.Series(kept, dtype=pl.Boolean))
    if places is not None:
        # Ties are drawn among the events that are left.
        table = table.with_columns(pl.Series(ROW, places.searchsorted(table[ROW].to_numpy()), dtype=pl.Int64))
    return table.drop(USER, ITEM)


def partition_facts(number: int, min_user_events: int, output: Path) -> dict[str, Any]:
    """The facts of a partition's filtered events."""
    return event_facts(read_partition(number, min_user_events, output).select(list(EVENT_SCHEMA)), []).to_dict()


def partition_times(number: int, min_user_events: int, output: Path) -> np.ndarray:
    """(events,) microseconds since 1970 of a partition's filtered events."""
    times: np.ndarray = exact_times(read_partition(number, min_user_events, output)).to_numpy()
    return times


def partition_rows(number: int, min_user_events: int, output: Path) -> np.ndarray:
    """(events,) values of `ROW` of a partition's filtered events."""
    rows: np.ndarray = read_partition(number, min_user_events, output)[ROW].to_numpy()
    return rows


def first_in_partition(number: int, plan: SplitPlan, min_user_events: int, output: Path) -> pl.DataFrame:
    """First event of each item: `item_id`, `time`, `user` (the user's first `ROW`) and `position` within the user."""
    events = read_partition(number, min_user_events, output)
    first_rows = events.group_by("user_id").agg(user=pl.col(ROW).min())
    timeline = sort_events(in_order(events, plan), plan.split.unit, TiePolicy.FILE, 0)
    placed = timeline.events.select(
        "item_id", "user_id", exact_times(timeline.events).alias("time"), pl.Series("position", timeline.position)
    )
    # Users of a timeline are sorted by their first row in the file, even with drawn ties.
    return _first_events(placed.join(first_rows, on="user_id", maintain_order="left").sort("user", "position"))


def _first_events(events: pl.DataFrame) -> pl.DataFrame:
    """Time and place of each item's first event, from sorted events."""
    return events.group_by("item_id").agg(pl.col("time").min(), pl.col("user", "position").first())


def split_kept(number: int, plan: SplitPlan, min_user_events: int, output: Path) -> dict[str, Any]:
    """Like `finish_partition`, for filtered events."""
    done = finished(output, "part", number)
    if done is not None:
        return done
    return finish_partition(read_partition(number, min_user_events, output), number, plan, output)


def filter_log(
    engine: Engine, keeping: Keeping, facts: EventFacts, partitions: int, shuffled: bool, output: Path, name: str
) -> tuple[EventFacts, list[TableProblem]]:
    """Filter events: `read_partition` then returns the filtered events, and `items.arrow` has their items.

    Args:
        engine: Engine that runs the jobs.
        keeping: Options of the filters.
        facts: Facts of all events.
        partitions: Number of partitions of the users.
        shuffled: Whether ties are drawn.
        output: The output folder.
        name: Name of the dataset.

    Returns:
        Facts of the filtered events, with the rating scale of all events; and issues about users.

    Raises:
        TableError: If no events are left.
    """
    work, numbers = output / WORK, range(partitions)
    for stale in (ALIVE, PLACES):
        (work / stale).unlink(missing_ok=True)
    kept = engine.gather(keep_partition, KEPT, keeping, title="filtering users")
    vocabulary = load_items(keeping.vocabulary)
    if keeping.min_user_events > 1 or keeping.min_item_events > 0:

        def count(alive: np.ndarray) -> np.ndarray:
            counts = np.zeros(vocabulary.num_items, dtype=np.int64)
            jobs = [(count_partition, (number, alive, keeping.min_user_events, output)) for number in numbers]
            for part in engine.run(jobs, "counting items"):
                counts += part
            return counts

        np.save(work / ALIVE, core_items(count, vocabulary.num_items, keeping.min_item_events))
    arguments = (keeping.min_user_events, output)
    parts = engine.run([(partition_facts, (number, *arguments)) for number in numbers], "counting events")
    left = add_facts(EventFacts.from_dict(part) for part in parts)
    if not left.total:
        raise nothing_left(facts.total, name)
    if keeping.min_item_events > 0:
        alive = _array(output, ALIVE)
        vocabulary = ItemVocabulary(vocabulary.table.filter(pa.array(alive)).combine_chunks())
    vocabulary.save(output)
    if shuffled:
        rows = engine.run([(partition_rows, (number, *arguments)) for number in numbers], "placing events")
        np.save(work / PLACES, np.sort(np.concatenate(rows)))
    left = dataclasses.replace(left, rows=[left.total], ratings=facts.ratings, problems=facts.problems)
    noted = add_facts(EventFacts.from_dict({"problems": part["problems"]}) for part in kept)
    return left, noted.problems


def items_by_age(engine: Engine, plan: SplitPlan, min_user_events: int, partitions: int, output: Path) -> pl.Series:
    """See `AllEvents.items_by_age`."""
    jobs = [(first_in_partition, (number, plan, min_user_events, output)) for number in range(partitions)]
    found = pl.concat(engine.run(jobs, "finding new items"))
    return _first_events(found.sort("user", "position")).sort("time", "user", "position")["item_id"]


def _kept(output: Path, number: int, columns: list[str] | None = None) -> pa.Table:
    with pa.memory_map(str(output / WORK / f"{KEPT}-{number:05d}.arrow")) as source:
        table = pa.ipc.open_file(source).read_all()
    return table if columns is None else table.select(columns)


def _array(output: Path, name: str) -> np.ndarray | None:
    path = output / WORK / name
    return np.load(path, mmap_mode="r") if path.is_file() else None
