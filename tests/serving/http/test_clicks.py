"""`POST /click-probability` and the client's `click_probability`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from starlette.testclient import TestClient

from xcat_rec.modeling_xcat.modeling_click_xcat import XCatForClickPrediction
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.serving.client import XCatClient
from xcat_rec.serving.client.transport import Transport
from xcat_rec.serving.http.app import create_app
from xcat_rec.serving.http.engine import Engine
from xcat_rec.serving.http.settings import ServeSettings

from ...hub.checkpoints import save_checkpoint

HISTORY, SHOWN = ["item-03", "item-10"], ["item-24", "item-17", "item-24"]
PATH = "/click-probability"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("clicks") / "plain")


@pytest.fixture(scope="module")
def clicks(plain: Path) -> Path:
    """A checkpoint that predicts clicks with a random head."""
    base, folder = XCatRecommender.from_pretrained(plain), plain.parent / "clicks"
    torch.manual_seed(0)
    model = XCatForClickPrediction(base.model.config)
    model.model.load_state_dict(base.model.model.state_dict())
    model.save_pretrained(folder)
    base.processor.save_pretrained(folder)
    return folder


@pytest.fixture
def client(clicks: Path) -> Iterator[TestClient]:
    with TestClient(create_app(Engine(str(clicks), ServeSettings()))) as client:
        yield client


def test_probabilities_are_those_of_the_recommender(client: TestClient, clicks: Path) -> None:
    using = XCatRecommender.from_pretrained(clicks)
    times = [1_700_000_000, 1_700_000_060]
    told = client.post(PATH, json={"history": HISTORY, "timestamps": times, "items": SHOWN}).json()
    expected = using.click_probability(HISTORY, SHOWN, timestamps=times).tolist()
    assert told["predictions"] == [
        {"item_id": item, "probability": value} for item, value in zip(SHOWN, expected, strict=True)
    ]
    assert told["notes"] == [] and told["checkpoint"]
    new = client.post(PATH, json={"user_id": "anna", "items": SHOWN}).json()
    assert [one["probability"] for one in new["predictions"]] == using.click_probability([], SHOWN).tolist()
    assert new["notes"][0].startswith("no event of this user is stored")
    for item, time in zip(HISTORY, times, strict=True):
        client.post("/events", json={"user_id": "anna", "item_id": item, "timestamp": time})
    known = client.post(PATH, json={"user_id": "anna", "items": SHOWN}).json()
    assert (known["predictions"], known["notes"]) == (told["predictions"], [])


def test_an_item_that_is_added_can_be_shown_at_once(client: TestClient) -> None:
    assert client.post("/items", json={"items": [{"item_id": "new", "title": "tents number 9"}]}).status_code == 200
    told = client.post(PATH, json={"history": HISTORY, "items": ["new", "item-24"]}).json()
    assert [one["item_id"] for one in told["predictions"]] == ["new", "item-24"]
    assert all(0 < one["probability"] < 1 for one in told["predictions"])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"items": ["no"]}, "items: 1 of 1 are not in the catalogue, for example 'no'; give ids of its items, or add"),
        ({"items": SHOWN, "user_id": "a", "history": HISTORY}, "give user_id, or history with event_types and"),
        ({"items": SHOWN, "user_id": "a", "timestamps": []}, "give user_id, or history with event_types and"),
        ({"items": SHOWN, "context": {"price": 3}}, "context has 'price', which the model was not trained with"),
        ({"items": []}, "items"),
        ({"history": HISTORY}, "items"),
    ],
)
def test_bodies_that_cannot_be_used(client: TestClient, body: dict[str, object], words: str) -> None:
    answer = client.post(PATH, json=body)
    assert answer.status_code == 422 and words in answer.json()["error"]


def test_the_client_reads_the_answer(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def send(self: Transport, method: str, path: str, body: Any = None, *, retries: int | None = None) -> Any:
        return client.request(method, path, json=body).json()

    monkeypatch.setattr(Transport, "send", send)
    told = client.post(PATH, json={"history": HISTORY, "items": SHOWN}).json()["predictions"]
    found = XCatClient().click_probability(SHOWN, history=HISTORY)
    assert found == [one["probability"] for one in told]


def test_a_checkpoint_without_clicks_says_so(plain: Path) -> None:
    with TestClient(create_app(Engine(str(plain), ServeSettings()))) as client:
        answer = client.post(PATH, json={"items": SHOWN})
    assert answer.status_code == 422 and "this model predicts no clicks" in answer.json()["error"]
