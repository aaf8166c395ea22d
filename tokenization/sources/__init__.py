"""Where tables come from: files and data frames, and data sets by name. One adapter a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..schema import ShopTables, TableColumns, UnknownItems, validate_tables
from .complete_journey import load_complete_journey
from .generic import find_table, read_table

if TYPE_CHECKING:
    from .generic import TableSource

__all__ = ["SOURCES", "load_complete_journey", "load_shop", "read_table"]

SOURCES: dict[str, Callable[[], ShopTables]] = {"complete-journey": load_complete_journey}
"""Data sets that are known by name."""


def load_shop(
    data: str | Path | None = None,
    *,
    items: TableSource | None = None,
    events: TableSource | None = None,
    columns: TableColumns | None = None,
    on_unknown_items: UnknownItems = "error",
) -> ShopTables:
    """Load and validate the tables of a shop.

    Args:
        data: A folder that holds a file `items.*` and a file `events.*`, or the name of a known data set.
        items: The items table, whatever `read_table` takes; together with `events`, instead of `data`.
        events: The events table.
        columns: Names of the columns; None for our own.
        on_unknown_items: "error" refuses events of items that the items table lacks, "drop" leaves them out.

    Raises:
        FileNotFoundError: If the folder or one of its tables does not exist.
        ValueError: If it is not clear which tables are meant.
        TableError: If the tables cannot be used.
        ImportError: If a known data set is not installed.
    """
    if data is not None:
        if items is not None or events is not None:
            raise ValueError("give either data or the tables items and events, not both")
        if isinstance(data, str) and data in SOURCES:
            return SOURCES[data]()
        folder = Path(data).expanduser()
        if not folder.is_dir():
            what = "is no folder" if folder.exists() else "does not exist"
            raise FileNotFoundError(
                f"data {str(data)!r} {what}; give a folder with an items and an events table, "
                f"or one of the known data sets: {', '.join(SOURCES)}"
            )
        items, events = find_table(folder, "items"), find_table(folder, "events")
        name = folder.resolve().name
    else:
        name = "shop"
    if items is None or events is None:
        missing = " and ".join(label for label, table in (("items", items), ("events", events)) if table is None)
        raise ValueError(f"no {missing} table was given; give data, or both items and events")
    return validate_tables(read_table(items), read_table(events), columns, name, on_unknown_items=on_unknown_items)
