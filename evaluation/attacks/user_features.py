"""Features of users by which coordinated profiles are told from others."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from ...tokenization.text.hidden_characters import HAN, WORD

FEATURES = (
    "events", "popularity", "least popular", "spread of popularity", "likeness of texts", "least likeness of texts",
    "co-occurrence", "least co-occurrence", "most co-occurrence", "co-occurrence without likeness",
    "least likeness of an item's users", "least co-occurrence of an item's users", "nearest user", "nearest ten users",
    "most tied items",
    "least likeness of an item's users in errors", "least co-occurrence of an item's users in errors",
)  # fmt: skip
"""Features of a user, in the order of their columns."""
TEXT_COLUMNS = ("title", "brand", "category")
PRIOR = 5.0
"""Users with the mean value that are added to those of an item."""
TIE_PRIOR = 10.0
"""Users that are added to the number of users of two items, so that a tie needs several users."""
_NEAREST = 10
_USERS_AT_ONCE = 1024
_HAN_PAIR = re.compile(f"(?=([{HAN}]{{2}}))")


@dataclass(frozen=True)
class UserItems:
    """Users and their items, each pair once, in a fixed order.

    Args:
        users: Ids of the users.
        items: Ids of the items with events.
        user: (pairs,) number of the user.
        item: (pairs,) number of the item.
    """

    users: list[str]
    items: list[str]
    user: np.ndarray
    item: np.ndarray

    def matrix(self) -> Any:
        """(users, items) sparse matrix of ones."""
        from scipy.sparse import csr_matrix

        shape = (len(self.users), len(self.items))
        return csr_matrix((np.ones(len(self.user)), (self.user, self.item)), shape=shape)


def user_items(events: pl.DataFrame) -> UserItems:
    """Distinct pairs of users and items of validated events."""
    pairs = events.select("user_id", "item_id").drop_nulls().unique(maintain_order=True)
    users, items = (pairs[name].unique().sort() for name in ("user_id", "item_id"))
    places = [
        pairs[name].replace_strict(known, np.arange(len(known)), return_dtype=pl.Int64).to_numpy()
        for name, known in (("user_id", users), ("item_id", items))
    ]
    return UserItems(users.to_list(), items.to_list(), *places)


def words_of_item(text: str) -> list[str]:
    """Words of a text in small letters, and pairs of Han characters.

    Example:
        >>> words_of_item("Red TENT, 红色帐篷")
        ['red', 'tent', '红色', '色帐', '帐篷']
    """
    return [*WORD.findall(text.casefold()), *_HAN_PAIR.findall(text)]


def text_vectors(items: pl.DataFrame, wanted: list[str]) -> Any:
    """(items, words) sparse unit vectors of the items' texts, weighted by inverse frequency.

    Args:
        items: Validated items table.
        wanted: Ids of the items, in their order.
    """
    from scipy.sparse import csr_matrix, diags

    columns = [name for name in TEXT_COLUMNS if name in items.columns]
    joined = pl.concat_str(columns, separator=" ", ignore_nulls=True) if columns else pl.lit("")
    texts = dict(items.select("item_id", joined.alias("text")).iter_rows())
    places: dict[str, int] = {}
    rows, words = [], []
    for row, item in enumerate(wanted):
        for word in dict.fromkeys(words_of_item(texts.get(item) or "")):
            rows.append(row)
            words.append(places.setdefault(word, len(places)))
    found = csr_matrix((np.ones(len(rows)), (rows, words)), shape=(len(wanted), max(1, len(places))))
    frequency = np.asarray(found.sum(axis=0)).ravel()
    found = found @ diags(np.log((1 + len(wanted)) / np.maximum(frequency, 1)))
    return diags(1 / np.maximum(_lengths(found), 1e-12)) @ found


def _lengths(matrix: Any) -> np.ndarray:
    lengths: np.ndarray = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return lengths


def event_likeness(pairs: UserItems, items: pl.DataFrame) -> np.ndarray:
    """(pairs,) mean cosine of the item's text with those of the user's other items; 0 for a single item.

    Args:
        pairs: Users and their items.
        items: Validated items table.
    """
    return _likeness(pairs, text_vectors(items, pairs.items).tocsr())


def _likeness(pairs: UserItems, vectors: Any) -> np.ndarray:
    sums = (pairs.matrix() @ vectors).tocsr()
    own = _rows_dot(vectors, pairs.item, vectors, pairs.item)
    likeness: np.ndarray = (_rows_dot(vectors, pairs.item, sums, pairs.user) - own) / _others(pairs)
    return likeness


def _others(pairs: UserItems) -> np.ndarray:
    """(pairs,) other items of the user, at least 1."""
    others: np.ndarray = np.maximum(_sizes(pairs)[pairs.user] - 1, 1)
    return others


def ties_without_likeness(together: Any, vectors: Any, counts: np.ndarray) -> Any:
    """(items, items) sparse ties of two items that their texts do not explain.

    A tie is the users who have both, less one, over the root of the product of both items' users. It counts times 1
    less the cosine of the texts.

    Args:
        together: (items, items) sparse logarithm of the users who have both; without a diagonal.
        vectors: (items, words) of `text_vectors`.
        counts: (items,) users per item.
    """
    found = together.tocoo()
    alike = _rows_dot(vectors, found.row, vectors, found.col)
    lift = (np.exp(found.data) - 1) / np.sqrt(counts[found.row] * counts[found.col])
    found.data = lift * (1 - alike)
    return found.tocsr()


def many_users_ties(ties: Any, counts: np.ndarray) -> Any:
    """(items, items) sparse ties of `ties_without_likeness` that need several users.

    A tie counts times r / (r + `TIE_PRIOR`), where r is the root of the product of both items' users.

    Args:
        ties: (items, items) sparse ties.
        counts: (items,) users per item.
    """
    found = ties.tocoo(copy=True)
    root = np.sqrt(counts[found.row] * counts[found.col])
    found.data = found.data * root / (root + TIE_PRIOR)
    return found.tocsr()


def nearest_text(pairs: UserItems, items: pl.DataFrame, wanted: np.ndarray) -> np.ndarray:
    """Largest cosine of the item's text with those of the user's other items, for some pairs; 0 without others.

    Args:
        pairs: Users and their items.
        items: Validated items table.
        wanted: (pairs,) whether the value is wanted.

    Returns:
        (wanted pairs,) cosines.
    """
    vectors = text_vectors(items, pairs.items).tocsr()
    found = []
    for place in np.flatnonzero(wanted):
        others = pairs.item[(pairs.user == pairs.user[place]) & (pairs.item != pairs.item[place])]
        alike = (vectors[others] @ vectors[pairs.item[place]].T).toarray()
        found.append(alike.max(initial=0.0))
    return np.array(found)


def tied_users(pairs: UserItems, vectors: Any, unlike: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of items with unlike texts that two users or more have, and the number of these users.

    Args:
        pairs: Users and their items.
        vectors: (items, words) of `text_vectors`.
        unlike: Cosine below which texts are unlike.

    Returns:
        (ties,) number of the first item, of the second one, and of users.
    """
    from scipy.sparse import triu

    had, vectors = pairs.matrix(), vectors.tocsr()
    found = triu(had.T @ had, k=1).tocoo()
    several = found.data > 1
    first, second, users = (values[several] for values in (found.row, found.col, found.data))
    apart = _rows_dot(vectors, first, vectors, second) < unlike
    return first[apart], second[apart], users[apart].astype(int)


