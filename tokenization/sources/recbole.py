"""RecBole's atomic files: tab-separated tables with headers of the form `field:type`.

Format: https://recbole.io/docs/user_guide/data/atomic_files.html
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ..tables.data_card import DataCard
from ..tables.problems import TableProblem
from ..tables.schema import ShopTables, TableColumns
from .csv_files import read_csv
from .impression_labels import missing_labels, read_impression_labels
from .source import DataSource, SourceRequest, build_shop
from .text_files import open_text

_TYPES = ("token", "token_seq", "float", "float_seq")
_OTHER_SEPARATOR = rf":(?:{'|'.join(_TYPES)})([^\w\t])"
"""Found in a header whose fields are not separated by tabs."""
_NAMES = {
    "title": ("title", "movie_title", "name", "item_name", "title_seq"),
    "category": ("category", "categories", "class", "genre", "genres"),
    "brand": ("brand", "store"),
}
"""Fields of item files that match our columns; the first one in the file is used."""
_LABEL = "label"
"""Field of interactions with 1 for a click and 0 for none, as RecBole's context-aware models read it."""
_SPLITS = {"train": "train", "valid": "validation", "test": "test"}


def read_atomic(
    path: Path, label: str, encoding: str | None = None, texts: Collection[str] = ()
) -> tuple[pl.DataFrame, list[TableProblem]]:
    """Read an atomic file: tokens become texts, floats numbers, and sequences lists of either.

    Args:
        path: The file, `.inter`, `.item` or `.user`; plain or .gz.
        label: Our name of the table, for issues.
        encoding: Its encoding; None to detect it.
        texts: Fields that stay texts, of whatever type.

    Returns:
        The table with the names of its fields, and its issues.

    Raises:
        ValueError: If a field has no type or an unknown one, fields are not separated by tabs, or the file is not a
            table.
    """
    opened = open_text(path, label, encoding)
    table, names = read_csv(opened, "\t", quote=None)
    if other := re.search(_OTHER_SEPARATOR, names[0] if names else ""):
        raise ValueError(
            f"table {path}: its header {names[0][:80]!r} has {other[1]!r} between fields; fields of atomic files are "
            "separated by tabs, so write tabs"
        )
    fields = [name.strip().rpartition(":")[0] or name.strip() for name in names]
    twice = next((name for name in fields if fields.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"table {path} has the field {twice!r} several times; keep one")
    table.columns = names
    columns = []
    for header in table.columns:
        name, _, kind = header.strip().rpartition(":")
        if not name or kind not in _TYPES:
            raise ValueError(
                f"table {path}: the field {header!r} has no type; write {header.partition(':')[0]}:{_TYPES[0]}, "
                f"or another of {', '.join(_TYPES)}"
            )
        column = pl.col(header)
        if kind == "float" and name not in texts:
            column = column.str.strip_chars().cast(pl.Float64, strict=False)
            lost = table.filter(pl.col(header).is_not_null() & column.is_null())
            if lost.height:
                remedy = "they were left empty"
                example = lost[header][0]
                opened.problems.append(
                    TableProblem(label, name, "not_numeric", lost.height, example, remedy, fatal=False)
                )
        elif kind.endswith("_seq"):
            column = column.str.split(" ")
            column = column.cast(pl.List(pl.Float64), strict=False) if kind == "float_seq" else column
        columns.append(column.alias(name))
    return table.select(columns), opened.notes_of(table.height)


@dataclass(frozen=True)
class AtomicTables:
    """The tables of a RecBole dataset; fields with usual names have our names."""

    name: str
    items: pl.DataFrame
    events: pl.DataFrame
    users: pl.DataFrame | None
    found: list[TableProblem]


def read_recbole(request: SourceRequest) -> ShopTables:
    """Read a RecBole dataset as validated tables; see `atomic_tables`."""
    tables = atomic_tables(request)
    card = DataCard(tables.name, "Atomic files of RecBole.")
    return build_shop(
        tables.items, tables.events, card, users=tables.users, columns=request.columns, found=tables.found,
        time_format=request.time_format,
    )  # fmt: skip


def atomic_tables(request: SourceRequest) -> AtomicTables:
    """Read a RecBole dataset: its interactions, and its items and users if it has these files.

    Interactions in files `.train.inter`, `.valid.inter` and `.test.inter` get a column `split`. A field `label` is
    read as the column `clicked`; rows without a label are left out and counted, if others have one.

    Raises:
        FileNotFoundError: If there is no `.inter` file.
        ValueError: If there are several datasets, or a file cannot be read.
        TableError: If a label is neither true nor false.
    """
    named = request.columns or TableColumns()
    files = request.find(r"(.+?)(?:\.(?:train|valid|test))?\.inter(?:\.gz)?")
    stems = sorted({stem for _, stem in files})
    if not stems:
        raise FileNotFoundError(f"folder {request.folder} has no .inter file; give the folder of one data set")
    if len(stems) > 1:
        raise ValueError(
            f"folder {request.folder} has {len(stems)} data sets, {', '.join(stems)}; give the folder of one, or name "
            f"one as recbole:{request.folder}:{stems[0]}"
        )
    events, found = _interactions([path for path, _ in files], named, request.encoding)
    columns = named.of_table(events.columns, "events")
    for ours in (columns.user_id, columns.item_id):
        if ours not in events.columns:
            option = "user_id" if ours == columns.user_id else "item_id"
            raise ValueError(
                f"table {files[0][0]}: the field {ours} is missing; it has {', '.join(events.columns)}; name yours "
                f"with TableColumns({option}='FIELD')"
            )
    tables = {}
    for kind in ("item", "user"):
        path = request.maybe(f"{stems[0]}.{kind}", f"{stems[0]}.{kind}.gz")
        if path is not None:
            tables[kind], more = read_atomic(path, f"{kind}s", request.encoding)
            found += more
            key = named.of_table(tables[kind].columns, f"{kind}s")
            wanted = key.item_id if kind == "item" else key.user_id
            if wanted not in tables[kind].columns:
                raise ValueError(
                    f"table {path}: the field {wanted} is missing; it has {', '.join(tables[kind].columns)}"
                )
    items = tables.get("item", pl.DataFrame(schema={named.of_table((), "items").item_id: pl.String}))
    return AtomicTables(
        stems[0], _ours(items, named.of_table(items.columns, "items")), events, tables.get("user"), found
    )


def _interactions(
    paths: Sequence[Path], named: TableColumns, encoding: str | None
) -> tuple[pl.DataFrame, list[TableProblem]]:
    """The rows of all files, with their labels as the column of clicks, and the issues."""
    logs, found, labelled = [], [], 0
    for path in paths:
        log, more = read_atomic(path, "events", encoding, {_LABEL})
        found += more
        clicked = named.of_table(log.columns, "events").clicked
        if _LABEL in log.columns and clicked not in log.columns:
            labels = read_impression_labels(log, _LABEL, _LABEL, path)
            log = log.with_columns(labels).rename({_LABEL: clicked})
            labelled += len(labels) - labels.null_count()
        part = path.name.removesuffix(".gz").removesuffix(".inter").rpartition(".")[2]
        logs.append(log.with_columns(split=pl.lit(_SPLITS[part])) if part in _SPLITS and len(paths) > 1 else log)
    events = pl.concat(logs, how="diagonal_relaxed")
    if labelled and labelled < events.height:
        found.append(missing_labels(events.height - labelled, _LABEL))
        events = events.drop_nulls(named.of_table(events.columns, "events").clicked)
    return events, found


def _ours(items: pl.DataFrame, columns: TableColumns) -> pl.DataFrame:
    """Rename fields with usual names to title, category and brand."""
    for ours, names in _NAMES.items():
        target = columns.name_of(ours)
        theirs = next((name for name in names if name in items.columns), None)
        if target in items.columns or theirs is None:
            continue
        items = items.with_columns(pl.col(theirs).alias(target)).drop(theirs)
    # Token sequences are words. Our reader of categories would treat them as the steps of a path.
    words = [name for name, dtype in items.schema.items() if dtype == pl.List(pl.String)]
    return items.with_columns(pl.col(name).list.join(" ", ignore_nulls=True) for name in words)


def _recognises(names: Sequence[str]) -> bool:
    return any(name.removesuffix(".gz").endswith(".inter") for name in names)


RECBOLE = DataSource(
    "recbole",
    "RecBole's atomic files: .inter, and .item and .user where there are any",
    read_recbole,
    _recognises,
    lambda selection: [
        f"*{part}.{kind}*" for part in (selection or ["*"]) for kind in ("inter", "item", "user", "*.inter")
    ],
    takes_columns=True,
)
