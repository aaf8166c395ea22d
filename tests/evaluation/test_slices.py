from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.evaluation.slices import HISTORY_SLICES, SLICE_NAMES, TARGET_SLICES, target_slices
from xcat_rec.tokenization.vocabulary import ItemVocabulary

CATEGORIES = ["tents", "tents", "boots", None, "lamps", "boots"]
TENT, DOME, BOOTS, MYSTERY, LAMP, WADERS = range(2, 8)
VOCABULARY = ItemVocabulary(pa.table({"item_id": list("abcdef"), "category": CATEGORIES}))
TRAINED = np.array([False, False, True, True, True, True, False, False])


def slices_of(history: list[int], *targets: int) -> dict[str, list[bool]]:
    flags = target_slices([{"items": history, "targets": list(targets)}], VOCABULARY, TRAINED)
    return {name: flags[name][0].tolist() for name in TARGET_SLICES}


def brute_force(row: dict[str, list[int]], target: int) -> dict[str, bool]:
    def category(item: int) -> str | None:
        return CATEGORIES[item - 2] if item >= 2 else None

    known = [category(item) for item in row["items"] if category(item) is not None]
    last = category(row["items"][-1]) if row["items"] else None
    named = category(target) is not None
    length = len(row["items"])
    return {
        "switch": named and last is not None and category(target) != last,
        "new_category": named and bool(known) and category(target) not in known,
        "cold": not TRAINED[target],
        "unseen": target >= 2 and target not in row["items"],
        "history_0_5": length <= 5,
        "history_6_10": 6 <= length <= 10,
        "history_11_20": 11 <= length <= 20,
        "history_21_up": length > 20,
    }


def test_by_hand() -> None:
    assert slices_of([BOOTS, TENT], DOME, WADERS, LAMP, TENT) == {
        "switch": [False, True, True, False],
        "new_category": [False, False, True, False],
        "cold": [False, True, True, False],
        "unseen": [True, True, True, False],
    }


def test_a_target_without_category_is_in_no_category_slice() -> None:
    flags = slices_of([TENT], MYSTERY)
    assert flags["switch"] == flags["new_category"] == [False]
    assert flags["unseen"] == [True]


def test_a_last_event_without_category_is_no_switch_but_the_history_still_counts() -> None:
    flags = slices_of([TENT, MYSTERY], BOOTS, DOME)
    assert flags["switch"] == [False, False]
    assert flags["new_category"] == [True, False]


@pytest.mark.parametrize("history", [[], [MYSTERY], [1]])
def test_after_a_history_without_categories_no_category_is_new(history: list[int]) -> None:
    flags = slices_of(history, BOOTS)
    assert flags["switch"] == flags["new_category"] == [False]


def test_a_target_outside_the_catalogue_is_cold_and_not_unseen() -> None:
    assert slices_of([TENT], 1) == {"switch": [False], "new_category": [False], "cold": [True], "unseen": [False]}


@pytest.mark.parametrize(
    ("length", "name"),
    [
        (0, "history_0_5"), (5, "history_0_5"), (6, "history_6_10"), (10, "history_6_10"), (11, "history_11_20"),
        (20, "history_11_20"), (21, "history_21_up"), (500, "history_21_up"),
    ],
)  # fmt: skip
def test_a_history_of_any_length_is_in_one_slice(length: int, name: str) -> None:
    rows = [{"items": [TENT] * length, "targets": [BOOTS, DOME]}, {"items": [TENT], "targets": []}]
    flags = target_slices(rows, VOCABULARY, TRAINED)
    assert {part: flags[part].tolist() for part in HISTORY_SLICES} == {
        part: [[part == name] * 2, [False, False]] for part in HISTORY_SLICES
    }


rows_of_events = st.fixed_dictionaries(
    {
        "items": st.lists(st.integers(1, 7), max_size=25),
        "targets": st.lists(st.integers(1, 7), max_size=4, unique=True),
    }
)


@settings(deadline=None)
@given(st.lists(rows_of_events, min_size=1, max_size=5))
def test_batches_agree_with_brute_force_one_by_one(rows: list[dict[str, list[int]]]) -> None:
    flags = target_slices(rows, VOCABULARY, TRAINED)
    assert tuple(flags) == SLICE_NAMES
    widest = max(len(row["targets"]) for row in rows)
    for name, values in flags.items():
        assert values.shape == (len(rows), widest)
        assert values.dtype == bool
        for row, found in zip(rows, values.tolist(), strict=True):
            expected = [brute_force(row, target)[name] for target in row["targets"]]
            assert found == expected + [False] * (widest - len(expected)), name


def test_a_catalogue_without_categories_has_empty_category_slices() -> None:
    vocabulary = ItemVocabulary(pa.table({"item_id": ["a", "b"]}))
    flags = target_slices([{"items": [2], "targets": [3]}], vocabulary, np.ones(4, dtype=bool))
    assert {name: flags[name].tolist() for name in TARGET_SLICES} == {
        "switch": [[False]], "new_category": [[False]], "cold": [[False]], "unseen": [[True]],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("column", "row"), [("items", {"items": [8], "targets": [2]}), ("targets", {"items": [2], "targets": [8]})]
)
def test_rows_of_another_vocabulary_are_refused(column: str, row: dict[str, list[int]]) -> None:
    with pytest.raises(ValueError, match=f"column {column} contains item index 8, and the vocabulary has 8 rows"):
        target_slices([row], VOCABULARY, TRAINED)


def test_flags_of_another_vocabulary_are_refused() -> None:
    with pytest.raises(ValueError, match="give one flag per row"):
        target_slices([{"items": [2], "targets": [3]}], VOCABULARY, TRAINED[:-1])
