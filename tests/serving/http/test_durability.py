"""What lists show and keep: own events, exclusions, posted items, exchanged checkpoints.

`benchmarks/durability.py` checks the same against a running service, with large numbers.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xcat_rec
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.serving.http.engine import Engine
from xcat_rec.serving.http.settings import ServeSettings

from ...hub.checkpoints import save_checkpoint

ITEMS = [f"item-{number:02d}" for number in range(40)]
SCRIPT = Path(xcat_rec.__file__).parent / "benchmarks" / "durability.py"


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("durability")
    return [save_checkpoint(folder / f"checkpoint-{seed}", seed) for seed in range(2)]


@pytest.fixture
def engine(checkpoints: list[Path], tmp_path: Path) -> Iterator[Engine]:
    engine = Engine(str(checkpoints[0]), ServeSettings(store=f"sqlite:///{tmp_path}/state.db"))
    yield engine
    engine.close()


def shown(engine: Engine, k: int = 10, **fields: Any) -> list[str]:
    (answer,) = engine.recommend([{"k": k, "explain": False, "log": False, **fields}])
    return [item["item_id"] for item in answer["recommendations"]]


def post(engine: Engine, user: str, item: str, event_type: str = "") -> bool:
    event = {"user_id": user, "item_id": item, "event_type": event_type, "impression_id": None}
    (new,) = engine.append([event])
    return new


def test_an_event_is_in_the_next_list_of_its_user(engine: Engine) -> None:
    for step in range(60):
        user = f"u{step // 15}"
        first = shown(engine, 1, user_id=user)[0]
        assert post(engine, user, first)
        assert first not in shown(engine, 20, user_id=user)


def test_bought_hidden_and_deleted_items_are_never_shown(engine: Engine) -> None:
    draw = np.random.default_rng(0)
    deleted = {"item-05", "item-17"}
    engine.delete_items(sorted(deleted))
    count = 0
    for user in range(6):
        out = set(deleted)
        for _ in range(5):
            had, hidden = (str(item) for item in draw.choice(ITEMS, 2))
            post(engine, f"u{user}", had)
            post(engine, f"u{user}", hidden, "hide")
            out |= {had, hidden}
            found = shown(engine, 40, user_id=f"u{user}")
            assert not out & set(found) and len(found) == len(set(ITEMS) - out)
            count += len(found)
    assert count > 700
    engine.add_items([{"item_id": "item-05", "title": "tents number 5"}])
    assert "item-05" in shown(engine, 40, history=["item-03"]), "an item that is in stock again comes back"


def test_posted_items_are_in_the_next_list(engine: Engine) -> None:
    for number in range(5):
        engine.add_items([{"item_id": f"new-{number}", "title": f"boots number {number}", "category": "boots"}])
        assert shown(engine, history=["item-03"], filters=[f"item_id=new-{number}"]) == [f"new-{number}"]


def test_no_list_mixes_two_checkpoints_while_they_are_exchanged(engine: Engine, checkpoints: list[Path]) -> None:
    histories = [[ITEMS[number], ITEMS[number + 9]] for number in range(8)]
    lists: dict[str, list[list[str]]] = {}
    for checkpoint in checkpoints:
        recommender = XCatRecommender.from_pretrained(checkpoint)
        found = [[item.item_id for item in recommender.recommend(one, 5, explain=False)] for one in histories]
        lists[engine.swap(str(checkpoint)).fingerprint] = found
    assert len(lists) == 2
    ended, answers, errors = threading.Event(), list[str](), list[BaseException]()

    def ask(number: int) -> None:
        try:
            while not ended.is_set():
                place = number = (number + 3) % len(histories)
                (answer,) = engine.recommend([{"history": histories[place], "k": 5, "explain": False, "log": False}])
                wanted = lists[answer["checkpoint"]][place]
                assert [item["item_id"] for item in answer["recommendations"]] == wanted
                answers.append(answer["checkpoint"])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for number in range(4):
        engine.swap(str(checkpoints[number % 2]))
    ended.set()
    for thread in threads:
        thread.join()
    assert not errors and set(answers) == set(lists)


@pytest.mark.slow
def test_the_checks_of_a_running_service_pass(checkpoints: list[Path]) -> None:
    command = [sys.executable, str(SCRIPT), str(checkpoints[0]), "--scale", "0.01", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])["checks"]
    assert [found[name]["violations"] for name in ("reads", "exclusions", "items")] == [0, 0, 0]
    assert [found["kills"][name] for name in ("lost", "doubled", "stored_lost")] == [0, 0, 0]
    assert found["kills"]["acknowledged"] >= 80
    assert [found["swaps"][name] for name in ("failed", "mixed")] == [0, 0] and found["swaps"]["checkpoints"] == 2
    assert found["store"]["lost"] == 0 and any("is gone" in error for error in found["store"]["errors"])
