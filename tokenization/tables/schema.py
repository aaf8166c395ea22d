"""The validated tables of a dataset, with our column names and types; all issues are reported together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl

from ...deprecation import deprecated
from ..text.item_text import DEFAULT_TEXT_FIELDS
from .column_guess import guess_of_tables
from .data_card import DataCard
from .event_roles import EventRoles, event_roles
from .items_of_events import ItemsOfEvents, is_log, is_same_table
from .problems import TableError, TableProblem, TableReport
from .table_columns import (
    CATEGORY_SEPARATOR,
    DEFAULT_EVENT_TYPE,
    EVENT_SCHEMA,
    ITEM_SCHEMA,
    PROMOTION_SCHEMA,
    USER_SCHEMA,
    TableColumns,
)
from .table_reader import MissingUsers, TableReader, UnknownItems, check_policy

if TYPE_CHECKING:
    from ..images.image_encoder import ImageEncoder
    from ..images.image_options import ImageOptions
    from ..images.item_images import ItemImages
    from ..sequences.event_options import EventOptions
    from ..sequences.split_data import SplitData
    from ..vocabulary import ItemVocabulary

Options = TypeVar("Options", bound="EventOptions")

__all__ = [
    "CATEGORY_SEPARATOR",
    "DEFAULT_EVENT_TYPE",
    "EVENT_SCHEMA",
    "ITEM_SCHEMA",
    "PROMOTION_SCHEMA",
    "USER_SCHEMA",
    "MissingUsers",
    "ShopTables",
    "TableColumns",
    "TableError",
    "TableProblem",
    "TableReport",
    "UnknownItems",
    "validate_items",
    "validate_tables",
]


@dataclass
class ShopTables:
    """Validated tables of a dataset, with our column names and types.

    Args:
        items: One row per item: the columns of `ITEM_SCHEMA`, then the other columns of the user's table. A column
            that has one of our names without being mapped to it is kept as `original_<name>`.
        events: One row per event, in the order of the user's table: the columns of `EVENT_SCHEMA`, then the others.
        problems: Data-quality issues: repairs and warnings.
        name: Name of the dataset.
        users: One row per user: `user_id`, then other columns about users; None without a users table.
        promotions: The columns of `PROMOTION_SCHEMA`, as a lazy table; None without promotions.
        card: Description of the dataset.
        made_split: The split of sequences that are already prepared; empty for tables of events.
        columns: Column names in the user's tables.
        time_format: Given format of their times.
        encoding: Given encoding of their files.
        folder: Folder of the items table, which files named in it are relative to; None for the working folder.
    """

    items: pl.DataFrame
    events: pl.DataFrame
    problems: list[TableProblem] = field(default_factory=list)
    name: str = "shop"
    users: pl.DataFrame | None = None
    promotions: pl.LazyFrame | None = None
    card: DataCard = field(default_factory=lambda: DataCard("shop"))
    made_split: str = ""
    columns: TableColumns = field(default_factory=TableColumns)
    time_format: str | None = None
    encoding: str | None = None
    folder: Path | None = None

    @property
    def report(self) -> TableReport:
        """Sizes and data-quality issues."""
        rows = {"items": self.items.height, "events": self.num_events}
        if self.users is not None:
            rows["users"] = self.users.height
        return TableReport(self.name, rows, tuple(self.problems))

    @property
    def num_events(self) -> int:
        """Number of events."""
        return self.events.height

    def split(
        self,
        events: EventOptions | None = None,
        *,
        vocabulary: ItemVocabulary | None = None,
        event_types: list[str] | None = None,
        text_fields: Sequence[str] = DEFAULT_TEXT_FIELDS,
        cache_dir: Path | None = None,
    ) -> SplitData:
        """Select the events and split them into training sequences and histories with targets.

        Args:
            events: Selection and split of the events; None for the defaults. A prepared folder has its own and refuses
                others.
            vocabulary: The item vocabulary; None to build it from the items table. An item that it lacks is unknown,
                and never a target.
            event_types: Event types in the order of their codes; None for the types of the dataset.
            text_fields: Columns that make an item's text, for a vocabulary built from the items table.
            cache_dir: Folder of the cache of splits; None for the cache of `datasets`.

        Raises:
            ValueError: If the tables lack a column for the split, or the items table lacks a text field.

        Example (not run: it needs tables):
            load_shop("my-shop/").split(EventOptions(split="last-basket")).train
        """
        from ..sequences.event_options import EventOptions
        from ..sequences.split_data import split_log

        return split_log(
            self, events or EventOptions(), vocabulary=vocabulary, event_types=event_types, text_fields=text_fields,
            cache_dir=cache_dir,
        )  # fmt: skip

    def item_images(
        self,
        options: ImageOptions,
        *,
        encoder: Callable[[], ImageEncoder] | None = None,
        cache_dir: Path | None = None,
    ) -> ItemImages | None:
        """Read and encode the images of the items; None without a column of images.

        Args:
            options: The column, the encoder and the limits.
            encoder: Gives the encoder, in place of that of the options.
            cache_dir: Where vectors are cached; None for the user's cache.

        Raises:
            ValueError: As `read_item_images`.
        """
        if options.images is None:
            return None
        from ..images.item_images import read_item_images

        return read_item_images(self.items, options, self.folder, encoder=encoder, cache_dir=cache_dir)

    def hashes(self) -> dict[str, str]:
        """Hash of each table that a model is trained on, stable within a version of polars."""
        return {"items": rows_hash(self.items), "events": rows_hash(self.events)}

    def resolved(self, options: Options) -> Options:
        """The event options for these tables: the given options, except for a prepared folder."""
        return options

    def event_type_names(self) -> list[str]:
        """Event types, sorted."""
        return sorted(self.events["event_type"].drop_nulls().unique().to_list())

    def event_roles(self, options: EventOptions) -> EventRoles:
        """Roles of the event types.

        Raises:
            ValueError: As the function `event_roles`.
        """
        return event_roles(self.event_type_names(), options.target_event_types, options.negative_event_types)

    def split_advice(self, options: EventOptions) -> str | None:
        """Advice about the split if events come in baskets; None for no advice."""
        from ..sequences.build import resolve_split
        from ..sequences.splits import SPLITS

        return SPLITS.find(resolve_split(self, options.split)).advice(self.events, self.event_roles(options))

    def options_of_training(self, saved: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """Event options saved with a model, for these tables, without the `given` ones."""
        from ..sequences.event_options import options_of_training

        return options_of_training(self, saved, given)

    def log(self, reason: str) -> pl.DataFrame:
        """The events, for uses that need all of their columns.

        Args:
            reason: Columns to be read and their use, for the error of a prepared folder.
        """
        return self.events


@deprecated("0.2", "0.4", use="missing_users=", renamed={"on_missing_users": "missing_users"})
def validate_tables(
    items: pl.DataFrame | None,
    events: pl.DataFrame,
    columns: TableColumns | None = None,
    name: str = "shop",
    *,
    on_unknown_items: UnknownItems = "error",
    missing_users: MissingUsers = "error",
    users: pl.DataFrame | None = None,
    promotions: pl.DataFrame | pl.LazyFrame | None = None,
    card: DataCard | None = None,
    found: Iterable[TableProblem] = (),
    time_format: str | None = None,
) -> ShopTables:
    """Check the tables of a dataset and convert them to our names and types.

    Args:
        items: One row per item. None, or the events again, to derive it from the columns of items in the events
            (`ItemsOfEvents`).
        events: One row per event.
        columns: Column names; None for our own names.
        name: Name of the dataset, for messages.
        on_unknown_items: "error" refuses events of items that the items table lacks, "drop" leaves them out.
        missing_users: "error" refuses events without a user, "drop" leaves them out.
        users: One row per user; None without a users table.
        promotions: One row per promotion: a table with some of the columns of `PROMOTION_SCHEMA`, or a lazy table with
            all of them.
        card: Description of the dataset; it is completed with the content of the tables.
        found: Issues found while reading the files.
        time_format: Format of times: "day-first" or "month-first" for dates such as 01/12/2009, "excel" for
            spreadsheet days, a strptime pattern, or None to detect it.

    Raises:
        TableError: If there is a fatal issue; it lists all issues.
        ValueError: If `on_unknown_items` or `missing_users` is neither "error" nor "drop", or the time format
            cannot be used.
    """
    check_policy("on_unknown_items", on_unknown_items)
    reader = TableReader(columns or TableColumns(), time_format=time_format, missing_users=missing_users)
    reader.problems.extend(found)
    if items is None or is_same_table(items, events):
        items = None
        catalogue = _derived(reader, events)
    else:
        catalogue = reader.items(items)
    log = reader.events(events)
    if catalogue is not None and log is not None:
        catalogue, log = reader.known_items(catalogue, log, on_unknown_items)
        reader.single_events(log)
        reader.unique_items(log)
    people = None if users is None else reader.users(users)
    offers = reader.promotions(promotions) if isinstance(promotions, pl.DataFrame) else promotions
    if catalogue is None or log is None or any(problem.fatal for problem in reader.problems):
        raise TableError(reader.problems, name, hint=_proposed(reader.problems, items, events))
    counted = (card or DataCard(name)).counted(catalogue, log, people, offers)
    named = columns or TableColumns()
    return ShopTables(
        catalogue, log, reader.problems, name, people, offers, counted, columns=named, time_format=time_format
    )


def _derived(reader: TableReader, events: pl.DataFrame) -> pl.DataFrame | None:
    """Derive the items table from the events; the issues go to the reader."""
    derived = ItemsOfEvents(reader.columns)
    derived.add(events)
    items = derived.finish()
    reader.problems += derived.problems
    return items


def _proposed(problems: Iterable[TableProblem], items: pl.DataFrame | None, events: pl.DataFrame) -> str:
    """A proposed mapping, if a column is missing and names and values suggest one."""
    if not any(problem.kind == "missing_column" for problem in problems):
        return ""
    call = guess_of_tables(items, events).call
    return f"proposed by names and values: {call}" if call else ""


def rows_hash(table: pl.DataFrame) -> str:
    """SHA-256 of a table's column names, types, and hashes of rows, which are stable within a version of polars."""
    digest = hashlib.sha256(json.dumps([(name, str(kind)) for name, kind in table.schema.items()]).encode())
    digest.update(table.hash_rows(seed=0).to_numpy().data)
    return digest.hexdigest()


