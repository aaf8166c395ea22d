"""The log of feedback: rows are added, never changed; a user's rows can be deleted."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..state.open_file import OpenFile, reading, transaction
from ..state.stored_times import check_time
from .summary import FeedbackSummary, summary_of

HIDE = "hide"
"""Type of an event that leaves its item out of all later lists of the user."""
_WAIT_MS = 5_000
_TABLES = """
CREATE TABLE IF NOT EXISTS impressions (
    id TEXT PRIMARY KEY, user TEXT NOT NULL, timestamp INTEGER NOT NULL, checkpoint TEXT NOT NULL,
    items TEXT NOT NULL, propensities TEXT, history TEXT NOT NULL, options TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS reactions (
    number INTEGER PRIMARY KEY AUTOINCREMENT, impression TEXT NOT NULL, item TEXT NOT NULL, type TEXT NOT NULL,
    timestamp INTEGER NOT NULL, UNIQUE (impression, item, type, timestamp)
);
CREATE INDEX IF NOT EXISTS impressions_of_user ON impressions (user);
"""
_REACT = f"""
INSERT OR IGNORE INTO reactions (impression, item, type, timestamp) SELECT ?1, ?2, ?3, ?4 WHERE ?3 <> '{HIDE}'
OR NOT EXISTS (SELECT 1 FROM reactions WHERE impression = ?1 AND item = ?2 AND type = ?3)
"""


@dataclass(frozen=True)
class Impression:
    """A list that was shown to a user.

    Args:
        id: Its id, which reactions refer to.
        user: The user; "" for a request without one.
        timestamp: Seconds since 1970.
        checkpoint: Hash of the checkpoint that made it.
        items: Item ids from the first place down.
        propensities: Probability of each place's item, given those above it; None for a list that was not drawn.
        history: Item ids of the events that the list was made for, oldest first.
        options: Options of the request that change lists, such as filters.
    """

    id: str
    user: str
    timestamp: int
    checkpoint: str
    items: tuple[str, ...]
    propensities: tuple[float, ...] | None = None
    history: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reaction:
    """What a user did with an item of a list.

    Args:
        impression: Id of the list.
        item: Id of the item.
        type: Such as click, cart, purchase or hide.
        timestamp: Seconds since 1970; of the event.
    """

    impression: str
    item: str
    type: str
    timestamp: int


def check_reaction(reaction: Reaction, shown: Impression | None, user: str | None = None) -> None:
    """Refuse a reaction to a list that is not in the log, or to an item that it does not have.

    Args:
        reaction: The reaction.
        shown: The list of its id; None if there is none.
        user: The user who reacts; None for anybody.

    Raises:
        ValueError: If it is refused.
    """
    if shown is None or (user is not None and shown.user not in ("", user)):
        raise ValueError("impression_id is not that of a list of this user; give one of an earlier answer")
    if reaction.item not in shown.items:
        raise ValueError("item_id was not in the list of the impression_id")


class FeedbackLog:
    """Lists and reactions in a SQLite file, which may be that of the sessions, or in memory.

    When a method returns, its row survives a crash of the process. It survives a loss of power at the next checkpoint
    of the write-ahead log (synchronous=NORMAL). All methods can be called from several threads and processes.

    Args:
        path: The file; None for memory.
        reading: Whether an existing log is only read, and not changed.

    Raises:
        OSError: If the file cannot be opened, is no SQLite database, or with `reading` is no log.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, *, reading: bool = False) -> None:
        self.path = None if path is None else Path(path)
        self._lock = threading.RLock()
        try:
            if self.path is not None and not reading:
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            self._file = OpenFile(self.path, lambda: self._opened(reading))
        except (OSError, sqlite3.Error, UnicodeError) as error:
            raise OSError(f"feedback {self.path} cannot be opened as a SQLite file: {error}") from error

    def _opened(self, reading: bool) -> sqlite3.Connection:
        if reading:
            assert self.path is not None
            base = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False)
            known = {name for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if not {"impressions", "reactions"} <= known:
                base.close()
                raise sqlite3.DatabaseError("it has no lists and reactions; give the store of a running xcat serve")
            return base
        place = ":memory:" if self.path is None else self.path
        base = sqlite3.connect(place, check_same_thread=False, isolation_level=None)
        for setting in ("busy_timeout", _WAIT_MS), ("journal_mode", "WAL"), ("synchronous", "NORMAL"):
            base.execute("PRAGMA {} = {}".format(*setting)).fetchall()
        base.execute("PRAGMA secure_delete = ON").fetchall()
        base.executescript(_TABLES)
        return base

    @property
    def _base(self) -> sqlite3.Connection:
        """The connection; the caller has the lock.

        Raises:
            OSError: If the file is gone.
        """
        return self._file.checked

    def show(self, impression: Impression) -> None:
        """Add a list.

        Raises:
            ValueError: If there is a list with this id.
        """
        self.show_many([impression])

    def show_many(self, impressions: Sequence[Impression]) -> None:
        """Add lists in one change, all of them or after an error none.

        Raises:
            ValueError: If there is a list with one of the ids.
        """
        rows = [_written(one) for one in impressions]
        with self._lock:
            try:
                with transaction(self._base) as base:
                    base.executemany("INSERT INTO impressions VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            except sqlite3.IntegrityError:
                known = [one.id for one in impressions if self._has(one.id)] or [one.id for one in impressions]
                raise ValueError(f"impression {known[0]!r} is in the log already") from None

    def _has(self, name: str) -> bool:
        return self._base.execute("SELECT 1 FROM impressions WHERE id = ?", (name,)).fetchone() is not None

    def react(self, reaction: Reaction) -> bool:
        """Add a reaction; returns False, and changes nothing, if the log has it.

        An item of a list is hidden once, whatever the time. Other reactions with another time are another reaction.

        Raises:
            ValueError: If there is no such list, or it does not have the item.
        """
        with self._lock:
            self.check(reaction)
            row = (reaction.impression, reaction.item, reaction.type, reaction.timestamp)
            return bool(self._base.execute(_REACT, row).rowcount)

    def check(self, reaction: Reaction, user: str | None = None) -> None:
        """Refuse a reaction to a list that is not in the log, or to an item that it does not have.

        Args:
            reaction: The reaction.
            user: The user who reacts; None for anybody.

        Raises:
            ValueError: If it is refused.
        """
        found = list(self._lists("WHERE id = ?", (reaction.impression,)))
        check_reaction(reaction, found[0] if found else None, user)

    def impressions(self, user: str | None = None) -> Iterator[Impression]:
        """The lists, oldest first; of one user or of all."""
        where, values = ("", ()) if user is None else ("WHERE user = ?", (user,))
        yield from self._lists(f"{where} ORDER BY timestamp, rowid", values)

    def _lists(self, where: str, values: tuple[str, ...]) -> Iterator[Impression]:
        for row in self._rows(f"SELECT * FROM impressions {where}", values):
            try:
                name, owner, timestamp, checkpoint, items, drawn, history, options = row
                propensities = None if drawn is None else tuple(json.loads(drawn))
                shown, earlier = tuple(json.loads(items)), tuple(json.loads(history))
                asked = json.loads(options)
            except (ValueError, TypeError, RecursionError) as error:
                raise OSError(
                    f"feedback {self.path}: list {row[0]!r} is damaged ({error}); restore the file from a copy"
                ) from error
            check_time(timestamp, f"list {name!r}", self.path)
            yield Impression(name, owner, timestamp, checkpoint, shown, propensities, earlier, asked)

    def reactions(self, user: str | None = None) -> Iterator[Reaction]:
        """The reactions, in the order in which they came; of one user or of all."""
        where, values = (
            ("", ()) if user is None else ("WHERE impression IN (SELECT id FROM impressions WHERE user = ?)", (user,))
        )
        query = f"SELECT number, impression, item, type, timestamp FROM reactions {where} ORDER BY number"
        for number, *row in self._rows(query, values):
            found = Reaction(*row)
            check_time(found.timestamp, f"reaction {number}", self.path)
            yield found

    def summary(self) -> FeedbackSummary:
        """Counts of the lists and reactions.

        Raises:
            OSError: If the file is damaged.
        """
        try:
            return summary_of(self._rows)
        except (TypeError, ValueError) as error:
            raise OSError(f"feedback {self.path} has no times ({error}); restore the file from a copy") from error

    def keep_latest(self, count: int) -> int:
        """Delete all lists but the latest ones, and the reactions to them; returns how many lists were deleted.

        Args:
            count: Lists that are kept.
        """
        last = "SELECT coalesce(max(rowid), 0) - ? FROM impressions"
        with self._lock, transaction(self._base) as base:
            (end,) = base.execute(last, (count,)).fetchone()
            base.execute(
                "DELETE FROM reactions WHERE impression IN (SELECT id FROM impressions WHERE rowid <= ?)", (end,)
            )
            return base.execute("DELETE FROM impressions WHERE rowid <= ?", (end,)).rowcount

    def delete(self, user: str) -> bool:
        """Delete the lists of a user and the reactions to them; returns whether there were any.

        Raises:
            TimeoutError: If another process keeps the write-ahead log from being emptied; call it again.
        """
        with self._lock:
            with transaction(self._base) as base:
                own = "(SELECT id FROM impressions WHERE user = ?)"
                base.execute(f"DELETE FROM reactions WHERE impression IN {own}", (user,))
                gone = base.execute("DELETE FROM impressions WHERE user = ?", (user,)).rowcount
            busy = self.path is not None and base.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if busy:
            raise TimeoutError(
                f"feedback {self.path}: rows are deleted, but another process reads the file; call again"
            )
        return bool(gone)

    def close(self) -> None:
        """Close the log."""
        with self._lock:
            self._file.base.close()

    def _rows(self, query: str, values: tuple[Any, ...]) -> list[Any]:
        with self._lock, reading(self.path), closing(self._base.execute(query, values)) as found:
            return found.fetchall()


def _written(impression: Impression) -> tuple[Any, ...]:
    """The row of a list."""
    drawn = None if impression.propensities is None else json.dumps(impression.propensities)
    items, history = (json.dumps(part, ensure_ascii=False) for part in (impression.items, impression.history))
    options = json.dumps(impression.options, ensure_ascii=False)
    who = impression.id, impression.user, impression.timestamp, impression.checkpoint
    return (*who, items, drawn, history, options)