def others_mean(values: np.ndarray, pairs: UserItems) -> np.ndarray:
    """(pairs,) mean value of the item's other users, with `PRIOR` users of the mean value of all pairs added.

    Args:
        values: (pairs,) a value per pair.
        pairs: Users and their items.
    """
    number, total = np.bincount(pairs.item), np.bincount(pairs.item, weights=values)
    found: np.ndarray = (total[pairs.item] - values + PRIOR * values.mean()) / (number[pairs.item] - 1 + PRIOR)
    return found


def others_error(values: np.ndarray, pairs: UserItems) -> np.ndarray:
    """(pairs,) mean value of the item's other users less that of all pairs, in standard errors; 0 without others.

    The more users agree, the larger it is, unlike `others_mean`.

    Args:
        values: (pairs,) a value per pair.
        pairs: Users and their items.
    """
    spread = values.std()
    values = (values - values.mean()) / (spread if spread > 0 else 1.0)
    number, total = np.bincount(pairs.item), np.bincount(pairs.item, weights=values)
    found: np.ndarray = (total[pairs.item] - values) / np.sqrt(np.maximum(number[pairs.item] - 1, 1))
    return found


def _rows_dot(one: Any, rows: np.ndarray, other: Any, places: np.ndarray, block: int = 1 << 16) -> np.ndarray:
    """(pairs,) dot products of rows of two sparse matrices."""
    parts = [
        np.asarray(one[rows[at : at + block]].multiply(other[places[at : at + block]]).sum(axis=1)).ravel()
        for at in range(0, len(rows), block)
    ]
    products: np.ndarray = np.concatenate([*parts, np.zeros(0)])
    return products


