"""Language of many texts, from scripts and function words, and the text encoder that reads it.

Self-contained, because it travels with a checkpoint.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

ENGLISH, CHINESE, MULTILINGUAL = "English", "Chinese", "several languages"
ENCODERS = {
    ENGLISH: "sentence-transformers/all-MiniLM-L6-v2",
    CHINESE: "BAAI/bge-small-zh-v1.5",
    MULTILINGUAL: "intfloat/multilingual-e5-small",
}
"""Text encoder of each language, by hub id; the last one reads 100 languages."""
CODES = {ENGLISH: "en", CHINESE: "zh", MULTILINGUAL: "multilingual"}
"""Code of each language for the hub."""
MOSTLY = 0.8
"""Least share of texts in one script for a data set of one language; the rest are brand names and model numbers."""
SAMPLE = 2_000
_FOREIGN_LETTERS, _FOREIGN_WORDS = 0.02, 0.02
"""Shares of letters outside ASCII, and of function words of other languages, of texts that are not English, if
English function words are not more frequent. English titles have under .0002 and .01, and .05 English function words.
"""
_ENGLISH_WORDS = frozenset({"the", "and", "for", "with", "of", "to", "from", "your", "by", "this", "is"})
_OTHER_WORDS = frozenset({
    "und", "für", "mit", "der", "das", "von", "zum", "aus", "ohne", "eine", "le", "les", "des", "et", "pour", "avec",
    "sans", "dans", "el", "los", "las", "para", "con", "sin", "del", "una", "di", "della", "gli", "com", "da", "uma",
    "het", "een", "voor", "met", "och", "för", "av", "na", "dla", "oraz", "ve", "için", "ile",
})  # fmt: skip
FUNCTION_WORDS = _ENGLISH_WORDS | _OTHER_WORDS | frozenset({
    "a", "an", "in", "on", "at", "or", "as", "be", "are", "am", "it", "its", "was", "that", "these", "those", "my",
    "our", "me", "we", "i", "you", "he", "she", "his", "her", "their", "them", "they", "who", "which", "what", "some",
    "any", "but", "so", "if", "than", "then", "into", "do", "does", "can", "could", "would", "will", "should", "have",
    "has", "had", "not", "no", "like", "want", "need", "looking", "something", "please",
    "的", "了", "吗", "呢", "吧", "啊", "我", "你", "您", "请", "给", "要", "想", "和", "与", "是", "有", "在", "把",
    "被", "让", "对", "这", "那", "个", "些", "他", "她", "它", "们", "也", "都", "就", "很",
})  # fmt: skip
"""Words of a query that explain no item."""
LETTER, _WORD = re.compile(r"[^\W\d_]"), re.compile(r"[^\W\d_]+")
HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Han characters, as ranges of a regular expression."""
_HAN, _OTHER_EAST = re.compile(f"[{HAN}]"), re.compile("[\u3040-\u30ff\uac00-\ud7af]")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]")


@dataclass(frozen=True)
class TextLanguage:
    """Language of texts, and why.

    Args:
        name: `ENGLISH`, `CHINESE` or `MULTILINGUAL`.
        reason: Measured shares, for a log.
    """

    name: str
    reason: str

    @property
    def encoder(self) -> str:
        """Hub id of the text encoder that reads it."""
        return ENCODERS[self.name]

    @property
    def code(self) -> str:
        """Its code for the hub: "en", "zh" or "multilingual"."""
        return CODES[self.name]


def evenly(texts: Sequence[str]) -> list[str]:
    """An even sample of at most `SAMPLE` texts."""
    return list(texts[:: max(1, len(texts) // SAMPLE)][:SAMPLE])


def find_language(texts: Sequence[str]) -> TextLanguage | None:
    """Language of most texts; None if no text has letters.

    Han characters count as Chinese if they are a third of a text's letters and there is no Kana or Hangul, because
    Chinese titles are full of Latin brand names.

    Example:
        >>> find_language(["户外双人帐篷", "sony耳机"]).encoder
        'BAAI/bge-small-zh-v1.5'
        >>> find_language(["Tent for two", "Zelt für zwei", "Tente pour deux personnes"]).name
        'several languages'
    """
    sample = [text for text in evenly(texts) if LETTER.search(text)]
    if not sample:
        return None
    chinese, latin = (sum(map(test, sample)) / len(sample) for test in (_is_chinese, _is_latin))
    if chinese >= MOSTLY:
        return TextLanguage(CHINESE, f"{chinese:.0%} of the texts are Chinese")
    if latin < MOSTLY:
        return TextLanguage(MULTILINGUAL, f"{chinese:.0%} of the texts are Chinese and {latin:.0%} in Latin script")
    return _latin_language([text for text in sample if _is_latin(text)])


def common_language(*groups: Sequence[str]) -> TextLanguage:
    """Language of several groups of texts, such as texts of items and of users; English if there are no letters."""
    found = [language for language in map(find_language, groups) if language is not None]
    if len({language.name for language in found}) > 1:
        return TextLanguage(MULTILINGUAL, "texts of items and texts of users differ in language")
    return found[0] if found else TextLanguage(ENGLISH, "no text has letters")


def _latin_language(texts: list[str]) -> TextLanguage:
    words = [word for text in texts for word in _WORD.findall(text.lower())]
    letters = "".join(words)
    outside = sum(not letter.isascii() for letter in letters) / len(letters)
    english, other = (sum(word in known for word in words) / len(words) for known in (_ENGLISH_WORDS, _OTHER_WORDS))
    if other >= english and (outside >= _FOREIGN_LETTERS or other >= _FOREIGN_WORDS):
        return TextLanguage(
            MULTILINGUAL,
            f"{outside:.1%} of the letters are outside ASCII, and {other:.1%} of the words are function words of "
            f"languages other than English ({english:.1%} of English)",
        )
    return TextLanguage(ENGLISH, "the texts are in Latin script, and nothing points to a language other than English")


def _is_chinese(text: str) -> bool:
    return 3 * len(_HAN.findall(text)) >= len(LETTER.findall(text)) and not _OTHER_EAST.search(text)


def _is_latin(text: str) -> bool:
    return 3 * len(_LATIN.findall(text)) >= 2 * len(LETTER.findall(text)) and not _is_chinese(text)
