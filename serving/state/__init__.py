"""Logs of sessions that outlive the process: SQLite and Redis."""

from __future__ import annotations

from ...lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .redis_log import RedisLog as RedisLog
    from .sqlite_log import SQLiteLog as SQLiteLog
    from .urls import open_state as open_state

_EXPORTS = {
    "RedisLog": ".redis_log",  # a log on a Redis server
    "SQLiteLog": ".sqlite_log",  # a log in a SQLite file
    "open_state": ".urls",  # opens the log of a URL
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)
