"""Attacks by profiles: events of fake users that promote target items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from ...tokenization.tables.table_columns import EVENT_SCHEMA

POPULAR_SHARE = 0.05
"""Share of the items with events that count as popular, at least `_LEAST_POPULAR` items."""
_LEAST_POPULAR = 10
_LEAST_EVENTS = 3
"""Events of a real user whose times a fake user copies."""
_HELD_OUT = 2
"""Latest events of a fake user that are not targets, because most splits hold them out of the training."""


@dataclass(frozen=True)
class ItemPool:
    """Items that a fake user can have beside the targets.

    Args:
        items: Ids of the items with events, the most popular first.
        popular: Ids of the popular ones.
        segment: Ids of the items of the targets' categories, the most popular first; all items without categories.
    """

    items: Sequence[str]
    popular: Sequence[str]
    segment: Sequence[str]


def item_pool(items: pl.DataFrame, events: pl.DataFrame, targets: Sequence[str]) -> ItemPool:
    """The items that fake users can have.

    Args:
        items: Validated items table.
        events: Validated events table.
        targets: Ids of the promoted items, which are left out.
    """
    counted = (
        events.filter(~pl.col("item_id").is_in(list(targets)))
        .group_by("item_id")
        .len()
        .sort(["len", "item_id"], descending=[True, False])
    )
    known: list[str] = counted["item_id"].to_list()
    popular = known[: max(_LEAST_POPULAR, round(POPULAR_SHARE * len(known)))]
    segment: list[str] = []
    if "category" in items.columns:
        categories = items.filter(pl.col("item_id").is_in(list(targets)))["category"].drop_nulls().unique().to_list()
        of_category = set(items.filter(pl.col("category").is_in(categories))["item_id"])
        segment = [item for item in known if item in of_category]
    return ItemPool(known, popular, segment or known)


def _random(pool: ItemPool, size: int, draw: np.random.Generator) -> list[str]:
    return _drawn(pool.items, size, draw)


def _popular(pool: ItemPool, size: int, draw: np.random.Generator) -> list[str]:
    return _drawn(pool.popular, size, draw)


def _bandwagon(pool: ItemPool, size: int, draw: np.random.Generator) -> list[str]:
    popular = _drawn(pool.popular, (size + 1) // 2, draw)
    others = [item for item in _drawn(pool.items, size, draw) if item not in popular]
    return popular + others[: size - len(popular)]


def _segment(pool: ItemPool, size: int, draw: np.random.Generator) -> list[str]:
    return _drawn(pool.segment, size, draw)


def _drawn(items: Sequence[str], size: int, draw: np.random.Generator) -> list[str]:
    chosen = draw.choice(len(items), min(size, len(items)), replace=False)
    return [items[place] for place in chosen]


PROFILES: dict[str, Callable[[ItemPool, int, np.random.Generator], list[str]]] = {
    "random": _random,
    "popular": _popular,
    "bandwagon": _bandwagon,
    "segment": _segment,
}
"""Choices of the other items of a fake user (Lam and Riedl 2004; Mobasher et al. 2007): any items, popular items, half
of each, or items of the targets' categories."""


