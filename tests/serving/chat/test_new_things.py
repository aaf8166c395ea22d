"""What a turn keeps of the turns before: a new thing replaces the wanted one, a refinement keeps it."""

from __future__ import annotations

from functools import cache

import polars as pl
import pytest

from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.serving.chat.session import ChatSession
from xcat_rec.serving.chat.turn import ChatTurn

from .shops import heard, recommender_of, session

GEAR = [
    ("T1", "Trail tent", "Hiking", 80.0), ("T2", "Waterproof camping tent for two", "Hiking", 120.0),
    ("T3", "Red tent, waterproof", "Hiking", 60.0), ("B1", "Sleeping bag", "Hiking", 40.0),
    ("B2", "Camping sleeping bag, blue", "Hiking", 50.0), ("H1", "Wireless headphones, red", "Audio", 90.0),
    ("H2", "Studio headphones", "Audio", 30.0), ("H3", "Headphone stand", "Audio", 9.0),
    ("M1", "Coffee mug", "Kitchen", 8.0), ("M2", "Coffee beans, dark", "Kitchen", 12.0),
    ("K1", "Oat cookies", "Snacks", 3.0), ("K2", "Chocolate cookies", "Snacks", 4.0),
    ("G1", "Mint gum", "Snacks", 2.0),
]  # fmt: skip
CHINESE_GEAR = [
    ("T1", "北岸蓝色帐篷", "户外", 80.0), ("T2", "北岸防水双人帐篷", "户外", 120.0),
    ("T3", "北岸红色帐篷", "户外", 60.0),
    ("H1", "乐佳无线耳机", "数码", 90.0), ("H2", "乐佳红色耳机", "数码", 30.0), ("S1", "北岸防水睡袋", "户外", 40.0),
]  # fmt: skip


@cache
def shop(chinese: bool) -> XCatRecommender:
    names = ("item_id", "title", "category", "price")
    return recommender_of(pl.DataFrame(CHINESE_GEAR if chinese else GEAR, schema=list(names), orient="row"))


def dialogue(*turns: str, chinese: bool = False) -> ChatTurn:
    chat = ChatSession(shop(chinese), k=20)
    return [chat.say(text) for text in turns][-1]


def words(turn: ChatTurn) -> tuple[str, ...]:
    return turn.understood.attributes


