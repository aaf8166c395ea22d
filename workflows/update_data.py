"""The data of an update: the log of the service as sequences of a checkpoint's catalogue, split by time."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from datasets import Dataset, List, Value, concatenate_datasets

from ..catalogue.change import change_catalogue
from ..catalogue.interests import shop_interests
from ..counting import counted, counted_of
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..ranking.index.folder import read_index
from ..serving.feedback.stored_events import stored_events
from ..tokenization.digests import catalogue_digest
from ..tokenization.interests.reader import UserInterests
from ..tokenization.processing_xcat import XCatProcessor
from ..tokenization.sequences.event_options import EventOptions
from ..tokenization.sequences.split_data import SplitData
from ..tokenization.tables.event_roles import ROLES, TARGET
from ..tokenization.tables.schema import ShopTables, validate_tables
from ..tokenization.vocabulary import UNKNOWN_ROW

LEAST_USERS = 50
"""Minimum users in each part of the log: on fewer, no difference between two models can be seen."""
LEAST_KNOWN = 0.5
"""Minimum share of a log's events with items of the catalogue."""
_SPLIT = "global-time"


@dataclass(frozen=True)
class UpdateLog:
    """The log of the service, for one checkpoint.

    Args:
        data: Its sequences, split by time; the test part is the latest one and is never trained on.
        users: Number of users.
        events: Number of events that are used.
        unknown: Events that were left out, because their items are not in the catalogue.
        ignored: Events that were left out, because of their types.
        capped: Events that were left out, because their user has later ones enough.
        days: First and last day, as ISO 8601.
        histories: Item indices of the events of each user, in all parts.
        interests: Interests of the users, for a model that reads them.
    """

    data: SplitData
    users: int
    events: int
    unknown: int
    ignored: int
    capped: int
    days: tuple[str, str]
    histories: list[list[int]]
    interests: UserInterests | None = None

    def __str__(self) -> str:
        first, last = self.days
        return f"{counted(self.events, 'event')} of {counted(self.users, 'user')}, {first} to {last}"


def with_index_items(
    model: XCatForNextItem, processor: XCatProcessor, index: str | os.PathLike[str] | None
) -> XCatProcessor:
    """Take over the items that were added to an index of the service; they have no training events.

    Args:
        model: The model, changed in place.
        processor: Its processor.
        index: Folder of the index; None for none.

    Returns:
        A processor with these items.

    Raises:
        IndexFilesError: If the folder is not that of an index of the checkpoint.
    """
    if index is None:
        return processor
    grown = read_index(index, catalogue_digest(processor.catalogue)).catalogue
    return processor if grown is None else change_catalogue(model, processor, grown)


def read_log(
    log: str | os.PathLike[str], model: XCatForNextItem, processor: XCatProcessor, ignore_types: Collection[str] = ()
) -> UpdateLog:
    """Read the events of a log and split them by time.

    Args:
        log: SQLite file of the service's store.
        model: The model.
        processor: Its processor.
        ignore_types: Event types that are left out, besides those that the model was not trained on.

    Raises:
        OSError: If the file is not such a store.
        ValueError: If the log is empty, too small, has only other event types than the model, or is of another
            catalogue.
    """
    events = stored_events(log)
    if not len(events):
        raise ValueError(f"log {os.fspath(log)} has no events; post events to the service first")
    default = processor.default_event_type or next(iter(processor.event_types), "")
    kind = pl.col("event_type")
    events = events.with_columns(pl.when(kind == "").then(pl.lit(default)).otherwise(kind).alias("event_type"))
    kept = events.filter(~kind.is_in(_left_out(events, processor, ignore_types)))
    rows = processor.catalogue.encode(kept["item_id"].to_arrow())
    known = kept.filter(pl.Series(rows != UNKNOWN_ROW))
    if len(known) < LEAST_KNOWN * len(kept) or not len(known):
        raise ValueError(
            f"log: {counted_of(len(known), len(kept), 'event', 'have')} an item of the checkpoint, so it is of "
            "another catalogue; give the checkpoint that served it, and index= if items were added to an index"
        )
    latest = _latest(known, model.config.max_history)
    shop = _shop(latest, processor)
    data = _split(shop, processor)
    for part, count in ((name, len(data.splits[name])) for name in ("train", "validation", "test")):
        if count < LEAST_USERS:
            raise ValueError(
                f"log: {counted(count, 'user')} in the {part} part of {len(latest):,} events, and {LEAST_USERS} are "
                "needed to judge an update; the parts are the first 80 %, the next 10 % and the last 10 % of the "
                "time, and validation and test need users with earlier events; wait for more events"
            )
    days = latest.select(pl.from_epoch("timestamp").dt.date().cast(pl.String).alias("day"))["day"]
    interests = shop_interests(shop, model, processor)
    if interests is not None:
        for part in ("validation", "test"):
            data.splits[part] = interests.added(data.splits[part])
    return UpdateLog(
        data, latest["user_id"].n_unique(), len(latest), len(kept) - len(known), len(events) - len(kept),
        len(known) - len(latest), (str(days.min()), str(days.max())), _histories(latest, processor), interests,
    )  # fmt: skip


