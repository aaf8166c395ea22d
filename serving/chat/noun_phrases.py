"""Noun phrases of an English sentence: the words that name what is wanted, and not a property of it."""

from __future__ import annotations

from .lexicon import SentenceWords

NAME = "\ue000"
"""Takes the place of a category or brand in a sentence."""
_LISTS = frozenset(("and", "or"))


def is_alone(place: int, written: list[str], content: list[bool], of: SentenceWords) -> bool:
    """Whether the noun phrases of a word, and those joined to it by "and", have all content of the sentence."""
    end = place
    while end + 1 < len(written) and (content[end + 1] or written[end + 1] in of.articles | _LISTS):
        end += 1
    rest = [*range(_start(place, written, content, of)), *range(end + 1, len(written))]
    return not any(
        content[other] and written[other] not in of.wish_verbs
        for other in rest
        if not _refines(other, written, content, of)
    )


def before_name(place: int, written: list[str], content: list[bool]) -> bool:
    """Whether a word is in front of a category or brand: "sweet snacks"."""
    end = place
    while end + 1 < len(written) and content[end]:
        end += 1
    return written[end] == NAME


def is_maker(place: int, written: list[str], content: list[bool], of: SentenceWords) -> bool:
    """Whether a word is behind "by" or "from", also in a list: "by Donner or Behringer"."""
    while place and (content[place - 1] or written[place - 1] == "or"):
        place -= 1
    return place > 0 and written[place - 1] in of.makers


def is_thing_at(place: int, written: list[str], content: list[bool], of: SentenceWords) -> bool:
    """Whether the word at a place is the last of a noun phrase that is wanted by itself: not "with pockets"."""
    after = written[place + 1] if place + 1 < len(written) else ""
    if (
        after == NAME
        or after in of.nouns_of_form | of.be | of.modals
        or after in ("matters", "matter", "counts")
        or (after and content[place + 1])
    ):
        return False
    start = _start(place, written, content, of)
    before, verb = written[start - 1] if start else "", written[start - 2] if start > 1 else ""
    if before in of.refining | of.makers:
        if before in of.wish_verbs:  # "I would like some tea", but "something like a tea"
            return written[start] in of.indefinite and verb in of.auxiliaries | of.adverbs | of.persons
        return before in ("for", "in") and (verb in of.wish_verbs or verb in ("interested", "hunting"))
    if before in ("has", "have", "needs", "requires"):
        return not set(written[:start]) & of.things_shown  # "it has to have pockets"
    return not (before in of.be and written[start] not in of.articles)


def is_subject_at(place: int, written: list[str], content: list[bool], of: SentenceWords) -> bool:
    """Whether the noun at a place begins another subject, if it is no property: see `is_thing_at`.

    That is so behind a word such as "show"; and, if nothing is said about the items shown ("it needs a hood"), behind
    an article ("a guitar pedal"), in a list ("coffee or tea"), and without other words ("coffee, please").
    """
    before = set(written[: _start(place, written, content, of)])
    if set(written[:place]) & of.topics:
        return True
    if before & of.things_shown:
        return False
    phrase = written[_start(place, written, content, of) : place + 2]
    return bool({*phrase} & _LISTS or {*phrase[:1]} & of.indefinite or not before - of.openings)


def _refines(place: int, written: list[str], content: list[bool], of: SentenceWords) -> bool:
    """Whether a word is behind a preposition, also in a list: "a case for travel", "shoes in red or blue"."""
    while place and (content[place - 1] or written[place - 1] in of.articles | of.possessives | _LISTS):
        place -= 1
    return place > 0 and written[place - 1] in of.refining | of.makers


def _start(place: int, written: list[str], content: list[bool], of: SentenceWords) -> int:
    """The first word of the noun phrases of a word, and of those joined to it in front of it."""
    while place and (content[place - 1] or written[place - 1] in of.articles | _LISTS):
        place -= 1
    return place
