"""What the service refuses, what its notes and errors call things, and the page of its documentation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.serving.http.app import create_app
from xcat_rec.serving.http.engine import Engine
from xcat_rec.serving.http.settings import ServeSettings
from xcat_rec.serving.http.wording import with_fields

from ...cli.test_argument_options import messages
from ...hub.checkpoints import save_checkpoint

HISTORY = ["item-03", "item-10", "item-17"]
PYTHON = re.compile(r"\b[a-z_]+=(?![=A-Z])|\b(True|False|None)\b|ChatSession|recommend\(|add_items|only_items=")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("checked") / "checkpoint", reads_queries=True)


@pytest.fixture(scope="module")
def client(checkpoint: Path) -> Iterator[TestClient]:
    app = create_app(Engine(str(checkpoint), ServeSettings()))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def post(client: TestClient, path: str, status: int = 200, **body: Any) -> Any:
    answer = client.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def listed(found: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in found["recommendations"]]


@pytest.mark.parametrize("wrong", ["a\0b", "a\nb", "\x7fa", "a" * 513])
def test_ids_with_control_characters_are_refused(client: TestClient, wrong: str) -> None:
    for path, body in (
        ("/events", {"user_id": wrong, "item_id": "item-03"}), ("/events", {"user_id": "a", "item_id": wrong}),
        ("/recommend", {"user_id": wrong}), ("/recommend", {"history": [wrong]}),
        ("/chat", {"user_id": wrong, "message": "a"}),
        ("/explain", {"item_id": wrong}), ("/items", {"items": [{"item_id": wrong, "title": "tent"}]}),
    ):  # fmt: skip
        assert "characters" in post(client, path, 422, **body)["error"]
    recommender = client.app.state.engine.current.recommender  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="user has a NUL character"):
        recommender.session("a\0b")


@pytest.mark.parametrize("wrong", [True, "5", 5.0])
def test_a_number_of_items_is_a_whole_number(client: TestClient, wrong: Any) -> None:
    for path, body in (
        ("/recommend", {"history": HISTORY}), ("/query", {"query": "tent"}), ("/chat", {"message": "tents"}),
        ("/similar", {"item_id": "item-03"}),
    ):  # fmt: skip
        assert post(client, path, 422, **body, k=wrong)["error"].startswith("k: Input should be a valid integer")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_bodies_are_in_utf_8(client: TestClient, encoding: str) -> None:
    body = '{"history": ["item-03"], "query": "café"}'
    answer = client.post("/recommend", content=body.encode(encoding), headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json() == {"error": "the body is in UTF-16 or UTF-32; send JSON in UTF-8", "error_type": "invalid"}
    for right in ("utf-8", "utf-8-sig"):
        content = body.encode(right)
        assert client.post("/recommend", content=content, headers={"content-type": "application/json"}).is_success


@pytest.mark.parametrize("hide", ["HIDE", " hide ", "Hide\t"])
def test_hide_is_read_in_any_case(client: TestClient, hide: str) -> None:
    user = f"hider-{len(hide)}-{hide[0]}"
    first = listed(post(client, "/recommend", user_id=user, k=3))[0]
    post(client, "/events", user_id=user, item_id=first, event_type=hide)
    found = post(client, "/recommend", user_id=user, k=50)
    assert first not in listed(found) and not any("type" in note for note in found["notes"])


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"titel": "tent"}, "items.1.titel is not a column of the catalogue"),
        ({"item_id": 7}, "items.1.item_id: an id is a value"), ({"item_id": None}, "items.1.item_id: an id"),
        ({"item_id": " "}, "items.1.item_id: an id is empty"), ({"title": 7}, "items.1.title is a value"),
        ({"title": ["a"]}, "items.1.title is a value"), ({"title": {"a": 1}}, "items.1.title is a value"),
        ({"title": "t" * 1_001}, "items.1.title has 1,001 characters"), ({"brand": True}, "items.1.brand is a value"),
        ({"price": -3}, "items.1.price is -3; give a number from 0"), ({"price": True}, "items.1.price is a value"),
        ({"price": 1e308}, "items.1.price is 1e+308"), ({"price": {"a": 1}}, "items.1.price is a value"),
        ({"category": [{"a": 1}]}, "items.1.category is a value"),
    ],
)  # fmt: skip
def test_odd_items_are_refused_whole(client: TestClient, item: dict[str, Any], message: str) -> None:
    before = client.get("/info").json()["items"]
    items = [{"item_id": "good", "title": "red tent"}, {"item_id": "odd", "title": "red tent", **item}]
    assert post(client, "/items", 422, items=items)["error"].startswith(message)
    assert client.get("/info").json()["items"] == before


def test_counts_are_those_of_items_that_lists_can_have(client: TestClient) -> None:
    before = client.get("/info").json()["items"]
    added = post(client, "/items", items=[{"item_id": "gone", "title": "red tent"}, {"item_id": "bare", "title": ""}])
    assert added["catalogue"] == before + 2 and "1 new item without a title" in added["notes"][-1]
    for name in ("gone", "bare"):
        client.delete(f"/items/{name}")
    short = post(client, "/recommend", k=200)
    assert client.get("/info").json()["items"] == before == len(short["recommendations"])
    assert f"the catalogue has {before} items" in short["notes"][-1]
    assert (
        "item_id is deleted; add the item again with POST /items"
        in post(client, "/similar", 404, item_id="gone")["error"]
    )
    assert "add it again with POST /items" in post(client, "/explain", 422, item_id="gone", history=HISTORY)["error"]


def test_hidden_items_are_not_explained_and_lists_without_a_profile_may_have_them(
    client: TestClient,
) -> None:
    first = listed(post(client, "/recommend", user_id="hal", k=1))[0]
    post(client, "/events", user_id="hal", item_id=first, event_type="hide")
    assert "item was hidden by the user" in post(client, "/explain", 422, item_id=first, user_id="hal")["error"]
    for body in ({"user_id": "hal"}, {}):
        assert first in listed(post(client, "/recommend", profile=False, k=40, **body)), "the same for everybody"
    assert "items that you had or hid may be in it" in client.get("/parameters").json()["profile_off"]


def test_options_of_recommend_are_fields(client: TestClient) -> None:
    own: XCatRecommender = client.app.state.engine.current.recommender  # type: ignore[attr-defined]
    stock = ["item-04", "item-11", "item-25"]
    found = post(client, "/recommend", history=HISTORY, only_items=stock, k=5)
    assert sorted(listed(found)) == stock and "only_items keeps 3 of them" in found["notes"][-1]
    assert "item-xx" in post(client, "/recommend", 422, history=HISTORY, only_items=["item-xx"])["error"]
    boosted = post(client, "/recommend", history=HISTORY, cold_boost=3.5, k=5)["recommendations"]
    assert boosted == [item.to_dict() for item in own.recommend(HISTORY, 5, cold_boost=3.5)]
    for explain in ("history", "query", True, False):
        asked = {"query": "tents number 3", "explain": explain}
        shown = post(client, "/query", history=HISTORY, k=3, **asked)["recommendations"]
        assert shown == [item.to_dict() for item in own.recommend(HISTORY, 3, **asked)]  # type: ignore[arg-type]
    assert "cold_boost" in post(client, "/recommend", 422, cold_boost="high")["error"]
    assert "explain" in post(client, "/recommend", 422, explain="words")["error"]


def test_notes_and_errors_name_fields(client: TestClient) -> None:
    query = post(client, "/query", query="tents under 20 dollars, not red", history=HISTORY)
    assert any("POST /chat reads price limits" in note for note in query["notes"])
    had = post(client, "/explain", 422, item_id=HISTORY[0], history=HISTORY)
    assert had["error"].endswith("give exclude_seen: false")
    short = post(client, "/recommend", history=HISTORY, filters=["brand=brand 0"], k=200)
    assert "give exclude_seen: false" in short["notes"][-1]
    chat = post(client, "/chat", message="tents under 5", k=50)
    assert "only_items" not in str(chat["notes"]) and "loosen a limit" in chat["notes"][-1]
    for one in (query, had, short, chat):
        assert not PYTHON.search(str(one.get("notes", one.get("error")))), one


def test_no_message_about_a_list_names_python() -> None:
    rooms = (
        "ranking/lists.py",
        "ranking/re*/*.py",
        "ranking/re*.py",
        "ranking/explanation/*.py",
        "modeling_xcat/*_xcat.py",
    )
    names = "filters_xcat", "queries_xcat", "conditions_xcat", "recommending_xcat", "ranking/"
    found = [text for place, text in messages(*rooms) if any(name in place for name in names)]
    assert len(found) > 50 and any(PYTHON.search(text) for text in found)
    assert not [text for text in map(with_fields, found) if PYTHON.search(text)]


def test_the_page_of_the_documentation_needs_no_other_host(client: TestClient) -> None:
    page = client.get("/docs")
    assert page.status_code == 200 and "SwaggerUIBundle(" in page.text
    places = re.findall(r'(?:src|href)="([^"]*)"', page.text)
    assert len(places) == 3 and not any("//" in place for place in places)
    assert {client.get(f"/{place}").status_code for place in places} == {200}
    assert not re.search(r"https?://", page.text), "neither files nor a validator of elsewhere"
    assert client.get("/docs/other.js").status_code == client.get("/redoc").status_code == 404
    assert "/docs" not in client.get("/openapi.json").json()["paths"]
