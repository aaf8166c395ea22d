"""Errors of the service: one form of body for all, and a status for each kind."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .wording import with_fields


class ServiceError(Exception):
    """An error that is answered with its own status.

    Args:
        message: What is wrong and what to do.
        kind: Kind of the error, for programs.
        status: HTTP status.
        headers: Headers of the answer.
    """

    kind, status = "error", 500

    def __init__(self, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.message, self.headers = message, headers or {}

    def body(self) -> dict[str, Any]:
        """The body of the answer; characters of a request that cannot be encoded are question marks."""
        return {"error": self.message.encode(errors="replace").decode(), "error_type": self.kind}


class InvalidRequestError(ServiceError):
    """A value of the request cannot be used."""

    kind, status = "invalid", 422

    def __init__(self, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(with_fields(message), headers)


class UnauthorizedError(ServiceError):
    """The key is missing or wrong."""

    kind, status = "unauthorized", 401

    def __init__(self) -> None:
        super().__init__("give a valid key in the header X-API-Key", {"WWW-Authenticate": "ApiKey"})


class UnknownError(ServiceError):
    """There is no such item, user or dialogue."""

    kind, status = "unknown", 404


class TooLargeError(ServiceError):
    """The body or the batch is too large."""

    kind, status = "too_large", 413


class SlowBodyError(ServiceError):
    """The body did not arrive in time."""

    kind, status = "slow_body", 408


class OverloadedError(ServiceError):
    """Too many requests wait already.

    Args:
        seconds: Time after which a request has a chance.
    """

    kind, status = "overloaded", 429

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many requests wait; try again in {seconds} s", {"Retry-After": str(seconds)})


class UnavailableError(ServiceError):
    """The service cannot answer now: it starts, stops, or its store does not answer."""

    kind, status = "unavailable", 503

    def __init__(self, message: str, seconds: int = 1) -> None:
        super().__init__(message, {"Retry-After": str(seconds)})


class ClientGoneError(ServiceError):
    """The client has closed the connection, so nothing was computed; nobody reads the answer."""

    kind, status = "client_gone", 499

    def __init__(self) -> None:
        super().__init__("the client has gone")


@contextmanager
def store_guard() -> Iterator[None]:
    """A store that does not answer is status 503, and the service goes on."""
    try:
        yield
    except (sqlite3.Error, ConnectionError, TimeoutError, OSError) as error:
        raise UnavailableError(f"the store does not answer: {error}") from error
