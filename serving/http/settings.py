"""Settings of the HTTP service: from arguments, or from environment variables of the same names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from ...ranking.index.collection_urls import collection_of

PREFIX = "XCAT_SERVE_"
"""Environment variables are this and the name of a setting in capitals: `XCAT_SERVE_PORT`."""
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, repr=False)
class ServeSettings:
    """Settings of the HTTP service.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 for a free one.
        store: Log of events and lists: "memory:", "sqlite:///state.db", or "redis://HOST:PORT/NUMBER".
        index: Folder of an index (`xcat index`), in which added and deleted items are saved; or the collection of a
            Qdrant server, "qdrant://HOST:PORT/COLLECTION". None for an index in memory.
        support_log: Table with the columns question and answer, from which chats answer questions about service.
        api_key_file: File with one key per line; None to answer everybody.
        cors_origins: Web pages that may call the service, such as "https://shop.example"; "*" for all.
        workers: Threads that compute lists.
        max_together: Requests whose lists are computed in one batch; none waits for others.
        processes: Processes behind the port, each with the checkpoint in its memory; they need a store that is shared.
        max_waiting: Requests that may wait for a thread; more are refused with status 429.
        max_delay: Seconds; a request that would probably wait for longer is refused at once with status 429.
        max_batch: Requests, events or items per call.
        max_body_bytes: Largest body.
        max_k: Largest list.
        timeout: Seconds that a request may wait.
        body_timeout: Seconds in which the body of a request has to arrive.
        expire_after: Seconds after a user's last event until the events are deleted; None for never.
        drain: Seconds for running requests when the service stops.

    Raises:
        ValueError: If a number is out of range.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    store: str = "memory:"
    index: Path | str | None = None
    support_log: Path | None = None
    api_key_file: Path | None = None
    cors_origins: tuple[str, ...] = ()
    workers: int = 1
    max_together: int = 16
    processes: int = 1
    max_waiting: int = 32
    max_batch: int = 32
    max_body_bytes: int = 1_000_000
    max_k: int = 200
    max_delay: float = 0.5
    timeout: float = 5.0
    body_timeout: float = 10.0
    expire_after: float | None = None
    drain: float = 10.0

    def __post_init__(self) -> None:
        if isinstance(self.index, str):
            object.__setattr__(self, "index", folder_or_url(self.index))
        least_one = ("workers", "processes", "max_together", "max_batch", "max_body_bytes", "max_k")
        for name, least in (*((name, 1) for name in least_one), ("max_waiting", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; give {least} or more")
        for name in ("max_delay", "timeout", "body_timeout", "drain", "expire_after"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value}; give a number of seconds above 0")
        if self.processes > 1 and self.store == "memory:":
            raise ValueError(
                f"processes is {self.processes} and store is 'memory:', which each process would have for itself; "
                "give store='sqlite:///state.db' or store='redis://localhost:6379/0'"
            )
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port is {self.port}; give a number from 0 to 65535")

    @classmethod
    def from_environment(cls, given: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> ServeSettings:
        """Settings from arguments, and from environment variables for those that were not given.

        Args:
            given: Arguments by name; None for one that was not given.
            environment: The variables; None for those of the process.

        Raises:
            ValueError: If a variable cannot be read, or a value is out of range.

        Example:
            >>> ServeSettings.from_environment({"port": None}, {"XCAT_SERVE_PORT": "9000"}).port
            9000
        """
        variables = os.environ if environment is None else environment
        types, values = get_type_hints(cls), {}
        for field in fields(cls):
            name = PREFIX + field.name.upper()
            if given.get(field.name) is not None:
                values[field.name] = given[field.name]
            elif variables.get(name):
                values[field.name] = _read(name, variables[name], types[field.name])
        return cls(**values)

    def keys(self) -> frozenset[str]:
        """The API keys of the file; empty without one.

        Raises:
            OSError: If the file cannot be read.
            ValueError: If it has no key.
        """
        if self.api_key_file is None:
            return frozenset()
        lines = Path(self.api_key_file).read_text(encoding="utf-8").splitlines()
        found = frozenset(line.strip() for line in lines if line.strip())
        if not found:
            raise ValueError(f"api_key_file {self.api_key_file} has no key; write one key per line")
        return found

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values, for JSON; with secrets in it."""
        return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ServeSettings:
        """Settings from the plain values of `to_dict`."""
        types = get_type_hints(cls)
        read: dict[str, Any] = {
            name: Path(value) if value and types[name] == Path | None else value for name, value in values.items()
        }
        return cls(**{**read, "cors_origins": tuple(values["cors_origins"])})

    def __repr__(self) -> str:
        return f"ServeSettings({', '.join(f'{name}={value!r}' for name, value in self.public().items())})"

    def public(self) -> dict[str, Any]:
        """The settings without secrets, for logs and `/info`."""
        return {**self.to_dict(), "store": _without_secrets(self.store), "cors_origins": list(self.cors_origins)}


def folder_or_url(index: str) -> Path | str:
    """An index as it is used: the path of its folder, or the URL of its collection.

    Raises:
        ValueError: If it is neither.
    """
    if "://" not in index:
        return Path(index)
    collection_of(index)
    return index


def _without_secrets(url: str) -> str:
    """A URL without user, password and query."""
    scheme, separator, rest = url.partition("://")
    _, at, place = rest.rpartition("@")
    hidden = "***@" if at else ""
    place, query, _ = place.partition("?")
    return f"{scheme}{separator}{hidden}{place}{'?***' if query else ''}"


def _read(name: str, text: str, kind: Any) -> Any:
    if kind == tuple[str, ...]:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if kind in (str, Path | str | None):
        return text
    if kind == Path | None:
        return Path(text)
    try:
        return int(text) if kind is int else float(text)
    except ValueError:
        raise ValueError(f"{name} is {text!r}; give a number") from None
