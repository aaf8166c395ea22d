"""The log of sessions behind a URL."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from ...modeling_xcat.arguments_xcat import kind_of
from ...ranking.sessions.log import EventLog, MemoryLog
from .redis_log import RedisLog
from .redis_server import is_redis
from .sqlite_log import SQLiteLog

MEMORY = "memory:"
_FORMS = "give 'memory:', 'sqlite:///state.db' or 'redis://localhost:6379/0'"


def open_state(
    url: str = MEMORY, expire_after: float | None = None, clock: Callable[[], float] = time.time
) -> EventLog:
    """Open the log of sessions of a URL.

    Args:
        url: "memory:", "sqlite:///state.db" (a path relative to the working directory; an absolute one has four
            slashes), or "redis://HOST:PORT/NUMBER" (extra `redis`; "rediss:" with TLS).
        expire_after: Seconds after a user's last event until the events are deleted; None for never.
        clock: Returns the seconds since 1970; Redis has its own clock for the expiry.

    Raises:
        ValueError: If the URL has another form, or `expire_after` is not positive.
        OSError: If the file cannot be opened, is no log of sessions, or no server answers.
        MissingExtraError: If redis is not installed.
    """
    if not isinstance(url, str):
        raise ValueError(f"state is {kind_of(url)}; {_FORMS}")
    scheme, path = url.partition(":")[0], unquote(urlsplit(url).path)
    if url == MEMORY:
        return MemoryLog(expire_after, clock)
    if scheme == "sqlite" and url.startswith("sqlite:///") and path.strip("/"):
        return SQLiteLog(path[1:], expire_after, clock)
    if is_redis(url):
        return RedisLog(url, expire_after)
    raise ValueError(f"state begins with {scheme!r}; {_FORMS}")
