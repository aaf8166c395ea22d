"""Plain nouns that titles seldom use by themselves: another subject, or a property of the thing wanted before."""

from __future__ import annotations

from functools import cache

import polars as pl
import pytest

from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.serving.chat.turn import ChatTurn

from .shops import ids, last_turn, reader_of, recommender_of

ENGLISH = [
    ("H1", "Wireless headphones, red", "Audio", 90.0), ("H2", "Sony studio headphones", "Audio", 30.0),
    ("P1", "Donner guitar pedal, red", "Music", 40.0), ("P2", "Behringer guitar pedal", "Music", 25.0),
    ("P3", "Rogers guitar pedal", "Music", 90.0), ("P4", "Donner guitar strap", "Music", 9.0),
    ("K1", "Coffee grounds, 500 g", "Food", 12.0), ("K2", "Coffee beans, dark", "Food", 15.0),
    ("T1", "Tea leaves, green", "Food", 8.0), ("T2", "Tea sachets", "Food", 4.0), ("T3", "Green tea", "Food", 5.0),
    ("C1", "Cotton shirt, size M", "Clothes", 19.0), ("C2", "Leather jacket with a hood", "Clothes", 99.0),
    ("N1", "Nail polish remover", "Beauty", 3.0), ("N2", "Nail polish set", "Beauty", 9.0),
    ("U1", "Ukulele strings", "Music", 7.0), ("Y1", "Yamaha guitar", "Music", 190.0),
]  # fmt: skip
CHINESE = [
    ("H1", "无线降噪耳机 红色", "数码", 90.0), ("H2", "头戴耳机", "数码", 30.0), ("T1", "龙井绿茶 春茶", "茶叶", 99.0),
    ("T2", "云南普洱茶饼", "茶叶", 59.0), ("T3", "紫砂茶壶", "茶具", 199.0), ("K1", "深烘咖啡豆", "冲饮", 49.0),
    ("K2", "速溶黑咖啡", "冲饮", 29.0), ("K3", "挂耳咖啡粉", "冲饮", 35.0), ("M1", "保温杯", "厨房", 59.0),
    ("M2", "纯棉衬衫", "服装", 79.0), ("M3", "防水帐篷", "户外", 399.0), ("M4", "羊毛围巾", "服装", 89.0),
]  # fmt: skip


@cache
def shop(chinese: bool) -> XCatRecommender:
    rows = CHINESE if chinese else ENGLISH
    return recommender_of(pl.DataFrame(rows, schema=["item_id", "title", "category", "price"], orient="row"))


def after(*lines: str, k: int = 20) -> ChatTurn:
    return last_turn(shop(not lines[0].isascii()), lines, k)


@pytest.mark.parametrize(
    ("turn", "wanted", "shown"),
    [
        ("coffee", ("coffee",), {"K1", "K2"}),
        ("ok, then coffee please", ("coffee",), {"K1", "K2"}),
        ("coffee or tea", ("coffee", "tea"), {"K1", "K2", "T1", "T2", "T3"}),
        ("we drink coffee or tea", ("coffee", "tea"), {"K1", "K2", "T1", "T2", "T3"}),
        ("I would like some tea", ("tea",), {"T1", "T2", "T3"}),
        ("nail polish", ("nail", "polish"), {"N1", "N2"}),
        ("ｔｅａ", ("tea",), {"T1", "T2", "T3"}),
        ("a guitar pedal", ("guitar", "pedal"), {"P1", "P2", "P3"}),
        ("a guitar pedal by Donner or Behringer", ("guitar", "pedal", "donner", "behringer"), {"P1", "P2"}),
    ],
)
def test_a_noun_replaces_the_thing_before(turn: str, wanted: tuple[str, ...], shown: set[str]) -> None:
    found = after("headphones", "cheaper", turn)
    assert found.understood.attributes == wanted
    assert {*ids(found)[: len(shown)]} == shown and found.understood.price.maximum is None
    assert not {*ids(found)} & {"H1", "H2"}