def _left_out(events: pl.DataFrame, processor: XCatProcessor, ignore_types: Collection[str]) -> list[str]:
    """The types that are left out: the given ones, and those that the model was not trained on."""
    if isinstance(ignore_types, str):
        raise ValueError(f"ignore_types is the text {ignore_types!r}; give a list of event types")
    found = events["event_type"].unique().to_list()
    trained = processor.event_types or found
    left = [name for name in found if name in ignore_types or name not in trained]
    if len(left) == len(found):
        raise ValueError(
            f"log: no event has a type that the checkpoint was trained on, or all are left out; the types are "
            f"{', '.join(sorted(found))}, and the checkpoint has {', '.join(trained)}"
        )
    return left


def _latest(events: pl.DataFrame, most: int) -> pl.DataFrame:
    """The latest events of each user, as many as the model reads at once, so that no user can flood the log."""
    ordered = events.with_row_index("_place").sort("timestamp", "_place", maintain_order=True)
    return ordered.group_by("user_id", maintain_order=True).tail(most).sort("_place").drop("_place")


def _histories(events: pl.DataFrame, processor: XCatProcessor) -> list[list[int]]:
    rows = processor.catalogue.encode(events["item_id"].to_arrow())
    coded = events.select("user_id", pl.Series("row", rows))
    found: list[list[int]] = coded.group_by("user_id", maintain_order=True).agg("row")["row"].to_list()
    return found


def _shop(events: pl.DataFrame, processor: XCatProcessor) -> ShopTables:
    """The events with the items of the catalogue, as tables."""
    texts = (processor.interest_settings or {}).get("text_columns", ())
    events = events.rename({"text": texts[0]}) if texts else events.drop("text")
    table = processor.catalogue.table
    items = pl.DataFrame({
        "item_id": table["item_id"].to_pylist(),
        "title": (table["title"] if "title" in table.column_names else table["item_id"]).to_pylist(),
    })  # fmt: skip
    return validate_tables(items, events, name="log")


def _split(shop: ShopTables, processor: XCatProcessor) -> SplitData:
    """The sequences of a log in the catalogue of a checkpoint, with the repeats and roles of its training."""
    wanted: dict[str, Any] = {"split": _SPLIT, "min_user_events": 0, "min_item_events": 0, "cold_items": 0.0}
    saved = shop.options_of_training(processor.event_settings or {}, wanted)
    options = EventOptions(**saved, **wanted)
    return shop.split(options, vocabulary=processor.catalogue, event_types=processor.event_types)


def with_replay(train: Dataset, earlier: Dataset, seed: int) -> Dataset:
    """Training sequences of a log, and as many of the earlier training, drawn at random.

    Args:
        train: Sequences of the log.
        earlier: Sequences of the earlier training.
        seed: Seed of the draw.
    """
    count = min(len(train), len(earlier))
    drawn = earlier.select(np.sort(np.random.default_rng(seed).permutation(len(earlier))[:count]))
    parts = [train, drawn]
    if any(ROLES in part.column_names for part in parts):
        parts = [part if ROLES in part.column_names else _all_targets(part) for part in parts]
    names = parts[0].column_names
    return concatenate_datasets([part.select_columns(names) for part in parts])


def _all_targets(rows: Dataset) -> Dataset:
    """Rows whose events are all predicted, with their roles."""
    roles = [[TARGET] * len(items) for items in rows.with_format(None)["items"]]
    return rows.add_column(ROLES, roles, feature=List(Value("int8")))
