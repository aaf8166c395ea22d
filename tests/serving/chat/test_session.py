"""Dialogues in English and Chinese: exact wishes, limits that are never broken, answers that are never empty."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.serving.chat.session import ChatSession

from .shops import CHINESE_ITEMS, ENGLISH_ITEMS, heard, recommender, recommender_of, session

EVERYTHING = sorted(item[0] for item in ENGLISH_ITEMS)
SNACKS = ["S1", "S2", "S3", "S4", "S5", "S6"]


def test_a_category_a_brand_and_words_are_wanted() -> None:
    understood, shown, answer = heard("I'm looking for blue tents by Acme")
    assert understood["wanted"] == {"category": "Tents", "brand": "Acme", "attributes": ["blue"]}
    assert shown == ["C1", "C2"]
    assert "Blue hiking tent for two (80.00)" in answer
    assert session().say("a tent, green").recommendations[0].item_id == "C3", "items with the wanted words first"


@pytest.mark.parametrize("text", ["snacks please", "candy", "a snack", "Snacks and Candy", "snacks & candies"])
def test_parts_and_plurals_of_a_category(text: str) -> None:
    assert heard(text)[0]["wanted"]["category"] == "Snacks and Candy"


def test_a_brand_that_is_an_ordinary_word() -> None:
    assert heard("a simple tent")[0]["wanted"] == {"category": "Tents", "brand": None, "attributes": ["simple"]}
    assert heard("cookies by Simple")[0]["wanted"]["brand"] == "Simple"


@pytest.mark.parametrize(
    ("text", "limits", "shown"),
    [
        ("snacks under 3 dollars", (None, 3.0), ["S1", "S3", "S6"]),
        ("snacks, $3 or less", (None, 3.0), ["S1", "S2", "S3", "S6"]),
        ("snacks for no more than three bucks", (None, 3.0), ["S1", "S2", "S3", "S6"]),
        ("I don't want to pay more than 3 for snacks", (None, 3.0), ["S1", "S2", "S3", "S6"]),
        ("snacks between 2.50 and 4 dollars", (2.5, 4.0), ["S2", "S5", "S6"]),
        ("$2-$3 snacks", (2.0, 3.0), ["S1", "S2", "S6"]),
        ("snacks over 4", (4.0, None), ["S4"]),
        ("snacks, nothing below 4 euros", (4.0, None), ["S4", "S5"]),
        ("snacks at 50 cents at most", (None, 0.5), []),
        ("tents at least a hundred dollars", (100.0, None), ["C2"]),
        ("a tent up to twenty-five", (None, 25.0), []),
        ("a tent under 5 feet", (None, None), ["C1", "C2", "C3", "C4"]),
        ("a tent for at least 4 people", (None, None), ["C1", "C2", "C3", "C4"]),
    ],
)
def test_price_limits(text: str, limits: tuple[float | None, float | None], shown: list[str]) -> None:
    understood, found, _ = heard(text)
    assert (understood["limits"]["minimum_price"], understood["limits"]["maximum_price"]) == limits
    assert found == shown


@pytest.mark.parametrize(
    ("text", "limits", "shown"),
    [
        ("5元以下的饼干", (None, 5.0), ["S1", "S3", "S4"]),
        ("饼干，低于5元", (None, 5.0), ["S3", "S4"]),
        ("不超过五块的饼干", (None, 5.0), ["S1", "S3", "S4"]),
        ("饼干 ５ 元以内", (None, 5.0), ["S1", "S3", "S4"]),
        ("帐篷，50到一百块之间", (50.0, 100.0), ["C1", "C3"]),
        ("一百块以上的帐篷", (100.0, None), ["C2"]),
        ("不要低于80元的帐篷", (80.0, None), ["C1", "C2"]),
        ("三人以上的帐篷", (None, None), ["C1", "C2", "C3", "C4"]),
        ("四块五的饼干", (None, 4.5), ["S3", "S4"]),
    ],
)
def test_chinese_price_limits(text: str, limits: tuple[float | None, float | None], shown: list[str]) -> None:
    understood, found, _ = heard(text, chinese=True)
    assert (understood["limits"]["minimum_price"], understood["limits"]["maximum_price"]) == limits
    assert found == shown


@pytest.mark.parametrize("chinese", [False, True], ids=["en", "zh"])
def test_limits_of_one_turn_that_contradict_each_other_are_kept(chinese: bool) -> None:
    texts = ["低于5元且高于10元", "高于10元，低于5元"] if chinese else ["under 5 and over 10", "over ten and under $5"]
    for text in texts:
        chat = session(chinese)
        turn = chat.say(text)
        assert (turn.understood.price.minimum, turn.understood.price.maximum) == (10.0, 5.0)
        assert turn.recommendations == [] and turn.answer.strip()
        later = chat.say("高于3元" if chinese else "over 3").understood.price
        assert (later.minimum, later.maximum) == (3.0, 5.0), "the limit that was said again replaces the older one"


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("more than 5 and less than 10", (5.0, 10.0)), ("over $5 and under $10", (5.0, 10.0)),
        ("around 20 but under 18", (15.0, 18.0)), ("over 50, about 20", (50.0, None)), ("5 and over", (5.0, None)),
        ("5 and under, please", (None, 5.0)),
    ],
)  # fmt: skip
def test_two_prices_of_one_turn(text: str, limits: tuple[float | None, float | None]) -> None:
    price = session().say(text).understood.price
    assert (price.minimum, price.maximum) == limits


@pytest.mark.parametrize("text", ["another", "Another, please", "show me another"])
def test_another_alone(text: str) -> None:
    chat = ChatSession(recommender(), k=2)
    first = {item.item_id for item in chat.say("tents").recommendations}
    turn = chat.say(text)
    assert turn.understood.request == "another" and len(turn.recommendations) == 2
    assert not first & {item.item_id for item in turn.recommendations}


@pytest.mark.parametrize("text", ["anything", "Everything!", "show me everything"])
def test_anything_alone(text: str) -> None:
    assert session().say(text).recommendations


def test_items_without_a_price_do_not_keep_a_price_limit() -> None:
    _, shown, answer = heard("tents up to 500 dollars")
    assert shown == ["C1", "C2", "C3"]
    assert "One other item is left out, because its price is unknown." in answer
    assert "1 件商品价格未知" in heard("500元以内的帐篷", chinese=True)[2]


@pytest.mark.parametrize(
    ("text", "words", "shown"),
    [
        ("snacks, no nuts", ["nuts"], ["S2", "S3", "S5", "S6"]),
        ("nut-free snacks", ["nut"], ["S2", "S3", "S5", "S6"]),
        ("snacks but I'm allergic to nuts or milk", ["nuts", "milk"], ["S2", "S3", "S6"]),
        ("snacks without sugar", ["sugar"], ["S1", "S3", "S4", "S5", "S6"]),
        ("snacks, not dairy", ["dairy"], ["S1", "S2", "S3", "S4", "S6"]),
        ("snacks, nothing with raisins in it", ["raisins"], ["S1", "S2", "S3", "S5", "S6"]),
        ("snacks with no nuts, sugar or milk", ["nuts", "sugar", "milk"], ["S3", "S6"]),
        ("show me snacks; I'm not sure which", [], SNACKS),
        ("no problem, snacks", [], SNACKS),
    ],
)
def test_excluded_words(text: str, words: list[str], shown: list[str]) -> None:
    understood, found, _ = heard(text)
    assert understood["not_wanted"]["words"] == words
    assert found == shown


@pytest.mark.parametrize(
    ("text", "words", "shown"),
    [
        ("不要坚果的饼干", ["坚果"], ["S3", "S4"]),
        ("饼干，我对坚果过敏", ["坚果"], ["S3", "S4"]),
        ("无糖饼干", ["糖"], ["S1", "S2", "S3"]),
        ("饼干，不含糖和坚果", ["糖", "坚果"], ["S3"]),
        ("有没有饼干", [], ["S1", "S2", "S3", "S4"]),
    ],
)
def test_chinese_excluded_words(text: str, words: list[str], shown: list[str]) -> None:
    understood, found, _ = heard(text, chinese=True)
    assert understood["not_wanted"]["words"] == words
    assert (understood["wanted"]["category"], found) == ("饼干", shown)


def test_a_denied_word_in_an_item_is_not_that_item_s_word() -> None:
    items = pl.DataFrame({
        "item_id": ["A", "B", "C", "D"],
        "title": ["USB 2.0 cable kit", "0 sugar cola", "Lamp, no cable", "12color brush, 糖20糖"],
        "category": ["x", "x", "x", "x"],
    })  # fmt: skip
    chat = ChatSession(recommender_of(items), k=20)
    assert {item.item_id for item in chat.say("no cable").recommendations} == {"B", "C", "D"}
    assert {item.item_id for item in chat.say("start over, no color").recommendations} == {"A", "B", "C"}
    assert {item.item_id for item in chat.say("start over, without sugar").recommendations} == {"A", "B", "C"}


def test_excluded_brands_and_categories() -> None:
    understood, shown, _ = heard("tents, not Acme")
    assert (understood["not_wanted"]["brands"], shown) == (["Acme"], ["C3", "C4"])
    understood, shown, _ = heard("anything but tents and snacks under 100")
    assert understood["not_wanted"]["categories"] == ["Tents", "Snacks and Candy"]
    assert shown == ["B1", "B2", "N1"]
    assert heard("帐篷，不要山野行", chinese=True)[1] == ["C3", "C4"]


def test_chinese_words_are_found_inside_titles() -> None:
    understood, shown, _ = heard("想要蓝色的双人帐篷", chinese=True)
    assert understood["wanted"] == {"category": "帐篷", "brand": None, "attributes": ["蓝色", "双人"]}
    assert shown == ["C1", "C2", "C3", "C4"]
    assert heard("温和的洗护", chinese=True)[0]["wanted"]["attributes"] == ["温和"]


def test_later_turns_refine() -> None:
    chat = session()
    assert {i.item_id for i in chat.say("tents under 110").recommendations} == {"C1", "C3"}
    assert chat.say("the blue one").recommendations[0].item_id == "C1"
    assert chat.say("a green one").understood.attributes == ("green",), "another colour replaces the first"
    turn = chat.say("something cheaper")
    assert ([i.item_id for i in turn.recommendations], turn.understood.price.maximum) == (["C3"], 80.0)
    turn = chat.say("shoes")
    assert (turn.understood.category, turn.understood.attributes) == ("Shoes", ())
    assert turn.understood.price.maximum is not None, "limits stay"
    assert chat.say("any price").understood.price.maximum is None
    assert chat.say("start over").understood.to_dict()["wanted"]["category"] is None


def test_cheaper_and_something_else() -> None:
    chat = session(k=1)
    first = chat.say("snacks").recommendations[0].item_id
    assert chat.say("something else").recommendations[0].item_id != first
    third = chat.say("not this one")
    assert len({first, *third.understood.not_items}) == 2
    dear = session(k=2)
    prices = [price for price in dear.say("tents").prices if price is not None]
    cheaper = dear.say("cheaper please")
    assert all(price is not None and price < max(prices) for price in cheaper.prices)
    assert heard("不要这个", chinese=True)[0]["not_wanted"]["items"] == [], "nothing has been shown"
    assert sorted(heard("帐篷", "换一批", chinese=True)[0]["not_wanted"]["items"]) == ["C1", "C2", "C3", "C4"]


def test_wanting_what_was_excluded_ends_the_exclusion() -> None:
    understood, shown, _ = heard("snacks without nuts", "nuts are fine")
    assert (understood["not_wanted"]["words"], shown) == ([], SNACKS)
    assert heard("饼干，不要坚果", "可以有坚果", chinese=True)[0]["not_wanted"]["words"] == []


def test_asks_back_when_nothing_is_left() -> None:
    chat = session()
    turn = chat.say("tents under 10 dollars")
    assert not turn.recommendations
    assert 'Without the limit "under 10.00 USD" I have 4 items. Shall I drop it?' in turn.answer
    assert len(chat.say("yes").recommendations) == 4
    assert "如果去掉“不超过 10.00 CNY”这个条件，有 4 件商品" in heard("10元以下的帐篷", chinese=True)[2]


def test_asks_back_when_limits_leave_out_every_item_with_a_wanted_word() -> None:
    chat = session()
    turn = chat.say("blue under 10 dollars")
    assert (turn.answer, len(turn.recommendations)) == (
        'I have no item under 10.00 USD, with the word "blue". The cheapest one costs 55.00. '
        'Without the limit "under 10.00 USD" I have 2 items. Shall I drop it? '
        "One other item is left out, because its price is unknown.", 0,
    )  # fmt: skip
    assert {item.item_id for item in chat.say("yes").recommendations} == {"C1", "B1"}
    assert chat.say("shoes").understood.price.maximum is None, "the dropped limit does not come back"
    turn = session(True).say("双人，品牌乐佳")
    assert turn.answer.startswith("没有符合条件的商品（品牌：乐佳，含“双人”）。如果去掉“品牌：乐佳”这个条件，有 2 件")
    assert not turn.recommendations
    assert 'The most expensive one costs 80.00. Without the limit "over 100.00"' in heard("hiking over 100")[2]


def test_asks_back_when_nothing_was_understood() -> None:
    understood, shown, answer = heard("qwertz uiop")
    assert (understood["request"], shown) == ("unclear", [])
    assert "such as Snacks and Candy, Tents or Shoes" in answer
    assert "例如帐篷、饼干、洗护" in heard("嗯嗯嗯", chinese=True)[2]
    assert heard("")[2] and heard("123")[2] and heard("\ud800 \x00")[2]


def test_what_the_customer_has_is_not_recommended() -> None:
    turn = ChatSession(recommender(), k=20, history=["C1", "gone"]).say("tents")
    assert sorted(item.item_id for item in turn.recommendations) == ["C2", "C3", "C4"]


def test_a_customer_who_has_everything_is_told_so() -> None:
    everything = ChatSession(recommender(), history=[row[0] for row in ENGLISH_ITEMS])
    assert everything.say("blue").answer.startswith('You already have all of my items with the word "blue". Tell me')
    assert everything.say("red over 500").answer.startswith("I have no item"), "nothing would fit"
    tents = ChatSession(recommender(), history=["C1", "C2", "C3", "C4"])
    assert tents.say("tents").answer.startswith("You already have all of my items in Tents.")
    chinese = ChatSession(recommender(True), history=[row[0] for row in CHINESE_ITEMS])
    assert chinese.say("帐篷").answer.startswith("符合条件的商品您都已经有了（品类：帐篷）。")


def test_the_turn_as_json() -> None:
    told = session(k=1).say("snacks under 2").to_dict()
    assert list(told) == ["understood", "recommendations", "answer"]
    assert told["recommendations"][0]["item_id"] == "S3"
    assert told["recommendations"][0]["price"] == 1.5


@pytest.mark.parametrize(
    ("options", "message"),
    [({"k": 0}, "k is 0; give at least 1"), ({"history": "C1"}, "history is a list of item ids; got a plain string")],
)
def test_refused_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ChatSession(recommender(), **options)
    with pytest.raises(ValueError, match="text is a value of type int; give a text"):
        session().say(5)  # type: ignore[arg-type]


PHRASES = [
    "tents", "a snack", "shoes by Acme", "blue", "green one", "no nuts", "without sugar or milk", "not Acme",
    "under 5 dollars", "between 2 and 60", "at least 3", "cheaper", "something else", "not this one", "any price",
    "start over", "yes", "what do you recommend?", "where is my order?", "asdf", "", "nuts are fine", "more expensive",
    "帐篷", "不要坚果", "5元以下", "蓝色的", "不要这个", "换一批", "便宜点",
    "重新开始", "价格不限", "无糖", "好的", "山野行", "不要乐佳",
]  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.booleans(), st.lists(st.sampled_from(PHRASES) | st.text(max_size=20), min_size=1, max_size=6))
def test_no_dialogue_breaks_a_limit(chinese: bool, turns: list[str]) -> None:
    rows = {row[0]: row for row in (CHINESE_ITEMS if chinese else ENGLISH_ITEMS)}
    chat = session(chinese, k=4)
    for text in turns:
        turn = chat.say(text)
        assert turn.answer.strip()
        for found in turn.recommendations:
            _, title, category, brand, price, contents = rows[found.item_id]
            state = turn.understood
            said = f"{title} {category} {brand} {contents}".lower()
            for limit, kept in (
                (state.price.maximum, lambda value, price=price: price is not None and price <= value),
                (state.price.minimum, lambda value, price=price: price is not None and price >= value),
            ):
                assert limit is None or kept(limit)
            assert brand not in state.not_brands and category not in state.not_categories
            assert found.item_id not in state.not_items
            if "nuts" in state.not_words or "坚果" in state.not_words:
                assert not re.search("nut|坚果|花生", said)
            if "sugar" in state.not_words or "糖" in state.not_words:
                assert not re.search("sugar|糖", said.replace("sugar-free", "").replace("无糖", ""))


def test_a_turn_is_quick() -> None:
    """Scores of the catalogue are not computed for a turn that asks back."""
    chat = session()
    calls = []
    original = chat.recommender.recommend
    chat.recommender.recommend = lambda *a, **b: calls.append(1) or original(*a, **b)  # type: ignore[method-assign]
    try:
        chat.say("tents under 1")
        assert not calls
        chat.say("start over, blue shoes")
        assert 1 <= len(calls) <= 2
    finally:
        del chat.recommender.recommend  # type: ignore[method-assign]
    assert np.isfinite(len(calls))


def test_a_dialogue_follows_the_items_and_the_policy_of_the_recommender() -> None:
    own = XCatRecommender(recommender().model, recommender().processor)
    chat = ChatSession(own, k=10)
    assert {item.item_id for item in chat.say("tents").recommendations} == {"C1", "C2", "C3", "C4"}
    own.policy = {"outcomes": {"green": "blocked"}, "words": {"green": ["green"]}}
    green = {"C3"}
    assert {item.item_id for item in chat.say("tents").recommendations} == {"C1", "C2", "C3", "C4"} - green
    own.policy = "off"
    own.delete_items(["C1"])
    assert {item.item_id for item in chat.say("tents, not blue").recommendations} == {"C2", "C3", "C4"}
    assert chat.understood.categories, "the dialogue goes on"
