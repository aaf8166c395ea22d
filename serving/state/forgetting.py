"""Deletes everything of users from the files of a folder: databases, tables, lines of JSON, mentions in a review."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from ...checkpoints.review import FIRST, REVIEW_FILE, ReviewEntry, read_review_log
from ..feedback.feedback_log import FeedbackLog
from .sqlite_log import SQLiteLog

_MAGIC = b"SQLite format 3\x00"
_OF_BASE = ("-wal", "-shm", "-journal")
USER_COLUMNS = ("user_id", "user", "customer_id")
"""Columns of tables and fields of JSON with the id of a user."""
FORGOTTEN = "[forgotten]"
"""Text in the place of an id in the log of a review."""
_BLOCK = 1 << 22


@dataclass(frozen=True)
class Forgotten:
    """What was deleted from one file.

    Args:
        file: The file, or the URL of a server.
        kind: "database", "table", "lines", "review" or "server".
        rows: Rows or lines with one of the users; for a database 1 per user that it had.
    """

    file: str
    kind: str
    rows: int


def forget_in_folder(folder: Path, users: Sequence[str]) -> list[Forgotten]:
    """Delete everything of users from the files of a folder and its subfolders.

    Args:
        folder: The folder.
        users: Their ids.

    Returns:
        The files that had something of them.

    Raises:
        TimeoutError: If another process keeps a database from being emptied; call it again.
        ReviewLogError: If the log of a review was changed.
    """
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        kind, forget = _way_of(path)
        rows = 0 if forget is None else forget(path, users)
        if rows:
            found.append(Forgotten(str(path), kind, rows))
    return found


def files_that_mention(folder: Path, users: Sequence[str]) -> list[str]:
    """Files of a folder with the id of a user as a whole word, byte by byte.

    Args:
        folder: The folder.
        users: Ids.
    """
    ids = b"|".join(re.escape(user.encode()) for user in sorted(users, key=len, reverse=True))
    pattern = re.compile(rb"(?<![0-9A-Za-z])(?:" + ids + rb")(?![0-9A-Za-z])")
    longest = max(len(user.encode()) for user in users) + 2
    return [
        str(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and any(pattern.search(block) for block in _blocks(path, longest))
    ]


def _blocks(path: Path, overlap: int) -> Iterator[bytes]:
    """The content of a file in blocks that overlap, so that no id falls between two."""
    last = b""
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield last + block
            last = block[-overlap:]


def _way_of(path: Path) -> tuple[str, Callable[[Path, Sequence[str]], int] | None]:
    if path.name.endswith(_OF_BASE):
        return "database", None
    if path.suffix == ".parquet":
        return "table", _forget_parquet
    if path.name == REVIEW_FILE:
        return "review", _forget_review
    if path.suffix in (".jsonl", ".ndjson"):
        return "lines", _forget_lines
    if path.suffix in (".csv", ".tsv"):
        return "table", _forget_text_table
    with path.open("rb") as file:
        return ("database", _forget_base) if file.read(len(_MAGIC)) == _MAGIC else ("", None)


def _forget_base(path: Path, users: Sequence[str]) -> int:
    with closing(sqlite3.connect(path)) as base:
        tables = {name for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    known = set[str]()
    logs = [
        kind(path)
        for kind, own in ((SQLiteLog, {"events", "statements"}), (FeedbackLog, {"impressions", "reactions"}))
        if own <= tables
    ]
    for log in logs:
        known |= {user for user in users if log.delete(user)}
        log.close()
    return len(known)


def _forget_parquet(path: Path, users: Sequence[str]) -> int:
    named = [name for name in pl.read_parquet_schema(path) if name in USER_COLUMNS]
    if not named:
        return 0
    table = pl.read_parquet(path)
    return _rewrite(path, table, named[0], users, pl.DataFrame.write_parquet)


def _forget_text_table(path: Path, users: Sequence[str]) -> int:
    separator = "\t" if path.suffix == ".tsv" else ","
    try:
        table = pl.read_csv(path, separator=separator, infer_schema=False)
    except pl.exceptions.PolarsError:  # no table; `files_that_mention` names the file
        return 0
    named = [name for name in table.columns if name in USER_COLUMNS]

    def write(kept: pl.DataFrame, to: Path) -> None:
        kept.write_csv(to, separator=separator)

    return _rewrite(path, table, named[0], users, write) if named else 0


def _rewrite(
    path: Path, table: pl.DataFrame, column: str, users: Sequence[str], write: Callable[[pl.DataFrame, Path], None]
) -> int:
    """Write a table again without the rows of users, in one step; returns the number of rows."""
    kept = table.filter(~pl.col(column).cast(pl.String).is_in(list(users)).fill_null(False))
    gone = table.height - kept.height
    if gone:
        unfinished = path.with_name(f".{path.name}.unfinished")
        write(kept, unfinished)
        os.replace(unfinished, path)
    return gone


def _forget_lines(path: Path, users: Sequence[str]) -> int:
    names, lines = set(users), path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not names & _users_of(line)]
    if len(kept) < len(lines):
        _replace_text(path, "".join(kept))
    return len(lines) - len(kept)


def _users_of(line: str) -> set[str]:
    try:
        read: Any = json.loads(line)
    except ValueError:
        return set()
    return {str(read[name]) for name in USER_COLUMNS if name in read} if isinstance(read, dict) else set()


def _forget_review(path: Path, users: Sequence[str]) -> int:
    """Replace ids in persons and reasons. The chain of hashes is made again from the first such line on."""
    ids = "|".join(map(re.escape, users))
    pattern, entries, previous, changed = re.compile(rf"(?<!\w)(?:{ids})(?!\w)"), list[ReviewEntry](), FIRST, 0
    for entry in read_review_log(path.parent):
        texts: dict[str, Any] = {name: pattern.sub(FORGOTTEN, getattr(entry, name)) for name in ("by", "reason")}
        changed += any(texts[name] != getattr(entry, name) for name in texts)
        new = replace(entry, **texts, previous=previous)
        new = replace(new, hash=new.digest())
        entries.append(new)
        previous = new.hash
    if changed:
        _replace_text(path, "".join(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in entries))
    return changed


def _replace_text(path: Path, text: str) -> None:
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_text(text, encoding="utf-8")
    os.replace(unfinished, path)
