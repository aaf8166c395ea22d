"""State of a dialogue: what is wanted and what is not, refined by each turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .catalogue_words import CatalogueWords
from .families import INGREDIENTS
from .lexicon import Lexicon
from .prices import PriceLimits
from .reading import Reading
from .text_tokens import HAN_WORD, folded_text, tokens_of

_SOME, _MOST = 0.1, 0.5
"""Share of the items of the rarer of two wishes that has to have both, for a property and a thing, and for two things:
a few tents are sold with a bag, but "a bag" after "tents" is another wish."""
MAX_ATTRIBUTES = 8
"""Wanted words that are kept, the newest ones: each can cost one ranking of the catalogue."""


@dataclass(frozen=True)
class Understood:
    """The wishes and limits in force after a turn.

    Args:
        language: Language of the customer, "en" or "zh".
        request: Kind of the turn: "find", "another", "cheaper", "dearer", "cheapest", "dearest", "reset",
            "service", "small talk" or "unclear".
        categories: Wanted categories; each is enough.
        brands: Wanted brands; each is enough.
        attributes: Other wanted words.
        things: The attributes that name a thing, such as "headphones".
        names: The parts of their names by which the categories are wanted, such as "coffee" for "Coffee & Tea".
        or_words: Words that are enough without the categories: "tents or sleeping bags".
        alternatives: Groups of attributes, or of phrases of them, of which one is enough: "red or blue".
        hints: Words that order the items of this turn only: what other people like.
        not_categories: Categories to leave out.
        not_brands: Brands to leave out.
        not_words: Words to leave out.
        not_items: Items that the customer has turned down, by id.
        price: Price limits.
        said_price: The price limits that the customer named, without comparisons such as "cheaper".
    """

    language: str = "en"
    request: str = "find"
    categories: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    things: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    or_words: tuple[str, ...] = ()
    alternatives: tuple[tuple[str, ...], ...] = ()
    hints: tuple[str, ...] = ()
    not_categories: tuple[str, ...] = ()
    not_brands: tuple[str, ...] = ()
    not_words: tuple[str, ...] = ()
    not_items: tuple[str, ...] = ()
    price: PriceLimits = field(default_factory=PriceLimits)
    said_price: PriceLimits = field(default_factory=PriceLimits)

    @property
    def category(self) -> str | None:
        """The first wanted category; None for none."""
        return next(iter(self.categories), None)

    @property
    def brand(self) -> str | None:
        """The first wanted brand; None for none."""
        return next(iter(self.brands), None)

    @property
    def wants(self) -> tuple[tuple[str, ...], ...]:
        """What an item has to have one of, each: the groups of alternatives, and every other attribute by itself."""
        of_word = {word: group for group in self.alternatives for phrase in group for word in phrase.split()}
        return tuple(dict.fromkeys(of_word.get(word, (word,)) for word in self.attributes))

    @property
    def wanted_text(self) -> str:
        """The wanted words as one text, for a model that reads queries."""
        return " ".join((*self.attributes, *self.or_words, *self.hints, *self.names, *self.brands, *self.categories))

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values, for JSON: `wanted`, `not_wanted` and `limits`, with language and request."""
        price = self.price
        return {
            "language": self.language,
            "request": self.request,
            "wanted": {
                "category": self.category, "brand": self.brand, "attributes": list(self.attributes),
                **({"named": self.names[0]} if self.names else {}),
                **({"hints": list(self.hints)} if self.hints else {}), **self._several(),
            },
            "not_wanted": {
                "categories": list(self.not_categories), "brands": list(self.not_brands),
                "words": list(self.not_words), "items": list(self.not_items),
            },
            "limits": {
                "minimum_price": price.minimum, "maximum_price": price.maximum,
                "minimum_is_allowed": not price.above_minimum, "maximum_is_allowed": not price.below_maximum,
                "currency": price.currency,
            },
        }  # fmt: skip

    def _several(self) -> dict[str, Any]:
        """The alternatives among the wishes, for JSON; a wish without any is left out."""
        lists = {"categories": self.categories, "brands": self.brands, "names": self.names}
        found: dict[str, Any] = {name: list(values) for name, values in lists.items() if len(values) > 1}
        if self.or_words:
            found["or_words"] = list(self.or_words)
        return found | ({"alternatives": [list(group) for group in self.alternatives]} if self.alternatives else {})


