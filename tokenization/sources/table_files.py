"""The files of a shop's own tables: one export, or a folder of tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..tables.table_columns import TABLES
from .generic import find_optional_table, find_table, table_suffix
from .source import list_folder
from .text_files import check_permission, unpack
from .workbooks import SHEETS, has_sheet


def find_shop(place: Path) -> dict[str, Path]:
    """The files of a shop's tables, by "items", "events", "users" and "promotions".

    "items" is missing where the items are to be derived from the events: the place is one file, the folder holds one
    table under any name, or it has a table of events and no other table that may be that of items.

    Args:
        place: A file, or a folder with the tables, in it or in a folder of it.

    Raises:
        FileNotFoundError: If there are no events, or it is not clear which table is that of items.
        ValueError: If there are several tables of one name.
    """
    if not place.is_dir():
        return {"items": place, "events": place} if holds_items(place) else {"events": place}
    there = [path for path in list_folder(place) if table_suffix(path)]
    if len(there) == 1 and _label(there[0]) not in ("items", "users", "promotions"):
        return find_shop(there[0])
    # On the hub tables usually lie in a folder of their own.
    near = [path.parent for label in ("items", "events") for path in there if _label(path) == label]
    folder = near[0] if near else place
    found = {name: find_optional_table(folder, name) for name in ("items", "users", "promotions")}
    events = find_table(folder, "events")
    if found["items"] is None:
        check_no_items(folder)
    return {"events": events, **{label: path for label, path in found.items() if path is not None}}


def given_tables(tables: Mapping[str, Any]) -> dict[str, Any]:
    """The tables that were given as such, by our names, without "items" where they are in the events.

    Args:
        tables: Sources of tables, None for missing tables. A dictionary with one table has the events.
    """
    given = {label: source for label, source in tables.items() if source is not None}
    if len(given) == 1 and not given.keys() & set(TABLES):
        return {"events": next(iter(given.values()))}
    items, events = given.get("items"), given.get("events")
    if isinstance(events, str | Path):
        path = Path(events).expanduser()
        if items is None and holds_items(path):
            given["items"] = events
        elif isinstance(items, str | Path) and Path(items).expanduser() == path and not holds_items(path):
            del given["items"]
    return given


def check_no_items(folder: Path) -> None:
    """Refuse a folder without a table `items` that holds tables of other names, one of which may be that of items.

    Raises:
        FileNotFoundError: If it does.
    """
    others = sorted(path.name for path in folder.iterdir() if table_suffix(path) and _label(path) not in TABLES)
    if others:
        raise FileNotFoundError(
            f"folder {folder} has no items table; it holds {', '.join(others[:10])} beside the events. Name the file "
            "of items items, or give the file of events alone, and the items are derived from it"
        )


def holds_items(path: Path) -> bool:
    """Whether a file is a workbook with a sheet `items`, beside which another is that of events."""
    if table_suffix(path) not in SHEETS or not path.is_file():
        return False
    check_permission(path)
    return has_sheet(unpack(path), "items")


def _label(path: Path) -> str:
    return path.name.split(".")[0]
