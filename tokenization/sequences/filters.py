"""Filters of events: repeats, users and items with few events, and sessions as baskets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum

import numpy as np
import polars as pl

from ..tables.event_times import exact_time
from ..tables.problems import TableError, TableProblem
from ..tables.schema import ShopTables


class RepeatPolicy(StrEnum):
    """Treatment of repeated events of a user with an item.

    `keep` keeps all, `collapse` the first of a run of equal items, `first` the first of all.
    """

    KEEP = "keep"
    COLLAPSE = "collapse"
    FIRST = "first"


def check_filters(repeats: str, min_user_events: int, min_item_events: int, session_gap: int) -> None:
    """Refuse values out of range.

    Raises:
        ValueError: If a value is out of range.
    """
    if repeats not in list(RepeatPolicy):
        raise ValueError(f"repeats is {repeats!r}; give one of {', '.join(RepeatPolicy)}")
    for name, value in (
        ("min_user_events", min_user_events), ("min_item_events", min_item_events), ("session_gap", session_gap),
    ):  # fmt: skip
        if value < 0:
            raise ValueError(f"{name} is {value}; give 0 for none, or a number from 1")


def nothing_left(total: int, name: str) -> TableError:
    """The error if the filters remove all events.

    Args:
        total: Events before filtering.
        name: Name of the dataset.
    """
    remedy = f"none of {total} is left; make min_user_events and min_item_events smaller"
    return TableError([TableProblem("events", "", "empty_table", 0, None, remedy, fatal=True)], name)


def filter_events(
    shop: ShopTables,
    *,
    repeats: str = RepeatPolicy.KEEP,
    min_user_events: int = 0,
    min_item_events: int = 0,
    session_gap: int = 0,
) -> ShopTables:
    """Filter the events of a dataset; without any filter it is returned unchanged.

    Repeats are removed first. Events per user and item are counted in the rest.

    Args:
        shop: Validated tables.
        repeats: A `RepeatPolicy`.
        min_user_events: Minimum events per user; 0 for any number.
        min_item_events: Minimum events per item; other items leave the catalogue. 0 for any number.
        session_gap: Seconds without an event after which a session ends; sessions become the baskets of events without
            one. 0 for no sessions.

    Raises:
        ValueError: If an option is out of range, or sessions are requested and events have no times.
        TableError: If no event is left.
    """
    check_filters(repeats, min_user_events, min_item_events, session_gap)
    events = shop.events
    if session_gap:
        events = add_sessions(events, session_gap)
    if repeats != RepeatPolicy.KEEP:
        events = without_repeats(events, RepeatPolicy(repeats))
    if min_user_events > 1 or min_item_events > 0:
        events = k_core(events, min_user_events, min_item_events)
    if events is shop.events and min_item_events < 1:
        return shop
    if events.is_empty():
        raise nothing_left(shop.events.height, shop.name)
    items = shop.items
    if min_item_events > 0:
        items = items.filter(pl.col("item_id").is_in(events["item_id"].unique().implode()))
    card = shop.card.counted(items, events, shop.users, shop.promotions)
    return replace(shop, items=items, events=events, card=card)


def without_repeats(events: pl.DataFrame, policy: RepeatPolicy) -> pl.DataFrame:
    """Each user's first event per item (or per run of equal items), in the order of the table.

    "First" goes by time (by `order` if times have gaps), then by `order`, then by the table. Event types are separate:
    a view and the purchase after it are both kept.

    Args:
        events: Events of `ShopTables`.
        policy: A `RepeatPolicy`.

    Example:
        >>> log = pl.DataFrame({"user_id": ["u"] * 4, "item_id": list("aaba"), "event_type": ["view"] * 4,
        ...     "timestamp": [1, 2, 3, 4], "order": [None] * 4})
        >>> without_repeats(log, RepeatPolicy.COLLAPSE)["item_id"].to_list()
        ['a', 'b', 'a']
    """
    if policy is RepeatPolicy.KEEP:
        return events
    timed = events["timestamp"].null_count() == 0
    clock = ["_time", "order"] if timed else ["order"]
    same = ["item_id", "event_type"]
    frame = events.with_columns(_time=exact_time(events)).select("user_id", *same, *clock)
    frame = frame.with_row_index("_file").sort("user_id", *clock, "_file")
    if policy is RepeatPolicy.FIRST:
        kept = frame.unique(["user_id", *same], keep="first", maintain_order=True)
    else:
        follows = pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in ("user_id", *same))
        kept = frame.filter(~follows.fill_null(False))
    return events[kept["_file"].sort()]


def k_core(events: pl.DataFrame, min_user_events: int, min_item_events: int) -> pl.DataFrame:
    """The largest part of the events in which every user and every item has enough events, in the same order.

    Removing a user removes events of items, and the other way round, so it repeats until nothing changes.

    Args:
        events: Events with `user_id` and `item_id`.
        min_user_events: Minimum events per user.
        min_item_events: Minimum events per item.

    Example:
        >>> log = pl.DataFrame({"user_id": list("uuvvw"), "item_id": list("ababc")})
        >>> k_core(log, 1, 2).rows()
        [('u', 'a'), ('u', 'b'), ('v', 'a'), ('v', 'b')]
    """
    users, items = (
        events[name].rank("dense").to_numpy().astype(np.int64) - 1 for name in ("user_id", "item_id")
    )  # fmt: skip
    count = int(items.max()) + 1 if len(items) else 0
    alive = core_items(lambda left: core_counts(users, items, left, min_user_events), count, min_item_events)
    kept = in_core(users, items, alive, min_user_events)
    return events if kept.all() else events.filter(pl.Series(kept))


def core_items(count: Callable[[np.ndarray], np.ndarray], num_items: int, min_item_events: int) -> np.ndarray:
    """The items of the core, by counting passes over events that may be in parts.

    Args:
        count: From (items,) True for the remaining items to their events: the sum of `core_counts` over the parts.
        num_items: Number of items.
        min_item_events: Minimum events per item.

    Returns:
        (items,) True for the items of the core.
    """
    alive = np.ones(num_items, dtype=bool)
    while min_item_events > 0:
        short = alive & (count(alive) < min_item_events)
        if not short.any():
            break
        alive &= ~short
    return alive


def in_core(users: np.ndarray, items: np.ndarray, alive: np.ndarray, min_user_events: int) -> np.ndarray:
    """(events,) True for events with remaining items, of users with enough of these events.

    Args:
        users: (events,) codes of users, whose events are all in this part.
        items: (events,) codes of items.
        alive: (items,) True for remaining items.
        min_user_events: Minimum events per user.
    """
    left = alive[items]
    enough = np.bincount(users[left], minlength=int(users.max(initial=-1)) + 1) >= min_user_events
    kept: np.ndarray = left & enough[users]
    return kept


def core_counts(users: np.ndarray, items: np.ndarray, alive: np.ndarray, min_user_events: int) -> np.ndarray:
    """(items,) number of events per item that `in_core` keeps."""
    return np.bincount(items[in_core(users, items, alive, min_user_events)], minlength=len(alive))


def add_sessions(events: pl.DataFrame, gap: int) -> pl.DataFrame:
    """Use sessions as the baskets of events without a basket.

    A user's session ends if no event follows within the gap.

    Args:
        events: Events of `ShopTables`.
        gap: Seconds; an event later than this after the previous one starts a new session.

    Raises:
        ValueError: If an event has no time.

    Example:
        >>> log = pl.DataFrame({"user_id": ["u"] * 3, "timestamp": [0, 9, 99], "basket_id": [None] * 3},
        ...     schema_overrides={"basket_id": pl.String})
        >>> add_sessions(log, 10)["basket_id"].to_list()
        ['session 0', 'session 0', 'session 1']
    """
    check_session_times(events["timestamp"].null_count(), events.height)
    frame = (
        events.select("user_id", _time=exact_time(events)).with_row_index("_file").sort("user_id", "_time", "_file")
    )
    opens = (pl.col("_time").diff() > gap * 10**6).fill_null(False).cast(pl.Int64).cum_sum().over("user_id")
    session = frame.select("_file", _session=pl.lit("session ") + opens.cast(pl.String)).sort("_file")["_session"]
    return events.with_columns(pl.coalesce("basket_id", session.alias("_session")).alias("basket_id"))


def check_session_times(missing: int, total: int) -> None:
    """Refuse events without a time.

    Args:
        missing: Number of events without a time.
        total: Number of events.

    Raises:
        ValueError: If there are any.
    """
    if missing:
        raise ValueError(
            f"events, column timestamp: {missing} of {total} rows have no time, and sessions need one for every "
            "event; fill them, or leave session_gap out"
        )
