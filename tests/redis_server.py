"""A Redis server for tests: the program `redis-server` where it is installed, otherwise fakeredis on a socket."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fakeredis
import redis

PROGRAM = shutil.which("redis-server")


class RedisProcess:
    """A `redis-server` on a port of the loopback, which can be stopped and started again.

    Args:
        folder: Where its append-only file is; every command is on the disk before it is answered.
    """

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._command = [
            str(PROGRAM), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes",
            "--appendfsync", "always", "--dir", str(folder), "--daemonize", "no",
        ]  # fmt: skip
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        client = redis.Redis(port=self.port, retry=None)
        for _ in range(500):
            try:
                client.ping()
                return
            except redis.exceptions.RedisError:
                assert self._process.poll() is None, "redis-server ended"
                time.sleep(0.02)
        raise AssertionError("redis-server does not answer")

    def kill(self) -> None:
        """End it as a crash would."""
        self._process.kill()
        self._process.wait()


@contextmanager
def redis_url(folder: Path) -> Iterator[str]:
    """The URL of an empty server."""
    if PROGRAM is not None:
        server = RedisProcess(folder)
        try:
            yield server.url
        finally:
            server.kill()
        return
    fake = fakeredis.TcpFakeServer(("127.0.0.1", 0), server_type="redis")
    threading.Thread(target=fake.serve_forever, daemon=True).start()
    try:
        yield f"redis://127.0.0.1:{fake.server_address[1]}/0"
    finally:
        fake.shutdown()
        fake.server_close()
