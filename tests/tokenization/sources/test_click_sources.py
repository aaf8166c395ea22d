"""Labels for click prediction from public layouts: FuxiCTR, RecBole, and The Complete Journey."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from xcat_rec import load_shop
from xcat_rec.tokenization.sequences.click_options import ClickOptions
from xcat_rec.tokenization.sequences.click_pairs import as_pairs
from xcat_rec.tokenization.sequences.click_rows import split_clicks
from xcat_rec.tokenization.sources import complete_journey_coupons
from xcat_rec.tokenization.sources.complete_journey_coupons import load_coupons, load_exposures
from xcat_rec.tokenization.tables.problems import TableError

from .layouts import write_complete_journey

HEADER = "label,user_id,item_id,cate_id,item_history,cate_history\n"
ROWS = {
    "train": ["1,7,c,C,a^b,A^B", "0,7,z,Z,a^b,A^B", "1,8,b,B,a,A", "0,8,z,Z,a,A"],
    "valid": ["1,7,d,D,a^b^c,A^B^C", "0,7,y,Y,a^b^c,A^B^C"],
    "test": ["1,7,e,E,a^b^c^d,A^B^C^D", "0,7,x,X,a^b^c^d,A^B^C^D", "0,8,x,X,a^b,A^B"],
}


def write_fuxictr(folder: Path, rows: dict[str, list[str]], header: str = HEADER) -> Path:
    for part, lines in rows.items():
        (folder / f"{part}.csv").write_text(header + "\n".join(lines) + "\n")
    return folder


def test_histories_of_fuxictr_are_those_of_its_rows(tmp_path: Path) -> None:
    shop = load_shop(write_fuxictr(tmp_path, ROWS))
    assert shop.items.filter(pl.col("item_id") == "c")["category"].to_list() == ["C"]
    data = split_clicks(shop)
    assert (data.split, data.kind) == ("column", "impression")
    name = data.vocabulary.decode
    for part, key in (("train", "train"), ("validation", "valid"), ("test", "test")):
        found = [
            (str(row["label"]), row["user_id"], *name([row["candidate"]]), "^".join(name(row["items"])))
            for row in as_pairs(data.splits[part])
        ]
        given = [line.split(",") for line in ROWS[key]]
        assert sorted(found) == sorted((line[0], line[1], line[2], line[4]) for line in given)


def test_fuxictr_with_other_names_and_times(tmp_path: Path) -> None:
    header = "clk,time_stamp,userid,adgroup_id,price\n"
    rows = {
        part: [f"{n % 2},2017-05-0{day} 00:00:{n:02d},{n % 3},i{n % 5},{n}.5" for n in range(12)]
        for part, day in (("train", 6), ("valid", 7), ("test", 8))
    }
    shop = load_shop(f"fuxictr:{write_fuxictr(tmp_path, rows, header)}")
    data = split_clicks(shop, None, ClickOptions(dense=["price"]))
    assert data.split == "column" and {row["label"] for row in as_pairs(data.test)} == {0, 1}


def test_a_price_that_differs_per_impression_stays_with_the_events(tmp_path: Path) -> None:
    rows = {part: [f"{line},{number}.5" for number, line in enumerate(lines)] for part, lines in ROWS.items()}
    shop = load_shop(write_fuxictr(tmp_path, rows, HEADER.replace("\n", ",price\n")))
    prices = shop.events.filter(pl.col("clicked").is_not_null(), pl.col("item_id") == "z")["price"]
    assert prices.cast(pl.Float64).to_list() == [1.5, 3.5]
    assert "category" not in shop.events.columns and "Z" in shop.items["category"].to_list()
    assert split_clicks(shop, None, ClickOptions(dense=["price"])).context.means == (2.0,)


def test_fuxictr_lists_of_the_latest_items_are_refused(tmp_path: Path) -> None:
    write_fuxictr(tmp_path, {**ROWS, "test": ["1,7,e,E,b^c^d^f^g,B^C^D^F^G", "0,7,x,X,a,A"]})
    with pytest.raises(ValueError, match=r"column item_history: the items of \d of 8 rows are not the beginning"):
        load_shop(tmp_path)
    (tmp_path / "other").mkdir()
    write_fuxictr(tmp_path / "other", {"train": ["1,2"]}, "label,user_id\n")
    with pytest.raises(ValueError, match="no column is item_id"):
        load_shop(f"fuxictr:{tmp_path / 'other'}")


def test_labels_and_ratings_of_recbole(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    lines = ["user_id:token\titem_id:token\trating:float\tlabel:float\ttimestamp:float"]
    lines += [f"u{n % 4}\ti{n % 7}\t{1 + n % 5}\t{float(n % 3 == 0)}\t{1_500_000_000 + n}" for n in range(60)]
    (tmp_path / "shop" / "shop.inter").write_text("\n".join(lines))
    shop = load_shop(f"recbole:{tmp_path / 'shop'}")
    assert shop.events["clicked"].to_list() == [n % 3 == 0 for n in range(60)]
    assert split_clicks(shop).kind == "impression"
    rated = split_clicks(shop, None, ClickOptions(min_rating=4))
    assert rated.kind == "rating" and set(rated.test[0]["shown_kinds"]) == {"rating"}


def days(*dates: tuple[int, int]) -> pl.Series:
    return pl.Series([datetime(2017, month, day) for month, day in dates], dtype=pl.Datetime("ns"))


def write_coupons(folder: Path) -> Path:
    write_complete_journey(folder)
    sold = pl.read_parquet(folder / "transactions.parquet")
    time = pl.col("transaction_timestamp")
    first = days((2, 1)).cast(sold["transaction_timestamp"].dtype)[0]
    sold.with_columns(time - time.min() + first).write_parquet(folder / "transactions.parquet")
    households = pl.read_parquet(folder / "transactions.parquet")["household_id"].unique().sort().to_list()[:2]
    starts = days((3, 1), (5, 1), (7, 1), (9, 1))
    kinds = ["Type B", "Type C", "Type B", "Type A"]
    described = {"campaign_id": [1, 2, 3, 4], "campaign_type": kinds, "start_date": starts, "end_date": starts}
    pl.DataFrame(described).write_parquet(folder / "campaign_descriptions.parquet")
    pairs = [(campaign, household) for campaign in (1, 2, 3, 4) for household in households]
    pl.DataFrame(pairs, schema=["campaign_id", "household_id"], orient="row").write_parquet(
        folder / "campaigns.parquet"
    )
    products = sold.filter(pl.col("household_id") == households[0])["product_id"].unique().sort().to_list()
    coupons = [(500 + campaign, product, campaign) for campaign in (1, 2, 3, 4) for product in products[:2]]
    coupons += [(600 + campaign, products[2], campaign) for campaign in (1, 2, 3, 4)]
    pl.DataFrame(coupons, schema=["coupon_upc", "product_id", "campaign_id"], orient="row").write_parquet(
        folder / "coupons.parquet"
    )
    used = [(households[0], 501, 1), (households[0], 502, 2), (households[1], 503, 3), (households[1], 504, 4)]
    pl.DataFrame(used, schema=["household_id", "coupon_upc", "campaign_id"], orient="row").with_columns(
        redemption_date=days((3, 9), (5, 9), (7, 9), (9, 9))
    ).write_parquet(folder / "coupon_redemptions.parquet")
    return folder


def test_coupons_are_impressions_of_their_campaign(tmp_path: Path) -> None:
    shop = load_coupons(write_coupons(tmp_path))
    shown = shop.events.filter(pl.col("event_type") == "coupon impression")
    assert sorted(shown["campaign_id"].unique()) == ["1", "2", "3"], "campaigns of type A are left out"
    assert shown.height == 3 * 2 * 2 and shown["num_products"].unique().sort().to_list() == [1, 2]
    by_campaign = dict(shown.select("campaign_id", "split").rows())
    assert by_campaign == {"1": "train", "2": "validation", "3": "test"}
    first, second, *_ = shop.events.filter(pl.col("event_type") == "redemption")["user_id"].unique().sort()
    redeemed = {(user, campaign): number for user, campaign, number in shown.select(
        "user_id", "campaign_id", "coupons_redeemed"
    ).rows()}  # fmt: skip
    before = [redeemed[user, campaign] for user in (first, second) for campaign in ("1", "2", "3")]
    assert before == [0, 1, 2, 0, 0, 0], "a redemption counts for the household's later campaigns only"
    bought = shop.events.filter(pl.col("event_type") == "purchase")
    covered_by = pl.read_parquet(tmp_path / "coupons.parquet").cast(pl.String)
    for user, item, time, number in shown.select("user_id", "item_id", "timestamp", "products_bought").rows():
        covered = covered_by.filter(pl.col("coupon_upc") == item.removeprefix("coupon-"))["product_id"]
        assert (
            number
            == bought.filter(
                (pl.col("user_id") == user) & (pl.col("timestamp") < time) & pl.col("item_id").is_in(covered.to_list())
            ).height
        )
    assert shown["products_bought"].sum() > 0
    coupon = shop.items.filter(pl.col("item_id") == "coupon-501")
    assert coupon["title"][0].startswith("Coupon: ") and coupon["category"][0]
    data = split_clicks(shop, None, ClickOptions(min_history=0, dense=["num_products"]))
    for part, campaign in (("train", 1), ("validation", 2), ("test", 3)):
        rows = as_pairs(data.splits[part])
        assert sorted(rows["label"][:]) == [0, 0, 0, 1]
        clicked = [data.vocabulary.decode([row["candidate"]])[0] for row in rows if row["label"]]
        assert clicked == [f"coupon-{500 + campaign}"]


def test_few_promotions_are_kept_for_the_draw_and_all_for_the_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_complete_journey(tmp_path)
    sold = pl.read_parquet(tmp_path / "transactions.parquet")
    week = ((sold["transaction_timestamp"].dt.epoch("s") - 1_482_728_400) // (7 * 86_400) + 1).alias("week")
    places = sold.select("store_id").with_columns(week).unique().sort("store_id", "week")
    products = pl.DataFrame({"product_id": sold["product_id"].unique().sort()})
    places.join(products, how="cross").with_columns(
        display_location=pl.lit("1"), mailer_location=pl.lit("0")
    ).write_parquet(tmp_path / "promotions.parquet")  # fmt: skip
    monkeypatch.setattr(complete_journey_coupons, "_MOST_ROWS", places.height * products.height // 4)
    found = []
    original = complete_journey_coupons._passed_by
    monkeypatch.setattr(
        complete_journey_coupons, "_passed_by", lambda *given: found.append(given) or original(*given)
    )  # fmt: skip
    shop = load_exposures(tmp_path)
    assert shop.events.filter(pl.col("clicked"))["clicked"].sum() == sold.height, "every purchase was promoted"
    pool = found[0][2]
    assert pool.height == pytest.approx(places.height * products.height / 4, rel=0.3)
    assert pool["item_id"].n_unique() > products.height / 4, "stores and weeks have different products"
    again = load_exposures(tmp_path)
    assert again.events.equals(shop.events) and not load_exposures(tmp_path, seed=1).events.equals(shop.events)


def test_promoted_purchases_are_clicks(tmp_path: Path) -> None:
    write_complete_journey(tmp_path)
    bought = pl.read_parquet(tmp_path / "transactions.parquet")
    row = bought.row(0, named=True)
    week = (row["transaction_timestamp"].timestamp() - 1_482_728_400) // (7 * 86_400) + 1
    other = next(item for item in bought["product_id"] if item != row["product_id"])
    pl.DataFrame({
        "product_id": [row["product_id"], other], "store_id": [row["store_id"]] * 2, "display_location": ["1", "0"],
        "mailer_location": ["0", "A"], "week": [int(week)] * 2,
    }).write_parquet(tmp_path / "promotions.parquet")  # fmt: skip
    shop = load_exposures(tmp_path, per_click=3)
    clicked = shop.events.filter(pl.col("clicked"))
    assert set(clicked["item_id"]) <= {str(row["product_id"]), str(other)} and clicked.height
    missed = shop.events.filter(~pl.col("clicked"))
    weeks = shop.events.with_columns(week=(pl.col("timestamp") - 1_482_728_400) // (7 * 86_400))
    had = weeks.filter(pl.col("clicked").is_null() | pl.col("clicked"))
    assert weeks.filter(~pl.col("clicked")).join(had, on=["user_id", "item_id", "week"], how="semi").is_empty()
    assert set(missed["event_type"]) <= {"impression"} and shop.events["promoted"].null_count()
    with pytest.raises(ValueError, match="per_click is 0"):
        load_exposures(tmp_path, per_click=0)


def made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def write_recbole(folder: Path, labels: list[str], header: str = "user_id:token\titem_id:token\tlabel:float") -> Path:
    made(folder)
    rows = [f"u{n % 4}\ti{n % 7}\t{label}\t{1_500_000_000 + n}" for n, label in enumerate(labels)]
    (folder / "shop.inter").write_text("\n".join([f"{header}\ttimestamp:float", *rows]))
    return folder


@pytest.mark.parametrize("words", [("1", "0"), ("True", "False"), ("1.00", "0.0")])
def test_labels_of_recbole_may_be_words(words: tuple[str, str], tmp_path: Path) -> None:
    shop = load_shop(write_recbole(tmp_path / "shop", [words[n % 3 > 0] for n in range(60)]))
    assert shop.events["clicked"].to_list() == [n % 3 == 0 for n in range(60)]
    assert split_clicks(shop).kind == "impression"


@pytest.mark.parametrize("other", ["2", "-1", "maybe", "0.5"])
def test_other_labels_are_refused_with_their_row(other: str, tmp_path: Path) -> None:
    folder = write_recbole(tmp_path / "shop", ["1", "0"] * 8 + [other] + ["0"] * 3)
    told = r"events, column label: 1 row is neither true nor false.* row 17\); .*shop\.inter has such rows; write 1"
    with pytest.raises(TableError, match=told) as found:
        load_shop(folder)
    assert f"example {other!r}" in str(found.value.with_values())
    bad = {**ROWS, "valid": ["1,7,d,D,a^b^c,A^B^C", f"{other},7,y,Y,a^b^c,A^B^C"]}
    with pytest.raises(TableError, match=r"row 2\); .*valid\.csv has such rows"):
        load_shop(write_fuxictr(made(tmp_path / "csv"), bad))


@pytest.mark.parametrize("missing", ["", "nan"])
def test_impressions_without_a_label_are_left_out_and_counted(missing: str, tmp_path: Path) -> None:
    shop = load_shop(write_recbole(tmp_path / "shop", ["1", "0", missing, "0"] * 10))
    note = "events, column label: 10 rows are impressions without a label; they were left out, also from histories"
    assert shop.events.height == 30 and shop.events["clicked"].null_count() == 0
    assert any(str(one).startswith(note) for one in shop.problems)
    rows = {**ROWS, "train": [*ROWS["train"], f"{missing},7,q,Q,a^b,A^B"]}
    shop = load_shop(write_fuxictr(made(tmp_path / "csv"), rows))
    assert "q" not in shop.events["item_id"]
    assert [(one.column, one.count) for one in shop.problems if one.kind == "no_label"] == [("label", 1)]
    none = {part: [missing + line[1:] for line in lines] for part, lines in ROWS.items()}
    with pytest.raises(ValueError, match="no row has a label; write 1 for a click"):
        load_shop(write_fuxictr(made(tmp_path / "csv"), none))


def test_clicks_that_are_words_are_once_in_histories(tmp_path: Path) -> None:
    words = {"1": "True", "0": "False"}
    named = {part: [words[line[0]] + line[1:] for line in lines] for part, lines in ROWS.items()}
    plain, found = (load_shop(write_fuxictr(made(tmp_path / "csv"), rows)).events for rows in (ROWS, named))
    assert found.equals(plain)


def test_a_header_with_commas_names_the_separator(tmp_path: Path) -> None:
    (tmp_path / "shop.inter").write_text("user_id:token,item_id:token,timestamp:float\nu,i,3\n")
    with pytest.raises(ValueError, match=r"shop\.inter: its header .* has ',' between fields; .* separated by tabs"):
        load_shop(tmp_path)
