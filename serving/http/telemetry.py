"""Metrics of the service for Prometheus, with few label values whatever is asked."""

from __future__ import annotations

import asyncio
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary, generate_latest

from .gate import Gate, Gates, Timing
from .shared_folder import SharedFolder

_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
"""Upper ends in seconds. Few of them, and one histogram per route, keep the number of series below 300."""
_SHARED_EVERY = 1.0
UNKNOWN_PATH = "unknown"
"""Label of all paths that the service does not have."""


class Telemetry:
    """Counts and times of requests, by route and class of status.

    Args:
        gates: Their waiting and dropped requests are metrics, too.
        shared: What the process shares with others of the service, whose metrics are added; None if there are none.
    """

    def __init__(self, gates: Gates | Gate, shared: SharedFolder | None = None) -> None:
        self._shared = shared
        self.registry = CollectorRegistry()
        self._requests = Counter("xcat_requests", "Requests", ["route", "status"], registry=self.registry)
        of_registry: dict[str, Any] = {"registry": self.registry}
        self._total = Histogram(
            "xcat_total_seconds", "From the request to the answer, of computed requests", ["route"], buckets=_BUCKETS,
            **of_registry,
        )  # fmt: skip
        self._queue = Histogram("xcat_queue_seconds", "Waiting for a thread", buckets=_BUCKETS, **of_registry)
        self._model = Summary("xcat_model_seconds", "Computing", ["route"], **of_registry)
        self._lists = Counter("xcat_lists", "Lists by what they are based on", ["basis"], registry=self.registry)
        self._turns = Counter("xcat_chat_turns", "Turns of chats", ["request", "language"], registry=self.registry)
        self._events = Counter("xcat_events", "Events", ["result"], registry=self.registry)
        for name, text, value in (
            ("waiting", "Requests that wait for a thread", lambda: gates.waiting),
            ("running", "Requests that are computed", lambda: gates.running),
            ("dropped", "Requests that were left out because the client had gone", lambda: gates.dropped),
        ):
            Gauge(f"xcat_{name}", text, registry=self.registry).set_function(value)

    def request(self, route: str, status: int, total: float, timing: Timing | None) -> None:
        """Count a request.

        Args:
            route: Template of its path, such as "/users/{user_id}"; never a path as it was asked.
            status: HTTP status.
            total: Seconds.
            timing: Its parts; None for a request without a computation.
        """
        self._requests.labels(route, f"{status // 100}xx" if status != 429 else "429").inc()
        if timing is not None:
            self._total.labels(route).observe(total)
            self._queue.observe(timing.queue)
            self._model.labels(route).observe(timing.model)

    def list(self, basis: str) -> None:
        """Count a list."""
        self._lists.labels(basis).inc()

    def turn(self, request: str, language: str) -> None:
        """Count a turn of a chat by what it asks, see `Understood.request`, and its language."""
        self._turns.labels(request, language).inc()

    def event(self, result: str) -> None:
        """Count an event: "accepted" or "duplicate"."""
        self._events.labels(result).inc()

    def text(self) -> bytes:
        """The metrics in the text format of Prometheus, of all processes of the service."""
        return self._own() if self._shared is None else self._shared.metrics(self._own())

    async def share(self) -> None:
        """Let the other processes of the service read the metrics of this one, again and again."""
        while self._shared is not None:
            await asyncio.to_thread(self._shared.share_metrics, self._own())
            await asyncio.sleep(_SHARED_EVERY)

    def _own(self) -> bytes:
        exported: Any = generate_latest(self.registry)
        lines = bytes(exported).splitlines(keepends=True)
        return b"".join(line for line in lines if b"_created" not in line)  # times of start, one per series
