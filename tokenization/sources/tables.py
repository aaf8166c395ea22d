"""The user's own tables: one export, or a folder with items, events and optionally users and promotions."""

from __future__ import annotations

from collections.abc import Sequence

from ..tables.schema import ShopTables, validate_tables
from .generic import load_table
from .source import DataSource, SourceRequest
from .table_files import find_shop


def _read(request: SourceRequest) -> ShopTables:
    files = find_shop(request.folder)
    tables, found = {}, []
    for label, path in files.items():
        tables[label], more = load_table(path, label, encoding=request.encoding)
        found += more
    file = files["events"].resolve()
    named = file.parent.name if request.folder.is_dir() else file.name.split(".")[0]
    return validate_tables(
        tables.get("items"),
        tables["events"],
        request.columns,
        request.name or named,
        on_unknown_items=request.on_unknown_items,
        missing_users=request.missing_users,
        users=tables.get("users"),
        promotions=tables.get("promotions"),
        found=found,
        time_format=request.time_format,
    )


def _recognises(names: Sequence[str]) -> bool:
    return {"items", "events"} <= {name.split(".")[0] for name in names}


TABLES = DataSource(
    "tables",
    "your own tables: one file, or files items.* and events.*, and optionally users.* and promotions.*",
    _read,
    _recognises,
    lambda selection: [
        f"{place}{name}.*" for name in ("items", "events", "users", "promotions") for place in ("", "*/")
    ],
    takes_columns=True,
)
