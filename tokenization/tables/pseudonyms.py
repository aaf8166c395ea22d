"""Events without what tells who the users are, to be shared as a data set."""

from __future__ import annotations

import numpy as np
import polars as pl

from .event_times import event_columns

_LABELS = ("train", "validation", "valid", "val", "dev", "test")


def without_user_data(events: pl.DataFrame, seed: int | None = None) -> pl.DataFrame:
    """Events with numbers for users and baskets, and without columns that may hold texts.

    The numbers are drawn, and users stand in their order, so that neither tells of the ids. What remains is each
    user's sequence of items with its times: who knows some events of a person may find that person's others.

    Args:
        events: Events of `ShopTables`.
        seed: Seed of the numbers; None for another draw every time, which nobody can repeat.

    Returns:
        The columns of `EVENT_SCHEMA`, the events of a user together and in the order they had.

    Example:
        >>> events = pl.DataFrame({"user_id": ["ann", "bo", "ann"], "item_id": ["a", "b", "c"]})
        >>> without_user_data(events, seed=0).rows()
        [('1', 'a'), ('1', 'c'), ('2', 'b')]
    """
    kept = events.select(name for name in event_columns(events) if name in events.columns)
    for name in ("user_id", "basket_id"):
        if name in kept.columns:
            kept = kept.with_columns(_numbered(kept[name], seed))
    if "split" in kept.columns:
        known = pl.col("split").str.to_lowercase().is_in(_LABELS)
        kept = kept.with_columns(split=pl.when(known).then("split"))
    return kept.sort(pl.col("user_id").cast(pl.Int64), maintain_order=True)


def _numbered(ids: pl.Series, seed: int | None) -> pl.Series:
    """A drawn number for each distinct id, as text."""
    distinct = ids.drop_nulls().unique(maintain_order=True)
    numbers = np.random.default_rng(seed).permutation(len(distinct)) + 1
    return ids.replace_strict(distinct, pl.Series(numbers).cast(pl.String), default=None, return_dtype=pl.String)
