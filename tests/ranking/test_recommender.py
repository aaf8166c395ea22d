"""Recommendations: the scores of the model, filtered and explained, whatever the model is made of."""

from __future__ import annotations

import importlib
import json
import logging
import math
import os
from decimal import Decimal
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
import transformers

from xcat_rec.catalogue.change import change_catalogue
from xcat_rec.checkpoints.load import load_base
from xcat_rec.modeling_xcat.arguments_xcat import plain_price
from xcat_rec.modeling_xcat.explanation_xcat import COMPARED, LEAST_WEIGHT
from xcat_rec.modeling_xcat.filters_xcat import Filters
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem
from xcat_rec.modeling_xcat.recommending_xcat import REASONS, Recommendation
from xcat_rec.ranking.pipelines import pipeline
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.tokenization.vocabulary import NUM_SPECIAL_ROWS, ItemVocabulary
from xcat_rec.training.preparation.options import PreparationOptions, PreparedTraining
from xcat_rec.training.preparation.prepare import prepare_training

from ..tiny_shop import CATEGORIES, NO_CATEGORY, SMALL, save_text_encoder, shop

MODELS: dict[str, dict[str, Any]] = {
    "transformer": {},
    "several tokens": {"text_tokens_per_item": 3, "num_fusion_layers": 2},
    "no fusion": {"num_fusion_layers": 0},
    "gru": {"behavior_encoder": "gru"},
    "lstm without fusion": {"behavior_encoder": "lstm", "num_fusion_layers": 0},
    "no text": {"use_text": False},
    "no ids": {"use_item_ids": False},
    "dot": {"scoring": "dot", "temperature": 1.0},
    "texts of users": {"memory_sources": ["item_text", "user_text"]},
}
HISTORIES = [
    ["item-03", "item-10", "item-17"],
    ["item-22"],
    [f"item-{i:02d}" for i in range(0, 39, 3)],
    ["item-05"] * 4,
]
every_model = pytest.mark.parametrize("name", MODELS)


@cache
def encoder() -> str:
    return str(save_text_encoder(Path(os.environ["HF_HOME"]) / "encoder-of-recommender-tests"))


@cache
def prepared(name: str) -> PreparedTraining:
    """A model without training, with the catalogue in place."""
    config = {**SMALL, **MODELS[name]}
    return prepare_training(shop(), PreparationOptions(text_encoder=encoder(), split="leave-one-out", config=config))


@cache
def recommender(name: str = "transformer") -> XCatRecommender:
    return XCatRecommender(prepared(name).model, prepared(name).processor)


def ids(found: Any) -> list[str]:
    return [item.item_id for item in found]


@every_model
def test_recommendations_are_the_best_scores_of_the_model(name: str) -> None:
    using = recommender(name)
    scores = using.model.score_catalogue(**using.processor(HISTORIES))
    together = using.recommend_many(HISTORIES, 100, filters=Filters(exclude_seen=False))
    for history, row, found in zip(HISTORIES, scores, together, strict=True):
        assert sorted(ids(found)) == sorted(using.vocabulary.table["item_id"].to_pylist())
        expected = row[torch.from_numpy(using.vocabulary.encode(ids(found)))].tolist()
        assert [item.score for item in found] == pytest.approx(expected, abs=1e-4)
        assert all(later <= earlier + 1e-4 for earlier, later in pairwise(expected))
        alone = using.recommend(history, 3, exclude_seen=False)
        assert [item.score for item in alone] == pytest.approx([item.score for item in found[:3]], abs=1e-4)


