"""Mappings proposed from names, values and shared ids; and advice about baskets."""

from __future__ import annotations

import shlex

import polars as pl
import pytest

from xcat_rec.cli.app import main
from xcat_rec.cli.argument_options import with_options
from xcat_rec.tokenization.sequences.splits import SPLITS
from xcat_rec.tokenization.tables.column_guess import columns_text, guess_columns
from xcat_rec.tokenization.tables.event_roles import event_roles
from xcat_rec.tokenization.tables.schema import TableColumns, TableError, validate_tables
from xcat_rec.workflows.fields import parse_columns

EVENTS = """Invoice,StockCode,Quantity,InvoiceDate,Price,Customer ID
1,a,12,2009-12-01 07:45,6.95,u
1,b,12,2009-12-01 07:45,6.75,u
2,a,-2,2009-12-02 09:06,6.95,u
3,b,1,2009-12-03 09:06,6.75,v
3,a,2,2009-12-03 09:06,6.95,v
"""
ITEMS = "StockCode,Description\na,BLUE WALL CLOCK\nb,DOORMAT\n"
MAPPING = (
    "item_id=StockCode,title=Description,user_id=Customer ID,timestamp=InvoiceDate,basket_id=Invoice,quantity=Quantity"
)


@pytest.fixture
def invoices(tmp_path):
    (tmp_path / "items.csv").write_text(ITEMS, encoding="utf-8")
    (tmp_path / "events.csv").write_text(EVENTS, encoding="utf-8")
    return tmp_path


def test_invoices_are_mapped(invoices):
    guess = guess_columns(invoices / "items.csv", invoices / "events.csv")
    assert guess.columns == parse_columns(MAPPING) and not guess.problems
    assert shlex.split(with_options(guess.call, "fit")) == ["--columns", MAPPING]
    assert min(guess.confidence.values()) >= 0.8 and "user_id is 'Customer ID' (high confidence)" in str(guess)


def test_chinese_names_are_mapped():
    items = pl.DataFrame({"商品编号": ["a", "b"], "商品名称": ["红", "绿"], "类目": ["x", "y"]})
    events = pl.DataFrame({
        "用户编号": ["u", "u", "v"], "商品编号": ["a", "b", "a"], "下单时间": ["2024-01-01"] * 3,
        "订单号": ["1", "2", "3"], "数量": [1, -1, 2], "行为类型": ["购买", "退货", "购买"],
    })  # fmt: skip
    columns = guess_columns(items, events).columns
    assert (columns.item_id, columns.title, columns.category) == ("商品编号", "商品名称", "类目")
    found = (columns.user_id, columns.timestamp, columns.basket_id, columns.quantity, columns.event_type)
    assert found == ("用户编号", "下单时间", "订单号", "数量", "行为类型")


@pytest.mark.parametrize(
    "times",
    [
        pl.Series(["2024-01-01", "2024-01-02", "2024-01-02"]).str.to_date(),
        pl.Series(["2024-01-01 10:00", "2024-01-02 11:30", "2024-01-03 09:15"]).str.to_datetime("%Y-%m-%d %H:%M"),
        pl.Series(["2024-01-01 10:00", "2024-01-02 11:30", "2024-01-03 09:15"]),
        pl.Series(["31/12/2023", "1/1/2024", "2/1/2024"]),
    ],
    ids=["dates", "datetimes", "texts with times", "European dates"],
)
def test_the_only_column_of_times_is_the_timestamp_whatever_its_name(times):
    items = pl.DataFrame({"sku": ["a", "b"], "name": ["Mug", "Pot"]})
    events = pl.DataFrame({"shopper": ["u", "u", "v"], "sku": ["a", "b", "a"], "user": ["u", "u", "v"]})
    guess = guess_columns(items, events.with_columns(times.alias("moment")))
    assert guess.columns.timestamp == "moment" and 0 < guess.confidence["timestamp"] < 0.8 and not guess.problems
    log = guess_columns(events.join(items, on="sku").with_columns(times.alias("moment")))
    assert log.columns.timestamp == "moment"
    if times.dtype.is_temporal():  # as pandas and Arrow give it
        frame = events.with_columns(times.alias("moment")).to_pandas()
        assert guess_columns(items.to_pandas(), frame).columns.timestamp == "moment"


def test_several_columns_of_times_are_not_guessed():
    day = pl.Series(["2024-01-01", "2024-01-02", "2024-01-02"]).str.to_date()
    events = pl.DataFrame({"user": ["u", "u", "v"], "sku": ["a", "b", "a"], "placed": day, "left": day})
    items = pl.DataFrame({"sku": ["a", "b"], "name": ["Mug", "Pot"]})
    guess = guess_columns(items, events)
    assert guess.problems == ("no column of events looks like timestamp",)
    assert guess_columns(items, events.rename({"left": "order_date"})).columns.timestamp == "order_date"
    assert guess_columns(items, events.rename({"left": "birthday"})).columns.timestamp == "placed", "of a person"
    codes = events.drop("placed", "left").with_columns(bin=pl.Series(["12-34", "11-05", "7-1"]))
    assert "timestamp" not in guess_columns(items, codes).confidence, "codes are not dates"


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("cat", "category"), ("Dept", "category"), ("dept nm", "category"), ("prod_categ", "category"),
        ("mfr", "brand"), ("MFG_NM", "brand"),
        ("prodDesc", "title"), ("prod nm", "title"), ("prc", "price"), ("unit_prc", "price"),
    ],
)  # fmt: skip
def test_abbreviations_of_fields_of_items(column, name):
    values = {"price": [1.5, 2.0]}.get(name, ["Kitchen ware", "Garden"])
    items = pl.DataFrame({"sku": ["a", "b"], column: values})
    events = pl.DataFrame({"user": ["u", "v"], "sku": ["a", "b"], "date": ["2024-01-01"] * 2})
    assert getattr(guess_columns(items, events).columns, name) == column


