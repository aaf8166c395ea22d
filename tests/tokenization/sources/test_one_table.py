"""A shop of one table: which files are read, whatever they are called and however they are given."""

from __future__ import annotations

from pathlib import Path

import datasets
import polars as pl
import pytest

from xcat_rec.tokenization.sources import check_source, load_shop

from .test_workbooks import write_xlsx

EXPORT = pl.DataFrame({
    "user_id": ["u", "u", "v", "v"], "item_id": ["a", "b", "a", "b"], "title": ["Mug", "Bowl", "Mug", "Bowl"],
    "timestamp": [1_700_000_000 + 86_400 * day for day in range(4)],
})  # fmt: skip
USERS = pl.DataFrame({"user_id": ["u", "v"], "age": [30, 40]})


def write(path: Path, table: pl.DataFrame = EXPORT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".xlsx":
        write_xlsx(path, {"Sheet1": table})
    else:
        getattr(table, {".csv": "write_csv", ".parquet": "write_parquet", ".jsonl": "write_ndjson"}[path.suffix])(path)
    return path


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl", "xlsx"])
def test_a_file_and_a_folder_of_one_file_are_a_shop(tmp_path, suffix):
    path = write(tmp_path / "own" / f"invoices.{suffix}")
    (tmp_path / "own" / "README.md").write_text("notes")
    ways = [
        load_shop(path), load_shop(str(path)), load_shop(path.parent), load_shop(f"tables:{path}"),
        load_shop(events=path), load_shop(items=str(path), events=path),
    ]  # fmt: skip
    for shop in ways:
        assert shop.items.select("item_id", "title").rows() == [("a", "Mug"), ("b", "Bowl")]
        assert shop.events.height == 4
    assert [shop.name for shop in ways[:4]] == ["invoices", "invoices", "own", "invoices"]
    check_source(path)
    check_source(None, events=path)


def test_a_folder_of_events_alone_is_a_shop_and_may_have_users(tmp_path):
    write(tmp_path / "events.csv")
    assert load_shop(tmp_path).items.height == 2
    write(tmp_path / "users.csv", USERS)
    shop = load_shop(tmp_path)
    assert shop.items.height == 2 and shop.users is not None and shop.users.height == 2
    write(tmp_path / "items.csv", pl.DataFrame({"item_id": ["a", "b", "c"], "title": ["Mug", "Bowl", "Cup"]}))
    assert load_shop(tmp_path).items.height == 3


def test_a_table_of_another_name_may_be_that_of_items(tmp_path):
    write(tmp_path / "events.csv")
    write(tmp_path / "products.csv")
    with pytest.raises(FileNotFoundError, match=r"no items table; it holds products\.csv beside the events.*alone"):
        load_shop(tmp_path)
    assert load_shop(tmp_path / "events.csv").items.height == 2


def test_sheets_of_one_workbook_are_two_tables(tmp_path):
    items = pl.DataFrame({"item_id": ["a", "b", "c"], "title": ["Mug", "Bowl", "Cup"]})
    write_xlsx(tmp_path / "shop.xlsx", {"items": items, "events": EXPORT.drop("title")})
    path = tmp_path / "shop.xlsx"
    for shop in (load_shop(path), load_shop(tmp_path), load_shop(events=path), load_shop(items=path, events=path)):
        assert shop.items["title"].to_list() == ["Mug", "Bowl", "Cup"]
    write_xlsx(path, {"events": EXPORT, "notes": items})
    assert load_shop(path).items["title"].to_list() == ["Mug", "Bowl"]


def test_tables_in_memory_may_be_one(tmp_path):
    data = datasets.Dataset.from_dict(EXPORT.to_dict(as_series=False))
    ways = [
        {"events": EXPORT}, {"items": EXPORT, "events": EXPORT}, {"events": EXPORT.to_pandas()}, {"events": data},
        {"data": datasets.DatasetDict(train=data)}, {"data": datasets.DatasetDict(events=data)},
    ]  # fmt: skip
    for way in ways:
        assert load_shop(**way).items["title"].to_list() == ["Mug", "Bowl"]
    with pytest.raises(ValueError, match="no events table was given"):
        load_shop(items=EXPORT)


def test_sources_of_public_sets_are_not_one_file(tmp_path):
    with pytest.raises(ValueError, match=r"data='movielens' is read from a folder, and .*x\.csv is a file"):
        load_shop(f"movielens:{write(tmp_path / 'x.csv')}")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_shop("shop/export.csv")
