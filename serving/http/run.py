"""Answers requests until the process is told to stop."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...tokenization.extras import check_packages
from .settings import ServeSettings

if TYPE_CHECKING:
    from ...ranking.recommender import XCatRecommender
    from .shared_folder import SharedFolder


def serve(
    checkpoint: str | os.PathLike[str],
    settings: ServeSettings | None = None,
    *,
    recommender: XCatRecommender | None = None,
    started: Callable[[str], None] | None = None,
) -> None:
    """Serve a checkpoint over HTTP until the process gets SIGINT or SIGTERM; requests that run are answered first.

    Args:
        checkpoint: A folder, or NAMESPACE/NAME on the hub.
        settings: Address, store, keys and limits; None for the defaults and environment variables.
        recommender: The loaded checkpoint; None to load it.
        started: Called with the URL when the service answers.

    Raises:
        OSError: If checkpoint, store, keys or port cannot be used.
        ValueError: If one of them is no such thing.
        MissingExtraError: If a package of the extra `serve` is not installed.

    Example (not run: it does not return):
        serve("CKPT", ServeSettings(port=8000, store="sqlite:///state.db"))
    """
    check_packages("the service", ["fastapi", "fastapi_offline", "uvicorn", "prometheus_client", "orjson"], "serve")
    chosen = ServeSettings.from_environment({}) if settings is None else settings
    with listening(chosen.host, chosen.port) as listener:
        host, port = listener.getsockname()[:2]
        chosen = replace(chosen, port=port)  # the system chooses it for 0

        def ready() -> None:
            if started is not None:
                started(f"http://{f'[{host}]' if ':' in host else host}:{port}")

        if chosen.processes == 1:
            answer(os.fspath(checkpoint), chosen, listener, ready, recommender)
            return
        if recommender is not None:
            raise ValueError(
                f"processes is {chosen.processes}, and each loads the checkpoint itself; leave recommender out"
            )
        from .processes import serve_in_processes

        with _logged("processes"):
            serve_in_processes(os.fspath(checkpoint), chosen, listener, ready)


def answer(
    checkpoint: str,
    settings: ServeSettings,
    listener: socket.socket,
    started: Callable[[], None],
    recommender: XCatRecommender | None = None,
    shared: SharedFolder | None = None,
) -> None:
    """Answer requests in this process, until it gets SIGINT or SIGTERM.

    Args:
        checkpoint: Folder or name of the checkpoint.
        settings: The settings.
        listener: The socket to accept connections from.
        started: Called when the service answers.
        recommender: The loaded checkpoint; None to load it.
        shared: What it shares with other processes of the service; None if there are none.

    Raises:
        OSError: If checkpoint, store or keys cannot be used.
        ValueError: If one of them is no such thing.
    """
    import uvicorn

    from .app import create_app
    from .engine import Engine

    engine = Engine(checkpoint, settings, recommender, shared)
    config = server_config(create_app(engine), settings)

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                started()

    with _ending_quietly(), _logged("middleware"):
        Server(config).run([listener])


def server_config(app: Any, settings: ServeSettings) -> Any:
    """The configuration of the server, a `uvicorn.Config`.

    Args:
        app: The ASGI application.
        settings: The settings.
    """
    import uvicorn

    return uvicorn.Config(
        app, access_log=False, log_level="warning", server_header=False, ws="none",
        timeout_graceful_shutdown=max(1, round(settings.drain)),
    )  # fmt: skip


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens on an address.

    Args:
        host: The host.
        port: The port; 0 for a free one.

    Raises:
        OSError: If it cannot listen there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
        # Connections inherit it. Without it, an answer in two packets waits 40 ms for the client's acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except OSError as error:
        raise OSError(
            f"host {host}, port {port}: cannot listen there: {error.strerror}; give another port, or 0 for a free one"
        ) from error


@contextmanager
def _logged(name: str) -> Iterator[None]:
    """The lines of a logger of the service on standard error, unless the program has its own handler for them."""
    logger = logging.getLogger(f"{__package__}.{name}")
    if logger.hasHandlers():
        yield
        return
    handler, level = logging.StreamHandler(), logger.level
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


@contextmanager
def _ending_quietly() -> Iterator[None]:
    """The server ends at SIGINT and SIGTERM, and then sends itself the signal again, which must not be a failure."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
