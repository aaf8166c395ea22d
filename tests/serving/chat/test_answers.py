"""Answers are true of every item that they list, and the JSON of a turn has the words, prices and reasons of items."""

from __future__ import annotations

import polars as pl
import pytest

from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.serving.chat.answers import Answers, Shown
from xcat_rec.serving.chat.dialogue import Understood
from xcat_rec.serving.chat.session import ChatSession
from xcat_rec.training.tuning.asks import fit_asks

from ...training.test_trainer import prepared
from ...training.tuning.test_reranker import by_the_brand
from .shops import ids, recommender, recommender_of, session

BLUE, BOTH, RED = Shown("A", "5.00", ("blue",)), Shown("B", "", ("blue", "warm")), Shown("C", "", ())


@pytest.mark.parametrize(
    ("wanted", "items", "by_meaning", "english", "chinese"),
    [
        ((), [BLUE, RED], False, "I found 2 items in X: A (5.00); C.", "为您找到 2 件商品（品类：X）：A（5.00）；C。"),
        (("blue",), [BLUE], False, 'I found 1 item in X, with the word "blue": A (5.00).',
         "为您找到 1 件商品（品类：X，含“blue”）：A（5.00）。"),
        (("blue", "warm"), [BOTH, BLUE, RED], False,
         'I found 1 item in X, with the words "blue" and "warm": B. With some of these words: A (5.00). '
         "Without these words: C.",
         "为您找到 1 件商品（品类：X，含“blue”、“warm”）：B。只含其中一部分词的：A（5.00）。不含这些词的：C。"),
        (("blue", "big"), [BLUE, BOTH], False,
         'I found 2 items in X, with the word "blue": A (5.00); B. None of them has the word "big".',
         "为您找到 2 件商品（品类：X，含“blue”）：A（5.00）；B。它们都不含“big”。"),
        (("warm", "big"), [BLUE, BOTH], False,
         'I found 2 items in X: A (5.00); B. Only some of them have the word "warm". None of them has the word "big".',
         "为您找到 2 件商品（品类：X）：A（5.00）；B。其中只有一部分含“warm”。它们都不含“big”。"),
        (("tent",), [RED], True, 'I found 1 item in X: C. It does not have the word "tent", but is close in meaning.',
         "为您找到 1 件商品（品类：X）：C。它不含“tent”，但意思相近。"),
        (("tent",), [BLUE._replace(words=("tent",)), RED], True,
         'I found 1 item in X, with the word "tent": A (5.00). Without this word, but close in meaning: C.',
         "为您找到 1 件商品（品类：X，含“tent”）：A（5.00）。不含这个词，但意思相近的：C。"),
    ],
)  # fmt: skip
def test_lists(wanted: tuple[str, ...], items: list[Shown], by_meaning: bool, english: str, chinese: str) -> None:
    items = [item._replace(is_close=by_meaning and not item.words) for item in items]
    state = Understood(categories=("X",), attributes=wanted)
    assert Answers(state, ()).found(items) == english
    assert Answers(Understood("zh", categories=("X",), attributes=wanted), ()).found(items) == chinese


def test_an_item_without_the_wanted_word_is_not_listed_as_if_it_had_it() -> None:
    turn = session().say("blue tents")
    assert turn.answer.startswith('I found 1 item in Tents, with the word "blue": Blue hiking tent for two (80.00). ')
    assert turn.recommendations[0].words == ("blue",) and turn.recommendations[1].words == ()
    assert {item.item_id for item in session().say("blue").recommendations} == {"C1", "B1"}
    assert {item.item_id for item in session(True).say("蓝色的").recommendations} == {"C1", "C4"}


def test_the_items_of_a_turn_as_json() -> None:
    told = ChatSession(recommender(), k=2, history=["C2", "S1"]).say("blue tents, hiking").to_dict()
    assert list(told) == ["understood", "recommendations", "answer"]
    first, second = told["recommendations"]
    assert (first["item_id"], first["words"], first["price"]) == ("C1", ["blue", "hiking"], 80.0)
    assert second["words"] == [] and {"because", "title", "category", "score"} <= set(second)
    assert {reason["item_id"] for reason in first["because"]} <= {"C2", "S1"} and first["because"]
    assert ChatSession(recommender(), k=2).say("tents").to_dict()["recommendations"][0]["because"] == []


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> XCatRecommender:
    """A model that was fitted to read queries."""
    start = prepared(tmp_path_factory.mktemp("reader"))
    assert fit_asks(start.model, start.processor, by_the_brand(start)) is not None
    return XCatRecommender(start.model, start.processor)


def test_a_model_that_reads_queries_orders_by_the_wanted_words(reader: XCatRecommender) -> None:
    chat = ChatSession(reader, k=3)
    turn = chat.say("boots, number 17")
    found = [item.item_id for item in turn.recommendations]
    asked = reader.recommend([], 3, query="number boots", only_categories="boots")
    assert (found, turn.recommendations.basis) == ([item.item_id for item in asked], "query")
    assert turn.recommendations[0].words == ("number",)
    maps = chat.say("maps")
    assert [item.category for item in maps.recommendations] == ["maps"] * 3
    turn = chat.say("cheaper")
    assert turn.recommendations and max(filter(None, turn.prices)) < max(filter(None, maps.prices))


def test_a_model_that_reads_queries_keeps_limits_and_history(reader: XCatRecommender) -> None:
    chat = ChatSession(reader, k=5, history=["item-10", "item-11"])
    turn = chat.say("boots under 21 dollars")
    assert turn.recommendations.basis == "history" and len(turn.recommendations) == 2
    assert {item.item_id for item in turn.recommendations} == {"item-12", "item-13"}
    assert all(reason.item_id in ("item-10", "item-11") for item in turn.recommendations for reason in item.because)
    assert turn.recommendations[0].because
    assert not chat.say("not brand 0").understood.brand


def test_a_model_that_reads_queries_answers_for_words_without_a_category(reader: XCatRecommender) -> None:
    turn = ChatSession(reader, k=40).say("number")
    has = [item for item in turn.recommendations if item.words]
    assert len(turn.recommendations) == 40 and len(has) == 40
    assert "close in meaning" not in turn.answer
    only = ChatSession(reader, k=3).say("number 0")
    assert only.answer.startswith('I found 3 items with the word "number": ')


def test_a_model_that_reads_queries_lists_no_other_things_when_limits_leave_out_the_wanted_one(
    reader: XCatRecommender,
) -> None:
    chat = ChatSession(reader, k=3)
    dear = max(price for price in ChatSession(reader, k=40).say("number").prices if price is not None)
    turn = chat.say(f"number over {dear}")
    assert not turn.recommendations and 'with the word "number". The most expensive one costs' in turn.answer
    assert len(chat.say("yes").recommendations) == 3


def test_lists_of_texts_are_read() -> None:
    items = pl.DataFrame({
        "item_id": ["a", "b"], "title": ["Tent", "Shoe"], "labels": [["family", "warm"], None],
    })  # fmt: skip
    shop = recommender_of(items)
    assert str(shop.vocabulary.table["labels"].type).startswith("large_list")
    assert ids(ChatSession(shop, k=5).say("something for the family")) == ["a"]