def refined(state: Understood, reading: Reading, lexicon: Lexicon, words: CatalogueWords) -> Understood:
    """The state after a turn.

    A new category replaces the old one with its brand and words. So does another thing that is no category, such as
    "headphones" after "tent", unless there are items for both: then it refines the wish. A category that has the new
    thing stays. Limits and exclusions stay until the customer lifts them, or wants what was excluded, or starts again.

    Args:
        state: The state before.
        reading: The turn.
        lexicon: Its language.
        words: The catalogue.
    """
    if "reset" in reading.requests:
        state = Understood()
    reading = _without_own_parts(state, reading)
    state = _without_replaced(replace(_lifted(state, reading), language=lexicon.code), reading, words)
    said = state.said_price.refined(reading.price)
    price = said.with_comparison(state.price, state.said_price) if reading.price else state.price
    state = replace(state, price=price, said_price=said, hints=tuple(reading.hints))
    state = _with_names(state, reading)
    allowed = {tokens_of(word) for word in state.not_words} if "allowed" in reading.requests else set()
    wanted = [word for word in reading.attributes if tokens_of(word) not in allowed]  # "nuts are fine" is no wish
    attributes = _merged(state, wanted, reading, lexicon)
    state = _without_wanted(state, reading)
    excluded = {tokens_of(word) for word in reading.not_words}
    attributes = tuple(word for word in attributes if tokens_of(word) not in excluded)[-MAX_ATTRIBUTES:]
    return replace(
        state,
        attributes=attributes,
        things=tuple(word for word in dict.fromkeys((*state.things, *_things(state, reading))) if word in attributes),
        alternatives=_kept_groups(_groups(state, reading), attributes),
        not_categories=_union(state.not_categories, reading.not_categories),
        not_brands=_union(state.not_brands, reading.not_brands),
        not_words=_union(state.not_words, reading.not_words),
    )


def _without_own_parts(state: Understood, reading: Reading) -> Reading:
    """A turn with a word in place of an excluded category that is wanted: "not tea" in Coffee & Tea."""
    wanted = {*(reading.categories or state.categories)}
    parts = {name: word for name, word in reading.not_parts.items() if name in wanted}
    return replace(
        reading,
        not_categories=[name for name in reading.not_categories if name not in parts],
        not_words=[*reading.not_words, *parts.values()],
    )


def _with_names(state: Understood, reading: Reading) -> Understood:
    """The state with the categories and brands of a turn, and without the excluded ones."""
    either = reading.alternatives
    categories, brands, names, or_words = state.categories, state.brands, state.names, state.or_words
    if reading.categories:
        categories = either.categories or (reading.categories[0],)
        names = either.parts if either.categories else tuple(filter(None, (reading.named,)))
        or_words = either.phrases
        if reading.adds and state.categories:
            names = (*state.names, *names) if state.names and names else ()
            categories, or_words = (*state.categories, *categories), (*state.or_words, *or_words)
    if reading.brands:
        brands = either.brands or (reading.brands[0],)
        brands = (*state.brands, *brands) if reading.adds else brands
    kept = tuple(name for name in dict.fromkeys(categories) if name not in reading.not_categories)
    excluded = {tokens_of(word) for word in reading.not_words}
    return replace(
        state,
        categories=kept,
        brands=tuple(name for name in dict.fromkeys(brands) if name not in reading.not_brands),
        names=tuple(name for name in dict.fromkeys(names) if tokens_of(name) not in excluded) if kept else (),
        or_words=tuple(phrase for phrase in dict.fromkeys(or_words) if tokens_of(phrase) not in excluded),
    )


def _things(state: Understood, reading: Reading) -> list[str]:
    """The things that a turn names; a new subject is one if nothing else is wanted."""
    nothing_else = not (state.categories or state.attributes)
    return reading.things or (reading.topics if nothing_else else [])


def _without_replaced(state: Understood, reading: Reading, words: CatalogueWords) -> Understood:
    """The state without the wishes that a category or thing of the turn replaces, and without comparisons of them.

    An alternative ("or tea") replaces nothing, and one of the alternatives ("only tea") replaces the others only.
    """
    nothing = replace(
        state, categories=(), names=(), or_words=(), brands=(), attributes=(), things=(), alternatives=(),
        price=state.said_price,
    )  # fmt: skip
    if reading.adds or _is_narrower(state, reading):
        return _without_comparisons(state, reading)
    if reading.categories:
        newer = words.of("category", *reading.categories[:1], *reading.alternatives.categories)
        if state.categories:
            return nothing if reading.categories[0] not in state.categories else _without_comparisons(state, reading)
    elif named := reading.things or reading.topics:
        newer = words.having(replace(nothing, attributes=tuple(reading.attributes), alternatives=_new(reading)).wants)
        newer = newer if newer.any() else _rows_of(named, words)
    else:
        return state
    wants = state.wants if not state.things else tuple(want for want in state.wants if _has_thing(want, state))
    older = words.having(wants)
    if state.categories:
        older &= words.of("category", *state.categories)
    if state.brands and not (state.things or state.categories):
        older &= words.of("brand", *state.brands)
    both_things = bool(reading.things and (state.things or state.categories))
    if not reading.changes and words.belong_together(older, newer, _MOST if both_things else _SOME):
        return _without_comparisons(state, reading)
    if not (within := words.of("category", *state.categories) & newer).any():
        return nothing
    brands = tuple(name for name in state.brands if (within & words.of("brand", name)).any())
    kept = tuple(word for word in state.attributes if word not in state.things)
    return replace(nothing, categories=state.categories, names=state.names, brands=brands, attributes=kept)