@every_model
def test_the_score_of_an_item_falls_without_its_reason(name: str) -> None:
    using, number = recommender(name), 0
    for history, found in zip(HISTORIES, using.recommend_many(HISTORIES, COMPARED), strict=True):
        read = history[-SMALL["max_history"] :]
        rows = torch.from_numpy(using.vocabulary.encode(ids(found)))
        for item in dict.fromkeys(read):
            left = [one for one in read if one != item] or ["kite"]  # an unknown item
            before, after = using.score_rows(using.processor.history_rows([history, left]))[:, rows]
            falls = before - after
            for place, one in enumerate(found):
                others = [torch.cat([all_[:place], all_[place + 1 :]]).logsumexp(0) for all_ in (before, after)]
                odds = falls[place] - (others[0] - others[1])
                expected = 1 - math.exp(-max(0.0, float(min(falls[place], odds))))
                shown = {reason.item_id: reason.weight for reason in one.because}
                if item in shown:
                    number += 1
                    assert shown[item] == pytest.approx(expected, abs=1e-3) and falls[place] > 0
                elif len(shown) < REASONS:
                    assert expected < LEAST_WEIGHT + 1e-3
        for one in found:
            weights = [reason.weight for reason in one.because]
            assert len(weights) <= REASONS and weights == sorted(weights, reverse=True)
            assert {reason.item_id for reason in one.because} <= set(read)
        shared = set.intersection(*({reason.item_id for reason in one.because} for one in found))
        assert not shared, "a reason of every item is no reason"
    assert number
    plain = using.recommend(HISTORIES[0], 5, explain=False)
    assert all(item.because == () for item in plain)
    assert ids(plain) == ids(using.recommend(HISTORIES[0], 5))


def test_dataset_rows_are_scored_as_histories_are() -> None:
    using, rows = recommender(), list(prepared("transformer").splits["test"])[:7]
    actual = using.score_rows(rows)
    assert actual.shape == (7, len(using.vocabulary)) and torch.isneginf(actual[:, :2]).all()
    kinds = dict(enumerate(using.processor.event_types, start=1))
    expected = using.model.score_catalogue(
        **using.processor(
            [using.vocabulary.decode(row["items"]) for row in rows],
            event_types=[[kinds[code] for code in row["event_types"]] for row in rows],
            ratings=[row["ratings"] for row in rows],
            timestamps=[row["timestamps"] for row in rows],
        )
    )
    torch.testing.assert_close(actual[:, 2:], expected[:, 2:], atol=1e-4, rtol=0)
    without = using.model.score_catalogue(**using.processor([using.vocabulary.decode(row["items"]) for row in rows]))
    assert (without[:, 2:] - actual[:, 2:]).abs().max() > 1e-2


def test_details_of_events_reach_the_model() -> None:
    using, rows = recommender(), list(prepared("transformer").splits["test"])[:5]
    kinds = dict(enumerate(using.processor.event_types, start=1))
    histories = [using.vocabulary.decode(row["items"]) for row in rows]
    details: dict[str, Any] = {
        "event_types": [[kinds[code] for code in row["event_types"]] for row in rows],
        "ratings": [row["ratings"] for row in rows],
        "timestamps": [row["timestamps"] for row in rows],
    }
    everything = Filters(exclude_seen=False)
    together = using.recommend_many(histories, 40, **details, filters=everything, batch_size=2)
    for scores, found in zip(using.score_rows(rows), together, strict=True):
        expected = scores[torch.from_numpy(using.vocabulary.encode(ids(found)))].tolist()
        assert [item.score for item in found] == pytest.approx(expected, abs=1e-4)
    first = {name: values[0] for name, values in details.items()}
    alone = using.recommend(histories[0], 40, **first, exclude_seen=False)
    assert [item.score for item in alone] == pytest.approx([item.score for item in together[0]], abs=1e-4)
    pipe = pipeline("item-recommendation", model=using.model, processor=using.processor)
    piped = pipe(histories, k=40, exclude_seen=False, **details)
    assert [[item["item_id"] for item in found] for found in piped] == [ids(found) for found in together]


