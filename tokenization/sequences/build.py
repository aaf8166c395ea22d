"""Events to sequences: training sequences per user, and histories with the targets to rank."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import datasets
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from ..tables.event_roles import ROLES, TARGET, EventRoles, event_roles
from ..tables.schema import ShopTables
from ..vocabulary import NUM_SPECIAL_ROWS, ItemVocabulary
from .split import Cut, Held, Split, all_events
from .splits import AUTO, SPLITS, auto_split
from .timeline import TiePolicy, Timeline, sort_events

SEQUENCE = {
    "user_id": datasets.Value("string"),
    "items": datasets.List(datasets.Value("int32")),
    "event_types": datasets.List(datasets.Value("int32")),
    "ratings": datasets.List(datasets.Value("float32")),
    "timestamps": datasets.List(datasets.Value("int64")),
}
TARGETS = datasets.List(datasets.Value("int32"))
"""Features of rows: one value per event, and the item indices of the targets."""


def resolve_split(shop: ShopTables, split: str) -> str:
    """Resolve the name of a split.

    "auto" is the split that was made already; else the split by the column `split` if every event has a value; else
    leave-one-out.

    Raises:
        ValueError: If the name is unknown.
    """
    if split == AUTO:
        return shop.made_split or auto_split(shop.events["split"].null_count())
    return split if split == shop.made_split else SPLITS.find(split).name


def cut_events(split: Split, timeline: Timeline) -> Cut:
    """Split the events of all users, in memory."""
    return split.cut(timeline, split.shared(all_events(timeline)))


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
    roles: EventRoles | None = None,
) -> datasets.DatasetDict:
    """Turn events into training sequences and evaluation queries.

    Args:
        shop: Validated tables.
        vocabulary: Item indices; an item that it lacks is the unknown item, and never a target.
        event_types: Names of the event types, coded from 1; another type is 0.
        split: "auto", or a name in `SPLITS`.
        tie_policy: "file" or "shuffle", the order of a user's events at one time.
        seed: Seed of shuffled ties.
        max_history: Latest events to keep of an evaluation history; None for all.
        cut: Function that cuts the events, in place of the split's own.
        roles: Target, context and negative event types; None for the default by their names.

    Returns:
        `train` (sequences of two events or more, with at least one target), `validation` and `test` (histories with
        `targets`). Lists of a row have one length: `items` indices, `event_types` codes, `ratings` (NaN for none),
        `timestamps` (-1 for none) and, if some event types are not targets, `event_roles`.

    Raises:
        ValueError: If the split or policy is unknown, or the tables lack a column for it.
    """
    chosen = SPLITS.find(resolve_split(shop, split))
    if tie_policy not in list(TiePolicy):
        raise ValueError(f"tie_policy is {tie_policy!r}; give one of {', '.join(TiePolicy)}")
    if max_history is not None and max_history < 1:
        raise ValueError(f"max_history is {max_history}; give a number from 1, or None for the whole history")
    roles = event_roles(shop.event_type_names()) if roles is None else roles
    timeline = sort_events(shop.events, chosen.unit, TiePolicy(tie_policy), seed, roles)
    coded = coded_events(timeline, vocabulary, event_types)
    made = cut_events(chosen, timeline) if cut is None else cut(timeline)
    train = gather_rows(coded.filter(pl.Series(made.train))).filter(pl.col("items").list.len() > 1)
    sequence = SEQUENCE
    if roles.all_targets:
        coded, train = coded.drop(ROLES), train.drop(ROLES)
    else:
        sequence = {**SEQUENCE, ROLES: datasets.List(datasets.Value("int8"))}
        train = train.filter(pl.col(ROLES).list.slice(1).list.max() == TARGET)
    with_targets = {**sequence, "targets": TARGETS}
    return datasets.DatasetDict({
        "train": rows_dataset(train, sequence),
        "validation": rows_dataset(_queries(timeline, coded, made.validation, max_history), with_targets),
        "test": rows_dataset(_queries(timeline, coded, made.test, max_history), with_targets),
    })  # fmt: skip


def target_items(train: datasets.Dataset, column: str = "items") -> pa.ChunkedArray:
    """Item indices of the target events of training sequences, one list per user: the events that models count.

    Events of types that are not predicted, such as returns, are left out.

    Args:
        train: Training sequences.
        column: Another column with a value per event, such as `timestamps`, instead of the item indices.

    Example:
        >>> row = {"items": [[2, 3, 2]], "event_roles": [[1, 0, -1]]}
        >>> target_items(datasets.Dataset.from_dict(row)).to_pylist()
        [[2]]
    """
    names = [column, *([ROLES] if ROLES in train.column_names else [])]
    table = train.select_columns(names).with_format("arrow")[:]
    if ROLES not in names:
        return table[column]
    items = table[column].combine_chunks()
    wanted = pc.equal(table[ROLES].combine_chunks().flatten(), TARGET)
    ends = np.append(0, np.cumsum(wanted.to_numpy(zero_copy_only=False)))
    bounds = np.append(0, np.cumsum(pc.list_value_length(items).to_numpy()))
    kept = pa.ListArray.from_arrays(pa.array(ends[bounds], pa.int32()), items.flatten().filter(wanted))
    return pa.chunked_array([kept])


def target_histories(train: datasets.Dataset) -> Iterable[list[int]]:
    """Like `target_items`, with one Python list per user."""
    plain: Iterable[list[int]] = train.with_format(None)["items"]
    return target_items(train).to_pylist() if ROLES in train.column_names else plain


def trained_items(train: datasets.Dataset, num_rows: int) -> np.ndarray:
    """(rows,) True for items with a target event in a training sequence."""
    flat = target_items(train).combine_chunks().flatten().to_numpy(zero_copy_only=False)
    trained: np.ndarray = np.bincount(flat, minlength=num_rows) > 0
    trained[:NUM_SPECIAL_ROWS] = False
    return trained


def coded_events(timeline: Timeline, vocabulary: ItemVocabulary, event_types: Sequence[str]) -> pl.DataFrame:
    """The sorted events with item indices and codes in place of names."""
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
        pl.Series(ROLES, timeline.roles, pl.Int8),
    )


def _queries(timeline: Timeline, coded: pl.DataFrame, held: Held, max_history: int | None) -> pl.DataFrame:
    """Histories with their targets; an unknown item is not a target."""
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
    return gather_rows(coded.filter(pl.Series(inside))).join(targets, on="user", maintain_order="left")


def gather_rows(coded: pl.DataFrame) -> pl.DataFrame:
    """One row per user, with a list per column of events."""
    lists = [name for name in ("items", "event_types", "ratings", "timestamps", ROLES) if name in coded.columns]
    return coded.group_by("user", maintain_order=True).agg(pl.col("user_id").first(), *lists)


def rows_dataset(table: pl.DataFrame, columns: dict[str, object]) -> datasets.Dataset:
    """Rows with these features."""
    schema = datasets.Features(columns)
    return datasets.Dataset(pa.table(table.select(list(columns)).to_arrow()).cast(schema.arrow_schema))
