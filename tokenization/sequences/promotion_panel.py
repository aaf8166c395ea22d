"""Rows to measure effects of promotions: visits of households, products they know, and what was promoted there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from ..progress import stage
from ..tables.schema import ShopTables
from .promotion_covariates import Rows, covariates

ROWS = 100_000
"""Default number of rows."""
KINDS = ("display", "mailer")
"""Kinds of promotions of a product in a store for some time."""
_DAY = 86_400.0
_BURN_IN = 8
"""First periods, which only fill the covariates."""
_TRIES = 10
"""Draws of an item of another category."""


@dataclass(frozen=True)
class PromotionPanel:
    """One row per visit of a user to a store in a period, and an item that the user bought at least twice before.

    Args:
        covariates: (rows, covariates) values from before the period.
        names: Names of the covariates.
        treatments: (rows,) whether the item was promoted in the store and period, by kind.
        next_treatments: The same for the next period.
        outcome: (rows,) whether the user bought the item in the store and period.
        other_outcome: (rows,) whether the user bought an item of another category there, drawn from the items that the
            user bought at least twice before.
        users: (rows,) codes of the users.
        items: (rows,) codes of the items.
        period_days: Length of a period.
        num_candidates: Rows from which these were drawn.
    """

    covariates: np.ndarray
    names: tuple[str, ...]
    treatments: dict[str, np.ndarray]
    next_treatments: dict[str, np.ndarray]
    outcome: np.ndarray
    other_outcome: np.ndarray
    users: np.ndarray
    items: np.ndarray
    period_days: float
    num_candidates: int


def has_store_promotions(shop: ShopTables) -> bool:
    """Whether a dataset has purchases in stores, and promotions of items in stores."""
    if shop.promotions is None or "store_id" not in shop.events.columns:
        return False
    return bool(_in_stores(shop).head(1).collect().height)


def promotion_panel(shop: ShopTables, rows: int = ROWS, seed: int = 0) -> PromotionPanel:
    """Draw rows of visits and known items.

    Periods are those of the promotions, such as weeks. Only stores with promotions count. An item without a row in the
    promotions of a store and period was not promoted there.

    Args:
        shop: Tables with `store_id` in events and promotions, and promotions of `KINDS` with `start` and `end`.
        rows: Number of rows, drawn with the seed.
        seed: Seed of the draw.

    Raises:
        ValueError: If there are no such promotions, their lengths differ, or nobody bought an item twice.
    """
    with stage("rows of visits and promotions", 4, "steps") as running:
        start, length = _periods(shop)
        running.advance()
        stores = _in_stores(shop).select(pl.col("store_id").unique().sort()).collect(engine="streaming")["store_id"]
        bought = _Purchases.read(shop, stores, start, length)
        drawn, other, total = bought.draw(rows, np.random.default_rng(seed))
        running.advance()
        flags, shares = bought.promotions(shop, drawn, start, length)
        running.advance()
        values, names = covariates(bought.events, drawn, flags, shares)
        running.advance()
    own, others = bought.bought(drawn, drawn.item), bought.bought(drawn, np.maximum(other, 0))
    return PromotionPanel(
        values, names, {kind: flags[kind][:, 1] for kind in KINDS}, {kind: flags[kind][:, 2] for kind in KINDS},
        own, np.where(other >= 0, others, np.nan), drawn.user, drawn.item, length / _DAY, total,
    )  # fmt: skip


def _in_stores(shop: ShopTables) -> pl.LazyFrame:
    assert shop.promotions is not None
    wanted = pl.col("kind").is_in(KINDS)
    for name in ("item_id", "store_id", "start", "end"):
        wanted &= pl.col(name).is_not_null()
    return shop.promotions.filter(wanted)


def _periods(shop: ShopTables) -> tuple[int, int]:
    """Start of the first period and length of all, in seconds."""
    if not has_store_promotions(shop):
        raise ValueError(
            f"the data have no promotions of kind {' or '.join(KINDS)} with item_id, store_id, start and end, or no "
            "store_id in events; effects of promotions need both"
        )
    span = pl.col("end") - pl.col("start") + 1
    found = _in_stores(shop).select(
        first=pl.col("start").min(), shortest=span.min(), longest=span.max(),
        odd=((pl.col("start") - pl.col("start").min()) % span.min()).max(),
    ).collect(engine="streaming")  # fmt: skip
    first, shortest, longest, odd = found.row(0)
    if shortest != longest or odd or shortest < 1:
        raise ValueError(
            f"promotions last {shortest} to {longest} seconds, or begin between periods; effects of promotions need "
            "periods of one length, such as weeks"
        )
    return int(first), int(shortest)


@dataclass(frozen=True)
class _Purchases:
    """Purchases per user, store, period and item, as codes; stores without promotions have the code -1.

    Args:
        events: Columns `user`, `store`, `period`, `item`, `purchases`, and sums of `quantity`, `paid` and `discount`.
        items: Ids of the items.
        stores: Ids of the stores with promotions.
        categories: (items,) codes of the categories.
    """

    events: pl.DataFrame
    items: pl.Series
    stores: pl.Series
    categories: np.ndarray

    @classmethod
    def read(cls, shop: ShopTables, stores: pl.Series, start: int, length: int) -> _Purchases:
        known = pl.col("store_id").is_not_null() & pl.col("timestamp").is_not_null() & (pl.col("timestamp") >= start)
        table = shop.events.lazy().filter(known).with_columns(
            period=((pl.col("timestamp") - start) // length).cast(pl.Int64)
        ).collect()  # fmt: skip
        users, items = (table[name].unique().sort() for name in ("user_id", "item_id"))
        columns = [name for name in ("quantity", "paid", "discount") if name in table.columns]
        codes = [
            _code("user_id", users).alias("user"), _code("item_id", items).alias("item"),
            _code("store_id", stores).fill_null(-1).alias("store"),
        ]  # fmt: skip
        keys = ["user", "period", "store", "item"]
        events = table.with_columns(codes).group_by(keys).agg(
            [pl.len().alias("purchases"), *(pl.col(name).cast(pl.Float64).sum() for name in columns)]
        ).sort(keys)  # fmt: skip
        about = pl.DataFrame({"item_id": items}).join(
            shop.items.select("item_id", "category"), on="item_id", how="left", maintain_order="left"
        )
        categories = about["category"].fill_null("").rank("dense").to_numpy().astype(np.int64)
        return cls(events, items, stores, categories)

    def draw(self, rows: int, generator: np.random.Generator) -> tuple[Rows, np.ndarray, int]:
        """Rows, an item of another category for each (-1 for none), and the number of rows to draw from."""
        known = self.events.group_by("user", "item").agg(
            since=pl.col("period").unique().sort().get(1, null_on_oob=True)
        ).drop_nulls().sort("user", "since", "item")  # fmt: skip
        visits = self.events.filter((pl.col("store") >= 0) & (pl.col("period") >= _BURN_IN)).select(
            "user", "period", "store"
        ).unique().sort("user", "period", "store")  # fmt: skip
        user, since, item = (known[name].to_numpy() for name in ("user", "since", "item"))
        visitor, period, store = (visits[name].to_numpy() for name in ("user", "period", "store"))
        span = int(max(period.max(initial=0), since.max(initial=0))) + 1
        # the items that a user knows at a visit come first: their second purchase is in an earlier period
        first = np.searchsorted(user * span + since, visitor * span)
        many = np.searchsorted(user * span + since, visitor * span + period) - first
        ends, total = np.cumsum(many), int(many.sum())
        if not total:
            raise ValueError("no user bought an item in two periods before a visit; effects of promotions need that")
        numbers = np.sort(generator.choice(total, min(rows, total), replace=False, shuffle=False))
        visit = np.searchsorted(ends, numbers, side="right")
        first, many = first[visit], many[visit]
        own, other = item[first + numbers - (ends[visit] - many)], np.full(len(numbers), -1)
        for _ in range(_TRIES):
            drawn = item[first + (generator.random(len(numbers)) * many).astype(np.int64)]
            fits = (other < 0) & (self.categories[drawn] != self.categories[own])
            other = np.where(fits, drawn, other)
        return Rows(visitor[visit], own, period[visit], store[visit]), other, total

    def bought(self, rows: Rows, items: np.ndarray) -> np.ndarray:
        """(rows,) whether the users bought some items at the rows' visits."""
        wanted = pl.DataFrame({"user": rows.user, "period": rows.period, "store": rows.store, "item": items})
        keys = wanted.columns
        found = wanted.join(
            self.events.select(*keys, bought=pl.lit(True)), on=keys, how="left", maintain_order="left"
        )  # fmt: skip
        flags: np.ndarray = found["bought"].fill_null(False).to_numpy()
        return flags

    def promotions(
        self, shop: ShopTables, rows: Rows, start: int, length: int
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Promotions of the rows' items, by kind.

        Returns:
            (rows, 3) bool, whether the item was promoted in the store in the period before, in this and in the next
            one; and (items, periods) shares of the stores that promoted it.
        """
        names = pl.DataFrame({"item_id": self.items}).with_row_index("item").cast({"item": pl.Int64})
        names = names.filter(pl.col("item").is_in(np.unique(rows.item)))
        places = pl.DataFrame({"store_id": self.stores}).with_row_index("store").cast({"store": pl.Int64})
        period = ((pl.col("start") - start) // length).cast(pl.Int64).alias("period")
        every = _in_stores(shop).join(names.lazy(), on="item_id").select("kind", "item", "store_id", period)
        by_period = every.group_by("kind", "item", "period").agg(stores=pl.col("store_id").n_unique())
        counted = by_period.collect(engine="streaming")
        size = int(max(counted["period"].to_numpy().max(initial=0), rows.period.max())) + 2
        shares: dict[str, np.ndarray] = {}
        for kind in KINDS:
            part = counted.filter((pl.col("kind") == kind) & (pl.col("period") >= 0))
            shares[kind] = np.zeros((len(self.items), size), dtype=np.float32)
            shares[kind][part["item"].to_numpy(), part["period"].to_numpy()] = part["stores"].to_numpy()
            shares[kind] /= max(1, len(self.stores))
        wanted = pl.concat([
            pl.DataFrame({"item": rows.item, "store": rows.store, "period": rows.period + step, "step": step + 1})
            .with_row_index("row") for step in (-1, 0, 1)
        ]).cast({"item": pl.Int64, "store": pl.Int64, "period": pl.Int64})  # fmt: skip
        keys = ["item", "store", "period"]
        found: pl.DataFrame = (
            every.join(places.lazy(), on="store_id").join(wanted.select(keys).unique().lazy(), on=keys, how="semi")
            .select("kind", *keys).unique().collect(engine="streaming")
        )  # fmt: skip
        hits = wanted.join(found, on=keys)
        flags: dict[str, np.ndarray] = {}
        for kind in KINDS:
            part = hits.filter(pl.col("kind") == kind)
            flags[kind] = np.zeros((len(rows.item), 3), dtype=bool)
            flags[kind][part["row"].to_numpy(), part["step"].to_numpy()] = True
        return flags, shares


def _code(column: str, ids: pl.Series) -> pl.Expr:
    """Codes of ids, in the order of the ids; null for others."""
    return pl.col(column).cast(pl.Enum(ids), strict=False).to_physical().cast(pl.Int64)
