"""Limits of the influence of one user and of a group of users on an item."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from ...tokenization.tables.schema import ShopTables
from .user_features import UserItems, text_vectors, tied_users, user_items

USER_QUANTILE = 0.999
"""Quantile of the users' numbers of events above which the earliest events of a user are left out."""
TIE_QUANTILE = 0.99
"""Quantile, over pairs of items with unlike texts, of the users who have both: so many users can tie such a pair."""
UNLIKE = 0.1
"""Cosine of texts below which two items are unlike."""


def limit_influence(shop: ShopTables, seed: int = 0) -> ShopTables:
    """Tables in which one user and a group of users have a limited influence.

    * One user has at most as many events as 99.9 % of the users, or the second most; the latest ones are kept.
    * Two items with unlike texts are tied by at most as many users as 99 % of such pairs. Others lose their events
      with the rarer item.

    Users who lose events are drawn at random; their other events stay. The limits need no guess of who is fake.

    Args:
        shop: Tables that may be poisoned.
        seed: Seed of the draw.
    """
    events, draw = shop.events.with_row_index("_place"), np.random.default_rng(seed)
    pairs = user_items(events)
    kept = tie_limit(pairs, shop.items, draw)
    names = {"user_id": np.asarray(pairs.users)[pairs.user], "item_id": np.asarray(pairs.items)[pairs.item]}
    schema = dict.fromkeys(names, pl.String)
    dropped = pl.DataFrame({name: values[~kept].tolist() for name, values in names.items()}, schema=schema)
    events = events.join(dropped, on=["user_id", "item_id"], how="anti", maintain_order="left")
    most = int(shop.events.group_by("user_id").len()["len"].quantile(USER_QUANTILE, "lower") or 1)
    order = [name for name in ("timestamp", "order") if name in events.columns]
    latest = events.sort(order, maintain_order=True).group_by("user_id", maintain_order=True).tail(most)
    return replace(shop, events=latest.sort("_place").drop("_place"))


def tie_limit(pairs: UserItems, items: pl.DataFrame, draw: np.random.Generator) -> np.ndarray:
    """(pairs,) True for the events that are kept, where too many users tie two items with unlike texts.

    Args:
        pairs: Users and their items.
        items: Validated items table.
        draw: Order in which users are kept.
    """
    kept = np.ones(len(pairs.user), bool)
    first, second, users = tied_users(pairs, text_vectors(items, pairs.items), UNLIKE)
    if not len(users):
        return kept
    most = int(np.quantile(users, TIE_QUANTILE, method="higher"))
    counts = np.bincount(pairs.item)
    had = [pairs.user[pairs.item == item] for item in range(len(counts))] if (users > most).any() else []
    for one, other in zip(first[users > most], second[users > most], strict=True):
        rare = one if counts[one] <= counts[other] else other
        both = draw.permutation(np.intersect1d(had[one], had[other]))
        kept[(pairs.item == rare) & np.isin(pairs.user, both[most:])] = False
    return kept
