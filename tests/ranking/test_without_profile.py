"""Lists without a profile are the same for everybody, and no event is read or written for them."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from xcat_rec.serving.batch import BatchRequest, histories_table, recommend_block
from xcat_rec.serving.http.app import create_app
from xcat_rec.serving.http.engine import Engine
from xcat_rec.serving.http.settings import ServeSettings
from xcat_rec.tokenization.sequences.histories import Histories

from .test_live_policy import OTHERS, prepared, recommender

HISTORIES = [[], OTHERS, ["item-30", "nothing"], ["nothing"]]


@pytest.mark.parametrize("options", [{}, {"filters": ["price<30"]}, {"query": "boots number 12"}, {"k": 3}])
def test_every_history_has_the_same_list(options: dict[str, Any]) -> None:
    own = recommender("off")
    lists = [own.recommend(history, profile=False, **options).to_dict() for history in HISTORIES]
    lists.append(own.recommend(OTHERS, profile=False, timestamps=[1, 2, 3], ratings=[5, 1, None], **options).to_dict())
    lists.append(own.recommend(OTHERS, profile=False, on_unknown="skip", **options).to_dict())
    assert all(json.dumps(one) == json.dumps(lists[0]) for one in lists) and lists[0]["recommendations"]
    assert all(not item["because"] for item in lists[0]["recommendations"])
    assert "without a profile, the same for everybody" in " ".join(lists[0]["notes"])
    assert own.recommend(OTHERS, **options).to_dict()["recommendations"] != lists[0]["recommendations"]


def test_many_batches_and_sessions_are_the_same() -> None:
    own = recommender("off")
    (first, *rest) = own.recommend_many(HISTORIES, 7, profile=False)
    assert [*first] == [*own.recommend([], 7)] and all([*one] == [*first] for one in rest)
    block = histories_table(Histories(["a", "b"], [OTHERS, ["item-30"]]))
    rows = recommend_block(own, block, BatchRequest(k=7, profile=False)).to_pylist()
    assert [row["item_id"] for row in rows] == [item.item_id for item in first] * 2
    session = own.session("anna")
    session.append("item-30")
    session.hide(first[0].item_id)
    assert [*session.recommend(7, profile=False)] == [*first]
    with pytest.raises(ValueError, match="leave the rule sample out"):
        own.recommend(OTHERS, rerank="sample=1", profile=False)


def test_the_service_reads_and_writes_no_event(tmp_path: Path) -> None:
    prepared().model.save_pretrained(tmp_path / "model")
    prepared().processor.save_pretrained(tmp_path / "model")
    store = tmp_path / "state.db"
    with TestClient(create_app(Engine(str(tmp_path / "model"), ServeSettings(store=f"sqlite:///{store}")))) as client:
        for item in ("item-30", "item-31"):
            client.post("/events", json={"user_id": "anna", "item_id": item})
        engine = client.app.state.engine  # type: ignore[attr-defined]
        asked: list[str] = []
        engine.log._base.set_trace_callback(asked.append)
        engine.feedback._base.set_trace_callback(asked.append)
        bodies = [{"user_id": "anna"}, {"user_id": "bo"}, {"history": OTHERS}, {}]
        answers = [client.post("/recommend", json={**body, "profile": "off", "k": 5}) for body in bodies]
        answers.append(client.post("/recommend", json={"user_id": "anna", "profile": False, "k": 5}))
        assert len({answer.content for answer in answers}) == 1 and answers[0].status_code == 200
        assert answers[0].json()["impression_id"] is None and answers[0].json()["basis"] == "popular"
        mixed = [{"user_id": "anna", "profile": "off", "k": 5}, {"history": ["item-30"], "k": 5, "log": False}]
        both = client.post("/recommend/batch", json={"requests": mixed}).json()["lists"]
        assert both[0] == answers[0].json() and both[1]["basis"] == "history"
        assert not asked, asked
        asked.clear()
        assert client.post("/recommend", json={"user_id": "anna", "k": 5}).json()["basis"] == "history" and asked
    with sqlite3.connect(store) as base:
        assert base.execute("SELECT count(*) FROM impressions").fetchone() == (1,)


def test_brands_without_a_profile_are_the_same_for_everybody() -> None:
    own = recommender("off")
    for options in ({}, {"query": "boots number 12"}):
        lists = [own.recommend_targets(history, "brand", 3, profile=False, **options) for history in HISTORIES]
        shown = [json.dumps([[one.name, one.probability] for one in found]) for found in lists]
        assert len(set(shown)) == 1 and lists[0]
    with pytest.raises(ValueError, match="profile is None; give True or False"):
        own.recommend_targets(OTHERS, "brand", profile=None)  # type: ignore[arg-type]
