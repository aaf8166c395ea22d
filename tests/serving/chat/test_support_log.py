"""Answers from a support log: the nearest question, a threshold, and languages that the encoder does not read."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from xcat_rec.serving.chat.session import ChatSession
from xcat_rec.tokenization.tables.schema import TableError

from .shops import recommender

LOG = pl.DataFrame({
    "Question": ["Where is my order?", "How can I return an item?", "怎么退货？", None, "什么时候发货"],
    "Answer": ["In the parcel tracker.", "Within 30 days.", "三十天内可以退货。", "nothing", "付款后一天内发货。"],
})  # fmt: skip


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("where is my order", "In the parcel tracker."),
        ("How can I return an item??", "Within 30 days."),
        ("请问怎么退货", "三十天内可以退货。"),
        ("什么时候发货呀", "付款后一天内发货。"),
    ],
)
def test_the_answer_of_the_nearest_question(text: str, answer: str) -> None:
    turn = ChatSession(recommender(), support_log=LOG).say(text)
    assert (turn.answer, turn.understood.request, list(turn.recommendations)) == (answer, "service", [])


def test_below_the_threshold_the_session_says_so() -> None:
    chat = ChatSession(recommender(), support_log=LOG)
    assert "我不知道答案" in chat.say("可以开发票吗").answer
    assert "I cannot answer questions about orders" in ChatSession(recommender()).say("where is my order?").answer
    assert chat.say("tents under 100").understood.category == "Tents", "a wish is not a question about service"
    assert chat.say("where is my order?").understood.category == "Tents", "the dialogue goes on"


def test_files_and_faults(tmp_path: Path) -> None:
    LOG.write_ndjson(tmp_path / "log.jsonl")
    LOG.rename({"Question": "问题", "Answer": "回复"}).write_csv(tmp_path / "log.csv")
    for name in ("log.jsonl", "log.csv"):
        assert (
            "30 days" in ChatSession(recommender(), support_log=tmp_path / name).say("How can I return an item").answer
        )
    with pytest.raises(TableError, match="name the column answer"):
        ChatSession(recommender(), support_log=LOG.select("Question", pl.lit("secret").alias("other")))
    with pytest.raises(TableError, match="fill both columns") as error:
        ChatSession(recommender(), support_log=LOG.with_columns(pl.lit(None, pl.String).alias("Answer")))
    assert "order" not in str(error.value), "no text of customers in errors"
