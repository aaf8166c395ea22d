"""The gate before the model: few requests compute, some wait, and the others are refused at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil
from typing import TypeVar

from .errors import ClientGoneError, OverloadedError, UnavailableError

Result = TypeVar("Result")
Gone = Callable[[], Awaitable[bool]]
_RECENT = 0.1
"""Weight of the latest computation in the mean time of one."""


@dataclass
class Timing:
    """Where the time of a request went, in seconds."""

    queue: float = 0.0
    model: float = 0.0


class Gate:
    """Runs computations in a few threads, with a limit on those that wait.

    Args:
        workers: Threads.
        max_waiting: Computations that may wait for a thread.
        timeout: Seconds that one may wait.
        max_delay: Seconds; a computation that would probably wait for longer is refused at once.

    Attributes:
        waiting: Computations that wait now.
        dropped: Computations that were left out, because the client had gone.
    """

    def __init__(
        self, workers: int = 1, max_waiting: int = 64, timeout: float = 5.0, max_delay: float = float("inf")
    ) -> None:
        self.workers, self.max_waiting, self.timeout, self.max_delay = workers, max_waiting, timeout, max_delay
        self.waiting = self.running = self.dropped = self.refused = 0
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="xcat-model")
        self._free = asyncio.Semaphore(workers)
        self._seconds = 0.0
        self._closing = False

    @property
    def delay(self) -> float:
        """Seconds until those that wait now have been computed, by the mean time of the latest computations."""
        return self._seconds * (self.waiting + self.running) / self.workers

    def retry_after(self) -> int:
        """`delay` in whole seconds, at least 1."""
        return max(1, ceil(self.delay))

    async def run(self, compute: Callable[[], Result], timing: Timing, gone: Gone | None = None) -> Result:
        """Compute in a thread.

        Args:
            compute: The computation.
            timing: Filled with the times of waiting and computing.
            gone: Whether the client has gone; asked before the computation.

        Raises:
            OverloadedError: If too many wait already.
            UnavailableError: If it waited for too long, or the service stops.
            ClientGoneError: If the client has gone.
        """
        if self._closing:
            raise UnavailableError("the service stops; ask another one")
        if self._free.locked() and (self.waiting >= self.max_waiting or self.delay > self.max_delay):
            self.refused += 1
            raise OverloadedError(self.retry_after())
        begin = time.perf_counter()
        self.waiting += 1
        try:
            await asyncio.wait_for(self._free.acquire(), self.timeout)
        except TimeoutError:
            self.refused += 1
            raise UnavailableError(f"no thread was free within {self.timeout:g} s", self.retry_after()) from None
        finally:
            self.waiting -= 1
            timing.queue = time.perf_counter() - begin
        self.running += 1
        try:
            if gone is not None and await gone():
                self.dropped += 1
                raise ClientGoneError()
            return await self._compute(compute, timing)
        finally:
            self.running -= 1
            self._free.release()

    async def _compute(self, compute: Callable[[], Result], timing: Timing) -> Result:
        def timed() -> Result:
            start = time.perf_counter()
            try:
                return compute()
            finally:
                timing.model = time.perf_counter() - start

        # A cancelled request must not free the thread before its computation has ended.
        found = asyncio.get_running_loop().run_in_executor(self._threads, timed)
        try:
            return await asyncio.shield(found)
        except asyncio.CancelledError:
            await asyncio.wait([found])
            raise
        finally:
            self._seconds += (_RECENT if self._seconds else 1.0) * (timing.model - self._seconds)

    async def close(self, seconds: float) -> bool:
        """Refuse new computations and wait for those that run or wait; returns whether all ended in time."""
        self._closing = True
        end = time.perf_counter() + seconds
        while (self.running or self.waiting) and time.perf_counter() < end:
            await asyncio.sleep(0.01)
        ended = not (self.running or self.waiting)
        self._threads.shutdown(wait=ended, cancel_futures=True)
        return ended
