"""Items that do not have the wanted thing are never listed as if they had it, and only near ones are called near."""

from __future__ import annotations

from functools import cache

import polars as pl
import pytest

from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.serving.chat.session import ChatSession
from xcat_rec.serving.chat.turn import ChatTurn
from xcat_rec.tokenization.text.default_encoder import packaged_copy

from .shops import ids, last_turn, reader_of

needs_text_encoder = pytest.mark.skipif(packaged_copy() is None, reason="the default text encoder (extra demo)")
ENGLISH = [
    ("T1", "Family tent for four, blue", "Nordisk", 249.0), ("T2", "Two person tent, green", "Coleman", 199.0),
    ("B1", "Down sleeping bag", "Nordisk", 179.0), ("M1", "Inflatable sleeping mat", "Coleman", 35.0),
    ("G1", "Glass storage boxes, set of 5", "Pyrex", 29.0), ("D1", "Dog bed, washable", "Trixie", 49.0),
    ("D2", "Dog leash, nylon, red", "Trixie", 12.0), ("S1", "Men's running shoes, black", "Nike", 119.0),
    ("S2", "Trail running shoes, grey", "Adidas", 109.0), ("R1", "Rooibos tea", "Clipper", 4.0),
]  # fmt: skip
CHINESE = [
    ("T1", "有机绿茶", "八马", 68.0), ("T2", "龙井绿茶", "八马", 128.0), ("D1", "有机狗粮", "清泉", 199.0),
    ("J1", "菊花茶", "清泉", 29.0), ("H1", "巧克力", "德芙", 12.0),
]  # fmt: skip


@cache
def shop(chinese: bool) -> XCatRecommender:
    rows = CHINESE if chinese else ENGLISH
    table = pl.DataFrame(rows, schema=["item_id", "title", "brand", "price"], orient="row")
    return reader_of(table, None if chinese else packaged_copy())


def after(*lines: str, k: int = 5) -> ChatTurn:
    return last_turn(shop(not lines[0].isascii()), lines, k)


def test_a_thing_that_the_limits_leave_out_is_asked_back_although_another_word_is_met() -> None:
    turn = after("有机绿茶，品牌清泉")
    assert turn.recommendations == []
    assert turn.answer.startswith(
        "没有符合条件的商品（品牌：清泉，含“有机”、“绿茶”）。如果去掉“品牌：清泉”这个条件，有 1 件"
    )
    assert ids(after("有机绿茶，品牌清泉", "好的"))[:2] == ["T1", "T2"]


def test_items_with_the_thing_come_before_items_with_another_word() -> None:
    turn = after("有机绿茶")
    assert ids(turn)[:2] == ["T1", "T2"] and "D1" not in ids(turn)
    assert turn.answer.startswith("为您找到 1 件商品（含“有机”、“绿茶”）：有机绿茶（68.00）。")


@needs_text_encoder
def test_only_items_that_are_close_in_meaning_are_listed_without_the_words() -> None:
    turn = after("tents")
    assert set(ids(turn)[:2]) == {"T1", "T2"} and not {"G1", "R1", "D2"} & set(ids(turn))
    near = {item.item_id: item.by_meaning for item in turn.recommendations}
    assert near.pop("T1") is near.pop("T2") is False and near == dict.fromkeys(near, True)
    assert 'I found 2 items with the word "tents": ' in turn.answer
    assert "Without this word, but close in meaning: " in turn.answer and "Inflatable sleeping mat" in turn.answer


@needs_text_encoder
def test_something_else_says_that_the_items_with_the_word_ran_out() -> None:
    chat = ChatSession(shop(False), k=2)
    assert set(ids(chat.say("tents"))) == {"T1", "T2"}
    turn = chat.say("something else")
    assert turn.answer.startswith(
        'I have no other item with the word "tents". Without this word, but close in meaning: '
    )
    assert not {"T1", "T2"} & set(ids(turn)) and all(item.by_meaning for item in turn.recommendations)
    for _ in range(3):
        turn = chat.say("something else")
    assert turn.recommendations == [] and turn.answer.startswith('I have no other item with the word "tents". ')
    assert chat.say("no").answer == "All right. Tell me a word of a title, a brand, or a highest price."


@needs_text_encoder
def test_cheaper_compares_things_that_are_wanted() -> None:
    turn = after("tents", "cheaper")
    assert turn.understood.price.maximum == 249.0 and ids(turn)[0] == "T2"
    assert turn.answer.startswith(
        "Nothing that fits is cheaper than 199.00. I found 1 item under 249.00, with the word"
    )
    assert after("tents", "cheaper", "cheaper").answer.startswith("I have nothing cheaper")


@needs_text_encoder
def test_yes_accepts_what_was_offered_and_nothing_else() -> None:
    offered = after("shoes by Adidas", "cheaper", k=1)
    assert offered.answer.startswith("I have nothing cheaper by Adidas. ")
    lines = ("dogs by Trixie under 20", "cheaper")
    turn = after(*lines)
    assert "nothing cheaper by Trixie, under 20.00" in turn.answer and "Shall I" not in turn.answer
    agreed = after(*lines, "yes")
    assert agreed.answer.startswith("All right. I have no open question, though.") and not agreed.recommendations
    assert agreed.understood.price == turn.understood.price and agreed.understood.brands == ("Trixie",)
    chat = ChatSession(shop(False), k=5)
    turn = chat.say("tents by Nordisk")
    turn = chat.say("cheaper")
    assert 'Without the limit "by Nordisk" I have 1 item. Shall I drop it?' in turn.answer
    assert ids(chat.say("yes"))[0] == "T2" and chat.understood.brands == ()
    chat = ChatSession(shop(False), k=5)
    chat.say("tents by Nordisk")
    chat.say("cheaper")
    assert chat.say("no thanks").answer == "All right, the limits stay as they are."
    assert chat.say("yes").answer.startswith("All right. I have no open question")
    assert chat.understood.brands == ("Nordisk",)


def test_chinese_yes_and_no() -> None:
    lines = ("绿茶，品牌清泉",)
    assert after(*lines, "不用了").answer == "好的，条件保持不变。"
    assert ids(after(*lines, "好的"))[:2] and after(*lines, "好的").understood.brands == ()
    assert after("绿茶", "好的").answer.startswith("好的。不过现在没有需要您确认的问题。")


@pytest.mark.parametrize(
    ("lines", "first"),
    [
        pytest.param(("tents", "I need a gift for my dog"), "D", marks=needs_text_encoder),
        (("绿茶", "给狗粮买个礼物"), "D1"),
    ],
)
def test_a_gift_is_what_the_words_around_it_say(lines: tuple[str, ...], first: str) -> None:
    turn = after(*lines)
    assert ids(turn)[0].startswith(first) and "gift" not in turn.answer and "礼物" not in turn.answer
    assert lines[0] not in turn.understood.attributes


@pytest.mark.parametrize(
    ("text", "maximum"),
    [("来一块巧克力", None), ("一块钱的巧克力", 1.0), ("五十块的巧克力", 50.0), ("50块", 50.0), ("三块五", 3.5)],
)
def test_a_number_of_pieces_is_no_price(text: str, maximum: float | None) -> None:
    assert after(text).understood.price.maximum == maximum
