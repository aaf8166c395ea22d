"""Names of several words: "sleeping bag", "coffee grinder"; and what is said about items that were turned down."""

from __future__ import annotations

from functools import cache

import polars as pl
import pytest

from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.serving.chat.session import ChatSession
from xcat_rec.serving.chat.turn import ChatTurn

from .shops import ids, last_turn, recommender_of

ENGLISH = [
    ("K1", "Instant coffee jar", "Coffee & Tea", 6.0), ("K2", "Coffee beans", "Coffee & Tea", 19.0),
    ("K3", "Earl grey tea, 100 bags", "Coffee & Tea", 5.0), ("K4", "Rooibos tea", "Coffee & Tea", 4.0),
    ("G1", "Coffee grinder, electric", "Kitchen", 32.0), ("G2", "Tea pot, glass", "Kitchen", 35.0),
    ("B1", "Summer sleeping bag", "Outdoor", 39.0), ("B2", "Down sleeping bag", "Outdoor", 179.0),
    ("B3", "Leather bag", "Luggage", 99.0), ("T1", "Family tent, blue", "Outdoor", 249.0),
    ("D1", "Organic dog food", "Pets", 39.0), ("D2", "Cat food in jelly", "Pets", 12.0),
    ("D3", "Dog food with salmon", "Pets", 45.0), ("H1", "Wired headphones", "Audio", 19.0),
]  # fmt: skip
CHINESE = [
    ("K1", "速溶黑咖啡", "咖啡", 59.0), ("K2", "挂耳咖啡", "咖啡", 49.0), ("G1", "电动咖啡磨豆机", "厨具", 199.0),
    ("T1", "龙井绿茶", "茶叶", 128.0), ("T2", "菊花茶", "茶叶", 29.0), ("H1", "有线耳机", "数码", 59.0),
]  # fmt: skip


@cache
def shop(chinese: bool) -> XCatRecommender:
    rows = CHINESE if chinese else ENGLISH
    return recommender_of(pl.DataFrame(rows, schema=["item_id", "title", "category", "price"], orient="row"))


def ids_of(turn: ChatTurn) -> set[str]:
    return {*ids(turn)}


def after(*lines: str, k: int = 10) -> ChatTurn:
    return last_turn(shop(not lines[0].isascii()), lines, k)


def test_a_name_of_two_words_is_wanted_whole() -> None:
    turn = after("sleeping bags")
    assert turn.understood.things == ("sleeping", "bags") and ids_of(turn) == {"B1", "B2"}
    assert ids_of(after("sleeping bags", "too expensive")) == {"B1"}
    assert after("leather bags").understood.things == ("leather", "bags")
    assert after("blue tent").understood.things == ("tent",), "a colour is a property"


@pytest.mark.parametrize(
    ("lines", "first", "category"),
    [
        (("coffee grinder",), "G1", None), (("headphones", "coffee grinder"), "G1", None),
        (("a tea pot",), "G2", None), (("coffee beans",), "K2", "Coffee & Tea"),
        (("咖啡磨豆机",), "G1", None), (("挂耳咖啡",), "K2", "咖啡"),
    ],
)  # fmt: skip
def test_a_category_that_describes_another_thing(lines: tuple[str, ...], first: str, category: str | None) -> None:
    turn = after(*lines)
    assert turn.recommendations[0].item_id == first and turn.understood.category == category
    assert "headphones" not in turn.understood.attributes


def test_the_cheapest_of_a_part_of_a_category() -> None:
    assert ids_of(after("what's the cheapest coffee")) == {"K1", "K2"}
    assert ids_of(after("the cheapest tea", k=1)) == {"K4"}


def test_another_kind_of_the_same_thing_is_added() -> None:
    turn = after("dog food", "or cat food")
    assert turn.understood.alternatives == (("dog food", "cat food"),) and ids_of(turn) == {"D1", "D2", "D3"}


def test_other_items_are_those_that_would_fit() -> None:
    assert after("tent", "something else", "headphones under 5").answer.startswith("I have no item under 5.00")
    assert after("headphones", "something else").answer.startswith("I have no other item with the word")


def test_a_part_of_a_category_that_was_excluded_is_wanted_again() -> None:
    turn = after("coffee or tea", "forget about coffee")
    assert turn.understood.not_words == ("coffee",) and ids_of(turn) == {"K3", "K4"}
    again = after("coffee or tea", "forget about coffee", "tea or coffee")
    assert again.understood.not_words == () and ids_of(again) == {"K1", "K2", "K3", "K4"}


def test_the_offer_counts_the_thing_that_is_wanted() -> None:
    turn = after("blue tent under 100")
    assert 'Without the limit "under 100.00" I have 1 item' in turn.answer


def test_what_somebody_likes_to_drink() -> None:
    assert after("茶叶", "送给喜欢喝咖啡的妈妈").understood.hints[0] in ("咖啡",)


@pytest.mark.parametrize(
    ("lines", "currency", "part"),
    [
        (("咖啡，100元以下", "便宜点"), None, "低于 59.00）"), (("咖啡", "便宜点"), None, "低于 59.00）"),
        (("咖啡，40元以上", "便宜点"), "CNY", "CNY"),
        (("dog food under 200 dollars", "cheaper"), None, "under 45.00,"),
    ],
)  # fmt: skip
def test_a_comparison_invents_no_currency(lines: tuple[str, ...], currency: str | None, part: str) -> None:
    turn = after(*lines)
    assert turn.understood.price.currency == currency
    assert part in turn.answer


def test_a_comparison_has_the_currency_of_the_catalogue() -> None:
    rows = [(f"t{n}", "Camping tent", price, "EUR") for n, price in enumerate((50.0, 80.0))]
    chat = ChatSession(
        recommender_of(pl.DataFrame(rows, schema=["item_id", "title", "price", "currency"], orient="row"))
    )
    chat.say("tents")
    turn = chat.say("cheaper")
    assert (turn.understood.price.currency, ids_of(turn)) == ("EUR", {"t0"}) and "under 80.00 EUR" in turn.answer
