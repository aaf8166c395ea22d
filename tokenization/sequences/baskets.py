"""Detect data in which leave-one-out predicts the rest of a basket, because the last basket has several events."""

from __future__ import annotations

import polars as pl

from ..tables.event_roles import TARGET, EventRoles
from ..tables.event_times import exact_time

LEAST_SHARE = 0.5
"""Share of users with several events in a basket above which a split by baskets is recommended."""


def missing_baskets(events: pl.DataFrame) -> str | None:
    """Note that a split by baskets uses times; None if any event has a basket.

    Args:
        events: Events of `ShopTables`.
    """
    baskets = events["basket_id"].null_count() < events.height
    return None if baskets else "events have no basket_id: a user's events at one time are a basket"


def single_event_advice(events: pl.DataFrame, roles: EventRoles) -> str | None:
    """Advice about a split into single events if events come in baskets; None for no advice.

    Args:
        events: Events of `ShopTables`.
        roles: Roles of the event types; only target events count.
    """
    baskets = events["basket_id"].null_count() < events.height
    timed = events["timestamp"].null_count() == 0
    if not (baskets or timed):
        return None
    predicted = events.filter(roles.of(events["event_type"]) == TARGET)
    last, some = _shares_of_baskets(predicted, baskets, timed)
    if baskets and some > LEAST_SHARE:
        return (
            f"{some:.0%} of the users have baskets (basket_id) of several events, {last:.0%} as their last one, so "
            "leave-one-out predicts the rest of a partly known basket; give split='last-basket'"
        )
    if not baskets and last > LEAST_SHARE:
        return (
            f"the last events of {last:.0%} of the users share their time with others, so leave-one-out predicts "
            "the rest of a partly known basket; give split='last-basket', and map a column of invoices or "
            "orders as basket_id, if there is one"
        )
    return None


def _shares_of_baskets(events: pl.DataFrame, baskets: bool, timed: bool) -> tuple[float, float]:
    """Shares of users (with two events or more) whose last basket, or any basket, has several events."""
    clock = exact_time(events) if timed else pl.col("order")
    unit = pl.coalesce(pl.col("basket_id"), clock.cast(pl.String)) if baskets else clock
    frame = events.select("user_id", _clock=clock, _unit=unit).filter(pl.len().over("user_id") > 1)
    sized = frame.group_by("user_id", "_unit").agg(pl.col("_clock").max(), _size=pl.len())
    users = sized.group_by("user_id").agg(
        last=pl.col("_size").sort_by("_clock").last() > 1, some=pl.col("_size").max() > 1
    )
    return tuple(float(users[name].mean() or 0.0) for name in ("last", "some"))  # type: ignore[arg-type,return-value]
