"""Language of a text: from its script if possible, otherwise from a statistical model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from ..extras import MissingExtraError
from ..text_language import HAN, LETTER

UNKNOWN_LANGUAGE = "und"
"""ISO 639-2 code of an undetermined language."""

COMMON_LANGUAGES = ("en", "zh", "ja", "ko", "de", "fr", "es", "it", "pt", "nl", "ru", "ar", "hi", "tr", "pl", "sv")

_HAN = re.compile(f"[{HAN}]")
_KANA = re.compile("[\u3040-\u30ff]")
_HANGUL = re.compile("[\uac00-\ud7af]")


def detect_language(text: str, languages: Sequence[str] = COMMON_LANGUAGES, least: float = 0.5) -> str:
    """Detect the language of a text.

    Kana and Hangul are decisive, and so are Han characters if they are a third of the letters: Chinese product texts
    are short and full of Latin brand names, which mislead models of letter sequences.

    Args:
        text: A cleaned text.
        languages: Codes (ISO 639-1) to choose from.
        least: Minimum probability of a detected language.

    Returns:
        A code; `UNKNOWN_LANGUAGE` if no language is likely or there are no letters.

    Raises:
        ImportError: If the extra `text` is missing.
        ValueError: If the model does not support a code.

    Example:
        >>> detect_language("减速器链条 sony"), detect_language("a warm tent for four people"), detect_language("12")
        ('zh', 'en', 'und')
    """
    letters = len(LETTER.findall(text))
    if not letters:
        return UNKNOWN_LANGUAGE
    if _KANA.search(text) and "ja" in languages:
        return "ja"
    if _HANGUL.search(text) and "ko" in languages:
        return "ko"
    if "zh" in languages and len(_HAN.findall(text)) * 3 >= letters:
        return "zh"
    code, probability = _identifier(tuple(languages)).classify(text)
    return str(code) if probability >= least else UNKNOWN_LANGUAGE


def count_languages(texts: Iterable[str], languages: Sequence[str] = COMMON_LANGUAGES) -> dict[str, int]:
    """Number of texts per language, the most frequent first; empty texts are not counted."""
    return dict(Counter(detect_language(text, languages) for text in texts if text).most_common())


@cache
def _identifier(languages: tuple[str, ...]) -> Any:
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError as error:
        raise MissingExtraError("language detection needs py3langid", "text") from error
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(list(languages))
    return identifier
