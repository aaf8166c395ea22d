"""Requests over HTTP that are sent again when the service is busy or gone."""

from __future__ import annotations

import http.client
import io
import json
import random
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

BUSY = (429, 502, 503, 504)
"""Statuses after which a request is sent again: it was not answered, so nothing was done."""
_MOST_BACKOFF = 8.0


OTHER = "answer"
"""Kind of the error of an answer that is not that of a service."""


class RequestFailedError(Exception):
    """The service refused a request, or something else answered it.

    Args:
        status: HTTP status.
        message: What is wrong.
        kind: Kind of the error, such as invalid, unknown or overloaded; "answer" if the answer is not that of a
            service.
        retry_after: Seconds that the service asked to wait; None if it did not.
    """

    def __init__(self, status: int, message: str, kind: str = "error", retry_after: float | None = None) -> None:
        super().__init__(f"status {status}: {message}")
        self.status, self.message, self.kind, self.retry_after = status, message, kind, retry_after


class Transport:
    """Sends requests, on one connection per thread.

    Args:
        url: Address of the service, such as "http://127.0.0.1:8000".
        headers: Headers of every request.
        timeout: Seconds of one attempt, from the connection to the end of the answer.
        retries: Times that a request is sent again.
        backoff: Seconds before the first repetition; they double each time, and a random share is left out.
        max_wait: Seconds that one request may spend on waiting between repetitions.

    Raises:
        ValueError: If the address is not one of http or https, or a number is out of range.
    """

    def __init__(
        self, url: str, headers: Mapping[str, str], timeout: float, retries: int, backoff: float, max_wait: float
    ) -> None:
        place = urlsplit(url)
        if place.scheme not in ("http", "https") or not place.hostname:
            raise ValueError(f"url is {url!r}; give an address such as 'http://127.0.0.1:8000'")
        for name, value in (("timeout", timeout), ("backoff", backoff), ("max_wait", max_wait)):
            if not value > 0:
                raise ValueError(f"{name} is {value}; give a number of seconds above 0")
        if retries < 0:
            raise ValueError(f"retries is {retries}; give 0 or more")
        self.place, self.headers = place, dict(headers)
        self.timeout, self.retries, self.backoff, self.max_wait = timeout, retries, backoff, max_wait
        self._local = threading.local()

    def send(self, method: str, path: str, body: Any = None, *, retries: int | None = None) -> Any:
        """Send a request, and again if it was refused as busy or the connection broke.

        It may then be done twice, so every request has to be one that can be.

        Args:
            method: Method, such as POST.
            path: Path with percent-encoded parts.
            body: Body, sent as JSON; None for none.
            retries: Times that it is sent again; None for the number of the transport.

        Returns:
            The answer, read from JSON.

        Raises:
            RequestFailedError: If the service refused every attempt, or its answer is not a JSON object.
            ConnectionError: If no connection was possible, or every attempt broke.
        """
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        waited, last = 0.0, self.retries if retries is None else retries
        for attempt in range(last + 1):
            error: RequestFailedError | ConnectionError
            asked = None
            try:
                return self._once(method, path, content)
            except RequestFailedError as refused:
                error, asked = refused, refused.retry_after
                if refused.status not in BUSY:
                    raise
            except (OSError, http.client.HTTPException) as broken:
                error = ConnectionError(f"{self._shown}: {broken or type(broken).__name__}")
            pause = max(self._pause(attempt), asked or 0.0)
            if attempt == last or waited + pause > self.max_wait:
                raise error
            time.sleep(pause)
            waited += pause
        raise AssertionError("the last attempt returns or raises")

    def close(self) -> None:
        """Close the connection of this thread."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    @property
    def _shown(self) -> str:
        return f"{self.place.scheme}://{self.place.netloc.rpartition('@')[2]}"

    def _pause(self, attempt: int) -> float:
        """Half to all of the backoff, so that clients that were refused together do not come back together."""
        return min(_MOST_BACKOFF, self.backoff * 2.0**attempt) * random.uniform(0.5, 1.0)

    def _once(self, method: str, path: str, content: bytes | None) -> Any:
        headers = {"Accept": "application/json", **self.headers}
        if content is not None:
            headers["Content-Type"] = "application/json"
        end = time.monotonic() + self.timeout
        connection = self._connection()
        try:
            assert connection.sock is not None
            connection.sock.settimeout(_left(end))
            connection.request(method, f"{self.place.path.rstrip('/')}{path}", content, headers)
            connection.response_class = partial(_TimedResponse, end=end)  # type: ignore[assignment]
            answer = connection.getresponse()
            found = answer.read()
        except BaseException:
            self.close()
            raise
        if answer.will_close:
            self.close()
        if 200 <= answer.status < 300:
            return _object(answer.status, found)
        raise _failure(answer.status, found, answer.headers.get("Retry-After"))

    def _connection(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is not None and connection.sock is not None:
            return connection
        host, port = self.place.hostname or "", self.place.port
        if self.place.scheme == "https":
            connection = http.client.HTTPSConnection(
                host, port, timeout=self.timeout, context=ssl.create_default_context()
            )
        else:
            connection = http.client.HTTPConnection(host, port, timeout=self.timeout)
        connection.connect()
        self._local.connection = connection
        return connection


class _TimedResponse(http.client.HTTPResponse):
    """An answer that has to be read by a time, however many parts it comes in.

    Args:
        sock: The connection.
        end: The time, as of `time.monotonic`.
        **options: Of `http.client.HTTPResponse`.
    """

    def __init__(self, sock: socket.socket, *, end: float, **options: Any) -> None:
        super().__init__(sock, **options)
        self.fp.close()
        self.fp = io.BufferedReader(_TimedParts(sock, end))


class _TimedParts(io.RawIOBase):
    """The bytes of a connection until a time."""

    def __init__(self, sock: socket.socket, end: float) -> None:
        self._sock, self._end = sock, end
        self._parts = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(_left(self._end))
        return self._parts.readinto(buffer)

    def close(self) -> None:
        self._parts.close()
        super().close()


def _left(end: float) -> float:
    """Seconds until a time.

    Raises:
        TimeoutError: If it has passed.
    """
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def _object(status: int, content: bytes) -> dict[str, Any]:
    """An answer that is an object of JSON.

    Raises:
        RequestFailedError: If it is something else, such as the page of a proxy.
    """
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        shown = content[:80].decode("utf-8", "replace") or "no text"
        raise RequestFailedError(status, f"the answer is not a JSON object: {shown}; check url", OTHER)
    return found


def _failure(status: int, content: bytes, retry_after: str | None) -> RequestFailedError:
    """The error of an answer; one that is not from the service, such as of a proxy, has its first words."""
    try:
        body = json.loads(content)
        message, kind = str(body["error"]), str(body.get("error_type", "error"))
    except (ValueError, KeyError, TypeError, AttributeError):
        message, kind = content[:200].decode("utf-8", "replace") or "no text", "error"
    return RequestFailedError(status, message, kind, _seconds(retry_after))


def _seconds(retry_after: str | None) -> float | None:
    """Seconds of a header Retry-After, which is a number or a date; None if it is neither."""
    if retry_after is None:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None
