"""A column that has different names in two tables, `TableColumns(by_table=...)`."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from xcat_rec.cli.argument_options import with_options
from xcat_rec.tokenization.interests.opinions import read_statements
from xcat_rec.tokenization.out_of_core.chunks import ChunkReading, cut_chunks, read_chunk
from xcat_rec.tokenization.out_of_core.inputs import PreparationInputs
from xcat_rec.tokenization.out_of_core.prepare import prepare_tables
from xcat_rec.tokenization.out_of_core.prepared_folder import load_prepared
from xcat_rec.tokenization.sequences.event_options import event_settings
from xcat_rec.tokenization.sequences.histories import read_histories
from xcat_rec.tokenization.sources import load_shop
from xcat_rec.tokenization.tables.column_guess import changed_columns, columns_text, guess_columns
from xcat_rec.tokenization.tables.schema import TableColumns, TableError, validate_items, validate_tables
from xcat_rec.tokenization.tables.table_columns import saved_columns
from xcat_rec.tokenization.vocabulary import VOCABULARY_FILE
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.workflows.fields import parse_columns

TWO = {"items.item_id": "asin", "events.item_id": "product_id"}
TEXT = "user_id=who,items.item_id=asin,events.item_id=product_id"
COLUMNS = TableColumns(user_id="who", by_table=TWO)
ITEMS = pl.DataFrame({"asin": ["A1", "B2", "C3"], "title": ["Tent", "Lamp", "Map"]})
EVENTS = pl.DataFrame({
    "who": ["u"] * 5 + ["v"] * 5, "product_id": ["A1", "B2", "C3", "A1", "B2"] * 2, "rating": [5.0, 1.0] * 5,
    "timestamp": [1_600_000_000 + 60 * n for n in range(10)],
})  # fmt: skip
IDS = EVENTS["product_id"].to_list()


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    ITEMS.write_parquet(folder / "items.parquet")
    EVENTS.write_parquet(folder / "events.parquet", row_group_size=2)
    return folder


def test_text_and_mapping_are_the_same():
    assert parse_columns(TEXT) == COLUMNS and columns_text(changed_columns(COLUMNS)) == TEXT
    assert parse_columns("item_id=sku,events.item_id=a\\,b").by_table == {"events.item_id": "a,b"}
    told = with_options(f"map it with TableColumns(user_id='who', by_table={TWO!r})", "fit")
    assert told == f"map it with --columns {TEXT}"
    for wrong in ("log.item_id=x", "events.sku=x", ".item_id=x", "events.item_id", "by_table=x"):
        with pytest.raises(ValueError, match=r"columns has '.*; for one table only such as events\.item_id=column"):
            parse_columns(wrong)
    with pytest.raises(
        ValueError, match=r"by_table has 'log\.item_id'; give TABLE\.name, with a table of items, events"
    ):
        TableColumns(by_table={"log.item_id": "x"})


def test_each_table_is_read_with_its_own_name(shop):
    found = load_shop(shop, columns=COLUMNS)
    assert found.items.columns == ["item_id", "title", "description", "category", "brand", "price"]
    assert found.events["item_id"].to_list() == IDS and "product_id" not in found.events.columns
    both = ITEMS.rename({"asin": "sku"})
    mixed = TableColumns(item_id="sku", user_id="who", by_table={"events.item_id": "product_id"})
    assert validate_tables(both, EVENTS, mixed).events["item_id"].to_list() == IDS
    assert validate_items(ITEMS, COLUMNS)[0]["item_id"].to_list() == ["A1", "B2", "C3"]
    assert read_histories(shop / "events.parquet", COLUMNS).items == [IDS[:5], IDS[5:]]
    assert read_statements(EVENTS, COLUMNS).table["item_id"].to_list() == IDS


def test_users_and_promotions_can_have_other_names():
    people = pl.DataFrame({"member": ["u", "v"], "age": [30, 40]})
    offers = pl.DataFrame({"kind": ["coupon"], "article": ["A1"], "household": ["v"], "start": [1_600_000_000]})
    names = {"users.user_id": "member", "promotions.item_id": "article", "promotions.user_id": "household"}
    columns = TableColumns(user_id="who", by_table=TWO | names)
    found = validate_tables(ITEMS, EVENTS, columns, users=people, promotions=offers)
    assert found.users.rows() == [("u", 30), ("v", 40)]
    assert found.promotions.collect().select("item_id", "user_id").rows() == [("A1", "v")]
    # Promotions are not read with the names of the previous table.
    plain = offers.rename({"article": "item_id", "household": "user_id"})
    saved = saved_columns({"columns": changed_columns(columns)})
    kept = validate_tables(ITEMS, EVENTS, saved, users=people, promotions=plain)
    assert kept.promotions.collect().select("item_id", "user_id").rows() == [("A1", "v")]


def test_the_mapping_is_saved_and_used_if_a_table_lacks_our_names(shop):
    settings = event_settings(load_shop(shop, columns=COLUMNS), PreparationOptions())
    assert settings["columns"] == {"user_id": "who", "by_table": TWO}
    saved = saved_columns(settings)
    assert load_shop(shop, columns=saved).events["item_id"].to_list() == IDS
    ours = load_shop(shop, columns=COLUMNS)
    assert validate_tables(ours.items, ours.events, saved).events["item_id"].to_list() == IDS
    assert validate_tables(ITEMS, ours.events, saved).events["user_id"].to_list() == EVENTS["who"].to_list()


def test_events_are_prepared_in_chunks_with_their_own_name(shop, tmp_path):
    inputs = PreparationInputs(shop, columns=COLUMNS)
    tables = inputs.write_tables(tmp_path, tmp_path)
    reading = ChunkReading(str(tmp_path / VOCABULARY_FILE), tables.columns, style=tables.style)
    read = [read_chunk(chunk, reading) for chunk in cut_chunks(tables.events, 2)]
    assert len(read) == 5 and pl.concat([part for part, _ in read])["item_id"].to_list() == IDS
    assert "product_id" in tables.style.keys and "by_table" not in PreparationInputs(shop).describe(reading)["columns"]
    prepare_tables(inputs, tmp_path / "ready")
    assert load_prepared(tmp_path / "ready").columns == COLUMNS
    with pytest.raises(ValueError, match="was prepared, and its columns already have our names"):
        load_shop(tmp_path / "ready", columns=TableColumns(by_table=TWO))
    with pytest.raises(ValueError, match="data='complete-journey' has its own column names"):
        load_shop("complete-journey", columns=TableColumns(by_table=TWO))


def test_fields_of_recbole_too(tmp_path):
    (tmp_path / "x.item").write_text("asin:token\ttitle:token_seq\nA1\tTent\n")
    rows = "who:token\tproduct_id:token\ttimestamp:float\nu\tA1\t1600000000\nu\tB2\t1600000060\n"
    (tmp_path / "x.inter").write_text(rows)
    found = load_shop(tmp_path, columns=COLUMNS)
    assert found.items["item_id"].to_list() == ["A1", "B2"] and found.events["item_id"].to_list() == ["A1", "B2"]
    with pytest.raises(ValueError, match="the field item_id is missing; it has who, product_id"):
        load_shop(tmp_path, columns=TableColumns(user_id="who"))


def test_the_hint_names_the_table_if_the_other_has_its_id():
    with pytest.raises(TableError) as refused:
        validate_tables(ITEMS, EVENTS.rename({"product_id": "pid"}), TableColumns(item_id="asin", user_id="who"))
    told = with_options(str(refused.value), "fit")
    assert "events, column asin: the column is missing; map it with --columns 'events.item_id=" in told
    with pytest.raises(TableError) as refused:
        validate_tables(ITEMS, EVENTS)
    told = with_options(str(refused.value), "fit")
    assert "map it with --columns 'item_id=its name there'" in told
    (proposed,) = [line for line in told.splitlines() if line.startswith("proposed by names and values: ")]
    assert "items.item_id=asin" in proposed and "events.item_id=product_id" in proposed


@pytest.mark.parametrize(
    ("items", "events", "by_table"),
    [
        ("asin", "product_id", TWO),
        ("item_id", "product_id", {"events.item_id": "product_id"}),
        ("asin", "item_id", {"items.item_id": "asin"}),
        ("code", "thing", {"items.item_id": "code", "events.item_id": "thing"}),
    ],
)
def test_two_names_are_proposed(items, events, by_table):
    log = EVENTS.rename({"product_id": events, "who": "user_id"})
    guess = guess_columns(ITEMS.rename({"asin": items}), log)
    assert guess.columns == TableColumns(by_table=by_table) and not guess.problems
    assert set(by_table) <= set(guess.confidence) and f"{min(by_table)} is " in str(guess)
    found = validate_tables(ITEMS.rename({"asin": items}), log, guess.columns)
    assert found.events["item_id"].to_list() == IDS


def test_numbers_that_match_by_chance_are_not_proposed():
    items = pl.DataFrame({"number": [1, 2, 3], "sku": ["a", "b", "c"], "title": ["A", "B", "C"]})
    events = pl.DataFrame({
        "user_id": ["u"] * 3, "rating": [1, 2, 3], "product": ["a", "b", "x"], "timestamp": [1_600_000_000] * 3,
    })  # fmt: skip
    assert guess_columns(items, events).columns.by_table == {"items.item_id": "sku", "events.item_id": "product"}