def _rows_max(one: Any, rows: np.ndarray, other: Any, places: np.ndarray, block: int = 1 << 16) -> np.ndarray:
    """(pairs,) maximum of the products of the entries of rows of two sparse matrices."""
    parts = [
        one[rows[at : at + block]].multiply(other[places[at : at + block]]).max(axis=1).toarray().ravel()
        for at in range(0, len(rows), block)
    ]
    products: np.ndarray = np.concatenate([*parts, np.zeros(0)])
    return products


def user_features(pairs: UserItems, items: pl.DataFrame) -> np.ndarray:
    """(users, features) features in the order of `FEATURES`, from distinct pairs of users and items.

    Popularity is the logarithm of an item's users. Likeness of texts is `event_likeness`. Co-occurrence of two items
    is the logarithm of 1 + the other users who have both. Nearness of users is the cosine of their items, weighted by
    inverse popularity.

    Args:
        pairs: Users and their items.
        items: Validated items table.
    """
    had = pairs.matrix()
    counts = np.bincount(pairs.item, minlength=len(pairs.items))
    popularity = np.log(counts)[pairs.item]
    vectors = text_vectors(items, pairs.items).tocsr()
    likeness = _likeness(pairs, vectors)
    together = (had.T @ had).tocsr()
    together.setdiag(1)
    together.data = np.log(together.data)  # a pair that only this user has counts 0
    together.eliminate_zeros()
    support = _rows_dot(together, pairs.item, had, pairs.user) / _others(pairs)
    unlike = ties_without_likeness(together, vectors, counts)
    surprise = _rows_max(unlike, pairs.item, had, pairs.user)
    crowded = _rows_max(many_users_ties(unlike, counts), pairs.item, had, pairs.user)
    mean = _per_user(popularity, pairs, np.add.reduceat) / _sizes(pairs)
    square = _per_user(popularity**2, pairs, np.add.reduceat) / _sizes(pairs)
    columns = [
        np.log(_sizes(pairs)),
        mean,
        _per_user(popularity, pairs, np.minimum.reduceat),
        np.sqrt(np.maximum(square - mean**2, 0)),
        _per_user(likeness, pairs, np.add.reduceat) / _sizes(pairs),
        _per_user(likeness, pairs, np.minimum.reduceat),
        _per_user(support, pairs, np.add.reduceat) / _sizes(pairs),
        _per_user(support, pairs, np.minimum.reduceat),
        _per_user(support, pairs, np.maximum.reduceat),
        _per_user(surprise, pairs, np.maximum.reduceat),
        _per_user(others_mean(likeness, pairs), pairs, np.minimum.reduceat),
        _per_user(others_mean(support, pairs), pairs, np.minimum.reduceat),
        *_nearest(had, counts),
        _per_user(crowded, pairs, np.maximum.reduceat),
        _per_user(others_error(likeness, pairs), pairs, np.minimum.reduceat),
        _per_user(others_error(support, pairs), pairs, np.minimum.reduceat),
    ]
    return np.stack(columns, axis=1)


def _sizes(pairs: UserItems) -> np.ndarray:
    return np.bincount(pairs.user, minlength=len(pairs.users))


def _per_user(values: np.ndarray, pairs: UserItems, reduce: Any) -> np.ndarray:
    """(users,) reduction of the values of each user's pairs."""
    order = np.argsort(pairs.user, kind="stable")
    starts = np.cumsum(_sizes(pairs)) - _sizes(pairs)
    reduced: np.ndarray = reduce(values[order], starts)
    return reduced


def _nearest(had: Any, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cosine to the nearest user, and the mean of the nearest ten."""
    from scipy.sparse import diags

    weighted = had @ diags(np.log((1 + had.shape[0]) / counts))
    unit = (diags(1 / np.maximum(_lengths(weighted), 1e-12)) @ weighted).tocsr()
    first, mean = np.zeros(had.shape[0]), np.zeros(had.shape[0])
    wanted = min(_NEAREST, had.shape[0] - 1)
    for start in range(0, had.shape[0] if wanted else 0, _USERS_AT_ONCE):
        block = (unit[start : start + _USERS_AT_ONCE] @ unit.T).toarray()
        own = np.arange(len(block))
        block[own, start + own] = -1
        best = np.partition(block, -wanted, axis=1)[:, -wanted:]
        first[start : start + len(block)], mean[start : start + len(block)] = best.max(axis=1), best.mean(axis=1)
    return first, mean
