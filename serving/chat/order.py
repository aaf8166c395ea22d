"""Order of the allowed items: the one place that says which of them a customer sees first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...modeling_xcat.recommending_xcat import Recommendations
from ...ranking.recommender import XCatRecommender
from .catalogue_words import CatalogueWords
from .dialogue import Understood


def ordered_items(
    recommender: XCatRecommender,
    words: CatalogueWords,
    history: Sequence[str],
    allowed: np.ndarray,
    state: Understood,
    k: int,
) -> Recommendations:
    """The first allowed items.

    A model that reads queries orders them by the wanted words and the history. For other models, the items with most
    of the wanted words come first, and equals are in the order of the model: by the history, or by popularity.

    Args:
        recommender: The recommender.
        words: The words of its catalogue.
        history: Item ids, oldest first.
        allowed: (items,) True for the items that may be recommended.
        state: What is wanted.
        k: Number of items.
    """
    ids = recommender.vocabulary.column("item_id").to_numpy()
    asks = recommender.model.model.asks
    if asks is not None and asks.is_fitted and state.wanted_text:
        some = ids[allowed].tolist()
        return recommender.recommend(list(history), k, query=state.wanted_text, only_items=some, explain=False)
    matches = np.zeros(len(allowed), dtype=np.int64)
    for word in state.attributes:
        matches += words.rows(word)
    found: Recommendations | None = None
    for count in np.unique(matches[allowed])[::-1]:
        some = ids[allowed & (matches == count)].tolist()
        more = recommender.recommend(list(history), k - len(found or ()), only_items=some, explain=False)
        if found is None:
            found = more
        else:
            found.extend(more)
        if len(found) >= k:
            break
    return Recommendations() if found is None else found
