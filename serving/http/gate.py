"""The gate before the model: few threads compute, some requests wait, and the others are refused at once."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import ceil
from typing import Any, TypeVar

from .errors import ClientGoneError, OverloadedError, ServiceError, UnavailableError

Item = TypeVar("Item")
Result = TypeVar("Result")
Gone = Callable[[], Awaitable[bool]]
_RECENT = 0.1
"""Weight of the latest batch in the mean time of a request."""
_LOOK_EVERY = 0.05
"""Seconds between two looks at whether the client of a waiting request has gone."""


@dataclass
class Timing:
    """Where the time of a request went, in seconds."""

    queue: float = 0.0
    model: float = 0.0


@dataclass
class _Job:
    """A request that waits for a thread.

    Args:
        compute: Computes the results of several items; jobs with the same function share a call.
        item: Its item.
        timing: Filled with its times.
        loop: The loop that waits for it.
        future: Its result.
        begin: When it came.
        taken: Whether a thread has taken it.
    """

    compute: Callable[[list[Any]], Sequence[Any]]
    item: Any
    timing: Timing
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    begin: float = field(default_factory=time.perf_counter)
    taken: bool = False


class Gate:
    """Runs computations in a few threads, with a limit on those that wait.

    A thread that becomes free takes the oldest request, and with it the waiting ones of the same kind. They are
    computed in one call. Nothing waits for a batch to fill up.

    Args:
        workers: Threads.
        max_waiting: Computations that may wait for a thread.
        timeout: Seconds that one may wait.
        max_delay: Seconds; a computation that would probably wait for longer is refused at once.
        max_together: Requests that are computed in one call.

    Attributes:
        running: Requests that are computed now.
        dropped: Requests that were left out, because the client had gone.
        refused: Requests that were refused, or had waited for too long.
    """

    def __init__(
        self,
        workers: int = 1,
        max_waiting: int = 64,
        timeout: float = 5.0,
        max_delay: float = float("inf"),
        max_together: int = 1,
    ) -> None:
        self.workers, self.max_waiting, self.timeout, self.max_delay = workers, max_waiting, timeout, max_delay
        self.max_together = max_together
        self.running = self.dropped = self.refused = 0
        self._jobs = deque[_Job]()
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._busy = 0
        self._seconds = 0.0
        self._closing = self._ended = False

    @property
    def waiting(self) -> int:
        """Requests that wait for a thread."""
        return len(self._jobs)

    @property
    def delay(self) -> float:
        """Estimated seconds until all waiting requests are done, from the mean time of the latest requests."""
        return self._seconds * (self.waiting + self.running) / self.workers

    def retry_after(self) -> int:
        """`delay` in whole seconds, at least 1."""
        return max(1, ceil(self.delay))

    def check(self, patient: bool = False) -> None:
        """Refuse a request that would have to wait for too long.

        Args:
            patient: Whether it may wait for longer than `max_delay`.

        Raises:
            OverloadedError: If too many wait already.
            UnavailableError: If the service stops.
        """
        if self._closing:
            raise UnavailableError("the service stops; ask another one")
        late = not patient and self.delay > self.max_delay
        if self._busy >= self.workers and (late or self.waiting >= self.max_waiting):
            self.refused += 1
            raise OverloadedError(self.retry_after())

    async def run(
        self, compute: Callable[[], Result], timing: Timing, gone: Gone | None = None, *, patient: bool = False
    ) -> Result:
        """Compute in a thread; see `run_together`."""

        def alone(_: list[None]) -> list[Result]:
            return [compute()]

        return await self.run_together(alone, None, timing, gone, patient=patient)

    async def run_together(
        self,
        compute: Callable[[list[Item]], Sequence[Result | Exception]],
        item: Item,
        timing: Timing,
        gone: Gone | None = None,
        *,
        patient: bool = False,
    ) -> Result:
        """Compute in a thread, in one call with other items that wait for the same function.

        Args:
            compute: Computes the result or the error of each item, in their order.
            item: The item.
            timing: The times of waiting and computing are added to it; the latter is that of the whole call.
            gone: Whether the client has gone; asked while the request waits.
            patient: Whether it may wait for longer than `max_delay`, up to `timeout`.

        Raises:
            OverloadedError: If too many wait already.
            UnavailableError: If it waited for too long, or the service stops.
            ClientGoneError: If the client has gone.
        """
        self.check(patient)
        loop = asyncio.get_running_loop()
        job = _Job(compute, item, timing, loop, loop.create_future())
        with self._changed:
            self._start_threads()
            self._jobs.append(job)
            self._changed.notify()
        try:
            while not job.future.done():
                await asyncio.wait([job.future], timeout=min(_LOOK_EVERY, self.timeout))
                if not job.taken and not job.future.done():
                    await self._look(job, gone)
        except asyncio.CancelledError:
            self._drop(job)
            job.future.cancel()
            raise
        result: Result = job.future.result()
        return result

    async def _look(self, job: _Job, gone: Gone | None) -> None:
        """Give up a job that waits, if it is too late for it or its client has gone."""
        error: ServiceError | None = None
        if gone is not None and await gone():
            error = ClientGoneError()
        elif time.perf_counter() - job.begin >= self.timeout:
            error = UnavailableError(f"no thread was free within {self.timeout:g} s", self.retry_after())
        if error is not None and self._drop(job):
            self.dropped += isinstance(error, ClientGoneError)
            self.refused += isinstance(error, UnavailableError)
            raise error

    def _drop(self, job: _Job) -> bool:
        """Leave out a job that no thread has taken; returns whether that was so."""
        with self._changed:
            if job.taken:
                return False
            job.taken = True
            self._jobs.remove(job)
            job.timing.queue += time.perf_counter() - job.begin
            return True

    def _start_threads(self) -> None:
        while len(self._threads) < self.workers:
            number = len(self._threads)
            self._threads.append(threading.Thread(target=self._work, name=f"xcat-model-{number}", daemon=True))
            self._threads[-1].start()

    def _work(self) -> None:
        """Compute what waits, until the gate is closed."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._ended)
                if not self._jobs:
                    return
                batch = self._take()
                self._busy += 1
                self.running += len(batch)
            start = time.perf_counter()
            try:
                results = [*batch[0].compute([job.item for job in batch])]
            except Exception as error:  # of the call itself, so of all items
                results = [error] * len(batch)
            seconds = time.perf_counter() - start
            for job in batch:
                job.timing.model += seconds
            with self._changed:
                self._busy -= 1
                self.running -= len(batch)
                self._seconds += (_RECENT if self._seconds else 1.0) * (seconds / len(batch) - self._seconds)
            for loop in {job.loop for job in batch}:
                own = [(job, result) for job, result in zip(batch, results, strict=True) if job.loop is loop]
                _hand_over(loop, own)

    def _take(self) -> list[_Job]:
        """The oldest job and the jobs that share its batch, oldest first; the caller holds the lock."""
        first = self._jobs[0]
        batch = [job for job in self._jobs if job.compute == first.compute][: self.max_together]
        now = time.perf_counter()
        for job in batch:
            self._jobs.remove(job)
            job.taken = True
            job.timing.queue += now - job.begin
        return batch

    async def close(self, seconds: float) -> bool:
        """Refuse new computations and wait for those that run or wait; returns whether all ended in time."""
        self._closing = True
        end = time.perf_counter() + seconds
        while (self.running or self.waiting) and time.perf_counter() < end:
            await asyncio.sleep(0.01)
        ended = not (self.running or self.waiting)
        with self._changed:
            self._ended = True
            self._jobs.clear()
            self._changed.notify_all()
        for thread in self._threads if ended else ():
            thread.join()
        return ended


