"""Columns named after persons are never fields of items that are derived from an export."""

from __future__ import annotations

import polars as pl
import pytest

from xcat_rec.tokenization.tables.column_guess import guess_columns
from xcat_rec.tokenization.tables.person_columns import names_person
from xcat_rec.tokenization.tables.schema import TableColumns, validate_tables

EXPORTS = {
    "shopify": "Name,Email,Created at,Lineitem name,Lineitem sku,Lineitem price,{}\n"
    "#1001,e1,2024-01-01 10:00:00 +0000,Mug,M-1,3.50,Ann Lee\n#1002,e2,2024-01-02 10:00:00 +0000,Bowl,B-1,4,Bo Ek\n",
    "woocommerce": "Order Number,Customer User ID,Order Date,Item Name,SKU,Item Cost,{}\n"
    "51,7,2024-01-01 10:00,Mug,M-1,3.50,Ann Lee\n52,8,2024-01-02 10:00,Bowl,B-1,4.50,Bo Ek\n",
    "amazon": "order-id,purchase-date,buyer-id,sku,product-name,item-price,{}\n"
    "1-2,2024-01-01T10:00:00+00:00,b1,M-1,Mug,3.50,Ann Lee\n1-3,2024-01-02T10:00:00+00:00,b2,B-1,Bowl,4.50,Bo Ek\n",
    "etsy": "Sale Date,Item Name,Buyer,Price,Listing ID,{}\n"
    "2024-01-01,Mug,annl,3.50,M-1,Ann Lee\n2024-01-02,Bowl,boek,4.50,B-1,Bo Ek\n",
    "taobao": "订单编号,订单创建时间,用户ID,商品编号,宝贝标题,价格,{}\n"
    "1,2024-01-01 10:00:00,u1,M-1,Mug,3.50,李安\n2,2024-01-02 10:00:00,u2,B-1,Bowl,4.50,王波\n",
}
EXPORT_COLUMNS = {
    "shopify": {"item_id": "Lineitem sku", "user_id": "Email", "timestamp": "Created at"},
    "woocommerce": {"item_id": "SKU", "user_id": "Customer User ID", "timestamp": "Order Date"},
    "amazon": {"item_id": "sku", "user_id": "buyer-id", "timestamp": "purchase-date"},
    "etsy": {"item_id": "Listing ID", "user_id": "Buyer", "timestamp": "Sale Date"},
    "taobao": {"item_id": "商品编号", "user_id": "用户ID", "timestamp": "订单创建时间"},
}
PERSONS = [
    ("shopify", "Billing Name"), ("shopify", "Shipping Name"), ("shopify", "Shipping Street"),
    ("woocommerce", "First Name (Billing)"), ("woocommerce", "_shipping_last_name"), ("woocommerce", "Customer Note"),
    ("amazon", "recipient-name"), ("amazon", "buyer-name"), ("amazon", "ship-address-1"), ("amazon", "reviewerName"),
    ("etsy", "Full Name"), ("etsy", "Ship Name"), ("etsy", "Buyer User Name"), ("etsy", "Last Name"),
    ("taobao", "收件人"), ("taobao", "收货人姓名"), ("taobao", "买家昵称"), ("taobao", "姓名"),
    ("taobao", "買家會員名"),
]  # fmt: skip


@pytest.mark.parametrize(("shop", "person"), PERSONS)
def test_a_column_named_after_a_person_is_no_field_of_items_even_where_each_item_has_one_row(shop, person):
    table = pl.read_csv(EXPORTS[shop].format(person).encode())
    for field in ("title", "description", "category", "brand"):
        read = validate_tables(None, table, TableColumns(**EXPORT_COLUMNS[shop], **{field: person}))
        assert not [value for value in table[person] if value in read.items.write_json() + str(read.report)]
        (note,) = (problem for problem in read.problems if problem.kind == "names_person")
        assert note.column == person and f"map {field} to another column, or rename it" in str(note)
    found = guess_columns(table).columns
    assert person not in {found.name_of(field) for field in ("title", "description", "category", "brand", "item_id")}


@pytest.mark.parametrize("shop", EXPORTS)
@pytest.mark.parametrize(
    "field", ["Author", "Vendor", "Shipping class", "Customer part number", "商品名称", "Phone model"]
)
def test_public_names_are_fields_of_items(shop, field):
    table = pl.read_csv(EXPORTS[shop].format(field).encode())
    items = validate_tables(None, table, TableColumns(**EXPORT_COLUMNS[shop], brand=field)).items
    assert items["brand"].to_list() == table[field].to_list()


PERSON_NAMES = [
    "CustomerName", "ship-to", "Sold To", "Phone (Billing)", "Order Notes", "reviewer_name", "Gift Message",
    "buyername", "联系手机", "手机号", "评论者", "留言", "暱稱", "氏名", "구매자명", "Käufer", "Kundenname",
    "Prénom", "Apellidos", "Получатель",
]  # fmt: skip
PRODUCT_NAMES = [
    "Name", "title", "Lineitem name", "Product Full Name", "Brand Name", "Payment method", "Model", "User Manual",
    "Mobile Accessories", "label", "Streetwear", "商品名称", "宝贝标题", "手机型号", "会员价", "品名", "Artikelname",
    "Nom du produit",
]  # fmt: skip


def test_names_of_persons_differ_from_names_of_products():
    assert [name for name in PERSON_NAMES if not names_person(name)] == []
    assert [name for name in PRODUCT_NAMES if names_person(name)] == []
