"""Traffic of a service, read from its metrics: requests and times per route."""

from __future__ import annotations

import math
import urllib.request
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

_WAIT = 3.0
"""Seconds until a service that does not answer is reported."""
_OF_SERVICE = ("/metrics", "/health/live", "/health/ready")


@dataclass(frozen=True)
class RouteTraffic:
    """Requests of one route.

    Args:
        route: Template of its path.
        requests: Answered requests.
        refused: Requests refused because too many waited (status 429).
        failed: Requests that failed (status 5xx).
        median: Median time in milliseconds; None without a request.
        slowest: The 99th percentile of the times, in milliseconds.
    """

    route: str
    requests: int
    refused: int
    failed: int
    median: float | None
    slowest: float | None


def read_traffic(text: str) -> list[RouteTraffic]:
    """Requests per route from metrics in the text format of Prometheus, most first.

    Times are estimated from the buckets of the histogram, evenly within a bucket.

    Args:
        text: The metrics of a service.
    """
    counts: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    buckets: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "xcat_requests_total":
                counts[sample.labels["route"]][sample.labels["status"]] += sample.value
            elif sample.name == "xcat_total_seconds_bucket":
                buckets[sample.labels["route"]].append((float(sample.labels["le"]), sample.value))
    found = [
        RouteTraffic(
            route, int(sum(by_status.values())), int(by_status["429"]), int(by_status["5xx"]),
            quantile(buckets[route], 0.5), quantile(buckets[route], 0.99),
        )
        for route, by_status in counts.items() if route not in _OF_SERVICE
    ]  # fmt: skip
    return sorted(found, key=lambda one: (-one.requests, one.route))


def quantile(buckets: Sequence[tuple[float, float]], share: float) -> float | None:
    """A quantile in milliseconds of a histogram in seconds; None for an empty one.

    Args:
        buckets: (upper bound in seconds, number of values up to it), ascending, the last bound infinite.
        share: The quantile, from 0 to 1.

    Example:
        >>> quantile([(0.01, 5), (0.02, 10), (float("inf"), 10)], 0.75)
        15.0
    """
    if not buckets or not buckets[-1][1]:
        return None
    wanted, low, below = share * buckets[-1][1], 0.0, 0.0
    for high, count in buckets:
        if count >= wanted:
            within = (wanted - below) / (count - below) if count > below else 1.0
            return round(1000 * (low if math.isinf(high) else low + within * (high - low)), 3)
        low, below = high, count
    return None


def metrics_of(service: str, headers: Mapping[str, str] | None = None) -> str:
    """The metrics of a running service.

    Args:
        service: Its address, such as "http://127.0.0.1:8000".
        headers: Headers of the request, such as `{"X-API-Key": "..."}`.

    Raises:
        ConnectionError: If it does not answer with metrics.
    """
    address = f"{service.rstrip('/')}/metrics"
    if not address.startswith(("http://", "https://")):
        raise ConnectionError(f"service is {service}; give an address such as http://127.0.0.1:8000")
    request = urllib.request.Request(address, headers=dict(headers or {}))
    try:
        with urllib.request.urlopen(request, timeout=_WAIT) as answer:
            return str(answer.read().decode())
    except (OSError, ValueError) as error:
        raise ConnectionError(f"service {service}: {address} does not answer: {error}") from error
