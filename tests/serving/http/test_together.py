"""Several clients at once: their lists are computed together, have every answered event, and are of one checkpoint."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from xcat_rec.checkpoints.fingerprint import model_fingerprint
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.serving.http.app import create_app
from xcat_rec.serving.http.engine import Engine
from xcat_rec.serving.http.settings import ServeSettings

from ...hub.checkpoints import save_checkpoint

ITEMS = [f"item-{number:02d}" for number in range(40)]
CLIENTS, STEPS = 6, 6


def visit(client: TestClient, number: int, steps: int) -> list[tuple[list[str], dict[str, Any], dict[str, Any]]]:
    """Post events of a user and ask for a list after each: the events, the options and the answer of each list."""
    chosen, user, history, found = random.Random(number), f"user-{number}", list[str](), []
    for step in range(steps):
        history.append(chosen.choice(ITEMS))
        event = {"user_id": user, "item_id": history[-1], "timestamp": 1_700_000_000 + step}
        assert client.post("/events", json=event).json() == {"accepted": 1, "duplicates": 0}
        options = {"k": chosen.choice([3, 40]), "explain": False, "exclude_seen": chosen.random() < 0.8}
        options |= chosen.choice([{}, {}, {"filters": ["price<45"]}, {"rerank": "mmr=0.3"}, {"cross_category": True}])
        wrong = client.post("/recommend", json={"user_id": user, "filters": ["nothing=1"]})
        assert wrong.status_code == 422 and "nothing" in wrong.json()["error"]
        answer = client.post("/recommend", json={"user_id": user, **options})
        assert answer.status_code == 200, answer.text
        found.append((list(history), options, answer.json()))
    return found


def test_lists_of_many_clients_have_their_events_and_one_checkpoint(tmp_path: Path) -> None:
    folders = [save_checkpoint(tmp_path / f"checkpoint-{seed}", seed) for seed in range(2)]
    recommenders = {}
    for folder in folders:
        loaded = XCatRecommender.from_pretrained(folder)
        recommenders[model_fingerprint(loaded.model)] = loaded
    engine, sizes = Engine(str(folders[0]), ServeSettings(store=f"sqlite:///{tmp_path}/state.db")), list[int]()
    made = engine.make_lists

    def counted(asked: Any) -> Any:
        sizes.append(len(asked))
        return made(asked)

    engine.make_lists = counted  # type: ignore[method-assign]
    done = threading.Event()
    with TestClient(create_app(engine)) as client, ThreadPoolExecutor(CLIENTS + 1) as threads:

        def swap() -> int:
            count = 0
            while not done.is_set():
                count += 1
                assert client.post("/checkpoint", json={"checkpoint": str(folders[count % 2])}).status_code == 200
            return count

        swapping = threads.submit(swap)
        visits = [threads.submit(visit, client, number, STEPS) for number in range(CLIENTS)]
        answers = [answer for one in visits for answer in one.result(60)]
        done.set()
        assert swapping.result(60) > 1
    assert {answer["checkpoint"] for _, _, answer in answers} == set(recommenders)
    for history, options, answer in answers:
        times = [1_700_000_000 + step for step in range(len(history))]
        expected = recommenders[answer["checkpoint"]].recommend(history, timestamps=times, **options)
        shown = answer["recommendations"]
        assert [item["score"] for item in shown] == pytest.approx([item.score for item in expected], abs=1e-4)
        assert not options["exclude_seen"] or not {item["item_id"] for item in shown} & set(history)
    assert sum(sizes) == 2 * CLIENTS * STEPS and max(sizes) > 1, "requests were computed together"


def test_an_overloaded_service_refuses_before_it_reads_and_stays_alive(tmp_path: Path) -> None:
    engine = Engine(str(save_checkpoint(tmp_path / "checkpoint")), ServeSettings(max_waiting=0))
    started, release, made = threading.Event(), threading.Event(), engine.make_lists

    def slow(asked: Any) -> Any:
        started.set()
        assert release.wait(20)
        return made(asked)

    engine.make_lists = slow  # type: ignore[method-assign]
    with TestClient(create_app(engine)) as client, ThreadPoolExecutor(1) as threads:
        first = threads.submit(client.post, "/recommend", json={"history": ITEMS[:3]})
        assert started.wait(20)
        refused = client.post("/query", content=b"this is no JSON")
        assert (refused.status_code, refused.json()["error_type"]) == (429, "overloaded")
        assert int(refused.headers["Retry-After"]) >= 1 and "x-total-time" in refused.headers
        assert int(refused.headers["content-length"]) == len(refused.content)
        assert client.get("/health/live").status_code == 200
        event = {"user_id": "ida", "item_id": "item-03"}
        assert client.post("/events", json=event).json()["accepted"] == 1, "events do not wait for lists"
        assert 'xcat_requests_total{route="/query",status="429"} 1.0' in client.get("/metrics").text
        release.set()
        assert len(first.result(20).json()["recommendations"]) == 10