@dataclass(frozen=True)
class Gates:
    """The gates of a service: events do not wait for lists, and lists do not wait for the disk.

    Args:
        model: For what the model computes.
        store: For what is written, by one thread.
    """

    model: Gate
    store: Gate

    @property
    def waiting(self) -> int:
        """Requests that wait for a thread."""
        return self.model.waiting + self.store.waiting

    @property
    def running(self) -> int:
        """Requests that are computed."""
        return self.model.running + self.store.running

    @property
    def dropped(self) -> int:
        """Requests that were left out, because the client had gone."""
        return self.model.dropped + self.store.dropped

    async def close(self, seconds: float) -> bool:
        """Close both; what the model has computed can still be stored."""
        end = time.perf_counter() + seconds
        ended = await self.model.close(seconds)
        return await self.store.close(max(0.0, end - time.perf_counter())) and ended


def _hand_over(loop: asyncio.AbstractEventLoop, results: Sequence[tuple[_Job, Any]]) -> None:
    """Give the results of jobs to their loop; nobody waits for them if it has been closed."""

    def settle() -> None:
        for job, result in results:
            if not job.future.done():
                if isinstance(result, Exception):
                    job.future.set_exception(result)
                else:
                    job.future.set_result(result)

    with suppress(RuntimeError):  # it has been closed, maybe just now
        loop.call_soon_threadsafe(settle)
