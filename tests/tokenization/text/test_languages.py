"""Language detection."""

from __future__ import annotations

import pytest

from xcat_rec.tokenization.text.languages import count_languages, detect_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("减速器链条 sony", "zh"),
        ("a warm tent for four people", "en"),
        ("Der Hund ist sehr groß", "de"),
        ("すごい望遠鏡", "ja"),
        ("좋은 텐트", "ko"),
        ("une tente chaude pour la famille", "fr"),
        ("12 / 500", "und"),
        ("", "und"),
        ("xb", "und"),
    ],
)
def test_detect_language(text: str, language: str) -> None:
    assert detect_language(text) == language


def test_only_the_given_languages_are_detected() -> None:
    assert detect_language("Der Hund ist sehr groß", ("en", "de")) == "de"
    assert detect_language("减速器链条", ("en", "de"), least=0) in ("en", "de")


def test_languages_are_counted_without_empty_texts() -> None:
    texts = ["a warm tent for four people", "", "减速器链条", "this is the best mug of them all"]
    assert count_languages(texts) == {"en": 2, "zh": 1}
