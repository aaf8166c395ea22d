"""Tables given to a workflow: a place, data frames, or tables that are already loaded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from ..checkpoints.saved_tables import table_options
from ..tokenization.sources import load_shop
from ..tokenization.tables.schema import MissingUsers, ShopTables, TableColumns, UnknownItems
from .fields import given_columns

if TYPE_CHECKING:
    from ..tokenization.sources.generic import TableSource

    ShopSource: TypeAlias = TableSource | Mapping[str, TableSource] | os.PathLike[str] | ShopTables
    ColumnNames: TypeAlias = TableColumns | Mapping[str, str] | str


def read_shop(
    data: ShopSource | None = None,
    *,
    items: TableSource | None = None,
    events: TableSource | None = None,
    columns: ColumnNames | None = None,
    time_format: str | None = None,
    encoding: str | None = None,
    unknown_items: UnknownItems = "error",
    missing_users: MissingUsers = "error",
    saved: str | os.PathLike[str] | Mapping[str, Any] | None = None,
) -> ShopTables:
    """Load the tables of a workflow; tables that are already loaded are returned as they are.

    Args:
        data: Tables that `load_shop` returned, or its `data`.
        items: As in `load_shop`.
        events: As in `load_shop`.
        columns: As in `load_shop`, or a text such as "item_id=sku,title=name".
        time_format: As in `load_shop`.
        encoding: As in `load_shop`.
        unknown_items: `on_unknown_items` of `load_shop`; loaded tables have no such events.
        missing_users: as in `load_shop`; loaded tables have no such events.
        saved: Checkpoint or event settings with default names and formats, as in `table_options`.

    Raises:
        ValueError: If loaded tables are given with arguments about reading tables; or as `load_shop`.
    """
    if isinstance(data, ShopTables):
        refuse_reading("data", items, events, columns, time_format, encoding)
        return data
    return load_shop(
        data, items=items, events=events, on_unknown_items=unknown_items, missing_users=missing_users,
        **table_options(saved, given_columns(columns), time_format, encoding),
    )  # fmt: skip


def refuse_reading(loaded: str, *given: object) -> None:
    """Refuse arguments about reading tables that are already loaded.

    Args:
        loaded: Name of the argument with the tables.
        *given: Values of `items`, `events`, `columns`, `time_format` and `encoding`.

    Raises:
        ValueError: If one is given.
    """
    names = ("items", "events", "columns", "time_format", "encoding")
    for name, value in zip(names, given, strict=True):
        if value is not None:
            raise ValueError(f"{loaded} has tables that are already loaded; give {name}= to load_shop instead")