def test_kinds_of_events_that_the_model_does_not_know_are_said(caplog: pytest.LogCaptureFixture) -> None:
    start = prepared("transformer")
    kinds = start.processor.event_types
    start.processor.event_types = ["purchase", "view"]
    try:
        with caplog.at_level(logging.WARNING):
            start.processor.history_rows([["item-03", "item-10"]], event_types=[["purchase", ""]])
            assert not caplog.records
            start.processor.history_rows([["item-03", "item-10"]], event_types=[["Purchase", "view"]])
            assert "1 of 2 events have a type that the model was not trained on, for example 'Xxxxxxxx' (masked)" in (
                caplog.text
            )
            for _ in range(3):
                start.processor.history_rows([["item-03"] * 3], event_types=[["Purchase", "gift", "view"]])
            assert len(caplog.records) == 2 and "1 of 3 events" in caplog.records[1].message, "once per type"
            for number in range(200):
                start.processor.history_rows([["item-03"]], event_types=[[f"type {number}"]])
            assert len(caplog.records) == 100, "a service can be sent any number of types"
    finally:
        start.processor.event_types = kinds
    assert "_warned_of" not in start.processor.to_dict()


def test_filters_exclude_exactly_their_items() -> None:
    using, history = recommender(), ["item-03", "item-10", "item-17"]  # a tent and two pairs of boots
    everything = ids(using.recommend(history, 100, exclude_seen=False))
    category = dict(zip(*(using.vocabulary.table[n].to_pylist() for n in ("item_id", "category")), strict=True))

    def kept(**filters: Any) -> list[str]:
        return ids(using.recommend(history, 100, **{"exclude_seen": False, **filters}))

    assert len(everything) == 40
    assert kept(exclude_seen=True) == [i for i in everything if i not in history]
    assert kept(only_categories=["maps", "tents"]) == [i for i in everything if category[i] in ("maps", "tents")]
    assert kept(exclude_categories=["maps"]) == [i for i in everything if category[i] != "maps"]
    assert f"item-{NO_CATEGORY}" in kept(exclude_categories=["maps"])
    elsewhere = ("stoves", "maps", None)  # an item without a category is in no category of the history
    assert kept(cross_category=True) == [i for i in everything if category[i] in elsewhere]
    assert kept(cross_category=np.True_) == kept(cross_category=True)
    assert kept(cross_category=True, exclude_categories="stoves") == [
        i for i in everything if category[i] in ("maps", None)
    ]
    for one in ("maps", ("maps",), {"maps"}, np.array(["maps"]), pd.Series(["maps"]), (name for name in ["maps"])):
        assert kept(only_categories=one) == [i for i in everything if category[i] == "maps"]
    assert kept(only_categories=["maps"], exclude_categories=["maps"]) == []
    assert kept(only_categories=[]) == []
    assert ids(using.recommend(history, 3, only_categories=["maps"])) == kept(only_categories=["maps"])[:3]
    some = ["item-35", "item-03", "item-21", "item-04"]
    for container in (some, set(some), np.array(some), pa.array(some), pl.Series(some), iter(some)):
        assert kept(only_items=container) == [i for i in everything if i in some]
    assert kept(only_items=some, exclude_seen=True, only_categories="tents") == ["item-04"]
    assert kept(only_items=[]) == []
    assert {i.item_id for i in using.recommend([], 9, only_items=some)} == set(some), "popular items, too"


def test_fields_of_a_recommendation() -> None:
    found = recommender().recommend(["item-03"], 40)
    assert len(found) == 39
    plain = [item.to_dict() for item in found]
    assert all(list(item) == ["item_id", "score", "title", "category", "because", "price"] for item in plain)
    by_id = {item["item_id"]: item for item in plain}
    assert by_id["item-12"]["title"] == "boots number 12" and by_id["item-12"]["category"] == CATEGORIES[1]
    assert by_id[f"item-{NO_CATEGORY}"]["category"] is None
    assert (by_id["item-12"]["price"], by_id["item-00"]["price"]) == (18.0, 0.0)
    (reason,) = next(item["because"] for item in plain if item["because"])
    assert reason["item_id"] == "item-03" and reason["title"] == "tents number 3" and 0 < reason["weight"] <= 1


@pytest.mark.parametrize(
    ("value", "price"),
    [(5, 5.0), (Decimal("5.10"), 5.1), ("$5.10", "$5.10"), (float("nan"), None), (None, None), (0, 0.0)],
)
def test_prices_of_any_type_can_be_written_as_json(value: Any, price: float | str | None) -> None:
    column = ItemVocabulary(pa.table({"item_id": ["a"], "price": pa.array([value])}))
    assert plain_price(column.item(NUM_SPECIAL_ROWS)["price"]) == price
    found = Recommendation("a", 1.0, "A", None, price=price)
    assert json.loads(json.dumps(found.to_dict())).get("price") == price


