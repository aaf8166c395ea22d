"""Keyphrases."""

from __future__ import annotations

import pytest

from xcat_rec.tokenization.interests.keyphrases import KeyphraseExtractor

BACKGROUND = [
    "a warm tent",
    "a warm mug",
    "a warm hat",
    "the tent has a broken zip",
    "房间 很 干净",
    "早餐很好吃",
    "房间很大",
]


def test_phrases_distinguish_texts_from_the_background() -> None:
    extractor = KeyphraseExtractor().fit(BACKGROUND)
    phrases = [phrase for phrase, _ in extractor.extract(["a warm tent with a broken zip", "its broken zip"], 2)]
    assert phrases[0] in ("broken zip", "zip", "broken")
    assert "warm" not in phrases
    scores = [score for _, score in extractor.extract(BACKGROUND[:4], 2)]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 2
    assert extractor.extract(BACKGROUND) == [], "nothing distinguishes the background from itself"


def test_chinese_is_segmented_and_phrases_neither_begin_nor_end_with_stop_words() -> None:
    found = dict(KeyphraseExtractor().fit(BACKGROUND).extract(["早餐很好吃"], 9))
    assert found
    assert all(not phrase.startswith("很") and not phrase.endswith("很") for phrase in found)
    assert any("早餐" in phrase for phrase in found)


def test_phrases_do_not_contain_each_other() -> None:
    found = [set(phrase.split()) for phrase, _ in KeyphraseExtractor().fit(BACKGROUND).extract(BACKGROUND[3:], 20)]
    assert len(found) > 2
    assert not any(one <= other for i, one in enumerate(found) for j, other in enumerate(found) if i != j)


def test_texts_without_phrases_give_none() -> None:
    with pytest.raises(ValueError, match="has no text with a phrase"):
        KeyphraseExtractor().fit(["", "the 12"])
    assert KeyphraseExtractor().fit(BACKGROUND).extract([]) == []
    assert KeyphraseExtractor().fit(BACKGROUND).extract(["unheard of"]) == []
