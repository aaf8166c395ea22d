"""Events to sequences a user: training sequences, and histories with the targets that are to be ranked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import datasets
import numpy as np
import polars as pl
import pyarrow as pa

from .schema import ShopTables
from .splits import (
    Cut,
    Held,
    SplitName,
    TiePolicy,
    Timeline,
    cut_cold_items,
    cut_column,
    cut_last,
    cut_time,
    cut_users,
    sort_events,
)
from .vocabulary import NUM_SPECIAL_ROWS, ItemVocabulary

_SEQUENCE = {
    "user_id": datasets.Value("string"),
    "items": datasets.List(datasets.Value("int32")),
    "event_types": datasets.List(datasets.Value("int32")),
    "ratings": datasets.List(datasets.Value("float32")),
    "timestamps": datasets.List(datasets.Value("int64")),
}
_WITH_TARGETS = {**_SEQUENCE, "targets": datasets.List(datasets.Value("int32"))}
_CUTS: dict[SplitName, Callable[[Timeline], Cut]] = {
    SplitName.LEAVE_ONE_OUT: cut_last,
    SplitName.LAST_BASKET: cut_last,
    SplitName.GLOBAL_TIME: cut_time,
    SplitName.COLUMN: cut_column,
    SplitName.USER_LEVEL: cut_users,
    SplitName.COLD_ITEMS: cut_cold_items,
}


def event_type_names(shop: ShopTables) -> list[str]:
    """Kinds of event, sorted."""
    return sorted(shop.events["event_type"].drop_nulls().unique().to_list())


def resolve_split(shop: ShopTables, split: str) -> SplitName:
    """The split of a name.

    "auto" is the one that was made already, the column `split` where every event has one, else leave-one-out.

    Raises:
        ValueError: If there is no split of that name.
    """
    if split == "auto" and shop.split:
        return SplitName(shop.split)
    if split == "auto":
        return SplitName.LEAVE_ONE_OUT if shop.events["split"].null_count() else SplitName.COLUMN
    if split not in list(SplitName):
        raise ValueError(f"split is {split!r}; give auto or one of {', '.join(SplitName)}")
    return SplitName(split)


def build_splits(
    shop: ShopTables,
    vocabulary: ItemVocabulary,
    event_types: Sequence[str],
    *,
    split: str = "auto",
    tie_policy: str = "file",
    seed: int = 0,
    max_history: int | None = None,
    cut: Callable[[Timeline], Cut] | None = None,
) -> datasets.DatasetDict:
    """Turn events into training sequences and evaluation queries.

    Args:
        shop: Validated tables.
        vocabulary: Gives the rows of items; an item it lacks is the unknown item, and never a target.
        event_types: Names of the kinds of event, coded from 1; another kind is 0.
        split: "auto" or a `SplitName`.
        tie_policy: "file" or "shuffle", the order of a user's events at one time.
        seed: Seed of shuffled ties.
        max_history: Events kept of an evaluation history, the latest; None for all.
        cut: Where the events are cut, in place of the split's own way.

    Returns:
        `train` (sequences of two events or more), `validation` and `test` (histories with `targets`). Lists of a row
        have one length: `items` rows, `event_types` codes, `ratings` (NaN for none), `timestamps` (-1 for none).

    Raises:
        ValueError: If the split or policy is unknown, or the tables lack what it needs.
    """
    name = resolve_split(shop, split)
    if tie_policy not in list(TiePolicy):
        raise ValueError(f"tie_policy is {tie_policy!r}; give one of {', '.join(TiePolicy)}")
    if max_history is not None and max_history < 1:
        raise ValueError(f"max_history is {max_history}; give a number from 1, or None for the whole history")
    timeline = sort_events(shop.events, name, TiePolicy(tie_policy), seed)
    coded = _coded(timeline, vocabulary, event_types)
    made = (cut or _CUTS[name])(timeline)
    train = _gather(coded.filter(pl.Series(made.train))).filter(pl.col("items").list.len() > 1)
    return datasets.DatasetDict({
        "train": _dataset(train, _SEQUENCE),
        "validation": _dataset(_queries(timeline, coded, made.validation, max_history), _WITH_TARGETS),
        "test": _dataset(_queries(timeline, coded, made.test, max_history), _WITH_TARGETS),
    })  # fmt: skip


def trained_items(train: datasets.Dataset, num_rows: int) -> np.ndarray:
    """(rows,) True for items that a training sequence names."""
    column = train.with_format("arrow")[:]["items"]
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    trained: np.ndarray = np.bincount(flat, minlength=num_rows) > 0
    trained[:NUM_SPECIAL_ROWS] = False
    return trained


def _coded(timeline: Timeline, vocabulary: ItemVocabulary, event_types: Sequence[str]) -> pl.DataFrame:
    """The sorted events with rows and codes in place of names."""
    events = timeline.events
    rows = vocabulary.encode(events["item_id"].to_arrow())
    codes = {name: code for code, name in enumerate(event_types, start=1)}
    kinds = (
        pl.col("event_type").replace_strict(codes, default=0, return_dtype=pl.Int32) if codes else pl.lit(0, pl.Int32)
    )
    return events.select(
        "user_id",
        pl.Series("items", rows.astype(np.int32)),
        kinds.alias("event_types"),
        pl.col("rating").cast(pl.Float32).fill_null(float("nan")).alias("ratings"),
        pl.col("timestamp").fill_null(-1).alias("timestamps"),
        pl.Series("user", timeline.user),
        pl.Series("position", timeline.position),
    )


def _queries(timeline: Timeline, coded: pl.DataFrame, held: Held, max_history: int | None) -> pl.DataFrame:
    """Histories with their targets; an unknown item is no target."""
    target = held.target & (coded["items"].to_numpy() >= NUM_SPECIAL_ROWS)
    targets = coded.filter(pl.Series(target)).group_by("user", maintain_order=True).agg(
        pl.col("items").unique(maintain_order=True).alias("targets")
    )  # fmt: skip
    wanted = np.zeros(len(held.history), dtype=bool)
    wanted[targets["user"].to_numpy()] = True
    position = coded["position"].to_numpy()
    end = held.history[timeline.user]
    inside = wanted[timeline.user] & (position < end)
    if max_history is not None:
        inside &= position >= end - max_history
    return _gather(coded.filter(pl.Series(inside))).join(targets, on="user", maintain_order="left")


def _gather(coded: pl.DataFrame) -> pl.DataFrame:
    lists = ("items", "event_types", "ratings", "timestamps")
    return coded.group_by("user", maintain_order=True).agg(pl.col("user_id").first(), *lists)


def _dataset(table: pl.DataFrame, columns: dict[str, object]) -> datasets.Dataset:
    schema = datasets.Features(columns)
    return datasets.Dataset(pa.table(table.select(list(columns)).to_arrow()).cast(schema.arrow_schema))
