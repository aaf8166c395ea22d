"""Whether the store of the service can be read and written."""

from __future__ import annotations

import asyncio
import time

from ...ranking.sessions.log import EventLog
from .errors import store_guard

_FRESH = 0.5
"""Seconds in which a write counts for later questions, so that probes do not wear out the disk."""


class Readiness:
    """Writes into the store when somebody asks, at most twice a second while that goes well.

    Args:
        log: The log of events.
        seconds: Time that the store may take.
    """

    def __init__(self, log: EventLog, seconds: float) -> None:
        self._log, self._seconds = log, seconds
        self._asking = asyncio.Lock()
        self._written = float("-inf")

    async def check(self) -> None:
        """Read and write.

        Raises:
            UnavailableError: If the store does not answer, or cannot be written.
        """
        with store_guard():
            async with asyncio.timeout(self._seconds), self._asking:
                if time.monotonic() - self._written < _FRESH:
                    return
                await asyncio.to_thread(self._probe)
                self._written = time.monotonic()

    def _probe(self) -> None:
        self._log.version("")
        self._log.check_writable()
