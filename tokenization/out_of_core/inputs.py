"""Input tables of `prepare_tables`: streaming or loading, hashes, and the catalogue."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from ..images.image_options import FIELDS as IMAGE_FIELDS
from ..sources import load_shop
from ..sources.generic import find_optional_table, load_table
from ..sources.hub import HUB_ID, HubLog, find_log
from ..sources.source import check_reading
from ..sources.table_files import check_no_items
from ..sources.text_files import check_permission
from ..tables.column_reader import TableStyle
from ..tables.data_card import DataCard
from ..tables.event_times import event_columns, with_times_to_write
from ..tables.problems import TableError, TableProblem
from ..tables.schema import MissingUsers, ShopTables, TableColumns, UnknownItems
from ..tables.table_columns import as_columns
from ..tables.table_reader import TableReader
from ..tables.time_columns import TimeStyle
from ..text.vocabulary_texts import items_table
from ..vocabulary import ItemVocabulary
from .chunks import items_of_log
from .log_styles import log_style

if TYPE_CHECKING:
    from ..sources.generic import TableSource

LAYOUT = 2
"""Layout version of a prepared folder; folders with another version are prepared again."""


@dataclass(frozen=True)
class WrittenTables:
    """Location of the events table, and data about the small tables, which are already written.

    Args:
        name: Name of the dataset.
        events: Parquet files of the events, in order; addresses if they are on the hub.
        columns: Column names of the events.
        problems: Data-quality issues of the small tables.
        style: Format of ids, numbers and times in the events.
        time_format: Time format given by the user.
        card: Function from the manifest to the dataset card.
    """

    name: str
    events: Sequence[str | Path]
    columns: TableColumns
    problems: list[TableProblem]
    style: TableStyle
    time_format: str | None
    card: Callable[[dict[str, Any]], DataCard]


class PreparationInputs:
    """Tables of a dataset. Events in parquet, in the user's own layout, are streamed; other tables are loaded at once.

    Args:
        data: As for `load_shop`, or tables that it returned, or a folder with `items.*` and a folder `events/` of
            parquet files, here or on the hub. Events on the hub are streamed, without a download first.
        items: The items table, in place of `data`; None to derive it from the events.
        events: The events table: a file, or a folder of parquet files.
        columns: Column names; None for our own names.
        on_unknown_items: "error" refuses events of items that the items table lacks, "drop" leaves them out.
        missing_users: "error" refuses events without a user, "drop" leaves them out.
        time_format: How times are written, as in `load_shop`.
        encoding: Encoding of files of text, as in `load_shop`.

    Raises:
        FileNotFoundError: If a table does not exist.
        ValueError: If the tables are ambiguous.
        TableError: If tables that are loaded at once cannot be used.
    """

    def __init__(
        self,
        data: TableSource | Mapping[str, TableSource] | os.PathLike[str] | ShopTables | None = None,
        *,
        items: TableSource | None = None,
        events: TableSource | None = None,
        columns: TableColumns | Mapping[str, str] | None = None,
        on_unknown_items: UnknownItems = "error",
        missing_users: MissingUsers = "error",
        time_format: str | None = None,
        encoding: str | None = None,
    ) -> None:
        check_reading(on_unknown_items, missing_users, time_format, encoding)
        self.columns = as_columns(columns) or TableColumns()
        self.on_unknown_items: UnknownItems = on_unknown_items
        self.missing_users: MissingUsers = missing_users
        self.time_format, self.encoding = time_format, encoding
        self.shop: ShopTables | None = data if isinstance(data, ShopTables) else None
        self.events: Sequence[str | Path]
        if self.shop is not None:
            if self.shop.made_split:
                raise ValueError(f"data: {self.shop.name} is already prepared; give the original tables")
            self.columns, self.time_format, self.encoding = (
                self.shop.columns,
                self.shop.time_format,
                self.shop.encoding,
            )
            self.name, self._hashes = self.shop.name, None
            return
        found = _streamed(data, items, events)
        log = _on_hub(data) if found is None and items is None and events is None else None
        self._hashes = None if log is None else log.hashes
        if log is not None:
            self.name, self.files, self.events = str(data), log.small, log.events
        elif found is None:
            self.shop = load_shop(
                data, items=items, events=events, columns=columns, on_unknown_items=on_unknown_items,
                missing_users=missing_users, time_format=time_format, encoding=encoding,
            )  # fmt: skip
            self.name = self.shop.name
        else:
            self.name, self.files, self.events = found

    @property
    def folder(self) -> Path | None:
        """Folder of the items table; None for a table in memory or on the hub."""
        if self.shop is not None:
            return self.shop.folder
        tables = [self.files["items"]] if "items" in self.files else list(self.events)
        return tables[0].parent if tables and isinstance(tables[0], Path) else None

    @property
    def streamed(self) -> bool:
        """Whether the events are read in chunks from their location."""
        return self.shop is None

    def describe(self, options: Any) -> dict[str, Any]:
        """The manifest's description of the request: options, and hashes of all tables."""
        told = {
            "layout": LAYOUT, "options": _asked(options), "columns": self.columns.to_dict(),
            "on_unknown_items": self.on_unknown_items,
        }  # fmt: skip
        # Left out if not given, so that folders older than these options still match.
        formats = {"time_format": self.time_format, "encoding": self.encoding}
        told |= {name: value for name, value in formats.items() if value is not None}
        if self.missing_users != "error":
            told["on_missing_users"] = self.missing_users
        if self.shop is not None:
            tables = {"items": self.shop.items, "events": self.shop.events}
            return {**told, "inputs": {name: _rows_hash(table) for name, table in tables.items()}}
        if self._hashes is not None:
            return {**told, "inputs": self._hashes}
        paths = [*self.files.values(), *map(Path, self.events)]
        return {**told, "inputs": {str(path.resolve()): _file_hash(path) for path in paths}}

    def write_tables(self, output: Path, work: Path) -> WrittenTables:
        """Write the catalogue (before any filter) and the other small tables into the work folder.

        Events that were loaded at once become a file in the work folder.

        Raises:
            TableError: If the items table cannot be used.
        """
        if self.shop is not None:
            return self._write_shop(self.shop, output, work)
        reader = TableReader(self.columns, time_format=self.time_format)
        tables = {}
        for label, path in self.files.items():
            tables[label], problems = load_table(path, label, encoding=self.encoding)
            reader.problems += problems
        style, found = log_style(self.events, self.columns, self.time_format)
        reader.problems += found
        if "items" in tables:
            items = reader.items(tables["items"])
        else:
            items, found = items_of_log(self.events, self.columns, style)
            reader.problems += found
        users = reader.users(tables["users"]) if "users" in tables else None
        promotions = reader.promotions(tables["promotions"]) if "promotions" in tables else None
        if items is None or any(problem.fatal for problem in reader.problems):
            raise TableError(reader.problems, self.name)
        _write_small(output, work, items, users, promotions)
        small = {"items": items} | ({} if users is None else {"users": users})

        def card(manifest: dict[str, Any]) -> DataCard:
            rows = {label: table.height for label, table in small.items()}
            rows |= {"items": manifest["items"], "events": manifest["events"]}
            columns = {label: tuple(table.columns) for label, table in small.items()}
            times = manifest["times"] or (None, None)
            return DataCard(
                self.name, rows=rows, columns=columns, users=manifest["users"], first_event=times[0],
                last_event=times[1],
            )  # fmt: skip

        return WrittenTables(self.name, self.events, self.columns, reader.problems, style, self.time_format, card)

    @staticmethod
    def _write_shop(shop: ShopTables, output: Path, work: Path) -> WrittenTables:
        _write_small(output, work, shop.items, shop.users, shop.promotions)
        path = work / "events.parquet"
        if not path.is_file():
            unfinished = path.with_suffix(".unfinished")
            with_times_to_write(shop.events.select(event_columns(shop.events))).write_parquet(unfinished)
            unfinished.replace(path)
        # Counted again in the partitions and chunks.
        again = ("single_event_user", "repeated_event", "unique_items")
        problems = [problem for problem in shop.problems if problem.kind not in again]

        def card(manifest: dict[str, Any]) -> DataCard:
            rows = {**shop.card.rows, "items": manifest["items"], "events": manifest["events"]}
            times = manifest["times"] or (None, None)
            return dataclasses.replace(
                shop.card, rows=rows, users=manifest["users"], first_event=times[0], last_event=times[1]
            )

        style, _ = log_style([path], TableColumns(), None)
        style = dataclasses.replace(style, times={"timestamp": TimeStyle()})  # seconds, even for small numbers
        return WrittenTables(shop.name, [path], TableColumns(), problems, style, None, card)


