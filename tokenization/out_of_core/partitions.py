"""The split of one partition: all events of the users with the same hash.

`build_splits` runs on each partition. Decisions that need all events are made earlier, and passed to it in columns of
the events.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ..sequences.build import build_splits
from ..sequences.held_out_items import FirstTimes, first_times, leave_out
from ..sequences.split import Split
from ..sequences.timeline import TiePolicy
from ..tables.event_roles import EventRoles
from ..tables.problems import TableProblem
from ..tables.schema import ShopTables, TableColumns
from ..tables.table_reader import TableReader
from .chunks import ROW, EventFacts, file_places, load_items
from .prepared_folder import PARTS, WORK

PARTITION = "_partition"


@dataclass(frozen=True)
class SplitPlan:
    """Settings shared by all partitions.

    Args:
        vocabulary: File of the item vocabulary.
        facts: Facts of all events.
        split: The split ("auto" is already resolved).
        tie_policy: The order of a user's events at one time.
        seed: Seed of shuffled ties.
        max_history: Events kept of an evaluation history; None for all.
        roles: Roles of the event types of all events.
        shared: Result of `Split.shared` for all events.
        noted: Whether issues about users are reported already.
    """

    vocabulary: str
    facts: EventFacts
    split: Split
    tie_policy: TiePolicy
    seed: int
    max_history: int | None
    roles: EventRoles
    shared: Any = None
    noted: bool = False


def number_partition(events: pl.DataFrame, partitions: int) -> pl.Series:
    """The partition of each event, by the hash of its user."""
    return (events["user_id"].hash(seed=17) % partitions).cast(pl.Int32).rename(PARTITION)


def split_partition(events: pl.DataFrame, plan: SplitPlan) -> tuple[datasets.DatasetDict, list[TableProblem]]:
    """Split the users of a partition, exactly as `build_splits` would do on all events.

    Args:
        events: All events of the users: our columns (`event_columns`) and `ROW`, in any order.
        plan: Settings shared by all partitions.

    Returns:
        `train`, `validation` and `test`, and issues about users.
    """
    facts = plan.facts
    # Users are ranked, grouped and counted; codes are faster than strings.
    events = in_order(events, plan).with_columns(pl.col("user_id").cast(pl.Categorical))
    problems = [] if plan.noted else user_problems(events)
    if facts.no_order:
        events = events.with_columns(order=pl.lit(None, pl.Int64))
    built = build_splits(
        ShopTables(pl.DataFrame(), events), load_items(plan.vocabulary), facts.kinds, split=plan.split.name,
        tie_policy=TiePolicy.FILE, seed=plan.seed, max_history=plan.max_history,
        cut=partial(plan.split.cut, shared=plan.shared), roles=plan.roles,
    )  # fmt: skip
    return built, problems


def user_problems(events: pl.DataFrame) -> list[TableProblem]:
    """Issues of users. The partition has all events of its users."""
    reader = TableReader(TableColumns())
    reader.single_events(events)
    reader.repeated_events(events)
    return reader.problems


def finished(output: Path, prefix: str, number: int) -> dict[str, Any] | None:
    """The stored result of a finished partition; None if it is not finished."""
    told = output / WORK / f"{prefix}-{number:05d}.json"
    return dict(json.loads(told.read_text(encoding="utf-8"))) if told.is_file() else None


def finish_partition(events: pl.DataFrame, number: int, plan: SplitPlan, output: Path) -> dict[str, Any]:
    """Split the events of a partition, write its shards, and mark it as finished in the work folder."""
    users = events["user_id"].n_unique()
    splits, problems = split_partition(events, plan)
    del events
    trained = first_times(splits["train"])
    np.savez(output / WORK / f"trained-{number:05d}.npz", **dataclasses.asdict(trained))
    result = {
        "rows": write_shards(splits, output, number),
        "users": users,
        "problems": EventFacts(problems=problems).to_dict()["problems"],
    }
    write_json(output / WORK / f"part-{number:05d}.json", result)
    return result


def trained_in(output: Path, number: int) -> FirstTimes:
    """Items in the training events of a finished partition."""
    with np.load(output / WORK / f"trained-{number:05d}.npz") as told:
        return FirstTimes(told["rows"], told["times"], int(told["events"]), int(told["untimed"]))


def take_cold_items(number: int, cold: np.ndarray, output: Path) -> int:
    """Remove events of cold items from a partition's training sequences; returns the number of sequences left."""
    path = shard_path(output, "train", number)
    if not path.is_file():
        return 0
    left = leave_out(datasets.Dataset(pq.read_table(path)), cold)
    if len(left):
        _write_shard(left.data.table, path)
    else:
        path.unlink()
    return len(left)


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file atomically."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(content), encoding="utf-8")
    unfinished.replace(path)


def write_shards(splits: datasets.DatasetDict, folder: Path, number: int) -> dict[str, int]:
    """Write a partition's splits as parquet, each atomically; returns the rows of each.

    A split without rows gets no file: `datasets` cannot read one that is empty.
    """
    for name in PARTS:
        if not len(splits[name]):
            continue
        path = shard_path(folder, name, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_shard(splits[name].data.table, path)
    return {name: len(splits[name]) for name in PARTS}


def shard_path(folder: Path, split: str, number: int) -> Path:
    """The file of a partition's split."""
    return folder / split / f"part-{number:05d}.parquet"


def _write_shard(table: pa.Table, path: Path) -> None:
    unfinished = path.with_suffix(".unfinished")
    pq.write_table(table, unfinished, compression="zstd", compression_level=1)
    unfinished.replace(path)


def in_order(events: pl.DataFrame, plan: SplitPlan) -> pl.DataFrame:
    """The events in the order of the file; or in the drawn order of `sort_events` on all events."""
    if plan.tie_policy is TiePolicy.FILE:
        return events.sort(ROW).drop(ROW)
    draw = _draw(plan.seed, plan.facts.total)
    drawn = events.with_columns(pl.Series(ROW, draw[file_places(events[ROW], plan.facts.rows).to_numpy()]))
    if not plan.facts.no_time:
        drawn = drawn.with_columns(order=pl.lit(None, pl.Int64))  # the order column does not break drawn ties
    return drawn.sort(ROW).drop(ROW)


@lru_cache(maxsize=1)
def _draw(seed: int, rows: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(rows)
