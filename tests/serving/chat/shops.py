"""Two small catalogues with exact dialogues, and a recommender over any table."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.serving.chat.session import ChatSession
from xcat_rec.serving.chat.turn import ChatTurn
from xcat_rec.tokenization.tables.schema import validate_tables
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import prepare_training

from ...chinese_shop import character_tokenizer
from ...tiny_shop import SMALL, save_text_encoder

ENGLISH_ITEMS = [
    ("C1", "Blue hiking tent for two", "Tents", "Acme", 80.0, ""),
    ("C2", "Red family tent", "Tents", "Acme", 120.0, ""),
    ("C3", "Light green tent", "Tents", "Nordic Way", 60.0, ""),
    ("C4", "Tent of unknown price", "Tents", "Nordic Way", None, ""),
    ("S1", "Peanut bar", "Snacks and Candy", "Acme", 2.0, "with roasted peanuts"),
    ("S2", "Oat cookies", "Snacks and Candy", "Simple", 3.0, "oats, sugar"),
    ("S3", "Sugar-free gum", "Snacks and Candy", "Simple", 1.5, "mint"),
    ("S4", "Trail mix", "Snacks and Candy", "Nordic Way", 5.0, "mixed nuts and raisins"),
    ("S5", "Milk chocolate", "Snacks and Candy", "Acme", 4.0, ""),
    ("S6", "A simple rice cracker", "Snacks and Candy", "Nordic Way", 2.5, ""),
    ("B1", "Blue running shoes", "Shoes", "Acme", 55.0, ""),
    ("B2", "A simple shoe box", "Shoes", None, 5.0, ""),
    ("N1", "Gift voucher", None, None, 10.0, ""),
]
CHINESE_ITEMS = [
    ("C1", "山野行蓝色双人帐篷", "帐篷", "山野行", 80.0, ""),
    ("C2", "山野行红色防水帐篷", "帐篷", "山野行", 120.0, ""),
    ("C3", "北岸绿色双人防水帐篷", "帐篷", "北岸", 50.0, ""),
    ("C4", "北岸蓝色帐篷", "帐篷", "北岸", None, ""),
    ("S1", "花生酥饼干", "饼干", "乐佳", 5.0, ""),
    ("S2", "坚果饼干", "饼干", "乐佳", 12.0, ""),
    ("S3", "无糖燕麦饼干", "饼干", "北岸", 4.5, ""),
    ("S4", "白糖饼干", "饼干", "乐佳", 3.0, ""),
    ("S5", "温和洗发水", "洗护", "乐佳", 30.0, ""),
]


@cache
def recommender(chinese: bool = False) -> XCatRecommender:
    """A recommender over one of the catalogues."""
    names = ("item_id", "title", "category", "brand", "price", "contents")
    return recommender_of(pl.DataFrame(CHINESE_ITEMS if chinese else ENGLISH_ITEMS, schema=list(names), orient="row"))


def reader_of(items: pl.DataFrame, encoder: str | Path | None = None) -> XCatRecommender:
    """A recommender that reads queries by words and meaning, equally; None takes an encoder of the titles' characters.

    Its order of items is that of the queries.
    """
    if encoder is None:
        characters = character_tokenizer(["".join(map(str, row)) for row in items.rows()])
        encoder = save_text_encoder(Path(os.environ["HF_HOME"]) / "reader-of-chat-tests", characters)
    made = recommender_of(items, encoder)
    assert made.model.model.asks is not None
    made.model.model.asks.view.fill_(1.0)
    return made


def recommender_of(items: pl.DataFrame, encoder: str | Path | None = None) -> XCatRecommender:
    """A recommender over a catalogue; untrained, for its order is not what the tests are about."""
    encoder = encoder or save_text_encoder(Path(os.environ["HF_HOME"]) / "encoder-of-chat-tests")
    ids = items["item_id"].to_list()
    events = pl.DataFrame([
        {"user_id": f"u{user}", "item_id": ids[(user + 3 * n) % len(ids)], "timestamp": 1_700_000_000 + 86_400 * n}
        for user in range(12) for n in range(5)
    ])  # fmt: skip
    shop = validate_tables(items, events, name="chat shop")
    made = prepare_training(shop, PreparationOptions(text_encoder=str(encoder), config=SMALL))
    return XCatRecommender(made.model, made.processor)


def session(chinese: bool = False, **options: Any) -> ChatSession:
    """A session that shows all items it may."""
    return ChatSession(recommender(chinese), **{"k": 20, **options})


def last_turn(recommender: XCatRecommender, lines: Sequence[str], k: int) -> ChatTurn:
    """The last turn of a dialogue."""
    chat = ChatSession(recommender, k=k)
    return [chat.say(line) for line in lines][-1]


def ids(turn: ChatTurn) -> list[str]:
    """The ids of the listed items."""
    return [item.item_id for item in turn.recommendations]


def heard(text: str, *more: str, chinese: bool = False) -> tuple[dict[str, Any], list[str], str]:
    """The last turn of a dialogue: what was understood, the ids shown in order of id, and the answer."""
    chat = session(chinese)
    turn = chat.say(text)
    for line in more:
        turn = chat.say(line)
    return turn.understood.to_dict(), sorted(item.item_id for item in turn.recommendations), turn.answer
