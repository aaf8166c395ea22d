"""Amazon reviews, MovieLens and RecBole's files with their oddities."""

from __future__ import annotations

import gzip
import importlib
import importlib.util
import json
from pathlib import Path

import polars as pl
import pytest

from xcat_rec.tokenization.sources import load_shop, movielens
from xcat_rec.tokenization.tables.schema import ShopTables, TableColumns

from .layouts import (
    LAYOUTS,
    write_amazon_2014,
    write_amazon_2018,
    write_amazon_2023,
    write_movielens_1m,
    write_movielens_20m,
    write_movielens_100k,
    write_recbole,
)


def item(shop: ShopTables, name: str) -> dict:
    return shop.items.row(by_predicate=pl.col("item_id") == name, named=True)


def counts(shop: ShopTables) -> dict[str, int]:
    return {problem.kind: problem.count for problem in shop.problems}


def test_amazon_2023_merges_departments_and_reads_odd_fields(tmp_path: Path) -> None:
    write_amazon_2023(tmp_path)
    shop = load_shop(tmp_path)
    assert set(shop.events["domain"]) == set(shop.items["domain"]) == {"Outdoor", "Kitchen"}
    assert item(shop, "item-02") == {
        "item_id": "item-02", "title": "tents number 2", "description": "Two parts.", "category": "Kitchen > tents",
        "brand": "brand 2", "price": None, "domain": "Kitchen",
    }  # fmt: skip
    assert item(shop, "item-06")["price"] == 9.0
    assert item(shop, "item-05") | {"title": ""} == {
        "item_id": "item-05", "title": "", "description": None, "category": "Outdoor > tents", "brand": None,
        "price": 12.5, "domain": "Outdoor",
    }  # fmt: skip
    assert item(shop, "item-38")["category"] == "Kitchen", "the main category replaces an empty path"
    first = shop.events.row(0, named=True)
    assert (first["review_text"], first["helpful_vote"], first["verified_purchase"]) == (
        "Does <br />what it says 👍", 2, True,
    )  # fmt: skip
    assert counts(shop)["duplicate_item"] == 1
    assert counts(shop)["timestamp_unit"] == 115
    one = load_shop(f"amazon-2023:{tmp_path}:Outdoor")
    assert set(one.events["domain"]) == {"Outdoor"}
    assert one.events.height == (shop.events["domain"] == "Outdoor").sum()
    with pytest.raises(FileNotFoundError, match=r"has no reviews of Books: no raw_review"):
        load_shop(f"amazon-2023:{tmp_path}:Books")


def test_amazon_2023_as_downloaded_without_its_prefix(tmp_path: Path) -> None:
    write_amazon_2023(tmp_path)
    expected = load_shop(tmp_path)
    for path in list(tmp_path.iterdir()):
        path.rename(path.with_name(path.name.replace("raw_review_", "").replace("raw_meta_", "meta_")))
    assert load_shop(tmp_path).events.equals(expected.events)


def test_amazon_2023_names_the_broken_line(tmp_path: Path) -> None:
    write_amazon_2023(tmp_path)
    path = tmp_path / "raw_review_Outdoor.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:4], lines[4][:30], *lines[5:]]))
    with pytest.raises(ValueError, match=r"raw_review_Outdoor\.jsonl cannot be read .*: line 5 is not JSON"):
        load_shop(tmp_path)
    packed = tmp_path / "raw_review_Kitchen.jsonl.gz"
    path.write_text("\n".join(lines))
    packed.write_bytes(packed.read_bytes()[:-30])
    with pytest.raises(
        ValueError, match=r"raw_review_Kitchen\.jsonl\.gz cannot be read by its suffix: .*; check that"
    ):
        load_shop(tmp_path)


