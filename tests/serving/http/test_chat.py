"""`POST /chat`: the answers of a session, although the service keeps nothing of a dialogue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from xcat_rec.cli.app import main
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.serving.chat.session import ChatSession
from xcat_rec.serving.http.app import create_app
from xcat_rec.serving.http.engine import Engine
from xcat_rec.serving.http.settings import ServeSettings

from ..chat.shops import recommender
from .server import Server


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chat") / "checkpoint"
    recommender().model.save_pretrained(folder)
    recommender().processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def client(checkpoint: Path) -> Iterator[TestClient]:
    with TestClient(create_app(Engine(str(checkpoint), ServeSettings())), raise_server_exceptions=False) as client:
        yield client


def said(client: TestClient, message: str, **body: Any) -> dict[str, Any]:
    answer = client.post("/chat", json={"message": message, **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    "lines",
    [
        ("tents under 100 dollars, not red", "something cheaper", "something else", "yes"),
        ("snacks, no nuts", "by Simple", "start over", "hello"),
        ("100元以下的帐篷", "cheaper", "any price"),
    ],
)
def test_the_turns_are_those_of_a_session(client: TestClient, checkpoint: Path, lines: tuple[str, ...]) -> None:
    chat, state = ChatSession(XCatRecommender.from_pretrained(checkpoint), k=3, history=["C2"]), None
    for line in lines:
        answer = said(client, line, state=state, history=["C2"], k=3)
        expected = json.loads(json.dumps(chat.say(line).to_dict()))
        assert {name: answer[name] for name in expected} == expected
        state = answer["state"]
        assert answer["checkpoint"] and (answer["impression_id"] is not None) == bool(expected["recommendations"])
        assert answer["basis"] == ("history" if expected["recommendations"] else "none")


def test_a_list_is_logged_and_reactions_refer_to_it(client: TestClient) -> None:
    client.post("/events", json={"user_id": "anna", "item_id": "C2"})
    first = said(client, "tents", user_id="anna", k=9)
    shown = [item["item_id"] for item in first["recommendations"]]
    assert set(shown) == {"C1", "C3", "C4"}, "the item of the history is left out"
    click = {"user_id": "anna", "item_id": "C3", "event_type": "hide", "impression_id": first["impression_id"]}
    assert client.post("/events", json=click).status_code == 200
    logged = client.get("/users/anna").json()
    assert logged["impressions"][0]["items"] == shown and logged["reactions"][0]["item"] == "C3"
    assert logged["impressions"][0]["options"]["chat"]["wanted"]["category"] == "Tents"
    assert "C3" not in str(said(client, "tents", user_id="anna", k=9)["recommendations"]), "hidden for good"
    assert said(client, "tents", user_id="anna", log=False)["impression_id"] is None
    assert len(client.get("/users/anna").json()["impressions"]) == 2


def test_changes_of_the_catalogue_are_in_the_next_turn(checkpoint: Path) -> None:
    with TestClient(create_app(Engine(str(checkpoint), ServeSettings()))) as client:
        item = {"item_id": "C9", "title": "Yellow hammock", "category": "Hammocks", "price": 9.0}
        assert "no item" in said(client, "hammocks")["answer"]
        client.post("/items", json={"items": [item]})
        found = said(client, "hammocks")
        assert found["recommendations"][0]["item_id"] == "C9" and found["recommendations"][0]["price"] == 9.0
        client.delete("/items/C9")
        assert not said(client, "yes", state=found["state"])["recommendations"]
        assert said(client, "tents", filters=["price<100", "item_id!=C1"])["recommendations"][0]["item_id"] == "C3"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "message: Field required"),
        ({"message": ""}, "message: String should have at least 1 character"),
        ({"message": "x" * 20_001}, "message: String should have at most 20000 characters"),
        ({"message": "tents", "k": 201}, "k is 201; give 200 at most"),
        ({"message": "tents", "history": ["C1"], "user_id": "a"}, "user_id or history, not both"),
        ({"message": "tents", "filters": ["prise<2"]}, "prise"),
        ({"message": "tents", "state": {"shown": "C1"}}, "state.shown is a value of type str; give a list"),
        ({"message": "tents", "state": {"understood": {"language": "fr"}}}, "give one of en, zh"),
        ({"message": "tents", "conversation": "a"}, "conversation: Extra inputs are not permitted"),
    ],
)
def test_errors_name_field_and_remedy(client: TestClient, body: Any, message: str) -> None:
    answer = client.post("/chat", json=body)
    assert (answer.status_code, answer.json()["error_type"]) == (422, "invalid") and message in answer.json()["error"]


def test_turns_are_counted_by_what_they_ask(client: TestClient) -> None:
    said(client, "便宜点")
    hostile = {"understood": {"request": "canary"}, "proposal": {"request": "canary"}}
    for line in ("yes", "no", "hello", "tents", "cheaper", "ok?!"):
        said(client, line, state=hostile)
    text = client.get("/metrics").text
    assert 'xcat_chat_turns_total{language="zh",request="cheaper"} 1.0' in text and "canary" not in text


def test_examples_of_the_documentation_are_answered(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()["components"]["schemas"]["ChatBody"]
    assert len(schema["examples"]) == 2
    for example in schema["examples"]:
        assert said(client, **example)["answer"]


def test_a_served_dialogue_with_answers_about_service(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "support.csv"
    log.write_text("question,answer\nWhere is my order?,Orders arrive within three days.\n")
    server = Server(checkpoint, "--support-log", str(log))
    try:
        status, first = server.ask("/chat", {"message": "便宜的帐篷"})
        assert status == 200 and first["answer"]
        status, service = server.ask("/chat", {"message": "Where is my order?", "state": first["state"]})
        assert (status, service["answer"]) == (200, "Orders arrive within three days.")
    finally:
        assert server.stop() == 0
    log.write_text("question\nWhere?\n")
    with pytest.raises(SystemExit) as stop:
        main(["serve", str(checkpoint), "--port", "0", "--support-log", str(log)])
    assert stop.value.code == 2 and "answer" in capsys.readouterr().err
