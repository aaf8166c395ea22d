"""Dataset rows to batches: labels, weights and targets equal the rows'."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch

from xcat_rec.evaluation.slices import SLICE_NAMES
from xcat_rec.tokenization.processing_xcat import XCatProcessor
from xcat_rec.tokenization.vocabulary import ItemVocabulary
from xcat_rec.training.collators import PackingCollator, QueryCollator

from ..tiny_shop import tiny_tokenizer

CATALOGUE = pa.table({"item_id": list("abcdef"), "category": ["x", "x", "y", "y", None, "z"]})


@pytest.fixture
def processor() -> XCatProcessor:
    return XCatProcessor(tiny_tokenizer(), ItemVocabulary(CATALOGUE), event_types=["buy", "view"], max_history=4)


def test_training_batches_have_labels_and_codes(processor: XCatProcessor) -> None:
    rows = [
        {"items": [2, 3, 4, 5, 6, 7], "event_types": [1, 2, 1, 2, 1, 2], "ratings": [1.0] * 6, "timestamps": [0] * 6},
        {"items": [7, 2], "event_types": [2, 2], "ratings": [1.0] * 2, "timestamps": [0] * 2},
    ]
    batch = PackingCollator(processor)(rows)
    assert {name: value.tolist() for name, value in batch.items()} == {
        "item_ids": [[3, 4, 5, 6], [7, 0, 0, 0]],
        "labels": [[4, 5, 6, 7], [2, -100, -100, -100]],
        "attention_mask": [[1, 1, 1, 1], [1, 0, 0, 0]],
        "position_ids": [[0, 1, 2, 3], [0, 0, 0, 0]],
        "event_type_ids": [[2, 1, 2, 1], [2, 0, 0, 0]],
    }


def test_a_label_brings_the_weight_of_its_event(processor: XCatProcessor) -> None:
    row = {
        "items": [6, 4, 3], "event_types": [1, 1, 1], "ratings": [1.0] * 3, "timestamps": [0] * 3,
        "loss_weights": [1.0, 3.0, 2.0],
    }  # fmt: skip
    batch = PackingCollator(processor)([row])
    assert batch["labels"].tolist() == [[4, 3, -100, -100]]
    assert batch["loss_weights"].tolist() == [[3.0, 2.0, 0.0, 0.0]]


def test_evaluation_batches_carry_targets_with_their_slices(processor: XCatProcessor) -> None:
    rows = [
        {"items": [2, 4], "targets": [3, 7, 4], "event_types": [1, 1], "ratings": [1.0] * 2, "timestamps": [0] * 2},
        {"items": [5], "targets": [6], "event_types": [1], "ratings": [1.0], "timestamps": [0]},
    ]
    trained = np.array([False, False, True, True, True, True, False, True])
    batch = QueryCollator(processor, trained)(rows)
    assert batch["item_ids"].flatten()[batch["query_positions"]].tolist() == [4, 5]
    assert batch["targets"].tolist() == [[3, 7, 4], [6, -1, -1]]
    assert batch["target_slices"].shape == (2, 3, len(SLICE_NAMES))
    found = {name: batch["target_slices"][..., i].tolist() for i, name in enumerate(SLICE_NAMES)}
    assert found == {
        "switch": [[1, 1, 0], [0, 0, 0]],  # row 6 has no category
        "new_category": [[0, 1, 0], [0, 0, 0]],
        "cold": [[0, 0, 0], [1, 0, 0]],
        "unseen": [[1, 1, 0], [1, 0, 0]],
        "history_0_5": [[1, 1, 1], [1, 0, 0]],
        "history_6_10": [[0, 0, 0], [0, 0, 0]],
        "history_11_20": [[0, 0, 0], [0, 0, 0]],
        "history_21_up": [[0, 0, 0], [0, 0, 0]],
    }
    assert batch["target_slices"].dtype == torch.int64
