"""How the hub on loopback talks HTTP: requests in, answers and errors out, faults in between."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from .repositories import HubError, Repository

if TYPE_CHECKING:
    from .server import Hub


@dataclass
class Fault:
    """A fault of the hub, for as many requests as `times` says.

    Args:
        method: HTTP method it strikes.
        path: Pattern that is searched for in the path.
        status: Status to answer with; None breaks the connection off after `after_bytes` of the body.
        times: Requests it strikes.
        retry_after: Seconds in the `Retry-After` header.
        after_bytes: Bytes of the request's or answer's body that get through first.
        delay: Seconds to wait before the request is served in the ordinary way, instead of failing.
    """

    method: str
    path: str
    status: int | None = None
    times: int = 1
    retry_after: int | None = None
    after_bytes: int = 0
    delay: float = 0.0


class DroppedError(Exception):
    """The connection was broken off on purpose."""


Route = tuple[str, re.Pattern[str], str]
ROUTES: list[Route] = []


def route(method: str, pattern: str) -> Callable[[Any], Any]:
    """Answer requests whose whole path fits the pattern by this method of the handler."""

    def register(function: Any) -> Any:
        ROUTES.append((method, re.compile(pattern), function.__name__))
        return function

    return register


class Handler(BaseHTTPRequestHandler):
    """One request."""

    hub: Hub
    protocol_version = "HTTP/1.1"
    body: bytes
    query: dict[str, list[str]]
    user: str | None
    cut: int | None = None

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._serve("GET")

    def do_HEAD(self) -> None:
        self._serve("HEAD")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_PUT(self) -> None:
        self._serve("PUT")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    def _serve(self, method: str) -> None:
        parts = urlsplit(self.path)
        self.query, self.cut = parse_qs(parts.query), None
        self.hub.requests.append(f"{method} {parts.path}")
        try:
            fault = self.hub.strike(method, parts.path)
            if fault is not None and fault.delay:
                time.sleep(fault.delay)
            elif fault is not None:
                self._fail(fault, method)
            self.body = self._read_body()
            self.user = self._who()
            for wanted, pattern, name in ROUTES:
                match = pattern.fullmatch(parts.path)
                if match and (wanted == method or (wanted, method) == ("GET", "HEAD")):
                    self._run(name, {key: unquote(value or "") for key, value in match.groupdict().items()})
                    return
            raise HubError(404, "NotFound", f"no such page: {method} {parts.path}")
        except HubError as error:
            code = {"X-Error-Code": error.code, "X-Error-Message": error.message}
            self.answer({"error": error.message}, error.status, {**code, **error.headers})
        except (DroppedError, ConnectionError):
            self._break_off()

    def _run(self, name: str, found: dict[str, str]) -> None:
        function = getattr(self, name)
        if "kind" in found:
            found["kind"] = found["kind"] or "model"
            with self.hub.store.lock:
                repository = self.hub.store.find(found.pop("kind"), found.pop("name"), self.user)
            function(repository, **found)
        else:
            function(**found)

    def _fail(self, fault: Fault, method: str) -> None:
        if fault.status is not None:
            self._read_body()
            retry = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
            raise HubError(fault.status, "ServerError", "the hub is out of order", retry)
        if method == "GET":
            self.cut = fault.after_bytes
            return
        self.rfile.read(min(fault.after_bytes, int(self.headers.get("Content-Length") or fault.after_bytes)))
        raise DroppedError

    def _break_off(self) -> None:
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:
            raise DroppedError
        return body

    def _who(self) -> str | None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        if not token:
            return None
        if token not in self.hub.store.users:
            raise HubError(401, "InvalidToken", "Invalid credentials in Authorization header")
        return self.hub.store.users[token]

    def _writer(self, repository: Repository | None = None, owner: str | None = None) -> str:
        if self.user is None:
            raise HubError(401, "Unauthorized", "Invalid username or password.")
        owner = owner if repository is None else repository.owner
        if owner is not None and self.user != owner:
            raise HubError(403, "Forbidden", f"You don't have the rights to write to the namespace {owner}")
        return self.user

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body or b"{}")

    def answer(self, content: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Send JSON, or bytes as they are."""
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        told = {"Content-Type": "application/json", "Content-Length": str(len(raw)), **(headers or {})}
        self.send_response(status)
        for name, value in told.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(raw if self.cut is None else raw[: self.cut])
        self.wfile.flush()
        if self.cut is not None:
            raise DroppedError
