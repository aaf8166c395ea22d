"""Parts of category names, likes of other people, comparisons and limits, changes of subject, unknown words."""

from __future__ import annotations

from functools import cache

import polars as pl
import pytest

from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.serving.chat.answers import shown_state
from xcat_rec.serving.chat.turn import ChatTurn

from .shops import ids, last_turn, recommender_of

ENGLISH = [
    ("K1", "Ground coffee, dark roast", "Coffee & Tea", 9.0), ("K2", "Coffee beans 1 kg", "Coffee & Tea", 19.0),
    ("K3", "Green tea", "Coffee & Tea", 4.0), ("K4", "Earl grey tea", "Coffee & Tea", 6.0),
    ("K5", "Camomile tea", "Coffee & Tea", 7.0), ("G1", "Hiking bag", "Luggage", 80.0),
    ("G2", "Leather bag", "Luggage", 250.0), ("G3", "Travel bag", "Luggage", 150.0),
    ("G4", "Canvas coffee bag", "Coffee & Tea", 30.0), ("H1", "Hiking socks", "Clothes", 12.0),
    ("H2", "Wool socks", "Clothes", 14.0), ("H3", "Hiking boots", "Clothes", 120.0),
    ("S1", "Salted nuts", "Snacks", 4.0),
]  # fmt: skip
CHINESE = [
    ("K1", "深烘咖啡粉", "咖啡和茶", 9.0), ("K2", "意式咖啡豆", "咖啡和茶", 19.0), ("K3", "龙井绿茶", "咖啡和茶", 4.0),
    ("K4", "茉莉花茶", "咖啡和茶", 6.0), ("K5", "普洱茶", "咖啡和茶", 7.0), ("G1", "徒步背包", "箱包", 80.0),
    ("G2", "真皮背包", "箱包", 250.0), ("G3", "旅行背包", "箱包", 150.0), ("G4", "咖啡背包", "咖啡和茶", 30.0),
    ("H1", "徒步袜子", "服装", 12.0), ("H2", "羊毛袜子", "服装", 14.0), ("H3", "徒步登山鞋", "服装", 120.0),
    ("S1", "盐焗坚果", "零食", 4.0),
]  # fmt: skip


@cache
def shop(chinese: bool) -> XCatRecommender:
    rows = CHINESE if chinese else ENGLISH
    return recommender_of(pl.DataFrame(rows, schema=["item_id", "title", "category", "price"], orient="row"))


def after(*lines: str, k: int = 10) -> ChatTurn:
    return last_turn(shop(not lines[0].isascii()), lines, k)


@pytest.mark.parametrize("word", ["coffee", "咖啡"])
def test_items_with_the_part_of_a_category_name_come_first(word: str) -> None:
    turn = after(word)
    assert turn.understood.category in ("Coffee & Tea", "咖啡和茶")
    assert set(ids(turn)[:3]) == {"K1", "K2", "G4"} and set(ids(turn)[3:]) == {"K3", "K4", "K5"}
    assert turn.to_dict()["understood"]["wanted"]["named"] == word
    whole = after("coffee and tea" if word.isascii() else "咖啡和茶")
    assert whole.understood.names == () and set(ids(whole)) == set(ids(turn))
    other = "tea" if word.isascii() else "花茶"
    assert ids(after(word, other))[0] in ("K3", "K4", "K5"), "a later part replaces it"


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        (("coffee or tea", "not tea"), {"K1", "K2", "G4"}), (("coffee or tea", "only tea"), {"K3", "K4", "K5"}),
        (("coffee", "or tea"), {"K1", "K2", "G4", "K3", "K4", "K5"}), (("coffee", "not tea"), {"K1", "K2", "G4"}),
        (("咖啡或茶", "不要茶"), {"K1", "K2", "G4"}), (("咖啡或茶", "只要茶"), {"K3", "K4", "K5"}),
    ],
)  # fmt: skip
def test_alternatives_within_one_category(lines: tuple[str, ...], shown: set[str]) -> None:
    turn = after(*lines)
    assert set(ids(turn)[: len(shown)]) == shown
    assert turn.understood.categories in (("Coffee & Tea",), ("咖啡和茶",))
    assert not any(item.by_meaning for item in turn.recommendations)
    assert set(ids(turn)) == shown or "only" in lines[1] or "只要" in lines[1]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("coffee or tea", "in Coffee & Tea (coffee or tea)"), ("tea under 5", "in Coffee & Tea (tea), under 5.00"),
        ("coffee and tea", "in Coffee & Tea"), ("咖啡或茶", "品类：咖啡和茶（咖啡或茶）"),
        ("茶", "品类：咖啡和茶（茶）"),
    ],
)  # fmt: skip
def test_the_part_of_a_category_is_shown_as_understood(text: str, shown: str) -> None:
    assert shown_state(after(text).understood) == shown


