"""Deletes rows of users from tables and lines of JSON; all other bytes of a text file stay as they are."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import polars as pl
import pyarrow as pa

from ...tokenization.sources.text_files import PACKED
from ...tokenization.tables.keys import key_style, read_keys

USER_COLUMNS = ("user_id", "user", "customer_id")
"""Columns of tables and fields of JSON with the id of a user, in any case and with any separator (`User ID`)."""
_SEPARATORS = ",;\t|"
_WHOLE = re.compile(r"(-?\d+)\.0+")


def forget_in_parquet(path: Path, users: Sequence[str]) -> int:
    """Write a Parquet file again without the rows of users; returns how many there were."""
    named = [name for name in pl.read_parquet_schema(path) if _is_user(name)]
    if not named:
        return 0
    table = pl.read_parquet(path)
    theirs = pl.any_horizontal([rows_of(table[name], users) for name in named])
    gone = int(table.select(theirs.sum()).item())
    if gone:
        with _replacing(path) as unfinished:
            table.filter(~theirs).write_parquet(unfinished)
    return gone


def forget_in_csv(path: Path, users: Sequence[str]) -> int:
    """Write a CSV file again without the records of users; returns how many there were.

    Raises:
        ValueError: If a quote is not closed, so that records cannot be told apart.
    """
    with _text(path, "r") as file:
        header = next(_records(file), "")
        names = {mark: next(csv.reader([header.lstrip("\ufeff")], delimiter=mark), []) for mark in _SEPARATORS}
        found = [(mark, place) for mark, row in names.items() for place, name in enumerate(row) if _is_user(name)]
        if not found:
            return 0
        mark, places = found[0][0], [place for one, place in found if one == found[0][0]]
        cells: list[list[str]] = [[] for _ in places]
        for record in _records(file):
            row = next(csv.reader([record], delimiter=mark), [])
            for own, place in zip(cells, places, strict=True):
                own.append(row[place].encode("utf-8", "replace").decode() if place < len(row) else "")
    columns = [rows_of(pl.Series("key", own, dtype=pl.String), users) for own in cells]
    theirs = [any(row) for row in zip(*columns, strict=True)]
    return _without(path, _records, [False, *theirs])


def forget_in_lines(path: Path, users: Sequence[str]) -> int:
    """Write a file of JSON lines again without the lines of users; returns how many there were."""
    wanted = {user.strip() for user in users}
    with _text(path, "r") as file:
        theirs = [not wanted.isdisjoint(_users_of(line)) for line in file]
    return _without(path, iter, theirs)


def replace_text(path: Path, text: str) -> None:
    """Write a text file again, in one step."""
    with _replacing(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8", newline="")


def rows_of(column: pl.Series, users: Sequence[str]) -> pl.Series:
    """Whether each id of a column is that of one of the users; 7.0 is 7 in a column of whole numbers.

    Example:
        >>> rows_of(pl.Series("user_id", [7.0, None, 8.0]), ["7"]).to_list()
        [True, False, False]
    """
    keys = read_keys(column)
    if keys is None:
        return pl.repeat(False, len(column), eager=True)
    wanted = [user.strip() for user in users]
    if key_style(column.to_frame("key"), "key").whole:
        wanted = [_WHOLE.sub(r"\1", user) if _WHOLE.fullmatch(user) else user for user in wanted]
    return keys.is_in(wanted).fill_null(False)


def _is_user(name: str) -> bool:
    """Whether a column or field has the ids of users."""
    return re.sub(r"[\W_]+", "", name).lower() in _PLAIN


_PLAIN = {name.replace("_", "") for name in USER_COLUMNS}


def _users_of(line: str) -> Iterator[str]:
    """Ids of users in a line of JSON."""
    try:
        read: Any = json.loads(line)
    except ValueError:
        return
    for name, value in read.items() if isinstance(read, dict) else ():
        if _is_user(name) and not isinstance(value, bool):
            yield str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()


def _records(file: IO[str]) -> Iterator[str]:
    """Records of a CSV file as they are written; a field in quotes may have line ends."""
    record = ""
    for line in file:
        record += line
        if record.count('"') % 2 == 0:
            yield record
            record = ""
    if record:
        raise ValueError("a quote is not closed, so its records cannot be told apart; repair the file, or delete it")


def _without(path: Path, parts: Callable[[IO[str]], Iterator[str]], theirs: Sequence[bool]) -> int:
    """Write a text file again without some of its parts; returns how many there were."""
    if any(theirs):
        with _replacing(path) as unfinished, _text(path, "r") as old, _text(unfinished, "w", path.suffix) as new:
            new.writelines(part for part, gone in zip(parts(old), theirs, strict=True) if not gone)
    return sum(theirs)


@contextmanager
def _text(path: Path, mode: str, suffix: str | None = None) -> Iterator[IO[str]]:
    """A text file, unpacked; bytes that are not UTF-8 and line ends come back as they are."""
    packing = {".gz": "gzip", ".zst": "zstd"}.get((path.suffix if suffix is None else suffix).lower())
    raw: Any = path.open(f"{mode}b")
    if packing is not None:
        raw = (pa.CompressedInputStream if mode == "r" else pa.CompressedOutputStream)(raw, packing)
    with io.TextIOWrapper(raw, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        yield file


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A file to write that takes the place of another one, with its permissions, when the block ends well."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        unfinished.touch(0o600)
        yield unfinished
        shutil.copymode(path, unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def table_kind(path: Path) -> str:
    """The suffix of a file that decides how it is read, without that of its packing; in lower case."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""
