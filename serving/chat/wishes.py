"""Reads the wishes of one turn: categories, brands and other words of the catalogue."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from ...tokenization.text_language import HAN
from .alternatives import Alternatives, Named, Nouns, read_alternatives, spoken_words
from .catalogue_words import CatalogueWords, longest
from .chinese import VERBS
from .english import ENGLISH
from .lexicon import Lexicon
from .noun_phrases import NAME, before_name, is_alone, is_maker, is_subject_at, is_thing_at
from .sentence import wished
from .text_tokens import joined, singular, tokens_of, words_of

_LONGEST_HAN = 8
_LONGEST_UNKNOWN = 5
_CONJUNCTIONS = frozenset("或者和与跟及")
_PARTICLES = "的了吗呢吧啊呀嘛"


class Wishes(NamedTuple):
    """Wishes of a turn, in its order; see `Reading`."""

    categories: list[str]
    brands: list[str]
    attributes: list[str]
    things: list[str]
    topics: list[str]
    unknown: list[str]
    named: str = ""
    alternatives: Alternatives = Alternatives()


def read_wishes(text: str, lexicon: Lexicon, words: CatalogueWords) -> Wishes:
    """Read categories, brands and other words of the catalogue, each piece of text by itself.

    Args:
        text: A folded text, without what was read before.
        lexicon: Its language.
        words: The catalogue.
    """
    found = Wishes([], [], [], [], [], [])
    spoken: list[Named] = []
    for piece in re.split(r" - |[|.:;!?,。！？、()\[\]\"“”]", text):
        rest = _read_names(found, piece, lexicon, words, spoken)
        new, things, topics, unknown = _words_of_sentence(rest, lexicon, words)
        for run in re.findall(f"[{HAN}]+", "".join(rest)):
            last: list[str] = []
            for part in _han_pieces(run, lexicon, words):
                read = _han_words(part, lexicon, words)
                known = len(part) > 1 or part in lexicon.short
                unknown += [part] if not read and known and len(part) <= _LONGEST_UNKNOWN else []
                new += read
                last += read[-1:]
            things += [word for word in last if _is_wanted_itself(word, run, lexicon) and words.is_thing(word)]
            topics += _han_topics(last, run, lexicon, words)
        if not lexicon.sentence:
            new += [word for word in rest if _is_content(word, lexicon) and words.has(singular(word))]
        found.attributes.extend(dict.fromkeys(word for word in new if word not in found.attributes))
        found.things.extend(dict.fromkeys(word for word in things if word not in found.things))
        found.topics.extend(dict.fromkeys(word for word in topics if word not in found.things))
        found.unknown.extend(dict.fromkeys(unknown))
    wanted = [Named("word", word, (word,)) for word in found.attributes]
    either = read_alternatives(text, [*spoken, *wanted], lexicon, _nouns(found, lexicon, words))
    in_phrases = {word for phrase in either.phrases for word in phrase.split()}
    found = found._replace(
        alternatives=either, attributes=[word for word in found.attributes if word not in in_phrases]
    )
    if not found.categories:
        return found
    parts = {one.name: spoken_words(one.written) for one in reversed(spoken) if one.is_part}
    return found._replace(things=[], topics=[], named=parts.get(found.categories[0], ""))


def _nouns(found: Wishes, lexicon: Lexicon, words: CatalogueWords) -> Nouns:
    """The kinds of the words of a text, for its alternatives."""

    def is_thing(word: str) -> bool:
        return _can_be_thing(word, lexicon, words)

    def describes(word: str, thing: str) -> bool:
        is_named = thing in found.categories
        return is_named or is_property(word, lexicon) or bool(words.having([(word,), (thing,)]).any())

    return Nouns(is_thing, words.is_thing, found.topics, describes)


def _read_names(found: Wishes, piece: str, lexicon: Lexicon, words: CatalogueWords, spoken: list[Named]) -> list[str]:
    """Read categories and brands; returns the words of the piece with a mark in place of each.

    Args:
        found: The wishes so far, which are added to.
        piece: A piece of text.
        lexicon: Its language.
        words: The catalogue.
        spoken: The names as they were written, which are added to.
    """
    rest: list[str] = []
    part: tuple[str, tuple[str, ...]] | None = None
    parts = words.category_parts
    written, place = words_of(piece), 0
    tokens = tokens_of(piece)
    while place < len(tokens):
        category, brand = longest(words.categories, tokens, place), longest(words.brands, tokens, place)
        if category and _describes(tokens, place, category, words):
            category = 0
        ordinary, size = longest(words.ordinary_brands, tokens, place), max(category, brand)
        name = None
        if ordinary > size and _names_brand(piece, "".join(written[place : place + ordinary]), lexicon):
            name, where, size = words.ordinary_brands[tokens[place : place + ordinary]], found.brands, ordinary
        elif size and _is_whole(tokens, place, size, lexicon):
            names, where = (words.categories, found.categories) if category >= brand else (words.brands, found.brands)
            name = names[tokens[place : place + size]]
        if name is None:
            rest.append(written[place])
            place += 1
            continue
        if where is found.categories and part is not None and rest[-1:] == [NAME]:
            where.remove(part[0])  # "health magazines": a part of a name before a category is a property
            spoken.pop()
            rest[-1:] = part[1]
        is_new = where is found.categories and name not in where
        is_part = where is found.categories and tokens[place : place + size] in parts
        part = (name, written[place : place + size]) if is_new and is_part else None
        kind = "category" if where is found.categories else "brand"
        spoken.append(Named(kind, name, written[place : place + size], is_part))
        if name not in where:
            where.append(name)
        rest.append(NAME)
        place += size
    return rest


def _describes(tokens: tuple[str, ...], place: int, size: int, words: CatalogueWords) -> bool:
    """Whether the name of a category describes the word behind it, as in "coffee grinder".

    That is so if no item of the category has the word, and items of others have both.
    """
    name, after = tokens[place : place + size], tokens[place + size :]
    if re.match(f"[{HAN}]", name[0]):
        run = re.match(f"[{HAN}]*", "".join(token if len(token) == 1 else " " for token in after))
        text = run[0] if run is not None else ""
        word = next((text[:end] for end in range(min(4, len(text)), 1, -1) if words.has(text[:end])), "")
    else:
        word = after[0] if after and not re.match(f"[{HAN}]", after[0]) and words.has(after[0]) else ""
    if not word or word in ENGLISH.stop or word.isdigit():
        return False
    rows = words.rows(word) & words.rows(joined(name))
    return bool(rows.any()) and not (words.rows(word) & words.of("category", words.categories[name])).any()


def _names_brand(piece: str, name: str, lexicon: Lexicon) -> bool:
    """Whether the words beside a name make it a brand: "by Simple", "the brand Simple"."""
    gap = r"\s+" if lexicon.spaced else r"\s*"
    before, after = (
        rf"(?:{lexicon.brand_before}){gap}{re.escape(name)}",
        rf"{re.escape(name)}{gap}(?:{lexicon.brand_after})",
    )
    return re.search(rf"{before}|{after}", piece) is not None


def _is_whole(tokens: tuple[str, ...], place: int, size: int, lexicon: Lexicon) -> bool:
    """Whether a name is not a single Han character inside of a longer word."""
    if size > 1 or not re.match(f"[{HAN}]", tokens[place]):
        return True
    before, after = tokens[max(place - 1, 0) : place], tokens[place + 1 : place + 2]
    around = [token for token in before if token not in VERBS] + [*after]
    return not any(re.match(f"[{HAN}]", token) and token not in lexicon.stop | _CONJUNCTIONS for token in around)


def _is_content(word: str, lexicon: Lexicon) -> bool:
    """Whether a Latin word can have a meaning for the catalogue."""
    if re.match(f"[{HAN}{NAME}]", word) or len(word) < 2 or word.isdigit():
        return False
    return word not in lexicon.stop | ENGLISH.stop


def _words_of_sentence(
    written: list[str], lexicon: Lexicon, words: CatalogueWords
) -> tuple[list[str], list[str], list[str], list[str]]:
    """The wished words of a sentence, the things and topics among them, and nouns that the catalogue does not have."""
    of = lexicon.sentence
    if of is None:
        return [], [], [], []
    content = [_is_content(word, lexicon) for word in written]
    kept = wished(written, [word == NAME for word in written], content, of)
    has = [wish and words.has(singular(word)) for word, wish in zip(written, kept, strict=True)]
    nouns = [
        place for place in range(len(written))
        if kept[place] and is_alone(place, written, content, of) and is_thing_at(place, written, content, of)
    ]  # fmt: skip
    things = [
        word for place in nouns if has[place] and _can_be_thing(written[place], lexicon, words)
        for word in _compound(place, written, has, words)
    ]  # fmt: skip
    topics = [
        written[place] for place in nouns
        if has[place] and written[place].isalpha() and not is_property(written[place], lexicon)
        and written[place] not in of.aspects
        and is_subject_at(place, written, content, of)
    ]  # fmt: skip
    asked = bool(set(written) & of.questions) and "about" not in written
    unknown = [
        word for place, word in enumerate(written)
        if kept[place] and not (has[place] or asked)
        and (place in nouns or before_name(place, written, content) or is_alone(place, written, content, of)
             or is_maker(place, written, content, of))
    ]  # fmt: skip
    return [word for word, wish in zip(written, has, strict=True) if wish], things, topics, unknown


def _compound(place: int, written: list[str], has: list[bool], words: CatalogueWords) -> list[str]:
    """A thing with the word in front of it that belongs to its name: "sleeping bags"."""
    is_one = place > 0 and has[place - 1] and words.is_compound(written[place - 1], written[place])
    return written[place - 1 : place + 1] if is_one else [written[place]]


def _can_be_thing(word: str, lexicon: Lexicon, words: CatalogueWords) -> bool:
    """Whether a word is a thing: by its use in titles ("tent", although adjectives end like this), or as a plural."""
    if any(word in group for group in lexicon.alternatives):
        return False
    return words.is_thing(word) or (word != singular(word) and not is_property(word, lexicon))


def is_property(word: str, lexicon: Lexicon) -> bool:
    """Whether a word is a colour, a size, another property or, by its ending, an adjective.

    Args:
        word: The word.
        lexicon: Its language.

    Example:
        >>> [is_property(word, ENGLISH) for word in ("softer", "waterproof", "charger", "polish")]
        [True, True, False, False]
    """
    forms = {word}
    if compared := re.fullmatch(r"(.{2,}?)(i?)(?:er|est)", word):  # "softer", "nicer", "bigger", "fluffier"
        stem, y = compared.groups()
        forms |= {f"{stem}y"} if y else {stem, f"{stem}e", stem[:-1]}
    if any(forms & group for group in (*lexicon.alternatives, lexicon.properties)):
        return True
    return word not in lexicon.nouns and re.search(rf"(?:{lexicon.adjectives})$", word) is not None


def _is_wanted_itself(word: str, run: str, lexicon: Lexicon) -> bool:
    """Whether a word of Han characters stands for what is wanted, and not for a property of it: not 防水的."""
    refined = f"(?:{lexicon.refined_before}){word}|{word}(?:{lexicon.refined_after})"
    return not is_property(word, lexicon) and re.search(refined, run) is None


def _han_topics(last: Sequence[str], run: str, lexicon: Lexicon, words: CatalogueWords) -> list[str]:
    """The words of a run of Han characters that begin another subject.

    These are nouns by their use in titles, nouns behind a verb such as 看看, and all of a list with one of them.

    Args:
        last: The last word of each piece of the run.
        run: The run.
        lexicon: Its language.
        words: The catalogue.
    """
    nouns = [word for word in last if _is_wanted_itself(word, run, lexicon)]
    if not lexicon.subject_before:
        return []
    found = [
        word for word in nouns
        if words.can_be_thing(word) or re.search(f"(?:{lexicon.subject_before}){word}", run) is not None
    ]  # fmt: skip
    return nouns if found and re.search(lexicon.either, run) else found


def _han_pieces(text: str, lexicon: Lexicon, words: CatalogueWords) -> list[str]:
    """A run of Han characters, cut at the words that separate."""
    stops = sorted((word for word in lexicon.stop if re.match(f"[{HAN}]", word)), key=len, reverse=True)

    def cut(found: re.Match[str]) -> str:
        # A single character such as 你 also ends words, such as 迷你.
        inside = len(found[0]) == 1 and found[0] not in _PARTICLES and found.start() > 0
        return found[0] if inside and words.has(text[found.start() - 1 : found.end()]) else "|"

    pieces = re.sub("|".join(map(re.escape, stops)), cut, text).split("|") if stops else [text]
    # 和 and the like also occur inside words, such as 温和: they separate only what has two characters, and 咖啡和茶.
    short = "".join(f"|{word}$" for word in sorted(lexicon.short))
    conjunction = f"(?<=[{HAN}]{{2}})[和与跟及](?=[{HAN}]{{2}}{short})"
    parts = [part for piece in pieces for part in re.split(conjunction, piece) if part]
    return [_without_verb(part, lexicon, words) for part in parts]


def _without_verb(piece: str, lexicon: Lexicon, words: CatalogueWords) -> str:
    """A piece without a verb such as 喝 at its beginning, if a word of the catalogue is behind it."""
    if len(piece) < 2 or piece[0] not in VERBS or words.is_han_word(piece):
        return piece
    return piece[1:] if _han_words(piece[1:], lexicon, words) else piece


def _han_words(piece: str, lexicon: Lexicon, words: CatalogueWords) -> list[str]:
    """The longest words of a piece that the catalogue has, from left to right."""
    if len(piece) == 1:
        return [piece] if piece in lexicon.short and words.has(piece) else []
    found: list[str] = []
    place = 0
    while place < len(piece) - 1:
        sizes = range(min(_LONGEST_HAN, len(piece) - place), 1, -1)
        size = next((size for size in sizes if words.has(piece[place : place + size])), 0)
        word = piece[place : place + size]
        if not size and piece[place + 1] == "色" and words.has(piece[place]):
            size, word = 2, piece[place]  # the customer's 蓝色 is the catalogue's 蓝
        if size:
            found += _split(word, words)
        place += size or 1
    return found


def _split(word: str, words: CatalogueWords) -> list[str]:
    """The halves of a word that are both more frequent than the whole, such as 蓝色 and 双人; else the word."""
    whole = int(words.rows(word).sum())
    best, cut = max(
        ((min(int(words.rows(word[:c]).sum()), int(words.rows(word[c:]).sum())), c) for c in range(2, len(word) - 1)),
        default=(0, 0),
    )
    return [*_split(word[:cut], words), *_split(word[cut:], words)] if best >= 2 * whole > 0 else [word]
