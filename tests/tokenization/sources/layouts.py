"""The tiny data set of the tests in the layout of every source."""

from __future__ import annotations

import datetime
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import polars as pl

from ...tiny_shop import events_table, items_table, write_shop

USERS = 15
DEPARTMENTS = ("Outdoor", "Kitchen")


def _rows(users: int = USERS) -> list[dict]:
    """Events with a rating each, and users and items as numbers, as MovieLens has them."""
    table = events_table(users).with_columns(pl.col("rating").fill_null(3.0))
    return table.with_columns(
        user=pl.col("user_id").str.slice(5).cast(pl.Int64) + 1, item=pl.col("item_id").str.slice(5).cast(pl.Int64) + 1
    ).to_dicts()


def _lines(path: Path, rows: list) -> None:
    text = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def _titles() -> list[dict]:
    return items_table().to_dicts()


def write_tables(folder: Path) -> None:
    write_shop(folder, USERS)
    pl.DataFrame({"user_id": ["user-00", "user-01"], "age": [31, 47]}).write_csv(folder / "users.csv")


def write_complete_journey(folder: Path) -> None:
    """Items are products; a user's events at one time are a basket."""
    rows = _rows()
    stamps = pl.Series([row["timestamp"] for row in rows])
    baskets = pl.Series([row["user"] * 10**6 + n // 2 for n, row in enumerate(rows)])
    pl.DataFrame({
        "household_id": [row["user"] for row in rows], "store_id": [7] * len(rows), "basket_id": baskets,
        "product_id": [row["item"] for row in rows], "quantity": [1] * len(rows), "sales_value": [2.5] * len(rows),
        "retail_disc": [0.5] * len(rows), "coupon_disc": [0.0] * len(rows), "coupon_match_disc": [0.25] * len(rows),
        "week": [1] * len(rows), "transaction_timestamp": pl.select(pl.from_epoch(stamps)).to_series(),
    }).write_parquet(folder / "transactions.parquet")  # fmt: skip
    titles = _titles()
    pl.DataFrame({
        "product_id": list(range(1, 41)), "manufacturer_id": [1] * 40, "department": ["GROCERY"] * 40,
        "brand": ["National"] * 40, "product_category": [row["category"] for row in titles],
        "product_type": [row["title"] for row in titles], "package_size": ["1 GA"] * 40,
    }).with_columns(pl.col("product_category").str.to_uppercase()).write_parquet(
        folder / "products.parquet"
    )  # fmt: skip
    texts = ("age", "income", "home_ownership", "marital_status", "household_size", "household_comp", "kids_count")
    pl.DataFrame({"household_id": [1], **{name: ["x"] for name in texts}}).write_parquet(
        folder / "demographics.parquet"
    )
    pl.DataFrame({"campaign_id": [9, 9], "household_id": [1, 2]}).write_parquet(folder / "campaigns.parquet")
    day = datetime.datetime(2017, 3, 3)
    pl.DataFrame({
        "campaign_id": [9], "campaign_type": ["Type A"], "start_date": [day],
        "end_date": [day + datetime.timedelta(days=1)],
    }).write_parquet(folder / "campaign_descriptions.parquet")  # fmt: skip
    pl.DataFrame({"coupon_upc": [55], "product_id": [3], "campaign_id": [9]}).write_parquet(folder / "coupons.parquet")
    pl.DataFrame({
        "household_id": [2], "coupon_upc": [55], "campaign_id": [9], "redemption_date": [day],
    }).write_parquet(folder / "coupon_redemptions.parquet")  # fmt: skip
    pl.DataFrame({
        "product_id": [3, 4, 5], "store_id": [7, 7, 8], "display_location": ["0", "1", "A"],
        "mailer_location": ["A", "0", "H"], "week": [1, 2, 2],
    }).write_parquet(folder / "promotions.parquet")  # fmt: skip


def write_amazon_2023(folder: Path) -> None:
    """Two departments, one of them packed; the metadata have gaps and the oddities of the real files."""
    for number, part in enumerate(DEPARTMENTS):
        inside = [row for row in _rows() if row["item"] % 2 == number]
        reviews = [
            {
                "rating": row["rating"], "title": "Fine", "text": "Does <br />what it says 👍", "images": [],
                "asin": f"x{row['item_id']}", "parent_asin": row["item_id"], "user_id": row["user_id"],
                "timestamp": row["timestamp"] * 1000 + 123, "helpful_vote": 2, "verified_purchase": True,
            }
            for row in inside
        ]  # fmt: skip
        meta = [
            {
                "main_category": part, "title": row["title"], "average_rating": 4.1, "features": ["light", "dry"],
                "description": ["Two", "parts."], "price": "from 12.50" if n % 2 else 1.5 * n, "store": row["brand"],
                "categories": [part, row["category"]] if row["category"] else [], "parent_asin": row["item_id"],
                "details": {"Weight": {"kg": n}, "Colors": ["red"]}, "images": [{"thumb": "u"}], "videos": [],
            }
            for n, row in enumerate(_titles()) if n % 2 != number
        ]  # fmt: skip
        meta[0]["price"] = None
        meta[1]["price"] = "—"
        del meta[2]["store"], meta[2]["description"]
        meta.append(meta[3])
        suffix = ".jsonl.gz" if number else ".jsonl"
        _lines(folder / f"raw_review_{part}{suffix}", reviews)
        _lines(folder / f"raw_meta_{part}{suffix}", meta)


def write_amazon_2014(folder: Path) -> None:
    """Metadata as Python literals, with an item without reviews and one without metadata."""
    reviews = [
        {
            "reviewerID": row["user_id"], "asin": row["item_id"], "reviewerName": 'O\'Neil "x"', "helpful": [0, 1],
            "reviewText": "It's good.", "overall": row["rating"], "summary": "Good",
            "unixReviewTime": row["timestamp"], "reviewTime": "09 13, 2020",
        }
        for row in _rows()
    ]  # fmt: skip
    meta = [
        str({
            "asin": row["item_id"], "title": row["title"], "imUrl": "http://x/y.jpg", "price": row["price"],
            "related": {"also_bought": ["item-01"]}, "salesRank": {"Sports": 3}, "brand": row["brand"],
            "categories": [["Outdoor", row["category"] or "Other"], ["Outdoor", "Sale"]],
        })
        for row in _titles()[2:]
    ]  # fmt: skip
    meta.append(str({"asin": "nobody", "title": "Don't"}))
    _lines(folder / "reviews_Outdoor_5.json.gz", reviews)
    _lines(folder / "meta_Outdoor.json.gz", meta)


def write_amazon_2018(folder: Path) -> None:
    reviews = [
        {
            "overall": row["rating"], "verified": True, "reviewTime": "09 13, 2020", "reviewerID": row["user_id"],
            "asin": row["item_id"], "style": {"Size:": " L"}, "reviewText": "ok", "summary": "ok", "vote": "1,234",
            "unixReviewTime": row["timestamp"],
        }
        for row in _rows()
    ]  # fmt: skip
    meta = [
        {
            "category": ["Outdoor", row["category"]] if row["category"] else [], "title": row["title"],
            "description": ["One.", "Two."], "brand": row["brand"], "price": f"${row['price']:.2f} - $99.00",
            "asin": row["item_id"], "main_cat": "Sports", "rank": ["#1"], "also_buy": [],
        }
        for row in _titles()
    ]  # fmt: skip
    meta[2]["title"] = "var aPageStart = (new Date()).getTime();"
    meta[1]["price"] = ".a-box-inner{background-color:#fff}"
    _lines(folder / "Outdoor_5.json.gz", reviews)
    _lines(folder / "meta_Outdoor.json.gz", meta)


def write_movielens_100k(folder: Path) -> None:
    _lines(folder / "u.data", [f"{r['user']}\t{r['item']}\t{r['rating']:.0f}\t{r['timestamp']}" for r in _rows()])
    films = [
        f"{n}|{row['title']} é|01-Jan-1995||http://x|" + "|".join("01"[flag == n % 3 + 1] for flag in range(19))
        for n, row in enumerate(_titles(), start=1)
    ]
    (folder / "u.item").write_bytes("\n".join(films).encode("latin-1"))
    _lines(folder / "u.user", [f"{n}|24|M|writer|85711" for n in range(1, USERS + 1)])


def write_movielens_1m(folder: Path) -> None:
    _lines(folder / "ratings.dat", [f"{r['user']}::{r['item']}::{r['rating']:.0f}::{r['timestamp']}" for r in _rows()])
    _lines(folder / "movies.dat", [f"{n}::{row['title']}::Drama|War" for n, row in enumerate(_titles(), start=1)])
    _lines(folder / "users.dat", [f"{n}::F::25::12::02139" for n in range(1, USERS + 1)])


def write_movielens_20m(folder: Path) -> None:
    ratings = [f"{r['user']},{r['item']},{r['rating']},{r['timestamp']}" for r in _rows()]
    _lines(folder / "ratings.csv", ["userId,movieId,rating,timestamp", *ratings])
    films = [f'{n},"{row["title"]}, The",{"(no genres listed)" if n == 1 else "Drama|War"}'
             for n, row in enumerate(_titles(), start=1)]  # fmt: skip
    _lines(folder / "movies.csv", ["movieId,title,genres", *films])


def write_recbole(folder: Path) -> None:
    rows = [f"{r['user_id']}\t{r['item_id']}\t{r['rating']}\t{r['timestamp']}" for r in _rows()]
    _lines(folder / "shop.inter", ["user_id:token\titem_id:token\trating:float\ttimestamp:float", *rows])
    items = [f'{row["item_id"]}\t5" {row["title"]}\t{row["category"] or ""}\t1 2.5' for row in _titles()]
    _lines(folder / "shop.item", ["item_id:token\tname:token_seq\tgenre:token_seq\tvector:float_seq", *items])
    _lines(folder / "shop.user", ["user_id:token\tage:float", "user-00\t31", "user-01\told"])


LAYOUTS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "tables": ("tables", write_tables),
    "complete journey": ("complete-journey", write_complete_journey),
    "amazon 2023": ("amazon-2023", write_amazon_2023),
    "amazon 2014": ("amazon-2014", write_amazon_2014),
    "amazon 2018": ("amazon-2018", write_amazon_2018),
    "movielens 100k": ("movielens", write_movielens_100k),
    "movielens 1m": ("movielens", write_movielens_1m),
    "movielens 20m": ("movielens", write_movielens_20m),
    "recbole": ("recbole", write_recbole),
}
"""For each layout, its source and the function that writes it into an empty folder."""