def test_texts_of_a_user_move_that_user_only() -> None:
    using, histories = recommender("texts of users"), [["item-03", "item-10"], ["item-22"]]
    before = using.recommend_many(histories, 40)
    after = using.recommend_many(histories, 40, texts=[None, ["maps number 31", "stoves"]])
    assert [(i.item_id, i.score) for i in after[0]] == [
        (i.item_id, pytest.approx(i.score, abs=1e-4)) for i in before[0]
    ]
    scores = [{item.item_id: item.score for item in found[1]} for found in (before, after)]
    assert max(abs(scores[0][item] - scores[1][item]) for item in scores[0]) > 1e-3
    alone = using.recommend(["item-22"], 1, texts=["maps number 31", "stoves"])[0]
    assert alone.score == pytest.approx(after[1][0].score, abs=1e-4)


def test_a_text_that_is_longer_than_the_encoder_reads_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    using, history = recommender("texts of users"), ["item-03", "item-10"]
    long = "maps number 31 " * using.processor.max_text_length
    found = using.recommend(history, 3, texts=["boots", long])
    assert found.notes == [
        "only the beginning of 1 of 2 texts was read: the text encoder reads "
        f"{using.processor.max_text_length} tokens of each; put what matters first, or split long texts"
    ]
    assert using.recommend(history, 3, texts=long).notes[0].startswith("only the beginning of the text was read: ")
    assert using.recommend(history, 3, texts="boots").notes == []
    using.processor([history], texts=[[long]])
    assert "texts: only the beginning of the text was read" in caplog.text
    caplog.clear()
    using.processor([history], texts=[["boots"]])
    assert not caplog.text


@pytest.mark.parametrize("name", ["transformer", "no fusion", "no text"])
def test_texts_are_refused_by_a_model_that_does_not_read_them(name: str) -> None:
    using, histories = recommender(name), [["item-03", "item-10"], ["item-22"]]
    message = "texts: 1 of 2 users has texts, and this model does not read texts of users; leave texts= out"
    with pytest.raises(ValueError, match=message):
        using.recommend_many(histories, 40, texts=[None, ["maps number 31", "stoves"]])
    with pytest.raises(ValueError, match=message):
        using.processor(histories, texts=[None, "maps number 31"])
    with pytest.raises(ValueError, match="texts: 1 of 1 user has texts"):
        using.recommend(["item-22"], texts="maps number 31")
    assert using.recommend(["item-22"], texts="") == using.recommend(["item-22"], texts=[])
    saved = using.processor.to_dict()
    assert saved["reads_texts"] is False and recommender("texts of users").processor.to_dict()["reads_texts"] is True


def test_unknown_items_are_counted_in_the_result_and_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    using = recommender()
    with caplog.at_level(logging.WARNING):
        found = using.recommend(["item-03", "kite"], 40)
    assert not caplog.records
    assert (found.basis, found.unknown_items, len(found)) == ("history", 1, 39)
    assert found.notes[0] == "1 of 2 events has an item that is not in the catalogue"
    assert {reason.item_id for item in found for reason in item.because} == {"item-03"}


