"""One row per item from a table of events that has the columns of items too."""

from __future__ import annotations

import polars as pl
import pytest

from xcat_rec.tokenization.tables.column_guess import guess_columns
from xcat_rec.tokenization.tables.items_of_events import ItemsOfEvents
from xcat_rec.tokenization.tables.schema import (
    TableColumns,
    TableError,
    derive_items,
    validate_items,
    validate_tables,
)

INVOICES = """Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Customer Name,Country
1, a ,MUG RED,1,2009-12-01 07:45,2.50,u1,Ann Lee,France
1,b,BOWL,2,2009-12-01 07:45,3.00,u1,Ann Lee,France
2,a,MUG RED,1,2009-12-02 07:45,2.75,u2,Bo Ek,Norway
2,c,,1,2009-12-02 07:45,1.00,u2,Bo Ek,Norway
3,a,mug? red,-1,2009-12-03 07:45,2.75,u3,Cy Oz,France
3,b,BOWL XL,1,2009-12-03 07:45,3.00,u3,Cy Oz,France
4,c,PLATE,1,2009-12-04 07:45,1.00,u1,Ann Lee,France
"""
COLUMNS = TableColumns(
    item_id="StockCode", title="Description", price="Price", user_id="Customer ID", timestamp="InvoiceDate",
    basket_id="Invoice", quantity="Quantity",
)  # fmt: skip
USERS = ("u1", "u2", "u3", "Ann Lee", "Bo Ek", "Cy Oz", "France", "Norway")


def invoices() -> pl.DataFrame:
    return pl.read_csv(INVOICES.encode())


def log_of_names(users: int = 30) -> pl.DataFrame:
    """Customers of four cities who buy of five items, each of which has one title and one brand."""
    rows = [
        {
            "user_id": f"u{user}", "item_id": f"i{(user + step) % 5}", "timestamp": 1_700_000_000 + 86_400 * step,
            "title": f"Title {(user + step) % 5}", "brand": "Acme" if (user + step) % 5 else "Bolt",
            "name": f"Person {user}", "city": f"City {user % 4}", "review": f"I liked it {user} {step}",
        }
        for user in range(users)
        for step in range(3)
    ]  # fmt: skip
    return pl.DataFrame(rows)


def test_the_most_frequent_value_is_taken_and_of_equally_frequent_ones_the_last():
    shop = validate_tables(None, invoices(), COLUMNS)
    assert shop.items.select("item_id", "title", "price").rows() == [
        ("a", "MUG RED", 2.75), ("b", "BOWL XL", 3.0), ("c", "PLATE", 1.0),
    ]  # fmt: skip
    notes = {(problem.column, problem.kind): problem for problem in shop.problems}
    assert notes["Description", "several_values"].count == 2 and notes["Price", "several_values"].count == 1
    told = str(shop.report)
    assert "items, column Description: 2 items have more than one value, for example 'b'; the most frequent is" in told
    assert "items: the table was derived from the events; it has 3 items; fields: title, price" in told
    assert shop.events["item_id"].to_list() == ["a", "b", "a", "c", "a", "b", "c"]
    assert shop.events["event_type"].to_list().count("return") == 1


def test_the_events_given_again_as_items_are_the_same():
    once, twice = validate_tables(None, invoices(), COLUMNS), validate_tables(invoices(), invoices(), COLUMNS)
    assert once.items.equals(twice.items) and once.events.equals(twice.events)


def test_an_items_table_that_repeats_ids_is_still_refused():
    items = invoices().select("StockCode", "Description", "Price")
    with pytest.raises(TableError, match="rows repeat an id, for example 'a'; keep one row per item"):
        validate_tables(items, invoices(), COLUMNS)
    with pytest.raises(TableError, match="rows repeat an id"):
        validate_items(items, COLUMNS)


def test_an_items_table_may_be_an_export():
    items, report = validate_items(invoices(), COLUMNS, "invoices.csv")
    assert items.equals(validate_tables(None, invoices(), COLUMNS).items)
    assert report.rows == {"items": 3}
    with pytest.raises(TableError, match="the column is missing"):
        derive_items(invoices())


