"""Names and types of our columns, and their names in a user's tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import polars as pl

DEFAULT_EVENT_TYPE = "interaction"
CATEGORY_SEPARATOR = " > "
TABLES = ("items", "events", "users", "promotions")
"""Tables of a dataset."""

ITEM_SCHEMA: dict[str, pl.DataType] = {
    "item_id": pl.String(),
    "title": pl.String(),
    "description": pl.String(),
    "category": pl.String(),
    "brand": pl.String(),
    "price": pl.Float64(),
}
ITEM_TEXTS = ("title", "description", "category", "brand")
"""Columns of `ITEM_SCHEMA` that are texts."""
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
QUANTITY, QUERY, CLICKED = "quantity", "query", "clicked"
EVENT_INPUTS: dict[str, pl.DataType] = {
    **EVENT_SCHEMA, QUANTITY: pl.Float64(), QUERY: pl.String(), CLICKED: pl.Boolean(),
}  # fmt: skip
"""Columns of events that are read. Quantities, queries and clicks are kept if the table has them; a negative quantity
means a return, a row with a query and without an item is a search, and a row that is not clicked is an impression."""
MICROSECOND = "_microsecond"
"""Additional column of events if a time has a fraction: microseconds beyond the whole seconds of `timestamp`, the
column that models read."""
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
"""A promotion: its kind (display, mailer, coupon, campaign, redemption, ...), item (null: all items), user (null: all
users), place, and the first and last second (UTC) of its validity."""


@dataclass(frozen=True)
class TableColumns:
    """Names of the columns in the user's tables; optional columns are used if present.

    Args:
        item_id: Id of an item, in both tables. Required.
        title: Items: name of the item.
        description: Items: description of the item.
        category: Items: category; a list is joined with " > ".
        brand: Items: brand.
        price: Items: price, a number.
        user_id: Events: user. Required.
        timestamp: Events: time; a date, a datetime, an ISO 8601 text, or seconds, milli-, micro- or nanoseconds
            since 1970. Either this or `order` is required.
        order: Events: integers that grow along a user's events.
        event_type: Events: type of the event (view, purchase, ...).
        rating: Events: rating by the user, a number.
        split: Events: split of the event (train, validation, test).
        is_target: Events: whether the event is a target.
        basket_id: Events: basket of the event.
        quantity: Events: number of items; an event with a negative quantity gets the type "return".
        query: Events: what the user searched for; a row with a query needs no item.
        clicked: Events: whether the user clicked on the item that was shown (1 or 0, yes or no); empty for events
            that are not impressions. A row without a click gets the type "impression".
        by_table: Names for one table only, if two tables have a column under different names:
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
    query: str = "query"
    clicked: str = "clicked"
    by_table: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key in self.by_table:
            label, _, name = key.partition(".")
            if label not in TABLES or name not in column_names():
                raise ValueError(
                    f"by_table has {key!r}; give TABLE.name, with a table of {', '.join(TABLES)} and a name of "
                    f"{', '.join(column_names())}"
                )

    def name_of(self, canonical: str) -> str:
        """Name of one of our columns in the user's table."""
        name: str = getattr(self, canonical)
        return name

    def of_table(self, names: Collection[str], label: str) -> TableColumns:
        """The mapping for one table: its names from `by_table` are applied, and `by_table` is empty.

        Args:
            names: Column names of the table.
            label: Name of the table: items, events, users or promotions.
        """
        prefix = f"{label}."
        own: dict[str, Any] = {
            key.removeprefix(prefix): column for key, column in self.by_table.items() if key.startswith(prefix)
        }
        return replace(self, **own, by_table={})

    def to_dict(self) -> dict[str, Any]:
        """All names as JSON values; `by_table` only if it is not empty, `query` and `clicked` only if renamed."""
        # Folders that were prepared before these columns were read still match.
        left_out = {"by_table": {}, QUERY: QUERY, CLICKED: CLICKED}
        return {name: value for name, value in asdict(self).items() if left_out.get(name) != value}


def column_names() -> list[str]:
    """Our names of the columns that can be mapped."""
    return [one.name for one in fields(TableColumns) if one.name != "by_table"]


@dataclass(frozen=True)
class SavedColumns(TableColumns):
    """The mapping of a model's training tables: a name applies if a table has it and not our own name."""

    def of_table(self, names: Collection[str], label: str) -> TableColumns:
        """Our names that the table lacks, as the table has them."""
        mapped = super().of_table(names, label)
        lacking = [ours for ours in column_names() if ours not in names and mapped.name_of(ours) in names]
        held: dict[str, Any] = {ours: mapped.name_of(ours) for ours in lacking}
        return TableColumns(**held)


class SavedFormat(str):
    """A time format or encoding of a model's training tables; a table in another format is read without it."""

    __slots__ = ()


def is_chosen(value: str | None) -> bool:
    """Whether a time format or an encoding was given for this table."""
    return value is not None and not isinstance(value, SavedFormat)


def table_formats(
    event_settings: Mapping[str, Any] | None, time_format: str | None = None, encoding: str | None = None
) -> dict[str, str | None]:
    """Choose the arguments `time_format` and `encoding` for a table that a model reads.

    Args:
        event_settings: Event settings of the model, with the formats of its training tables.
        time_format: Format given for this table, which takes precedence.
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
    """The mapping in a model's event settings; None if its tables had our names."""
    named = (event_settings or {}).get("columns")
    return SavedColumns(**named) if named else None


def as_columns(columns: TableColumns | Mapping[str, str] | None) -> TableColumns | None:
    """Column names from a mapping; anything else but `TableColumns` and None is refused.

    Args:
        columns: Such as `{"item_id": "sku"}`; `{"events.item_id": "product"}` for one table only.

    Raises:
        ValueError: If it has another type, a name is not ours, or a column is not a text.

    Example:
        >>> as_columns({"item_id": "sku"}).item_id
        'sku'
    """
    if columns is None or isinstance(columns, TableColumns):
        return columns
    if not isinstance(columns, Mapping):
        raise ValueError(
            f"columns has the type {type(columns).__name__}; give a mapping of our names to yours, such as "
            "{'item_id': 'sku'}, or TableColumns(item_id='sku')"
        )
    names = column_names()
    chosen: dict[str, str] = {}
    by_table: dict[str, str] = {}
    for name, column in columns.items():
        table, dot, ours = str(name).rpartition(".")
        if ours not in names or (dot and table not in TABLES):
            raise ValueError(
                f"columns has {name!r}; names are {', '.join(names)}, or for one table only such as events.item_id"
            )
        if not isinstance(column, str):
            raise ValueError(f"columns has {column!r} for {name}; give the name of a column of yours as text")
        (by_table if dot else chosen)[str(name)] = column
    return TableColumns(**chosen, by_table=by_table)