def test_texts_alone_are_a_basis_for_a_model_that_reads_them() -> None:
    using = recommender("texts of users")
    for history in (["kite"], []):
        found = using.recommend(history, 5, texts="boots number 12")
        assert len(found) == 5 and found.basis == "texts"
    assert using.recommend([], 5, texts=["", " "]).basis == "popular"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"history": {"item-03": 1}}, "history is a list of item ids; got a value of type dict"),
        ({"history": None}, "history is a list of item ids; got None"),
        ({"history": ["item-03", None]}, "history 0 has no item id at place 1: the value is missing"),
        ({"history": ["item-03", 1.5]}, "history 0 has no item id at place 1 but a value of type float"),
        ({"history": ["item-03"], "k": 2.5}, "k is 2.5; give a whole number"),
        ({"history": ["item-03"], "k": "10"}, "k is a value of type str; give a whole number"),
        ({"history": ["item-03"], "k": True}, "k is True; give a whole number"),
        (
            {"history": ["item-03"], "ratings": "5"},
            "ratings of history 0 is a list of values, one per event; got a pl",
        ),
        ({"history": ["item-03"], "ratings": ["five"]}, "ratings of history 0 holds a value of type str; give num"),
        ({"history": ["item-03"], "cross_category": "no"}, "cross_category is a value of type str; give True"),
        ({"history": ["item-03"], "only_categories": [None]}, "only_categories holds None"),
        ({"history": ["item-03"], "cold_boost": float("nan")}, "cold_boost is nan; give a number"),
        ({"history": ["item-03"], "on_unknown": "guess"}, "on_unknown is 'guess'; give one of popular"),
        ({"history": "item-03"}, "plain string"),
        ({"history": pl.DataFrame({"item_id": ["item-03"]})}, "got a value of type DataFrame"),
        ({"history": pa.table({"item_id": ["item-03"]})}, "got a value of type Table"),
        ({"history": ["item-03"], "k": 0}, "k is 0; give at least 1"),
        ({"histories": [["item-03"]], "batch_size": 0}, "batch_size is 0; give at least 1"),
        ({"histories": [["item-03"]], "batch_size": -1}, "batch_size is -1; give at least 1"),
        ({"histories": [["item-03"]], "texts": ["a", "b"]}, "texts must have one entry per history: 1, got 2"),
        ({"histories": [["item-03"]], "event_texts": []}, "event_texts must have one list per history: 1, got 0"),
        ({"history": ["item-03"], "only_categories": ["kites"]}, "'kites' is not a category of the catalogue's 4"),
        ({"history": ["item-03"], "exclude_categories": ["maps", "kites"]}, "'kites' is not a category"),
        ({"history": ["item-03"], "only_categories": "Tent"}, "'Tent' is not .* 4; it has, for example, tents, "),
        ({"history": ["item-03"], "only_categories": "x"}, "'x' is not .* 4; it has, for example, boots, maps, sto"),
        (
            {"history": ["item-03"], "only_items": ["item-04", "kite"]},
            "only_items: 1 of 2 ids is not an item of the ca",
        ),
        ({"history": ["item-03"], "only_items": "item-04"}, "only_items is a list of item ids; got a plain string"),
        ({"history": ["item-03"], "only_items": ["item-04", None]}, "only_items holds None; give item ids"),
    ],
)
def test_invalid_input_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        recommender().recommend_many(**arguments) if "histories" in arguments else recommender().recommend(**arguments)


@every_model
def test_more_than_the_catalogue_has_is_the_catalogue(name: str) -> None:
    using = recommender(name)
    everything = ids(using.recommend(HISTORIES[0], len(using.vocabulary), explain=False))
    assert ids(using.recommend(HISTORIES[0], 10**12, explain=False)) == everything


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_batches_change_nothing(batch_size: int) -> None:
    expected = recommender().recommend_many(HISTORIES, 4)
    found = recommender().recommend_many(HISTORIES, 4, batch_size=batch_size)
    assert [[i.score for i in f] for f in found] == [
        [pytest.approx(i.score, abs=1e-4) for i in f] for f in expected
    ]  # fmt: skip
    assert [len(f) for f in found] == [4] * 4


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    prepared("transformer").model.save_pretrained(tmp_path)
    prepared("transformer").processor.save_pretrained(tmp_path)
    return tmp_path


def test_a_saved_recommender_gives_the_same(saved: Path) -> None:
    loaded = XCatRecommender.from_pretrained(saved)
    assert loaded.recommend_many(HISTORIES, 7) == recommender().recommend_many(HISTORIES, 7)
    assert (loaded.trained == prepared("transformer").trained).all() and 0 < loaded.trained.sum() < 42
    found = pipeline("item-recommendation", model=loaded.model, processor=loaded.processor)(HISTORIES[0], k=7)
    assert found == [item.to_dict() for item in loaded.recommend(HISTORIES[0], 7)]


