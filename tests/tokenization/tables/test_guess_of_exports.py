"""Mappings proposed for exports of orders: the item recurs over orders, the number of an order within one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from xcat_rec.cli.app import main
from xcat_rec.tokenization.tables.column_guess import guess_columns
from xcat_rec.tokenization.tables.schema import validate_tables

Line = Callable[[int, int, int, int], dict[str, Any]]


def orders(line: Line, count: int = 40) -> pl.DataFrame:
    """Orders of one to three lines by 7 customers; the arguments of a line are order, user, line and product."""
    rows = [
        line(order, order % 7, place, (order + 3 * place) % 9)
        for order in range(count)
        for place in range(order % 3 + 1)
    ]
    return pl.DataFrame(rows)


def day(order: int) -> str:
    return f"2024-0{1 + order // 28}-{1 + order % 28:02d} 10:00:00"


def shopify(order: int, user: int, place: int, product: int) -> dict[str, Any]:
    return {
        "Name": f"#{1001 + order}", "Email": f"p{user}@x.example", "Created at": day(order), "Vendor": "Acme",
        "Lineitem quantity": 1, "Lineitem name": f"Mug no {product}", "Lineitem sku": "",
        "Billing Name": f"Pat {user}", "Financial Status": "paid",
    }  # fmt: skip


def woocommerce(order: int, user: int, place: int, product: int) -> dict[str, Any]:
    return {
        "Order Number": 50 + order, "Order Date": day(order), "Customer Note": "", "Customer User ID": user,
        "Item #": place + 1, "Item Name": f"Mug no {product}", "SKU": "", "Item Cost": 2.5,
    }  # fmt: skip


def amazon(order: int, user: int, place: int, product: int) -> dict[str, Any]:
    return {
        "order-item-id": 9000 * order + place, "amazon-order-id": f"111-{order:07d}", "purchase-date": day(order),
        "buyer-email": f"p{user}@m.example", "buyer-name": f"Pat {user}", "product-name": f"Mug no {product}",
        "recipient-name": f"Pat {user}",
    }  # fmt: skip


def etsy(order: int, user: int, place: int, product: int) -> dict[str, Any]:
    return {
        "Sale Date": day(order), "Item Name": f"Mug no {product}", "Buyer": f"pat{user}", "Item Total": 2.5 + product,
        "Transaction ID": 7000 * order + place, "Listing ID": 500 + product, "Order ID": 100 + order, "SKU": "",
    }  # fmt: skip


def taobao(order: int, user: int, place: int, product: int) -> dict[str, Any]:
    return {
        "订单编号": 2000 + order, "买家会员名": f"p{user}", "收货人姓名": f"李{user}", "订单创建时间": day(order),
        "宝贝标题": f"杯子 {product}", "宝贝数量": 1, "价格": 3.5,
    }  # fmt: skip


def named(order: int, user: int, place: int, product: int) -> dict[str, Any]:
    return {"Name": f"ORD-{order}", "Customer": f"p{user}", "Date": day(order), "Item title": f"Mug no {product}"}


@pytest.mark.parametrize(
    ("line", "item", "user", "basket"),
    [
        (shopify, "Lineitem name", "Email", "Name"), (woocommerce, "Item Name", "Customer User ID", "Order Number"),
        (amazon, "product-name", "buyer-email", "amazon-order-id"), (etsy, "Listing ID", "Buyer", "Order ID"),
        (taobao, "宝贝标题", "买家会员名", "订单编号"), (named, "Item title", "Customer", "Name"),
    ],
)  # fmt: skip
def test_the_item_recurs_over_orders(line, item, user, basket):
    guess = guess_columns(orders(line))
    assert (guess.columns.item_id, guess.columns.user_id, guess.columns.basket_id) == (item, user, basket)
    assert guess.problems == () and guess.notes == ("40 baskets, 26 of them with several rows",)


def test_an_order_of_one_line_each_is_not_an_item():
    table = orders(named).with_columns(Name=pl.format("ORD-{}", pl.int_range(pl.len())))
    assert guess_columns(table).columns.item_id == "Item title"


def test_rows_with_their_own_item_are_reported():
    table = orders(
        lambda order, user, place, _: {"Customer": f"p{user}", "Date": day(order), "SKU": f"{order}.{place}"}
    )
    guess = guess_columns(table)
    (problem,) = guess.problems
    assert problem.startswith("each of the 79 rows has its own item_id ('SKU'), so nothing can be learnt")
    shop = validate_tables(None, table, guess.columns)
    assert [one.count for one in shop.problems if one.kind == "unique_items"] == [79]
    few = validate_tables(None, table.head(9), guess.columns)
    assert guess_columns(table.head(9)).problems == ()
    assert not [one for one in few.problems if one.kind == "unique_items"]


def test_rows_without_a_customer_and_baskets_are_counted(tmp_path, capsys):
    table = orders(lambda *line: {name: value for name, value in named(*line).items() if name != "Name"})
    table = table.with_columns(Customer=pl.when(pl.int_range(pl.len()) < 5).then(None).otherwise("Customer"))
    missing = "5 of 79 rows have no user_id ('Customer'): they are refused; "
    assert guess_columns(table).notes == (
        missing + 'missing_users="drop" leaves them out',
        "no column looks like basket_id: rows of a user at one time are a basket; these are 38 baskets, "
        "24 of them with several rows",
    )
    table.write_csv(tmp_path / "orders.csv")
    with pytest.raises(SystemExit):
        main(["fit", str(tmp_path / "orders.csv"), "--guess-columns"])
    told = " ".join(capsys.readouterr().err.split())
    assert f"note: {missing}--missing-users drop leaves them out" in told


def test_a_column_named_like_ours_is_the_item():
    table = orders(named).rename({"Name": "item_id"})
    assert guess_columns(table).columns.item_id == "item_id"


def test_searches_are_not_missing_items():
    table = (
        orders(named)
        .rename({"Name": "order no"})
        .with_columns(sku=pl.col("Item title").str.slice(-1), query=pl.lit(""))
    )
    searches = table.with_columns(sku=pl.lit(""), query=pl.lit("warm mug"))
    guess = guess_columns(pl.concat([table, searches, searches]))
    assert guess.columns.item_id == "sku" and not [note for note in guess.notes if "item_id" in note]
