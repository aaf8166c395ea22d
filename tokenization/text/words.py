"""Words of a text, for keyphrases and lexicons; the encoder has its own subword tokenizer."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from ..extras import MissingExtraError
from ..text_language import HAN
from .cleaning import clean_text

Segmenter = Callable[[str], list[str]]

_HAN_RUN = re.compile(f"[{HAN}]+")
_LETTERS = f"[^\\W_{HAN}]+"
_WORD = re.compile(f"{_HAN_RUN.pattern}|{_LETTERS}(?:['\u2019\\-]{_LETTERS})*")


def split_words(text: str, segmenter: Segmenter | None = None) -> list[str]:
    """Words in lower case, without punctuation; runs of Han characters are segmented.

    Args:
        text: Any text; it is cleaned.
        segmenter: Segments a run of Han characters; None for jieba's dictionary (`rjieba`). For a script without
            spaces other than Han, such as Thai, segment the text yourself and join with spaces.

    Raises:
        ImportError: If the text has Han characters and the extra `text` is missing.

    Example:
        >>> split_words("Tasco望远镜, 100% waterproof")
        ['tasco', '望远镜', '100', 'waterproof']
    """
    words: list[str] = []
    for match in _WORD.finditer(clean_text(text).lower()):
        part = match.group()
        if _HAN_RUN.fullmatch(part):
            words += (segmenter or _cut_chinese())(part)
        else:
            words.append(part.replace("\u2019", "'"))
    return words


@cache
def stop_words(languages: tuple[str, ...] = ("en", "zh")) -> frozenset[str]:
    """Words without a meaning of their own, such as "the".

    Args:
        languages: Codes (ISO 639-1).

    Raises:
        ImportError: If the extra `text` is missing.
        ValueError: If a language has no list.

    Example:
        >>> sorted({"the", "的", "tent"} & stop_words())
        ['the', '的']
    """
    try:
        import stopwordsiso
    except ImportError as error:
        raise MissingExtraError("stop words need stopwordsiso", "text") from error
    known = stopwordsiso.langs()
    unknown = [code for code in languages if code not in known]
    if unknown:
        raise ValueError(f"there are no stop words for {unknown[0]!r}; give one of {', '.join(sorted(known))}")
    return frozenset(stopwordsiso.stopwords(list(languages)))


def content_words(text: str, languages: tuple[str, ...] = ("en", "zh")) -> list[str]:
    """Words without stop words and bare numbers.

    Example:
        >>> content_words("The tent is 2 metres wide")
        ['tent', 'metres', 'wide']
    """
    stops = stop_words(languages)
    return [word for word in split_words(text) if word not in stops and not word.isnumeric()]


@cache
def _cut_chinese() -> Segmenter:
    try:
        import rjieba
    except ImportError as error:
        raise MissingExtraError("Chinese words need rjieba", "text") from error
    cut: Segmenter = rjieba.cut
    return cut
