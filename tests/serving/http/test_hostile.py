"""Hostile requests on a socket: no error of the service, no thread that waits for a slow client, few metrics."""

from __future__ import annotations

import gzip
import json
import logging
import time
import urllib.request
from collections.abc import Iterator

import pytest

from ...hub.checkpoints import save_checkpoint
from .hostile_bodies import ANY, hostile_bodies
from .live import exchange, request, running

LIST = b'{"k": 2}'
METHODS = (b"PUT", b"PATCH", b"TRACE", b"OPTIONS", b"HEAD", b"DELETE", b"PROPFIND", b"GET")
PATHS = (
    b"/users/%00", b"/users/%ff", b"/users/%ed%a0%80", b"/users/%", b"/users/%zz", b"/users/%20", b"/users/%1F",
    b"/users/", b"/users", b"//",
    b"/users/" + b"a" * 8_000, b"/users/..%2f..%2fetc", b"/items/%00", b"/items/%ff", b"/items/" + b"x" * 9_000,
    b"/metrics/", b"/health", b"/health/live/", b"/?a=%ff", b"/recommend?x=1", b"/users/a?b=%00", b"/%2e%2e/",
)  # fmt: skip
SERIES = 300
"""Most series of metrics, whatever is asked."""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("hostile")
    level = logging.getLogger("xcat_rec").level
    logging.getLogger("xcat_rec").setLevel(logging.CRITICAL)
    with running(
        save_checkpoint(folder / "checkpoint"), store=f"sqlite:///{folder}/state.db", body_timeout=0.5
    ) as port:
        yield port
    logging.getLogger("xcat_rec").setLevel(level)


def refused(answer: tuple[int, bytes], told: bytes = b"") -> bool:
    """Whether a request was refused with an error in the form of the service."""
    status, body = answer
    plain = b"".join(body.split(b"\r\n")[1::2]) if body[:1] != b"{" else body  # sent in chunks
    return 400 <= status < 500 and set(json.loads(plain)) == {"error", "error_type"} and told in plain


def test_hostile_bodies_are_no_errors_of_the_service(port: int) -> None:
    for route, body in hostile_bodies():
        answer = exchange(port, request(b"POST", route.encode(), body))
        assert answer[0] == 200 or refused(answer), (route, body[:100], answer)
    assert exchange(port, request(b"POST", b"/recommend", LIST))[0] == 200


def test_content_that_is_said_to_be_something_else(port: int) -> None:
    types = (b"text/plain", b"application/xml", b"multipart/form-data; boundary=x", b"application/json; charset=x",
             b"application/x-www-form-urlencoded", b"*/*", b"\xff", b"")  # fmt: skip
    for one in types:
        answer = exchange(port, request(b"POST", b"/recommend", LIST, content_type=one))
        assert answer[0] == 200 or refused(answer), one
    packed = request(b"POST", b"/recommend", gzip.compress(LIST), content_encoding=b"gzip")
    assert refused(exchange(port, packed))


def test_other_methods_and_paths(port: int) -> None:
    for path in (*PATHS, *map(str.encode, ANY)):
        for method in METHODS:
            status, body = exchange(port, request(method, path))
            assert status in (200, 404, 405, 422), (method, path, status)
            assert status == 200 or method == b"HEAD" or refused((status, body)), (method, path, body)


def test_what_is_no_http_ends_with_its_connection(port: int) -> None:
    for length in (b"abc", b"-1", b"\xb2", b"9" * 30):
        assert exchange(port, request(b"POST", b"/recommend", LIST, content_length=length))[0] == 400
    for raw in (b"\x16\x03\x01\x00\xff" * 10, b"G@T / HTTP/1.1\r\n\r\n"):
        assert exchange(port, raw)[0] == 400
    assert exchange(port, request(b"GET", b"/health/live"))[0] == 200


def test_a_body_that_does_not_end_is_refused_while_others_are_answered(port: int) -> None:
    started = request(b"POST", b"/recommend", b"", content_length=b"100")
    begin = time.perf_counter()
    assert refused(exchange(port, started), b"the body did not arrive within 0.5 s")
    assert time.perf_counter() - begin < 5
    drops = [b'{"k": ', *[b" "] * 90]
    begin = time.perf_counter()
    assert exchange(port, started, *drops, pause=0.05)[0] in (408, 0), "one byte at a time is no way around"
    assert time.perf_counter() - begin < 4, "the connection is closed before the client has sent everything"
    parts = LIST[:3], LIST[3:]
    assert exchange(port, request(b"POST", b"/recommend", b"", content_length=b"8"), *parts, pause=0.1)[0] == 200


def test_a_body_in_many_chunks_is_refused_at_its_limit(port: int) -> None:
    head = request(b"POST", b"/recommend", b"", transfer_encoding=b"chunked").replace(b"content-length: 0\r\n", b"")
    status, _ = exchange(port, head, *[b"10000\r\n" + b"a" * 65_536 + b"\r\n"] * 20, b"0\r\n\r\n")
    assert status in (413, 0), "the answer, or a connection that is closed because nobody reads the rest"
    assert exchange(port, request(b"GET", b"/health/live"))[0] == 200


def series(port: int) -> list[str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        return [line for line in answer.read().decode().splitlines() if not line.startswith("#")]


def test_all_routes_and_statuses_have_few_series(port: int) -> None:
    """After the requests above; every other route is asked here, right and wrong."""
    for path in (b"/parameters", b"/info", b"/openapi.json", b"/docs", b"/health/ready", b"/nowhere"):
        exchange(port, request(b"GET", path))
    for route, body in {"/recommend/batch": {"requests": [{}]}, "/similar": {"item_id": "item-03"},
                        "/explain": {"item_id": "item-05", "history": ["item-03"]},
                        "/events": {"user_id": "a", "item_id": "item-03"}}.items():  # fmt: skip
        assert exchange(port, request(b"POST", route.encode(), json.dumps(body).encode()))[0] == 200
    assert exchange(port, request(b"DELETE", b"/users/a"))[0] == 200
    assert exchange(port, request(b"DELETE", b"/items/item-39"))[0] == 200
    lines = series(port)
    assert len(lines) < SERIES - 50, "room for statuses that did not occur"
    assert not any("_created" in line or "nowhere" in line for line in lines)


@pytest.mark.slow
def test_twenty_thousand_requests_have_few_series(port: int) -> None:
    before = None
    for number in range(20_000):
        user = b"user-%d" % (number % 10_000)
        if number % 20 == 0:
            sent = request(b"GET", b"/hostile/%d/%s" % (number // 20, user))
        elif number % 2:
            body = b'{"user_id": "%s", "item_id": "item-%02d", "event_type": "type %d"}' % (user, number % 40, number)
            sent = request(b"POST", b"/events", body)
        else:
            sent = request(b"POST", b"/recommend", b'{"user_id": "%s", "k": 2}' % user)
        assert exchange(port, sent)[0] in (200, 404, 429)
        if number == 1_000:
            before = len(series(port))
    assert before is not None and len(series(port)) <= min(SERIES, before + 10), "as many as after 1,000 requests"
