"""The tables of a shop: validated, with our names and types of columns, and all that is wrong with them at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl

from ..text.item_text import DEFAULT_TEXT_FIELDS
from .column_guess import guess_of_tables
from .data_card import DataCard
from .event_roles import EventRoles, event_roles
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
from .table_reader import MissingUsers, TableReader, UnknownItems

if TYPE_CHECKING:
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
    """Validated tables of a shop, with our names and types of columns.

    Args:
        items: One row an item: the columns of `ITEM_SCHEMA`, then whatever else the user's table has. A column of the
            user's that has one of our names but is not mapped to it is kept as `original_<name>`.
        events: One row an event, in the order of the user's table: the columns of `EVENT_SCHEMA`, then the others.
        problems: What was repaired or should be known.
        name: Name of the shop.
        users: One row a user: `user_id`, then whatever the shop knows of users; None where it says nothing.
        promotions: The columns of `PROMOTION_SCHEMA`, read when it is collected; None where there are none.
        card: What the data set is.
        made_split: The split that was made already, where the events are no log any more; empty for a log.
        columns: Names of the columns in the user's tables.
        time_format: Format of their times, where it was given.
        encoding: Encoding of their files, where it was given.
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

    @property
    def report(self) -> TableReport:
        """Sizes, and what was repaired or should be known."""
        rows = {"items": self.items.height, "events": self.events.height}
        if self.users is not None:
            rows["users"] = self.users.height
        return TableReport(self.name, rows, tuple(self.problems))

    @property
    def num_events(self) -> int:
        """Events of the log."""
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
        """Choose the events and split them into training sequences and histories with targets.

        Args:
            events: Which events are used and how they are split; None for the defaults. A prepared folder has its own
                and refuses others.
            vocabulary: The item vocabulary; None for one of the items table. An item that it lacks is unknown, and
                never a target.
            event_types: Event types by code; None for those of the shop.
            text_fields: Columns that make an item's text, for a vocabulary of the items table.
            cache_dir: Folder where splits are cached; None for the cache of `datasets`.

        Raises:
            ValueError: If the split needs what the tables lack, or a text field is no column of the items table.

        Example (not run: it needs tables):
            load_shop("my-shop/").split(EventOptions(split="last-basket")).train
        """
        from ..sequences.event_options import EventOptions
        from ..sequences.split_data import split_log

        return split_log(
            self, events or EventOptions(), vocabulary=vocabulary, event_types=event_types, text_fields=text_fields,
            cache_dir=cache_dir,
        )  # fmt: skip

    def resolved(self, options: Options) -> Options:
        """The options of events that hold for these tables: of a log, the options themselves."""
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
        """Warning about the split where events come in baskets; None where there is nothing to say."""
        from ..sequences.baskets import basket_advice
        from ..sequences.build import resolve_split

        return basket_advice(self.events, resolve_split(self, options.split), self.event_roles(options))

    def options_of_training(self, saved: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """Options of events that were saved with a model, as they hold for these tables, without those `given`."""
        from ..sequences.event_options import options_of_training

        return options_of_training(self, saved, given)

    def log(self, reason: str) -> pl.DataFrame:
        """The events, for what needs every column of them.

        Args:
            reason: Which columns are read and for what, for the error of tables that have not kept them.
        """
        return self.events


def validate_tables(
    items: pl.DataFrame,
    events: pl.DataFrame,
    columns: TableColumns | None = None,
    name: str = "shop",
    *,
    on_unknown_items: UnknownItems = "error",
    on_missing_users: MissingUsers = "error",
    users: pl.DataFrame | None = None,
    promotions: pl.DataFrame | pl.LazyFrame | None = None,
    card: DataCard | None = None,
    found: Iterable[TableProblem] = (),
    time_format: str | None = None,
) -> ShopTables:
    """Check a shop's tables and bring them to our names and types.

    Args:
        items: One row an item.
        events: One row an event.
        columns: Names of the columns; None for our own.
        name: Name of the shop, for messages.
        on_unknown_items: "error" refuses events of items that the items table lacks, "drop" leaves them out.
        on_missing_users: "error" refuses events without a user, "drop" leaves them out.
        users: One row a user, if there is such a table.
        promotions: One row a promotion: a table with some of the columns of `PROMOTION_SCHEMA`, or one that has them
            all and is read later.
        card: What the data set is; it is completed with what the tables hold.
        found: Problems that were found when the tables were read from their files.
        time_format: Format of times: "day-first" or "month-first" for dates such as 01/12/2009, "excel" for days of a
            spreadsheet, a strptime pattern, or None to find out.

    Raises:
        TableError: If anything fatal is wrong; it lists everything that is wrong.
        ValueError: If `on_unknown_items` or `on_missing_users` is neither "error" nor "drop", or the time format
            cannot be used.
    """
    if on_unknown_items not in ("error", "drop"):
        raise ValueError(f"on_unknown_items is {on_unknown_items!r}; give 'error' or 'drop'")
    reader = TableReader(columns or TableColumns(), time_format=time_format, on_missing_users=on_missing_users)
    reader.problems.extend(found)
    catalogue = reader.items(items)
    log = reader.events(events)
    if catalogue is not None and log is not None:
        catalogue, log = reader.known_items(catalogue, log, on_unknown_items)
        reader.single_events(log)
    people = None if users is None else reader.users(users)
    offers = reader.promotions(promotions) if isinstance(promotions, pl.DataFrame) else promotions
    if catalogue is None or log is None or any(problem.fatal for problem in reader.problems):
        raise TableError(reader.problems, name, hint=_proposed(reader.problems, items, events))
    counted = (card or DataCard(name)).counted(catalogue, log, people, offers)
    named = columns or TableColumns()
    return ShopTables(
        catalogue, log, reader.problems, name, people, offers, counted, columns=named, time_format=time_format
    )


def _proposed(problems: Iterable[TableProblem], items: pl.DataFrame, events: pl.DataFrame) -> str:
    """A mapping of columns, where one is missing and names and values tell which it may be."""
    if not any(problem.kind == "missing_column" for problem in problems):
        return ""
    call = guess_of_tables(items, events).call
    return f"proposed by names and values: {call}" if call else ""


def validate_items(
    items: pl.DataFrame,
    columns: TableColumns | None = None,
    name: str = "items",
    found: Iterable[TableProblem] = (),
) -> tuple[pl.DataFrame, TableReport]:
    """Check an items table alone and bring it to our names and types.

    Args:
        items: One row an item.
        columns: Names of the columns; None for our own.
        name: What the table is called, for messages.
        found: Problems that were found when the table was read from its file.

    Returns:
        The table, and what was repaired in it or should be known.

    Raises:
        TableError: If anything fatal is wrong; it lists everything that is wrong.
    """
    reader = TableReader(columns or TableColumns())
    reader.problems.extend(found)
    catalogue = reader.items(items)
    if catalogue is None or any(problem.fatal for problem in reader.problems):
        raise TableError(reader.problems, name)
    return catalogue, TableReport(name, {"items": catalogue.height}, tuple(reader.problems))
