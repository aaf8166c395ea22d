"""A customer and a catalogue in different languages: said once, compared by meaning only if the encoder reads both."""

from __future__ import annotations

import polars as pl
import pytest

from xcat_rec.serving.chat.answers import Answers, Shown
from xcat_rec.serving.chat.dialogue import Understood
from xcat_rec.serving.chat.session import ChatSession
from xcat_rec.tokenization.text.default_encoder import packaged_copy

from .shops import reader_of, recommender_of
from .test_meaning import CHINESE, ENGLISH, needs_text_encoder, shop

CHINESE_NOTE = "本店商品的文字是英文"
ENGLISH_NOTE = "The texts of this shop are in Chinese"


@needs_text_encoder
def test_chinese_on_an_english_catalogue_that_the_encoder_cannot_compare() -> None:
    chat = ChatSession(shop(False), k=3)
    assert CHINESE_NOTE not in chat.say("你好").answer, "no words to compare yet"
    turn = chat.say("100元以下的帐篷")
    assert turn.answer.startswith("本店商品的文字是英文，我无法把中文词和它们比较。请用英文说出您要的东西。")
    assert "没有含“帐篷”的商品。" in turn.answer
    assert all(price is not None and price <= 100 for price in turn.prices), "limits are kept all the same"
    assert CHINESE_NOTE not in chat.say("耳机").answer, "said once"
    assert CHINESE_NOTE not in ChatSession(shop(False)).say("tents").answer


def test_english_on_a_chinese_catalogue_of_a_model_without_queries() -> None:
    table = pl.DataFrame(CHINESE, schema=["item_id", "title", "brand", "price"], orient="row")
    chat = ChatSession(recommender_of(table), k=3)
    assert chat.say("green tea").answer.startswith(
        f"{ENGLISH_NOTE}, and I cannot compare English words with them. Please name things in Chinese. I have no item"
    )


def test_english_on_a_chinese_catalogue_that_the_encoder_reads() -> None:
    chat = ChatSession(shop(True), k=3)
    assert chat.say("kettle").answer.startswith(f"{ENGLISH_NOTE}, so I compare your words with them by meaning. ")
    assert ENGLISH_NOTE not in chat.say("bottle").answer
    assert ENGLISH_NOTE not in ChatSession(shop(True)).say("cheaper").answer


@needs_text_encoder
def test_words_of_another_language_are_wishes_that_meaning_alone_meets() -> None:
    """The encoder reads English only, so the words of this catalogue are Chinese by its titles and English beside."""
    rows = [
        *(("X" + row[0], row[1] + "商品商品商品商品商品商品商品商品", row[2], row[3]) for row in ENGLISH),
        *CHINESE,
    ]
    items = pl.DataFrame(rows, schema=["item_id", "title", "brand", "price"], orient="row")
    chat = ChatSession(reader_of(items, packaged_copy()), k=3)
    turn = chat.say("camping shelters")
    assert turn.understood.attributes == ("camping", "shelters") and ENGLISH_NOTE in turn.answer
    assert "close in meaning" in turn.answer and {item.item_id for item in turn.recommendations} & {"XT1", "XT2"}
    assert all(item.by_meaning for item in turn.recommendations)


@pytest.mark.parametrize(
    ("state", "answer"),
    [
        (
            Understood("en", attributes=("tents",)),
            'I found 1 item, close in meaning to the word "tents": 帐篷 (5.00).',
        ),
        (Understood("zh", attributes=("帐篷",)), "为您找到 1 件商品，与“帐篷”意思相近：帐篷（5.00）。"),
    ],
)
def test_the_answer_about_another_language(state: Understood, answer: str) -> None:
    assert Answers(state, ()).found([Shown("帐篷", "5.00", (), True)], across=True) == answer
