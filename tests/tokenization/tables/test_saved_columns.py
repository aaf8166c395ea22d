"""The mapping of a model's tables is saved, and used if a table lacks our names."""

import polars as pl

from xcat_rec.tokenization.sequences.event_options import event_settings
from xcat_rec.tokenization.tables.schema import TableColumns, validate_tables
from xcat_rec.tokenization.tables.table_columns import SavedColumns, saved_columns
from xcat_rec.training.preparation.options import PreparationOptions

ITEMS = pl.DataFrame({"StockCode": ["a", "b"], "Name": ["A", "B"]})
EVENTS = pl.DataFrame({"Customer ID": ["u", "u"], "StockCode": ["a", "b"], "When": ["2024-01-01", "2024-01-02"]})
NAMED = {"item_id": "StockCode", "title": "Name", "user_id": "Customer ID", "timestamp": "When"}


def test_the_mapping_is_among_the_settings():
    shop = validate_tables(ITEMS, EVENTS, TableColumns(**NAMED))
    settings = event_settings(shop, PreparationOptions())
    assert settings["columns"] == NAMED and saved_columns(settings) == SavedColumns(**NAMED)
    ours = validate_tables(shop.items, shop.events)
    assert "columns" not in event_settings(ours, PreparationOptions()) and saved_columns({}) is None


def test_it_is_used_if_a_table_lacks_our_names():
    saved = SavedColumns(**NAMED)
    mapped = validate_tables(ITEMS, EVENTS, saved)
    assert mapped.items["title"].to_list() == ["A", "B"] and mapped.events["user_id"].to_list() == ["u", "u"]
    plain = validate_tables(mapped.items, mapped.events, saved)
    assert plain.events["item_id"].to_list() == ["a", "b"] and plain.items["title"].to_list() == ["A", "B"]
    one = validate_tables(ITEMS.rename({"Name": "title"}), EVENTS.rename({"When": "timestamp"}), saved)
    assert one.items["title"].to_list() == ["A", "B"] and one.events["timestamp"].null_count() == 0
