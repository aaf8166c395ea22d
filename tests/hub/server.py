"""A small hub on loopback that the real clients push to and pull from, with faults on demand.

It answers what `huggingface_hub`, `transformers`, `datasets` and `peft` ask: accounts, repositories, commits with
large files, branches, tags, pull requests, private and gated repositories, listings and downloads.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from typing import Any

from .api import HubApi
from .repositories import Repository, Store
from .wire import Fault


class Hub:
    """The server; `with Hub() as hub` starts and stops it.

    Attributes:
        store: State of the hub.
        faults: Faults to come.
        requests: Method and path of every request so far.
    """

    def __init__(self) -> None:
        self.store = Store()
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("BoundHandler", (HubApi,), {"hub": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Hub:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def add_user(self, name: str) -> str:
        """A new user's token."""
        token = f"hf_{name}"
        self.store.users[token] = name
        return token

    def repository(self, name: str, kind: str = "model") -> Repository:
        """A repository, regardless of access rights."""
        return self.store.repositories[kind, name]

    @contextmanager
    def fault(self, **settings: Any) -> Iterator[Fault]:
        """A fault while the block lasts."""
        fault = Fault(**settings)
        self.faults.append(fault)
        try:
            yield fault
        finally:
            self.faults.remove(fault)

    def strike(self, method: str, path: str) -> Fault | None:
        """The fault that a request meets; its count goes down."""
        with self.store.lock:
            for fault in self.faults:
                if fault.times > 0 and fault.method == method and re.search(fault.path, path):
                    fault.times -= 1
                    return fault
        return None
