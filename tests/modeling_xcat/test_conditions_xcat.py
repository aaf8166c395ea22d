"""Conditions against a brute-force filter in plain Python, and their errors."""

from __future__ import annotations

import datetime
import math

import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.modeling_xcat.conditions_xcat import OPERATORS, Condition, ItemConditions, conditions_of
from xcat_rec.modeling_xcat.filters_xcat import Filters, ItemFilter
from xcat_rec.tokenization.vocabulary import NUM_SPECIAL_ROWS, ItemVocabulary

CPU = torch.device("cpu")
DAYS = [datetime.date(2024, 1, 1), datetime.date(2024, 2, 29), datetime.date(2025, 7, 1)]
COLUMNS = {
    "price": st.sampled_from([0.5, 5.0, 19.99, 20.0, 1e6, None]),
    "stock": st.sampled_from([-1, 0, 3, None]),
    "brand": st.sampled_from(["Acme", "ajax", "Ünder", None]),
    "new": st.sampled_from([True, False, None]),
    "released": st.sampled_from([*DAYS, None]),
}
TYPES = {"price": pa.float64(), "stock": pa.int32(), "brand": pa.string(), "new": pa.bool_(), "released": pa.date32()}


def holds(value, operator: str, wanted: list) -> bool:
    """Whether a value keeps a condition, by the meaning of the operators."""
    if value is None:
        return operator == "!=" or operator.startswith("not ")
    if isinstance(value, str):
        value, wanted = value.casefold(), [text.casefold() for text in wanted]
    tests = {
        "=": value == wanted[0], "!=": value != wanted[0], "in": value in wanted, "not in": value not in wanted,
    }  # fmt: skip
    if operator in tests:
        return tests[operator]
    compared = {"<": value < wanted[0], "<=": value <= wanted[0], ">": value > wanted[0], ">=": value >= wanted[0]}
    return compared[operator.removeprefix("not ")] != operator.startswith("not ")


@st.composite
def cases(draw: st.DrawFn) -> tuple[dict[str, list], list[tuple[str, str, list]]]:
    """Columns of some items, and conditions with values of the columns."""
    count = draw(st.integers(1, 12))
    table = {name: draw(st.lists(values, min_size=count, max_size=count)) for name, values in COLUMNS.items()}
    conditions = []
    for name in draw(st.lists(st.sampled_from(sorted(COLUMNS)), max_size=3)):
        known = [value for value in table[name] if value is not None]
        ordered = name in ("price", "stock", "released")
        if known:
            operator = draw(st.sampled_from(OPERATORS if ordered else ("=", "!=", "in", "not in")))
            most = 3 if operator in ("in", "not in") else 1
            conditions.append((name, operator, draw(st.lists(st.sampled_from(known), min_size=1, max_size=most))))
    return table, conditions


@settings(deadline=None, max_examples=200)
@given(cases(), st.booleans())
def test_against_brute_force(case, as_text):
    table, conditions = case
    items = pa.table({name: pa.array(values, TYPES[name]) for name, values in table.items()})
    count = items.num_rows
    vocabulary = ItemVocabulary(items.add_column(0, "item_id", [[f"i{row}" for row in range(count)]]))
    given_ = [
        f"{name} {operator} {','.join(map(str, values))}" if as_text
        else (name, operator, values if operator in ("in", "not in") else values[0])
        for name, operator, values in conditions
    ]  # fmt: skip
    kept = ItemFilter(vocabulary, CPU).allowed(Filters(conditions=given_))[NUM_SPECIAL_ROWS:].tolist()
    assert kept == [
        all(holds(table[name][row], operator, values) for name, operator, values in conditions) for row in range(count)
    ]


