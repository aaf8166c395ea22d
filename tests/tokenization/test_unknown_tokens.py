"""The share of unknown tokens is measured, and the warning gives advice."""

from __future__ import annotations

import logging
import re

import polars as pl
import pytest
from transformers import AutoTokenizer

from xcat_rec import PreparationOptions, prepare_training
from xcat_rec.tokenization.inspection.inspect import inspect_shop
from xcat_rec.tokenization.inspection.page import inspection_tables
from xcat_rec.tokenization.tables.schema import ShopTables, validate_tables
from xcat_rec.tokenization.text import default_encoder
from xcat_rec.tokenization.text.default_encoder import DEFAULT_TEXT_ENCODER, packaged_copy
from xcat_rec.tokenization.unknown_tokens import share_unknown_to, unknown_note, warn_of_unknown

from ..tiny_shop import SMALL, events_table, items_table, shop

CHINESE = [
    "户外双人防雨帐篷", "透气登山靴", "便携式燃气炉具", "折叠野营桌椅套装", "不锈钢保温水壶", "轻量羽绒睡袋",
    "防水徒步地图", "头戴式充电照明灯", "儿童遮阳帽", "速干运动毛巾",
]  # fmt: skip
ENGLISH = ["Two-person tent, waterproof", "Hiking boots", "Gas stove", "Folding camping table", "Down sleeping bag"]

needs_encoder = pytest.mark.skipif(packaged_copy() is None, reason="the packaged text encoder is needed (extra demo)")


def chinese_shop() -> ShopTables:
    titles = [f"{CHINESE[i % len(CHINESE)]}{CHINESE[i // len(CHINESE)]}" for i in range(len(items_table()))]
    items = items_table().with_columns(pl.Series("title", titles), brand=pl.lit(None, pl.String))
    return validate_tables(items, events_table(12), name="a Chinese data set")


@needs_encoder
def test_english_is_read_and_chinese_is_not() -> None:
    tokenizer = AutoTokenizer.from_pretrained(packaged_copy())
    assert share_unknown_to(tokenizer, ENGLISH) == 0 and unknown_note(0.05, "titles") is None
    assert 0.4 < share_unknown_to(tokenizer, CHINESE) < 0.9
    assert share_unknown_to(tokenizer, []) == share_unknown_to(tokenizer, [""]) == 0


@needs_encoder
def test_a_fit_warns_of_titles_it_cannot_read(caplog: pytest.LogCaptureFixture) -> None:
    options = PreparationOptions(text_encoder=packaged_copy(), config={**SMALL, "text_tokens_per_item": 1})
    with caplog.at_level(logging.WARNING):
        start = prepare_training(chinese_shop(), options)
    (told,) = [
        record.getMessage() for record in caplog.records if "are unknown to the text encoder" in record.getMessage()
    ]
    assert re.match(r"texts of items: \d+% of the tokens are unknown to the text encoder", told)
    assert "text_encoder='BAAI/bge-small-zh-v1.5' (Chinese) or 'intfloat/multilingual-e5-small'" in told and not any(
        title in told for title in CHINESE
    )
    caplog.clear()
    for _ in range(2):  # once, although a service checks repeatedly
        warn_of_unknown(start.processor.tokenizer, ["我想要一个帐篷"], "texts of users")
    (told,) = [record.getMessage() for record in caplog.records]
    assert told.startswith("texts of users") and "帐篷" not in told


def with_queries(tables: ShopTables, query: str) -> ShopTables:
    return validate_tables(tables.items, tables.events.with_columns(query=pl.lit(query)), name="queries")


@needs_encoder
def test_inspect_reports_the_shares_of_the_encoder_that_fit_would_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(default_encoder, "multilingual_tokenizer", lambda: None)
    english, chinese = (inspect_shop(one) for one in (with_queries(shop(12), "boots"), chinese_shop()))
    assert english.unknown_tokens == {"titles": 0, "users": 0}
    assert 0.4 < chinese.unknown_tokens["titles"] < 0.9
    rows = inspection_tables(chinese)["Text encoder"]
    assert rows == [
        ("encoder for their language", DEFAULT_TEXT_ENCODER),
        ("unknown tokens: titles", f"{chinese.unknown_tokens['titles']:.1%}"),
    ]


@needs_encoder
def test_a_fit_measures_texts_of_users_too(caplog: pytest.LogCaptureFixture) -> None:
    options = PreparationOptions(text_encoder=packaged_copy(), config=SMALL)
    start = prepare_training(with_queries(shop(12), "我想要一个帐篷"), options)
    assert start.unknown_tokens["items"] == 0 and 0.4 < start.unknown_tokens["users"] < 0.9
    (told,) = [message for message in caplog.messages if "are unknown to the text encoder" in message]
    assert told.startswith("texts of users") and "帐篷" not in told and "BAAI/bge-small-zh-v1.5" in told
    assert prepare_training(shop(12), options).unknown_tokens == {"items": 0}


@needs_encoder
def test_english_tables_get_todays_encoder() -> None:
    start = prepare_training(shop(12), PreparationOptions(config=SMALL))
    assert start.text_encoder == DEFAULT_TEXT_ENCODER and start.model.config.text_pooling == "mean"
    assert start.processor.item_prompt == start.processor.query_prompt == ""
