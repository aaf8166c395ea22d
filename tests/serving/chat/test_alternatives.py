"""Alternatives: "coffee or tea", "Nike or Adidas", 咖啡或茶; what they leave in, what later turns do with them."""

from __future__ import annotations

from functools import cache

import polars as pl
import pytest

from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.serving.chat.answers import shown_state
from xcat_rec.serving.chat.turn import ChatTurn

from .shops import ids, last_turn, recommender_of

ENGLISH = [
    ("C1", "Dark roast", "Coffee", "Nike", 9.0), ("C2", "Espresso beans", "Coffee", "Acme", 19.0),
    ("T1", "Green leaves, organic", "Tea", "Acme", 4.0), ("T2", "Earl grey", "Tea", "Adidas", 6.0),
    ("S1", "Running shoes, red", "Shoes", "Nike", 99.0), ("S2", "Running shoes, blue", "Shoes", "Adidas", 89.0),
    ("S3", "Running shoes, red", "Shoes", "Acme", 59.0), ("H1", "Studio headphones", "Audio", "Acme", 50.0),
    ("H2", "Loud speaker", "Audio", "Acme", 70.0), ("H3", "Loud radio", "Audio", "Acme", 30.0),
    ("B1", "Sleeping bag, blue", "Outdoor", "Acme", 80.0), ("B2", "Family tent", "Outdoor", "Acme", 150.0),
]  # fmt: skip
CHINESE = [
    ("C1", "深烘豆子", "咖啡", "瑞幸", 9.0), ("C2", "拿铁液", "咖啡", "雀巢", 19.0),
    ("T1", "有机龙井", "茶", "清泉", 4.0), ("T2", "茉莉花", "茶", "雀巢", 6.0),
    ("S1", "跑步鞋 红色", "鞋靴", "安踏", 99.0), ("S2", "跑步鞋 蓝色", "鞋靴", "李宁", 89.0),
    ("S3", "跑步鞋 红色", "鞋靴", "瑞幸", 59.0), ("H1", "监听耳机", "数码", "瑞幸", 50.0),
    ("H2", "蓝牙音箱", "数码", "瑞幸", 70.0), ("H3", "收音机", "数码", "瑞幸", 30.0),
]  # fmt: skip


@cache
def shop(chinese: bool) -> XCatRecommender:
    names = ("item_id", "title", "category", "brand", "price")
    return recommender_of(pl.DataFrame(CHINESE if chinese else ENGLISH, schema=list(names), orient="row"))


def ids_of(turn: ChatTurn) -> set[str]:
    return {*ids(turn)}


def after(*lines: str, k: int = 20) -> ChatTurn:
    return last_turn(shop(not lines[0].isascii()), lines, k)


@pytest.mark.parametrize(
    ("text", "shown", "categories"),
    [
        ("coffee or tea", {"C1", "C2", "T1", "T2"}, ["Coffee", "Tea"]),
        ("I'd like some coffee or maybe a tea, please", {"C1", "C2", "T1", "T2"}, ["Coffee", "Tea"]),
        ("coffee, tea or shoes", {"C1", "C2", "T1", "T2", "S1", "S2", "S3"}, ["Coffee", "Tea", "Shoes"]),
        ("coffee and tea", {"C1", "C2", "T1", "T2"}, ["Coffee", "Tea"]),
        ("coffee/tea under 10", {"C1", "T1", "T2"}, ["Coffee", "Tea"]),
        ("咖啡或茶", {"C1", "C2", "T1", "T2"}, ["咖啡", "茶"]),
        ("想买咖啡或者茶", {"C1", "C2", "T1", "T2"}, ["咖啡", "茶"]),
        ("咖啡、茶或鞋靴", {"C1", "C2", "T1", "T2", "S1", "S2", "S3"}, ["咖啡", "茶", "鞋靴"]),
        ("咖啡和茶都看看", {"C1", "C2", "T1", "T2"}, ["咖啡", "茶"]),
    ],
)
def test_categories(text: str, shown: set[str], categories: list[str]) -> None:
    turn = after(text)
    assert ids_of(turn) == shown
    wanted = turn.to_dict()["understood"]["wanted"]
    assert (wanted["category"], wanted["categories"]) == (categories[0], categories)


def test_the_answer_and_the_state_name_all_of_them() -> None:
    turn = after("coffee or tea by Acme or Adidas")
    assert turn.answer.startswith("I found 3 items in Coffee or Tea, by Acme or Adidas: ")
    assert shown_state(turn.understood) == "in Coffee or Tea, by Acme or Adidas"
    assert after("咖啡或茶，雀巢或清泉的").answer.startswith("为您找到 3 件商品（品类：咖啡或茶，品牌：雀巢或清泉）：")


