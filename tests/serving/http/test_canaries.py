"""Keys, ids and texts of customers are in no log, whatever is asked and whatever fails."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from xcat_rec.serving.http.app import create_app
from xcat_rec.serving.http.engine import Engine
from xcat_rec.serving.http.settings import ServeSettings

from ...ranking.test_live_policy import OTHERS, prepared

KEY, WRONG = "canary-key-1f3a", "canary-wrong-77b2"
CANARIES = [KEY, WRONG, "canary-user", "canary-text", "canary-query", "canary-item", "canary-message", "canary-event"]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    prepared().model.save_pretrained(tmp_path / "model")
    prepared().processor.save_pretrained(tmp_path / "model")
    (tmp_path / "keys").write_text(KEY + "\n", encoding="utf-8")
    settings = ServeSettings(store=f"sqlite:///{tmp_path / 'state.db'}", api_key_file=tmp_path / "keys")
    app = create_app(Engine(str(tmp_path / "model"), settings))
    with TestClient(app, raise_server_exceptions=False) as found:
        yield found


def requests() -> list[tuple[str, str, object]]:
    """Requests that work, that are refused, and that fail."""
    event = {"user_id": "canary-user", "item_id": OTHERS[0], "text": "canary-text", "event_id": "canary-event"}
    return [
        ("POST", "/events", event), ("POST", "/events", {**event, "timestamp": "canary-text"}),
        ("POST", "/events", {**event, "canary-text": 1}),
        ("POST", "/events", {**event, "impression_id": "canary-event"}),
        ("POST", "/recommend", {"user_id": "canary-user", "query": "canary-query"}),
        ("POST", "/recommend", {"history": ["canary-item"], "filters": ["canary-query<1"]}),
        ("POST", "/recommend", {"user_id": "canary-user", "profile": "off"}),
        ("POST", "/query", {"query": "canary-query", "user_id": "canary-user"}),
        ("POST", "/chat", {"message": "canary-message", "user_id": "canary-user"}),
        ("POST", "/explain", {"user_id": "canary-user", "item_id": "canary-item"}),
        ("POST", "/similar", {"item_id": "canary-item"}), ("POST", "/items", {"items": [{"item_id": "canary-item"}]}),
        ("GET", "/users/canary-user", None), ("GET", "/canary-item?key=canary-key-1f3a", None),
        ("DELETE", "/users/canary-user", None), ("DELETE", "/users/canary-user", None),
        ("DELETE", "/items/canary-item", None), ("GET", "/info", None), ("GET", "/metrics", None),
    ]  # fmt: skip


def test_no_canary_is_in_a_log(
    client: TestClient, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """At the level DEBUG, of every logger but those of the test's own client."""
    caplog.set_level(logging.DEBUG)
    answers = {}
    for method, path, body in requests():
        for key in (KEY, WRONG):
            found = client.request(method, path, json=body, headers={"x-api-key": key})
            answers.setdefault(key, []).append(found.status_code)
    assert set(answers[WRONG]) == {401} and {200, 404, 422} <= set(answers[KEY])
    broken = client.app.state.engine  # type: ignore[attr-defined]
    for name in ("recommend_lists", "recommend", "chat", "append_many", "similar"):
        monkeypatch.setattr(type(broken), name, _failing, raising=False)
    for method, path, body in requests():
        client.request(method, path, json=body, headers={"x-api-key": KEY})
    output = capfd.readouterr()
    own = [one for one in caplog.records if not one.name.startswith(("httpx", "httpcore", "asyncio"))]
    text = "\n".join([output.out, output.err, *(logging.Formatter().format(one) for one in own)])
    assert '"route"' in text and "a request failed" in text, "the service does log requests and failures"
    assert [canary for canary in CANARIES if canary in text] == []
    assert KEY not in client.get("/info", headers={"x-api-key": KEY}).text


def _failing(*_: object, **__: object) -> object:
    raise RuntimeError("broken on purpose")
