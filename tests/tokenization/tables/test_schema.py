"""Validation of tables: errors, repairs, and their messages."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xcat_rec.tokenization.tables.keys import read_keys
from xcat_rec.tokenization.tables.schema import (
    EVENT_SCHEMA,
    ITEM_SCHEMA,
    ShopTables,
    TableColumns,
    TableError,
    TableProblem,
    validate_tables,
)
from xcat_rec.tokenization.tables.time_columns import read_times

Table = dict[str, list[object]]


def items() -> Table:
    return {"item_id": ["tent", "boots", "stove"], "title": ["A tent", "Boots", "Stove"], "price": [99.0, 45.5, None]}


def events() -> Table:
    return {
        "user_id": ["ann", "ann", "bob", "bob"],
        "item_id": ["tent", "boots", "boots", "stove"],
        "timestamp": [1_600_000_000, 1_600_000_100, 1_600_000_050, 1_600_000_060],
    }


def validate(item_table: Table, event_table: Table, **options: object) -> ShopTables:
    return validate_tables(
        pl.DataFrame(item_table, strict=False), pl.DataFrame(event_table, strict=False), name="camping", **options
    )


def problems(shop: ShopTables) -> dict[str, TableProblem]:
    return {problem.kind: problem for problem in shop.problems}


def test_valid_tables_have_our_columns_and_no_issues() -> None:
    shop = validate({**items(), "colour": ["red", "blue", None]}, events())
    assert shop.problems == []
    assert shop.name == "camping"
    assert shop.items.schema == pl.Schema({**ITEM_SCHEMA, "colour": pl.String()})
    assert shop.events.schema == pl.Schema(EVENT_SCHEMA)
    assert shop.items["item_id"].to_list() == ["tent", "boots", "stove"]
    assert shop.items["price"].to_list() == [99.0, 45.5, None]
    assert shop.events["event_type"].to_list() == ["interaction"] * 4
    assert shop.events["timestamp"].to_list() == events()["timestamp"]
    assert shop.events["basket_id"].null_count() == 4


def drop(column: str) -> Callable[[Table], None]:
    return lambda table: table.pop(column) and None


def put(column: str, *values: object) -> Callable[[Table], None]:
    return lambda table: table.__setitem__(column, list(values))


def empty(table: Table) -> None:
    for values in table.values():
        values.clear()


BROKEN = [
    # table, change, kind of issue, its whole message
    ("items", drop("item_id"), "missing_column", "items, column item_id: the column is missing; map it with "
     "TableColumns(item_id='its name there'); the table has the columns title, "
     "price"),
    ("events", drop("user_id"), "missing_column", "events, column user_id: the column is missing; map it with "
     "TableColumns(user_id='its name there'); the table has the columns item_id, "
     "timestamp"),
    ("items", empty, "empty_table", "items: the table has no rows; give a table with at least one row"),
    ("events", empty, "empty_table", "events: the table has no rows; give a table with at least one row"),
    ("items", put("item_id", "tent", "boots", "boots"), "duplicate_item",
     "items, column item_id: 1 row repeats an id, for example 'boots'; keep one row per item"),
    ("items", put("item_id", "tent", None, "stove"), "null_key",
     "items, column item_id: 1 row has no value; fill them or leave these rows out"),
    ("events", put("user_id", "ann", "  ", None, "bob"), "null_key",
     'events, column user_id: 2 rows have no value; fill them or leave these rows out: missing_users="drop"'),
    ("events", put("item_id", "tent", "kite", "kite", "stove"), "unknown_item",
     "events, column item_id: 2 rows have an item that the items table lacks, for example 'kite'; "
     'add the items, or drop these events: on_unknown_items="drop"'),
    ("events", put("user_id", [1], [2], [3], [4]), "key_type",
     "events, column user_id: the type cannot be an id, for example 'List(Int64)'; give strings or integers"),
    ("events", drop("timestamp"), "no_order", "events: there is neither a time nor an order of events; give a column "
     "timestamp (or order); the table has the columns user_id, item_id"),
    ("events", put("timestamp", "2024-01-31", "yesterday", "2024-02-01", "2024-02-02"), "bad_timestamp",
     "events, column timestamp: 1 row holds no time that can be read, for example 'xxxxxxxxx' (masked, row 2); "
     "write ISO 8601, such as 2024-01-31T12:00:00, or seconds since 1970, or give time_format=, a strptime pattern "
     "such as '%d/%m/%Y %H:%M'"),
    ("events", put("timestamp", 1_600_000_000, -1, 1_600_000_050, -1), "bad_timestamp",
     "events, column timestamp: 2 rows hold no time that can be read, for example '-9' (masked, row 2); "
     "write ISO 8601, such as 2024-01-31T12:00:00, or seconds since 1970, or give time_format=, a strptime pattern "
     "such as '%d/%m/%Y %H:%M'"),
    ("events", put("timestamp", 1_600_000_000, None, 1_600_000_050, None), "null_timestamp",
     "events, column timestamp: 2 rows have no time; fill them, or give an order"),
    ("events", put("timestamp", 1_600_000_000, 1_600_000_100_000, 1_600_000_050, 1_600_000_060),
     "mixed_timestamp_units", "events, column timestamp: 1 row is in another unit than the rest, for example "
     "'9999999999999' (masked, row 2); most are in seconds; convert all to one unit"),
    ("events", put("timestamp", 1_600_000_000_000, 1_600_000_100, 1_600_000_050_000, 1_600_000_060_000),
     "mixed_timestamp_units", "events, column timestamp: 1 row is in another unit than the rest, for example "
     "'9999999999' (masked, row 2); most are in milliseconds; convert all to one unit"),
    ("events", put("order", 0, 1, 0, 1.5), "bad_order",
     "events, column order: 1 row has no integer, for example '9.9' (masked, row 4); "
     "number a user's events 0, 1, 2, ..."),
    ("events", put("is_target", "yes", "no", "maybe", "no"), "not_boolean",
     "events, column is_target: 1 row is neither true nor false, for example 'xxxxx' (masked, row 3); "
     "write true and false"),
]  # fmt: skip


@pytest.mark.parametrize(("label", "break_it", "kind", "message"), BROKEN)
def test_broken_table_is_refused_with_one_clear_message(
    label: str, break_it: Callable[[Table], None], kind: str, message: str
) -> None:
    tables = {"items": items(), "events": events()}
    break_it(tables[label])
    with pytest.raises(TableError) as caught:
        validate(tables["items"], tables["events"])
    fatal = [problem for problem in caught.value.problems if problem.fatal and problem.table == label]
    assert [problem.kind for problem in fatal] == [kind]
    assert str(fatal[0]) == message
    assert f"- {message}" in str(caught.value).splitlines()


def test_the_guess_of_a_name_is_not_one_of_our_columns() -> None:
    with pytest.raises(
        TableError, match=r"TableColumns\(user_id='customer'\); the table has .* customer, item_id, timestamp"
    ):
        validate(items(), {"customer": ["ann"], "item_id": ["tent"], "timestamp": [10**9]})


def test_order_with_gaps_and_no_times_is_refused() -> None:
    table = {**events(), "order": [0, None, 0, 1]}
    del table["timestamp"]
    with pytest.raises(TableError, match=r"column order: 1 row has no order; fill them, or give times"):
        validate(items(), table)


def test_all_issues_are_listed_at_once_with_the_fatal_ones_first() -> None:
    broken_items = {**items(), "item_id": ["tent", "boots", "boots"], "price": ["cheap", "45.5", None]}
    broken_events = {**events(), "timestamp": ["x", "y", "z", "1"], "item_id": ["tent", "kite", "boots", "boots"]}
    with pytest.raises(TableError) as caught:
        validate(broken_items, broken_events)
    kinds = [problem.kind for problem in caught.value.problems]
    assert kinds == ["duplicate_item", "bad_timestamp", "unknown_item", "not_numeric"]
    lines = str(caught.value).splitlines()
    assert lines[0] == "3 problems and 1 warning with the tables of camping:"
    assert len(lines) == 5
    assert lines[-1].endswith("(not fatal)")


def test_unknown_items_are_dropped_on_demand() -> None:
    table = {**events(), "item_id": ["tent", "kite", "boots", "stove"]}
    shop = validate(items(), table, on_unknown_items="drop")
    assert shop.events["item_id"].to_list() == ["tent", "boots", "stove"]
    assert problems(shop)["unknown_item"].count == 1
    assert not problems(shop)["unknown_item"].fatal
    assert problems(shop)["single_event_user"].example == "ann"


def test_tables_without_common_ids_are_refused_even_when_dropping() -> None:
    with pytest.raises(TableError, match="no event has a known item; check the ids"):
        validate(items(), {**events(), "item_id": ["1", "2", "3", "4"]}, on_unknown_items="drop")


def test_unknown_policy_is_refused() -> None:
    with pytest.raises(ValueError, match="on_unknown_items is 'ignore'; give 'error' or 'drop'"):
        validate(items(), events(), on_unknown_items="ignore")


def test_invalid_numbers_are_left_empty_and_counted() -> None:
    shop = validate(
        {**items(), "price": ["12.50", "$3", "nan"]}, {**events(), "rating": [5, float("inf"), None, float("nan")]}
    )
    assert shop.items["price"].to_list() == [12.5, None, None]
    assert shop.events["rating"].to_list() == [5.0, None, None, None]
    found = [(p.table, p.column, p.count, p.example, p.fatal) for p in shop.problems if p.kind == "not_numeric"]
    assert found == [("items", "price", 1, "$3", False), ("events", "rating", 1, float("inf"), False)]


def test_single_events_and_missing_titles_are_reported() -> None:
    shop = validate({**items(), "title": ["A tent", None, " "]}, {**events(), "user_id": ["ann", "cid", "bob", "bob"]})
    assert shop.items["title"].to_list() == ["A tent", "", ""]
    assert problems(shop)["no_title"].count == 2
    assert problems(shop)["single_event_user"].count == 2
    assert str(problems(shop)["single_event_user"]).startswith(
        "events, column user_id: 2 users have one event only, for example 'xxx' (masked, row 1); "
    )


def test_missing_times_are_harmless_if_there_is_an_order() -> None:
    table = {**events(), "timestamp": [1_600_000_000, None, 1_600_000_050, None], "order": [0, 1, 0, 1]}
    shop = validate(items(), table)
    assert problems(shop)["null_timestamp"].remedy == "events are ordered by the column order alone"
    assert shop.events["timestamp"].to_list() == table["timestamp"]


def test_order_with_gaps_is_ignored_if_times_are_complete() -> None:
    shop = validate(items(), {**events(), "order": [0, None, 0, 1]})
    assert not problems(shop)["null_order"].fatal
    assert shop.events["order"].null_count() == 4


def test_columns_are_mapped_and_a_conflicting_name_is_kept() -> None:
    columns = TableColumns(item_id="asin", category="path", user_id="who", timestamp="when")
    shop = validate(
        {"asin": [1, 2], "path": [["Camping", "Tents"], None], "category": ["a", "b"], "title": ["x", "y"]},
        {"who": [7, 7], "asin": [1, 2], "when": ["2024-01-31", "2024-02-01"]},
        columns=columns,
    )
    assert shop.items["item_id"].to_list() == ["1", "2"]
    assert shop.items["category"].to_list() == ["Camping > Tents", None]
    assert shop.items["original_category"].to_list() == ["a", "b"]
    assert shop.events["user_id"].to_list() == ["7", "7"]


def test_an_optional_column_that_was_mapped_must_exist() -> None:
    with pytest.raises(
        TableError, match=r"column titel: the column is missing; map it with TableColumns\(title='title'"
    ):
        validate(items(), events(), columns=TableColumns(title="titel"))


def test_ids_of_the_two_tables_match_if_pandas_made_floats_of_one() -> None:
    shop = validate({"item_id": [1, 2], "title": ["x", "y"]}, {**events(), "item_id": [1.0, 2.0, 2.0, 1.0]})
    assert shop.events["item_id"].to_list() == ["1", "2", "2", "1"]


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        ([1_600_000_000, 1_700_000_000], "seconds"),
        ([1_600_000_000_000, 1_700_000_000_999], "milliseconds"),
        ([1_600_000_000_000_000, 1_700_000_000_000_000], "microseconds"),
        ([1_600_000_000_000_000_000, 1_700_000_000_000_000_000], "nanoseconds"),
        ([1_600_000_000.7, 1_700_000_000.2], "seconds"),
        (["1600000000", "1700000000"], "seconds"),
        (["2020-09-13T12:26:40Z", "2023-11-14 22:13:20"], "seconds"),
        (["2020-09-13T14:26:40.250+02:00", "2023-11-14T17:13:20-0500"], "seconds"),
        (["2020-09-13 14:26:40.250+02", "2023-11-14 17:13:20-05"], "seconds"),
        ([datetime.datetime(2020, 9, 13, 12, 26, 40), datetime.datetime(2023, 11, 14, 22, 13, 20)], "seconds"),
    ],
)
def test_times_of_every_kind_become_seconds(values: list[object], unit: str) -> None:
    times = read_times(pl.Series("t", values))
    assert times.values.to_list() == [1_600_000_000, 1_700_000_000]
    assert times.unit == unit
    assert not times.bad.any()
    assert not times.mixed.any()


@pytest.mark.parametrize(
    "values",
    [
        ["2024-01-31", "2024/2/1"],
        [datetime.date(2024, 1, 31), datetime.date(2024, 2, 1)],
        [20240131, 20240201],
        ["20240131", "20240201"],
    ],
)
def test_days_become_their_midnight(values: list[object]) -> None:
    assert read_times(pl.Series("t", values)).values.to_list() == [1_706_659_200, 1_706_745_600]


@pytest.mark.parametrize("kind", [int, str, float])
@pytest.mark.parametrize(
    ("values", "unit", "expected"),
    [
        ([20210301210326, 19991231235959], "dates with times", ["2021-03-01T21:03:26", "1999-12-31T23:59:59"]),
        ([202103012103, 199912312359], "dates with hours and minutes", ["2021-03-01T21:03:00", "1999-12-31T23:59:00"]),
        ([20210301, 19700101], "dates", ["2021-03-01T00:00:00", "1970-01-01T00:00:00"]),
        ([202103, 199001, 210012], "months", ["2021-03-01T00:00:00", "1990-01-01T00:00:00", "2100-12-01T00:00:00"]),
    ],
)
def test_compact_times_are_read(kind: type, values: list[int], unit: str, expected: list[str]) -> None:
    times = read_times(pl.Series("t", [*map(kind, values), None]))
    assert times.unit == unit and not times.bad.any() and times.microseconds is None
    assert pl.from_epoch(times.values, "s").dt.strftime("%Y-%m-%dT%H:%M:%S").to_list() == [*expected, None]


@pytest.mark.parametrize(
    "values", [[20240131, 20249999], [202401, 202413], [198912, 199001], [202401, 20240131], [20240131.5]]
)
def test_numbers_that_are_not_all_dates_of_one_format_are_seconds(values: list[float]) -> None:
    times = read_times(pl.Series("t", values))
    assert times.values.to_list() == [int(value) for value in values] and times.unit == "seconds"


def test_compact_times_are_reported() -> None:
    shop = validate(items(), {**events(), "timestamp": [202103, 202104, 202103, 202105]})
    assert str(problems(shop)["timestamp_unit"]) == (
        "events, column timestamp: 4 rows were read as months; give seconds if they are not"
    )


def test_compact_times_among_texts_of_times_are_read() -> None:
    times = read_times(pl.Series("t", ["20210301210326", "2021-03-01T21:03:26"]))
    assert times.values.to_list() == [1614632606] * 2


def test_an_incomplete_split_column_is_reported() -> None:
    shop = validate(items(), {**events(), "split": ["train", None, "train", "test"]})
    assert str(problems(shop)["partial_split"]) == (
        "events, column split: 1 row has no value; fill them; only split='column' uses them and refuses missing ones"
    )


def test_items_without_any_text_are_reported() -> None:
    shop = validate({"item_id": items()["item_id"]}, events())
    assert str(problems(shop)["no_title"]) == (
        "items, column title: 3 rows have no title; no other column names them; they have no text"
    )


def test_times_with_a_zone_are_read_as_utc() -> None:
    there = pl.Series("t", [datetime.datetime(2024, 1, 31, 12)]).dt.replace_time_zone("Asia/Tokyo")
    assert read_times(there).values.to_list() == [1_706_670_000]


def test_the_unit_of_numbers_is_reported() -> None:
    shop = validate(items(), {**events(), "timestamp": [t * 1000 for t in events()["timestamp"]]})  # type: ignore[operator]
    assert str(problems(shop)["timestamp_unit"]) == (
        "events, column timestamp: 4 rows were read as milliseconds; give seconds if they are not"
    )
    assert shop.events["timestamp"].to_list() == events()["timestamp"]


@given(st.lists(st.datetimes(datetime.datetime(1970, 1, 1), datetime.datetime(2100, 1, 1)), min_size=1))
def test_iso_texts_are_read_like_python_reads_them(moments: list[datetime.datetime]) -> None:
    read = read_times(pl.Series("t", [moment.isoformat() for moment in moments]))
    expected = [int((moment - datetime.datetime(1970, 1, 1)).total_seconds() // 1) for moment in moments]
    assert read.values.to_list() == expected
    fractions = [0] * len(moments) if read.microseconds is None else read.microseconds.to_list()
    assert fractions == [moment.microsecond for moment in moments]


@given(st.lists(st.one_of(st.none(), st.integers(-(2**53), 2**53)), min_size=1))
def test_ids_from_integers_and_floats_are_equal(ids: list[int | None]) -> None:
    expected = [None if i is None else str(i) for i in ids]
    assert read_keys(pl.Series("i", ids, pl.Int64)).to_list() == expected  # type: ignore[union-attr]
    floats = pl.Series("i", [float("nan") if i is None else float(i) for i in ids])
    assert read_keys(floats).to_list() == expected  # type: ignore[union-attr]
