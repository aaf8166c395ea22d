"""Progress of long work: library code names its stages, and a listener, if one is set, shows them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol


@dataclass
class Stage:
    """A part of the work that may take seconds.

    Args:
        name: Name, such as "encoding texts".
        total: Units of work; None where they cannot be counted.
        unit: Name of a unit in the plural, such as "texts".
        done: Units that are finished.
        started: Start, in seconds of `time.monotonic`.
    """

    name: str
    total: int | None = None
    unit: str = ""
    done: int = 0
    started: float = field(default_factory=time.monotonic)

    def advance(self, count: int = 1) -> None:
        """Count finished units.

        Args:
            count: Units that were finished since the last call.
        """
        self.done += count
        for listener in _listeners[-1:]:
            listener.advanced(self)


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


_listeners: list[ProgressListener] = []


@contextmanager
def stage(name: str, total: int | None = None, unit: str = "") -> Iterator[Stage]:
    """Report a part of the work to the listener; without a listener nothing happens.

    Args:
        name: Name, such as "encoding texts".
        total: Units of work; None where they cannot be counted.
        unit: Name of a unit in the plural, such as "texts".

    Yields:
        The stage; call `advance` on it.

    Example:
        >>> with stage("encoding texts", total=2, unit="texts") as running:
        ...     running.advance(2)
        >>> running.done
        2
    """
    running = Stage(name, total, unit)
    listeners = _listeners[-1:]
    for listener in listeners:
        listener.began(running)
    try:
        yield running
    finally:
        for listener in listeners:
            listener.ended(running)


def say(text: str) -> None:
    """Report a line to the listener; without a listener nothing happens.

    Args:
        text: One line.
    """
    for listener in _listeners[-1:]:
        listener.said(text)


def is_listened_to() -> bool:
    """Whether a listener is set."""
    return bool(_listeners)


@contextmanager
def listening(listener: ProgressListener) -> Iterator[None]:
    """Send progress to a listener.

    Args:
        listener: The receiver, in place of an earlier one, until the block ends.
    """
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
