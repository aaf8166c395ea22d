"""Training rows that come as a stream, a subset or a list train as a data set of them does."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from datasets import DatasetDict
from torch.utils.data import IterableDataset, Subset

from xcat_rec.training.row_datasets import as_dataset, as_rows
from xcat_rec.training.trainer import XCatTrainer

from .test_trainer import prepared, trainer_of

FEW = {"num_train_epochs": 1, "tune_second_stage": False}


class Lines(IterableDataset):
    """Rows one after the other, as a file would give them."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def __iter__(self) -> Any:
        return iter(list(self.rows))


def given(start: Any, rows: Any, folder: Any, **arguments: Any) -> XCatTrainer:
    data = replace(start.data, splits={**start.splits, "train": rows})
    return trainer_of(replace(start, model=copy.deepcopy(start.model), data=data), folder, **{**FEW, **arguments})


def test_a_subset_and_a_list_train_as_the_rows_themselves(tmp_path):
    start = prepared(tmp_path)
    rows = start.splits["train"]
    some = [i for i in range(len(rows)) if i % 2]
    weights = []
    for kind in (rows.select(some), Subset(rows, some), Subset(list(rows), some), [rows[i] for i in some]):
        trainer = given(start, kind, tmp_path)
        trainer.train()
        weights.append(trainer.model.model.items.id_embeddings.weight)
    for other in weights[1:]:
        assert torch.equal(weights[0], other)


@pytest.mark.parametrize(
    "kind", [lambda rows: rows.to_iterable_dataset(num_shards=3), Lines], ids=["datasets", "torch"]
)
def test_a_stream_trains_by_steps_and_is_evaluated_ten_times(kind, tmp_path):
    start = prepared(tmp_path)
    stream = kind(start.splits["train"])
    trainer = given(start, stream, tmp_path, max_steps=20, early_stopping_patience=0, learning_rate=5e-3)
    before = trainer.evaluate()["eval_loss"]
    trainer.train()
    evaluated = [entry["step"] for entry in trainer.state.log_history if "eval_ndcg@10" in entry and entry["step"]]
    assert trainer.state.global_step == 20 and evaluated == [*range(2, 21, 2)]
    assert trainer.evaluate()["eval_loss"] < 0.8 * before


def test_a_stream_has_the_windows_and_weights_of_its_rows_in_a_seeded_order(tmp_path):
    start = prepared(tmp_path)
    start.model.config.max_history = start.processor.max_history = 4
    rows = start.splits["train"]
    stream = rows.to_iterable_dataset()
    read = lambda rows: [(row["items"], list(row["loss_weights"])) for row in rows]  # noqa: E731
    whole = read(given(start, rows, tmp_path).train_dataset)
    plain = given(start, stream, tmp_path, max_steps=5, shuffle_buffer_size=0).train_dataset
    assert read(plain) == whole and len(whole) > len(rows)
    orders = [read(given(start, stream, tmp_path, max_steps=5, seed=seed).train_dataset) for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == sorted(whole) and orders[0] != whole


def test_the_length_of_a_training_over_a_stream_is_asked_for(tmp_path):
    start = prepared(tmp_path)
    stream = start.splits["train"].to_iterable_dataset()
    with pytest.raises(ValueError, match=r"give max_steps. Its first 60 rows make 60 .* about 100000 steps of 10"):
        given(start, stream, tmp_path)
    with pytest.raises(ValueError, match="max_tokens_per_batch is 40, and train_dataset is a stream"):
        given(start, stream, tmp_path, max_steps=3, max_tokens_per_batch=40)


@pytest.mark.parametrize("rows", ["rows", 7, [{"labels": [1]}], DatasetDict()])
def test_other_things_are_no_rows(rows):
    for make in (as_rows, as_dataset):
        with pytest.raises(TypeError, match=f"train_dataset is a {type(rows).__name__}; give a datasets.Dataset"):
            make(rows, "train_dataset")
