from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from datasets import Dataset, Features, List, Value
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.evaluation.categories import (
    NO_CATEGORY,
    NO_HISTORY,
    OTHER,
    CategoryMetrics,
    by_category,
    check_category_column,
)
from xcat_rec.evaluation.ranker_evaluation import report_from_ranks
from xcat_rec.evaluation.ranks import pad_targets
from xcat_rec.tokenization.vocabulary import ItemVocabulary

CATEGORIES = ["tents", "tents", "boots", None, "lamps", "boots", OTHER]
TENT, DOME, BOOTS, MYSTERY, LAMP, WADERS, ODD = range(2, 9)
VOCABULARY = ItemVocabulary(
    pa.table({
        "item_id": list("abcdefg"), "category": CATEGORIES, "floor": ["1", "1", "1", "1", "2", "1", "1"],
    })
)  # fmt: skip
TYPES = pa.schema({
    "size": pa.int64(), "tags": pa.list_(pa.string()), "maker": pa.struct({"name": pa.string()}),
})  # fmt: skip
Rows = list[dict[str, list[int]]]


def figures_of(rows: Rows, ranks: list[list[int]], **options: Any) -> CategoryMetrics:
    whole = List(Value("int32"))
    dataset = Dataset.from_list(rows, features=Features({"items": whole, "targets": whole}))
    padded = pad_targets([[rank - 1 for rank in user] for user in ranks]) + 1
    report = report_from_ranks(padded, {}, np.zeros((len(rows), 10)), [10], VOCABULARY.num_items)
    return by_category(report, dataset, VOCABULARY, **options)


def second(rank: int) -> float:
    return 1 / math.log2(1 + rank)


def test_by_hand() -> None:
    rows: Rows = [
        {"items": [BOOTS, TENT], "targets": [BOOTS, DOME]},
        {"items": [TENT], "targets": [WADERS]},
        {"items": [BOOTS], "targets": [WADERS]},
        {"items": [BOOTS, MYSTERY], "targets": [TENT]},
        {"items": [], "targets": [MYSTERY]},
    ]
    found = figures_of(rows, [[1, 30], [3], [11], [10], [2]])
    assert (found.column, found.joined) == ("category", 0)
    expected = [
        (None, "tents", 2, 1 / 2, second(10) / 2),  # most frequent: twice as target, of three as source
        (None, "boots", 3, 2 / 3, (1 + second(3)) / 3),
        (None, NO_CATEGORY, 1, 1.0, second(2)),
        ("tents", "tents", 1, 0.0, 0.0),
        (NO_CATEGORY, "tents", 1, 1.0, second(10)),
        ("tents", "boots", 2, 1.0, (1 + second(3)) / 2),
        ("boots", "boots", 1, 0.0, 0.0),
        (NO_HISTORY, NO_CATEGORY, 1, 1.0, second(2)),
    ]
    keys = ("source", "target", "num_targets", "recall@10", "ndcg@10")
    assert [tuple(row) for row in found.rows] == [keys] * len(expected)
    for row, (source, target, count, recall, ndcg) in zip(found.rows, expected, strict=True):
        assert (row["source"], row["target"], row["num_targets"]) == (source, target, count)
        assert (row["recall@10"], row["ndcg@10"]) == pytest.approx((recall, ndcg))


def test_rare_categories_are_joined_and_counted() -> None:
    rows: Rows = [
        {"items": [TENT], "targets": [TENT]},
        {"items": [TENT], "targets": [LAMP]},
        {"items": [BOOTS], "targets": [ODD]},
        {"items": [BOOTS], "targets": [TENT]},
    ]
    found = figures_of(rows, [[1], [1], [20], [1]], most=1)
    assert found.joined == 3  # boots, lamps and the category named "other"
    assert [(row["source"], row["target"], row["num_targets"], row["recall@10"]) for row in found.rows] == [
        (None, "tents", 2, 1.0),
        (None, OTHER, 2, 0.5),
        ("tents", "tents", 1, 1.0),
        (OTHER, "tents", 1, 1.0),
        ("tents", OTHER, 1, 1.0),
        (OTHER, OTHER, 1, 0.0),
    ]
    equal = figures_of([{"items": [LAMP], "targets": [BOOTS]}], [[1]], most=1)
    assert [row["target"] for row in equal.rows] == ["boots", "boots"] and equal.rows[1]["source"] == OTHER


def test_another_column() -> None:
    found = figures_of([{"items": [LAMP], "targets": [TENT, ODD]}], [[1, 11]], column="floor")
    assert [tuple(row.values()) for row in found.rows] == [
        (None, "1", 2, 0.5, pytest.approx(1 / (1 + second(2)))),
        ("2", "1", 2, 0.5, pytest.approx(1 / (1 + second(2)))),
    ]


def test_unusable_columns_are_refused() -> None:
    with pytest.raises(ValueError, match=r"no column 'aisle' to group the metrics by; .* item_id, category, floor"):
        figures_of([{"items": [TENT], "targets": [TENT]}], [[1]], column="aisle")
    with pytest.raises(ValueError, match=r"column tags contains list.*, not one value per item; choose one of size$"):
        check_category_column(TYPES, "tags")
    with pytest.raises(ValueError, match=r"column maker contains struct<name: string>, not one value per item; "):
        check_category_column(TYPES, "maker")
    check_category_column(TYPES, "size")
    with pytest.raises(ValueError, match="the report was not made from these 1 rows"):
        figures_of([{"items": [TENT], "targets": [TENT]}], [[1, 2]])


items = st.integers(2, 8)
users = st.lists(
    st.tuples(st.lists(items, max_size=3), st.lists(st.tuples(items, st.integers(1, 15)), min_size=1, max_size=4)),
    min_size=1,
    max_size=8,
)


@settings(deadline=None, max_examples=50)
@given(users, st.integers(1, 3))
def test_metrics_match_a_loop_over_targets(users: list[tuple[list[int], list[tuple[int, int]]]], most: int) -> None:
    rows = [{"items": history, "targets": [item for item, _ in wanted]} for history, wanted in users]
    found = figures_of(rows, [[rank for _, rank in wanted] for _, wanted in users], most=most)
    named = [
        CATEGORIES[item - 2] for history, wanted in users for target, _ in wanted for item in (target, *history[-1:])
    ]
    names = sorted(set(named) - {None, OTHER}, key=lambda name: (-named.count(name), str(name)))[:most]

    def label(item: int) -> str:
        name = CATEGORIES[item - 2]
        return NO_CATEGORY if name is None else name if name in names else OTHER

    hits: dict[tuple[str | None, str], dict[int, list[bool]]] = {}
    for user, (history, wanted) in enumerate(users):
        source = label(history[-1]) if history else NO_HISTORY
        for item, rank in wanted:
            for cell in ((None, label(item)), (source, label(item))):
                hits.setdefault(cell, {}).setdefault(user, []).append(rank <= 10)
    assert {(row["source"], row["target"]) for row in found.rows} == hits.keys()
    for row in found.rows:
        cell = hits[row["source"], row["target"]]
        assert row["num_targets"] == sum(map(len, cell.values()))
        assert row["recall@10"] == pytest.approx(np.mean([np.mean(one) for one in cell.values()]))
    assert found.joined == len(set(named) - {None, *names})
