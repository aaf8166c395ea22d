"""The client against a running `xcat serve`, and its repetitions against servers that refuse."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import which
from typing import Any

import pytest

import xcat_rec
from xcat_rec.serving.client import RecommendedItem, RequestFailedError, XCatClient
from xcat_rec.serving.client import transport as sending

from ...hub.checkpoints import save_checkpoint
from ..http.server import Server

EXAMPLES = Path(xcat_rec.__file__).parent / "examples" / "client"
Answer = tuple[int, dict[str, str], bytes] | None
"""Status, headers and body; None to close the connection without an answer."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("client")
    (folder / "keys").write_text("secret-key\n")
    running = Server(
        save_checkpoint(folder / "checkpoint", reads_queries=True), "--store", f"sqlite:///{folder}/state.db",
        "--api-key-file", str(folder / "keys"),
    )  # fmt: skip
    yield running
    running.kill()


@pytest.fixture
def client(server: Server) -> Iterator[XCatClient]:
    with XCatClient(server.url, api_key="secret-key") as client:
        yield client


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that a client waits, without waiting."""
    waited: list[float] = []
    monkeypatch.setattr(sending.time, "sleep", waited.append)
    return waited


@pytest.fixture
def answering() -> Iterator[Callable[..., tuple[str, list[bytes]]]]:
    """Starts a server with given answers, the last one for all later requests; gives its URL and the bodies it got."""
    running = []

    def start(*answers: Answer) -> tuple[str, list[bytes]]:
        left, bodies = list(answers), list[bytes]()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                bodies.append(self.rfile.read(int(self.headers["Content-Length"] or 0)))
                answer = left.pop(0) if len(left) > 1 else left[0]
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, body = answer
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_DELETE = do_GET = do_POST  # type: ignore[assignment]  # noqa: N815

            def log_message(self, *_: Any) -> None:
                return

        service = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        service.daemon_threads = True
        threading.Thread(target=service.serve_forever, args=(0.01,), daemon=True).start()
        running.append(service)
        return f"http://127.0.0.1:{service.server_port}", bodies

    yield start
    for service in running:
        service.shutdown()
        service.server_close()


STORED: Answer = (200, {}, b'{"accepted": 1, "duplicates": 0}')
BUSY: Answer = (429, {"Retry-After": "3"}, b'{"error": "too many requests wait", "error_type": "overloaded"}')


def test_a_customer_is_served(client: XCatClient) -> None:
    assert client.is_ready() and client.info()["items"] == 40
    assert client.add_event("anna", "item-03", timestamp=1_700_000_000, event_type="purchase").accepted == 1
    shown = client.recommend("anna", k=5, filters=["price<45"], explore="balanced")
    assert shown.basis == "history" and len(shown) == 5 and shown.item_ids == [item.item_id for item in shown]
    assert isinstance(shown[0], RecommendedItem) and shown[0].because[0].item_id == "item-03"
    click = {"event_type": "purchase", "impression_id": shown.impression_id}
    assert client.add_event("anna", shown[0].item_id, **click).accepted == 1
    assert shown[0].item_id not in client.recommend("anna", k=40).item_ids
    asked = client.query("tents number 3", history=["item-10"], k=3)
    assert len(asked) == 3 and asked[0].words
    assert [len(one) for one in client.recommend_many([{"history": ["item-03"], "k": 2}, {"k": 4}])] == [2, 4]
    turn = client.chat("tents under 20", "anna")
    assert turn.answer and turn.state and {item.category for item in turn} <= {"tents"}
    assert client.chat("cheaper", state=turn.state, k=2).understood
    assert client.explain("item-24", "anna", language="zh")["item_id"] == "item-24"
    assert len(client.similar("item-03", 4, filters=["price<45"])) == 4
    assert {"inputs", "delete"} <= set(client.parameters())
    found = client.user("anna")
    assert found is not None and len(found["events"]) == 2 and found["reactions"][0]["item"] == shown[0].item_id
    assert client.delete_user("anna") and not client.delete_user("anna") and client.user("anna") is None


def test_items_are_added_and_deleted(client: XCatClient) -> None:
    item = {"item_id": "new/1", "title": "red tent", "category": "tents", "brand": "Nova"}
    added = client.add_items([item])
    assert (added.items, added.new) == (1, 1)
    assert client.recommend(history=["item-03"], filters=["brand=Nova"]).item_ids == ["new/1"]
    assert client.delete_item("new/1") and not client.delete_item("new/1") and not client.delete_item("nowhere")


@pytest.mark.parametrize("command", [[sys.executable, "shop.py"], ["sh", "shop.sh"], ["node", "shop.mjs"]])
def test_examples_run(server: Server, command: list[str]) -> None:
    if which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    program, file = command
    found = subprocess.run(
        [program, str(EXAMPLES / file), server.url, "item-03"], capture_output=True, text=True,
        env={**os.environ, "XCAT_API_KEY": "secret-key"},
    )  # fmt: skip
    assert found.returncode == 0, found.stdout + found.stderr
    shown = found.stdout.splitlines()
    if file == "shop.sh":
        assert json.loads(shown[0]) == {"accepted": 1, "duplicates": 0} and len(shown) == 4
        assert len(json.loads(shown[1])["recommendations"]) == len(json.loads(shown[2])["recommendations"]) == 3
        assert json.loads(shown[3]) == {"deleted": True}
    else:
        assert [line[:3] for line in shown[:3]] == ["1. ", "2. ", "3. "] and shown[3].startswith("next: ")


def test_another_checkpoint_is_loaded(client: XCatClient, tmp_path: Path) -> None:
    other = save_checkpoint(tmp_path / "other", seed=3)
    assert client.load_checkpoint(str(other)) == client.recommend(k=1).checkpoint


def test_errors_of_the_service_are_not_repeated(client: XCatClient, server: Server, pauses: list[float]) -> None:
    with pytest.raises(RequestFailedError, match=r"status 422: k is 201; give 200 at most") as error:
        client.recommend(k=201)
    assert (error.value.status, error.value.kind, error.value.retry_after) == (422, "invalid", None)
    with pytest.raises(RequestFailedError, match="misspelt"):
        client.recommend("anna", misspelt=1)
    with pytest.raises(RequestFailedError, match="status 401"):
        XCatClient(server.url, api_key="other").recommend()
    with pytest.raises(ValueError, match="plain string"):
        client.recommend(history="item-03")
    assert not pauses


def test_several_threads_share_a_client(client: XCatClient) -> None:
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(len(client.recommend(k=3)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [3] * 4


def test_a_busy_service_is_asked_again_after_its_time(answering: Any, pauses: list[float]) -> None:
    url, bodies = answering(BUSY, BUSY, STORED)
    assert XCatClient(url).add_event("anna", "item-03").accepted == 1
    assert pauses == [3.0, 3.0] and len(set(bodies)) == 1 and b"event_id" in bodies[0]


def test_pauses_double_without_a_time(answering: Any, pauses: list[float]) -> None:
    url, bodies = answering((503, {}, b"proxy: no backend"))
    with pytest.raises(RequestFailedError, match="status 503: proxy: no backend"):
        XCatClient(url, retries=3, backoff=0.5).add_event("anna", "item-03")
    assert len(bodies) == 4
    assert all(0.25 * 2**n <= pause <= 0.5 * 2**n for n, pause in enumerate(pauses)) and len(pauses) == 3


def test_a_time_that_is_too_long_is_an_error_at_once(answering: Any, pauses: list[float]) -> None:
    late = formatdate(time.time() + 3600, usegmt=True)
    url, bodies = answering((429, {"Retry-After": late}, b"{}"))
    with pytest.raises(RequestFailedError) as error:
        XCatClient(url).recommend()
    assert error.value.retry_after == pytest.approx(3600, abs=5) and len(bodies) == 1 and not pauses


def test_a_broken_connection_sends_the_same_event_again(answering: Any, pauses: list[float]) -> None:
    url, bodies = answering(STORED, None, None, STORED)
    client = XCatClient(url)
    client.add_event("anna", "item-03")
    assert client.add_event("anna", "item-10").accepted == 1
    assert len(bodies) == 4 and len(set(bodies[1:])) == 1 and len(pauses) == 2


def test_no_event_is_stored_twice_when_its_answer_is_lost(client: XCatClient, server: Server) -> None:
    """A proxy stores each event and loses the first answer."""
    lost, target = [], server.url.removeprefix("http://").split(":")

    class Proxy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = XCatClient(f"http://{':'.join(target)}", api_key="secret-key")._transport.send(
                "POST", self.path, json.loads(body)
            )
            if not lost:
                lost.append(answer)
                return
            content = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            return

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True).start()
    try:
        found = XCatClient(f"http://127.0.0.1:{proxy.server_port}", backoff=0.01).add_event("bea", "item-03")
    finally:
        proxy.shutdown()
        proxy.server_close()
    assert (found.accepted, found.duplicates) == (0, 1)
    assert lost == [{"accepted": 1, "duplicates": 0}]
    bea = client.user("bea")
    assert bea is not None and len(bea["events"]) == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>hello</html>", "not a JSON object: <html>hello</html>; check url"),
        (b"", "not a JSON object: no text"), (b"[]", "not a JSON object"), (b"\xff", "not a JSON object"),
        (b"{}", "'recommendations' is missing"), (b'{"recommendations": {}}', "a list was expected, and it is dict"),
        (b'{"recommendations": [7], "notes": []}', "is not that of a service"),
        (b'{"recommendations": [{"item_id": "a"}], "notes": []}', "'score'"),
        (b'{"recommendations": [], "notes": 7}', "a list was expected, and it is int"),
    ],
)  # fmt: skip
def test_an_answer_of_something_else_is_named(body: bytes, message: str, answering: Any) -> None:
    url, bodies = answering((200, {}, body))
    with pytest.raises(RequestFailedError) as error:
        XCatClient(url).recommend()
    assert message in str(error.value) and (error.value.status, error.value.kind) == (200, "answer")
    assert len(bodies) == 1, "it is not sent again"


def test_other_answers_of_all_requests_are_named(answering: Any) -> None:
    client = XCatClient(answering((200, {}, b'{"lists": 7}'))[0])
    for ask in (
        lambda: client.recommend_many([{}]), lambda: client.add_event("a", "b"), lambda: client.chat("hello"),
        lambda: client.add_items([{"item_id": "a"}]), lambda: client.delete_item("a"), lambda: client.similar("a"),
        lambda: client.query("a"), lambda: client.click_probability(["a"]), lambda: client.load_checkpoint("a"),
    ):  # fmt: skip
        with pytest.raises(RequestFailedError, match="is not that of a service"):
            ask()


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Long: "])
def test_the_time_is_that_of_the_whole_answer(head: bytes) -> None:
    """A server sends a byte every 20 ms, more often than the timeout, in the body or in a header."""
    ended = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1 << 16)
            connection.sendall(head)
            for _ in range(400):
                if ended.wait(0.02):
                    return
                connection.sendall(b"1")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        dripping = threading.Thread(target=drip, args=(listener,))
        dripping.start()
        try:
            with pytest.raises(ConnectionError, match="timed out"):
                XCatClient(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=0.3, retries=0).recommend()
        finally:
            ended.set()
            dripping.join()


def test_a_service_that_is_not_there_is_named(pauses: list[float]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    client = XCatClient(f"http://user:secret@127.0.0.1:{port}", retries=2)
    with pytest.raises(ConnectionError, match=rf"http://127\.0\.0\.1:{port}: .*refused") as error:
        client.recommend()
    assert len(pauses) == 2 and "secret" not in str(error.value) and not client.is_ready()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"url": "127.0.0.1:8000"}, "url is"), ({"timeout": 0}, "timeout is 0"), ({"retries": -1}, "retries is -1")],
)
def test_wrong_arguments_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        XCatClient(**options)


def test_a_client_needs_no_torch() -> None:
    code = "import sys, xcat_rec; xcat_rec.XCatClient(); print({'torch', 'fastapi', 'transformers'} & {*sys.modules})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
