"""Reads alternatives of one turn: "coffee or tea", "Nike or Adidas", "red or blue tents", 咖啡或茶."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from ...tokenization.text_language import HAN
from .lexicon import Lexicon

_EITHER, _LISTED, _MADE_BY, _ARTICLE, _END = "either", "listed", "made_by", "article", "end"


class Named(NamedTuple):
    """A category, brand or word in a text.

    Args:
        kind: "category", "brand" or "word".
        name: The category or brand; the word as written.
        written: The words as written.
        is_part: Whether they are a part of the name of a category.
    """

    kind: str
    name: str
    written: tuple[str, ...]
    is_part: bool = False


class Alternatives(NamedTuple):
    """Wishes of a turn of which one is enough.

    Args:
        categories: Two or more categories; empty for none.
        brands: Two or more brands.
        parts: The parts of category names that were written.
        phrases: Words that are an alternative to the categories: "tents or sleeping bags".
        words: Groups of phrases of which an item has to have one.
    """

    categories: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    words: tuple[tuple[str, ...], ...] = ()


class Nouns(NamedTuple):
    """The kinds of words of a text.

    Args:
        is_thing: Whether a word names a thing, and not a property.
        names_items: Whether titles use a word as the name of the item: not "Rogers", although it may be a plural.
        topics: Words that begin a subject, although they may describe another word: "coffee".
        describes: Whether a word can be a property of the word behind it: "red", or "coffee" if there are coffee mugs.
    """

    is_thing: Callable[[str], bool]
    names_items: Callable[[str], bool]
    topics: Sequence[str]
    describes: Callable[[str, str], bool]


def read_alternatives(text: str, named: Sequence[Named], lexicon: Lexicon, nouns: Nouns) -> Alternatives:
    """Read the alternatives of a text.

    Categories and brands are alternatives with "or" and "and" between, for an item has one of each. Words are with
    "or" only: "warm and light" wants both.

    Args:
        text: A folded text.
        named: The categories, brands and words that were read in it.
        lexicon: Its language.
        nouns: The kinds of words.
    """
    found = Alternatives()
    for members, has_either in _lists(text, named, lexicon, nouns):
        found = _with_list(found, members, has_either, nouns)
    return found


def spoken_words(written: Sequence[str]) -> str:
    """Written words as one text: Latin words with spaces between, Han characters without."""
    return ("" if re.match(f"[{HAN}]", written[0]) else " ").join(written)


def _lists(text: str, named: Sequence[Named], lexicon: Lexicon, nouns: Nouns) -> list[tuple[list[list[Named]], bool]]:
    """Phrases with "or", "and" or a comma between, and whether there is an "or" among these."""
    lists: list[tuple[list[list[Named]], bool]] = []
    members: list[list[Named]] = [[]]
    has_either = False
    for part in [*_without_makers(_parts(text, named, lexicon), nouns.names_items), _END]:
        if isinstance(part, Named):
            members[-1].append(part)
        elif part == _END or not members[-1]:
            if part != _END:
                has_either |= part == _EITHER and len(members) > 1
                continue
            whole = [member for member in members if member]
            lists += [(whole, has_either)] if len(whole) > 1 else []
            members, has_either = [[]], False
        else:
            members.append([])
            has_either |= part == _EITHER
    return lists


def _without_makers(parts: Sequence[Named | str], names_items: Callable[[str], bool]) -> list[Named | str]:
    """The parts with the end of a list in place of its only "by": "a pedal by Donner or Behringer" lists makers.

    A "by" belongs to one member of a list if there are several, or if a thing follows: "by Donner or a guitar".
    """
    found: list[Named | str] = []
    for is_end, group in groupby(parts, lambda part: part == _END):
        run = [*group]
        makers = run[run.index(_MADE_BY) + 1 :] if _MADE_BY in run and not is_end else []
        has_thing = any(
            one.kind == "category" or (one.kind == "word" and names_items(one.name))
            for one in makers if isinstance(one, Named)
        )  # fmt: skip
        is_list = bool(makers) and not (has_thing or _MADE_BY in makers or _ARTICLE in makers)
        found += [_END if is_list and part == _MADE_BY else part for part in run]
    return [part for part in found if part not in (_MADE_BY, _ARTICLE)]


def _parts(text: str, named: Sequence[Named], lexicon: Lexicon) -> list[Named | str]:
    """The named things of a text in order, with the separators between them."""
    forms: Mapping[str, Named] = {spoken_words(one.written): one for one in reversed(named)}
    patterns = [
        ("".join if re.match(f"[{HAN}]", one.written[0]) else r"[\s_&/'-]+(?:s[\s-])?".join)(
            map(re.escape, one.written)
        )
        for one in sorted(forms.values(), key=lambda one: -len(spoken_words(one.written)))
    ]
    if not patterns:
        return []
    before, after = (r"(?<![^\W_])", r"(?![^\W_])") if lexicon.spaced else ("", "")
    latin = [rf"(?<![^\W_]){p}(?![^\W_])" if not re.match(f"[{HAN}]", p) else p for p in patterns]
    pattern = (
        rf"(?P<name>{'|'.join(latin)})|(?P<either>{before}(?:{lexicon.either}){after})"
        rf"|(?P<listed>{before}(?:{lexicon.listed}){after}|[,、/&])|(?P<made_by>{before}(?:{lexicon.made_by}){after})"
        rf"|(?P<skipped>{before}(?:{lexicon.joined}){after}|\s)"
        rf"|(?P<end>[^\W_{HAN}]+|\S)"
    )
    found: list[Named | str] = []
    for match in re.finditer(pattern, text):
        if match.lastgroup == "name":
            words = re.findall(f"[{HAN}]+|[^\\W_{HAN}]+", match[0])
            one = forms.get(spoken_words(words)) or forms.get(spoken_words([word for word in words if word != "s"]))
            found.append(one if one is not None else _END)
        elif match.lastgroup != "skipped":
            found.append(str(match.lastgroup))
        elif lexicon.sentence is not None and match[0] in lexicon.sentence.indefinite:
            found.append(_ARTICLE)
    return found


def _with_list(found: Alternatives, members: list[list[Named]], has_either: bool, nouns: Nouns) -> Alternatives:
    """The alternatives with those of one list."""
    brands = _names(members, "brand")
    found = found._replace(brands=brands if len(brands) > 1 and not found.brands else found.brands)
    members = [rest for member in members if (rest := [one for one in member if one.kind != "brand"])]
    ends = [_end(member) for member in members]
    with_category = [one for one in ends if one.kind == "category"]
    if len(with_category) > 1 and not found.categories:
        found = found._replace(categories=_names([with_category], "category"), parts=_written_parts(with_category))
    if not has_either or len(members) < 2:
        return found
    whole = [end.kind == "category" or nouns.is_thing(end.name) for end in ends]
    if with_category and all(is_whole or end.name in nouns.topics for end, is_whole in zip(ends, whole, strict=True)):
        whole = [True] * len(ends)
    if with_category and not all(end.kind == "category" for end in ends) and all(whole):
        phrases = [_phrase(member) for member, end in zip(members, ends, strict=True) if end.kind == "word"]
        categories = found.categories or _names([with_category], "category")
        return found._replace(categories=categories, parts=_written_parts(with_category), phrases=tuple(phrases))
    if with_category and all(whole):
        return found
    is_of_all = whole[-1] and not any(whole[:-1]) and len(members[-1]) > 1
    if is_of_all and all(nouns.describes(end.name, ends[-1].name) for end in ends[:-1]):  # "red or blue tents"
        members = [*members[:-1], members[-1][:-1][: len(members[0])]]
    group = tuple(dict.fromkeys(phrase for member in members if (phrase := _phrase(member))))
    return found._replace(words=(*found.words, group)) if len(group) > 1 else found


def _end(member: Sequence[Named]) -> Named:
    """The category of a phrase, or its last word."""
    return next((one for one in reversed(member) if one.kind == "category"), member[-1])


def _names(members: Sequence[Sequence[Named]], kind: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.name for member in members for one in member if one.kind == kind))


def _phrase(member: Sequence[Named]) -> str:
    return " ".join(one.name for one in member if one.kind == "word")


def _written_parts(categories: Sequence[Named]) -> tuple[str, ...]:
    """The written parts of category names; empty if a name was written as a whole."""
    whole = all(one.is_part for one in categories)
    return tuple(dict.fromkeys(spoken_words(one.written) for one in categories)) if whole else ()
