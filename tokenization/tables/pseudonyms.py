"""Pseudonymised events, to be shared as a dataset."""

from __future__ import annotations

import numpy as np
import polars as pl

from .event_times import event_columns

_LABELS = ("train", "validation", "valid", "val", "dev", "test")


def without_user_data(events: pl.DataFrame, seed: int | None = None) -> pl.DataFrame:
    """Replace ids of users and baskets by numbers, and drop columns that may contain texts.

    The numbers are random and users are sorted by them, so neither reveals the ids. Each user's sequence of items with
    times remains: knowing some events of a person may reveal the person's other events.

    Args:
        events: Events of `ShopTables`.
        seed: Seed of the numbers; None for new numbers each time, which nobody can reproduce.

    Returns:
        The columns of `EVENT_SCHEMA`, with the events of a user together and in their order.

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
    """A random number for each distinct id, as text."""
    distinct = ids.drop_nulls().unique(maintain_order=True)
    numbers = np.random.default_rng(seed).permutation(len(distinct)) + 1
    return ids.replace_strict(distinct, pl.Series(numbers).cast(pl.String), default=None, return_dtype=pl.String)
