"""Verbs and measure words such as 买一副 in a shop whose titles have the promotion 买一送一."""

from __future__ import annotations

from functools import cache

import polars as pl
import pytest

from xcat_rec.ranking.recommender import XCatRecommender

from .shops import last_turn, recommender_of

ITEMS = [
    ("H1", "无线耳机 买一送一 要一", 90.0), ("H2", "头戴耳机 两副装", 30.0), ("M1", "买耳机送收纳盒", 5.0),
    ("S1", "餐具两件套 买两件", 40.0), ("P1", "蓝色帐篷", 80.0),
]  # fmt: skip


@cache
def shop() -> XCatRecommender:
    return recommender_of(pl.DataFrame(ITEMS, schema=["item_id", "title", "price"], orient="row"))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("我想买一副耳机,200元以下", ("耳机",)),
        ("我要买一副耳机", ("耳机",)),
        ("想买一双耳机", ("耳机",)),
        ("要一副耳机", ("耳机",)),
        ("买两副帐篷", ("帐篷",)),
        ("还是买一款帐篷吧", ("帐篷",)),
        ("买一送一的耳机", ("买一送一", "耳机")),
        ("要两件套的餐具", ("两件套", "餐具")),
    ],
)
def test_a_verb_with_a_measure_word_is_no_wish(text: str, wanted: tuple[str, ...]) -> None:
    turn = last_turn(shop(), [text], 20)
    assert turn.understood.attributes == wanted
    assert "都不含" not in turn.answer and "买一副" not in turn.answer


def test_a_price_and_an_exclusion_stay() -> None:
    turn = last_turn(shop(), ["我想买一副耳机,200元以下", "不想买一个帐篷"], 20)
    assert (turn.understood.price.maximum, turn.understood.not_words) == (200.0, ("帐篷",))
