"""A log of sessions in a SQLite file."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...ranking.sessions.events import SessionEvent
from ...ranking.sessions.log import NewEvent, Statement, UserRecord, checked_expiry, in_order
from .open_file import OpenFile, reading, transaction
from .stored_times import check_time

LEAST_FREE = 2**20
"""Bytes of the disk below which the log does not count as writable."""
_VERSION = 1
_WAIT_MS = 5_000
_TABLES = """
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, user TEXT NOT NULL, key TEXT NOT NULL, received REAL NOT NULL,
    item TEXT NOT NULL, timestamp INTEGER NOT NULL, type TEXT NOT NULL, rating REAL, text TEXT NOT NULL,
    event_id TEXT NOT NULL, UNIQUE (user, key)
);
CREATE TABLE statements (
    id INTEGER PRIMARY KEY AUTOINCREMENT, user TEXT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL,
    UNIQUE (user, kind, value)
);
"""
_OF_USER = (
    "SELECT (SELECT count(*) FROM events WHERE user = ?1), (SELECT max(id) FROM events WHERE user = ?1), "
    "(SELECT count(*) FROM statements WHERE user = ?1), (SELECT max(id) FROM statements WHERE user = ?1), "
    "(SELECT max(received) FROM events WHERE user = ?1)"
)
_EVENTS_AFTER = (
    "SELECT id, item, timestamp, type, rating, text, event_id FROM events WHERE user = ? AND id > ? ORDER BY id"
)
_OF_FEEDBACK = {"impressions", "reactions", "sqlite_sequence"}
"""Tables of `FeedbackLog` in the same file, which may have been opened first."""
_KNOWN_USERS = 1000
"""Users whose events are kept in memory, those that were read last."""


class SQLiteLog:
    """A log of sessions in a SQLite file, which several processes can share.

    A change is on the disk when its method returns (write-ahead log, synchronous=FULL). Deleted rows are overwritten
    with zeros and the write-ahead log is emptied, so no byte of a deleted user stays in the files. Reads have a
    connection of their own, so they do not wait for the disk.

    Args:
        path: The file; it is made if it is missing, for its owner only.
        expire_after: See `EventLog`.
        clock: Returns the seconds since 1970.

    Raises:
        OSError: If the file cannot be opened, or is not a log of sessions.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        expire_after: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path, self.expire_after, self.clock = Path(path), checked_expiry(expire_after), clock
        self._lock, self._reading = threading.RLock(), threading.RLock()
        self._known: dict[str, list[tuple[int, SessionEvent]]] = {}
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            self._writing_file = OpenFile(self.path, self._connected)
            self._reading_file = OpenFile(self.path, self._connected)
        except (OSError, sqlite3.Error, UnicodeError) as error:
            raise OSError(f"state {self.path} cannot be opened as a log of sessions: {error}") from error

    @property
    def _base(self) -> sqlite3.Connection:
        """The connection for changes; the caller has `_lock`.

        Raises:
            OSError: If the file is gone.
        """
        return self._writing_file.checked

    @property
    def _reader(self) -> sqlite3.Connection:
        """The connection for reading; the caller has `_reading`.

        Raises:
            OSError: If the file is gone.
        """
        if self._reading_file.check():
            self._known.clear()
        return self._reading_file.base

    def _connected(self) -> sqlite3.Connection:
        base = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None)
        for setting in ("busy_timeout", _WAIT_MS), ("journal_mode", "WAL"), ("synchronous", "FULL"):
            base.execute("PRAGMA {} = {}".format(*setting)).fetchall()
        base.execute("PRAGMA secure_delete = ON").fetchall()
        with transaction(base):
            version = base.execute("PRAGMA user_version").fetchone()[0]
            known = {name for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if version == 0 and known <= _OF_FEEDBACK:
                for table in _TABLES.split(";"):
                    base.execute(table)
                base.execute(f"PRAGMA user_version = {_VERSION}")
            elif version != _VERSION or not {"events", "statements"} <= known:
                raise sqlite3.DatabaseError("it is another database; give the name of a new file")
        return base

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """A transaction that other writers wait for."""
        with self._lock, transaction(self._base) as base:
            yield base

    def append(self, user: str, event: SessionEvent, key: str) -> bool:
        """As in `EventLog`."""
        return self.append_many([NewEvent(user, event, key)])[0]

    def append_many(self, events: Sequence[NewEvent]) -> list[bool]:
        """As in `EventLog`; the disk is waited for once."""
        for user in {one.user for one in events}:
            self._expire_user(user)
        with self._change() as base:
            return [self._append(base, *one) for one in events]

    def _append(self, base: sqlite3.Connection, user: str, event: SessionEvent, key: str) -> bool:
        now = self.clock()
        values = (
            user, key, now, event.item_id, event.timestamp, event.event_type, event.rating, event.text, event.event_id,
        )  # fmt: skip
        added = base.execute(
            "INSERT OR IGNORE INTO events (user, key, received, item, timestamp, type, rating, text, event_id) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        ).rowcount
        if not added:
            base.execute("UPDATE events SET received = ? WHERE user = ? AND key = ?", (now, user, key))
        return bool(added)

    def state(self, user: str, statement: Statement) -> bool:
        """As in `EventLog`."""
        with self._change() as base:
            row = (user, *statement)
            added = base.execute("INSERT OR IGNORE INTO statements (user, kind, value) VALUES (?, ?, ?)", row).rowcount
        return bool(added)

    def forget(self, user: str, statement: Statement | None = None) -> int:
        """As in `EventLog`."""
        if statement is None:
            return self._delete("DELETE FROM statements WHERE user = ?", (user,))
        return self._delete("DELETE FROM statements WHERE user = ? AND kind = ? AND value = ?", (user, *statement))

    def version(self, user: str) -> Hashable:
        """As in `EventLog`."""
        self._expire_user(user)
        with self._reading:
            found = self._rows(_OF_USER, user)[0][:4]
            return (self._reading_file.generation, *found)

    def read(self, user: str) -> UserRecord:
        """As in `EventLog`."""
        self._expire_user(user)
        statements = self._rows("SELECT kind, value FROM statements WHERE user = ? ORDER BY id", user)
        return UserRecord(in_order(self._events(user)), tuple(Statement(*row) for row in statements))

    def _events(self, user: str) -> list[tuple[int, SessionEvent]]:
        """The events of a user with their numbers; only those that came after the last call are read again."""
        with self._reading, reading(self.path):
            base = self._reader
            known = self._known.pop(user, [])
            with transaction(base, "DEFERRED"):  # count and events of one moment
                count = base.execute("SELECT count(*) FROM events WHERE user = ?", (user,)).fetchone()[0]
                new = base.execute(_EVENTS_AFTER, (user, known[-1][0] if known else 0)).fetchall()
                if len(known) + len(new) != count:  # the user was deleted, or the events have expired
                    known, new = [], base.execute(_EVENTS_AFTER, (user, 0)).fetchall()
            for number, _, moment, *_ in new:
                check_time(moment, f"event {number}", self.path)
            known = known + [(number, SessionEvent(*values)) for number, *values in new]
            self._known[user] = known
            if len(self._known) > _KNOWN_USERS:
                del self._known[next(iter(self._known))]
            return known

    def delete(self, user: str) -> bool:
        """As in `EventLog`.

        Raises:
            TimeoutError: If another process keeps the write-ahead log from being emptied; call it again.
        """
        self._expire_user(user)
        with self._change() as base:
            gone = sum(
                base.execute(f"DELETE FROM {table} WHERE user = ?", (user,)).rowcount
                for table in ("events", "statements")
            )
        with self._reading:
            self._known.pop(user, None)
        self._empty_write_ahead_log()
        return bool(gone)

    def expire(self) -> int:
        """As in `EventLog`."""
        if self.expire_after is None:
            return 0
        last = (self.clock() - self.expire_after,)
        with self._lock:
            users = self._base.execute("SELECT user FROM events GROUP BY user HAVING max(received) < ?", last)
            return sum(self._expire_user(user) for (user,) in users.fetchall())

    def check_writable(self) -> None:
        """Write the version of the tables again, which takes a page of the write-ahead log.

        Raises:
            OSError: If the file is gone, or the disk has less than `LEAST_FREE` bytes left.
            sqlite3.Error: If it cannot be written.
        """
        free = shutil.disk_usage(self.path.parent).free
        if free < LEAST_FREE:  # a page may still fit, and an event may not
            raise OSError(f"state {self.path}: its disk has {free:,} bytes left; free {LEAST_FREE:,} at least")
        with self._change() as base:
            base.execute(f"PRAGMA user_version = {_VERSION}")

    def close(self) -> None:
        """As in `EventLog`."""
        with self._lock, self._reading:
            self._reading_file.base.close()
            self._writing_file.base.close()

    def _rows(self, query: str, user: str) -> list[Any]:
        with self._reading, reading(self.path):
            return self._reader.execute(query, (user,)).fetchall()

    def _expire_user(self, user: str) -> bool:
        """Delete the events of a user if they have expired."""
        if self.expire_after is None:
            return False
        seen = self._rows(_OF_USER, user)[0][4]
        if seen is None or self.clock() - seen <= self.expire_after:
            return False
        return bool(self._delete("DELETE FROM events WHERE user = ?", (user,)))

    def _delete(self, query: str, values: tuple[str, ...]) -> int:
        with self._change() as base:
            gone = base.execute(query, values).rowcount
        if gone:
            self._empty_write_ahead_log()
        return gone

    def _empty_write_ahead_log(self) -> None:
        """Write the zeros over deleted rows into the database, and empty the log that still has the rows."""
        with self._lock, self._reading:
            busy = self._base.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if busy:
            raise TimeoutError(
                f"state {self.path}: the rows are deleted, but another process reads the file, so its write-ahead log "
                "still has their bytes; call delete again"
            )