def test_one_category_has_no_further_keys() -> None:
    wanted = after("coffee by Acme").to_dict()["understood"]["wanted"]
    assert wanted == {"category": "Coffee", "brand": "Acme", "attributes": []}


def test_each_alternative_is_shown_first_in_turn() -> None:
    listed = [item.category for item in after("coffee or tea", k=2).recommendations]
    assert sorted(listed) == ["Coffee", "Tea"]
    assert {item.category for item in after("咖啡或茶", k=2).recommendations} == {"咖啡", "茶"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("shoes by Nike or Adidas", {"S1", "S2"}),
        ("Nike or Adidas shoes", {"S1", "S2"}),
        ("鞋靴，安踏或李宁的", {"S1", "S2"}),
        ("安踏或者李宁的鞋靴", {"S1", "S2"}),
    ],
)
def test_brands(text: str, shown: set[str]) -> None:
    turn = after(text)
    assert ids_of(turn) == shown
    assert turn.to_dict()["understood"]["wanted"]["brands"] == list(turn.understood.brands)


@pytest.mark.parametrize(
    ("text", "groups", "found"),
    [
        ("headphones or a speaker", [["headphones", "speaker"]], 'the word "headphones" or "speaker": '),
        ("red or blue running shoes", [["red", "blue"]], 'the words "red" or "blue" and "running": '),
        ("耳机或者音箱", [["耳机", "音箱"]], "含“耳机”或“音箱”）："),
        ("红色或蓝色的鞋靴", [["红色", "蓝色"]], "含“红色”或“蓝色”）："),
    ],
)
def test_words(text: str, groups: list[list[str]], found: str) -> None:
    turn = after(text)
    assert turn.to_dict()["understood"]["wanted"]["alternatives"] == groups
    assert found in turn.answer and "some of" not in turn.answer and "一部分" not in turn.answer
    assert ids_of(turn) == ({"H1", "H2"} if groups[0][0] in ("headphones", "耳机") else {"S1", "S2", "S3"})


def test_a_category_or_a_thing_without_one() -> None:
    turn = after("coffee or sleeping bags")
    assert ids_of(turn) == {"C1", "C2", "B1"}
    assert turn.to_dict()["understood"]["wanted"]["or_words"] == ["sleeping bags"]
    assert turn.answer.startswith('I found 3 items in Coffee or with the word "sleeping bags": ')
    assert ids_of(after("coffee or sleeping bags", "only coffee")) == {"C1", "C2"}


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        (("coffee or tea", "no, only tea"), {"T1", "T2"}),
        (("coffee or tea", "not coffee"), {"T1", "T2"}),
        (("coffee or tea by Acme", "just tea please"), {"T1"}),
        (("coffee", "or tea"), {"C1", "C2", "T1", "T2"}),
        (("coffee", "tea is fine too"), {"C1", "C2", "T1", "T2"}),
        (("coffee or tea", "shoes"), {"S1", "S2", "S3"}),
        (("shoes by Nike or Adidas", "not Nike"), {"S2"}),
        (("shoes by Nike", "or Adidas"), {"S1", "S2"}),
        (("shoes by Nike or Adidas", "any brand"), {"S1", "S2", "S3"}),
        (("red or blue shoes", "actually only blue"), {"S2"}),
        (("headphones or a speaker", "only headphones"), {"H1"}),
        (("headphones", "or a speaker"), {"H1", "H2"}),
        (("咖啡或茶", "不，只要茶"), {"T1", "T2"}),
        (("咖啡或茶", "不要咖啡"), {"T1", "T2"}),
        (("咖啡", "茶也行"), {"C1", "C2", "T1", "T2"}),
        (("咖啡", "或者茶"), {"C1", "C2", "T1", "T2"}),
        (("鞋靴，安踏或李宁", "不要安踏"), {"S2"}),
        (("耳机或音箱", "只要耳机"), {"H1"}),
    ],
)
def test_later_turns(lines: tuple[str, ...], shown: set[str]) -> None:
    turn = after(*lines)
    first = [item.item_id for item in turn.recommendations][: len(shown)]
    assert set(first) == shown
    assert turn.understood.attributes or ids_of(turn) == shown


def test_a_wanted_thing_of_two_words() -> None:
    turn = after("running shoes or sleeping bags")
    assert (turn.understood.categories, turn.understood.or_words) == (("Shoes",), ("sleeping bags",))
    assert ids_of(turn) == {"S1", "S2", "S3", "B1"}


def test_cheaper_compares_all_alternatives() -> None:
    assert ids_of(after("coffee or tea", "cheaper")) == {"T1"}
    assert ids_of(after("headphones or a speaker", "cheaper")) == {"H1"}
    assert after("coffee or tea", "the cheapest one", k=1).recommendations[0].item_id == "T1"
