"""Sentiment: ratings, lexicons, trained models and checkpoints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from transformers import BertConfig, BertForSequenceClassification

from tests.tiny_shop import tiny_tokenizer
from xcat_rec.tokenization.interests.sentiment import (
    LearnedSentiment,
    ModelSentiment,
    lexicon_sentiment,
    polarities,
    rating_polarity,
)


def test_ratings_are_scaled_to_polarities() -> None:
    found = rating_polarity(np.array([0.5, 2.75, 5.0, np.nan, 9.0]), 0.5, 5.0)
    np.testing.assert_allclose(found, [-1, 0, 1, np.nan, 1])
    with pytest.raises(ValueError, match="a scale of ratings from 3 to 3"):
        rating_polarity(np.array([3.0]), 3, 3)


def test_lexicons_separate_positive_and_negative_texts_in_english_and_chinese() -> None:
    texts = [
        "I love this tent, great!",
        "terrible, broke at once",
        "房间很干净，服务不错",
        "质量太差了",
        "",
        "Das Zelt ist gut",
    ]
    assert np.sign(lexicon_sentiment(texts)).tolist() == [1, -1, 1, -1, 0, 0]


def test_ratings_take_precedence_over_the_sentiment_function() -> None:
    asked: list[str] = []

    def judge(texts: list[str]) -> np.ndarray:
        asked.extend(texts)
        return np.full(len(texts), 0.25)

    found = polarities(["love it", "so so", "hate"], np.array([1.0, np.nan, 4.0]), otherwise=judge)  # type: ignore[arg-type]
    assert found.tolist() == [-1, 0.25, 0.5]
    assert asked == ["so so"]
    assert polarities(["I love it"])[0] > 0.5


def test_a_model_trained_on_rated_texts_scores_other_texts_of_the_domain() -> None:
    good = [f"the zip of tent {n} glides 拉链顺滑" for n in range(20)]
    bad = [f"the zip of tent {n} jams 拉链卡住" for n in range(20)]
    judge = LearnedSentiment.fit([*good, *bad], [True] * 20 + [False] * 20)
    found = judge(["it glides", "it jams", "拉链卡住了", "拉链很顺滑"])
    assert np.sign(found).tolist() == [1, -1, -1, 1]
    assert (np.abs(found) <= 1).all()
    assert len(judge([])) == 0


@pytest.mark.parametrize(("count", "sides"), [(10, [True, False] * 5), (30, [True] * 30), (30, [True, False])])
def test_too_few_training_texts_are_refused(count: int, sides: list[bool]) -> None:
    with pytest.raises(ValueError, match=f"{count} texts, .* of them positive, are too few"):
        LearnedSentiment.fit(["a text"] * count, sides)


def save_classifier(folder: Path, labels: list[str]) -> str:
    config = BertConfig(
        vocab_size=len(tiny_tokenizer()), hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
        intermediate_size=8, id2label=dict(enumerate(labels)), label2id={n: i for i, n in enumerate(labels)},
        initializer_range=0.5,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return str(folder)


def test_a_model_is_scored_by_the_meaning_of_its_labels(tmp_path: Path) -> None:
    judge = ModelSentiment(save_classifier(tmp_path, ["1 star", "2 stars", "4 stars", "POSITIVE", "neutral"]))
    found = judge(["tents number 1", "maps"])
    for text, polarity in zip(["tents number 1", "maps"], found, strict=True):
        scores = {one["label"]: one["score"] for one in judge.pipe(text, top_k=None)}
        wanted = -scores["1 star"] - scores["2 stars"] / 2 + scores["4 stars"] / 2 + scores["POSITIVE"]
        assert polarity == pytest.approx(wanted, abs=1e-5)


def test_a_model_with_meaningless_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has label 'LABEL_0'"):
        ModelSentiment(save_classifier(tmp_path, ["LABEL_0", "positive"]))
