"""A connection to a Redis server, whose failures are errors of the standard library."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar
from urllib.parse import urlsplit

from ...tokenization.extras import check_packages

Given = ParamSpec("Given")
Result = TypeVar("Result")
SCHEMES = ("redis", "rediss")
_SECONDS = 5.0
"""Time that a command may take, and the connection, too."""


class OnRedis(Protocol):
    """A log on a Redis server.

    Attributes:
        place: Its host and port, for errors; without user and password.
    """

    place: str


Log = TypeVar("Log", bound=OnRedis)


def is_redis(url: str) -> bool:
    """Whether a URL is that of a Redis server."""
    return url.partition("://")[0] in SCHEMES


def place_of(url: str) -> str:
    """Host and port of a URL."""
    found = urlsplit(url)
    return f"{found.hostname}:{found.port or 6379}"


def connect(url: str, **options: Any) -> Any:
    """A client of `redis` that gets texts.

    Args:
        url: "redis://HOST:PORT/NUMBER", or "rediss:" with TLS.
        **options: Arguments of `redis.Redis.from_url`.

    Raises:
        MissingExtraError: If redis is not installed.
        ConnectionError: If no server answers.
    """
    check_packages("a state in Redis", ["redis"], "redis")
    import redis

    own = {"socket_timeout": _SECONDS, "socket_connect_timeout": _SECONDS, "decode_responses": True}
    base: Any = redis.Redis.from_url(url, **own, **options)
    try:
        base.ping()
    except redis.exceptions.RedisError as error:
        raise ConnectionError(f"state {place_of(url)}: no Redis answers: {error}") from error
    return base


def answered(method: Callable[Concatenate[Log, Given], Result]) -> Callable[Concatenate[Log, Given], Result]:
    """Let a method of a log raise `ConnectionError`, and not an error of `redis`, when the server does not answer."""

    @functools.wraps(method)
    def asked(self: Log, /, *given: Given.args, **named: Given.kwargs) -> Result:
        import redis

        try:
            return method(self, *given, **named)
        except redis.exceptions.RedisError as error:
            raise ConnectionError(f"state {self.place}: Redis does not answer: {error}") from error

    return asked
