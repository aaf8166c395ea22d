"""Tables of reviews and ratings to feedback and profiles."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from xcat_rec.tokenization.interests.entities import EntityMatcher
from xcat_rec.tokenization.interests.keyphrases import KeyphraseExtractor
from xcat_rec.tokenization.interests.opinions import full_profile, opinions_of, read_statements
from xcat_rec.tokenization.tables.table_columns import TableColumns


def events() -> pl.DataFrame:
    return pl.DataFrame({
        "user_id": ["a", "b", "a", "a", None, "a"], "item_id": ["1", "1", "2", None, "1", "1"],
        "timestamp": [30, 5, 10, 20, 1, 25], "rating": [1.0, 4.0, 5.0, None, 5.0, None],
        "review_title": ["Bad", None, "Good &amp; warm", None, "lost", None],
        "review_text": ["The Acme zip broke", "fine", None, "I love a warm mug", "lost", None],
    })  # fmt: skip


def encode(texts: list[str]) -> np.ndarray:
    return np.array([[len(text), 1.0] for text in texts])


def test_statements_are_cleaned_joined_and_in_order_of_time() -> None:
    table = read_statements(events()).of_user("a").table
    assert table["text"].to_list() == ["Good & warm", "I love a warm mug", "Bad. The Acme zip broke"]
    assert table["timestamp"].to_list() == [10, 20, 30]
    assert read_statements(events(), text_columns=["review_title"]).table.height == 3
    searched = events().rename({"review_text": "searched"}).drop("review_title", "rating")
    asked = read_statements(searched, TableColumns(query="searched")).of_user("a").table
    assert asked.select("item_id", "text").rows() == [(None, "I love a warm mug"), ("1", "The Acme zip broke")]
    assert read_statements(events().with_columns(rating=pl.col("rating") * 2)).scale == (2.0, 10.0)


@pytest.mark.parametrize(
    ("table", "text_columns", "message"),
    [
        (events().drop("user_id"), None, "events has no column 'user_id'"),
        (events(), ["chat"], "events has no column 'chat'"),
        (events().select("user_id", "timestamp"), None, "neither a text nor the rating"),
        (events().with_columns(timestamp=pl.lit("soon")), None, "6 rows hold no time|6 of 6 rows hold no time"),
    ],
)
def test_tables_that_cannot_be_read_are_refused(
    table: pl.DataFrame, text_columns: list[str] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        read_statements(table, text_columns=text_columns)
    with pytest.raises(ValueError, match=r"requested user; the table has \d users, with ids such as 'x' \(") as caught:
        read_statements(events()).of_user("zoe@b.de")
    assert "zoe" not in str(caught.value)


def test_a_full_profile_uses_earlier_rows_only() -> None:
    statements = read_statements(events()).of_user("a")
    texts, categories = {"1": "Acme tent", "2": "Red mug"}, {"1": "tents", "2": "mugs"}
    opinions = opinions_of(statements, encode, texts, categories)
    assert opinions.polarities[[0, 2]].tolist() == [1.0, -1.0]
    assert opinions.polarities[1] > 0.5, "the lexicon scores texts without rating"
    assert list(opinions.subjects) == ["Red mug", "I love a warm mug", "Acme tent"]
    entities = EntityMatcher({"brand": ["Acme"], "category": ["mug"]})
    phrases = KeyphraseExtractor().fit(statements.table["text"].to_list())
    late = full_profile(statements, opinions, None, None, entities, phrases)
    assert {name: polarity for _, name, _, polarity in late.entities}.keys() == {"Acme", "mug"}
    assert {name: liked for _, name, _, liked in late.entities}["Acme"] == -1.0
    early = full_profile(statements, opinions, 30, None, entities, phrases)
    assert [name for _, name, _, _ in early.entities] == ["mug"]
    assert not any("zip" in phrase for phrase in early.keyphrases)
    assert early.opinions == 2
    assert "mentions: mug (category, 1x" in early.describe()