def _is_narrower(state: Understood, reading: Reading) -> bool:
    """Whether a turn names some of the alternatives before: "only tea" after "coffee or tea"."""
    if reading.categories:
        return len(state.categories) > 1 and {*reading.categories} <= {*state.categories}
    members = {word for group in state.alternatives for phrase in group for word in phrase.split()}
    named = {*(reading.things or reading.topics)}
    return bool(named) and named <= members


def _has_thing(want: tuple[str, ...], state: Understood) -> bool:
    return any(word in state.things for phrase in want for word in phrase.split())


def _without_comparisons(state: Understood, reading: Reading) -> Understood:
    """The state without limits such as that of "cheaper", if the turn wants a category or thing that is new."""
    new = set(reading.things) - set(state.attributes) or set(reading.categories) - set(state.categories)
    return replace(state, price=state.said_price) if new else state


def _rows_of(wanted: Sequence[str], words: CatalogueWords) -> np.ndarray:
    """(items,) True for the items that have all of some words."""
    found = np.ones(words.num_items, dtype=bool)
    for word in wanted:
        found &= words.rows(word)
    return found


def _lifted(state: Understood, reading: Reading) -> Understood:
    if "lift_price" in reading.requests:
        state = replace(state, price=PriceLimits(), said_price=PriceLimits())
    if "lift_brand" in reading.requests:
        state = replace(state, brands=(), not_brands=())
    if "lift_category" in reading.requests:
        state = replace(state, categories=(), names=(), or_words=(), not_categories=())
    return state


def _without_wanted(state: Understood, reading: Reading) -> Understood:
    """Drop exclusions that the turn contradicts."""
    named = (reading.named, *reading.alternatives.parts)
    names = [*reading.attributes, *reading.categories, *reading.brands, *filter(None, named)]
    wanted = {tokens_of(folded_text(name)) for name in names}
    return replace(
        state,
        not_words=tuple(word for word in state.not_words if not _is_wanted(word, wanted)),
        not_categories=tuple(name for name in state.not_categories if name not in reading.categories),
        not_brands=tuple(name for name in state.not_brands if name not in reading.brands),
    )


def _is_wanted(word: str, wanted: set[tuple[str, ...]]) -> bool:
    """Whether an excluded word is wanted, in Chinese also as the beginning of a longer word: 有机 in 有机绿茶.

    An ingredient is not: 糖果 does not allow 糖.
    """
    tokens = tokens_of(word)
    longer = len(tokens) > 1 and word not in INGREDIENTS["zh"] and HAN_WORD.fullmatch(word) is not None
    return tokens in wanted or (longer and any(other[: len(tokens)] == tokens for other in wanted))


def _merged(state: Understood, new: list[str], reading: Reading, lexicon: Lexicon) -> tuple[str, ...]:
    """Old and new words, without the old ones that a new one replaces: another colour, or another alternative."""
    replaced = set[str]()
    for group in (*lexicon.alternatives, *({w for p in group for w in p.split()} for group in state.alternatives)):
        if group & set(new) and not reading.adds:
            replaced |= group
    seen = {tokens_of(word) for word in new}
    return (*(word for word in state.attributes if word not in replaced and tokens_of(word) not in seen), *new)


def _new(reading: Reading) -> tuple[tuple[str, ...], ...]:
    return reading.alternatives.words


def _groups(state: Understood, reading: Reading) -> tuple[tuple[str, ...], ...]:
    """The groups of alternatives before and of a turn; a turn such as "or blue" adds to the last group or word."""
    new = reading.alternatives.words
    if not reading.adds or not reading.attributes or not state.attributes:
        return (*state.alternatives, *new)
    last = state.attributes[-1]
    last = " ".join(word for word in state.attributes if word in state.things) if last in state.things else last
    old = next((group for group in state.alternatives if last in group), (last,))
    joined = (*old, *(phrase for group in new or ((" ".join(reading.attributes),),) for phrase in group))
    return (*(group for group in state.alternatives if group != old), tuple(dict.fromkeys(joined)))


def _kept_groups(groups: tuple[tuple[str, ...], ...], words: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """The groups with their phrases of wanted words; a single phrase is no alternative."""
    kept = (tuple(phrase for phrase in group if set(phrase.split()) <= set(words)) for group in groups)
    return tuple(dict.fromkeys(group for group in kept if len(group) > 1))


def _union(old: tuple[str, ...], new: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*old, *new)))