def test_amazon_2014_reads_lines_of_python_and_runs_nothing(tmp_path: Path) -> None:
    write_amazon_2014(tmp_path)
    shop = load_shop(tmp_path)
    assert item(shop, "item-02") == {
        "item_id": "item-02", "title": "tents number 2", "description": None, "category": "Outdoor > tents",
        "brand": "brand 2", "price": 3.0, "domain": "Outdoor",
    }  # fmt: skip
    assert counts(shop) == {"undescribed_item": 1, "no_title": 1}
    assert item(shop, "item-01")["title"] == ""
    assert "nobody" not in shop.items["item_id"], "only reviewed items"
    target = tmp_path / "was-run"
    lines = [f"{{'asin': 'item-02', 'title': open({str(target)!r}, 'w')}}", "{'asin': 'item-03'}"]
    (tmp_path / "meta_Outdoor.json.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    with pytest.raises(ValueError, match=r"meta_Outdoor\.json\.gz: line 1 is not a Python dictionary"):
        load_shop(tmp_path)
    assert not target.exists()


def test_amazon_2018_leaves_scripts_and_styles_out(tmp_path: Path) -> None:
    write_amazon_2018(tmp_path)
    shop = load_shop(tmp_path)
    assert item(shop, "item-02")["title"] == ""
    assert counts(shop) == {"script_title": 1, "no_title": 1}
    assert item(shop, "item-01")["price"] is None
    assert item(shop, "item-03") == {
        "item_id": "item-03", "title": "tents number 3", "description": "One. Two.", "category": "Outdoor > tents",
        "brand": "brand 0", "price": 4.5, "domain": "Outdoor",
    }  # fmt: skip
    assert item(shop, "item-38")["category"] == "Sports"


def test_movielens_of_three_ages(tmp_path: Path) -> None:
    for name, write in (("100k", write_movielens_100k), ("1m", write_movielens_1m), ("20m", write_movielens_20m)):
        (tmp_path / name).mkdir()
        write(tmp_path / name)
    old, middle, new = (load_shop(tmp_path / name) for name in ("100k", "1m", "20m"))
    assert old.events.select("user_id", "item_id", "timestamp", "rating").equals(
        middle.events.select("user_id", "item_id", "timestamp", "rating")
    )
    assert new.events["item_id"].equals(old.events["item_id"])
    assert item(old, "1")["title"] == "tents number 0 é", "the file is in Latin-1"
    assert [item(old, name)["genres"] for name in "123"] == ["Adventure", "Animation", "Action"]
    assert item(middle, "1") | {"title": ""} == {
        "item_id": "1", "title": "", "description": None, "category": "Drama", "brand": None, "price": None,
        "genres": "Drama, War",
    }  # fmt: skip
    assert item(new, "1")["category"] is None and item(new, "2")["category"] == "Drama"
    assert middle.users.row(0) == ("1", "F", "25-34", "programmer", "02139")
    assert set(old.events["event_type"]) == {"rating"}


def test_a_short_line_of_movielens_is_named(tmp_path: Path) -> None:
    write_movielens_1m(tmp_path)
    path = tmp_path / "movies.dat"
    path.write_text(path.read_text().replace("3::tents number 2::Drama|War", "3::tents number 2"))
    with pytest.raises(ValueError, match=r"movies\.dat: line 3 has 2 fields instead of 3 \(item_id, title, genres"):
        load_shop(tmp_path)


def test_movielens_without_a_folder_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(movielens.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="needs the package recbole, which contains ml-100k"):
        load_shop("movielens")


def test_movielens_from_the_package_of_recbole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "recbole" / "dataset_example" / "ml-100k"
    folder.mkdir(parents=True)
    (tmp_path / "recbole" / "__init__.py").write_text("raise RuntimeError('the package must not be imported')")
    (folder / "ml-100k.inter").write_text(
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t2\t3\t88125\n"
    )
    (folder / "ml-100k.item").write_text(
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n2\tToy Story\t1995\tWar Comedy\n"
    )
    (folder / "ml-100k.user").write_text("user_id:token\tage:token\n1\t24\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    shop = load_shop("movielens")
    assert item(shop, "2")["genres"] == "War, Comedy" and item(shop, "2")["category"] == "War"
    assert shop.users.rows() == [("1", "24")] and shop.card.name == "movielens"


def test_recbole_types_its_fields(tmp_path: Path) -> None:
    write_recbole(tmp_path)
    shop = load_shop(tmp_path)
    assert item(shop, "item-03")["title"] == '5" tents number 3', "quotes are letters there"
    assert shop.items["vector"].to_list()[0] == [1.0, 2.5]
    assert shop.users.rows() == [("user-00", 31.0), ("user-01", None)]
    assert counts(shop)["not_numeric"] == 1


def test_recbole_uses_its_splits_and_field_names(tmp_path: Path) -> None:
    header = "uid:token\tiid:token\ttimestamp:float\n"
    for part, day in (("train", 1), ("valid", 2), ("test", 3)):
        (tmp_path / f"x.{part}.inter").write_text(f"{header}ann\tb{day}\t{1_600_000_000 + day}\n")
    columns = TableColumns(user_id="uid", item_id="iid")
    shop = load_shop(tmp_path, columns=columns)
    assert shop.events.select("item_id", "split").sort("item_id").rows() == [
        ("b1", "train"), ("b2", "validation"), ("b3", "test"),
    ]  # fmt: skip
    assert counts(shop)["undescribed_item"] == 3
    with pytest.raises(
        ValueError, match="the field user_id is missing; it has uid, iid, timestamp, split; name yours"
    ):
        load_shop(tmp_path)
    (tmp_path / "y.inter").write_text(header)
    with pytest.raises(ValueError, match="has 2 data sets, x, y; give the folder of one"):
        load_shop(tmp_path, columns=columns)
    (tmp_path / "y.inter").unlink()
    (tmp_path / "x.item").write_text("iid:token\tprice\n")
    with pytest.raises(ValueError, match="the field 'price' has no type; write price:token, or another of"):
        load_shop(tmp_path, columns=columns)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_card_is_printed_and_written(layout: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    LAYOUTS[layout][1](tmp_path / "data")
    shop = load_shop(tmp_path / "data")
    written = shop.card.write(tmp_path / "card").read_text(encoding="utf-8")
    assert (tmp_path / "card" / "README.md").read_text(encoding="utf-8") == written
    head, body = written.removeprefix("---\n").split("\n---\n")
    assert json.loads(head.splitlines()[0].removeprefix("pretty_name: ")) == shop.card.name
    assert f"- items: {shop.items.height} rows" in body
    assert f"- events: {shop.events.height} rows" in body
    assert "Columns of items: `item_id`, `title`, `description`" in body
    assert "- time range: 2023-11-14 to 20" in body
    for line in (f"items: {shop.items.height:,} rows", "users with events: 15"):
        assert line in str(shop.card)
