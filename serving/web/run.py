"""Starts the page."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ...tokenization.extras import check_packages
from ..http.run import listening
from .desk import Desk, Sources

if TYPE_CHECKING:
    from ...ranking.recommender import XCatRecommender
    from .page import Page


@dataclass(frozen=True)
class WebOptions:
    """Options of the page.

    Args:
        title: Title of the page; None for one with the name of the checkpoint.
        compare: Another checkpoint, to show both lists side by side.
        sources: Where the operator's view has its figures from, if not from the visits of the page.
        pictures: Whether pictures of items are loaded from the web addresses in the catalogue.
    """

    title: str | None = None
    compare: str | os.PathLike[str] | None = None
    sources: Sources = field(default_factory=Sources)
    pictures: bool = False


def open_page(
    checkpoint: str | os.PathLike[str],
    options: WebOptions | None = None,
    *,
    recommender: XCatRecommender | None = None,
    name: str | None = None,
) -> Page:
    """Make the page of a checkpoint; its `launch` answers visitors.

    Args:
        checkpoint: A folder, or NAMESPACE/NAME on the hub.
        options: The options; None for the defaults.
        recommender: The loaded checkpoint; None to load it.
        name: Name of the checkpoint on the page; None for that of the folder or repository.

    Raises:
        OSError: If a checkpoint or the log cannot be read.
        ValueError: If one of them is no such thing.
        MissingExtraError: If a package of the extra `web` is not installed.

    Example (not run: it needs a checkpoint):
        page = open_page("CKPT")
        page.launch(server_port=7860)
    """
    check_packages("the web page", ["gradio", "prometheus_client"], "web")
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported
    from .page import Names, Page

    chosen = options or WebOptions()
    other = None if chosen.compare is None else os.fspath(chosen.compare)
    desk = Desk(
        os.fspath(checkpoint), other, chosen.sources, pictures=chosen.pictures, recommender=recommender
    )  # fmt: skip
    shown = name or _name(checkpoint)
    names = Names(chosen.title or "", shown, "" if other is None else _name(other))
    return Page(desk, names)


def web(
    checkpoint: str | os.PathLike[str],
    options: WebOptions | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    started: Callable[[str], None] | None = None,
) -> None:
    """Answer visitors of the page until the process gets SIGINT.

    Args:
        checkpoint: A folder, or NAMESPACE/NAME on the hub.
        options: The options; None for the defaults.
        host: Address to listen on.
        port: Port to listen on; 0 for a free one.
        started: Called with the URL when the page answers.

    Raises:
        OSError: If a checkpoint, the log or the port cannot be used.
        ValueError: If one of them is no such thing.
        MissingExtraError: If a package of the extra `web` is not installed.
    """
    if not 0 <= port <= 65535:
        raise ValueError(f"port is {port}; give a number from 0 to 65535")
    with listening(host, port) as listener:  # refuses a port in use before the checkpoint is loaded
        port = listener.getsockname()[1]
    page = open_page(checkpoint, options)
    try:
        _, url, _ = page.launch(server_name=host, server_port=port, prevent_thread_lock=True)
        if started is not None:
            started(url.rstrip("/"))
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
    finally:
        page.blocks.close(verbose=False)
        page.desk.close()


def _name(checkpoint: str | os.PathLike[str]) -> str:
    """The name of a checkpoint on the page: that of its folder or repository."""
    return Path(checkpoint).absolute().name