@pytest.mark.parametrize(
    ("column", "name", "values"),
    [
        ("cust", "user_id", ["u", "v"]), ("custNo", "user_id", ["u", "v"]), ("mbr_id", "user_id", ["u", "v"]),
        ("txn_dt", "timestamp", ["2024-01-01", "2024-01-02"]), ("inv num", "basket_id", ["1", "2"]),
        ("ord_nr", "basket_id", ["1", "2"]), ("prod_cd", "item_id", ["a", "b"]), ("qnty", "quantity", [1, 2]),
    ],
)  # fmt: skip
def test_abbreviations_of_fields_of_events(column, name, values):
    events = pl.DataFrame({"user_id": ["u", "v"], "sku": ["a", "b"], "timestamp": [1e9, 2e9]})
    ours = {"item_id": "sku"}.get(name, name)
    events = events.drop(ours, strict=False).with_columns(pl.Series(column, values))
    items = pl.DataFrame({column if name == "item_id" else "sku": ["a", "b"], "name": ["Mug", "Pot"]})
    assert getattr(guess_columns(items, events).columns, name) == column


def test_values_can_contradict_a_name():
    """A column `date` of words is not a time, and ids without events are not item ids."""
    items = pl.DataFrame({"id": [1, 2], "sku": ["a", "b"], "name": ["A", "B"]})
    events = pl.DataFrame({"id": [7, 8], "sku": ["a", "b"], "user": ["u", "v"], "date": ["early", "late"]})
    guess = guess_columns(items, events)
    assert guess.columns == TableColumns(item_id="sku", title="name", user_id="user")
    assert guess.problems == ("no column of events looks like timestamp",)


def test_our_names_need_no_option():
    items = pl.DataFrame({"item_id": ["a"], "title": ["A"]})
    guess = guess_columns(items, pl.DataFrame({"user_id": ["u"], "item_id": ["a"], "timestamp": [1_600_000_000]}))
    assert guess.call == "" and guess.columns == TableColumns() and not guess.problems


@pytest.mark.parametrize(
    "name", ["Customer ID", "a,b", "a=b", "back\\slash", 'quo"ted', "it's", "a\\,b", "end\\", "\\\\", ",\\,"]
)
def test_any_name_can_be_given(name):
    for named in ({"user_id": name, "item_id": "sku"}, {"item_id": "sku", "user_id": name}):
        assert parse_columns(columns_text(named)) == TableColumns(user_id=name, item_id="sku")


def test_an_error_proposes_the_mapping(invoices):
    with pytest.raises(TableError) as refused:
        validate_tables(pl.read_csv(invoices / "items.csv"), pl.read_csv(invoices / "events.csv"))
    assert f"proposed by names and values: --columns '{MAPPING}'" in with_options(str(refused.value), "fit")


@pytest.mark.parametrize("command", ["inspect", "fit", "prepare"])
def test_commands_print_the_option(invoices, command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, str(invoices), "--guess-columns"])
    assert not ended.value.code
    assert capsys.readouterr().out.strip() == f"--columns '{MAPPING}'"


def test_baskets_are_proposed_as_the_split(invoices):
    shop = validate_tables(
        pl.read_csv(invoices / "items.csv"), pl.read_csv(invoices / "events.csv"), parse_columns(MAPPING)
    )
    roles = event_roles(shop.events["event_type"])
    told = SPLITS["leave-one-out"].advice(shop.events, roles)
    assert told is not None and told.startswith("100% of the users have baskets (basket_id) of several events, 100%")
    assert SPLITS["last-basket"].advice(shop.events, roles) is None
    bare = shop.events.with_columns(basket_id=pl.lit(None, pl.String))
    told = SPLITS["leave-one-out"].advice(bare, roles)
    assert told is not None and "the last events of 100% of the users share their time" in told
    assert "at one time are a basket" in str(SPLITS["last-basket"].advice(bare, roles))
    single = bare.with_columns(timestamp=pl.int_range(pl.len()) * 100)
    assert SPLITS["leave-one-out"].advice(single, roles) is None


def test_bytes_that_are_no_text_are_no_ids() -> None:
    items = pl.DataFrame({"code": [b"\xff\xfe", b"\xff\xfd"], "item_id": ["A", "B"], "title": ["Red tent", "Oat bar"]})
    events = pl.DataFrame({"item_id": ["A", "B", "A"], "user_id": ["u", "u", "v"], "raw": [b"\xff", b"\xfe", b"a"]})
    assert guess_columns(items, events).columns.item_id == "item_id"
