"""Which words of an English sentence can be wishes: not its verbs, not its reasons, not what the customer tells."""

from __future__ import annotations

from collections.abc import Sequence

from .lexicon import SentenceWords


def wished(words: list[str], named: Sequence[bool], content: Sequence[bool], of: SentenceWords) -> list[bool]:
    """Whether each word of a sentence can be a wish, by its place in the sentence.

    No wishes are: the verb behind "I" or "to"; the rest of a clause behind a verb in the past ("I saw ...") or behind
    "because"; a possessive and its nouns ("my boss"); a person's state ("I am desperate"); time and place ("at the
    office"); and what is said about a wish ("wool would be a dream"). Words in front of a category, or of "ones" or
    "version", are wishes in all of these places.

    Args:
        words: Words as written.
        named: Whether each is part of a category or brand.
        content: Whether each is neither a function word nor another word without a meaning for the catalogue.
        of: The function words of the language.

    Example:
        >>> from .english import ENGLISH
        >>> words = "my boss told me that wool is a dream".split()
        >>> stop = ENGLISH.stop | {"boss"}
        >>> kept = wished(words, [False] * 9, [word not in stop for word in words], ENGLISH.sentence)
        >>> [word for word, wish in zip(words, kept, strict=True) if wish]
        ['wool']
    """
    kept = [flag and not name for flag, name in zip(content, named, strict=True)]
    mode = ""  # "clause" or "phrase" while words are left out
    place, said = 0, False
    objects = [[word] for word in of.objects]

    def said_of(place: int, word: str) -> bool:
        """Whether a verb says something about a wish: "wool is a dream", "tents would suit a beginner"."""
        if word in of.modals:
            return (said or any(named[:place])) and _is_verb(words, place + 1, of)
        return word in of.be and (said or (mode == "phrase" and place > 0))

    while place < len(words):
        word = words[place]
        before = words[place - 1] if place else ""
        if named[place]:
            mode = "" if mode == "phrase" else mode
        elif word in of.reasons:
            mode, said = "clause", False
        elif word in of.new_clauses:
            mode, said = "", False
        elif word in of.past and place and (named[place - 1] or before in of.new_clauses):
            mode, kept[place] = "clause", False  # "our old tent gave up", "and fell for it"
        elif word in of.nouns_of_form or before in of.nouns_of_form or words[place + 1 : place + 2] in objects:
            kept[place] = False  # "the cheap stuff breaks", "narrow it down"
        elif word in of.aspects and any(word in of.be | of.auxiliaries for word in words[place + 1 : place + 2]):
            kept[place] = False
        elif (word in of.possessives and before != "for") or (word in of.places and before not in of.be):
            mode = mode or "phrase"
        elif word in of.occasions and (start := _start_of_occasion(words, place, content, of)) < place + 1:
            kept[start : place + 1] = [False] * (place + 1 - start)
        elif word in of.persons:
            place, mode = _verb(words, place, kept, mode, of)
        elif word == "to" and before not in ("me", "us") and place + 1 < len(words):
            kept[place + 1] = False
        elif said_of(place, word):
            mode = mode or "phrase"
        elif mode == "phrase" and (word in of.prepositions or word in of.wish_verbs):
            mode = ""
        elif kept[place]:
            kept[place], said = not mode, said or not mode
        place += 1
    for place, name in enumerate(named):
        if name or words[place] in of.nouns_of_form:
            _keep_modifiers(words, place, content, kept, of)
    return kept


def _is_verb(words: Sequence[str], place: int, of: SentenceWords) -> bool:
    """Whether the word behind a modal is a verb of its own: "would suit a beginner"."""
    return place < len(words) and words[place] not in of.be | of.wish_verbs | of.persons | of.auxiliaries | of.articles


def _verb(words: Sequence[str], place: int, kept: list[bool], mode: str, of: SentenceWords) -> tuple[int, str]:
    """Leave out the verb of the person at a place; returns the last place that was read and the new mode."""
    verb = place + 1
    while verb < len(words) and words[verb] in of.auxiliaries | of.adverbs and words[verb] not in of.be:
        verb += 1
    if verb >= len(words):
        return place, mode
    if words[verb] in of.be:
        return verb, "phrase"
    if words[verb - 1] == "had" and words[verb] in of.articles:
        return verb - 1, "clause"
    if words[verb - 1] in ("have", "has") and not _is_past(words[verb], of):
        return verb - 1, ""  # "surely you have maps"
    if words[verb] in of.wish_verbs:
        kept[verb] = False
        return verb, ""
    if words[verb] in of.articles | of.possessives | of.prepositions | of.persons | of.new_clauses:
        return verb - 1, mode
    kept[verb] = False
    return verb, "clause" if _is_past(words[verb], of) or "had" in words[place:verb] else mode


def _is_past(word: str, of: SentenceWords) -> bool:
    return word in of.past or (word.endswith("ed") and len(word) > 4)


def _start_of_occasion(words: list[str], end: int, content: Sequence[bool], of: SentenceWords) -> int:
    """The first word of an occasion: "it is a birthday present", "for my wedding"; the place after it for none."""
    start = end
    while start and content[start - 1]:
        start -= 1
    before = words[start - 1] if start else ""
    if before in of.possessives or (start > 1 and words[start - 2] in of.possessives):  # "my dad's birthday"
        return start
    told = start > 1 and words[start - 2] in of.be | {"as", "for", "it", "this", "that"}
    if words[start - 2 : start - 1] == ["for"] and words[start - 3] in of.wish_verbs:
        return end + 1  # "looking for a present"
    return start if before in of.articles and told else end + 1


def _keep_modifiers(
    words: Sequence[str], end: int, content: Sequence[bool], kept: list[bool], of: SentenceWords
) -> None:
    """Keep the words in front of a noun, unless they tell of what the customer has: "my old tent"."""
    start = end
    while start and content[start - 1]:
        start -= 1
    if start and words[start - 1] in of.possessives:
        return
    to_verb = start > 1 and words[start - 1] == "to" and words[start - 2] not in ("me", "us")
    if start < end and start and (words[start - 1] in of.persons or to_verb):
        start += 1
    for place in range(start, end):
        kept[place] = True
