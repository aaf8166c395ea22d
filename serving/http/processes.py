"""Several processes behind one port: each has the checkpoint, and all have one store."""

from __future__ import annotations

import contextlib
import json
import logging
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .settings import ServeSettings

logger = logging.getLogger(__name__)
_LOOK_EVERY = 0.1
_REST = 1.0
"""Seconds between the end of a process and the start of the next one in its place, at least."""


class _Process:
    """A process that answers requests, with a pipe whose end tells it that this process has gone.

    Args:
        given: What it reads from its standard input.
        listener: The socket that it accepts connections from.
    """

    def __init__(self, given: dict[str, Any], listener: socket.socket) -> None:
        self.begin = time.monotonic()
        self.running = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.one_process"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, pass_fds=[listener.fileno()], start_new_session=True,
        )  # fmt: skip
        assert self.running.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended; `wait_until_ready` says so
            self.running.stdin.write(json.dumps(given) + "\n")
            self.running.stdin.flush()

    def wait_until_ready(self) -> None:
        """Wait for its first answer.

        Raises:
            OSError: If it ends before.
        """
        assert self.running.stdout is not None
        line = self.running.stdout.readline()
        told = json.loads(line) if line else {"error": f"a process of the service ended with {self.running.wait()}"}
        if "error" in told:
            raise OSError(told["error"])

    def end(self, seconds: float) -> None:
        """Let it answer what it has, and end it after the seconds."""
        with contextlib.suppress(ProcessLookupError):
            self.running.terminate()
        try:
            self.running.wait(seconds)
        except subprocess.TimeoutExpired:
            self.running.kill()
            self.running.wait()


def serve_in_processes(
    checkpoint: str, settings: ServeSettings, listener: socket.socket, started: Callable[[], None]
) -> None:
    """Answer requests in several processes until this one gets SIGINT or SIGTERM; one that ends is started again.

    Args:
        checkpoint: Folder or name of the checkpoint.
        settings: The settings.
        listener: The socket that all accept connections from.
        started: Called when all answer.

    Raises:
        OSError: If one of them cannot start.
    """
    with TemporaryDirectory(prefix="xcat-serve-") as folder, _told_to_end() as ending:
        listener.set_inheritable(True)

        def start(number: int) -> _Process:
            given = {
                "checkpoint": checkpoint, "settings": settings.to_dict(), "listener": listener.fileno(),
                "folder": folder, "number": number,
            }  # fmt: skip
            return _Process(given, listener)

        processes = [start(number) for number in range(settings.processes)]
        try:
            for one in processes:
                one.wait_until_ready()
            started()
            while not ending:
                time.sleep(_LOOK_EVERY)
                for number, one in enumerate(processes):
                    if one.running.poll() is not None and time.monotonic() - one.begin > _REST and not ending:
                        logger.error("process %d ended with %d and is started again", number, one.running.returncode)
                        processes[number] = start(number)
        finally:
            for one in processes:
                with contextlib.suppress(ProcessLookupError):
                    one.running.terminate()
            for one in processes:
                one.end(settings.drain + 5)


@contextlib.contextmanager
def _told_to_end() -> Iterator[list[int]]:
    """A list that gets the signals to end."""
    told: list[int] = []
    before = {
        number: signal.signal(number, lambda got, _: told.append(got)) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def read_given(text: str) -> tuple[str, ServeSettings, int, Path, int]:
    """What a process reads: checkpoint, settings, descriptor of the socket, shared folder and its number."""
    given = json.loads(text)
    settings = ServeSettings.from_dict(given["settings"])
    return given["checkpoint"], settings, given["listener"], Path(given["folder"]), given["number"]
