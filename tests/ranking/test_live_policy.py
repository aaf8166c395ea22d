"""Lists, reasons and explanations under a content policy."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from xcat_rec.checkpoints.review import decide, verify_review
from xcat_rec.modeling_xcat.filters_xcat import Filters
from xcat_rec.modeling_xcat.pipeline_xcat import XCatPipeline
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.ranking.rerankers import Pin
from xcat_rec.tokenization.policy_file import POLICY_FILE, read_policy_file
from xcat_rec.tokenization.tables.schema import validate_tables
from xcat_rec.training.preparation.options import PreparationOptions, PreparedTraining
from xcat_rec.training.preparation.prepare import prepare_training

from ..tiny_shop import SMALL, events_table, items_table, save_text_encoder

WINES = ("item-03", "item-13", "item-23")
BLOCKED = ("item-04", "item-05")
TITLES = {**dict.fromkeys(WINES, "red wine from Spain"), "item-04": "v0dka for the tent", "item-05": "Nazi flag"}
OTHERS = ["item-00", "item-01", "item-02"]


@cache
def prepared() -> PreparedTraining:
    """A model with random weights over the tiny shop, some of whose items have other titles."""
    items = items_table().with_columns(
        pl.col("item_id").replace_strict(TITLES, default=None).fill_null(pl.col("title")).alias("title"),
        pl.when(pl.col("item_id").is_in(WINES)).then(pl.lit("cellar")).otherwise("brand").alias("brand"),
    )
    encoder = save_text_encoder(Path(os.environ["HF_HOME"]) / "encoder-of-policy-tests")
    options = PreparationOptions(text_encoder=str(encoder), split="leave-one-out", config=SMALL)
    made = prepare_training(validate_tables(items, events_table(), name="tiny shop"), options)
    assert made.model.model.asks is not None
    made.model.model.asks.view.fill_(1.0)  # it reads queries, as after training
    return made


def recommender(policy: Any = "standard") -> XCatRecommender:
    found = XCatRecommender(prepared().model, prepared().processor)
    found.policy = policy
    return found


def listed(found: Any) -> set[str]:
    return {item.item_id for item in found}


def test_without_a_policy_nothing_is_left_out() -> None:
    found = recommender("off")
    assert found.policy is None and prepared().processor.policy is None
    assert {*WINES, *BLOCKED} <= listed(found.recommend(OTHERS, 40))


def test_blocked_and_sensitive_items_are_in_no_list() -> None:
    found = recommender()
    everything = [found.recommend(OTHERS, 40), found.recommend([], 40), found.recommend([], 40, query="red wine")]
    everything += found.recommend_many([OTHERS, OTHERS[:1], []], 40)
    everything.append(found.recommend(OTHERS, 5, rerank=[Pin([BLOCKED[0]]), Pin([WINES[0]])]))
    everything.append(found.recommend(OTHERS, 40, explore="adventurous"))
    assert not {item for items in everything for item in listed(items)} & {*WINES, *BLOCKED}
    assert len(everything[0]) == 40 - 3 - 5 and "the content policy keeps 35 of them" in everything[0].notes[0]


def test_targets_sum_over_shown_items() -> None:
    found = recommender()
    for history in (OTHERS, []):
        groups = found.recommend_targets(history, "category", 10, filters=Filters(exclude_seen=False))
        assert not {one.item_id for group in groups for one in group.items} & {*WINES, *BLOCKED}
    for history in (OTHERS, []):
        assert "cellar" not in {group.name for group in found.recommend_targets(history, "brand", 40)}
        open_to_all = found.recommend_targets(history, "brand", 40, filters=Filters(allow_sensitive="alcohol"))
        assert "cellar" in {group.name for group in open_to_all}


def test_a_category_of_the_own_history_is_shown_and_never_a_reason() -> None:
    found = recommender()
    own = found.recommend([*OTHERS, WINES[0]], 40)
    assert listed(own) & {*WINES, *BLOCKED} == {*WINES[1:]}
    assert all(reason.item_id not in WINES for item in own for reason in item.because)
    assert any(item.because for item in own), "other items still are reasons"
    both = found.recommend_many([OTHERS, [*OTHERS, WINES[0]]], 40)
    assert listed(both[0]).isdisjoint(WINES) and {*WINES[1:]} <= listed(both[1])


def test_a_request_can_allow_a_category() -> None:
    found = recommender()
    assert {*WINES} <= listed(found.recommend(OTHERS, 40, allow_sensitive="alcohol"))
    assert {*WINES} <= listed(found.recommend([], 40, allow_sensitive=["alcohol", "tobacco"]))
    with pytest.raises(ValueError, match=r"allow_sensitive has 'beer', which is not a sensitive category"):
        found.recommend(OTHERS, allow_sensitive=["beer"])
    with pytest.raises(ValueError, match="the checkpoint has no content policy"):
        recommender("off").recommend(OTHERS, allow_sensitive=["alcohol"])


def test_explanations_name_no_flagged_item() -> None:
    found = recommender()
    history = [*OTHERS, WINES[0], WINES[1]]
    for item in ("item-10", WINES[2], "item-33"):
        explained = found.explain(history, item)
        own = found.vocabulary.item(int(found.vocabulary.encode([item])[0])).get("category")
        assert explained.known_categories == sum(event.category == own for event in explained.events)
        named = {one.item_id for one in (*explained.because, *explained.events, *explained.counterfactuals)}
        assert named.isdisjoint(WINES) and explained.events
        assert explained.nearest is None or explained.nearest.item_id not in WINES
        assert "wine" not in {one.word.lower() for one in (*explained.item_words, *explained.event_words)}
    with pytest.raises(ValueError, match="item is blocked by the content policy"):
        found.explain(history, BLOCKED[0])
    with pytest.raises(ValueError, match="a sensitive category that the history lacks"):
        found.explain(OTHERS, WINES[0])


def test_added_items_pass_the_policy() -> None:
    found = recommender()
    found.add_items({"item_id": ["new-1", "new-2", "item-10"], "title": ["w i n e box", "tents number 77", "Gin 1 l"]})
    kinds = {name: one["outcome"] for name, one in found.policy["items"].items()}
    assert kinds["new-1"] == "blocked" and kinds["item-10"] == "sensitive" and "new-2" not in kinds
    assert listed(found.recommend(OTHERS, 50)) & {"new-1", "new-2", "item-10"} == {"new-2"}
    found.add_items({"item_id": ["item-10", "item-05"], "title": ["boots number 10", "tents number 5"]})
    assert {"item-10", "item-05"} <= listed(found.recommend(OTHERS, 50))


def test_the_checkpoint_carries_its_policy(tmp_path: Path) -> None:
    """The recommender and the pipeline without the package enforce it; a change of the file counts at once."""
    own = recommender()
    own.model.save_pretrained(tmp_path)
    own.processor.save_pretrained(tmp_path)
    loaded = XCatRecommender.from_pretrained(tmp_path)
    assert loaded.policy == own.policy and listed(loaded.recommend(OTHERS, 40)).isdisjoint({*WINES, *BLOCKED})
    pipeline = XCatPipeline(model=loaded.model, processor=loaded.processor)
    shown = {one["item_id"] for history in (OTHERS, []) for one in pipeline(history, k=40)}
    assert shown and shown.isdisjoint({*WINES, *BLOCKED})
    file = tmp_path / POLICY_FILE
    saved = json.loads(file.read_text(encoding="utf-8"))
    saved["decisions"] = {"item-05": "approved", "item-10": "blocked"}
    file.write_text(json.dumps(saved), encoding="utf-8")
    now = listed(loaded.recommend(OTHERS, 40))
    assert "item-05" in now and "item-10" not in now and "item-04" not in now
    loaded.add_items({"item_id": ["new-9", "item-05"], "title": ["cigars, box of 25", "Nazi flag 2"]})
    again = json.loads(file.read_text(encoding="utf-8"))
    assert again["items"]["new-9"]["outcome"] == "sensitive" and again["decisions"] == {"item-10": "blocked"}
    assert listed(loaded.recommend(OTHERS, 40)).isdisjoint({"new-9", "item-05"})
    assert "item-05" in listed(XCatRecommender.from_pretrained(tmp_path, policy="off").recommend(OTHERS, 40))
    file.unlink()
    assert {*WINES, *BLOCKED} <= listed(loaded.recommend(OTHERS, 40))


def test_a_decision_about_an_item_of_another_process_stays(tmp_path: Path) -> None:
    """Each process has its own added items; approvals of the others' are neither lost nor ended."""
    own = recommender()
    own.model.save_pretrained(tmp_path)
    own.processor.save_pretrained(tmp_path)
    first, second = (XCatRecommender.from_pretrained(tmp_path) for _ in range(2))
    first.add_items({"item_id": ["gin-1"], "title": ["Gin, 1 l"]})
    decide(tmp_path, {"gin-1": "approved"}, by="Ada", reason="sold with a licence")
    assert "gin-1" in listed(first.recommend(OTHERS, 50))
    second.add_items({"item_id": ["rope-1"], "title": ["rope number 1"]})
    assert read_policy_file(tmp_path / POLICY_FILE)["decisions"] == {"gin-1": "approved"}
    assert [entry.decision for entry in verify_review(tmp_path)] == ["approved"]
    assert "gin-1" in listed(first.recommend(OTHERS, 50))
    second.add_items({"item_id": ["gin-1"], "title": ["Gin, 2 l"]})  # added again, so its text is to be read again
    assert [entry.decision for entry in verify_review(tmp_path)] == ["approved", "ended"]
    assert "gin-1" not in listed(first.recommend(OTHERS, 50))


