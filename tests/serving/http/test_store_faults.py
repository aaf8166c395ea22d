"""A full disk and crashes: the service says that it is not ready, recovers by itself, and loses no reaction."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from xcat_rec.serving.feedback import FeedbackLog, Impression, Reaction, RedisFeedback, open_feedback
from xcat_rec.serving.http.app import create_app
from xcat_rec.serving.http.engine import Engine
from xcat_rec.serving.http.events import append_events
from xcat_rec.serving.http.settings import ServeSettings
from xcat_rec.serving.state.urls import open_state

from ...hub.checkpoints import save_checkpoint


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("faults") / "checkpoint")


def ready_becomes(client: TestClient, status: int) -> dict[str, Any]:
    """The body of `/health/ready` once it has a status; a good answer counts for half a second."""
    end = time.monotonic() + 10
    while (answer := client.get("/health/ready")).status_code != status:
        assert time.monotonic() < end, answer.text
        time.sleep(0.05)
    return dict(answer.json())


def test_a_full_disk_is_not_ready_and_an_empty_one_is_again(checkpoint: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk; it is the process's own."""
    settings = ServeSettings(store=f"sqlite:///{tmp_path}/state.db")
    old, event = resource.getrlimit(resource.RLIMIT_FSIZE), {"user_id": "u", "item_id": "item-01", "timestamp": 1}
    with TestClient(create_app(Engine(str(checkpoint), settings))) as client:
        ready_becomes(client, 200)
        size = (tmp_path / "state.db-wal").stat().st_size
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
            full = ready_becomes(client, 503)
            refused = client.post("/events", json=event)
            assert client.get("/health/live").status_code == 200
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, old)
        assert full["error_type"] == "unavailable" and "disk" in full["error"]
        assert refused.status_code == 503 and "Retry-After" in refused.headers
        ready_becomes(client, 200)
        assert client.post("/events", json=event).json()["accepted"] == 1


SHOWN = Impression("i1", "anna", 10, "c1", ("a", "b"), (0.5, 0.25))


@pytest.fixture(params=["memory", "sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "redis":
        yield request.getfixturevalue("empty_redis")
    else:
        yield {"memory": "memory:", "sqlite": f"sqlite:///{tmp_path}/state.db"}[request.param]


@pytest.mark.parametrize(
    "details",
    [
        {"event_type": "click", "event_id": "e1"},
        {"event_type": "click", "timestamp": 5},
        {"event_type": "hide"},
    ],
)
def test_a_crash_before_the_reaction_is_mended_by_the_repetition(
    store: str, details: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    log, feedback = open_state(store), open_feedback(store)
    feedback.show(SHOWN)
    event = {"user_id": "anna", "item_id": "b", "impression_id": "i1", **details}
    seconds = iter(range(1_000, 2_000))
    monkeypatch.setattr("xcat_rec.serving.http.events.time.time", lambda: float(next(seconds)))

    def post(feedback: FeedbackLog | RedisFeedback) -> Any:
        return append_events(log, feedback, [[event]])[0]

    with monkeypatch.context() as broken:
        broken.setattr(type(feedback), "react", crash)
        assert isinstance(post(feedback), OSError) and not list(feedback.reactions())
    first = post(feedback)
    assert len(list(feedback.reactions())) == 1, "the event was stored, and its reaction was lost"
    again = post(feedback)
    assert (first, again) == ([False], [False])
    (reaction,) = feedback.reactions()
    assert (reaction.impression, reaction.item, reaction.type) == ("i1", "b", details["event_type"])
    assert reaction.timestamp == details.get("timestamp", reaction.timestamp)


def crash(_: object, reaction: Reaction) -> bool:
    raise OSError("the process is gone")


def test_an_item_of_a_list_is_hidden_once(store: str) -> None:
    feedback = open_feedback(store)
    feedback.show(SHOWN)
    for item, kind, second in (
        ("a", "hide", 1),
        ("a", "hide", 2),
        ("b", "hide", 2),
        ("a", "click", 1),
        ("a", "click", 2),
    ):
        added = feedback.react(Reaction("i1", item, kind, second))
        assert added == ((item, kind, second) != ("a", "hide", 2))