def test_nothing_of_users_is_in_the_items_table():
    for columns in (COLUMNS, TableColumns(**{**COLUMNS.to_dict(), "brand": "Customer ID", "category": "Invoice"})):
        shop = validate_tables(None, invoices(), columns)
        held = shop.items.write_json()
        assert not [value for value in USERS if f'"{value}"' in held]
        assert shop.items.columns == ["item_id", "title", "description", "category", "brand", "price"]


@pytest.mark.parametrize("column", ["name", "city", "review"])
@pytest.mark.parametrize("field", ["title", "category"])
def test_a_column_that_differs_within_items_is_no_field_of_theirs(column, field):
    table = log_of_names().drop("title")
    shop = validate_tables(None, table, TableColumns(**{field: column}))
    assert shop.items[field].drop_nulls().filter(shop.items[field].drop_nulls() != "").is_empty()
    assert shop.items["brand"].to_list() == ["Bolt", *["Acme"] * 4]
    (note,) = (problem for problem in shop.problems if problem.kind == "field_of_users")
    assert note.column == column and f"map {field} to another column" in str(note)
    assert not any(value in str(shop.report) for value in ("Person", "City ", "I liked"))


def test_a_constant_column_and_misspelt_titles_are_fields_of_items():
    table = log_of_names().with_columns(
        brand=pl.lit("Acme"),
        title=pl.when(pl.int_range(pl.len()) % 7 == 0).then(pl.col("title").str.to_uppercase()).otherwise("title"),
    )
    items = validate_tables(None, table).items
    assert items["brand"].unique().to_list() == ["Acme"] and items["title"].str.starts_with("Title").all()


def test_ids_alone_are_a_shop_and_the_note_says_how_to_name_them():
    table = invoices().select("StockCode", "InvoiceDate", "Customer ID")
    named = TableColumns(item_id="StockCode", user_id="Customer ID", timestamp="InvoiceDate")
    shop = validate_tables(None, table, named)
    assert shop.items["title"].to_list() == [""] * 3
    assert "the model has their ids alone; map one with TableColumns(title='its name there')" in str(shop.report)


def test_a_mapped_column_that_is_missing_is_refused_with_a_proposal():
    with pytest.raises(TableError, match=r"(?s)items, column Descr: the column is missing.*proposed .*'Description'"):
        validate_tables(None, invoices(), TableColumns(**{**COLUMNS.to_dict(), "title": "Descr"}))


def test_a_table_in_parts_gives_the_same_items():
    whole, parts = ItemsOfEvents(COLUMNS), ItemsOfEvents(COLUMNS)
    whole.add(invoices())
    for start in range(0, 7, 2):
        parts.add(invoices().slice(start, 2))
    items, again = whole.finish(), parts.finish()
    assert items is not None and again is not None and items.equals(again)
    assert [str(problem) for problem in whole.problems] == [str(problem) for problem in parts.problems]


def test_one_table_is_mapped_by_names_and_values():
    guess = guess_columns(invoices())
    assert guess.columns == COLUMNS and not guess.problems
    assert guess_columns(invoices(), invoices()) == guess
    assert validate_tables(None, invoices(), guess.columns).items.height == 3


def test_columns_of_users_are_never_proposed_as_fields_of_items():
    rows = log_of_names().rename({"title": "Product", "item_id": "SKU", "user_id": "buyer", "timestamp": "Date"})
    rows = rows.with_columns(
        pl.col("name").alias("Customer Name"), pl.col("city").alias("category"), pl.col("review").alias("label"),
    ).drop("brand")  # fmt: skip
    columns = guess_columns(rows).columns
    assert (columns.item_id, columns.user_id, columns.timestamp) == ("SKU", "buyer", "Date")
    fields = {columns.name_of(name) for name in ("title", "description", "category", "brand")}
    assert not fields & {"Customer Name", "name", "city", "review", "label"}
    reviews = pl.DataFrame({
        "reviewerID": ["u", "v", "u", "v"], "asin": ["a", "a", "b", "b"], "reviewerName": ["Ann", "Bo", "Ann", "Bo"],
        "reviewText": ["good", "bad", "fine", "nice"], "overall": [5, 1, 4, 4], "unixReviewTime": [1_400_000_000] * 4,
    })  # fmt: skip
    found = guess_columns(reviews).columns
    assert found == TableColumns(item_id="asin", user_id="reviewerID", timestamp="unixReviewTime", rating="overall")