@pytest.mark.parametrize(
    ("turns", "wanted"),
    [
        (("tent under 100", "headphones"), ("headphones",)),
        (("camping", "headphones"), ("headphones",)),
        (("waterproof tent", "I'm looking for headphones"), ("headphones",)),
        (("tent", "a sleeping bag"), ("sleeping", "bag")),
        (("headphones", "actually show me coffee"), ("coffee",)),
        (("tent", "waterproof ones"), ("tent", "waterproof")),
        (("tent", "in red"), ("tent", "red")),
        (("headphones", "in blue"), ("headphones", "blue")),
        (("tent", "for two people, please"), ("tent",)),
        (("something waterproof", "a tent"), ("waterproof", "tent")),
        (("camping", "a tent"), ("camping", "tent")),
        (("tent", "cheaper"), ("tent",)),
        (("tent", "under 70"), ("tent",)),
    ],
)
def test_a_new_thing_replaces_and_a_refinement_keeps(turns: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    assert words(dialogue(*turns)) == wanted


@pytest.mark.parametrize(
    ("turns", "wanted"),
    [
        (("帐篷，100元以下", "耳机"), ("耳机",)),
        (("双人", "耳机"), ("耳机",)),
        (("帐篷", "防水的"), ("帐篷", "防水")),
        (("帐篷", "红色的"), ("帐篷", "红色")),
        (("要防水的", "帐篷"), ("防水", "帐篷")),
        (("帐篷", "便宜点"), ("帐篷",)),
    ],
)
def test_a_new_thing_in_chinese(turns: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    assert words(dialogue(*turns, chinese=True)) == wanted


def test_a_category_stays_for_its_own_things_and_ends_for_others() -> None:
    turn = dialogue("snacks", "cookies", "gum")
    assert (turn.understood.category, words(turn)) == ("Snacks", ("gum",))
    turn = dialogue("snacks", "chocolate", "headphones")
    assert (turn.understood.category, words(turn)) == (None, ("headphones",))
    assert {item.item_id for item in turn.recommendations} == {"H1", "H2", "H3"}


def test_limits_stay_for_a_new_thing_and_comparisons_end() -> None:
    turn = dialogue("tent under 100", "cheaper", "headphones")
    assert turn.understood.price.maximum == 100.0
    assert dialogue("tent", "cheaper", "headphones").understood.price.maximum is None


def test_comparisons_keep_the_tighter_limit_and_end_with_a_new_thing_of_the_same_category() -> None:
    chat = ChatSession(shop(False), k=20)
    chat.say("snacks")
    assert not chat.say("under 1").recommendations
    turn = chat.say("cheaper")
    assert (turn.understood.price.maximum, len(turn.recommendations)) == (1.0, 0)
    assert 'Without the limit "under 1.00" I have 3 items' in turn.answer
    assert {item.item_id for item in chat.say("yes").recommendations} == {"K1", "K2", "G1"}
    assert dialogue("tent", "over 500", "more expensive").understood.price.minimum == 500.0
    assert dialogue("snacks, max 10", "cheaper", "I want cookies for less than 7").understood.price.maximum == 7.0
    assert dialogue("snacks", "cheaper", "under 7").understood.price.maximum == 3.0, "no new thing"
    assert dialogue("耳机，10元以下", "便宜点", chinese=True).understood.price.maximum == 10.0


def test_items_that_are_named_by_the_thing_come_first() -> None:
    assert [item.item_id for item in dialogue("headphones").recommendations][2] == "H3"


def test_a_thing_that_nothing_is() -> None:
    turn = dialogue("tent", "do you have umbrellas?")
    assert turn.answer.startswith('I have no item with the word "umbrellas".')
    assert dialogue("帐篷", "有没有雨伞", chinese=True).answer.startswith("没有含“雨伞”的商品。")
    assert dialogue("flibber wobble").answer.startswith('I have no item with the word "flibber" or "wobble".')
    assert "I did not understand" in dialogue("what is the difference between them?").answer
    turn = dialogue("headphones under 5")
    assert 'I have no item under 5.00, with the word "headphones".' in turn.answer and not turn.recommendations


def test_newer_limits_end_the_limits_that_they_contradict() -> None:
    limits = heard("snacks between 20 and 100", "under 10")[0]["limits"]
    assert (limits["minimum_price"], limits["maximum_price"]) == (None, 10.0)
    limits = heard("snacks under 10", "at least 20")[0]["limits"]
    assert (limits["minimum_price"], limits["maximum_price"]) == (20.0, None)
    limits = heard("饼干，20到100元", "10元以下", chinese=True)[0]["limits"]
    assert (limits["minimum_price"], limits["maximum_price"]) == (None, 10.0)
    limits = heard("snacks over 2 dollars", "under 5 euros")[0]["limits"]
    assert (limits["minimum_price"], limits["maximum_price"], limits["currency"]) == (None, 5.0, "EUR")
    limits = heard("snacks over 2", "under 5")[0]["limits"]
    assert (limits["minimum_price"], limits["maximum_price"]) == (2.0, 5.0), "these fit together"


@pytest.mark.parametrize("text", ["snacks under -5 dollars", "snacks below $-5", "snacks for -5 bucks or less"])
def test_prices_below_zero_are_refused(text: str) -> None:
    understood, shown, answer = heard(text)
    assert understood["limits"]["maximum_price"] is None and len(shown) == 6
    assert answer.startswith("A price cannot be below zero, so I ignored ")
    understood, shown, answer = heard(text.removeprefix("snacks "))
    assert understood["limits"]["maximum_price"] is None and not shown and "below zero" in answer


def test_prices_below_zero_in_chinese_and_in_ranges() -> None:
    understood, shown, answer = heard("饼干，低于-5元", chinese=True)
    assert understood["limits"]["maximum_price"] is None and len(shown) == 4
    assert answer.startswith("价格不能低于零，所以我没有采用“-5元”。")
    limits = heard("snacks between -5 and 2 dollars")[0]["limits"]
    assert (limits["minimum_price"], limits["maximum_price"]) == (0.0, 2.0)
    assert heard("snacks, $2 -$3")[0]["limits"]["minimum_price"] == 2.0, "a range"
    assert "below zero" not in heard("a tent for -5 degrees")[2]


def test_comparisons_say_when_nothing_is_dearer_or_cheaper() -> None:
    chat = ChatSession(shop(False), k=20)
    chat.say("headphones")
    turn = chat.say("more expensive")
    assert turn.answer.startswith("Nothing that fits is more expensive than 90.00. I found 1 item over 30.00")
    turn = chat.say("cheaper")
    assert turn.understood.price.minimum is None, "the comparison before ends"
    assert {item.item_id for item in turn.recommendations} == {"H2", "H3"}
    assert chat.say("cheaper").understood.price.maximum == 30.0
    assert chat.say("cheaper").answer.startswith("I have nothing cheaper")
    turn = dialogue("帐篷", "贵一点的", chinese=True)
    assert turn.answer.startswith("符合条件的商品里没有比 120.00 更贵的。")
    assert dialogue("tent over 100", "cheaper").understood.price.minimum == 100.0, "the customer's own limit stays"


def test_the_cheapest_and_the_dearest() -> None:
    turn = session(k=2).say("the cheapest snacks")
    assert [item.item_id for item in turn.recommendations] == ["S3", "S1"]
    assert turn.answer.endswith("These have the lowest prices.")
    assert [item.item_id for item in session(True, k=1).say("最贵的帐篷").recommendations] == ["C2"]


def test_small_talk() -> None:
    chat = session()
    assert chat.say("hello").answer.startswith("Hello. Tell me a category")
    chat.say("tents")
    assert (chat.say("ok thanks").answer, chat.understood.category) == ("You are welcome.", "Tents")
    assert session(True).say("谢谢").answer == "不客气。"


@pytest.mark.parametrize(
    "text", ["thanks, that is great", "That's perfect, thank you!", "great, thanks, very helpful"]
)
def test_thanks_with_praise(text: str) -> None:
    assert session().say(text).answer == "You are welcome."


@pytest.mark.parametrize("text", ["谢谢，很好", "很好，谢谢", "太棒了，谢谢你！", "谢谢,不错"])
def test_thanks_with_praise_in_chinese(text: str) -> None:
    assert session(True).say(text).answer == "不客气。"


def test_thanks_with_a_wish_is_a_wish() -> None:
    assert session().say("thanks, great tents please").understood.category == "Tents"


ORGANIC = [
    ("A", "山野有机绿茶", "茶叶", 30.0), ("B", "云朵绿茶", "茶叶", 20.0), ("C", "有机狗粮", "宠物", 40.0),
    ("D", "观景看台坐垫", "户外", 15.0), ("E", "户外坐垫", "户外", 12.0), ("F", "含有坚果的饼干", "饼干", 9.0),
    ("G", "坚果饼干", "饼干", 8.0), ("H", "白糖饼干，带有香味", "饼干", 7.0), ("I", "香味蜡烛", "家居", 7.0),
    ("J", "饼干，含有榛子", "饼干", 6.0),
]  # fmt: skip


@pytest.mark.parametrize(
    ("turns", "excluded", "shown"),
    [
        (("绿茶", "不要有机的"), ("有机",), {"B"}),
        (("不要有机的绿茶",), ("有机",), {"B"}),
        (("没有有机的绿茶",), ("有机",), {"B"}),
        (("绿茶", "不含有机"), ("有机",), {"B"}),
        (("绿茶", "有机的不要"), ("有机",), {"B"}),
        (("绿茶", "不要有机的", "有机绿茶"), (), {"A"}),
        (("绿茶", "不要有机的", "要有机的"), (), {"A"}),
        (("坐垫", "不要看台的"), ("看台",), {"E"}),
        (("饼干", "不要有坚果的"), ("坚果",), {"H"}),
        (("饼干", "不要有糖"), ("糖",), {"F", "G", "J"}),
        (("饼干", "不要有榛子"), ("榛子",), {"F", "G", "H"}),
        (("不要有香味的饼干",), ("香味",), {"F", "G"}),
    ],
)
def test_catalogue_words_that_begin_with_have_or_see(
    turns: tuple[str, ...], excluded: tuple[str, ...], shown: set[str]
) -> None:
    items = pl.DataFrame(ORGANIC, schema=["item_id", "title", "category", "price"], orient="row")
    chat = ChatSession(recommender_of(items), k=20)
    turn = [chat.say(text) for text in turns][-1]
    assert turn.understood.not_words == excluded
    assert shown <= {item.item_id for item in turn.recommendations if "有机绿茶" not in turns or item.words}
    assert not [item for item in turn.recommendations if any(word in (item.title or "") for word in excluded)]
