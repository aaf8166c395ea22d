"""The gate before the model: order, limits, clients that have gone, and the end of the service."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from xcat_rec.serving.http.errors import ClientGoneError, OverloadedError, UnavailableError
from xcat_rec.serving.http.gate import Gate, Timing, _hand_over, _Job


class Blocked:
    """A computation that waits until it is released."""

    def __init__(self) -> None:
        self.started, self.release = threading.Event(), threading.Event()

    def __call__(self) -> str:
        self.started.set()
        assert self.release.wait(10)
        return "done"


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("the condition never held")


def test_a_loop_that_closes_at_this_moment_is_no_error_of_the_thread() -> None:
    class Closing(asyncio.SelectorEventLoop):
        """A loop that was closed after somebody asked whether it is."""

        asked = False

        def is_closed(self) -> bool:
            before, self.asked = self.asked, True
            return before and super().is_closed()

    loop = Closing()
    job = _Job(list, None, Timing(), loop, loop.create_future())
    loop.close()
    loop.asked = False
    _hand_over(loop, [(job, "result")])
    assert not job.future.done()


def test_requests_beyond_those_that_may_wait_are_refused_at_once() -> None:
    async def story() -> None:
        gate, blocked = Gate(workers=1, max_waiting=1), Blocked()
        first = asyncio.create_task(gate.run(blocked, Timing()))
        await until(blocked.started.is_set)
        timing = Timing()
        second = asyncio.create_task(gate.run(lambda: "second", timing))
        await until(lambda: gate.waiting == 1)
        with pytest.raises(OverloadedError) as refused:
            await gate.run(lambda: "third", Timing())
        assert int(refused.value.headers["Retry-After"]) >= 1
        assert refused.value.body()["error_type"] == "overloaded"
        blocked.release.set()
        assert (await first, await second) == ("done", "second")
        assert timing.queue > 0 and timing.model > 0
        assert (gate.waiting, gate.running, gate.refused) == (0, 0, 1)
        assert await gate.close(1)

    asyncio.run(story())


def test_requests_that_would_wait_for_too_long_are_refused() -> None:
    async def story() -> None:
        gate = Gate(max_waiting=100, max_delay=0.15)
        await gate.run(lambda: time.sleep(0.1), Timing())
        mean = gate._seconds
        assert mean >= 0.1
        blocked = Blocked()
        first = asyncio.create_task(gate.run(blocked, Timing()))
        await until(blocked.started.is_set)
        second = asyncio.create_task(gate.run(lambda: "second", Timing()))
        await until(lambda: gate.waiting == 1)
        assert gate.delay == pytest.approx(2 * mean)
        with pytest.raises(OverloadedError, match="try again in 1 s"):
            await gate.run(lambda: "third", Timing())
        changes = [asyncio.create_task(gate.run(lambda: "changed", Timing(), patient=True)) for _ in range(8)]
        await until(lambda: gate.waiting == 9)
        gate.max_waiting = 9
        with pytest.raises(OverloadedError):
            await gate.run(lambda: "one too many", Timing(), patient=True)
        blocked.release.set()
        assert (await first, await second) == ("done", "second")
        assert await asyncio.gather(*changes) == ["changed"] * 8

    asyncio.run(story())


def test_a_request_does_not_wait_longer_than_its_time() -> None:
    async def story() -> None:
        gate, blocked = Gate(timeout=0.05), Blocked()
        first = asyncio.create_task(gate.run(blocked, Timing()))
        await until(blocked.started.is_set)
        with pytest.raises(UnavailableError, match=r"no thread was free within 0\.05 s"):
            await gate.run(lambda: None, Timing())
        blocked.release.set()
        assert await first == "done"
        assert await gate.run(lambda: "next", Timing()) == "next"

    asyncio.run(story())


def test_nothing_is_computed_for_a_client_that_has_gone() -> None:
    async def story() -> None:
        gate, blocked, computed = Gate(), Blocked(), []

        async def gone() -> bool:
            return True

        first = asyncio.create_task(gate.run(blocked, Timing(), gone))
        await until(blocked.started.is_set)
        with pytest.raises(ClientGoneError):
            await gate.run(lambda: computed.append(1), Timing(), gone)
        assert (computed, gate.dropped, gate.waiting) == ([], 1, 0)
        blocked.release.set()
        assert await first == "done", "what runs already is not interrupted"
        assert await gate.run(lambda: "next", Timing()) == "next"

    asyncio.run(story())


def test_requests_that_wait_for_one_function_share_a_call() -> None:
    async def story() -> None:
        gate, blocked, calls = Gate(max_together=3), Blocked(), list[tuple[int, ...]]()

        def squares(numbers: list[int]) -> list[int | Exception]:
            calls.append(tuple(numbers))
            return [ValueError("two") if number == 2 else number**2 for number in numbers]

        def fails(numbers: list[int]) -> list[int]:
            raise KeyError(len(numbers))

        first = asyncio.create_task(gate.run(blocked, Timing()))
        await until(blocked.started.is_set)
        timings = [Timing() for _ in range(5)]
        asked = [asyncio.create_task(gate.run_together(squares, n, timings[n])) for n in range(2)]
        await until(lambda: gate.waiting == 2)
        other = [asyncio.create_task(gate.run_together(fails, n, Timing())) for n in range(2)]
        asked += [asyncio.create_task(gate.run_together(squares, n, timings[n])) for n in range(2, 5)]
        await until(lambda: gate.waiting == 7)
        asked[1].cancel()
        await until(lambda: gate.waiting == 6)
        blocked.release.set()
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert calls == [(0, 2, 3), (4,)], "the oldest first, three at once, none for the cancelled one"
        assert [found[0], *found[3:]] == [0, 9, 16] and str(found[2]) == "two"
        assert isinstance(found[1], asyncio.CancelledError)
        assert timings[0].model == timings[3].model > 0 and min(timings[0].queue, timings[4].queue) > 0
        assert [type(error) for error in await asyncio.gather(*other, return_exceptions=True)] == [KeyError] * 2
        assert await first == "done" and (gate.waiting, gate.running) == (0, 0)
        assert await gate.close(1)

    asyncio.run(story())


def test_a_cancelled_request_frees_its_thread_only_when_the_computation_has_ended() -> None:
    async def story() -> None:
        gate, blocked = Gate(), Blocked()
        task = asyncio.create_task(gate.run(blocked, Timing()))
        await until(blocked.started.is_set)
        task.cancel()
        await asyncio.sleep(0.05)
        assert gate.running == 1
        blocked.release.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: gate.running == 0)

    asyncio.run(story())


def test_errors_of_a_computation_reach_the_caller_and_free_the_thread() -> None:
    async def story() -> None:
        gate = Gate()

        def fails() -> None:
            raise KeyError("a")

        for _ in range(3):
            with pytest.raises(KeyError):
                await gate.run(fails, Timing())
        assert gate.running == 0

    asyncio.run(story())


def test_the_end_waits_for_what_runs_and_refuses_what_comes() -> None:
    async def story() -> None:
        gate, blocked = Gate(), Blocked()
        first = asyncio.create_task(gate.run(blocked, Timing()))
        await until(blocked.started.is_set)
        closing = asyncio.create_task(gate.close(5))
        await asyncio.sleep(0.05)
        with pytest.raises(UnavailableError, match="the service stops"):
            await gate.run(lambda: None, Timing())
        assert not closing.done()
        blocked.release.set()
        assert await closing and await first == "done"

    asyncio.run(story())