def test_the_mask_is_that_of_each_user() -> None:
    found = recommender()
    rows = found.vocabulary.encode([WINES[0], "item-00"]).tolist()
    mask = found.ranker.filter.hide(Filters(), [rows, rows[1:]])
    every = torch.arange(len(found.vocabulary)).expand(2, -1)
    kept = mask.keeps(every)
    assert torch.equal(kept[0], mask.of_user(0)) and int((kept[0] & ~kept[1]).sum()) == len(WINES)


def test_chats_and_services_follow_the_policy(tmp_path: Path) -> None:
    """Neither a turn about wine nor a request of the service lists a flagged item; a sensitive one needs the word."""
    from fastapi.testclient import TestClient

    from xcat_rec.serving.chat.session import ChatSession
    from xcat_rec.serving.http.app import create_app
    from xcat_rec.serving.http.engine import Engine
    from xcat_rec.serving.http.settings import ServeSettings

    own = recommender()
    said = ["I want red wine", "show me v0dka", "a nazi flag", "something from the brand cellar"]
    for text in said:
        turn = ChatSession(own, k=40, history=OTHERS).say(text)
        assert listed(turn.recommendations).isdisjoint({*WINES, *BLOCKED})
        assert not any(TITLES[item] in turn.answer for item in TITLES)
    assert listed(ChatSession(own, k=40, history=[WINES[0]]).say("I want red wine").recommendations) <= {*WINES[1:]}
    own.model.save_pretrained(tmp_path)
    own.processor.save_pretrained(tmp_path)
    with TestClient(create_app(Engine(str(tmp_path), ServeSettings()))) as client:
        lists = [client.post("/recommend", json={"history": OTHERS, "k": 40}).json()]
        lists.append(client.post("/query", json={"query": "red wine vodka nazi", "k": 40}).json())
        lists.append(client.post("/similar", json={"item_id": BLOCKED[0], "k": 40}).json())
        lists += client.post("/recommend/batch", json={"requests": [{"k": 40}, {"history": OTHERS}]}).json()["lists"]
        client.post("/events", json={"user_id": "u", "item_id": OTHERS[0]})
        lists.append(client.post("/recommend", json={"user_id": "u", "k": 40}).json())
        lists.append(client.post("/chat", json={"message": "red wine or v0dka", "k": 40}).json())
        for found in lists:
            text = json.dumps(found["recommendations"])
            assert not any(item in text for item in TITLES), found
        opened = client.post("/recommend", json={"history": OTHERS, "k": 40, "allow_sensitive": ["alcohol"]}).json()
        assert {*WINES} <= {one["item_id"] for one in opened["recommendations"]}
        assert client.post("/explain", json={"history": OTHERS, "item_id": BLOCKED[1]}).status_code == 422
        client.post("/items", json={"items": [{"item_id": "new-1", "title": "Absinthe, 70 cl"}]})
        assert "new-1" not in client.post("/recommend", json={"history": OTHERS, "k": 50}).text
    saved = json.loads((tmp_path / POLICY_FILE).read_text(encoding="utf-8"))
    assert saved["items"]["new-1"]["outcome"] == "sensitive"
