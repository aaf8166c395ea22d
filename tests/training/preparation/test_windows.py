"""Training windows of a log: no event is lost, sizes depend on the log, new categories have more weight."""

from __future__ import annotations

import pickle
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import HfArgumentParser

from xcat_rec.modeling_baselines import DINConfig
from xcat_rec.modeling_xcat.configuration_xcat import XCatConfig
from xcat_rec.tokenization.vocabulary import ItemVocabulary
from xcat_rec.training.arguments import XCatTrainingArguments
from xcat_rec.training.data_defaults import depends_on_data, from_data
from xcat_rec.training.preparation.windows import (
    count_labels,
    history_length,
    resolve_sizes,
    training_rows,
    training_windows,
    weigh_new_categories,
)

CATALOGUE = pa.table({"item_id": list("abcdef"), "category": ["x", "x", "y", "y", None, "z"]})
CATEGORIES = ItemVocabulary(CATALOGUE).category_codes


def dataset(lengths: list[int]) -> Dataset:
    """Every event has its number as item, kind, rating and time, so that a shift between columns shows."""
    rows, number = [], 2
    for user, n in enumerate(lengths):
        events = list(range(number, number + n))
        rows.append({
            "user_id": str(user), "items": events, "event_types": events, "ratings": [float(e) for e in events],
            "timestamps": events,
        })  # fmt: skip
        number += n
    return Dataset.from_list(rows)


def dataset_of(histories: list[list[int]]) -> Dataset:
    return Dataset.from_list([
        {
            "user_id": str(user), "items": items, "event_types": [1] * len(items), "ratings": [1.0] * len(items),
            "timestamps": [0] * len(items),
        }
        for user, items in enumerate(histories)
    ])  # fmt: skip


@settings(deadline=None, max_examples=40)
@given(
    lengths=st.lists(st.integers(2, 14), min_size=1, max_size=4),
    max_history=st.integers(1, 6),
    max_events=st.none() | st.integers(2, 15),
)
def test_every_transition_is_in_one_window(lengths: list[int], max_history: int, max_events: int | None) -> None:
    rows = dataset(lengths)
    windows = training_windows(rows, max_history, max_events)
    labels = [len(window) - 1 for window in windows["items"] if len(window) > 1]
    assert count_labels(rows, max_history, max_events) == (sum(labels), len(labels))
    wanted = [pair for row in rows for pair in _transitions(row["items"][-(max_events or 99) :])]
    assert sorted(pair for window in windows for pair in _transitions(window["items"])) == sorted(wanted)
    for window in windows:
        assert 2 <= len(window["items"]) <= max_history + 1
        assert window["items"] == window["event_types"] == window["ratings"] == window["timestamps"]
        assert set(window["items"]) <= set(rows[int(window["user_id"])]["items"])


def _transitions(items: list[int]) -> list[tuple[int, int]]:
    return list(pairwise(items))


@pytest.mark.parametrize(
    ("lengths", "read"),
    [([3] * 9 + [400], 50), ([60] * 9 + [400], 94), ([400] * 3, 200), ([2, 400], 200), ([10, 400] + [70] * 30, 70)],
)
def test_nine_of_ten_histories_are_read_whole_within_limits(lengths: list[int], read: int) -> None:
    assert history_length(dataset(lengths)) == read


SIZED = ("per_device_train_batch_size", "learning_rate", "num_train_epochs", "early_stopping_patience")


def resolved(folder: Path, lengths: list[int], **given: Any) -> list[float]:
    """The sizes for sequences of a catalogue of four items; a model reads 30 events."""
    arguments = XCatTrainingArguments(output_dir=str(folder), use_cpu=True, precision="fp32", **given)
    sized = resolve_sizes(arguments, dataset(lengths), XCatConfig(num_item_rows=2 + 4, max_history=30))
    assert not any(depends_on_data(value) for value in vars(sized).values())
    return [getattr(sized, name) for name in SIZED]


def test_training_is_sized_by_the_data_but_for_what_is_given(tmp_path: Path) -> None:
    dense = [61, 61]  # 120 targets, 30 per item, in windows of 30
    assert resolved(tmp_path, dense) == [34, 2e-3, 15, 8]
    assert resolved(tmp_path, dense, num_train_epochs=from_data(20)) == [34, 2e-3, 30, 8]
    assert resolved(tmp_path, dense, num_train_epochs=20, per_device_train_batch_size=7) == [7, 2e-3, 20, 8]


