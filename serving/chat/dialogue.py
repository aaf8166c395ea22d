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
        category: Wanted category.
        brand: Wanted brand.
        attributes: Other wanted words.
        things: The attributes that name a thing, such as "headphones".
        named: The part of its name by which the category is wanted, such as "coffee" for "Coffee & Tea".
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
    category: str | None = None
    brand: str | None = None
    attributes: tuple[str, ...] = ()
    things: tuple[str, ...] = ()
    named: str = ""
    hints: tuple[str, ...] = ()
    not_categories: tuple[str, ...] = ()
    not_brands: tuple[str, ...] = ()
    not_words: tuple[str, ...] = ()
    not_items: tuple[str, ...] = ()
    price: PriceLimits = field(default_factory=PriceLimits)
    said_price: PriceLimits = field(default_factory=PriceLimits)

    @property
    def wanted_text(self) -> str:
        """The wanted words as one text, for a model that reads queries."""
        return " ".join((*self.attributes, *self.hints, *filter(None, (self.named, self.brand, self.category))))

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values, for JSON: `wanted`, `not_wanted` and `limits`, with language and request."""
        price = self.price
        return {
            "language": self.language,
            "request": self.request,
            "wanted": {
                "category": self.category, "brand": self.brand, "attributes": list(self.attributes),
                **({"named": self.named} if self.named else {}), **({"hints": list(self.hints)} if self.hints else {}),
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
    state = _without_replaced(replace(_lifted(state, reading), language=lexicon.code), reading, words)
    said = state.said_price.refined(reading.price)
    price = said.with_comparison(state.price, state.said_price) if reading.price else state.price
    state = replace(state, price=price, said_price=said, hints=tuple(reading.hints))
    category = reading.categories[0] if reading.categories else state.category
    brand = reading.brands[0] if reading.brands else state.brand
    allowed = {tokens_of(word) for word in state.not_words} if "allowed" in reading.requests else set()
    wanted = [word for word in reading.attributes if tokens_of(word) not in allowed]  # "nuts are fine" is no wish
    attributes = _merged(state.attributes, wanted, lexicon)
    state = _without_wanted(state, reading, category, brand)
    excluded = {tokens_of(word) for word in reading.not_words}
    attributes = tuple(word for word in attributes if tokens_of(word) not in excluded)[-MAX_ATTRIBUTES:]
    category = None if category in reading.not_categories else category
    named = reading.named if reading.categories else state.named
    return replace(
        state,
        category=category,
        named="" if category is None else named,
        brand=None if brand in reading.not_brands else brand,
        attributes=attributes,
        things=tuple(word for word in dict.fromkeys((*state.things, *_things(state, reading))) if word in attributes),
        not_categories=_union(state.not_categories, reading.not_categories),
        not_brands=_union(state.not_brands, reading.not_brands),
        not_words=_union(state.not_words, reading.not_words),
    )


def _things(state: Understood, reading: Reading) -> list[str]:
    """The things that a turn names; a new subject is one if nothing else is wanted."""
    nothing_else = not (state.category or state.attributes)
    return reading.things or (reading.topics if nothing_else else [])


def _without_replaced(state: Understood, reading: Reading, words: CatalogueWords) -> Understood:
    """The state without the wishes that a category or thing of the turn replaces, and without comparisons of them."""
    nothing = replace(state, category=None, named="", brand=None, attributes=(), things=(), price=state.said_price)
    if reading.categories:
        newer = words.of("category", reading.categories[0])
        if state.category is not None:
            new = state.category != reading.categories[0]
            return nothing if new else _without_comparisons(state, reading)
    elif named := reading.things or reading.topics:
        newer = _rows_of(reading.attributes, words)
        newer = newer if newer.any() else _rows_of(named, words)
    else:
        return state
    older = _rows_of(state.things or state.attributes, words)
    if state.category is not None:
        older &= words.of("category", state.category)
    if state.brand is not None and not (state.things or state.category):
        older &= words.of("brand", state.brand)
    both_things = bool(reading.things and (state.things or state.category))
    if not reading.changes and words.belong_together(older, newer, _MOST if both_things else _SOME):
        return _without_comparisons(state, reading)
    if state.category is None or not (within := words.of("category", state.category) & newer).any():
        return nothing
    brand = state.brand if state.brand is not None and (within & words.of("brand", state.brand)).any() else None
    kept = tuple(word for word in state.attributes if word not in state.things)
    return replace(nothing, category=state.category, named=state.named, brand=brand, attributes=kept)


def _without_comparisons(state: Understood, reading: Reading) -> Understood:
    """The state without limits such as that of "cheaper", if the turn wants a category or thing that is new."""
    new = set(reading.things) - set(state.attributes) or set(reading.categories) - {state.category}
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
        state = replace(state, brand=None, not_brands=())
    if "lift_category" in reading.requests:
        state = replace(state, category=None, not_categories=())
    return state


def _without_wanted(state: Understood, reading: Reading, category: str | None, brand: str | None) -> Understood:
    """Drop exclusions that the turn contradicts."""
    names = [*reading.attributes, *reading.categories, *reading.brands]
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


def _merged(old: tuple[str, ...], new: list[str], lexicon: Lexicon) -> tuple[str, ...]:
    """Old and new words, without the old ones that a new one replaces, such as another colour."""
    replaced = set[str]()
    for group in lexicon.alternatives:
        if group & set(new):
            replaced |= group
    seen = {tokens_of(word) for word in new}
    return (*(word for word in old if word not in replaced and tokens_of(word) not in seen), *new)


def _union(old: tuple[str, ...], new: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*old, *new)))
