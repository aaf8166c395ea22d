"""A SQLite file that stays open, and is noticed to be gone."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


class OpenFile:
    """A connection to a SQLite file that is checked before each use.

    SQLite goes on writing into a file that was removed, and what it writes is lost. So a missing file is an error, and
    another file in its place is opened.

    Args:
        path: The file; None for a database in memory.
        connect: Opens the connection.

    Attributes:
        base: The connection.
        generation: Number of files that were opened in its place.
    """

    def __init__(self, path: Path | None, connect: Callable[[], sqlite3.Connection]) -> None:
        self.path, self._connect, self.generation = path, connect, 0
        self.base = connect()
        self._identity = self._found()

    def check(self) -> bool:
        """Open the file again if it is another one; returns whether it was.

        Raises:
            OSError: If there is no file.
        """
        if self.path is None:
            return False
        now = self._found()
        if now == self._identity:
            return False
        fresh = self._connect()
        self.base.close()
        self.base, self._identity, self.generation = fresh, self._found(), self.generation + 1
        return True

    @property
    def checked(self) -> sqlite3.Connection:
        """The connection after `check`.

        Raises:
            OSError: If there is no file.
        """
        self.check()
        return self.base

    def _found(self) -> tuple[int, int] | None:
        if self.path is None:
            return None
        try:
            found = os.stat(self.path)
        except OSError as error:
            raise OSError(
                f"the store {self.path} is gone ({error.strerror}); put the file back, or make an empty one"
            ) from error
        return found.st_dev, found.st_ino


@contextmanager
def reading(path: Path | None) -> Iterator[None]:
    """Let the errors of a damaged file name it.

    Args:
        path: The file; None for a database in memory.

    Raises:
        OSError: In place of an error of SQLite.
    """
    try:
        yield
    except (sqlite3.Error, UnicodeError) as error:  # a damaged schema makes messages that are no text
        raise OSError(f"the store {path} cannot be read: {error}; restore the file from a copy") from error


@contextmanager
def transaction(base: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[sqlite3.Connection]:
    """A transaction, undone after an error, also one of its end such as a full disk, so that the next one can begin.

    Args:
        base: A connection without its own transactions (`isolation_level=None`).
        kind: IMMEDIATE for one that other writers wait for, DEFERRED for reading.
    """
    base.execute(f"BEGIN {kind}")
    try:
        yield base
        base.execute("COMMIT")
    except BaseException:
        if base.in_transaction:
            base.execute("ROLLBACK")
        raise