@pytest.mark.parametrize(
    ("turn", "added"),
    [
        ("red", ("red",)), ("a red one", ("red",)), ("red ones", ("red",)), ("wireless", ("wireless",)),
        ("by Sony", ("sony",)), ("by Sony or Donner", ("sony", "donner")), ("in red or green", ("red", "green")),
        ("cotton", ("cotton",)), ("cotton or leather", ("cotton", "leather")), ("only tea", ("tea",)),
        ("only leather", ("leather",)),
        ("tea ones", ("tea",)), ("softer", ()), ("size 500", ("size",)),
        ("it needs a hood", ("hood",)), ("with a hood", ("hood",)), ("something like a tea", ("tea",)),
        ("under 50", ()), ("cheaper", ()),
    ],
)  # fmt: skip
def test_a_property_refines_the_thing_before(turn: str, added: tuple[str, ...]) -> None:
    assert after("headphones", turn).understood.attributes == ("headphones", *added)


@pytest.mark.parametrize(
    ("turn", "wanted", "shown"),
    [
        ("咖啡", ("咖啡",), {"K1", "K2", "K3"}),
        ("看看咖啡", ("咖啡",), {"K1", "K2", "K3"}),
        ("咖啡或保温杯", ("咖啡", "保温杯"), {"K1", "K2", "K3", "M1"}),
        ("茶", (), {"T1", "T2"}),
        ("咖啡或茶", (), {"K1", "K2", "K3", "T1", "T2"}),
    ],
)
def test_a_noun_replaces_the_thing_before_in_chinese(turn: str, wanted: tuple[str, ...], shown: set[str]) -> None:
    found = after("耳机", "便宜点", turn)
    assert found.understood.attributes == wanted
    assert {*ids(found)[: len(shown)]} == shown and found.understood.price.maximum is None
    assert not {*ids(found)} & {"H1", "H2"}


@pytest.mark.parametrize(
    ("turn", "added"),
    [
        ("红色", ("红色",)), ("无线的", ("无线",)), ("纯棉", ("纯棉",)), ("纯棉或羊毛", ("纯棉", "羊毛")),
        ("防水", ("防水",)), ("要咖啡味的", ("咖啡",)), ("50元以下", ()), ("便宜点", ()),
    ],
)  # fmt: skip
def test_a_property_refines_the_thing_before_in_chinese(turn: str, added: tuple[str, ...]) -> None:
    assert after("耳机", turn).understood.attributes == ("耳机", *added)


@pytest.mark.parametrize("lines", [("headphones", "coffee or tea", "only tea"), ("headphones", "coffee", "not tea")])
def test_later_turns_are_about_the_new_noun(lines: tuple[str, ...]) -> None:
    assert "headphones" not in after(*lines).understood.attributes
    assert after("headphones", "coffee or tea", "only tea").understood.attributes == ("tea",)
    assert {*ids(after("headphones", "coffee or tea", "under 5"))} == {"T2"}


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("a guitar pedal by Donner or Behringer", (("donner", "behringer"),)),
        ("a guitar pedal by Donner or Rogers", (("donner", "rogers"),)),
        ("headphones or a guitar by Yamaha", (("headphones", "guitar"),)),
        ("a guitar by Yamaha or a ukulele", (("guitar yamaha", "ukulele"),)),
        ("coffee or green tea", (("coffee", "green tea"),)),
        ("red or green headphones", (("red", "green"),)),
        ("a guitar by Yamaha or headphones by Sony", (("guitar yamaha", "headphones sony"),)),
    ],
)
def test_alternatives_with_makers_and_properties(text: str, groups: tuple[tuple[str, ...], ...]) -> None:
    assert after(text).understood.alternatives == groups


def test_a_maker_that_no_item_has_is_said() -> None:
    turn = after("headphones by Zorblax")
    assert turn.answer.startswith('I have no item with the word "zorblax".')
    assert {*ids(turn)} == {"H1", "H2"}


