"""Metrics of a service as figures of a page."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from xcat_rec.serving.http.gate import Gate, Timing
from xcat_rec.serving.http.telemetry import Telemetry
from xcat_rec.serving.web.traffic import RouteTraffic, metrics_of, quantile, read_traffic


def metrics() -> str:
    telemetry = Telemetry(Gate())
    for number in range(100):
        telemetry.request("/recommend", 200, 0.003 if number < 60 else 0.03, Timing())
    for status in (429, 429, 500):
        telemetry.request("/chat", status, 0.001, None)
    telemetry.request("/metrics", 200, 0.001, None)
    return telemetry.text().decode()


def test_requests_and_times_are_those_that_were_counted() -> None:
    recommend, chat = read_traffic(metrics())
    assert (recommend.route, recommend.requests, recommend.refused, recommend.failed) == ("/recommend", 100, 0, 0)
    assert recommend.median is not None and 2 < recommend.median < 6, "near its bucket"
    assert recommend.slowest is not None and 20 < recommend.slowest < 60
    assert chat == RouteTraffic("/chat", 3, 2, 1, chat.median, chat.slowest)
    assert read_traffic("") == []


def test_quantiles() -> None:
    buckets = [(0.001, 0.0), (0.002, 10.0), (float("inf"), 20.0)]
    assert quantile(buckets, 0.25) == 1.5 and quantile(buckets, 0.99) == 2.0, "the last bucket has no end"
    assert quantile([], 0.5) is None and quantile([(1.0, 0.0), (float("inf"), 0.0)], 0.5) is None


def test_the_metrics_of_a_running_service_are_read() -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers["X-API-Key"] == "key"
            self.send_response(200 if known else 401)
            self.end_headers()
            self.wfile.write(b"# nothing")

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        assert metrics_of(url, {"X-API-Key": "key"}) == "# nothing"
        with pytest.raises(ConnectionError, match=r"/metrics does not answer: HTTP Error 401"):
            metrics_of(url)
    finally:
        server.shutdown()
        server.server_close()
    with pytest.raises(ConnectionError, match=r"give an address such as http://127\.0\.0\.1:8000"):
        metrics_of("file:///etc")
