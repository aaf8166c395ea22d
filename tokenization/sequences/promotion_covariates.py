"""Covariates of rows of visits and items, all from before the period of the visit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import polars as pl

_RECENT = 4
"""Periods that count as recent."""


class Rows(NamedTuple):
    """Rows as (rows,) codes of user, item, period and store."""

    user: np.ndarray
    item: np.ndarray
    period: np.ndarray
    store: np.ndarray


def covariates(
    events: pl.DataFrame, rows: Rows, flags: Mapping[str, np.ndarray], shares: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Values that may be common causes of a promotion and a purchase.

    Args:
        events: Columns `user`, `store`, `period`, `item`, `purchases`, and sums of `quantity`, `paid` and `discount`.
        rows: The rows.
        flags: (rows, 3) promotions in the period before, in this and in the next one, by kind; only the first is used.
        shares: (items, periods) shares of the stores that promoted an item, by kind.

    Returns:
        (rows, covariates) float64 values and their names.
    """
    size = max(part.shape[1] for part in shares.values())
    found = {**_of_pairs(events, rows), **_of_items(events, rows, size), **_of_users(events, rows, size)}
    for kind, part in shares.items():
        past = _cumulated(part)
        found[f"{kind} in this store in the period before"] = flags[kind][:, 0].astype(np.float64)
        found[f"share of stores with {kind} in the period before"] = part[rows.item, rows.period - 1]
        found[f"mean share of stores with {kind} before"] = past[rows.item, rows.period] / rows.period
    angle = 2 * np.pi * rows.period / 52
    found |= {"period": rows.period, "sine of the year": np.sin(angle), "cosine of the year": np.cos(angle)}
    stores = np.bincount(events["store"].to_numpy() + 1, events["purchases"].to_numpy())
    found["log of the store's purchases"] = np.log(stores[rows.store + 1])
    return np.stack([np.asarray(values, dtype=np.float64) for values in found.values()], axis=1), tuple(found)


def _of_pairs(events: pl.DataFrame, rows: Rows) -> dict[str, np.ndarray]:
    """Earlier purchases of the item by the user."""
    wanted = pl.DataFrame({"user": rows.user, "item": rows.item, "now": rows.period}).with_row_index("row")
    past = wanted.join(events, on=["user", "item"]).filter(pl.col("period") < pl.col("now"))
    by_row = past.group_by("row").agg(
        times=pl.col("purchases").sum(), first=pl.col("period").min(), last=pl.col("period").max(),
        different=pl.col("period").n_unique(), now=pl.col("now").first(),
    ).sort("row")  # fmt: skip
    times, first, last, different, now = (
        by_row[name].to_numpy().astype(np.float64) for name in ("times", "first", "last", "different", "now")
    )
    gap = (last - first) / np.maximum(different - 1, 1)
    return {
        "log of the user's purchases of the item": np.log(times),
        "log of periods since the last one": np.log(now - last),
        "log of periods since the first one": np.log(now - first),
        "log of the mean time between them": np.log(np.maximum(gap, 0.5)),
        "time since the last one relative to it": np.minimum((now - last) / np.maximum(gap, 0.5), 10),
    }


def _of_items(events: pl.DataFrame, rows: Rows, size: int) -> dict[str, np.ndarray]:
    """Earlier purchases of the item by everybody, and its price."""
    items = int(max(events["item"].to_numpy().max(), rows.item.max())) + 1
    sums = {
        name: _cumulated(_table(events, "item", items, size, name))
        for name in ("purchases", "quantity", "paid", "discount") if name in events.columns
    }  # fmt: skip
    before = {name: part[rows.item, rows.period] for name, part in sums.items()}
    recent = before["purchases"] - sums["purchases"][rows.item, np.maximum(rows.period - _RECENT, 0)]
    found = {
        "log of all purchases of the item": np.log1p(before["purchases"]),
        f"log of those of the last {_RECENT} periods": np.log1p(recent),
    }
    if "paid" in before:
        units = np.maximum(before.get("quantity", before["purchases"]), 1)
        full = before["paid"] + np.maximum(before.get("discount", 0 * units), 0)
        found["log of the price"] = np.log(np.maximum(full / units, 0.01))
        found["share of the price that was paid"] = np.where(full > 0, before["paid"] / np.maximum(full, 0.01), 1)
    return found


def _of_users(events: pl.DataFrame, rows: Rows, size: int) -> dict[str, np.ndarray]:
    """Earlier purchases and visits of the user."""
    users = int(max(events["user"].to_numpy().max(), rows.user.max())) + 1
    table = _table(events, "user", users, size, "purchases")
    bought, visits = _cumulated(table), _cumulated((table > 0).astype(np.float32))
    now = rows.period
    return {
        "log of the user's purchases": np.log1p(bought[rows.user, now]),
        "share of periods with purchases of the user": visits[rows.user, now] / now,
        f"share of the last {_RECENT} periods": (visits[rows.user, now] - visits[rows.user, now - _RECENT]) / _RECENT,
    }


def _table(events: pl.DataFrame, by: str, size: int, periods: int, value: str) -> np.ndarray:
    """(codes, periods) sums of a column."""
    keys = events[by].to_numpy() * periods + np.minimum(events["period"].to_numpy(), periods - 1)
    return np.bincount(keys, events[value].to_numpy(), size * periods).reshape(size, periods)


def _cumulated(table: np.ndarray) -> np.ndarray:
    """(codes, periods + 1) sums over all periods before each one."""
    sums = np.zeros((table.shape[0], table.shape[1] + 1))
    np.cumsum(table, axis=1, out=sums[:, 1:])
    return sums
