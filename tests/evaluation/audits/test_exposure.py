"""Popularity and exposure of recommendations: by hand, and against plain loops."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.evaluation.audits.exposure import (
    HISTORIES,
    audit_exposure,
    audit_popularity,
    audit_recommendations,
    gini,
    head_rows,
)
from xcat_rec.evaluation.ranker_evaluation import RankingReport
from xcat_rec.tokenization.vocabulary import ItemVocabulary

VOCABULARY = ItemVocabulary(
    pa.table({
        "item_id": ["tent", "dome", "boots", "lamp", "kite"],
        "category": ["t", "t", "b", "l", None],
        "brand": ["x", "y", "x", "x", "x"],
    })
)  # fmt: skip
TENT, DOME, BOOTS, LAMP, KITE = range(2, 7)
COUNTS = np.array([9, 9, 4, 0, 2, 1, 1])
HISTORY = [[TENT, TENT, BOOTS], [LAMP], [1, KITE]]
TOP = np.array([[TENT, BOOTS, 0], [TENT, DOME, KITE], [0, 0, 0]])


def test_popularity_by_hand() -> None:
    found = audit_popularity(TOP, COUNTS)
    assert found.average == pytest.approx(((4 + 2) / 2 + (4 + 0 + 1) / 3) / 2)
    assert found.head == pytest.approx(2 / 5)  # one item of five is the head: the tent
    assert found.cold == pytest.approx(1 / 5)
    assert found.gini == pytest.approx(_slow_gini([2, 1, 1, 0, 1]))
    histories = audit_popularity(HISTORY, COUNTS)
    assert histories.average == pytest.approx(((4 + 4 + 2) / 3 + 1 + 1) / 3)


def test_lists_without_items_give_nan() -> None:
    found = audit_popularity(np.array([[0, 1]]), COUNTS)
    assert all(math.isnan(value) for value in (found.average, found.head, found.cold, found.gini))


def test_exposure_by_hand() -> None:
    found = audit_exposure("category", TOP, HISTORY, VOCABULARY)
    assert found.names == ("t", "b", "l")  # ties of the history go by the catalogue's share, then by code
    assert found.catalogue.tolist() == pytest.approx([2 / 4, 1 / 4, 1 / 4])
    assert found.history.tolist() == pytest.approx([2 / 4, 1 / 4, 1 / 4])
    assert found.recommended.tolist() == pytest.approx([3 / 4, 1 / 4, 0])
    assert found.distance_to_history == pytest.approx(1 / 4)
    assert found.distance_to_catalogue == pytest.approx(1 / 4)
    assert found.never_recommended == 1


def test_exposure_of_a_value_without_events() -> None:
    found = audit_exposure("brand", TOP, HISTORY, VOCABULARY)
    assert found.names == ("x", "y")
    assert found.history.tolist() == pytest.approx([1, 0])
    assert found.recommended.tolist() == pytest.approx([4 / 5, 1 / 5])
    assert found.never_recommended == 0


def test_whole_audit() -> None:
    reports = {name: RankingReport({}, {}, 3, 3, top=TOP) for name in ("own", "other")}
    audit = audit_recommendations(reports, "own", HISTORY, VOCABULARY, COUNTS, k=2)
    assert list(audit.popularity) == ["own", "other", HISTORIES]
    assert audit.popularity["own"] == audit_popularity(TOP[:, :2], COUNTS)
    assert [part.attribute for part in audit.exposure] == ["category", "brand"]
    plain = ItemVocabulary(pa.table({"item_id": ["a", "b", "c", "d", "e"]}))
    assert audit_recommendations(reports, "own", HISTORY, plain, COUNTS, k=2).exposure == ()


@pytest.mark.parametrize(
    ("top", "message"),
    [(None, "own has 0 recommendations per user; 5"), (TOP[:, :1], "own has 1 recommendations per user; 5")],
)
def test_missing_lists(top: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        audit_recommendations({"own": RankingReport({}, {}, 3, 3, top=top)}, "own", HISTORY, VOCABULARY, COUNTS, k=5)


def test_rows_of_another_catalogue() -> None:
    with pytest.raises(ValueError, match="contains item index 7, and the catalogue has 7 rows"):
        audit_popularity([[7]], COUNTS)
    with pytest.raises(ValueError, match="contains item index 9, and the catalogue has 7 rows"):
        audit_exposure("category", [[9]], HISTORY, VOCABULARY)


def _slow_gini(amounts: list[int]) -> float:
    n, mean = len(amounts), sum(amounts) / len(amounts)
    return sum(abs(a - b) for a in amounts for b in amounts) / (2 * n * n * mean)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=20))
def test_gini_is_half_the_relative_mean_difference(amounts: list[int]) -> None:
    found = gini(np.array(amounts))
    if sum(amounts):
        assert found == pytest.approx(_slow_gini(amounts), abs=1e-12)
    else:
        assert math.isnan(found)


@st.composite
def _case(draw: st.DrawFn) -> tuple[list[int], list[list[int]]]:
    counts = draw(st.lists(st.integers(0, 9), min_size=1, max_size=25))
    row = st.integers(0, len(counts) + 1)
    return [0, 0, *counts], draw(st.lists(st.lists(row, max_size=6), max_size=8))


@given(_case())
@settings(max_examples=200)
def test_popularity_against_loops(case: tuple[list[int], list[list[int]]]) -> None:
    counts, lists = case
    head = sorted(range(2, len(counts)), key=lambda row: (-counts[row], row))[: math.ceil((len(counts) - 2) / 10)]
    assert head_rows(np.array(counts)).tolist() == head
    real = [[row for row in part if row >= 2] for part in lists]
    entries = [row for part in real for row in part]
    found = audit_popularity(lists, np.array(counts))
    if not entries:
        assert math.isnan(found.average)
        return
    averages = [sum(counts[row] for row in part) / len(part) for part in real if part]
    assert found.average == pytest.approx(sum(averages) / len(averages))
    assert found.head == pytest.approx(sum(row in head for row in entries) / len(entries))
    assert found.cold == pytest.approx(sum(counts[row] == 0 for row in entries) / len(entries))
    assert found.gini == pytest.approx(_slow_gini([entries.count(row) for row in range(2, len(counts))]), abs=1e-12)
