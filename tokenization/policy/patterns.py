"""Patterns that no word list has: spam, instructions to a language model, and sentences of hate about groups."""

from __future__ import annotations

import re
from collections.abc import Iterator

SPAM = "spam"
"""Category of advertising and of instructions to a language model."""
_SHORT = 200
"""Characters of a text in which a link or an address is unusual: a title and not a description."""
HATE = "hate"
"""Category of sentences about groups of people."""
_GROUPS = (
    r"(?:jews?|muslims?|islam|christians?|hindus?|gyps(?:y|ies)|blacks?|whites?|asians?|africans?|arabs?|mexicans?|immigrants?"
    r"|refugees|foreigners|gays?|lesbians?|homosexuals?|trans(?:gender)?|women|cripples|disabled people)"
)
_INSULTS = (
    r"(?:vermin|animals|monkeys|apes|dogs|rats|pigs|parasites|thieves|criminals|scum|trash|garbage|subhuman|cancer|liars|property"
    r"|inferior|a disease|a plague|rapists)"
)
_HAN_GROUPS = (
    r"(?:犹太人|穆斯林|回民|回教徒|黑人|白人|印度人|日本人|韩国人|外国人|移民|难民|同性恋|女人|残疾人|外地人"
    r"|乡下人|乡巴佬|\w{2}人)"
)
_HAN_INSULTS = "(?:猴子|畜生|垃圾|废物|骗子|小偷|强盗|蛆|狗|猪|贱货|寄生虫|癌症|劣等|下等人)"
_HATE = {
    "insult of a group": re.compile(
        rf"\b{_GROUPS} (?:are|is) (?:all )?{_INSULTS}\b|{_HAN_GROUPS}(?:都|全|就)?(?:是|不如){_HAN_INSULTS}", re.I
    ),
    "threat to a group": re.compile(
        rf"\b(?:kill|gas|hang|burn|shoot|lynch|exterminate|deport) (?:all |the |all the )?{_GROUPS}\b"
        r"|\bsend (?:them|\w+) back to \w+|(?:杀光|灭绝|赶走|烧死)" + _HAN_GROUPS, re.I
    ),
    "exclusion of a group": re.compile(
        rf"\bno {_GROUPS} (?:allowed|wanted|welcome|here)\b|{_HAN_GROUPS}与狗|{_HAN_GROUPS}(?:不得|禁止)入内", re.I
    ),
    "denial of a genocide": re.compile(
        r"(?:holocaust|genocide) (?:is|was|never|did)[\w ]*(?:hoax|lie|happen\w*|fake|myth)"
        r"|大屠杀(?:是|都是|全是)?(?:谎言|骗局|假|捏造)",
        re.I,
    ),
}  # fmt: skip
_PATTERNS = {
    "token of a language model": re.compile(r"<\|\w+\|>|\[/?inst\]|<<?/?sys>>?|<(?:start|end)_of_turn>", re.I),
    "role of a dialogue": re.compile(
        r"(?:^|\n|[.!?。！？]\s*)\s*(?:system|assistant|human|user|ai|助手|系统|用户)\s*[:：]", re.I
    ),
    "instruction heading": re.compile(r"#{2,}\s*(?:instruction|system|response|prompt|指令)", re.I),
    "claim of a rank": re.compile(r"\b(?:rank(?:ing)?|score|position|priority)\W{0,3}(?:score )?[=:]\s*\d", re.I),
    "promise of money": re.compile(
        r"\b(?:earn|make)\W{1,2}\d[\d,.]*\s*(?:a|per|each|every)? ?(?:day|week|month|hour)", re.I
    ),
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


def found_patterns(text: str) -> Iterator[tuple[str, str]]:
    """Categories and names of the patterns that a text has.

    Args:
        text: The text, without compatibility forms (NFKC).

    Example:
        >>> list(found_patterns("see www.shop.example")), list(found_patterns("hot sale hot sale hot sale"))
        ([('spam', 'link')], [('spam', 'repeated words')])
    """
    patterns = _PATTERNS | (_SHORT_PATTERNS if len(text) <= _SHORT else {})
    yield from ((SPAM, name) for name, pattern in patterns.items() if pattern.search(text))
    yield from ((HATE, name) for name, pattern in _HATE.items() if pattern.search(text))
    if _PHRASE.search(text.casefold() + " ") or _HAN_PHRASE.search(text):
        yield SPAM, "repeated words"
