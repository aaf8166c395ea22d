"""Several processes behind one port: one store, one index, one checkpoint, one sum of metrics."""

from __future__ import annotations

import os
import signal
import socket
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.serving.http.run import listening, serve
from xcat_rec.serving.http.settings import ServeSettings
from xcat_rec.serving.http.shared_folder import SharedFolder, summed
from xcat_rec.serving.http.watched_index import WatchedIndex, stamp_of

from ...hub.checkpoints import save_checkpoint
from .server import Server

HISTORY = ["item-03", "item-10", "item-17"]
BOOTS = {"item_id": "new-1", "title": "boots number 99", "category": "boots", "brand": "Nova"}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("several") / "checkpoint")


@pytest.fixture(scope="module")
def server(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two processes with one SQLite file and one index."""
    folder = tmp_path_factory.mktemp("store")
    XCatRecommender.from_pretrained(checkpoint).save_index(folder / "index")
    store = f"sqlite:///{folder}/state.db"
    found = Server(checkpoint, "--processes", "2", "--store", store, "--index", str(folder / "index"))
    yield found
    assert found.stop() == 0


def children(server: Server) -> list[psutil.Process]:
    return psutil.Process(server.process.pid).children()


def until(condition: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition never held"
        time.sleep(0.05)


def metrics(server: Server) -> dict[str, float]:
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=30) as answer:
        lines = [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def ids(answer: tuple[int, Any]) -> list[str]:
    assert answer[0] == 200, answer
    return [item["item_id"] for item in answer[1]["recommendations"]]


@contextmanager
def answered_by(server: Server, number: int) -> Iterator[None]:
    """Let one of the processes answer, and suspend the others."""
    others = [child for place, child in enumerate(children(server)) if place != number]
    for child in others:
        child.suspend()
    try:
        yield
    finally:
        for child in others:
            child.resume()


def test_an_event_of_one_process_is_in_the_next_list_of_the_other(server: Server) -> None:
    for number, item in enumerate(HISTORY):
        event = {"user_id": "anna", "item_id": item, "timestamp": 1_700_000_000 + number}
        with answered_by(server, number % 2):
            assert server.ask("/events", event) == (200, {"accepted": 1, "duplicates": 0})
        with answered_by(server, 1 - number % 2):
            assert not set(HISTORY[: number + 1]) & set(ids(server.ask("/recommend", {"user_id": "anna", "k": 40})))
            assert server.ask("/events", event) == (200, {"accepted": 0, "duplicates": 1})


def test_a_reaction_may_reach_another_process_than_the_list(server: Server) -> None:
    for number in range(2):
        with answered_by(server, number):
            shown = server.ask("/recommend", {"user_id": "ben", "k": 2})[1]
        click = {"user_id": "ben", "item_id": shown["recommendations"][0]["item_id"], "event_type": "click"}
        with answered_by(server, 1 - number):
            assert server.ask("/events", {**click, "impression_id": shown["impression_id"]})[0] == 200
            assert len(server.ask("/users/ben")[1]["reactions"]) == number + 1


def test_items_are_added_and_deleted_for_all_processes(server: Server) -> None:
    asked = {"history": HISTORY, "filters": ["brand=Nova"]}
    with answered_by(server, 0):
        assert server.ask("/items", {"items": [BOOTS]})[1]["new"] == 1
    with answered_by(server, 1):
        assert ids(server.ask("/recommend", asked)) == ["new-1"]
        request = urllib.request.Request(f"{server.url}/items/new-1", method="DELETE")
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 200
    with answered_by(server, 0):
        assert ids(server.ask("/recommend", asked)) == []


def test_metrics_are_those_of_all_processes(server: Server) -> None:
    name = 'xcat_requests_total{route="/recommend",status="2xx"}'
    before = metrics(server).get(name, 0.0)
    for _ in range(20):
        ids(server.ask("/recommend", {"k": 1}))
    with answered_by(server, 0):
        first = metrics(server)[name]
    with answered_by(server, 1):
        until(lambda: metrics(server)[name] >= max(first, before + 20))


def test_another_checkpoint_and_a_process_that_is_killed(server: Server, tmp_path: Path) -> None:
    other = save_checkpoint(tmp_path / "other", seed=1)
    assert "index is missing" in server.ask("/checkpoint", {"checkpoint": str(other)})[1]["error"]
    XCatRecommender.from_pretrained(other).save_index(tmp_path / "its-index")
    swap = {"checkpoint": str(other), "index": str(tmp_path / "its-index")}
    told = server.ask("/checkpoint", swap)[1]["fingerprint"]
    until(lambda: {server.ask("/recommend", {"k": 1})[1]["checkpoint"] for _ in range(20)} == {told})
    (first, second) = (child.pid for child in children(server))
    os.kill(first, signal.SIGKILL)
    for _ in range(20):
        ids(server.ask("/recommend", {"k": 1}))
    until(lambda: len(children(server)) == 2 and first not in [child.pid for child in children(server)])
    assert second in [child.pid for child in children(server)], "the other one was not started again"
    new = next(child for child in children(server) if child.pid != second)
    until(lambda: new.cpu_times().user > 1)
    assert {server.ask("/recommend", {"k": 1})[1]["checkpoint"] for _ in range(40)} == {told}


@pytest.mark.slow
def test_processes_end_with_the_one_that_started_them(checkpoint: Path, empty_redis: str) -> None:
    """And with Redis they share events, lists and reactions."""
    server = Server(checkpoint, "--processes", "2", "--store", empty_redis)
    started = children(server)
    for number in range(10):
        event = {"user_id": "anna", "item_id": f"item-{number:02d}", "timestamp": 1_700_000_000 + number}
        assert server.ask("/events", event)[1]["accepted"] == 1
        shown = server.ask("/recommend", {"user_id": "anna", "k": 40})
        assert not {f"item-{past:02d}" for past in range(number + 1)} & set(ids(shown))
        click = {"user_id": "anna", "item_id": ids(shown)[0], "event_type": "click", "timestamp": 1_700_000_100}
        assert server.ask("/events", {**click, "impression_id": shown[1]["impression_id"]})[0] == 200
    assert len(server.ask("/users/anna")[1]["reactions"]) == 10
    assert server.ask("/items", {"items": [BOOTS]})[1]["error"].endswith("start it with index")
    server.kill()
    until(lambda: not any(child.is_running() and child.status() != "zombie" for child in started))


def test_settings_that_processes_cannot_have(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"processes is 2 and store is 'memory:', .* give store='sqlite:///state.db'"):
        ServeSettings(processes=2)
    settings = ServeSettings(processes=2, store=f"sqlite:///{tmp_path}/state.db", port=0)
    with pytest.raises(ValueError, match="leave recommender out"):
        serve(checkpoint, settings, recommender=XCatRecommender.from_pretrained(checkpoint))
    whole = ServeSettings(
        processes=2, store="redis://h/1", index=tmp_path, api_key_file=tmp_path / "keys", cors_origins=("a", "b")
    )
    assert ServeSettings.from_dict(whole.to_dict()) == whole


@pytest.mark.slow
def test_an_error_at_the_start_of_a_process_is_that_of_the_service(checkpoint: Path, tmp_path: Path) -> None:
    wrong = ServeSettings(processes=2, store=f"sqlite:///{tmp_path}/no/state.db", port=0)
    with pytest.raises(OSError, match=r"no/state\.db cannot be opened as a log of sessions"):
        serve(checkpoint, wrong)


def test_metrics_are_summed_by_family(tmp_path: Path) -> None:
    first = b'# HELP a Text\n# TYPE a counter\na_total 1.0\n# TYPE b gauge\nb{x="y z"} 2.0\n'
    second = b'# HELP a Text\n# TYPE a counter\na_total 2.5\na_total{c="d"} 1.0\n# TYPE e gauge\ne 1.0\n'
    expected = (
        b'# HELP a Text\n# TYPE a counter\na_total 3.5\na_total{c="d"} 1.0\n# TYPE b gauge\nb{x="y z"} 2.0\n'
        b"# TYPE e gauge\ne 1.0\n"
    )
    assert summed([first, second]) == expected
    SharedFolder(tmp_path, 0).share_metrics(first)
    assert SharedFolder(tmp_path, 1).metrics(second).count(b"a_total 3.5") == 1
    assert SharedFolder(tmp_path, 1).announced() is None
    assert SharedFolder(tmp_path, 0).announce("A", None).number == 1
    assert SharedFolder(tmp_path, 1).announce("B", "I") == SharedFolder(tmp_path, 0).announced() == (2, "B", "I")


def test_changes_of_two_recommenders_on_one_index_are_all_kept(checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    XCatRecommender.from_pretrained(checkpoint).save_index(folder)
    using = [XCatRecommender.from_pretrained(checkpoint, index=folder) for _ in range(2)]
    watched = [WatchedIndex(folder, one, stamp_of(folder)) for one in using]
    for number in range(4):
        with watched[number % 2].changing():
            using[number % 2].add_items(
                {**{name: [value] for name, value in BOOTS.items()}, "item_id": [f"n{number}"]}
            )
    watched[0].refresh()
    for one in using:
        found = one.recommend([], 10, filters=["brand=Nova"], exclude_seen=False)
        assert {item.item_id for item in found} == {"n0", "n1", "n2", "n3"}
    (folder / "index.json").write_text("{}")
    watched[0].refresh()
    assert using[0].index.num_items == 44, "an index that cannot be read is left alone"


def test_answers_do_not_wait_for_acknowledgements() -> None:
    """An answer is two packets; with Nagle's algorithm the second waits 40 ms for the client."""
    with listening("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