TABLE = pa.table(
    {
        "item_id": ["a", "b", "c"], "price": ["$5.99", "1,200 yen", "3 for 2"], "made in": ["CN", "DE", None],
        "size": ["9", "10", None], "since": ["2024-01-01", None, "2025-01-01T10:00"],
        "brand": ["x>y", "Acme", "Acme, Inc"], "tags": [["t"], [], None], "new": [True, False, None],
        "colour": pa.nulls(3, pa.string()),
    }
)  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("price<6", "a"), ("price>=1200", "b"), ("price=5.99", "a"), ("price!=5.99", "bc"), ("size>9", "b"),
        ("since<2024-06-01", "a"), ("made in=de", "b"), ('"made in"!=DE', "ac"), ('brand="x>y"', "a"),
        ('brand in acme,"Acme, Inc"', "bc"), ("brand==ACME", "b"), ("new=yes", "a"), ("new!=true", "bc"),
        ("item_id not in a,gone", "bc"), ("item_id!=gone", "abc"), (("brand", "in", {"Acme"}), "b"),
        ("price not > 6", "ac"), ("size not>=10", "ac"), (("since", "not  <", "2024-06-01"), "bc"),
        (("price", ">", 5), "ab"), (("new", "=", False), "b"), (Condition("size", "<=", ("9",)), "a"),
    ],
)  # fmt: skip
def test_kept_items(condition, expected):
    kept = ItemConditions(ItemVocabulary(TABLE), CPU).keeping(Condition.read(condition))[NUM_SPECIAL_ROWS:]
    assert "".join(name for name, keeps in zip("abc", kept.tolist(), strict=True) if keeps) == expected


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("prise<5", "no column 'prise'; did you mean price. it has item_id, price, made in"),
        ("brand<5", "brand<5 compares sizes, and column brand has texts"),
        ("size<large", "column size has numbers, and 'large' is not one; write, for example, size<20"),
        ("since>2024", "column since has times, and '2024' is not one; write, for example, since>2024-01-31"),
        ("colour!=red", "no item of the catalogue has a value in column colour; leave the condition out"),
        ("colour<5", "colour<5 has nothing to compare"),
        ("kind!=X", "no column 'kind'; it has .*; leave the condition out, or fit"),
        ("size not > large", "'large' is not one; write, for example, size not > 20"),
        ("brand=Acne", "no item has brand 'Acne'; the column has, for example, 'Acme'"),
        ("new=perhaps", "no item has new 'perhaps'"),
        ("item_id=gone", "no item has item_id 'gone'"),
        ("tags=t", "column tags has type list"),
        ("cheap", "'cheap' is not a condition; write a column"),
        ("price<", "'price<' is not a condition"),
        (("price", "~", 5), "'~' is not an operator; give one of =, in, <"),
        (("price", "=", [1, 2]), "has 2 values; give one, or several with in"),
        (("price", "="), "give texts such as 'price<20'"),
        (("price", "=", None), "a missing value"),
        (5, "got a value of type int"),
    ],
)
def test_errors(condition, message):
    with pytest.raises(ValueError, match=message):
        ItemConditions(ItemVocabulary(TABLE), CPU).keeping(Condition.read(condition))


def test_one_condition_or_several():
    assert conditions_of("price<20") == conditions_of(["price<20"]) == (Condition("price", "<", ("20",)),)
    assert conditions_of(None) == () and str(Condition.read("brand not in a,b")) == "brand not in a,b"
    assert [str(Condition.read(text)) for text in ("price<20", "age not<=5")] == ["price<20", "age not <= 5"]
    with pytest.raises(ValueError, match="filters is a list"):
        conditions_of(5)


def test_a_short_list_names_the_filters():
    filters = Filters(exclude_seen=False, conditions="price<6")
    note = ItemFilter(ItemVocabulary(TABLE), CPU).shortage(filters, [], 3, 1)
    assert note == "only 1 of 3 items: the catalogue has 3 items, filters keep 1 of them; loosen filters"
    unpriced = TABLE.set_column(TABLE.column_names.index("price"), "price", pa.nulls(3, pa.float64()))
    note = ItemFilter(ItemVocabulary(unpriced), CPU).shortage(filters, [], 3, 0)
    wanted = "no items: the catalogue has 3 items, filters keep 0 of them, no item has a value in column price; loosen"
    assert note == f"{wanted} filters"


def test_times_are_dates_or_seconds():
    days = ItemConditions(ItemVocabulary(TABLE), CPU).times("since")
    seconds = pa.array([None if math.isnan(one) else int(one) for one in days[NUM_SPECIAL_ROWS:].tolist()])
    numbers = ItemVocabulary(TABLE.append_column("epoch", seconds))
    assert torch.equal(ItemConditions(numbers, CPU).times("epoch").nan_to_num(), days.nan_to_num())
    with pytest.raises(ValueError, match="column size has numbers that are no times"):
        ItemConditions(numbers, CPU).times("size")