def test_a_product_without_a_code_is_known_by_its_name():
    table = pl.DataFrame({
        "customer": ["u", "v", "u"], "item": ["Flat white", "Scone", "Flat white"],
        "date": ["2024-01-01", "2024-01-02", "2024-01-03"],
    })  # fmt: skip
    columns = guess_columns(table).columns
    assert (columns.item_id, columns.title) == ("item", "item")
    named = guess_columns(table.rename({"item": "Product Name"})).columns
    assert (named.item_id, named.title) == ("Product Name", "Product Name")
    assert validate_tables(None, table, columns).items["title"].to_list() == ["Flat white", "Scone"]


def test_an_order_export_with_mail_addresses_is_mapped():
    """The column `Name` numbers the orders, `Billing Name` is a customer, and only the address identifies one."""
    rows = [
        {
            "Name": f"#{n // 2}", "Email": f"p{n % 7}@x.example", "Created at": f"2024-01-{1 + n % 28:02d} 10:00",
            "Lineitem name": f"Mug {n % 5}", "Lineitem sku": f"SK-{n % 5}", "Billing Name": f"Pat {n % 7}",
        }
        for n in range(70)
    ]  # fmt: skip
    columns = guess_columns(pl.DataFrame(rows)).columns
    found = (columns.user_id, columns.item_id, columns.title, columns.timestamp)
    assert found == ("Email", "Lineitem sku", "Lineitem name", "Created at")


@pytest.mark.parametrize("contact", ["ann@post.example", "for Ann, call +44 7700 900002"])
def test_a_column_with_contacts_is_no_field_of_items_even_where_each_item_has_one_row(contact):
    rows = {"user_id": list("uvw"), "item_id": list("abc"), "timestamp": [1_700_000_000] * 3}
    table = pl.DataFrame({**rows, "title": ["Mug", "Bowl", "Cup"], "description": ["red", contact, "blue"]})
    shop = validate_tables(None, table)
    assert shop.items["title"].to_list() == ["Mug", "Bowl", "Cup"]
    assert shop.items["description"].null_count() == 3
    (note,) = (problem for problem in shop.problems if problem.kind == "contacts")
    assert note.count == 1 and "Ann" not in str(shop.report) and "ann@" not in str(shop.report)


@pytest.mark.parametrize("both", [True, False])
def test_addresses_are_not_ids_of_items(both):
    ids = ["a", "ann@post.example", "c"]
    table = pl.DataFrame({"user_id": list("uvw"), "item_id": ids, "timestamp": [1_700_000_000] * 3})
    items = pl.DataFrame({"item_id": ids, "title": ["Mug", "Bowl", "Cup"]}) if both else None
    with pytest.raises(TableError) as caught:
        validate_tables(items, table)
    assert "map item_id to the column of product codes" in str(caught.value) and "ann@" not in str(caught.value)


@pytest.mark.parametrize("owner", ["name", "kind"])
def test_names_of_users_are_not_event_types(owner):
    people = [f"Person {letter}" for letter in "abcdefghijklmnop"]
    rows = [
        {"user_id": str(user), "item_id": f"i{step}", "timestamp": 1_700_000_000 + step, "name": people[user],
         "kind": people[(user + step) % 16], "title": f"Title {step}"}
        for user in range(16) for step in range(3)
    ]  # fmt: skip
    columns = TableColumns(event_type=owner)
    if owner == "kind":
        assert validate_tables(None, pl.DataFrame(rows), columns).events["event_type"].n_unique() == 16
        return
    with pytest.raises(TableError, match="each of its 16 values belongs to a single user") as caught:
        validate_tables(None, pl.DataFrame(rows), columns)
    assert "Person" not in str(caught.value)
