"""The split of one partition of a log: users whose hash is the same, with all of their events.

`build_splits` is called on each partition. What it would have to see the whole log for is decided before and told to
it through the columns of the events.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import datasets
import numpy as np
import polars as pl
import pyarrow.parquet as pq

from .event_chunks import ROW, EventFacts, file_places, load_items
from .problems import TableProblem
from .schema import ShopTables, TableColumns
from .sequences import build_splits
from .splits import SplitName, TiePolicy, cut_time, sort_events
from .table_reader import TableReader

SPLITS = ("train", "validation", "test")
PARTITION = "_partition"
_NOBODY = "\x00"
"""A user beside all others; one event is neither trained on nor evaluated."""


@dataclass(frozen=True)
class SplitPlan:
    """What is the same for every partition.

    Args:
        vocabulary: File of the item vocabulary.
        facts: Facts of the whole log.
        split: The split, resolved.
        tie_policy: The order of a user's events at one time.
        seed: Seed of shuffled ties.
        max_history: Events kept of an evaluation history; None for all.
        time_bounds: First times of validation and test, where the split is by time.
    """

    vocabulary: str
    facts: EventFacts
    split: SplitName
    tie_policy: TiePolicy
    seed: int
    max_history: int | None
    time_bounds: tuple[int, int] | None = None


def number_partition(events: pl.DataFrame, partitions: int) -> pl.Series:
    """The partition of each event, by the hash of its user."""
    return (events["user_id"].hash(seed=17) % partitions).cast(pl.Int32).rename(PARTITION)


def split_partition(events: pl.DataFrame, plan: SplitPlan) -> tuple[datasets.DatasetDict, list[TableProblem]]:
    """Split the users of a partition as `build_splits` would if it were given the whole log.

    Args:
        events: All events of the users: the columns of `EVENT_SCHEMA` and `ROW`, in any order.
        plan: What is the same for every partition.

    Returns:
        `train`, `validation` and `test`, and what is to be known of the users.
    """
    facts, split = plan.facts, plan.split
    # Users are ranked, grouped and counted; codes are quicker for that than texts.
    events = _in_order(events, plan).with_columns(pl.col("user_id").cast(pl.Categorical))
    reader = TableReader(TableColumns())
    reader.single_events(events)
    reader._repeated_events(events)
    if facts.no_order:
        events = events.with_columns(order=pl.lit(None, pl.Int64))
    if split is SplitName.COLUMN:
        events = _with_a_mark(events, facts.marked)
    if split is SplitName.GLOBAL_TIME and plan.time_bounds is not None:
        events, split = _labelled_by_time(events, plan.time_bounds), SplitName.COLUMN
    built = build_splits(
        ShopTables(pl.DataFrame(), events), load_items(plan.vocabulary), facts.kinds, split=split,
        tie_policy=TiePolicy.FILE, seed=plan.seed, max_history=plan.max_history,
    )  # fmt: skip
    return built, reader.problems


def write_shards(splits: datasets.DatasetDict, folder: Path, number: int) -> dict[str, int]:
    """Write a partition's splits as parquet, each whole or not at all; returns the rows of each.

    A split without rows gets no file: `datasets` cannot read one that is empty.
    """
    for name in SPLITS:
        if not len(splits[name]):
            continue
        path = shard_path(folder, name, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        pq.write_table(splits[name].data.table, unfinished, compression="zstd", compression_level=1)
        unfinished.replace(path)
    return {name: len(splits[name]) for name in SPLITS}


def shard_path(folder: Path, split: str, number: int) -> Path:
    """The file of a partition's split."""
    return folder / split / f"part-{number:05d}.parquet"


def _in_order(events: pl.DataFrame, plan: SplitPlan) -> pl.DataFrame:
    """The events in the order of the file; or of the draw that `sort_events` would make for the whole log."""
    if plan.tie_policy is TiePolicy.FILE:
        return events.sort(ROW).drop(ROW)
    draw = _draw(plan.seed, plan.facts.total)
    drawn = events.with_columns(pl.Series(ROW, draw[file_places(events[ROW], plan.facts.rows).to_numpy()]))
    if not plan.facts.no_time:
        drawn = drawn.with_columns(order=pl.lit(None, pl.Int64))  # a drawn tie is not broken by it
    return drawn.sort(ROW).drop(ROW)


@lru_cache(maxsize=1)
def _draw(seed: int, rows: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(rows)


def _with_a_mark(events: pl.DataFrame, marked: bool) -> pl.DataFrame:
    """Where the log marks its targets, a partition without a mark has none: a mark on a training row says so."""
    if not marked or events["is_target"].any():
        return events
    trained = events["split"].str.to_lowercase().str.starts_with("train").arg_true()
    if not len(trained):
        return events.clear()
    mark = pl.int_range(pl.len()) == trained[0]
    return events.with_columns(is_target=mark)


def _labelled_by_time(events: pl.DataFrame, bounds: tuple[int, int]) -> pl.DataFrame:
    """Events sorted and cut by `sort_events` and `cut_time`, with the outcome as order, split and mark."""
    timeline = sort_events(events, SplitName.GLOBAL_TIME, TiePolicy.FILE, 0)
    # `cut_time` takes its quantiles from the events' times; these ten have those of the whole log.
    stamps = pl.DataFrame({"timestamp": [bounds[0]] * 9 + [bounds[1]]}, schema={"timestamp": pl.Int64})
    cut = cut_time(dataclasses.replace(timeline, events=stamps))
    target = cut.validation.target | cut.test.target
    # What follows the last target of a user, or has none after it, is in no history.
    ends = np.maximum(cut.validation.history, cut.test.history)[timeline.user]
    kept = cut.train | target | (timeline.position < ends)
    label = np.where(cut.train, "train", np.where(cut.test.target, "test", "validation"))
    labelled = timeline.events.select(events.columns).with_columns(
        pl.Series("order", timeline.position), pl.Series("split", label), pl.Series("is_target", target)
    )
    # One event without a time: the order, which is known by now, counts alone.
    nobody = pl.DataFrame(
        {"user_id": [_NOBODY], "item_id": [""], "order": [0], "split": ["train"], "is_target": [True]}
    )
    return pl.concat([labelled.filter(pl.Series(kept)), nobody], how="diagonal_relaxed")
