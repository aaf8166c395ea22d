"""Interface of a source of tables: its name, how to recognise its files, and how to read them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from ..tables.data_card import DataCard
from ..tables.problems import TableProblem
from ..tables.schema import MissingUsers, ShopTables, TableColumns, UnknownItems, validate_tables
from ..tables.table_reader import check_policy
from ..tables.time_texts import check_time_format
from .text_files import known_encoding

MAX_DEPTH = 3
"""Depth of subfolders that are searched for files."""


def check_reading(on_unknown_items: str, missing_users: str, time_format: str | None, encoding: str | None) -> None:
    """Refuse arguments about reading tables before a table is read; see `load_shop`.

    Raises:
        ValueError: If one has an unknown value.
    """
    check_policy("on_unknown_items", on_unknown_items)
    check_policy("missing_users", missing_users)
    check_time_format(time_format)
    if encoding is not None:
        known_encoding(encoding)


@dataclass(frozen=True)
class SourceRequest:
    """A request to read tables.

    Args:
        folder: Folder with the files.
        selection: Parts to read of a dataset in parts, such as "All_Beauty"; empty for all parts.
        columns: Column names, for sources with the user's own tables.
        on_unknown_items: Treatment of events whose items the items table lacks.
        name: Name of the dataset if its files have none; empty for the folder's name.
        time_format: Format of times, as in `load_shop`.
        encoding: Encoding of text files; None to detect it.
        missing_users: Treatment of events without a user.
    """

    folder: Path
    selection: tuple[str, ...] = ()
    columns: TableColumns | None = None
    on_unknown_items: UnknownItems = "error"
    name: str = ""
    time_format: str | None = None
    encoding: str | None = None
    missing_users: MissingUsers = "error"

    def find(self, pattern: str) -> list[tuple[Path, str]]:
        """Files whose names match a regular expression, with the text of its first group, sorted by it.

        If parts were selected, only their files.
        """
        found = []
        for path in list_folder(self.folder):
            match = re.fullmatch(pattern, path.name)
            if match:
                found.append((path, match[1] if match.lastindex else ""))
        found.sort(key=lambda pair: (pair[1], pair[0].name))
        if not self.selection:
            return found
        return [(path, part) for path, part in found if part in self.selection]

    def only(self, *names: str) -> Path:
        """The file with one of these names.

        Raises:
            FileNotFoundError: If there is none.
        """
        path = self.maybe(*names)
        if path is None:
            there = ", ".join(sorted(path.name for path in list_folder(self.folder))[:10]) or "nothing"
            raise FileNotFoundError(f"folder {self.folder} has no {' or '.join(names)}; it holds {there}")
        return path

    def maybe(self, *names: str) -> Path | None:
        """The file with one of these names, in order of preference; None if there is none."""
        there = {path.name: path for path in reversed(list_folder(self.folder))}
        return next((there[name] for name in names if name in there), None)


@dataclass(frozen=True)
class DataSource:
    """A kind of dataset.

    Args:
        name: Name on the command line.
        summary: One line about what it reads.
        read: Reads the tables.
        recognises: Whether a folder with these file names is of this kind.
        patterns: Files to fetch from a hub dataset, for the selected parts, as `fnmatch` patterns.
        packaged: Folder of a copy in a package, for a source that works without a path; its error names the missing
            package.
        takes_columns: Whether column names can be given.
    """

    name: str
    summary: str
    read: Callable[[SourceRequest], ShopTables]
    recognises: Callable[[Sequence[str]], bool]
    patterns: Callable[[Sequence[str]], list[str]] = field(default=lambda selection: ["*"])
    packaged: Callable[[], Path] | None = None
    takes_columns: bool = False


def list_folder(folder: Path) -> list[Path]:
    """Files of a folder and its subfolders, sorted, nearest first; hidden files are left out."""
    found = []
    for root, folders, files in os.walk(folder):
        depth = len(Path(root).relative_to(folder).parts)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and depth < MAX_DEPTH)
        found += [(depth, Path(root) / name) for name in files if not name.startswith(".")]
    return [path for _, path in sorted(found)]


def build_shop(
    items: pl.DataFrame,
    events: pl.DataFrame,
    card: DataCard,
    *,
    users: pl.DataFrame | None = None,
    promotions: pl.LazyFrame | None = None,
    columns: TableColumns | None = None,
    found: Sequence[TableProblem] = (),
    time_format: str | None = None,
) -> ShopTables:
    """Validate the tables of a public dataset: the first of repeated items is kept, missing items get a row.

    Args:
        items: One row per item, with a column `item_id`.
        events: One row per event.
        card: Description of the dataset.
        users: One row per user.
        promotions: One row per promotion, with the columns of `PROMOTION_SCHEMA`.
        columns: Column names; None for our own names.
        found: Issues found earlier.
        time_format: Format of times, as in `load_shop`.
    """
    named = columns or TableColumns()
    key, log_key = named.of_table(items.columns, "items").item_id, named.of_table(events.columns, "events").item_id
    problems = list(found)
    once = items.unique(key, keep="first", maintain_order=True)
    if once.height < items.height:
        count, example = items.height - once.height, items.filter(items[key].is_duplicated())[key][0]
        remedy = "the first row was kept"
        problems.append(TableProblem("items", key, "duplicate_item", count, example, remedy, fatal=False))
    missing = (
        events.select(pl.col(log_key).alias(key))
        .drop_nulls()
        .unique(maintain_order=True)
        .join(once, on=key, how="anti")
    )
    if missing.height:
        remedy = "they were added without a title"
        example = missing[key][0]
        problems.append(TableProblem("items", key, "undescribed_item", missing.height, example, remedy, fatal=False))
        once = pl.concat([once, missing], how="diagonal")
    return validate_tables(
        once, events, columns, card.name, users=users, promotions=promotions, card=card, found=problems,
        time_format=time_format,
    )  # fmt: skip