def test_one_character_stands_for_the_category_of_the_same_meaning() -> None:
    turn = after("咖啡或茶")
    assert (turn.understood.categories, turn.understood.or_words) == (("茶叶",), ("咖啡",))
    assert (after("茶").understood.categories, after("绿茶").understood.categories) == (("茶叶",), ())
    assert after("不要茶").understood.not_categories == ("茶叶",)
    items = pl.DataFrame({"item_id": ["A", "B"], "title": ["补水面膜", "红木茶几"], "category": ["面膜", "茶几"]})
    for noun in ("面", "茶"):
        assert last_turn(recommender_of(items), [noun], 2).understood.categories == ()


def test_long_titles_are_in_quotes() -> None:
    titles = ["Headphones, wireless, with a long battery life", "Headphones; wired"]
    items = pl.DataFrame({"item_id": ["A", "B"], "title": titles, "category": ["Audio", "Audio"], "price": [9.0, 5.0]})
    turn = last_turn(recommender_of(items), ["headphones"], 2)
    assert f'"{titles[0]}" (9.00)' in turn.answer and f'"{titles[1]}" (5.00)' in turn.answer
    assert "Green tea (5.00)" in after("tea").answer


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("headphones, price 5-50", (5.0, 50.0)), ("headphones in the 5-50 price range", (5.0, 50.0)),
        ("headphones, budget 5 to 50", (5.0, 50.0)), ("ｈｅａｄｐｈｏｎｅｓ， ｐｒｉｃｅ ５－５０", (5.0, 50.0)),
        ("headphones for ages 5-50", (None, None)), ("headphones, 5-50 cm, good price", (None, None)),
        ("耳机，价格5-50", (5.0, 50.0)), ("耳机，5-50的价位", (5.0, 50.0)), ("耳机，适合5-50岁", (None, None)),
    ],
)  # fmt: skip
def test_a_range_without_a_currency_in_a_clause_about_prices(
    text: str, limits: tuple[float | None, float | None]
) -> None:
    price = after(text).understood.price
    assert (price.minimum, price.maximum) == limits


DRINKS = [
    ("T1", "龙井绿茶 春茶", "饮品", 99.0), ("T2", "茉莉花茶 袋装", "饮品", 15.0), ("P1", "紫砂茶壶", "器具", 19.0),
    ("P2", "玻璃茶壶 煮茶器", "器具", 18.0), ("K1", "速溶黑咖啡", "冲饮", 29.0), ("A1", "含酒精湿巾", "清洁", 9.0),
    ("A2", "不含酒精湿巾", "清洁", 8.0), ("M1", "穿衣镜", "家居", 199.0),
]  # fmt: skip


@cache
def drinks(reads: bool) -> XCatRecommender:
    items = pl.DataFrame(DRINKS, schema=["item_id", "title", "category", "price"], orient="row")
    return reader_of(items) if reads else recommender_of(items)


@pytest.mark.parametrize("reads", [False, True])
@pytest.mark.parametrize(
    ("turn", "wanted", "listed"),
    [
        ("20元以下的茶", ("茶",), [{"T2"}, {"P1", "P2"}]), ("茶", ("茶",), [{"T1", "T2"}, {"P1", "P2"}]),
        ("我想喝茶", ("茶",), [{"T1", "T2"}, {"P1", "P2"}]), ("喝咖啡", ("咖啡",), [{"K1"}]),
        ("我要含酒精的湿巾", ("酒精", "湿巾"), [{"A1"}]), ("含酒精", ("酒精",), [{"A1"}]),
        ("穿衣镜", ("穿衣镜",), [{"M1"}]),
    ],
)  # fmt: skip
def test_a_noun_behind_a_verb_and_the_things_that_it_names(
    reads: bool, turn: str, wanted: tuple[str, ...], listed: list[set[str]]
) -> None:
    found = last_turn(drinks(reads), [turn], 10)
    shown, place = ids(found), 0
    assert found.understood.attributes == wanted
    for group in listed:
        assert {*shown[place : place + len(group)]} == group
        place += len(group)


def test_nothing_is_cheaper_than_the_cheapest() -> None:
    found = after("tea", "cheapest", "cheaper")
    assert found.answer == "I have nothing cheaper. The limits stay as they were."
    assert not found.recommendations and found.understood.price.maximum is None
    assert ids(after("tea", "cheapest", "cheaper", "tea")) == ids(after("tea"))
