"""Around every request: the size of its body, the key, times, metrics, one line of log, and errors as JSON."""

from __future__ import annotations

import asyncio
import codecs
import hmac
import json
import logging
import time

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import InvalidRequestError, ServiceError, SlowBodyError, TooLargeError, UnauthorizedError
from .gate import Gates, Timing
from .settings import ServeSettings
from .telemetry import UNKNOWN_PATH, Telemetry

logger = logging.getLogger(__name__)
OPEN_PATHS = ("/health/live", "/health/ready")
"""Paths that need no key."""
_OF_MODEL = ("/recommend", "/query", "/recommend/batch", "/chat", "/explain", "/similar")
_OF_STORE = ("/events",)
"""Paths of requests that are refused before their body is read, if too many wait already."""


class Around:
    """The middleware.

    Args:
        app: The application.
        settings: The settings.
        keys: Valid API keys; empty to answer everybody.
        telemetry: The metrics.
        gates: The gates of the requests.
    """

    def __init__(
        self, app: ASGIApp, settings: ServeSettings, keys: frozenset[str], telemetry: Telemetry, gates: Gates
    ) -> None:
        self.app, self.settings, self.telemetry = app, settings, telemetry
        self._keys = [key.encode() for key in keys]
        self._gates = dict.fromkeys(_OF_MODEL, gates.model) | dict.fromkeys(_OF_STORE, gates.store)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        exchange = _Exchange(receive, send, self.settings.max_body_bytes, self.settings.body_timeout)
        scope.setdefault("state", {})["timing"] = exchange.timing
        try:
            error = await self._failure(scope, exchange)
            if error is not None:
                await exchange.answer(error)
        finally:
            self._count(scope, exchange)

    async def _failure(self, scope: Scope, exchange: _Exchange) -> ServiceError | None:
        """Let the application answer; returns the error that is left to answer, if there is one."""
        try:
            self._check(scope)
            if scope["method"] == "POST" and scope["path"] in self._gates:
                self._gates[scope["path"]].check()
            await self.app(scope, exchange.receive, exchange.send)
        except Exception as error:
            if exchange.started:
                raise
            return exchange.refused or _as_service_error(error)
        return exchange.refused

    def _check(self, scope: Scope) -> None:
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self.settings.max_body_bytes:
            raise TooLargeError(f"the body has {int(length):,} bytes; {self.settings.max_body_bytes:,} are the limit")
        if not self._keys or scope["path"] in OPEN_PATHS or scope["method"] == "OPTIONS":
            return
        given = headers.get(b"x-api-key", b"")
        if not any(hmac.compare_digest(given, key) for key in self._keys):
            raise UnauthorizedError()

    def _count(self, scope: Scope, exchange: _Exchange) -> None:
        path: str = scope["path"]
        refused = path if path in self._gates else UNKNOWN_PATH  # before the route was found
        route = getattr(scope.get("route"), "path_format", refused)
        timing, total = exchange.timing, time.perf_counter() - exchange.begin
        self.telemetry.request(route, exchange.status, total, timing if timing.model or timing.queue else None)
        line = {
            "route": route, "method": scope["method"], "status": exchange.status, "total_ms": round(1000 * total, 2),
            "queue_ms": round(1000 * timing.queue, 2), "model_ms": round(1000 * timing.model, 2),
        }  # fmt: skip
        logger.info(json.dumps(line))


class _Exchange:
    """Messages of one request and its answer.

    Args:
        receive: Of the server.
        send: Of the server.
        limit: Largest body in bytes.
        seconds: Time in which the whole body has to arrive.
    """

    def __init__(self, receive: Receive, send: Send, limit: int, seconds: float) -> None:
        self._receive, self._send, self._limit, self._seconds = receive, send, limit, seconds
        self.begin, self.timing, self.status = time.perf_counter(), Timing(), 500
        self.started, self._size, self._whole, self._head = False, 0, False, b""
        self.refused: ServiceError | None = None

    async def receive(self) -> Message:
        """The next part of the body, up to the limits of size and time."""
        if self._whole:
            return await self._receive()
        left = self._seconds - (time.perf_counter() - self.begin)
        try:
            async with asyncio.timeout(max(0.0, left)):
                message = await self._receive()
        except TimeoutError:
            self.refused = SlowBodyError(f"the body did not arrive within {self._seconds:g} s; send it faster")
            raise self.refused from None
        self._size += len(message.get("body", b""))
        self._head = (self._head + message.get("body", b"")[:4])[:4]
        if _is_wide(self._head):
            self.refused = InvalidRequestError("the body is in UTF-16 or UTF-32; send JSON in UTF-8")
            raise self.refused
        self._whole = not message.get("more_body", False)
        if self._size > self._limit:
            self.refused = TooLargeError(f"the body has more than {self._limit:,} bytes")
            raise self.refused
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the answer; what the framework says about a body that was cut off is left out."""
        if self.refused is None:
            await self._send_timed(message)

    async def answer(self, error: ServiceError) -> None:
        """Send an error."""
        body = orjson.dumps(error.body())
        pairs = {"content-type": "application/json", "content-length": str(len(body)), **error.headers}
        if error.status in (408, 413):
            pairs["connection"] = "close"  # the rest of the body is not read
        headers = [(name.lower().encode(), value.encode()) for name, value in pairs.items()]
        await self._send_timed({"type": "http.response.start", "status": error.status, "headers": headers})
        await self._send_timed({"type": "http.response.body", "body": body})

    async def _send_timed(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.started = message["status"], True
            total = time.perf_counter() - self.begin
            for name, seconds in (("queue", self.timing.queue), ("model", self.timing.model), ("total", total)):
                message["headers"].append((f"x-{name}-time".encode(), f"{1000 * seconds:.2f}".encode()))
        await self._send(message)


def _is_wide(head: bytes) -> bool:
    """Whether a body begins as UTF-16 or UTF-32 does: with their mark, or with a zero byte in an ASCII character."""
    return b"\0" in head or head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def _as_service_error(error: Exception) -> ServiceError:
    if isinstance(error, ServiceError):
        return error
    logger.error("a request failed: %s", type(error).__name__, exc_info=error)
    return ServiceError("the service failed; its log has the cause")
