"""Sources of tables: files, data frames, and public datasets in their published layouts. One source per file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...deprecation import deprecated
from ..out_of_core.prepared_folder import is_prepared, load_prepared_data
from ..progress import stage
from ..tables.schema import MissingUsers, ShopTables, TableColumns, UnknownItems, validate_tables
from ..tables.table_columns import SavedColumns, as_columns, is_chosen
from .amazon_five_core import AMAZON_2014, AMAZON_2018
from .amazon_reviews import AMAZON_2023
from .complete_journey import COMPLETE_JOURNEY, load_complete_journey
from .complete_journey_coupons import COUPONS, EXPOSURES
from .fuxictr import FUXICTR
from .generic import SUFFIXES, load_table, read_table, table_suffix
from .hub import HUB_ID, fetch, list_files
from .movielens import MOVIELENS
from .recbole import RECBOLE
from .source import DataSource, SourceRequest, check_reading, list_folder
from .table_files import given_tables, tables_of
from .tables import TABLES

if TYPE_CHECKING:
    from .generic import TableSource

__all__ = ["SOURCES", "check_source", "load_complete_journey", "load_data", "load_shop", "read_table", "split_data"]

SOURCES: dict[str, DataSource] = {
    source.name: source
    for source in (
        TABLES,
        COMPLETE_JOURNEY,
        COUPONS,
        EXPOSURES,
        AMAZON_2023,
        AMAZON_2014,
        AMAZON_2018,
        MOVIELENS,
        RECBOLE,
        FUXICTR,
    )
}
"""Sources by name; the first source that recognises the files is used."""


@deprecated("0.2", "0.4", use="missing_users=", renamed={"on_missing_users": "missing_users"})
def load_shop(
    data: TableSource | Mapping[str, TableSource] | os.PathLike[str] | None = None,
    *,
    items: TableSource | None = None,
    events: TableSource | None = None,
    columns: TableColumns | Mapping[str, str] | None = None,
    on_unknown_items: UnknownItems = "error",
    missing_users: MissingUsers = "error",
    time_format: str | None = None,
    encoding: str | None = None,
) -> ShopTables:
    """Load and validate the tables of a dataset.

    Args:
        data: A file or folder with tables, or a folder from `prepare_tables`; or the id of a dataset on the hub
            ("namespace/name") in a layout of one of `SOURCES`; `SOURCE:PATH` to name the source,
            `SOURCE:PATH:PART,PART` for some of its parts; the name of a source for data from a package
            (complete-journey, movielens); or a `DatasetDict` or dictionary of `items`, `events` and optionally `users`
            and `promotions`. One file, data frame, `datasets.Dataset` or dictionary of columns is a table of events
            that has the columns of their items too.
        items: The items table, in any form of `read_table`; together with `events`, instead of `data`. None to derive
            it from the events.
        events: The events table.
        columns: Column names: `TableColumns` or a mapping such as `{"item_id": "sku"}`; None for our own names.
        on_unknown_items: "error" refuses events of items that the items table lacks, "drop" leaves them out.
        missing_users: "error" refuses events without a user, "drop" leaves them out.
        time_format: Format of times: "day-first" or "month-first" for dates such as 01/12/2009, "excel" for
            spreadsheet days, a strptime pattern, or None to detect it.
        encoding: Encoding of text files, such as "cp1252"; None to detect it.

    Raises:
        FileNotFoundError: If the folder, the hub dataset or one of the tables does not exist.
        ValueError: If the tables are ambiguous, or a file cannot be read.
        TableError: If the tables cannot be used.
        TypeError: If something given is not a table.
        ImportError: If the package with the data is not installed.

    Example:
        >>> load_shop({"user_id": ["U1", "U1"], "item_id": ["A", "B"], "order": [1, 2]}).events.height
        2
    """
    columns = as_columns(columns)
    check_reading(on_unknown_items, missing_users, time_format, encoding)
    if isinstance(data, os.PathLike):
        data = Path(data)
    if isinstance(data, str | Path) and items is None and events is None and is_prepared(data):
        return load_prepared_data(data, columns, time_format, encoding)
    request = SourceRequest(
        Path(), (), columns, on_unknown_items, time_format=time_format, encoding=encoding,
        missing_users=missing_users,
    )  # fmt: skip
    if data is None:
        with stage("reading tables"):
            shop = _from_tables({"items": items, "events": events}, request)
            return replace(shop, encoding=encoding, folder=_folder_of(events if items is None else items))
    _check_either(items, events)
    if not isinstance(data, str | Path):
        with stage("reading tables"):
            return replace(_from_tables(tables_of(data), request), encoding=encoding)
    source, place = _find(data)
    if not source.takes_columns:
        if columns not in (None, TableColumns()) and not isinstance(columns, SavedColumns):
            raise ValueError(f"data={source.name!r} has its own column names; leave columns= out")
        if is_chosen(time_format) or is_chosen(encoding):
            raise ValueError(f"data={source.name!r} has a fixed layout; leave time_format= and encoding= out")
        request = replace(request, time_format=None, encoding=None)
    request = replace(request, folder=place.folder, selection=place.selection, name=place.name)
    with stage("reading tables"):
        shop = source.read(request)
    return replace(shop, encoding=request.encoding, folder=_folder_of(request.folder))


def _folder_of(place: object) -> Path | None:
    """Folder of a table, or the folder itself; None for a table in memory."""
    if not isinstance(place, str | os.PathLike):
        return None
    path = Path(place).expanduser()
    if not path.is_dir():
        return path.parent
    tables = [file for file in list_folder(path) if file.name.split(".")[0] == "items" and table_suffix(file)]
    return tables[0].parent if tables else path


load_data = load_shop
"""Earlier name of `load_shop`, from when `load_shop` did not read prepared folders."""


def split_data(data: str | Path) -> tuple[str | None, str | None, tuple[str, ...]]:
    """Source, path and parts of `SOURCE:PATH:PART,PART`; None for a missing part.

    Example:
        >>> split_data("amazon-2023:reviews/:All_Beauty,Baby_Products")
        ('amazon-2023', 'reviews/', ('All_Beauty', 'Baby_Products'))
        >>> split_data("my-shop/"), split_data("movielens")
        ((None, 'my-shop/', ()), ('movielens', None, ()))
    """
    if isinstance(data, Path) or Path(data).is_dir():
        return (None, str(data), ()) if data not in SOURCES else (str(data), None, ())
    name, colon, rest = data.partition(":")
    if name not in SOURCES:
        return None, data, ()
    if not colon:
        return name, None, ()
    path, colon, parts = rest.rpartition(":")
    # C:\shop has a colon too, and no parts after it.
    if not colon or re.search(r"[/\\]", parts):
        path, parts = rest, ""
    return name, path or None, tuple(part for part in parts.split(",") if part)


def check_source(data: object, *, items: object = None, events: object = None) -> None:
    """Refuse missing files and folders before anything is read; the hub is not contacted.

    Args:
        data: As in `load_shop`.
        items: As in `load_shop`.
        events: As in `load_shop`.

    Raises:
        FileNotFoundError: If the folder or one of the tables does not exist.
        ValueError: If the tables are ambiguous.
    """
    tables = {"items": items, "events": events}
    if isinstance(data, os.PathLike):
        data = Path(data)
    if data is None:
        _check_events(events)
        for source in tables.values():
            named = isinstance(source, str | Path) and not HUB_ID.fullmatch(str(source))
            if named and not Path(str(source)).expanduser().exists():
                raise FileNotFoundError(f"table {source} does not exist")
        return
    _check_either(items, events)
    if not isinstance(data, str | Path):
        _check_events(given_tables(tables_of(data)).get("events"))
        return
    name, path, _ = split_data(data)
    if path is None:
        _check_path(str(name))
    else:
        _check_folder(data, path)


def _check_events(events: object) -> None:
    if events is None:
        raise ValueError(
            "no events table was given; give data=, both items= and events=, or events= alone if it has item columns"
        )


def _check_either(items: object, events: object) -> None:
    if items is not None or events is not None:
        raise ValueError("give either data= or the tables items= and events=, not both")


def _check_path(name: str) -> None:
    if SOURCES[name].packaged is None:
        raise ValueError(f"data={name!r} needs a path: {name}:FOLDER, or {name}:NAMESPACE/NAME on the hub")


def _check_folder(data: str | Path, path: str) -> None:
    folder = Path(path).expanduser()
    if folder.is_dir() or (folder.is_file() and table_suffix(folder)) or _may_be_on_hub(path):
        return
    what = f"has no suffix of a table ({', '.join(SUFFIXES)})" if folder.exists() else "does not exist"
    raise FileNotFoundError(
        f"data={str(data)!r} {what}; give a file of events with the columns of their items, a folder with an items "
        f"and an events table, or SOURCE:FOLDER with one of the known sources: {', '.join(SOURCES)}"
    )


def _may_be_on_hub(path: str) -> bool:
    """Whether a path is that of nothing here, and no name of a table."""
    return HUB_ID.fullmatch(path) is not None and not Path(path).exists() and not table_suffix(Path(path))


def _find(data: str | Path) -> tuple[DataSource, SourceRequest]:
    """The source, and the folder and parts to read."""
    name, path, selection = split_data(data)
    if path is None:
        assert name is not None
        _check_path(name)
        source = SOURCES[name]
        assert source.packaged is not None
        return source, SourceRequest(source.packaged(), selection)
    folder = Path(path).expanduser()
    _check_folder(data, path)
    if folder.is_file():
        source = SOURCES[name or TABLES.name]
        if source is not TABLES:
            raise ValueError(
                f"data={source.name!r} is read from a folder, and {path} is a file; give {source.name}:FOLDER"
            )
        return source, SourceRequest(folder, selection)
    if folder.is_dir():
        names = [file.name for file in list_folder(folder)]
        return SOURCES[name] if name else _recognise(names), SourceRequest(folder, selection)
    files = list_files(path)
    source = SOURCES[name] if name else _recognise([file.rpartition("/")[2] for file in files])
    tables = [file for file in files if table_suffix(Path(file))]
    patterns = tables if source is TABLES and len(tables) == 1 else source.patterns(selection)
    return source, SourceRequest(fetch(path, patterns), selection, name=path)


def _recognise(names: Sequence[str]) -> DataSource:
    """The source that recognises the files; an unrecognised folder has the user's own tables, which report errors."""
    return next((source for source in SOURCES.values() if source.recognises(names)), TABLES)


def _from_tables(tables: Mapping[str, TableSource | None], request: SourceRequest) -> ShopTables:
    tables = given_tables(tables)
    _check_events(tables.get("events"))
    read, found = {}, []
    for label in ("items", "events", "users", "promotions"):
        source = tables.get(label)
        if source is not None:
            read[label], problems = load_table(source, label, encoding=request.encoding)
            found += problems
    return validate_tables(
        read.get("items"), read["events"], request.columns, on_unknown_items=request.on_unknown_items,
        users=read.get("users"), promotions=read.get("promotions"), found=found, time_format=request.time_format,
        missing_users=request.missing_users,
    )  # fmt: skip