def test_damaged_checkpoints_are_refused(saved: Path) -> None:
    weights, catalogue = (saved / "model.safetensors").read_bytes(), (saved / "items.arrow").read_bytes()
    (saved / "model.safetensors").write_bytes(weights[:1000])
    with pytest.raises(ValueError, match=r"model\.safetensors of .* is damaged"):
        XCatRecommender.from_pretrained(saved)
    (saved / "model.safetensors").write_bytes(weights)
    (saved / "items.arrow").write_bytes(catalogue[: len(catalogue) // 2])
    with pytest.raises(ValueError, match=r"items\.arrow of .* is damaged"):
        XCatRecommender.from_pretrained(saved)
    ItemVocabulary(recommender().vocabulary.table.slice(0, 30)).save(saved)
    with pytest.raises(ValueError, match="the catalogue has 30 items and the model 40"):
        XCatRecommender.from_pretrained(saved)


def test_pickled_weights_are_not_opened(saved: Path) -> None:
    (saved / "model.safetensors").unlink()
    torch.save(prepared("transformer").model.state_dict(), saved / "pytorch_model.bin")
    with pytest.raises(OSError, match="safetensors"):
        XCatRecommender.from_pretrained(saved)


def test_the_checkpoint_of_another_model_is_refused() -> None:
    with pytest.raises(ValueError, match=r"not a checkpoint of xcat fit: model_type in its config\.json is 'bert'"):
        XCatRecommender.from_pretrained(encoder())


NO_TENTS = """
import torch
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem, XCatModel
from xcat_rec.tokenization.vocabulary import NUM_SPECIAL_ROWS


class NoTents(XCatModel):
    def score_states(self, states, recent, item_side=None):
        scores = super().score_states(states, recent, item_side)
        scores[:, NUM_SPECIAL_ROWS::4] = -torch.inf
        return scores


class NoTentsForNextItem(XCatForNextItem):
    base_class = NoTents
"""
"""An idea of one file: every fourth item is out of the question."""


def test_a_subclass_is_served_as_it_scores(
    saved: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (saved / "no_tents.py").write_text(NO_TENTS)
    monkeypatch.syspath_prepend(saved)
    idea = importlib.import_module("no_tents").NoTentsForNextItem
    options = PreparationOptions(text_encoder=encoder(), split="leave-one-out", config=SMALL)
    assert type(prepare_training(shop(), options, model_class=idea).model) is idea
    model = idea.from_pretrained(saved)
    using = XCatRecommender(model, prepared("transformer").processor)
    scores = model.score_catalogue(**using.processor(HISTORIES))
    found = using.recommend_many(HISTORIES, 100, filters=Filters(exclude_seen=False))
    for row, items in zip(scores, found, strict=True):
        rows = torch.from_numpy(using.vocabulary.encode(ids(items)).astype("int64"))
        assert len(items) == 30 and not any((rows - NUM_SPECIAL_ROWS) % 4 == 0)
        assert [item.score for item in items] == pytest.approx(row[rows].tolist(), abs=1e-4)
    model.save_pretrained(saved)
    loaded = XCatRecommender.from_pretrained(saved, model_class=idea)
    assert loaded.recommend_many(HISTORIES, 5) == using.recommend_many(HISTORIES, 5)
    with pytest.raises(ValueError, match=r"was saved as NoTentsForNextItem; .* give model_class=NoTentsForNextItem"):
        XCatRecommender.from_pretrained(saved)
    transformers.utils.logging.get_logger("xcat_rec").propagate = True
    with caplog.at_level(logging.WARNING):
        XCatForNextItem.from_pretrained(saved)
    assert "was saved as NoTentsForNextItem and is loaded as XCatForNextItem" in caplog.text


def test_a_recommender_is_of_the_model_as_it_was(saved: Path) -> None:
    model, processor = load_base(saved)
    using = XCatRecommender(model, processor)
    expected = using.recommend(HISTORIES[0])
    model.train()
    assert using.recommend(HISTORIES[0]) == expected
    change_catalogue(model, processor, ItemVocabulary(processor.catalogue.table.slice(0, 30)))
    with pytest.raises(RuntimeError, match=r"make a new XCatRecommender\(model, processor\)"):
        using.recommend(HISTORIES[0])


def test_arguments_of_the_loader_are_passed_on(saved: Path) -> None:
    using = XCatRecommender.from_pretrained(saved, dtype=torch.bfloat16, use_safetensors=True)
    assert using.model.dtype == torch.bfloat16 and len(using.recommend(HISTORIES[0], 3)) == 3


@pytest.mark.parametrize("users", [slice(0, 1), slice(0, 4)])
def test_the_cold_boost_moves_cold_items_to_the_front(users: slice) -> None:
    using = recommender()
    base, histories = using.model.model, HISTORIES[users]
    before = base.items.item_counts.clone()
    new = {"item-11", "item-12", "item-19"}
    try:
        base.items.item_counts.fill_(1)
        base.items.item_counts[torch.from_numpy(using.vocabulary.encode(sorted(new)).astype("int64"))] = 0
        plain = using.recommend_many(histories, 5, filters=Filters(exclude_seen=False))
        base.config.untrained_bonus = 1000.0
        found = using.recommend_many(histories, 5, filters=Filters(exclude_seen=False))
        scores = using.score_rows(using.processor.history_rows(histories))
    finally:
        base.config.untrained_bonus = 0.0
        base.items.item_counts.copy_(before)
    assert any(set(ids(items)[:3]) != new for items in plain)
    for items, row in zip(found, scores, strict=True):
        assert set(ids(items)[:3]) == new
        expected = row[torch.from_numpy(using.vocabulary.encode(ids(items)).astype("int64"))].tolist()
        assert [item.score for item in items] == pytest.approx(expected, abs=1e-3)


def test_reranking_follows_the_scores_under_every_filter():
    start = prepared("transformer")
    model = start.model
    assert model.model.candidates is not None and not model.model.has_second_stage
    plain = ids(recommender().recommend(HISTORIES[0], 10))
    generator = torch.Generator().manual_seed(0)
    before = {name: buffer.clone() for name, buffer in model.model.candidates.named_buffers()}
    try:
        for name, buffer in model.model.candidates.named_buffers():
            drawn = 3 * torch.randn(buffer.shape, generator=generator)
            buffer.copy_(drawn.abs() + 0.5 if name.endswith("scale") else drawn)
        model.config.candidate_attention = True
        for filters in (Filters(), Filters(exclude_seen=False), Filters(cross_category=True)):
            found = recommender().recommend_many(HISTORIES, 10, filters=filters)
            scores = recommender().score_rows(start.processor.history_rows(HISTORIES))
            for user, items in enumerate(found):
                if not items:  # of every category
                    continue
                rows = torch.from_numpy(recommender().vocabulary.encode(ids(items)).astype("int64"))
                own = scores[user, rows]
                # The same up to a constant per query: the smallest bonus is over the candidates that a filter leaves.
                difference = torch.tensor([item.score for item in items]) - own
                assert (own[:-1] >= own[1:]).all() and difference.max() - difference.min() < 1e-3
                assert all(0 < reason.weight <= 1 for item in items for reason in item.because)
        changed = ids(recommender().recommend(HISTORIES[0], 10))
        assert changed != plain
        few = recommender().recommend(HISTORIES[0], 3)
        assert ids(few) == changed[:3]
        model.config.num_candidates = 5  # fewer than requested: the others follow in the order before re-ranking
        many = recommender().recommend(HISTORIES[0], 10)
        assert len(many) == 10 and set(ids(many)[:5]) == set(plain[:5]) and ids(many)[5:] == plain[5:]
        assert [item.score for item in many] == sorted((item.score for item in many), reverse=True)
    finally:
        model.config.candidate_attention, model.config.num_candidates = False, 200
        for name, buffer in before.items():
            getattr(model.model.candidates, name).copy_(buffer)
