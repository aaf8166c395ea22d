"""A listener that shows progress: live bars on a terminal, a few lines in a log file."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from tqdm.auto import tqdm

from .progress import Stage, listening

SHOWN_AFTER = 2.0
"""Seconds until a log file shows a stage, and between its lines; on a terminal see `_BAR_AFTER`."""
QUIET = 4.0
"""Seconds of silence until a log file gets a line, in the first `_BUSY` seconds of a stage."""

_BAR_AFTER = 0.5
_BUSY = 900.0
_QUIET_LATER = 60.0
_PARTS = 10
"""Lines per stage in a log file: one per tenth."""
_TICK = 0.5


class ProgressBars:
    """Shows stages on a stream.

    On a terminal a stage has a bar, or a clock if its units cannot be counted. Elsewhere a stage longer than
    `SHOWN_AFTER` seconds gets a line per tenth (with this minimum time between lines) and one at its end. After
    `QUIET` seconds without a line a stage gets a line too, so that a long step does not look like a hang; after a
    quarter of an hour once per minute.

    Args:
        stream: Where to write; standard error if None.
        live: Whether the stream is a terminal; None to detect it.
    """

    def __init__(self, stream: TextIO | None = None, live: bool | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._live = self._stream.isatty() if live is None else live
        self._stages: list[Stage] = []
        self._bars: dict[int, tqdm[None]] = {}
        self._lines: dict[int, tuple[int, float]] = {}
        self._last_line = time.monotonic()
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._clock = threading.Thread(target=self._tick, daemon=True)
        self._clock.start()

    def close(self) -> None:
        """Close open bars and stop the clock."""
        self._closed.set()
        self._clock.join()
        for running in reversed(self._stages):
            self.ended(running)

    def began(self, stage: Stage) -> None:
        """See `ProgressListener`."""
        with self._lock:
            self._stages.append(stage)

    def advanced(self, stage: Stage) -> None:
        """See `ProgressListener`."""
        age = time.monotonic() - stage.started
        with self._lock:
            if self._live:
                self._bar(stage, age)
                if (bar := self._bars.get(id(stage))) is not None:
                    bar.update(stage.done - bar.n)
            elif stage.total and age >= SHOWN_AFTER and stage.done < stage.total:
                tenth = stage.done * _PARTS // stage.total
                last, line_at = self._lines.get(id(stage), (0, 0.0))
                if tenth > last and age - line_at >= SHOWN_AFTER:
                    self._lines[id(stage)] = tenth, age
                    self._line(_status(stage, age))

    def ended(self, stage: Stage) -> None:
        """See `ProgressListener`."""
        age = time.monotonic() - stage.started
        with self._lock:
            self._stages = [other for other in self._stages if other is not stage]
            self._lines.pop(id(stage), None)
            if (bar := self._bars.pop(id(stage), None)) is not None:
                bar.close()
            elif not self._live and age >= SHOWN_AFTER:
                done = f"{stage.done:,} {stage.unit} in " if stage.total else ""
                self._line(f"{stage.name}: {done}{age:.0f} s")

    def said(self, text: str) -> None:
        """See `ProgressListener`."""
        with self._lock:
            self._line(text)

    def _bar(self, stage: Stage, age: float) -> None:
        """Open the bar of a stage that is old enough; bars of short stages would flicker."""
        if age < _BAR_AFTER or id(stage) in self._bars:
            return
        counted = {} if stage.total else {"bar_format": "{desc}: {elapsed}"}
        bar = tqdm(
            total=stage.total, desc=stage.name, unit=f" {stage.unit}", file=self._stream, dynamic_ncols=True,
            leave=len(self._stages) == 1, initial=stage.done, **counted,
        )  # fmt: skip
        bar.start_t -= age
        bar.initial = 0  # units done before the bar was opened count for its rate
        self._bars[id(stage)] = bar

    def _tick(self) -> None:
        while not self._closed.wait(_TICK):
            now = time.monotonic()
            with self._lock:
                if self._live:
                    for running in self._stages:
                        self._bar(running, now - running.started)
                    for bar in self._bars.values():
                        bar.refresh()
                elif self._stages:
                    self._break_silence(now)

    def _break_silence(self, now: float) -> None:
        """Write a line about the innermost old stage, after a long silence."""
        quiet = QUIET if now - self._stages[0].started < _BUSY else _QUIET_LATER
        if now - self._last_line >= quiet:
            old = [running for running in self._stages if now - running.started >= SHOWN_AFTER]
            running = (old or self._stages)[-1]
            self._line(_status(running, now - running.started))

    def _line(self, text: str) -> None:
        if self._live:
            tqdm.write(text, file=self._stream)
        else:
            self._stream.write(text + "\n")
            self._stream.flush()
        self._last_line = time.monotonic()


def _status(stage: Stage, age: float) -> str:
    """One line: finished units of a stage, elapsed time and estimated remaining time; no time of 0 s."""
    if not stage.total:
        return f"{stage.name}: {age:.0f} s so far" if round(age) else f"{stage.name} ..."
    share = min(1.0, stage.done / stage.total)
    remaining = age * (1 - share) / share if share else 0.0
    taken = f", {age:.0f} s" if round(age) else ""
    left = f", about {remaining:.0f} s left" if round(remaining) else ""
    return f"{stage.name}: {stage.done:,} of {stage.total:,} {stage.unit} ({share:.0%}){taken}{left}"


@contextmanager
def show_progress(stream: TextIO | None = None) -> Iterator[None]:
    """Show the stages of the code within: bars on a terminal, lines in a log file.

    With several processes only the first shows progress.

    Args:
        stream: Where to write; standard error if None.

    Example:
        >>> with show_progress():
        ...     pass  # for example prepare_training(shop, PreparationOptions())
    """
    if int(os.environ.get("RANK", "0")):
        yield
        return
    bars = ProgressBars(stream)
    try:
        with listening(bars):
            yield
    finally:
        bars.close()
