"""The log of feedback of a store."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ..state.redis_server import is_redis
from .feedback_log import FeedbackLog
from .redis_feedback import RedisFeedback


def open_feedback(store: str | os.PathLike[str], *, reading: bool = False) -> FeedbackLog | RedisFeedback:
    """Open the log of lists and reactions of a store: in the same file, or on the same server, as the events.

    Args:
        store: "memory:", "sqlite:///state.db" or "redis://HOST:PORT/NUMBER", as of `ServeSettings`; or a SQLite file.
        reading: Whether an existing log is only read.

    Raises:
        OSError: If the file is no log or cannot be opened, or no server answers.
        MissingExtraError: If redis is not installed.
    """
    name = os.fspath(store)
    if is_redis(name):
        return RedisFeedback(name)
    if name == "memory:":
        return FeedbackLog()
    return FeedbackLog(sqlite_file(name), reading=reading)


def sqlite_file(store: str | os.PathLike[str]) -> Path:
    """The SQLite file of a store.

    Args:
        store: The file, or its URL, "sqlite:///state.db".

    Raises:
        ValueError: If the store is something else, such as a Redis server.

    Example:
        >>> sqlite_file("sqlite:///state.db").name, sqlite_file("state.db").name
        ('state.db', 'state.db')
    """
    name = os.fspath(store)
    if name.startswith("sqlite:///"):
        return Path(unquote(urlsplit(name).path)[1:])
    if is_redis(name) or name == "memory:":
        raise ValueError(f"log is the store {name.partition(':')[0]}:, which is no file; give a SQLite file")
    return Path(name)