def validate_items(
    items: pl.DataFrame,
    columns: TableColumns | None = None,
    name: str = "items",
    found: Iterable[TableProblem] = (),
) -> tuple[pl.DataFrame, TableReport]:
    """Check an items table alone and convert it to our names and types.

    Args:
        items: One row per item; or an events table with the columns of items, to derive the items from.
        columns: Column names; None for our own names.
        name: Name of the table, for messages.
        found: Issues found while reading the file.

    Returns:
        The table, and its data-quality issues.

    Raises:
        TableError: If there is a fatal issue; it lists all issues.
    """
    columns = columns or TableColumns()
    if is_log(items, columns):
        return derive_items(items, columns, name, found)
    reader = TableReader(columns)
    reader.problems.extend(found)
    catalogue = reader.items(items)
    return _checked(reader, catalogue, name)


def derive_items(
    events: pl.DataFrame,
    columns: TableColumns | None = None,
    name: str = "items",
    found: Iterable[TableProblem] = (),
) -> tuple[pl.DataFrame, TableReport]:
    """Derive the items table from an events table with the columns of items (`ItemsOfEvents`).

    Args:
        events: One row per event.
        columns: Column names; None for our own names.
        name: Name of the table, for messages.
        found: Issues found while reading the file.

    Returns:
        As `validate_items`.

    Raises:
        TableError: If no event has an item id, or a mapped column is missing.
    """
    reader = TableReader(columns or TableColumns())
    reader.problems.extend(found)
    catalogue = _derived(reader, events)
    if catalogue is None:
        reader.items(events)  # reports the reason
    return _checked(reader, catalogue, name)


def _checked(reader: TableReader, items: pl.DataFrame | None, name: str) -> tuple[pl.DataFrame, TableReport]:
    """The items with the report of their issues.

    Raises:
        TableError: If an issue is fatal.
    """
    if items is None or any(problem.fatal for problem in reader.problems):
        raise TableError(reader.problems, name)
    return items, TableReport(name, {"items": items.height}, tuple(reader.problems))