def fake_events(
    items: pl.DataFrame,
    events: pl.DataFrame,
    kind: str,
    targets: Sequence[str],
    users: int,
    seed: int = 0,
) -> pl.DataFrame:
    """Events of fake users who promote target items.

    A fake user has the times, types and number of the training events of a real user, drawn at random, so these say
    nothing. Up to half of the events are targets, drawn at random for each user, and never the latest two, unless a
    column `split` states which events are held out. Ratings are the highest ones.

    Args:
        items: Validated items table.
        events: Validated events table.
        kind: A name in `PROFILES`.
        targets: Ids of the promoted items.
        users: Number of fake users.
        seed: Seed of all draws.

    Returns:
        The events, with the columns of `events`; texts and other own columns are null.

    Raises:
        ValueError: If the kind is unknown, there is no target, or no user has enough events.

    Example:
        >>> items = pl.DataFrame({"item_id": list("abcdef")})
        >>> events = pl.DataFrame({"user_id": ["u"] * 4, "item_id": list("abcd"), "timestamp": [1, 2, 3, 4]})
        >>> fakes = fake_events(items, events, "random", ["f"], users=2)
        >>> fakes.height, fakes["user_id"].n_unique(), (fakes["item_id"] == "f").sum()
        (8, 2, 2)
    """
    if kind not in PROFILES:
        raise ValueError(f"kind is {kind!r}; give one of {', '.join(PROFILES)}")
    if not targets:
        raise ValueError("targets is empty; give the id of at least one item")
    draw = np.random.default_rng(seed)
    pool = item_pool(items, events, targets)
    held_out = 0 if _is_split(events) else _HELD_OUT
    made = []
    for name, template in zip(_new_names(events, users, draw), _templates(events, users, draw), strict=True):
        profile = _profile(pool, kind, targets, template.height, held_out, draw)
        size = len(profile)  # smaller than the template if there are fewer items
        made.append(template[-size:].with_columns(pl.Series("item_id", profile), pl.lit(name).alias("user_id")))
    found = pl.concat(made)
    foreign = (name for name in events.columns if name not in EVENT_SCHEMA)
    own = [pl.lit(None, events.schema[name]).alias(name) for name in foreign]
    best = events["rating"].max() if "rating" in events.columns else None
    if best is not None:
        own.append(pl.when(pl.col("rating").is_not_null()).then(pl.lit(best)).alias("rating"))
    return found.with_columns(own).select(events.columns)


def _profile(
    pool: ItemPool, kind: str, targets: Sequence[str], size: int, held_out: int, draw: np.random.Generator
) -> list[str]:
    """Items of one fake user in their order; a target follows another item, unless there are too few places."""
    promoted = _drawn(targets, max(1, min(len(targets), size // 2)), draw)
    others = PROFILES[kind](pool, size - len(promoted), draw)
    size = len(promoted) + len(others)
    last = min(size, max(len(promoted) + 1, size - held_out))
    free = np.arange(1 if last > len(promoted) else 0, last)
    places = set(draw.choice(free, len(promoted), replace=False).tolist())
    first, second = iter(promoted), iter(others)
    return [next(first) if place in places else next(second) for place in range(size)]


def _templates(events: pl.DataFrame, count: int, draw: np.random.Generator) -> list[pl.DataFrame]:
    """Training events of real users with enough of them, drawn at random, the earliest event first."""
    training = events
    if _is_split(events):
        training = events.filter(pl.col("split") == "train")
    training = training.filter(pl.len().over("user_id") >= _LEAST_EVENTS)
    known = training["user_id"].unique().sort()
    if not len(known):
        raise ValueError(f"events: no user has {_LEAST_EVENTS} training events, whose times fake users could copy")
    names = known.gather(draw.integers(len(known), size=count).tolist()).to_list()
    order = [name for name in ("timestamp", "order") if name in events.columns]
    parts = (
        training.filter(pl.col("user_id").is_in(list(set(names))))
        .sort(order, maintain_order=True)
        .partition_by("user_id", maintain_order=True, as_dict=True)
    )
    return [parts[name,] for name in names]


def _is_split(events: pl.DataFrame) -> bool:
    """Whether a column states the split of each event."""
    return "split" in events.columns and not events["split"].null_count()


def _new_names(events: pl.DataFrame, users: int, draw: np.random.Generator) -> list[str]:
    """Ids that no user has."""
    taken = set(events["user_id"].unique())
    names: list[str] = []
    while len(names) < users:
        name = f"u{int(draw.integers(1 << 48)):012x}"
        if name not in taken:
            taken.add(name)
            names.append(name)
    return names
