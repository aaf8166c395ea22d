"""The items that keep every limit of a dialogue. Limits are filters: no score can override one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch

from ...modeling_xcat.conditions_xcat import ItemConditions
from ...tokenization.vocabulary import NUM_SPECIAL_ROWS, ItemVocabulary
from .catalogue_words import CatalogueWords
from .chinese import CHINESE
from .dialogue import Understood
from .english import ENGLISH
from .prices import PriceLimits
from .text_tokens import folded_text, tokens_of

_CODES = {**ENGLISH.prices.currencies, **CHINESE.prices.currencies}

_LOOSENED = ("price", "not_items", "brand", "category", "not_brand", "not_category", "not_word")
"""Kinds of limits, in the order in which they are proposed to be dropped."""


class Limit(NamedTuple):
    """One limit or wish that leaves items out.

    Args:
        kind: "price", "not_word", "not_category", "not_brand", "not_items", "category" or "brand".
        value: The excluded word or name; empty for the price, for items and for what is wanted.
    """

    kind: str
    value: str = ""


class AllowedItems:
    """Filters over one catalogue.

    Args:
        vocabulary: The catalogue.
        words: Its words.

    Attributes:
        prices: (items,) price, NaN if unknown.
    """

    def __init__(self, vocabulary: ItemVocabulary, words: CatalogueWords) -> None:
        self._vocabulary, self._words = vocabulary, words
        self._conditions = ItemConditions(vocabulary, torch.device("cpu"))
        self.prices = np.full(vocabulary.num_items, np.nan)
        if "price" in vocabulary.table.column_names:
            self.prices = self._conditions.numbers("price").numpy()[NUM_SPECIAL_ROWS:]
        self._within: np.ndarray | None = None
        self._currencies: np.ndarray | None = None
        if "currency" in vocabulary.table.column_names:
            stated = vocabulary.table["currency"].to_pylist()
            self._currencies = np.array([_CODES.get(str(code).lower(), str(code).upper()) for code in stated])

    def within(self, listable: np.ndarray) -> AllowedItems:
        """The same filters over some of the items only.

        Args:
            listable: (items,) True for the items that may be listed at all.
        """
        same = copy(self)
        same._within = listable
        return same

    def __call__(self, state: Understood) -> np.ndarray:
        """(items,) True for the items that keep all limits and wishes with a name (category, brand)."""
        allowed = np.ones(self._vocabulary.num_items, dtype=bool) if self._within is None else self._within.copy()
        for limit in limits_of(state):
            allowed &= self._kept(limit, state)
        return allowed

    def priced(self, limits: PriceLimits) -> np.ndarray:
        """(items,) True for the items whose price is known and within limits."""
        kept: np.ndarray = ~np.isnan(self.prices)
        if self._currencies is not None and limits.currency is not None:
            kept &= self._currencies == limits.currency
        for condition in limits.conditions if kept.any() else ():
            kept &= self._conditions.keeping(condition).numpy()[NUM_SPECIAL_ROWS:]
        return kept

    def compared(self, limits: PriceLimits, request: str, price: float, shown: Sequence[str]) -> PriceLimits:
        """Price limits with a comparison, where that is tighter.

        The currency is that of the catalogue. If it states none, it is that of a limit of the other side, if any.

        Args:
            limits: The limits.
            request: "cheaper" or "dearer".
            price: The price to compare with.
            shown: Ids of the items that are compared.
        """
        if request == "cheaper" and (limits.maximum is None or price <= limits.maximum):
            limits = replace(limits, maximum=price, below_maximum=True)
            other = limits.minimum
        elif request == "dearer" and (limits.minimum is None or price >= limits.minimum):
            limits = replace(limits, minimum=price, above_minimum=True)
            other = limits.maximum
        else:
            return limits
        if self._currencies is not None:
            rows = self._vocabulary.encode(list(shown)) - NUM_SPECIAL_ROWS
            stated = set(self._currencies[rows].tolist())
            return replace(limits, currency=stated.pop() if len(stated) == 1 else limits.currency)
        return limits if other is not None else replace(limits, currency=None)

    def unpriced(self, state: Understood) -> int:
        """Number of items that only an unknown price leaves out."""
        if not state.price:
            return 0
        others = self(replace(state, price=PriceLimits()))
        return int((others & np.isnan(self.prices)).sum())

    def _kept(self, limit: Limit, state: Understood) -> np.ndarray:
        words = self._words
        if limit.kind == "price":
            return self.priced(state.price)
        if limit.kind == "not_items":
            kept = np.ones(len(self.prices), dtype=bool)
            kept[self._vocabulary.encode(list(state.not_items)) - NUM_SPECIAL_ROWS] = False
            return kept
        if limit.kind == "not_word":
            # "not tea" in Coffee & Tea: every item has the name of its category in its texts
            is_part = words.categories.get(tokens_of(limit.value)) in state.categories
            without: np.ndarray = ~(words.titled_rows if is_part else words.excluded_rows)(limit.value)
            return without
        if limit.kind == "category":
            kept = words.of("category", *state.categories)
            return kept | words.having([state.or_words]) if state.or_words else kept
        if limit.kind == "brand":
            return words.of("brand", *state.brands)
        column = limit.kind.removeprefix("not_")
        # The name is also looked for in the texts: an item without a brand may have it in its title.
        other: np.ndarray = ~(words.of(column, limit.value) | words.excluded_rows(folded_text(limit.value)))
        return other


def limits_of(state: Understood) -> Iterator[Limit]:
    """The limits and named wishes of a state, the price first."""
    if state.price:
        yield Limit("price")
    for kind, values in (
        ("not_word", state.not_words), ("not_category", state.not_categories), ("not_brand", state.not_brands),
    ):  # fmt: skip
        yield from (Limit(kind, value) for value in values)
    if state.brands:
        yield Limit("brand")
    if state.categories:
        yield Limit("category")
    if state.not_items:
        yield Limit("not_items")


def without(state: Understood, limit: Limit) -> Understood:
    """A state without one limit."""
    if limit.kind == "price":
        return replace(state, price=PriceLimits(), said_price=PriceLimits())
    if limit.kind == "not_items":
        return replace(state, not_items=())
    if limit.kind == "category":
        return replace(state, categories=(), names=(), or_words=())
    if limit.kind == "brand":
        return replace(state, brands=())
    name = {"not_word": "not_words", "not_category": "not_categories", "not_brand": "not_brands"}[limit.kind]
    kept = tuple(value for value in getattr(state, name) if value != limit.value)
    changed: dict[str, Any] = {name: kept}
    return replace(state, **changed)


def limit_to_loosen(counts: Sequence[tuple[Limit, int]]) -> tuple[Limit, int] | None:
    """The limit to propose when no item is left; None if no single one frees any.

    Exclusions come last: what a customer must not eat is not to be dropped with a short "yes".

    Args:
        counts: Each limit, with the number of items that are allowed without it.
    """
    freeing = [pair for pair in counts if pair[1]]
    return min(freeing, key=lambda pair: _LOOSENED.index(pair[0].kind), default=None)
