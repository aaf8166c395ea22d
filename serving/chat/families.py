"""Concepts with several words: excluding one of the words excludes them all, in both languages."""

from __future__ import annotations

from .chinese import CHINESE
from .english import ENGLISH

CONCEPTS: tuple[tuple[frozenset[str], tuple[str, ...]], ...] = tuple(
    (
        # The name of a concept stands for its words; a word such as milk only for itself.
        frozenset({concept, *(words[:3] if concept == "dairy" else words[:1])}) if words else frozenset({concept}),
        (*ENGLISH.families.get(concept, ()), *words),
    )
    for concept, words in CHINESE.families.items()
)
"""Per concept: the words that name it, and the words of items that it excludes."""


def excluded_words(word: str) -> tuple[str, ...]:
    """The words of items that the exclusion of a word excludes.

    Args:
        word: A Latin word in the singular, or Han characters.

    Example:
        >>> excluded_words("sugar"), excluded_words("milk")
        (('sugar', '糖'), ('milk',))
    """
    found = [words for names, words in CONCEPTS if word in names]
    return tuple(dict.fromkeys((word, *(found[0] if found else ()))))


INGREDIENTS = {
    "en": frozenset(ENGLISH.families),
    "zh": frozenset(word for words in CHINESE.families.values() for word in words),
}
"""Words that are excluded without the words after them: "no nut cookies" excludes nuts, not cookies."""