def _asked(options: Any) -> dict[str, Any]:
    """The options, without those of images or a policy if there are none, so that folders older than these match."""
    values = dataclasses.asdict(options)
    if values.get("policy") is None:
        values.pop("policy", None)
    if values.get("images") is None:
        return {name: value for name, value in values.items() if name not in IMAGE_FIELDS}
    return values


def _write_small(
    output: Path, work: Path, items: pl.DataFrame, users: pl.DataFrame | None, promotions: pl.LazyFrame | None
) -> None:
    ItemVocabulary(items_table(items)).save(work)
    for name, table in (("users", None if users is None else users.lazy()), ("promotions", promotions)):
        if table is not None:
            unfinished = output / f"{name}.unfinished"
            table.sink_parquet(unfinished)
            unfinished.replace(output / f"{name}.parquet")


def _streamed(data: Any, items: Any, events: Any) -> tuple[str, dict[str, Path], list[Path]] | None:
    """Name, small tables and parquet files of the events; None if the tables must be loaded at once."""
    if not all(given is None or isinstance(given, str | os.PathLike) for given in (data, items, events)):
        return None
    if data is None:
        if events is None or (items is not None and not Path(items).expanduser().is_file()):
            return None
        log = _parquet_files(Path(events).expanduser())
        apart = items is not None and [Path(items).expanduser()] != log
        return ("shop", {"items": Path(str(items)).expanduser()} if apart else {}, log) if log else None
    folder = Path(data).expanduser()
    if items is not None or events is not None:
        return None
    if folder.is_file():
        log = _parquet_files(folder)
        return (folder.name.split(".")[0], {}, log) if log else None
    return _streamed_folder(folder) if folder.is_dir() else None


def _streamed_folder(folder: Path) -> tuple[str, dict[str, Path], list[Path]] | None:
    there = [path for path in folder.iterdir() if path.name.split(".")[0] == "events"]
    log = _parquet_files(there[0]) if len(there) == 1 else []
    if not log:
        return None
    found = {name: find_optional_table(folder, name) for name in ("items", "users", "promotions")}
    if found["items"] is None:
        check_no_items(folder)
    return folder.resolve().name, {name: path for name, path in found.items() if path is not None}, log


def _on_hub(data: Any) -> HubLog | None:
    """Tables of a dataset on the hub whose events can be streamed."""
    if not isinstance(data, str | Path) or Path(data).expanduser().exists() or not HUB_ID.fullmatch(str(data)):
        return None
    return find_log(str(data))


def _parquet_files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.glob("*.parquet") if file.is_file())
    return [path] if path.suffix.lower() == ".parquet" and path.is_file() else []


def _file_hash(path: Path) -> str:
    check_permission(path)
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _rows_hash(table: pl.DataFrame) -> str:
    plain = [name for name, dtype in table.schema.items() if not dtype.is_nested()]
    return hashlib.sha256(table.select(plain).hash_rows(seed=17).to_numpy().tobytes()).hexdigest()