def test_a_model_with_images_reads_texts_as_often_as_one_without(tmp_path: Path) -> None:
    arguments = XCatTrainingArguments(output_dir=str(tmp_path), use_cpu=True, precision="fp32")
    pictured = XCatConfig(num_item_rows=2 + 4, max_history=30, image_dim=8, image_encoder_dim=8, modality_dropout=0.5)

    def epochs(given: XCatTrainingArguments, config: XCatConfig, lengths: list[int]) -> float:
        return resolve_sizes(given, dataset(lengths), config).num_train_epochs

    assert (epochs(arguments, pictured, [3]), epochs(arguments, pictured, [61, 61])) == (16, 24)
    alone = XCatConfig(
        num_item_rows=2 + 4, max_history=30, image_dim=8, image_encoder_dim=8, modality_dropout=0.5, use_text=False
    )
    assert epochs(arguments, alone, [3]) == 10, "without texts nothing is left out"
    given = XCatTrainingArguments(output_dir=str(tmp_path), use_cpu=True, precision="fp32", num_train_epochs=10)
    assert epochs(given, pictured, [3]) == 10
    quick = XCatTrainingArguments(output_dir=str(tmp_path), use_cpu=True, precision="fp32", quick=True)
    assert epochs(quick, pictured, [3]) == pytest.approx(1.6)


def test_a_model_without_items_of_ours_is_sized_like_one_without_images(tmp_path: Path) -> None:
    arguments = XCatTrainingArguments(output_dir=str(tmp_path), use_cpu=True, precision="fp32")
    found = resolve_sizes(arguments, dataset([61, 61]), DINConfig(num_item_rows=2 + 4, max_history=30))
    assert [getattr(found, name) for name in SIZED] == resolved(tmp_path, [61, 61])


def test_a_value_that_equals_its_default_is_given_all_the_same(tmp_path: Path) -> None:
    given = {"per_device_train_batch_size": 128, "learning_rate": 2e-3, "num_train_epochs": 10.0}
    assert resolved(tmp_path, [61, 61], **given, early_stopping_patience=5) == [128, 2e-3, 10, 5]


def test_arguments_that_were_sized_can_be_used_for_other_data(tmp_path: Path) -> None:
    arguments = XCatTrainingArguments(output_dir=str(tmp_path), use_cpu=True, precision="fp32")
    config = XCatConfig(num_item_rows=2 + 4, max_history=30)
    first, second = (resolve_sizes(arguments, dataset(lengths), config) for lengths in ([61, 61], [3]))
    assert (first.num_train_epochs, second.num_train_epochs, arguments.num_train_epochs) == (15, 10, 10)


def test_defaults_that_were_parsed_or_copied_still_depend_on_the_data(tmp_path: Path) -> None:
    line = ["--output_dir", str(tmp_path), "--use_cpu", "--learning_rate", "2e-3"]
    (parsed,) = HfArgumentParser(XCatTrainingArguments).parse_args_into_dataclasses(line)
    for arguments in (parsed, pickle.loads(pickle.dumps(parsed))):
        assert [depends_on_data(getattr(arguments, name)) for name in SIZED] == [True, False, True, True]


def test_a_quick_training_has_a_tenth_of_the_epochs(tmp_path: Path) -> None:
    cases = (({}, [61, 61], 1.5), ({}, [3], 1.0), ({"num_train_epochs": 10}, [61, 61], 10))
    for chosen, lengths, epochs in cases:
        assert resolved(tmp_path, lengths, quick=True, **chosen)[2] == pytest.approx(epochs)
    quick = XCatTrainingArguments(output_dir=str(tmp_path), use_cpu=True, quick=True, warmup_steps=50)
    assert (quick.eval_strategy, quick.load_best_model_at_end, quick.warmup_steps) == ("no", False, 50)


def test_no_rows_have_no_windows() -> None:
    empty = dataset([3]).select([])
    assert len(training_windows(empty, 4)) == 0


def test_the_first_event_in_a_category_is_weighed() -> None:
    weighed = weigh_new_categories(dataset_of([[2, 3, 4, 2, 5, 6, 7], [6, 4, 3]]), CATEGORIES, 3.0)
    assert weighed["loss_weights"] == [[3.0, 1.0, 3.0, 1.0, 1.0, 1.0, 3.0], [1.0, 3.0, 3.0]]


def test_rows_are_cut_before_they_are_weighed(tmp_path: Path) -> None:
    histories = dataset_of([[2, 3, 4, 2, 5], [7, 2]])
    arguments = XCatTrainingArguments(
        output_dir=str(tmp_path), use_cpu=True, max_train_events=4, new_category_weight=2.0
    )
    rows = training_rows(histories, arguments, 2, CATEGORIES)
    assert rows["items"] == [[4, 2, 5], [3, 4], [7, 2]]
    assert rows["loss_weights"] == [[2.0, 2.0, 1.0], [2.0, 2.0], [2.0, 2.0]]
    arguments.new_category_weight = 1.0
    assert "loss_weights" not in training_rows(histories, arguments, 2, CATEGORIES).column_names
    arguments.new_category_weight = 2.0
    no_category = np.full(8, -1)
    assert "loss_weights" not in training_rows(histories, arguments, 2, no_category).column_names
