"""The service on a socket of the loopback in this process, and requests as bytes, which no client would send."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from xcat_rec.serving.http.app import create_app
from xcat_rec.serving.http.engine import Engine
from xcat_rec.serving.http.run import server_config
from xcat_rec.serving.http.settings import ServeSettings


@contextmanager
def running(checkpoint: Path, **settings: Any) -> Iterator[int]:
    """Serve a checkpoint in a thread; yields the port."""
    chosen = ServeSettings(**settings)
    server = uvicorn.Server(server_config(create_app(Engine(str(checkpoint), chosen)), chosen))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.01)
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


def exchange(port: int, *parts: bytes, pause: float = 0.0) -> tuple[int, bytes]:
    """Send bytes in parts, with pauses between them, and read to the end: status and body; 0 without an answer."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        try:
            for number, part in enumerate(parts):
                time.sleep(pause if number else 0)
                connection.sendall(part)
            while data := connection.recv(1 << 16):
                received += data
        except ConnectionError:
            pass  # the service may close a connection whose body it does not read
    head, _, body = received.partition(b"\r\n\r\n")
    return (int(head.split()[1]) if head else 0), body


def request(method: bytes, path: bytes, body: bytes = b"", **headers: bytes) -> bytes:
    """A request as bytes; names of headers have underscores for hyphens."""
    sent = {"host": b"x", "connection": b"close", "content_type": b"application/json", **headers}
    sent.setdefault("content_length", b"%d" % len(body))
    lines = b"".join(b"%s: %s\r\n" % (name.replace("_", "-").encode(), value) for name, value in sent.items())
    return b"%s %s HTTP/1.1\r\n%s\r\n%s" % (method, path, lines, body)
