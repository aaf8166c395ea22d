"""Lists of several requests made together: each is that of its request alone, and errors stay with their request."""

from __future__ import annotations

import random
from typing import Any

import pytest

from xcat_rec.modeling_xcat.past_xcat import XCatPast
from xcat_rec.ranking.lists import ListRequest
from xcat_rec.ranking.recommender import XCatRecommender

from ..hub.checkpoints import save_checkpoint
from .sessions.oracle import check_lists

ITEMS = [f"item-{number:02d}" for number in range(40)]
QUERIES = [None, None, "red", "a warm blue thing", "zzz"]
FILTERS: list[Any] = [(), (), ["price<45"], ["item_id!=item-03"], ["price>1000"]]


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory) -> XCatRecommender:
    folder = save_checkpoint(tmp_path_factory.mktemp("lists") / "checkpoint", reads_queries=True)
    return XCatRecommender.from_pretrained(folder)


def draw(chosen: random.Random) -> dict[str, Any]:
    """Arguments of `recommend`, drawn at random."""
    size = chosen.choice([0, 1, 3, 7, 12])
    history = [chosen.choice([*ITEMS, "unknown"]) for _ in range(size)]
    drawn: dict[str, Any] = {
        "history": history, "k": chosen.choice([1, 3, 10, 100]), "query": chosen.choice(QUERIES),
        "filters": chosen.choice(FILTERS), "exclude_seen": chosen.random() < 0.8,
        "cross_category": chosen.random() < 0.2, "explain": chosen.choice([True, False, False, "query"]),
        "rerank": chosen.choice([None, None, "mmr=0.3", "max-per-category=2", "sample=0.5", "pin=item-07"]),
        "explore": chosen.choice([None, None, "adventurous"]), "cold_boost": chosen.choice([None, None, 0.5]),
    }  # fmt: skip
    if chosen.random() < 0.3:
        drawn["timestamps"] = [1_700_000_000 + 1000 * number for number in range(size)]
    return drawn


def alone(recommender: XCatRecommender, drawn: dict[str, Any]) -> Any:
    try:
        return recommender.recommend(**drawn)
    except ValueError as error:
        return error


@pytest.mark.parametrize("seed", range(6))
def test_a_list_of_a_batch_is_the_list_alone(recommender: XCatRecommender, seed: int) -> None:
    chosen = random.Random(seed)
    asked = [draw(chosen) for _ in range(12)]
    pasts = [XCatPast() if chosen.random() < 0.5 else None for _ in asked]
    pasts[-1] = pasts[0]  # two requests of one user
    asked[-1]["history"], asked[-1]["timestamps"] = asked[0]["history"], asked[0].get("timestamps")
    for _ in range(2):  # the second time some states are known, and some histories are longer
        requests = [recommender.list_request(**one, past=past) for one, past in zip(asked, pasts, strict=True)]
        for found, drawn in zip(recommender.recommend_together(requests), asked, strict=True):
            expected = alone(recommender, drawn)
            if isinstance(expected, ValueError):
                assert isinstance(found, ValueError) and str(found) == str(expected)
                continue
            assert not isinstance(found, Exception), found
            check_lists(found, expected)
            assert [one.words for one in found] == [one.words for one in expected]
            given = [(one.item_id, one.propensity) for one in expected if one.propensity is not None]
            assert [(one.item_id, pytest.approx(one.propensity, abs=1e-4)) for one in found if given] == given
        for one in asked[::3]:
            one["history"] = [*one["history"], chosen.choice(ITEMS)]
            one.pop("timestamps", None)


def test_an_error_stays_with_its_request(recommender: XCatRecommender) -> None:
    wrong: list[dict[str, Any]] = [
        {"filters": ["nothing=1"]}, {"rerank": "pin=nowhere"}, {"on_unknown": "error"}, {"only_categories": "cars"},
    ]  # fmt: skip
    good = recommender.list_request(["item-03"], explain=False)
    bad = [recommender.list_request(["item-03"] if "rerank" in one else [], explain=False, **one) for one in wrong]
    first, *errors, last = recommender.recommend_together([good, *bad, good])
    for found in (first, last):
        assert not isinstance(found, Exception)
        check_lists(found, recommender.recommend(["item-03"], explain=False))
    assert all(isinstance(error, ValueError) for error in errors)
    for word, error in zip(("nothing", "nowhere", "on_unknown", "cars"), errors, strict=True):
        assert word in str(error)


def test_a_failing_batch_is_computed_one_by_one(recommender: XCatRecommender, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, ranker = list[int](), type(recommender.ranker)
    (row,) = recommender.vocabulary.encode(["item-05"])
    made = ranker.recommend

    def fails(self: Any, inputs: Any, histories: Any, *args: Any) -> Any:
        calls.append(len(histories))
        if any(row in history for history in histories):
            raise RuntimeError("of item-05 only")
        return made(self, inputs, histories, *args)

    monkeypatch.setattr(ranker, "recommend", fails)
    asked: list[ListRequest] = [recommender.list_request([f"item-0{n}"], explain=False) for n in (4, 5, 6)]
    first, error, last = recommender.recommend_together(asked)
    assert calls == [3, 1, 1, 1] and isinstance(error, RuntimeError)
    assert first and last and not isinstance(first, Exception) and not isinstance(last, Exception)
