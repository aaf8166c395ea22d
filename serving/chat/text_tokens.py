"""Texts of customers and of the catalogue as the same tokens: Latin words in the singular, Han characters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from ...tokenization.text_language import HAN
from .english import ENGLISH

_TOKEN = re.compile(f"[{HAN}]|[^\\W_{HAN}]+")
_HAN = re.compile(f"[{HAN}]")
HAN_WORD = re.compile(f"[{HAN}]+")
_ES = ("xes", "ches", "shes", "sses", "zzes")
MAX_CHARACTERS = 2_000
"""Characters of a turn that are read."""


def folded_text(text: str) -> str:
    """A text in lower case without accents, in one line; full-width characters become ordinary ones.

    Example:
        >>> folded_text("Café，５元 ")
        'cafe,5元'
    """
    clean = text[:MAX_CHARACTERS].encode("utf-8", "replace").decode()
    plain = "".join(c for c in unicodedata.normalize("NFKD", clean) if not unicodedata.combining(c))
    return " ".join(plain.lower().replace("\u2019", "'").replace("\u2018", "'").split())


def is_chinese(text: str) -> bool | None:
    """Whether a text has Han characters; None for a text without letters."""
    if _HAN.search(text):
        return True
    return False if any(c.isalpha() for c in text) else None


def singular(word: str, plurals: Mapping[str, str] = ENGLISH.plurals) -> str:
    """The singular of an English word, by its ending; other words only have to change in the same way each time.

    Example:
        >>> [singular(word) for word in ("nuts", "berries", "boxes", "women", "glass", "cookies", "cookie")]
        ['nut', 'berry', 'box', 'woman', 'glass', 'cooky', 'cooky']
    """
    if word in plurals:
        return plurals[word]
    if len(word) > 4 and word.endswith(("ies", "ie")):
        return word.removesuffix("s").removesuffix("ie") + "y"
    if word.endswith(_ES):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def words_of(text: str) -> tuple[str, ...]:
    """Words of a folded text as written: Latin words, and each Han character alone."""
    return tuple(token for token in _TOKEN.findall(text) if token != "s")


def tokens_of(text: str) -> tuple[str, ...]:
    """Tokens of a folded text: Latin words in the singular, each Han character alone.

    Example:
        >>> tokens_of("women's tents 帐篷")
        ('woman', 'tent', '帐', '篷')
    """
    return tuple(map(singular, words_of(text)))


def joined(tokens: Sequence[str]) -> str:
    """Tokens as a text: Latin words with spaces between, Han characters without.

    Example:
        >>> joined(["usb", "帐", "篷"])
        'usb 帐篷'
    """
    text = ""
    for token in tokens:
        text += token if not text or (_HAN.match(text[-1]) and _HAN.match(token)) else f" {token}"
    return text
