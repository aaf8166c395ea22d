"""Patterns of spam and of instructions to a language model, which no word list has."""

from __future__ import annotations

import re
from collections.abc import Iterator

SPAM = "spam"
"""Category of all patterns."""
_SHORT = 200
"""Characters of a text in which a link or an address is unusual: a title and not a description."""
_PATTERNS = {
    "token of a language model": re.compile(r"<\|\w+\|>|\[/?inst\]|<<?/?sys>>?|<(?:start|end)_of_turn>", re.I),
    "role of a dialogue": re.compile(
        r"(?:^|\n|[.!?。！？]\s*)\s*(?:system|assistant|human|user|ai|助手|系统|用户)\s*[:：]", re.I
    ),
    "instruction heading": re.compile(r"#{2,}\s*(?:instruction|system|response|prompt|指令)", re.I),
    "rows of exclamation marks": re.compile(r"[!！]{3,}.*[!！]{3,}", re.S),
}
_SHORT_PATTERNS = {
    "link": re.compile(r"https?://|\bwww\.\w", re.I),
    "e-mail address": re.compile(r"\b[\w.+-]+@[\w-]+\.\w{2,}"),
    "contact": re.compile(
        r"(?:微信|薇信|\bv信|wechat|whatsapp|telegram)\s*[:：号]?\s*@?[a-z0-9_+-]{5,}|\bqq\s*[:：号群]?\s*\d{5,}", re.I
    ),
}
_PHRASE = re.compile(r"\b((?:[^\W\d_]{3,}[\s,!]+){1,3}?)(?:\1){2,}")
_HAN_PHRASE = re.compile(r"([\u4e00-\u9fff]{2,6})\1{2,}")


def spam_patterns(text: str) -> Iterator[str]:
    """Names of the patterns that a text has.

    Args:
        text: The text, without compatibility forms (NFKC).

    Example:
        >>> list(spam_patterns("see www.shop.example")), list(spam_patterns("hot sale hot sale hot sale"))
        (['link'], ['repeated words'])
    """
    patterns = _PATTERNS | (_SHORT_PATTERNS if len(text) <= _SHORT else {})
    yield from (name for name, pattern in patterns.items() if pattern.search(text))
    if _PHRASE.search(text.casefold() + " ") or _HAN_PHRASE.search(text):
        yield "repeated words"
