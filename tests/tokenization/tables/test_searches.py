"""Events with a query and without an item."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from xcat_rec.tokenization.out_of_core.inputs import PreparationInputs
from xcat_rec.tokenization.out_of_core.prepare import prepare_tables
from xcat_rec.tokenization.out_of_core.prepared_folder import load_prepared
from xcat_rec.tokenization.sequences.histories import read_histories
from xcat_rec.tokenization.tables.column_guess import guess_of_tables
from xcat_rec.tokenization.tables.problems import TableError
from xcat_rec.tokenization.tables.schema import ShopTables, validate_tables
from xcat_rec.tokenization.tables.table_columns import TableColumns

ITEMS = pl.DataFrame({"item_id": ["a", "b", "c"], "title": ["Dome", "Lamp", "Map"]})
NOON = 1_700_000_000
LOG: list[tuple[str, str | None, int, str | None]] = [
    ("ann", "a", 0, None),
    ("ann", None, 100, "something to sleep in"),
    ("ann", None, 160, "sleeping shelter"),
    ("bo", None, 170, "other user's search"),
    ("ann", "b", 200, None),
    ("ann", "c", 210, None),
    ("bo", "a", 170 + 1801, None),
    ("bo", None, 3000, "light"),
    ("bo", "b", 3000 + 1800, None),
    ("bo", None, 6000, "way"),
    ("bo", "c", 6001, "way home"),
    ("bo", None, 7000, "last search"),
]


def events(log: list[tuple[str, str | None, int, str | None]] = LOG) -> pl.DataFrame:
    table = pl.DataFrame(log, schema=["user_id", "item_id", "timestamp", "query"], orient="row")
    return table.with_columns(pl.col("timestamp") + NOON)


def queries(shop: ShopTables) -> list[tuple[str, str, str | None]]:
    return shop.events.select("user_id", "item_id", "query").rows()


EXPECTED = [
    ("ann", "a", None), ("ann", "b", "sleeping shelter"), ("ann", "c", None), ("bo", "a", None), ("bo", "b", "light"),
    ("bo", "c", "way home"),
]  # fmt: skip


def test_a_search_is_the_query_of_the_next_event_within_half_an_hour() -> None:
    shop = validate_tables(ITEMS, events())
    assert queries(shop) == EXPECTED
    note = next(problem for problem in shop.problems if problem.kind == "search")
    assert note.count == 6 and not note.fatal and note.example is None
    assert not any(text in str(shop.report) for text in ("shelter", "light", "way"))
    shuffled = validate_tables(ITEMS, events().sample(fraction=1, shuffle=True, seed=3))
    assert sorted(queries(shuffled)) == sorted(EXPECTED), "times decide, not rows"


def test_without_times_it_is_the_very_next_event() -> None:
    table = events().drop("timestamp").with_columns(order=pl.int_range(pl.len()))
    found = {(user, item): query for user, item, query in queries(validate_tables(ITEMS, table))}
    assert found["bo", "a"] == "other user's search" and found["ann", "b"] == "sleeping shelter"
    assert found["ann", "c"] is None


def test_fractions_of_a_second_order_searches() -> None:
    times = ["2024-01-31T12:00:00.900", "2024-01-31T12:00:00.100", "2024-01-31T12:00:00.950"]
    table = pl.DataFrame({"user_id": "u", "item_id": [None, "a", "b"], "timestamp": times, "query": ["lamp", "", " "]})
    assert queries(validate_tables(ITEMS, table)) == [("u", "a", None), ("u", "b", "lamp")]


def test_other_rows_without_an_item_are_refused_as_before() -> None:
    for query in (None, "", "  "):
        with pytest.raises(TableError, match="item_id: 1 row has no value"):
            validate_tables(ITEMS, events([*LOG, ("ann", None, 9000, query)]))
    with pytest.raises(TableError, match="item_id: 6 rows have no value"):
        validate_tables(ITEMS, events().drop("query"))
    with pytest.raises(TableError, match="no event has an item"):
        validate_tables(ITEMS, events().filter(pl.col("item_id").is_null()))
    without_user = events([*LOG, (None, None, 9000, "nobody")])  # type: ignore[list-item]
    with pytest.raises(TableError, match="user_id: 1 row has no value"):
        validate_tables(ITEMS, without_user)
    assert queries(validate_tables(ITEMS, without_user, missing_users="drop")) == EXPECTED


def test_files_and_histories(tmp_path: Path) -> None:
    table = events().with_columns(review_text=pl.format("row {}", pl.int_range(pl.len())))
    for name in ("events.csv", "events.parquet"):
        getattr(table, "write_" + name.split(".")[1])(tmp_path / name)
        found = read_histories(tmp_path / name, text_columns=("review_text",))
        assert dict(zip(found.user_ids, found.items, strict=True)) == {"ann": ["a", "b", "c"], "bo": ["a", "b", "c"]}
        assert found.event_texts == [["row 0", "row 4", "row 5"], ["row 6", "row 8", "row 10"]]
    one = validate_tables(None, events().with_columns(title=pl.lit("Lamp")))
    assert queries(one) == EXPECTED and sorted(one.items["item_id"]) == ["a", "b", "c"]
    named = events().rename({"query": "searched"})
    named.write_csv(tmp_path / "named.csv")
    columns = TableColumns(query="searched")
    assert queries(validate_tables(ITEMS, named, columns)) == EXPECTED
    own = read_histories(tmp_path / "named.csv", columns, text_columns=("query",))
    assert own.event_texts == [["", "", ""], ["", "", "way home"]]


def test_prepared_folders_have_no_searches(tmp_path: Path) -> None:
    (tmp_path / "shop" / "events").mkdir(parents=True)
    ITEMS.write_csv(tmp_path / "shop" / "items.csv")
    later = events().with_columns(pl.col("timestamp") + 86_400)
    table = pl.concat([events(), later])
    table.write_parquet(tmp_path / "shop" / "events" / "0.parquet")
    prepare_tables(PreparationInputs(tmp_path / "shop"), tmp_path / "ready")
    shop = load_prepared(tmp_path / "ready")
    assert shop.num_events == 12
    assert [problem.count for problem in shop.problems if problem.kind == "search"] == [12]
    for path in tmp_path.joinpath("ready").rglob("*"):
        assert path.is_dir() or b"shelter" not in path.read_bytes()


@pytest.mark.parametrize("field", ["title", "description", "category", "brand"])
def test_queries_are_never_fields_of_items(field: str) -> None:
    log = pl.DataFrame({
        "user_id": list("uvw") * 2, "item_id": list("aaabbb"), "timestamp": range(NOON, NOON + 6),
        "query": ["shelter"] * 3 + ["lamp"] * 3,
    })  # fmt: skip
    for columns in (TableColumns(**{field: "query"}), TableColumns(by_table={f"items.{field}": "query"})):
        shop = validate_tables(None, log, columns)
        assert set(shop.items[field]) <= {None, ""}
        assert any(problem.kind == "field_of_users" for problem in shop.problems)
    other: Any = {field: "searched", "query": "searched"}
    shop = validate_tables(None, log.rename({"query": "searched"}), TableColumns(**other))
    assert set(shop.items[field]) <= {None, ""}


@pytest.mark.parametrize("name", ["item_id", "event_type"])
def test_queries_are_neither_ids_of_items_nor_event_types(name: str) -> None:
    with pytest.raises(TableError, match="texts that users wrote; these are written into checkpoints") as refused:
        validate_tables(None, events().with_columns(item_id=pl.lit("a")), TableColumns(**{name: "query"}))
    assert "shelter" not in str(refused.value)


def test_guessed_names() -> None:
    named = events().rename({"query": "Search Term", "item_id": "sku", "user_id": "customer"})
    guess = guess_of_tables(ITEMS.rename({"item_id": "sku"}), named)
    assert guess.columns.query == "Search Term"
    guess = guess_of_tables(None, named.drop_nulls("sku").with_columns(label=pl.col("sku").replace({"a": "Dome"})))
    assert guess.columns.query == "Search Term" and guess.columns.title == "label"
