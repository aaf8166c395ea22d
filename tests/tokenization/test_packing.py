"""Histories in rows: nothing is lost or mixed, and all layouts are equal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.tokenization.packing import (
    IGNORED_LABEL,
    EventFeatures,
    pack_histories,
    place,
    rating_buckets,
    time_gap_buckets,
)

ALL = EventFeatures(num_rating_buckets=6, num_time_gap_buckets=8, use_event_types=True)
CODES = {"event_type_ids": "event_types", "rating_ids": "ratings", "time_gap_ids": "timestamps"}
MODES = ("packed", "left", "right")


@st.composite
def drawn_histories(draw: st.DrawFn, least: int = 1) -> list[dict[str, Any]]:
    """Histories in which every event has a different item, to identify it in the rows."""
    lengths = draw(st.lists(st.integers(least, 9), min_size=1, max_size=8))
    histories, next_item = [], 2
    for n in lengths:
        histories.append({
            "items": list(range(next_item, next_item + n)),
            "event_types": draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)),
            "ratings": draw(st.lists(st.sampled_from([float("nan"), 1.0, 2.4, 5.0, 7.0]), min_size=n, max_size=n)),
            "timestamps": sorted(draw(st.lists(st.integers(-1, 10_000), min_size=n, max_size=n))),
        })  # fmt: skip
        next_item += n
    return histories


def read_back(batch: dict[str, torch.Tensor]) -> list[dict[str, list[int]]]:
    """The histories of a batch, found only from mask and positions, in the order of their first item."""
    found = []
    for row in range(len(batch["item_ids"])):
        for place_in_row in batch["attention_mask"][row].nonzero().flatten().tolist():
            if batch["position_ids"][row, place_in_row] == 0:
                found.append({name: [] for name in batch if name != "query_positions"})
            for name, values in found[-1].items():
                values.append(int(batch[name][row, place_in_row]))
    return sorted(found, key=lambda history: history["item_ids"][0])


def expected_codes(history: dict[str, Any], kept: slice) -> dict[str, list[int]]:
    times = np.asarray(history["timestamps"][kept], dtype=np.int64)
    return {
        "event_type_ids": history["event_types"][kept],
        "rating_ids": [0 if r != r else min(5, max(1, round(r))) for r in history["ratings"][kept]],
        "time_gap_ids": time_gap_buckets(times, np.arange(len(times)) == 0, 8).tolist(),
    }


@given(lengths=st.lists(st.integers(1, 9), max_size=30), spare=st.integers(0, 4), mode=st.sampled_from(MODES))
def test_positions_do_not_overlap_and_are_inside_the_rows(lengths: list[int], spare: int, mode: str) -> None:
    width = max(lengths, default=1) + spare
    rows, offsets, count = place(lengths, width, mode)
    cells = [
        (row, offset + i)
        for row, offset, size in zip(rows.tolist(), offsets.tolist(), lengths, strict=True)
        for i in range(size)
    ]
    assert len(set(cells)) == sum(lengths)
    assert all(0 <= cell < width for _, cell in cells)
    assert {row for row, _ in cells} == set(range(count))
    if mode != "packed":
        assert rows.tolist() == list(range(len(lengths)))
        ends = [offset + size for offset, size in zip(offsets.tolist(), lengths, strict=True)]
        assert all(end == width for end in ends) if mode == "left" else not offsets.any()


@given(lengths=st.lists(st.integers(1, 10), min_size=1, max_size=40))
def test_after_first_fit_no_two_rows_fit_into_one(lengths: list[int]) -> None:
    rows, _, count = place(lengths, 10, "packed")
    filled = np.bincount(rows, weights=lengths, minlength=count)
    assert count == 1 or sum(sorted(filled)[:2]) > 10


def test_an_unknown_layout_is_refused() -> None:
    with pytest.raises(ValueError, match="'middle' is not one of packed, left, right"):
        place([1], 4, "middle")


@settings(deadline=None)
@given(histories=drawn_histories(), mode=st.sampled_from(MODES), max_history=st.integers(1, 10))
def test_queries_have_the_latest_events_and_all_their_codes(
    histories: list[dict[str, Any]], mode: str, max_history: int
) -> None:
    batch = pack_histories(histories, max_history=max_history, features=ALL, mode=mode)
    assert "labels" not in batch
    found = read_back(batch)
    assert len(found) == len(histories)
    for history, got in zip(histories, found, strict=True):
        kept = slice(-max_history, None)
        assert got["item_ids"] == history["items"][kept]
        assert got["position_ids"] == list(range(len(got["item_ids"])))
        assert {name: got[name] for name in CODES} == expected_codes(history, kept)
    flat = batch["item_ids"].flatten()[batch["query_positions"]]
    assert flat.tolist() == [history["items"][-1] for history in histories]
    nothing = batch["attention_mask"] == 0
    assert all(not batch[name][nothing].any() for name in ("item_ids", "position_ids", *CODES))
    assert batch["item_ids"].shape[1] == min(max_history, max(len(history["items"]) for history in histories))


@settings(deadline=None)
@given(histories=drawn_histories(least=2), mode=st.sampled_from(MODES), max_history=st.integers(1, 10))
def test_labels_are_the_next_items_and_every_event_is_used(
    histories: list[dict[str, Any]], mode: str, max_history: int
) -> None:
    batch = pack_histories(histories, max_history=max_history, features=ALL, mode=mode, with_labels=True)
    assert "query_positions" not in batch
    found = read_back(batch)
    assert len(found) == len(histories)
    for history, got in zip(histories, found, strict=True):
        read = history["items"][-(max_history + 1) :]
        assert got["item_ids"] == read[:-1]
        assert got["labels"] == read[1:]
        kept = slice(-(max_history + 1), -1)
        assert {name: got[name] for name in CODES} == expected_codes(history, kept)
    assert (batch["labels"][batch["attention_mask"] == 0] == IGNORED_LABEL).all()
    labelled = sum(min(len(history["items"]) - 1, max_history) for history in histories)
    assert int((batch["labels"] != IGNORED_LABEL).sum()) == labelled


def test_unused_codes_are_not_computed() -> None:
    batch = pack_histories([{"items": [4, 5]}], max_history=4, features=EventFeatures())
    assert set(batch) == {"item_ids", "attention_mask", "position_ids", "query_positions"}
    assert all(tensor.dtype == torch.int64 for tensor in batch.values())


def test_packed_training_rows_have_one_width() -> None:
    short = [{"items": [2, 3]}, {"items": [4, 5, 6]}]
    batch = pack_histories(short, max_history=12, features=EventFeatures(), with_labels=True)
    assert batch["item_ids"].tolist() == [[4, 5, 2, *[0] * 9]]


@pytest.mark.parametrize(("items", "with_labels", "least"), [([], False, "1"), ([], True, "2"), ([3], True, "2")])
def test_histories_too_short_are_refused(items: list[int], with_labels: bool, least: str) -> None:
    with pytest.raises(ValueError, match=rf"at least {least} event"):
        pack_histories(
            [{"items": [2, 3]}, {"items": items}], max_history=4, features=EventFeatures(), with_labels=with_labels
        )


def test_rating_buckets_round_and_stay_inside() -> None:
    ratings = np.array([-3.0, 0.0, 0.4, 1.4, 2.6, 5.0, 12.0, np.nan])
    assert rating_buckets(ratings, 6).tolist() == [1, 1, 1, 1, 3, 5, 5, 0]


def test_time_gaps_have_doubling_buckets_and_can_be_unknown() -> None:
    times = np.array([100, 100, 159, 279, -1, 500, 500 + 60 * 1023, 10**9])
    starts = np.array([True, *[False] * 7])
    #         gap      -    0    59   120  none  none  1023 min  huge
    assert time_gap_buckets(times, starts, 16).tolist() == [0, 1, 1, 2, 0, 0, 11, 15]
    assert time_gap_buckets(times, np.ones(8, dtype=bool), 16).tolist() == [0] * 8


def test_a_gap_never_spans_two_histories() -> None:
    histories = [
        {"items": [2, 3], "event_types": [1, 1], "ratings": [1.0, 1.0], "timestamps": [0, 60]},
        {"items": [4, 5], "event_types": [1, 1], "ratings": [1.0, 1.0], "timestamps": [10**6, 10**6 + 60]},
    ]
    batch = pack_histories(histories, max_history=4, features=ALL)
    assert batch["item_ids"].shape == (2, 2)
    found = read_back(batch)
    assert [history["time_gap_ids"] for history in found] == [[0, 2], [0, 2]]


def test_ranges_of_ratings_are_divided_evenly() -> None:
    stars = np.arange(1, 11) / 2  # half stars
    assert rating_buckets(stars, 11, (0.5, 5.0)).tolist() == list(range(1, 11))
    assert rating_buckets(np.array([0.0, 1.0, np.nan]), 11, (0.0, 1.0)).tolist() == [1, 10, 0]
    assert rating_buckets(np.array([-5.0, 50.0, 100.0, 300.0]), 11, (0.0, 100.0)).tolist() == [1, 6, 10, 10]
    assert rating_buckets(np.array([1.0, 1.0]), 2).tolist() == [1, 1]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(2, 7), min_size=1, max_size=5))
def test_weights_stay_with_their_targets(sizes: list[int]) -> None:
    histories, number = [], 2
    for size in sizes:
        items = list(range(number, number + size))
        histories.append({"items": items, "loss_weights": [0.5 * item for item in items]})
        number += size
    batch = pack_histories(histories, max_history=5, features=EventFeatures(), with_labels=True)
    labelled = batch["labels"] != IGNORED_LABEL
    assert batch["loss_weights"].dtype == torch.float32
    assert torch.equal(batch["loss_weights"][labelled], 0.5 * batch["labels"][labelled])
    assert (batch["loss_weights"][~labelled] == 0).all()
