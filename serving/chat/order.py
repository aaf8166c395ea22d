"""Order of the allowed items: the one place that says which of them a customer sees first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from ...modeling_xcat.queries_xcat import readable
from ...modeling_xcat.recommending_xcat import Recommendations
from ...ranking.recommender import XCatRecommender
from ...tokenization.vocabulary import NUM_SPECIAL_ROWS
from .catalogue_words import CatalogueWords
from .dialogue import Understood


def reads(recommender: XCatRecommender, text: str) -> bool:
    """Whether the model of a recommender was trained to read queries, and can read this one."""
    asks = recommender.model.model.asks
    if asks is None or not asks.is_fitted or not text:
        return False
    return readable(recommender.ranker, recommender.processor, [text])[0]


def compares_meaning(recommender: XCatRecommender, state: Understood, history: Sequence[str]) -> bool:
    """Whether items without a wanted word are listed for their meaning, and not for the history."""
    asks = recommender.model.model.asks
    return asks is not None and reads(recommender, state.wanted_text) and not history and float(asks.view[1]) > 0


def ordered_items(
    recommender: XCatRecommender,
    words: CatalogueWords,
    history: Sequence[str],
    allowed: np.ndarray,
    state: Understood,
    k: int,
) -> Recommendations:
    """The first allowed items, each with the wanted words that it has.

    A model that reads queries orders them by the wanted words and the history. For other models, the items with most
    of the wanted words come first, and equals are in the order of the model: by the history, or by popularity. Such a
    model knows no item for a word that the item does not have. So without a category or brand, items without the words
    are left out if there are others.

    If the category is wanted by a part of its name, such as "coffee", items with it in their title come first.

    Args:
        recommender: The recommender.
        words: The words of its catalogue.
        history: Item ids, oldest first.
        allowed: (items,) True for the items that may be recommended.
        state: What is wanted.
        k: Number of items.
    """
    first = allowed & words.titled_rows(state.named) if state.named else allowed
    if 0 < first.sum() < allowed.sum():
        found = ordered_items(recommender, words, history, first, replace(state, named=""), k)
        if len(found) < k:
            left = k - len(found)
            found.extend(ordered_items(recommender, words, history, allowed & ~first, replace(state, named=""), left))
        return found
    explain: Literal["history", False] = "history" if history else False
    if reads(recommender, state.wanted_text):
        only = _ids(recommender, allowed)
        found = recommender.recommend(list(history), k, query=state.wanted_text, only_items=only, explain=explain)
    else:
        found = _by_words(recommender, words, history, allowed, state, k)
    rows = recommender.vocabulary.encode([item.item_id for item in found]) - NUM_SPECIAL_ROWS
    for place, row in enumerate(rows):
        has = tuple(word for word in state.attributes if words.rows(word)[row])
        found[place] = replace(found[place], words=has)
    return found


def _by_words(
    recommender: XCatRecommender,
    words: CatalogueWords,
    history: Sequence[str],
    allowed: np.ndarray,
    state: Understood,
    k: int,
) -> Recommendations:
    matches = np.zeros(len(allowed), dtype=np.int64)
    for word in state.attributes:
        matches += 2 * words.rows(word)
    for word in state.hints:
        matches += words.rows(word)
    for word in state.things:
        matches += words.named_rows(word)
    if not (state.category or state.brand) and (allowed & (matches > 0)).any():
        allowed = allowed & (matches > 0)
    found: Recommendations | None = None
    for count in np.unique(matches[allowed])[::-1]:
        some = _ids(recommender, allowed & (matches == count))
        left = k - len(found or ())
        more = recommender.recommend(list(history), left, only_items=some, explain=bool(history))
        if found is None:
            found = more
        else:
            found.extend(more)
        if len(found) >= k:
            break
    return Recommendations() if found is None else found


def _ids(recommender: XCatRecommender, allowed: np.ndarray) -> list[str]:
    ids = recommender.vocabulary.column("item_id").to_numpy()
    listed: list[str] = ids[allowed].tolist()
    return listed
