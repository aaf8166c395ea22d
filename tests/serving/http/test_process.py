"""`xcat serve` as a process: events survive kills, running requests survive the end, wrong options are named."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from pathlib import Path

import pytest

from xcat_rec.cli.app import main

from ...hub.checkpoints import save_checkpoint
from .server import Server


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("process") / "checkpoint")


def post_events(server: Server, acknowledged: list[str]) -> None:
    """Post events of one user until the service is gone; those that it acknowledged are added to the list.

    A kill may cut an answer anywhere: in its head, in its body, or before both.
    """
    try:
        while True:
            name = f"e{len(acknowledged)}"
            event = {"user_id": "anna", "item_id": f"item-{len(acknowledged) % 40:02d}", "event_id": name}
            if server.ask("/events", {**event, "timestamp": 1_700_000_000})[0] == 200:
                acknowledged.append(name)
    except (OSError, http.client.HTTPException, ValueError):
        return


def stored(server: Server) -> list[str]:
    return [event["event_id"] for event in server.ask("/users/anna")[1]["events"]]


def crash_under_load(checkpoint: Path, store: str, acknowledged: list[str], events: int) -> None:
    """Start the service, check what it has, post events, and kill it while it answers."""
    server, before = Server(checkpoint, "--store", store), len(acknowledged)
    try:
        if acknowledged:
            found = stored(server)
            assert found[: len(acknowledged)] == acknowledged, "an acknowledged event is lost"
            assert len(set(found)) == len(found), "an event is there twice"
        poster = threading.Thread(target=post_events, args=(server, acknowledged))
        poster.start()
        while len(acknowledged) < before + events:
            assert poster.is_alive()
            time.sleep(0.01)
    finally:
        server.kill()
    poster.join()


def test_acknowledged_events_survive_a_kill_and_the_service_ends_when_asked(checkpoint: Path, tmp_path: Path) -> None:
    store, acknowledged = f"sqlite:///{tmp_path}/state.db", list[str]()
    crash_under_load(checkpoint, store, acknowledged, 5)
    server = Server(checkpoint, "--store", store)
    assert stored(server)[: len(acknowledged)] == acknowledged
    status, found = server.ask("/recommend", {"user_id": "anna", "k": 3})
    assert status == 200 and found["basis"] == "history"
    assert server.ask("/health/ready") == (200, {"status": "ready"})
    assert server.ask("/info")[1]["settings"]["port"] == int(server.url.rpartition(":")[2])
    assert server.stop() == 0
    lines = server.log_lines()
    assert [line["route"] for line in lines] == ["/users/{user_id}", "/recommend", "/health/ready", "/info"]
    assert "anna" not in str(lines) and all(line["status"] == 200 for line in lines)


@pytest.mark.slow
def test_twenty_kills_under_load_lose_and_double_nothing(checkpoint: Path, tmp_path: Path) -> None:
    store, acknowledged = f"sqlite:///{tmp_path}/state.db", list[str]()
    for _ in range(20):
        crash_under_load(checkpoint, store, acknowledged, 10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--port", "99999"], "port"),
        (["--store", "mysql://x"], "state begins with 'mysql'"),
        (["--workers", "0"], "workers"),
        (["--api-key-file", "nowhere.txt"], "nowhere.txt"),
    ],
)
def test_wrong_options_are_named(
    checkpoint: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["serve", str(checkpoint), *options])
    assert stop.value.code == 2 and message in capsys.readouterr().err


def test_a_port_that_is_taken_is_named(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit) as stop:
            main(["serve", str(checkpoint), "--port", str(port)])
    assert (
        stop.value.code == 2 and f"port {port}: cannot listen there: Address already in use" in capsys.readouterr().err
    )
