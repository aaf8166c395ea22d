"""The service over HTTP: lists, events, items and users, errors, keys, metrics, and another checkpoint."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.serving.http.app import create_app
from xcat_rec.serving.http.engine import Engine
from xcat_rec.serving.http.settings import ServeSettings

from ...hub.checkpoints import save_checkpoint

HISTORY = ["item-03", "item-10", "item-17"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("service") / "checkpoint")


def client_of(checkpoint: Path, **settings: Any) -> TestClient:
    app = create_app(Engine(str(checkpoint), ServeSettings(**settings)))
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture
def client(checkpoint: Path) -> Iterator[TestClient]:
    with client_of(checkpoint) as client:
        yield client


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["item_id"] for item in answer.json()["recommendations"]]


def test_a_list_is_that_of_the_recommender(client: TestClient, checkpoint: Path) -> None:
    answer = client.post(
        "/recommend", json={"history": HISTORY, "k": 5, "filters": ["price<45"], "explore": "balanced"}
    )
    found = XCatRecommender.from_pretrained(checkpoint).recommend(HISTORY, 5, filters=["price<45"], explore="balanced")
    assert answer.json()["recommendations"] == json.loads(json.dumps([item.to_dict() for item in found]))
    assert answer.json()["basis"] == "history" and len(answer.json()["impression_id"]) == 32
    assert {"x-queue-time", "x-model-time", "x-total-time"} <= set(answer.headers)
    assert client.post("/recommend", json={"k": 3}).json()["basis"] == "popular"


def test_an_event_is_in_the_next_list(client: TestClient, checkpoint: Path) -> None:
    for number, item in enumerate(HISTORY):
        event = {"user_id": "anna", "item_id": item, "timestamp": 1_700_000_000 + number}
        assert client.post("/events", json=event).json() == {"accepted": 1, "duplicates": 0}
        shown = ids(client.post("/recommend", json={"user_id": "anna", "k": 40}))
        assert not set(HISTORY[: number + 1]) & set(shown)
    assert client.post("/events", json=event).json() == {"accepted": 0, "duplicates": 1}
    times = [1_700_000_000 + number for number in range(3)]
    found = XCatRecommender.from_pretrained(checkpoint).recommend(HISTORY, 5, timestamps=times)
    assert ids(client.post("/recommend", json={"user_id": "anna", "k": 5})) == [item.item_id for item in found]


def test_a_hidden_item_is_never_shown_again(client: TestClient) -> None:
    first = ids(client.post("/recommend", json={"user_id": "ben", "k": 3}))[0]
    hide = {"user_id": "ben", "item_id": first, "event_type": "hide"}
    assert client.post("/events", json=hide).json()["accepted"] == 1
    assert client.post("/events", json=hide).json()["duplicates"] == 1
    assert first not in ids(client.post("/recommend", json={"user_id": "ben", "k": 40}))


def test_a_recommendation_is_explained(client: TestClient, checkpoint: Path) -> None:
    body = {"history": HISTORY, "item_id": "item-24", "language": "zh"}
    answer = client.post("/explain", json=body).json()
    found = XCatRecommender.from_pretrained(checkpoint).explain(HISTORY, "item-24", language="zh", words=False)
    assert answer.pop("checkpoint") and answer == json.loads(json.dumps(found.to_dict()))
    for item in HISTORY:
        client.post("/events", json={"user_id": "ida", "item_id": item})
    of_user = client.post("/explain", json={"user_id": "ida", "item_id": "item-24"}).json()
    assert of_user["rank"] == answer["rank"] and of_user["sentence"] != answer["sentence"]
    assert client.post("/explain", json={"user_id": "ida", "item_id": "item-03"}).status_code == 422


def test_reactions_refer_to_a_list(client: TestClient) -> None:
    client.post("/events", json={"user_id": "cora", "item_id": "item-03"})
    shown = client.post("/recommend", json={"user_id": "cora", "k": 3, "rerank": "sample=0.5:7"}).json()
    item = shown["recommendations"][1]["item_id"]
    click = {"user_id": "cora", "item_id": item, "event_type": "", "impression_id": shown["impression_id"]}
    assert client.post("/events", json=click).status_code == 200
    user = client.get("/users/cora").json()
    assert user["reactions"][0]["item"] == item and user["impressions"][0]["id"] == shown["impression_id"]
    assert len(user["impressions"][0]["propensities"]) == 3
    other = client.post("/events", json={**click, "user_id": "dora"})
    assert other.status_code == 422 and "not that of a list of this user" in other.json()["error"]
    wrong = client.post("/events", json={**click, "item_id": "item-xx"})
    assert wrong.status_code == 422 and not client.get("/users/dora").is_success


def test_several_lists_and_events_in_one_call(client: TestClient) -> None:
    both = client.post("/recommend/batch", json={"requests": [{"history": HISTORY, "k": 2}, {"k": 2}]}).json()["lists"]
    assert [one["basis"] for one in both] == ["history", "popular"]
    events = [{"user_id": "eve", "item_id": item, "timestamp": n + 1} for n, item in enumerate([*HISTORY, HISTORY[0]])]
    assert client.post("/events", json={"events": events}).json() == {"accepted": 4, "duplicates": 0}
    before = len(list(client.app.state.engine.feedback.impressions()))  # type: ignore[attr-defined]
    half = client.post("/recommend/batch", json={"requests": [{"k": 2}, {"k": 201}]})
    assert half.status_code == 422 and half.json()["error"].startswith("requests.1: k is 201")
    assert len(list(client.app.state.engine.feedback.impressions())) == before  # type: ignore[attr-defined]
    many = client.post("/recommend/batch", json={"requests": [{}] * 33})
    assert many.status_code == 413 and "33 entries" in many.json()["error"]


def test_events_of_one_call_are_stored_together_or_not_at_all(client: TestClient) -> None:
    good = {"user_id": "gail", "item_id": "item-03"}
    for wrong in ({"timestamp": "yesterday"}, {"impression_id": "none"}):
        answer = client.post("/events", json={"events": [good, {**good, **wrong}]})
        assert answer.status_code == 422 and answer.json()["error"].startswith("events.1: "), answer.text
    assert client.get("/users/gail").status_code == 404


@pytest.mark.parametrize("user", ["a/b", "a/b/c.d", "/a", "pad ", "用户 1", "?#%"])
def test_every_user_can_be_read_and_deleted(client: TestClient, user: str) -> None:
    assert client.post("/events", json={"user_id": user, "item_id": "item-03"}).status_code == 200
    path = f"/users/{quote(user, safe='')}"
    assert client.get(path).json()["user_id"] == user.strip()
    assert client.delete(path).json() == {"deleted": True}


def test_another_method_names_those_of_all_routes_of_the_path(client: TestClient) -> None:
    for path, methods in (("/users/anna", "DELETE, GET"), ("/recommend", "POST"), ("/info", "GET")):
        answer = client.put(path)
        assert (answer.status_code, answer.headers["Allow"]) == (405, methods)
        assert answer.json() == {"error": "Method Not Allowed", "error_type": "method"}


def test_an_item_with_a_slash_in_its_id_can_be_deleted(client: TestClient) -> None:
    item = {"item_id": "new/1", "title": "red tent", "category": "tents", "brand": "Nova"}
    assert client.post("/items", json={"items": [item]}).status_code == 200
    assert client.delete("/items/new%2F1").json() == {"deleted": 1}
    assert client.delete("/users/%20").status_code == client.get("/users/%20").status_code == 422


def test_items_are_added_and_deleted_between_requests(client: TestClient) -> None:
    item = {"item_id": "new-1", "title": "red tent for two", "category": "tents", "brand": "Nova"}
    added = client.post("/items", json={"items": [{**item, "price": "cheap"}]}).json()
    assert added["new"] == 1 and "column price: 1 row has no number, for example 'cheap'" in added["notes"][0]
    assert ids(client.post("/recommend", json={"history": HISTORY, "filters": ["brand=Nova"]})) == ["new-1"]
    assert client.delete("/items/new-1").json() == {"deleted": 1}
    assert ids(client.post("/recommend", json={"history": HISTORY, "filters": ["brand=Nova"]})) == []
    assert client.delete("/items/new-9").status_code == 404
    assert client.post("/similar", json={"item_id": "new-9"}).status_code == 404
    assert len(ids(client.post("/similar", json={"item_id": "item-03", "k": 4}))) == 4


def test_added_items_survive_a_restart_with_an_index(checkpoint: Path, tmp_path: Path) -> None:
    recommender = XCatRecommender.from_pretrained(checkpoint)
    recommender.save_index(tmp_path / "index")
    item = {"item_id": "new-2", "title": "red tent", "category": "tents", "brand": "Nova"}
    with client_of(checkpoint, index=tmp_path / "index") as client:
        assert client.post("/items", json={"items": [item]}).json()["new"] == 1
        assert client.delete("/items/item-00").json() == {"deleted": 1}
    with client_of(checkpoint, index=tmp_path / "index") as client:
        assert ids(client.post("/recommend", json={"history": HISTORY, "filters": ["brand=Nova"]})) == ["new-2"]
        assert "item-00" not in ids(client.post("/recommend", json={"history": HISTORY, "k": 60}))


def test_a_user_can_take_and_delete_what_is_known(client: TestClient) -> None:
    client.post("/events", json={"user_id": "finn", "item_id": "item-03", "timestamp": 5})
    client.post("/recommend", json={"user_id": "finn"})
    known = client.get("/users/finn").json()
    assert known["events"][0]["item_id"] == "item-03" and len(known["impressions"]) == 1
    assert client.delete("/users/finn").json() == {"deleted": True}
    assert client.get("/users/finn").status_code == client.delete("/users/finn").status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/recommend", {"history": ["a"], "user_id": "b"}, 422, "user_id or history, not both"),
        ("/recommend", {"histroy": ["a"]}, 422, "histroy: Extra inputs are not permitted"),
        ("/recommend", {"k": 0}, 422, "k: Input should be greater than or equal to 1"),
        ("/recommend", {"k": 201}, 422, "k is 201; give 200 at most"),
        ("/recommend", {"filters": ["prise<2"]}, 422, "prise"),
        ("/recommend", {"history": HISTORY, "timestamps": [1]}, 422, "timestamps"),
        ("/recommend", {"user_id": "a", "timestamps": [1]}, 422, "belong to history"),
        ("/recommend", {"rerank": "sample=0.1:1", "log": False}, 422, "has to be logged"),
        ("/query", {"history": HISTORY}, 422, "query: Field required"),
        ("/query", {"query": "tent"}, 422, "quer"),
        ("/events", {"user_id": " ", "item_id": "a"}, 422, "user_id"),
        ("/events", {"user_id": "a", "item_id": "b", "timestamp": "yesterday"}, 422, "timestamp"),
        ("/events", {"user_id": "a", "item_id": "b", "timestamp": True}, 422, "timestamp"),
        ("/events", {"user_id": "a", "item_id": 5}, 422, "item_id: Input should be a valid string"),
        ("/events", {"events": [{"user_id": "a"}]}, 422, "events.0.item_id: Field required"),
        ("/items", {"items": [{"title": "a"}]}, 422, "item_id"),
        ("/nowhere", {}, 404, "Not Found"),
    ],
)
def test_errors_name_field_and_remedy(client: TestClient, path: str, body: Any, status: int, message: str) -> None:
    answer = client.post(path, json=body)
    assert (answer.status_code, set(answer.json())) == (status, {"error", "error_type"}), answer.text
    assert message in answer.json()["error"] and "Body" not in answer.json()["error"]


@pytest.mark.parametrize(
    "content",
    [b"{", b"\xff\xfe", b"[" * 100_000, b'{"k": 1e999}', b'{"k": ' + b"9" * 5000 + b"}", b'{"history": ["\\ud800"]}',
     b'{"user_id": "a\\u0000b"}', b'{"user_id": "\\ud800"}', b"null", b'{"history": [null]}'],
)  # fmt: skip
def test_hostile_bodies_are_no_errors_of_the_service(client: TestClient, content: bytes) -> None:
    for path in ("/recommend", "/events", "/items", "/chat"):
        answer = client.post(path, content=content, headers={"content-type": "application/json"})
        assert answer.status_code < 500, (path, answer.text)


def test_a_body_that_is_not_json_is_named(client: TestClient) -> None:
    answer = client.post("/events", content=b"{", headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]) == (422, "the body is not JSON")


def test_large_bodies_are_refused(checkpoint: Path) -> None:
    with client_of(checkpoint, max_body_bytes=100) as client:
        assert client.post("/recommend", json={"history": ["a" * 200]}).json()["error_type"] == "too_large"
        parts = iter([b'{"history": ["', b"a" * 200, b'"]}'])
        assert client.post("/recommend", content=parts).status_code == 413


def test_keys_are_asked_for_and_never_shown(
    checkpoint: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "keys"
    file.write_text("canary-key\n")
    with caplog.at_level(logging.INFO), client_of(checkpoint, api_key_file=file) as client:
        assert client.post("/recommend", json={}).status_code == 401
        assert (
            client.post("/recommend", json={}, headers={"X-API-Key": "other"}).json()["error_type"] == "unauthorized"
        )
        assert client.get("/health/ready").status_code == 200
        key = {"X-API-Key": "canary-key"}
        answer = client.post("/recommend", json={"user_id": "canary-user"}, headers=key)
        shown = answer.text + client.get("/info", headers=key).text + client.get("/metrics", headers=key).text
    assert answer.status_code == 200
    assert "canary" not in shown.replace("canary-user", "") and "canary" not in caplog.text
    assert any("/recommend" in line for line in caplog.messages)


def test_metrics_have_few_labels_whatever_is_asked(client: TestClient) -> None:
    for number in range(30):
        client.get(f"/users/user-{number}")
        client.get(f"/hostile/{number}")
    lines = [line for line in client.get("/metrics").text.splitlines() if not line.startswith("#")]
    assert len(lines) < 300
    assert 'xcat_requests_total{route="/users/{user_id}",status="4xx"} 30.0' in lines
    assert 'xcat_requests_total{route="unknown",status="4xx"} 30.0' in lines
    assert not any("user-1" in line or "hostile" in line for line in lines)


def test_another_checkpoint_answers_without_a_restart(client: TestClient, tmp_path: Path) -> None:
    client.post("/events", json={"user_id": "gus", "item_id": "item-03"})
    before = client.post("/recommend", json={"user_id": "gus"}).json()["checkpoint"]
    other = save_checkpoint(tmp_path / "other", seed=1)
    swapped = client.post("/checkpoint", json={"checkpoint": str(other)}).json()
    after = client.post("/recommend", json={"user_id": "gus"}).json()
    assert before != after["checkpoint"] == swapped["fingerprint"] == client.get("/info").json()["fingerprint"]
    assert after["basis"] == "history", "events outlive the checkpoint"
    wrong = client.post("/checkpoint", json={"checkpoint": str(tmp_path / "nowhere")})
    assert wrong.status_code == 422 and client.post("/recommend", json={}).json()["checkpoint"] == after["checkpoint"]


def test_what_lists_go_by_is_told(client: TestClient) -> None:
    told = client.get("/parameters").json()
    assert {"history", "items you had", "hidden items"} <= {one["name"] for one in told["inputs"]}
    assert all(one["meaning"] and one["change"] for one in told["inputs"])
    assert "With profile off" in told["profile_off"] and "popularity" in {one["name"] for one in told["inputs"]}


def test_a_store_that_is_gone_is_named_and_comes_back(checkpoint: Path, tmp_path: Path) -> None:
    with client_of(checkpoint, store=f"sqlite:///{tmp_path}/state.db") as client:
        event = {"user_id": "hugo", "item_id": "item-03", "timestamp": 7}
        assert client.post("/events", json=event).status_code == 200
        (tmp_path / "state.db").rename(tmp_path / "moved.db")
        for path, body in (("/events", {**event, "timestamp": 8}), ("/recommend", {"history": ["item-03"]})):
            broken = client.post(path, json=body)
            assert (broken.status_code, broken.json()["error_type"]) == (503, "unavailable")
            assert "is gone" in broken.json()["error"] and broken.headers["Retry-After"] == "1"
        assert client.get("/health/ready").status_code == 503
        (tmp_path / "moved.db").rename(tmp_path / "state.db")
        assert client.get("/health/ready").status_code == 200
        assert client.post("/events", json={**event, "timestamp": 8}).json()["accepted"] == 1
        assert len(client.get("/users/hugo").json()["events"]) == 2
