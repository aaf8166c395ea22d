"""Names and types of the columns of a shop's tables, and what they are called in a user's."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import polars as pl

DEFAULT_EVENT_TYPE = "interaction"
CATEGORY_SEPARATOR = " > "
TABLES = ("items", "events", "users", "promotions")
"""Tables of a shop."""

ITEM_SCHEMA: dict[str, pl.DataType] = {
    "item_id": pl.String(),
    "title": pl.String(),
    "description": pl.String(),
    "category": pl.String(),
    "brand": pl.String(),
    "price": pl.Float64(),
}
EVENT_SCHEMA: dict[str, pl.DataType] = {
    "user_id": pl.String(),
    "item_id": pl.String(),
    "timestamp": pl.Int64(),
    "order": pl.Int64(),
    "event_type": pl.String(),
    "rating": pl.Float64(),
    "split": pl.String(),
    "is_target": pl.Boolean(),
    "basket_id": pl.String(),
}
QUANTITY = "quantity"
EVENT_INPUTS: dict[str, pl.DataType] = {**EVENT_SCHEMA, QUANTITY: pl.Float64()}
"""Columns of events that are read. A quantity stays where the table has one; below zero it makes a return."""
MICROSECOND = "_microsecond"
"""A column of events beside those of `EVENT_SCHEMA`, where some time has a fraction: microseconds beyond the whole
seconds of `timestamp`, which models read."""
USER_SCHEMA: dict[str, pl.DataType] = {"user_id": pl.String()}
PROMOTION_SCHEMA: dict[str, pl.DataType] = {
    "kind": pl.String(),
    "item_id": pl.String(),
    "user_id": pl.String(),
    "store_id": pl.String(),
    "campaign_id": pl.String(),
    "coupon_id": pl.String(),
    "place": pl.String(),
    "start": pl.Int64(),
    "end": pl.Int64(),
}
"""A promotion: its kind (display, mailer, coupon, campaign, redemption, ...), what it was for (null: all items), whom
it reached (null: everybody), where, and the first and the last second (UTC) it held."""


@dataclass(frozen=True)
class TableColumns:
    """Names of the columns in the user's tables; those that are optional are used where present.

    Args:
        item_id: Id of an item, in both tables. Required.
        title: Items: what the item is called.
        description: Items: what is said about it.
        category: Items: its category; a list is joined with " > ".
        brand: Items: its brand.
        price: Items: its price, a number.
        user_id: Events: who. Required.
        timestamp: Events: when; a date, a date-time, an ISO 8601 text, or seconds, milli-, micro- or nanoseconds
            since 1970. Either this or `order` is required.
        order: Events: whole numbers that grow along a user's events.
        event_type: Events: what happened (view, purchase, ...).
        rating: Events: a number that the user gave.
        split: Events: which split an event belongs to (train, validation, test).
        is_target: Events: whether the event is to be predicted.
        basket_id: Events: which basket the event belongs to.
        quantity: Events: how many items, a number; an event with a number below zero is of the type "return".
        by_table: Names that hold in one table alone, where two tables have a column under different names:
            `{"items.item_id": "asin", "events.item_id": "product_id"}`. They take precedence.

    Raises:
        ValueError: If a key of `by_table` is not the name of a table, a dot and a name of ours.
    """

    item_id: str = "item_id"
    title: str = "title"
    description: str = "description"
    category: str = "category"
    brand: str = "brand"
    price: str = "price"
    user_id: str = "user_id"
    timestamp: str = "timestamp"
    order: str = "order"
    event_type: str = "event_type"
    rating: str = "rating"
    split: str = "split"
    is_target: str = "is_target"
    basket_id: str = "basket_id"
    quantity: str = "quantity"
    by_table: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key in self.by_table:
            label, _, name = key.partition(".")
            if label not in TABLES or name not in column_names():
                raise ValueError(
                    f"by_table has {key!r}; give TABLE.name, a table among {', '.join(TABLES)} and a name among "
                    f"{', '.join(column_names())}"
                )

    def name_of(self, canonical: str) -> str:
        """Name in the user's table of a column of ours."""
        name: str = getattr(self, canonical)
        return name

    def of_table(self, names: Collection[str], label: str) -> TableColumns:
        """The mapping for one table: its own names are among the others, and `by_table` is empty.

        Args:
            names: Names of the table's columns.
            label: Which table it is: items, events, users or promotions.
        """
        prefix = f"{label}."
        own: dict[str, Any] = {
            key.removeprefix(prefix): column for key, column in self.by_table.items() if key.startswith(prefix)
        }
        return replace(self, **own, by_table={})

    def to_dict(self) -> dict[str, Any]:
        """All names, for JSON; `by_table` only where it names any."""
        return {name: value for name, value in asdict(self).items() if name != "by_table" or value}


def column_names() -> list[str]:
    """Our names of the columns that can be mapped."""
    return [one.name for one in fields(TableColumns) if one.name != "by_table"]


@dataclass(frozen=True)
class SavedColumns(TableColumns):
    """The mapping of the tables that a model was trained on: a name holds where a table has it and not our own."""

    def of_table(self, names: Collection[str], label: str) -> TableColumns:
        """The names of ours that the table lacks, as it has them."""
        mapped = super().of_table(names, label)
        lacking = [ours for ours in column_names() if ours not in names and mapped.name_of(ours) in names]
        held: dict[str, Any] = {ours: mapped.name_of(ours) for ours in lacking}
        return TableColumns(**held)


class SavedFormat(str):
    """A time format or encoding of the tables that a model was trained on; a table with another is read as it is."""

    __slots__ = ()


def is_chosen(value: str | None) -> bool:
    """Whether a time format or an encoding was given for the table at hand."""
    return value is not None and not isinstance(value, SavedFormat)


def table_formats(
    event_settings: Mapping[str, Any] | None, time_format: str | None = None, encoding: str | None = None
) -> dict[str, str | None]:
    """The arguments `time_format` and `encoding` for a table that a model is to read.

    Args:
        event_settings: Event settings of the model, with the formats of the tables that it was trained on.
        time_format: What was given for this table, which takes precedence.
        encoding: Likewise.

    Example:
        >>> table_formats({"time_format": "day-first", "encoding": "cp1252"}, encoding="utf-8")
        {'time_format': 'day-first', 'encoding': 'utf-8'}
    """
    saved = event_settings or {}
    given = {"time_format": time_format, "encoding": encoding}
    return {
        name: SavedFormat(saved[name]) if value is None and saved.get(name) else value for name, value in given.items()
    }


def saved_columns(event_settings: Mapping[str, Any] | None) -> SavedColumns | None:
    """The mapping in the event settings of a model; None where its tables had our names."""
    named = (event_settings or {}).get("columns")
    return SavedColumns(**named) if named else None