def test_something_else_says_that_the_part_of_the_category_ran_out() -> None:
    turn = after("coffee", "something else", k=3)
    assert set(ids(turn)) == {"K3", "K4", "K5"}
    assert turn.answer.startswith('I have no other item in Coffee & Tea, with the word "coffee". I found 3 items in')


@pytest.mark.parametrize(
    ("lines", "hint"),
    [
        (("socks", "for people who like hiking", "wool ones"), "hiking"),
        (("socks", "it is for a friend who is into hiking", "wool ones"), "hiking"),
        (("socks", "for hiking lovers", "wool ones"), "hiking"),
        (("袜子", "送给喜欢徒步的人", "羊毛的"), "徒步"),
        (("袜子", "送徒步爱好者", "羊毛的"), "徒步"),
    ],
)
def test_what_other_people_like_orders_one_turn_only(lines: tuple[str, ...], hint: str) -> None:
    told, later = after(*lines[:2]), after(*lines)
    assert told.understood.hints == (hint,) and hint not in told.understood.attributes
    assert ids(told)[0] == "H1"
    assert later.understood.hints == () and hint not in later.understood.attributes
    assert ids(later)[0] == "H2"


@pytest.mark.parametrize(
    ("lines", "maximum"),
    [
        (("bags in luggage", "cheaper", "under 200 dollars"), "tighter"),
        (("bags in luggage", "cheaper", "under 20 dollars"), 20.0),
        (("bags in luggage", "cheaper", "any price", "under 200 dollars"), 200.0),
        (("bags under 100", "bags under 200 dollars"), 200.0),
        (("箱包", "便宜点", "200元以下"), "tighter"),
        (("箱包", "便宜点", "20元以下"), 20.0),
    ],
)
def test_a_looser_limit_does_not_end_a_comparison(lines: tuple[str, ...], maximum: float | str) -> None:
    turn, compared = after(*lines, k=3), after(*lines[:2], k=3)
    expected = compared.understood.price.maximum if maximum == "tighter" else maximum
    assert turn.understood.price.maximum == expected
    assert maximum != "tighter" or (expected is not None and expected < 200)


def test_a_limit_that_contradicts_a_comparison_ends_it() -> None:
    limits = after("bags in luggage", "cheaper", "over 200 dollars").understood.price
    assert (limits.minimum, limits.maximum) == (200.0, None)


@pytest.mark.parametrize(
    ("lines", "category"),
    [
        (("bag", "actually show me coffee"), "Coffee & Tea"),
        (("a leather bag", "on second thoughts, coffee"), "Coffee & Tea"),
        (("bag", "let's see coffee instead"), "Coffee & Tea"),
        (("背包", "其实给我看咖啡"), "咖啡和茶"),
        (("背包", "算了，看看咖啡"), "咖啡和茶"),
    ],
)
def test_a_change_of_subject_replaces_what_was_wanted(lines: tuple[str, ...], category: str) -> None:
    turn = after(*lines)
    assert (turn.understood.category, turn.understood.attributes, turn.understood.things) == (category, (), ())
    assert {"K1", "K2", "K3"} <= set(ids(turn))


def test_a_property_is_no_change_of_subject() -> None:
    assert after("socks", "actually wool ones").understood.attributes == ("socks", "wool")
    assert after("袜子", "其实要羊毛的").understood.attributes == ("袜子", "羊毛")


@pytest.mark.parametrize("text", ["sweet snacks", "snacks, sweet", "something sweet", "甜的零食", "零食，要甜的"])
def test_a_word_that_was_not_understood_is_said(text: str) -> None:
    turn = after(text)
    assert ("sweet" if text.isascii() else "甜") in turn.answer
    assert turn.understood.not_words == (), "零食 is no negation"
    assert text == "something sweet" or ids(turn) == ["S1"]


def test_a_long_turn_is_read_in_part_and_that_is_said() -> None:
    long = after("socks" + " " * 1_995 + "boots")
    assert long.answer.startswith("I read only the first 2,000 of your 2,005 characters.")
    assert long.understood.attributes == ("socks",)
    assert after("袜子" + "。" * 2_000).answer.startswith("我只读了您写的 2,002 个字符中的前 2,000 个。")
