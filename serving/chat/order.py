"""Order of the allowed items: the one place that says which of them a customer sees first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...modeling_xcat.recommending_xcat import Recommendations
from ...ranking.recommender import XCatRecommender
from .catalogue_words import CatalogueWords


def ordered_items(
    recommender: XCatRecommender,
    words: CatalogueWords,
    history: Sequence[str],
    allowed: np.ndarray,
    attributes: Sequence[str],
    k: int,
) -> Recommendations:
    """The first allowed items: those with most of the wanted words first, within equals in the model's order.

    For models that do not read queries. The model orders by the history, and by popularity without one.

    Args:
        recommender: The recommender.
        words: The words of its catalogue.
        history: Item ids, oldest first.
        allowed: (items,) True for the items that may be recommended.
        attributes: Wanted words.
        k: Number of items.
    """
    matches = np.zeros(len(allowed), dtype=np.int64)
    for word in attributes:
        matches += words.rows(word)
    ids = recommender.vocabulary.column("item_id").to_numpy()
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
