"""Labels for click prediction from The Complete Journey: coupons that were redeemed, and promoted products.

The tables do not tell which 16 coupons of a campaign of type A a household got, so those campaigns are left out: the
other 22 have 50,238 coupons of households and 377 redemptions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from ..tables.schema import ShopTables, validate_tables
from .complete_journey import (
    FIRST_WEEK,
    NOT_PROMOTED,
    TABLE_NAMES,
    WEEK,
    load_complete_journey,
    packaged_folder,
    readable,
)
from .source import DataSource, SourceRequest

COUPON, REDEMPTION = "coupon impression", "redemption"
"""Event types: a household got a coupon at the start of a campaign, and used it."""
_TARGETED = "Type A"
_MOST_ROWS = 1_000_000
"""About the most promotions from which products that were passed by are drawn."""
TRAIN_SHARE, VALIDATION_SHARE = 0.5, 0.25
"""Shares of the redemptions in the earliest campaigns (training) and in the next ones (validation)."""


def load_coupons(folder: Path | None = None) -> ShopTables:
    """Load purchases, and the coupons that households got and redeemed, as impressions with labels.

    An item is a product or a coupon; a coupon's title has its most frequent product types. A coupon is shown at the
    start of its campaign (event type "coupon impression"), and a redemption is an event with the coupon at its day.
    Columns of an impression are `campaign_id`, `campaign_type`, `num_products` (products of the coupon),
    `products_bought` (the household's earlier purchases of these products) and `coupons_redeemed` (its earlier
    redemptions). The column `split` divides campaigns by their start: a part begins when its first campaign does, and
    purchases and redemptions are in the part of their time. The label of a coupon is whether it was redeemed at all,
    also when that was after its part.

    Args:
        folder: Folder with the tables as parquet files; None for the package's folder.

    Raises:
        ImportError: If the package with the data is not installed.
        FileNotFoundError: If a table is missing in the folder.
        ValueError: If there are fewer than three campaigns with redemptions.
    """
    shop = load_complete_journey(folder=folder)
    folder = folder or packaged_folder()
    read = {name: pl.read_parquet(folder / f"{name}.parquet") for name in TABLE_NAMES if name != "promotions"}
    campaigns = read["campaign_descriptions"].filter(pl.col("campaign_type") != _TARGETED).select(
        "campaign_id", "campaign_type", start=pl.col("start_date").dt.epoch("s")
    )  # fmt: skip
    coupons = read["coupons"].join(campaigns, on="campaign_id")
    sent = read["campaigns"].join(campaigns, on="campaign_id")
    per_coupon = coupons.group_by("campaign_id", "coupon_upc", maintain_order=True).agg(num_products=pl.len())
    used = read["coupon_redemptions"].join(campaigns, on="campaign_id").with_columns(
        # A redemption has only its day, and is known at the day's end.
        timestamp=pl.col("redemption_date").dt.epoch("s") + 86_399
    )  # fmt: skip
    cuts = _cuts(campaigns, used)
    shown = sent.join(per_coupon, on="campaign_id", maintain_order="left_right").select(
        _text("household_id", "user_id"), _coupon_id(), _text("campaign_id"), "campaign_type", "num_products",
        timestamp="start", event_type=pl.lit(COUPON),
    )  # fmt: skip
    taken = used.unique(["household_id", "coupon_upc", "campaign_id"], keep="first", maintain_order=True).select(
        _text("household_id", "user_id"), _coupon_id(), _text("campaign_id"), "campaign_type", "timestamp",
        event_type=pl.lit(REDEMPTION),
    )  # fmt: skip
    shown = _with_past(shown, taken, shop.events, coupons)
    kept = pl.concat([shown, taken], how="diagonal").filter(
        pl.col("user_id").is_in(shop.events["user_id"].unique().implode())
    )
    bought = shop.events.drop("order", "rating", "split", "is_target")
    events = pl.concat([bought, kept.cast({"timestamp": pl.Int64})], how="diagonal")
    later = pl.when(pl.col("timestamp") < cuts[1]).then(pl.lit("validation")).otherwise(pl.lit("test"))
    part = pl.when(pl.col("timestamp") < cuts[0]).then(pl.lit("train")).otherwise(later)
    items = pl.concat([shop.items, _coupon_items(coupons, read["products"])], how="diagonal")
    card = replace(
        shop.card, name="complete-journey-coupons",
        summary="Purchases of 2,469 households, with the coupons that they got and redeemed.",
    )  # fmt: skip
    return validate_tables(
        items, events.with_columns(split=part), name=card.name, card=card, users=shop.users,
        promotions=shop.promotions, on_unknown_items="drop",
    )  # fmt: skip


def _cuts(campaigns: pl.DataFrame, used: pl.DataFrame) -> tuple[int, int]:
    """Start of the first campaign of validation, and of test."""
    counts = used.group_by("campaign_id").len()
    starts = campaigns.join(counts, on="campaign_id", how="left").with_columns(pl.col("len").fill_null(0))
    times = starts.group_by("start").agg(pl.col("len").sum()).sort("start")
    before = (times["len"].cum_sum() - times["len"] / 2) / max(int(times["len"].sum()), 1)
    found = [times["start"].filter(before >= share) for share in (TRAIN_SHARE, TRAIN_SHARE + VALIDATION_SHARE)]
    if any(starts.is_empty() for starts in found) or found[0][0] >= found[1][0]:
        raise ValueError(
            f"coupon_redemptions: {times.height} starts of campaigns cannot be divided into training, validation and "
            "test; give a folder with more campaigns that have redemptions"
        )
    return int(found[0][0]), int(found[1][0])


def _with_past(shown: pl.DataFrame, taken: pl.DataFrame, bought: pl.DataFrame, coupons: pl.DataFrame) -> pl.DataFrame:
    """Coupon impressions, each with counts of the earlier purchases and redemptions of its household."""
    campaign = ["user_id", "campaign_id"]
    starts = shown.group_by(*campaign).agg(start=pl.col("timestamp").first())
    covered = coupons.select(_coupon_id(), _text("campaign_id"), _text("product_id", "product")).unique()
    counts = (
        bought.lazy().select("user_id", "timestamp", product="item_id")
        .join(starts.lazy(), on="user_id").filter(pl.col("timestamp") < pl.col("start"))
        .group_by(*campaign, "product").len()
        .join(covered.lazy(), on=["campaign_id", "product"])
        .group_by(*campaign, "item_id").agg(products_bought=pl.col("len").sum())
        .collect()
    )  # fmt: skip
    redeemed = taken.select("user_id", "timestamp").join(starts, on="user_id").filter(
        pl.col("timestamp") < pl.col("start")
    ).group_by(*campaign).agg(coupons_redeemed=pl.len())  # fmt: skip
    return shown.join(counts, on=[*campaign, "item_id"], how="left", maintain_order="left").join(
        redeemed, on=campaign, how="left", maintain_order="left"
    ).with_columns(pl.col("products_bought", "coupons_redeemed").fill_null(0))  # fmt: skip


def _coupon_items(coupons: pl.DataFrame, products: pl.DataFrame) -> pl.DataFrame:
    """One item per coupon, with the most frequent types, category, brand and department of its products."""
    described = coupons.join(products.select("product_id", "product_type", "product_category", "brand", "department"),
                             on="product_id", how="left")  # fmt: skip
    names = {}
    for column, most in (("product_type", 3), ("product_category", 1), ("brand", 1), ("department", 1)):
        counts = described.drop_nulls(column).group_by("coupon_upc", column).len()
        best = counts.sort("coupon_upc", "len", column, descending=[False, True, False])
        names[column] = best.group_by("coupon_upc", maintain_order=True).agg(pl.col(column).head(most))
    items = described.select("coupon_upc").unique().sort("coupon_upc")
    for found in names.values():
        items = items.join(found, on="coupon_upc", how="left", maintain_order="left")
    texts = [[readable(text) for text in types or []] for types in items["product_type"].to_list()]
    firsts = {
        name: [row[0] if row else None for row in items[name].to_list()]
        for name in ("product_category", "brand", "department")
    }
    return pl.DataFrame({
        "item_id": items.select(_coupon_id())["item_id"],
        "title": ["Coupon: " + "; ".join(types) if types else "Coupon" for types in texts],
        "category": [None if text is None else readable(text) for text in firsts["product_category"]],
        "brand": firsts["brand"],
        "department": [None if text is None else readable(text) for text in firsts["department"]],
    }, schema_overrides={"category": pl.String, "brand": pl.String, "department": pl.String})  # fmt: skip


def _text(column: str, name: str | None = None) -> pl.Expr:
    return pl.col(column).cast(pl.String).alias(name or column)


def _coupon_id() -> pl.Expr:
    return ("coupon-" + pl.col("coupon_upc").cast(pl.String)).alias("item_id")


def load_exposures(folder: Path | None = None, per_click: int = 1, seed: int = 0) -> ShopTables:
    """Load purchases, labelled by display and mailer: promoted products that a household bought, or passed by.

    A purchase of a product that was on display or in the mailer of that store and week is a click. For each of them,
    `per_click` promoted products of the store and week are impressions without a click, drawn among products that the
    household does not buy in that week. So that they fit into memory, these are drawn from about a million promotions,
    a share of each store and week. `promoted` says where it was: "display", "mailer" or "both". All other purchases
    are no impressions.

    Args:
        folder: As in `load_coupons`.
        per_click: Impressions without a click per click.
        seed: Seed of the draw.

    Raises:
        ImportError: If the package with the data is not installed.
        FileNotFoundError: If a table is missing in the folder.
        ValueError: If `per_click` is below one.
    """
    if per_click < 1:
        raise ValueError(f"per_click is {per_click}; give a number from 1")
    shop = load_complete_journey(folder=folder)
    folder = folder or packaged_folder()
    events = shop.events.drop("order", "rating", "split", "is_target").with_columns(
        week=(pl.col("timestamp") - FIRST_WEEK) // WEEK + 1
    )
    promoted, others = _promoted(folder, events, seed)
    keys = ["store_id", "week", "item_id"]
    events = events.join(promoted, on=keys, how="left", maintain_order="left")
    clicks = events.filter(pl.col("promoted").is_not_null())
    missed = _passed_by(events, clicks, others, per_click, seed)
    labelled = pl.concat(
        [events.with_columns(clicked=pl.when(pl.col("promoted").is_not_null()).then(True)), missed], how="diagonal"
    ).drop("week")
    card = replace(
        shop.card, name="complete-journey-exposures",
        summary="Purchases of 2,469 households, labelled by display and mailer.",
    )  # fmt: skip
    return validate_tables(
        shop.items, labelled, name=card.name, card=card, users=shop.users, promotions=shop.promotions,
        on_unknown_items="drop",
    )  # fmt: skip


def _promoted(folder: Path, events: pl.DataFrame, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Promoted products that were bought in their store and week, and those from which the others are drawn.

    The second table has a share of the promoted products of each store and week with purchases, others in each. The
    promotions are streamed: of 20.9 million rows 16.7 million are of such products, and fill 4 GB when collected.
    """
    keys = ["store_id", "week", "item_id"]
    bought = events.select(keys).drop_nulls().unique().sort(keys)
    items, places = (bought.select(names).unique().sort(names) for names in (keys[2:], keys[:2]))
    generator = np.random.default_rng(seed)
    numbers = [pl.Series("number", generator.permutation(table.height)) for table in (items, places)]
    display, mailer = (pl.col(f"{kind}_location") != NOT_PROMOTED for kind in ("display", "mailer"))
    rows = pl.scan_parquet(folder / "promotions.parquet").filter(display | mailer)
    columns = {"product_id": "item_id", "store_id": "store_id", "week": "week"}
    kinds = rows.collect_schema()
    share = max(1, int(rows.select(pl.len()).collect(engine="streaming").item()) // _MOST_ROWS)

    def ids(table: pl.DataFrame) -> pl.LazyFrame:
        """The table with ids as in the promotions, so that no row of them is converted."""
        return table.lazy().rename({"item_id": "product_id"}, strict=False).with_columns(
            pl.col(theirs).cast(kinds[theirs], strict=False)
            for theirs, ours in columns.items() if ours in table.columns
        )  # fmt: skip

    def read(chosen: pl.LazyFrame) -> pl.DataFrame:
        kind = pl.when(display & mailer).then(pl.lit("both")).when(display).then(pl.lit("display"))
        named = chosen.select(
            _text("store_id"), pl.col("week").cast(pl.Int64), _text("product_id", "item_id"),
            promoted=kind.otherwise(pl.lit("mailer")),
        )  # fmt: skip
        return named.collect(engine="streaming").unique(keys, keep="first").sort(keys)

    one, other = (ids(table.with_columns(number)) for table, number in zip((items, places), numbers, strict=True))
    drawn = rows.join(one, on="product_id").join(other, on=["store_id", "week"]).filter(
        (pl.col("number") + pl.col("number_right")) % share == 0
    )  # fmt: skip
    return read(rows.join(ids(bought), on=list(columns), how="semi")), read(drawn)


def _passed_by(
    events: pl.DataFrame, clicks: pl.DataFrame, promoted: pl.DataFrame, per_click: int, seed: int
) -> pl.DataFrame:
    """Impressions without a click, with the time, store and basket of the clicks."""
    groups = promoted.with_row_index("place").group_by("store_id", "week", maintain_order=True).agg(
        first=pl.col("place").first().cast(pl.Int64), size=pl.len().cast(pl.Int64)
    )  # fmt: skip
    wanted = clicks.join(groups, on=["store_id", "week"], maintain_order="left")  # places with a product to draw
    many = wanted.select(pl.all().repeat_by(per_click).explode()) if wanted.height else wanted
    share = np.random.default_rng(seed).random(many.height)
    place = many["first"].to_numpy() + (share * many["size"].to_numpy()).astype(np.int64)
    drawn = promoted[place].select("item_id", "promoted")
    columns = [name for name in ("user_id", "timestamp", "basket_id", "store_id", "week") if name in many.columns]
    made = pl.concat([many.select(columns), drawn], how="horizontal").with_columns(clicked=pl.lit(False))
    bought = events.select("user_id", "week", "item_id").unique()
    left = made.join(bought, on=["user_id", "week", "item_id"], how="anti", maintain_order="left")
    found: pl.DataFrame = left.unique(["user_id", "timestamp", "item_id"], keep="first", maintain_order=True)
    return found


def _patterns(selection: Sequence[str]) -> list[str]:
    return [f"*{name}.parquet" for name in TABLE_NAMES]


def _folder(request: SourceRequest) -> Path:
    return request.only("transactions.parquet").parent


COUPONS = DataSource(
    "complete-journey-coupons",
    "The Complete Journey with coupons as impressions and redemptions as clicks, divided by campaign",
    lambda request: load_coupons(_folder(request)),
    lambda names: False,
    _patterns,
    packaged=packaged_folder,
)
EXPOSURES = DataSource(
    "complete-journey-exposures",
    "The Complete Journey with displayed and mailed products as impressions and purchases as clicks",
    lambda request: load_exposures(_folder(request)),
    lambda names: False,
    _patterns,
    packaged=packaged_folder,
)
