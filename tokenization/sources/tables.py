"""The user's own tables: a folder with items, events and optionally users and promotions."""

from __future__ import annotations

from collections.abc import Sequence

from ..tables.schema import ShopTables, validate_tables
from .generic import find_optional_table, find_table, load_table
from .source import DataSource, SourceRequest, list_folder


def _read(request: SourceRequest) -> ShopTables:
    # On the hub tables are usually in a subfolder.
    near = (path.parent for path in list_folder(request.folder) if path.name.split(".")[0] == "items")
    folder = next(near, request.folder)
    items, found = load_table(find_table(folder, "items"), "items", encoding=request.encoding)
    events, more = load_table(find_table(folder, "events"), "events", encoding=request.encoding)
    found += more
    extra = {}
    for name in ("users", "promotions"):
        path = find_optional_table(folder, name)
        if path is not None:
            extra[name], more = load_table(path, name, encoding=request.encoding)
            found += more
    return validate_tables(
        items,
        events,
        request.columns,
        request.name or folder.resolve().name,
        on_unknown_items=request.on_unknown_items,
        on_missing_users=request.on_missing_users,
        users=extra.get("users"),
        promotions=extra.get("promotions"),
        found=found,
        time_format=request.time_format,
    )


def _recognises(names: Sequence[str]) -> bool:
    return {"items", "events"} <= {name.split(".")[0] for name in names}


TABLES = DataSource(
    "tables",
    "your own tables: files items.* and events.*, and optionally users.* and promotions.*",
    _read,
    _recognises,
    lambda selection: [
        f"{place}{name}.*" for name in ("items", "events", "users", "promotions") for place in ("", "*/")
    ],
    takes_columns=True,
)
