"""Order of the allowed items: the one place that says which of them a customer sees first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any, Literal

import numpy as np
import torch

from ...modeling_xcat.queries_xcat import readable
from ...modeling_xcat.recommending_xcat import Recommendations
from ...ranking.recommender import XCatRecommender
from ...tokenization.vocabulary import NUM_SPECIAL_ROWS
from .catalogue_words import CatalogueWords
from .dialogue import Understood
from .families import INGREDIENTS


def reads(recommender: XCatRecommender, text: str) -> bool:
    """Whether the model of a recommender was trained to read queries, and can read this one."""
    asks = recommender.model.model.asks
    if asks is None or not asks.is_fitted or not text:
        return False
    return readable(recommender.ranker, recommender.processor, [text])[0]


def fitting_rows(words: CatalogueWords, state: Understood) -> np.ndarray:
    """(items,) True for the items with the main noun: the things wanted, or the part of a category name in a title.

    Args:
        words: The words of the catalogue.
        state: What is wanted.
    """
    if state.names:
        found = words.having([state.or_words]) if state.or_words else np.zeros(words.num_items, dtype=bool)
        for name in state.names:
            found |= words.titled_rows(name)
        return found
    of_things = [want for want in state.wants if _names_thing(want, state)]
    return words.having(of_things[-1:] if len(of_things) > 1 and not words.having(of_things).any() else of_things)


def naming_rows(words: CatalogueWords, state: Understood) -> np.ndarray:
    """(items,) True for the items that a wanted noun names, and that have the wanted ingredients.

    A noun of one Han character often begins the name of another thing, so the title has to end a word with it: 绿茶,
    and not 茶壶. Other nouns name all items. A text that denies an ingredient (不含酒精) does not have it.

    Args:
        words: The words of the catalogue.
        state: What is wanted.
    """
    found = words.having([(word,) for word in state.attributes if word in INGREDIENTS["zh"]])
    if not state.things or any(len(thing) > 1 or thing.isascii() for thing in state.things):
        return found
    found &= np.logical_or.reduce([words.named_rows(thing) for thing in state.things])
    return found


@torch.no_grad()
def close_in_meaning(recommender: XCatRecommender, state: Understood, rows: np.ndarray) -> np.ndarray:
    """(n,) True for the items whose meaning is close to the wanted things or words; see `XCatAskReader.is_close`.

    Args:
        recommender: The recommender.
        state: What is wanted.
        rows: (n,) item indices.
    """
    text = " ".join((*(state.things or state.attributes), *state.or_words, *state.names))
    if not len(rows) or not reads(recommender, text):
        return np.zeros(len(rows), dtype=bool)
    base = recommender.model.model
    reader: Any = base.asks
    asks = recommender.ranker.read_asks(recommender.processor.ask_inputs([text]))
    close: torch.Tensor = reader.is_close(asks, torch.as_tensor(rows, device=base.device)[None], base.items)[0]
    found: np.ndarray = close.cpu().numpy()
    return found


class ItemOrder:
    """Orders allowed items for one customer.

    A model that reads queries orders them by the wanted words and the history. For other models, the items with most
    of the wanted words come first, and equals are in the order of the model: by the history, or by popularity.

    Args:
        recommender: The recommender.
        words: The words of its catalogue.
        history: Item ids, oldest first.
    """

    def __init__(self, recommender: XCatRecommender, words: CatalogueWords, history: Sequence[str]) -> None:
        self._recommender, self._words, self._history = recommender, words, list(history)

    def first(self, allowed: np.ndarray, state: Understood, k: int) -> Recommendations:
        """The first allowed items, each with the wanted words that it has.

        Items with the main noun (`fitting_rows`) come first, and of those the ones it names (`naming_rows`). Without a
        wanted category, an item without a wanted word is listed only if it is close in meaning.

        Args:
            allowed: (items,) True for the items that may be recommended.
            state: What is wanted.
            k: Number of items.
        """
        fits = allowed & fitting_rows(self._words, state)
        named = fits & naming_rows(self._words, state)
        parts = [part for part in (named, fits & ~named, allowed & ~fits) if part.any()]
        found = self._of_alternatives(parts[0] if parts else allowed, state, k)
        for part in parts[1:]:
            if len(found) < k:
                found.extend(self._of_alternatives(part, state, k - len(found)))
        rows = self._recommender.vocabulary.encode([item.item_id for item in found])
        places = rows - NUM_SPECIAL_ROWS
        having = [tuple(word for word in state.attributes if self._words.rows(word)[place]) for place in places]
        wanted = fits[places] if state.things else np.array([bool(has) for has in having], dtype=bool)
        close = np.zeros(len(rows), dtype=bool)
        if state.attributes:
            close[~wanted] = close_in_meaning(self._recommender, state, rows[~wanted])
        found[:] = [
            replace(item, words=has, by_meaning=bool(near))
            for item, has, near, is_wanted in zip(found, having, close, wanted, strict=True)
            if state.categories or not state.attributes or near or is_wanted
        ]
        return found

    def _of_alternatives(self, allowed: np.ndarray, state: Understood, k: int) -> Recommendations:
        """The first allowed items of each alternative in turn: coffee, tea, coffee, tea."""
        parts = [part for rows in _alternatives(self._words, state) if (part := allowed & rows).any()]
        if len(parts) < 2:
            return self._of_part(allowed, state, k)
        lists = [self._of_part(part, state, k) for part in parts]
        in_turn = (item for of_rank in zip_longest(*lists) for item in of_rank if item is not None)
        first = list({item.item_id: item for item in in_turn}.values())[:k]
        found = lists[0]
        found[:] = first
        return found

    def _of_part(self, allowed: np.ndarray, state: Understood, k: int) -> Recommendations:
        if not reads(self._recommender, state.wanted_text):
            return self._by_words(allowed, state, k)
        explain: Literal["history", False] = "history" if self._history else False
        return self._recommender.recommend(
            self._history, k, query=state.wanted_text, only_items=self._ids(allowed), explain=explain
        )

    def _by_words(self, allowed: np.ndarray, state: Understood, k: int) -> Recommendations:
        matches = np.zeros(len(allowed), dtype=np.int64)
        for want in state.wants:
            matches += 2 * self._words.having([want])
        for word in state.hints:
            matches += self._words.rows(word)
        for word in state.things:
            matches += self._words.named_rows(word)
        found: Recommendations | None = None
        for count in np.unique(matches[allowed])[::-1]:
            some = self._ids(allowed & (matches == count))
            left = k - len(found or ())
            more = self._recommender.recommend(self._history, left, only_items=some, explain=bool(self._history))
            if found is None:
                found = more
            else:
                found.extend(more)
            if len(found) >= k:
                break
        return Recommendations() if found is None else found

    def _ids(self, allowed: np.ndarray) -> list[str]:
        listed: list[str] = self._recommender.vocabulary.column("item_id").to_numpy()[allowed].tolist()
        return listed


def _alternatives(words: CatalogueWords, state: Understood) -> list[np.ndarray]:
    """(items,) flags of the items of each alternative to the main noun; empty without alternatives."""
    if len(state.names) > 1:
        return [*map(words.titled_rows, state.names), *map(words.rows, state.or_words)]
    if len(state.categories) + len(state.or_words) > 1:
        return [*(words.of("category", name) for name in state.categories), *map(words.rows, state.or_words)]
    if len(state.brands) > 1:
        return [words.of("brand", name) for name in state.brands]
    groups = [group for group in state.alternatives if _names_thing(group, state)]
    return [words.rows(phrase) for phrase in groups[0]] if groups else []


def _names_thing(want: Sequence[str], state: Understood) -> bool:
    return any(word in state.things for phrase in want for word in phrase.split())
