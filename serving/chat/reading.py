"""Reads one turn of a customer: wishes, exclusions, limits and requests, by exact rules over the catalogue's words."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache

from .alternatives import Alternatives
from .catalogue_words import CatalogueWords
from .families import INGREDIENTS
from .lexicon import Lexicon
from .prices import GAP, PriceLimits, read_prices, without_negatives
from .text_tokens import tokens_of
from .wishes import read_wishes

_TERM_WORDS = 3
_REQUESTS = (
    "lift_price", "lift_brand", "lift_category", "reset", "another", "cheapest", "dearest", "cheaper", "dearer",
)  # fmt: skip
_WHOLE = ("accept", "decline", "thanks", "greeting")


@dataclass
class Reading:
    """Content of one turn.

    Args:
        requests: Names of the fields of `Lexicon` that the turn has: "reset", "another", "cheaper", ...
        categories: Wanted categories, in the order of the turn.
        brands: Wanted brands.
        attributes: Other wanted words that the catalogue has, in the order of the turn.
        things: The attributes that name a thing, such as "headphones", and not a property of the thing wanted.
        topics: The attributes that name a new subject, if items of the old one do not have them.
        unknown: Wishes that no item of the catalogue has in its texts.
        named: The words of the first category, if they are a part of its name, such as "coffee" of "Coffee & Tea".
        alternatives: Wishes of which one is enough.
        adds: Whether the wishes are alternatives to the ones before: "or tea".
        hints: Words about other people. They order the items of this turn only.
        changes: Whether another subject is announced.
        not_categories: Categories to leave out.
        not_parts: The excluded categories that were named by a part of their name, with the part.
        not_brands: Brands to leave out.
        not_words: Words to leave out, as the customer wrote them.
        reject: Whether the items shown are not wanted.
        price: Price limits.
        negative: Prices below zero, as the customer wrote them; they are not read.
    """

    requests: set[str] = field(default_factory=set)
    categories: list[str] = field(default_factory=list)
    brands: list[str] = field(default_factory=list)
    attributes: list[str] = field(default_factory=list)
    things: list[str] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    named: str = ""
    alternatives: Alternatives = field(default_factory=Alternatives)
    adds: bool = False
    hints: list[str] = field(default_factory=list)
    changes: bool = False
    not_categories: list[str] = field(default_factory=list)
    not_parts: dict[str, str] = field(default_factory=dict)
    not_brands: list[str] = field(default_factory=list)
    not_words: list[str] = field(default_factory=list)
    reject: bool = False
    price: PriceLimits = field(default_factory=PriceLimits)
    negative: list[str] = field(default_factory=list)

    @property
    def wishes(self) -> bool:
        """Whether the turn names something of the catalogue, or a limit."""
        wanted = self.categories or self.brands or self.attributes
        return bool(wanted or self.not_categories or self.not_brands or self.not_words or self.price)


def read_turn(text: str, lexicon: Lexicon, words: CatalogueWords) -> Reading:
    """Read a turn.

    Args:
        text: The text, folded by `folded_text`.
        lexicon: Its language.
        words: The catalogue.
    """
    found = Reading()
    patterns = _patterns(lexicon)
    found.requests = {name for name in _WHOLE if patterns[name].fullmatch(text)}
    if found.requests:
        return found
    found.adds = patterns["adds"].search(text.strip(" .,!?。！？")) is not None
    text = _kept_words(text, lexicon)
    for name in _REQUESTS[:4]:
        text = _take(found, name, text, lexicon)
    text = patterns["not_negations"].sub(GAP, patterns["idioms"].sub(GAP, text))
    found.negative, text = without_negatives(text, lexicon)
    found.price, text = read_prices(text, lexicon)
    for name in _REQUESTS[4:]:
        text = _take(found, name, text, lexicon)
    if found.price:
        found.requests -= {"cheaper", "dearer"}  # a number says it better
    text = patterns["counted"].sub("", text)
    found.changes = patterns["changes"].search(text) is not None
    text = _read_exclusions(found, _kept_catalogue_words(text, lexicon, words), lexicon, words)
    for pattern in lexicon.people:
        for told in re.finditer(pattern, text):
            about = read_wishes(told[1], lexicon, words)
            found.hints += [*about.attributes, *about.categories]
        text = re.sub(pattern, GAP, text)
    if patterns["anything"].search(text):
        found.requests.add("anything")
        text = patterns["anything"].sub(GAP, text)
    text = _take(found, "allowed", text, lexicon)
    wishes = read_wishes(_restored(text), lexicon, words)
    for name, value in wishes._asdict().items():
        setattr(found, name, value)
    if patterns["gifts"].search(text):
        found.unknown = [word for word in found.unknown if not patterns["gifts"].fullmatch(word)]
        found.topics = found.topics or (found.attributes if not found.things else [])
    return found


@cache
def _patterns(lexicon: Lexicon) -> dict[str, re.Pattern[str]]:
    """Patterns of a lexicon by the names of its fields."""
    before, after = (r"(?<![^\W_])", r"(?![^\W_])") if lexicon.spaced else ("", "")
    names = (
        *_REQUESTS,
        "anything",
        "allowed",
        "changes",
        "gifts",
        "idioms",
        "counted",
        "not_negations",
        "kept",
        "negation_ends",
        "list_words",
        "service",
    )
    found = {name: re.compile(rf"{before}(?:{getattr(lexicon, name)}){after}") for name in names}
    found |= {name: re.compile(getattr(lexicon, name)) for name in _WHOLE}
    found["adds"] = re.compile(lexicon.adds)
    found["shown"] = re.compile(rf"(?:{lexicon.shown})")
    found["fillers"] = re.compile(rf"(?:{lexicon.fillers})")
    found["negations"] = re.compile(rf"{before}(?:{lexicon.negations}){after}(?:'t)?")
    return found


def asks_for_service(text: str, lexicon: Lexicon) -> bool:
    """Whether a folded turn has words of a question about orders or other services."""
    return _patterns(lexicon)["service"].search(text) is not None


def _take(found: Reading, name: str, text: str, lexicon: Lexicon) -> str:
    """Note a request, and remove its words."""
    text, count = _patterns(lexicon)[name].subn(GAP, text)
    if count:
        found.requests.add(name)
    return text


def _kept_words(text: str, lexicon: Lexicon) -> str:
    """The text with words such as "non-stick" in private characters, which no pattern matches."""
    return _patterns(lexicon)["kept"].sub(lambda m: "".join(chr(0xF0000 + ord(c)) for c in m.group()), text)


def _kept_catalogue_words(text: str, lexicon: Lexicon, words: CatalogueWords) -> str:
    """The text with words of the catalogue such as 有机 in private characters: its 有 is no "have"."""
    if lexicon.spaced:
        return text
    kept = [place for place in range(len(text) - 1) if text[place] in "有看要" and words.is_han_word(text[place:])]
    marked = {place + shift for place in kept for shift in (0, 1)}
    return "".join(chr(0xF0000 + ord(c)) if place in marked else c for place, c in enumerate(text))


def _restored(text: str) -> str:
    return "".join(chr(ord(c) - 0xF0000) if ord(c) >= 0xF0000 else c for c in text)


def _read_exclusions(found: Reading, text: str, lexicon: Lexicon, words: CatalogueWords) -> str:
    """Read what is excluded, and return the text without it."""
    for pattern in lexicon.denied_after:
        for denied in re.finditer(pattern, text):
            _exclude_all(found, denied[1], lexicon, words)
        text = re.sub(pattern, GAP, text)
    negation = _patterns(lexicon)["negations"]
    while match := negation.search(text):
        scope_end = _scope_end(text, match.end(), lexicon)
        scope = text[match.end() : scope_end]
        rest = _exclude_all(found, scope, lexicon, words)
        keep = (
            rest
            if lexicon.spaced or match.group() in ("无", "不含", "不带", "没有", "零", "0", "免", "非", "没")
            else ""
        )
        text = f"{text[: match.start()]}{GAP}{keep}{GAP}{text[scope_end:]}"
    return text


def _scope_end(text: str, start: int, lexicon: Lexicon) -> int:
    """Find where a negation ends: at the next sentence mark, or at a word that starts a new wish.

    A comma ends it too, unless a list goes on behind it: "no nuts, dairy or sugar".
    """
    ends = [match.start() for match in re.finditer(r"[.;!?。！？|\n]", text[start:])]
    end = start + min(ends, default=len(text) - start)
    patterns = _patterns(lexicon)
    if negation := patterns["negations"].search(text, start, end):
        end = negation.start()
    for stop in patterns["negation_ends"].finditer(text, start, end):
        before = text[start : stop.start()].split()
        # "anything with nuts": nothing has been excluded yet, so the scope goes on
        if not lexicon.spaced or not all(patterns["fillers"].fullmatch(word) for word in before):
            end = stop.start()
            break
    comma = text.find(",", start, end)
    listed = comma >= 0 and patterns["list_words"].search(text, comma, end)
    return comma if comma >= 0 and not listed else end


def _exclude_all(found: Reading, scope: str, lexicon: Lexicon, words: CatalogueWords) -> str:
    """Exclude each thing of a list; returns what follows an ingredient."""
    rest, scope = "", _restored(scope) if lexicon.spaced else scope
    plain = _restored(_patterns(lexicon)["fillers"].sub("", scope)) if not lexicon.spaced else ""
    listed = (
        [scope] if plain and words.has(plain) else re.split(f",|{_patterns(lexicon)['list_words'].pattern}", scope)
    )
    for part in listed:
        rest += _exclude(found, part.strip(" ,"), lexicon, words)
    return rest


def _exclude(found: Reading, part: str, lexicon: Lexicon, words: CatalogueWords) -> str:
    patterns = _patterns(lexicon)
    if patterns["shown"].fullmatch(part):
        found.reject = True
        return ""
    if lexicon.spaced:
        given = re.findall(r"[^\W_]+(?:'[^\W_]+)?", part)
        while given and patterns["fillers"].fullmatch(given[0]):
            given = given[1:]
        if given and patterns["shown"].fullmatch(" ".join(given)):
            found.reject = True
            return ""
        while given and (patterns["fillers"].fullmatch(given[-1]) or given[-1] in lexicon.stop):
            given = given[:-1]
        tokens = tokens_of(" ".join(given))
    else:
        before = None
        while part != before:
            before, part = part, patterns["fillers"].sub("", part)
        part = _restored(part)
        given, tokens = [part], tokens_of(part)
    if not tokens or all(token in lexicon.stop for token in tokens):
        return ""
    return _exclude_named(found, given, tokens, lexicon, words)


def _exclude_named(
    found: Reading, given: list[str], tokens: tuple[str, ...], lexicon: Lexicon, words: CatalogueWords
) -> str:
    """Exclude a brand, a category, an ingredient, or items that have all the words."""
    for names, where in ((words.brands, found.not_brands), (words.categories, found.not_categories)):
        if tokens in names:
            where.append(names[tokens])
            if where is found.not_categories and tokens in words.category_parts:
                found.not_parts[names[tokens]] = (" " if lexicon.spaced else "").join(given)
            return ""
    phrase = " ".join(given)
    if lexicon.spaced and tokens[0] in INGREDIENTS["en"] and len(given) > 1:
        found.not_words.append(given[0])
        return " ".join(given[1:])
    if not lexicon.spaced:
        known = [word for word in INGREDIENTS["zh"] if phrase.startswith(word)]
        if known and len(max(known, key=len)) < len(phrase):
            ingredient = max(known, key=len)
            found.not_words.append(ingredient)
            return phrase[len(ingredient) :]
    found.not_words.append(" ".join(given[:_TERM_WORDS]))
    return " ".join(given[_TERM_WORDS:])
