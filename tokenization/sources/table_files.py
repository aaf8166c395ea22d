"""A shop's own tables: one export, or several tables, as files in a folder or as objects."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..tables.problems import TableError, TableProblem
from ..tables.table_columns import TABLES
from .generic import find_optional_table, find_table, is_column, load_table, table_suffix
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


def tables_of(data: Any) -> dict[str, Any]:
    """The tables in `data` of `load_shop` if it is not a place: a dictionary of tables, or one table of events.

    Args:
        data: A `DatasetDict` or a dictionary of tables; or a data frame or a dictionary of columns: the events with
            the columns of their items.

    Raises:
        ValueError: If the dictionary has several tables, and none is named events.

    Example:
        >>> list(tables_of({"items": "items.csv", "events": "events.csv"})), list(tables_of({"item_id": ["A"]}))
        (['items', 'events'], ['events'])
    """
    if not isinstance(data, Mapping) or any(is_column(values) for values in data.values()):
        return {"events": data}
    if len(data) > 1 and "events" not in data:
        raise ValueError(
            f"data has the tables {', '.join(map(str, data))}; name the table of events events, and others items, "
            "users or promotions"
        )
    return dict(data)


def write_tables(tables: Mapping[str, Any], folder: Path, encoding: str | None = None) -> list[TableProblem]:
    """Write tables as parquet files into a folder, from which `load_shop` reads them.

    Args:
        tables: Sources of tables by name, as in `read_table`.
        folder: An existing folder.
        encoding: Encoding of sources that are text files; None to detect it.

    Returns:
        Data-quality issues found in reading them.

    Raises:
        TableError: If a table cannot be used.
    """
    problems = []
    for label, source in given_tables(tables).items():
        table, found = load_table(source, label, encoding=encoding)
        problems += found
        if any(problem.fatal for problem in found):
            raise TableError(found, folder.name)
        table.write_parquet(folder / f"{label}.parquet")
    return problems


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
