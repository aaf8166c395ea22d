"""Deletes everything of users from the files of a folder: databases, tables, lines of JSON, reasons of a review."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from ...checkpoints.review import FIRST, REVIEW_FILE, ReviewEntry, read_review_log
from ..feedback.feedback_log import FeedbackLog
from .forgotten_rows import forget_in_csv, forget_in_lines, forget_in_parquet, replace_text, table_kind
from .mentions import MAGIC, Mentions
from .sqlite_log import SQLiteLog

_OF_BASE = ("-wal", "-shm", "-journal")
FORGOTTEN = "[forgotten]"
"""Text in the place of an id in the log of a review."""
Way = Callable[[Path, Sequence[str]], int]


@dataclass(frozen=True)
class Forgotten:
    """What was deleted from one file.

    Args:
        file: The file, or the URL of a server.
        kind: "database", "table", "lines", "review" or "server".
        rows: How much was deleted: rows of a table, lines of JSON, lines of a review whose reason was changed; for a
            database or a server the number of users that it had.
    """

    file: str
    kind: str
    rows: int


@dataclass(frozen=True)
class FailedFile:
    """A file from which users could not be deleted, or which could not be searched for them.

    Args:
        file: The file.
        reason: Why, and what to do.
    """

    file: str
    reason: str


@dataclass
class FolderResult:
    """What became of the files of a folder.

    Args:
        deleted: The files that had something of the users.
        left: Files that still mention one.
        failed: Files that could not be changed or searched.
    """

    deleted: list[Forgotten] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    failed: list[FailedFile] = field(default_factory=list)


def forget_in_folder(folder: Path, users: Sequence[str], *, redact_reviews: bool = False) -> FolderResult:
    """Delete everything of users from the files of a folder and its subfolders, and search for what is left.

    A file that cannot be changed does not keep the others from it. A link to a file of the folder is left to that
    file; one to a place outside is not followed, and reported.

    Args:
        folder: The folder.
        users: Their ids.
        redact_reviews: Whether ids in the reasons of a review's log are replaced; its hashes are then computed again.
    """
    result = FolderResult()
    files = [*_files(folder.resolve(), result)]
    for path in files:
        shown = str(folder / path.relative_to(folder.resolve()))
        try:
            kind, forget = _way_of(path, redact_reviews)
            rows = 0 if forget is None else forget(path, users)
        except Exception as error:  # of any reader; the other files are still to be done
            result.failed.append(FailedFile(shown, _reason(error)))
            continue
        if rows:
            result.deleted.append(Forgotten(shown, kind, rows))
    mentions = Mentions(users)
    for path in (path for path in files if path.exists()):
        shown = str(folder / path.relative_to(folder.resolve()))
        try:
            if mentions.in_file(path):
                result.left.append(shown)
        except Exception as error:
            if shown not in {one.file for one in result.failed}:
                result.failed.append(FailedFile(shown, f"it cannot be searched: {_reason(error)}"))
    return result


def _files(folder: Path, result: FolderResult) -> Iterator[Path]:
    """The files of a folder, in order; links that lead outside, and folders that cannot be read, are noted."""

    def unread(error: OSError) -> None:
        result.failed.append(FailedFile(str(error.filename), _reason(error)))

    for place, folders, names in os.walk(folder, onerror=unread):
        folders.sort()
        for name in sorted([*names, *(one for one in folders if (Path(place) / one).is_symlink())]):
            path = Path(place) / name
            if not path.is_symlink():
                if path.is_file():
                    yield path
            elif not path.resolve().is_relative_to(folder):
                reason = f"it is a link to {path.resolve()}, outside of the folder; forget there, or remove the link"
                result.failed.append(FailedFile(str(path), reason))


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _way_of(path: Path, redact_reviews: bool) -> tuple[str, Way | None]:
    if path.name.endswith(_OF_BASE):
        return "database", None
    if path.name == REVIEW_FILE:
        return "review", _forget_review if redact_reviews else None
    kind = table_kind(path)
    if kind == ".parquet":
        return "table", forget_in_parquet
    if kind in (".jsonl", ".ndjson"):
        return "lines", forget_in_lines
    if kind in (".csv", ".tsv"):
        return "table", forget_in_csv
    with path.open("rb") as file:
        return ("database", _forget_base) if file.read(len(MAGIC)) == MAGIC else ("", None)


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
        with closing(log):
            known |= {user for user in users if log.delete(user)}
    return len(known)


def _forget_review(path: Path, users: Sequence[str]) -> int:
    """Replace ids in reasons. The chain of hashes is made again from the first such line on."""
    ids = "|".join(re.escape(user.strip()) for user in sorted(users, key=len, reverse=True))
    pattern, entries, previous, changed = re.compile(rf"(?<!\w)(?:{ids})(?!\w)"), list[ReviewEntry](), FIRST, 0
    for entry in read_review_log(path.parent):
        reason = pattern.sub(FORGOTTEN, entry.reason)
        changed += reason != entry.reason
        new = replace(entry, reason=reason, previous=previous)
        new = replace(new, hash=new.digest())
        entries.append(new)
        previous = new.hash
    if changed:
        replace_text(path, "".join(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in entries))
    return changed
