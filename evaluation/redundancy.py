"""Metrics of redundancy: how alike the items of a list are, and how its categories differ from the history's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..tokenization.vocabulary import NUM_SPECIAL_ROWS, ItemVocabulary

SMOOTHING = 0.01
"""Share of the history's distribution that is mixed into the list's, so that the divergence is finite (Steck 2018)."""


def intra_list_similarity(vectors: np.ndarray) -> np.ndarray:
    """Mean cosine of all pairs of items of each list (Ziegler et al., WWW 2005).

    Args:
        vectors: (lists, items, width) vectors of length 1.

    Returns:
        (lists,) similarities; NaN for lists of one item.

    Example:
        >>> intra_list_similarity(np.array([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])).round(4).tolist()
        [0.3333]
    """
    pairs = _pairs(vectors)
    return pairs.mean(axis=1) if pairs.shape[1] else np.full(len(vectors), np.nan)


def minimum_distance(vectors: np.ndarray) -> np.ndarray:
    """Smallest `1 - cosine` of a pair of items of each list; 0 if two items are alike.

    Args:
        vectors: (lists, items, width) vectors of length 1.

    Returns:
        (lists,) distances; NaN for lists of one item.

    Example:
        >>> minimum_distance(np.array([[[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]]])).round(4).tolist()
        [0.2]
    """
    pairs = _pairs(vectors)
    return 1 - pairs.max(axis=1) if pairs.shape[1] else np.full(len(vectors), np.nan)


def duplicates(products: np.ndarray) -> np.ndarray:
    """Number of items of each list whose product is in it before.

    Args:
        products: (lists, items) numbers of products, such as `product_codes(vocabulary)[rows]`; -1 for none.

    Returns:
        (lists,) numbers.

    Example:
        >>> duplicates(np.array([[4, 7, 4, 4], [-1, -1, 2, 3]])).tolist()
        [2, 0]
    """
    return np.array([sum(row >= 0) - len(set(row[row >= 0].tolist())) for row in np.asarray(products)], dtype=int)


def category_coverage(codes: np.ndarray) -> np.ndarray:
    """Number of different categories of each list.

    Args:
        codes: (lists, items) codes of categories, -1 for none.

    Returns:
        (lists,) numbers.

    Example:
        >>> category_coverage(np.array([[0, 0, 3], [-1, -1, 1]])).tolist()
        [2, 1]
    """
    return np.array([len(set(row[row >= 0].tolist())) for row in np.asarray(codes)], dtype=int)


def kl_to_history(codes: np.ndarray, histories: Sequence[np.ndarray]) -> np.ndarray:
    """Kullback-Leibler divergence from the category shares of each history to those of the list (Steck, RecSys 2018).

    The shares of the list are mixed with `SMOOTHING` of those of the history. Items without a category count in the
    length of the list, and are left out of the history.

    Args:
        codes: (lists, items) codes of categories, -1 for none.
        histories: Codes of the history of each list.

    Returns:
        (lists,) divergences in nats, 0 for the same shares; NaN for a history without a category.

    Example:
        >>> kl_to_history(np.array([[0, 1], [0, 0]]), [np.array([0, 1, 1, 0])] * 2).round(4).tolist()
        [0.0, 1.9585]
    """
    found = np.full(len(histories), np.nan)
    for place, history in enumerate(histories):
        names, wanted = category_shares(np.asarray(history))
        if len(names):
            shares = (codes[place][:, None] == names).mean(axis=0)
            found[place] = kl_terms(wanted, shares).sum()
    return found


def category_shares(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The categories of a history, sorted, and their shares of its events with a category.

    Args:
        codes: (events,) codes of categories, -1 for none.

    Example:
        >>> [part.tolist() for part in category_shares(np.array([5, 2, 5, -1]))]
        [[2, 5], [0.3333333333333333, 0.6666666666666666]]
    """
    names, counts = np.unique(codes[codes >= 0], return_counts=True)
    return names, counts / max(counts.sum(), 1)


def kl_terms(wanted: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The terms of the divergence of `kl_to_history`, per category of the history; 0 where nothing is wanted.

    Args:
        wanted: (..., categories) shares in the history.
        shares: (..., categories) shares in the list.
    """
    mixed = (1 - SMOOTHING) * shares + SMOOTHING * wanted
    positive = wanted > 0
    terms: np.ndarray = wanted * np.log(np.where(positive, wanted, 1) / np.where(positive, mixed, 1))
    return terms


def product_codes(vocabulary: ItemVocabulary, column: str = "title") -> np.ndarray:
    """Number of the product of every item: variants have the same title, without case and surplus blanks.

    Args:
        vocabulary: The catalogue.
        column: Column that variants share.

    Returns:
        (rows,) numbers; -1 for an item without a title.
    """
    codes, values = vocabulary.codes(column)
    numbers: dict[str, int] = {}
    folded = [" ".join(value.casefold().split()) for value in values]
    products = np.array([numbers.setdefault(text, len(numbers)) if text else -1 for text in folded] + [-1])
    found: np.ndarray = products[codes]
    found[:NUM_SPECIAL_ROWS] = -1
    return found


def _pairs(vectors: np.ndarray) -> np.ndarray:
    """(lists, pairs) cosines of the pairs of items of each list."""
    similarity = np.matmul(vectors, np.swapaxes(vectors, 1, 2))
    first, second = np.triu_indices(vectors.shape[1], 1)
    pairs: np.ndarray = similarity[:, first, second]
    return pairs
