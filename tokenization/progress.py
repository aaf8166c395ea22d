"""Progress of long tasks: library code reports its stages, and a listener, if one is set, shows them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol


@dataclass
class Stage:
    """A task that may take seconds.

    Args:
        name: Name, such as "encoding texts".
        total: Units of work; None if they cannot be counted.
        unit: Name of a unit in the plural, such as "texts".
        listener: Receiver of its progress; None for nobody.
        done: Units finished.
        started: Start time, in seconds of `time.monotonic`.
    """

    name: str
    total: int | None = None
    unit: str = ""
    listener: ProgressListener | None = None
    done: int = 0
    started: float = field(default_factory=time.monotonic)

    def advance(self, count: int = 1) -> None:
        """Count finished units.

        Args:
            count: Units finished since the last call.
        """
        self.done += count
        if self.listener is not None:
            self.listener.advanced(self)


class ProgressListener(Protocol):
    """Receiver of progress; `ProgressBars` is one."""

    def began(self, stage: Stage) -> None:
        """A stage began; stages that began earlier may still run."""

    def advanced(self, stage: Stage) -> None:
        """A stage has finished some units."""

    def ended(self, stage: Stage) -> None:
        """A stage ended, successfully or not."""

    def said(self, text: str) -> None:
        """A line about the run, such as the metrics of an epoch."""


_listeners: list[ProgressListener | None] = []


def _listener() -> ProgressListener | None:
    return _listeners[-1] if _listeners else None


@contextmanager
def stage(name: str, total: int | None = None, unit: str = "", *, shown: bool = True) -> Iterator[Stage]:
    """Report a task to the listener; does nothing without a listener.

    Args:
        name: Name, such as "encoding texts".
        total: Units of work; None if they cannot be counted.
        unit: Name of a unit in the plural, such as "texts".
        shown: Whether to report it at all.

    Yields:
        The stage; call `advance` on it.

    Example:
        >>> with stage("encoding texts", total=2, unit="texts") as running:
        ...     running.advance(2)
        >>> running.done
        2
    """
    listener = _listener() if shown else None
    running = Stage(name, total, unit, listener)
    if listener is not None:
        listener.began(running)
    try:
        yield running
    finally:
        if listener is not None:
            listener.ended(running)


def say(text: str) -> None:
    """Report a line to the listener; does nothing without a listener.

    Args:
        text: One line.
    """
    if (listener := _listener()) is not None:
        listener.said(text)


def is_listened_to() -> bool:
    """Whether a listener is set, including None (no progress)."""
    return bool(_listeners)


@contextmanager
def listening(listener: ProgressListener | None) -> Iterator[None]:
    """Send progress to a listener.

    Args:
        listener: The receiver until the block ends, in place of an earlier one; None for nobody.
    """
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.pop()


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Hide the bars that transformers shows while it reads and writes weights; afterwards they are as before.

    Progress of this library goes to its listener alone. Downloads of huggingface_hub keep their bars.

    Example:
        >>> with quiet_transformers():
        ...     pass  # for example model.save_pretrained("folder")
    """
    from transformers.utils import logging

    before = logging.set_tqdm_hook(lambda factory, args, kwargs: logging.EmptyTqdm(*args, **kwargs))
    try:
        yield
    finally:
        logging.set_tqdm_hook(before)


@contextmanager
def without_mtime_note() -> Iterator[None]:
    """Hide one line of transformers: that it orders checkpoints by step, not by the time of their folders.

    It logs "mtime may not be reliable" when two were saved within a second, as in a short training. Both orders are
    the same here. Other lines stay.

    Example:
        >>> with without_mtime_note():
        ...     pass  # for example a step of training that saves a checkpoint
    """
    source, hidden = logging.getLogger("transformers.trainer_utils"), _MtimeNote()
    source.addFilter(hidden)
    try:
        yield
    finally:
        source.removeFilter(hidden)


class _MtimeNote(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("mtime may not be reliable")
