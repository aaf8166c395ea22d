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
    assert shlex.split(with_options(guess.call)) == ["--columns", MAPPING]
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
    assert f"proposed by names and values: --columns '{MAPPING}'" in with_options(str(refused.value))


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
