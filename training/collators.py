"""Collators: dataset rows to batches, through the processor's one layout function."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc
import torch
from datasets import Dataset

from ..evaluation.ranks import pad_targets
from ..evaluation.slices import SLICE_NAMES, target_slices
from ..modeling_xcat.configuration_xcat import XCatConfig
from ..tokenization.processing_xcat import XCatProcessor
from .arguments import XCatTrainingArguments, sized_for


@dataclass
class PackingCollator:
    """Packs training histories into rows with labels."""

    processor: XCatProcessor

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Make `XCatForNextItem` inputs of dataset rows."""
        return self.processor.collate(rows, with_labels=True)


@dataclass
class QueryCollator:
    """Packs evaluation histories, with the targets of each user and the slices they fall into."""

    processor: XCatProcessor
    trained: np.ndarray

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Make model inputs, `targets` (users, most targets) padded with -1, and `target_slices` (..., slices)."""
        batch = self.processor.collate(rows)
        flags = target_slices(rows, self.processor.catalogue, self.trained)
        batch["targets"] = torch.from_numpy(pad_targets([row["targets"] for row in rows]))
        batch["target_slices"] = torch.from_numpy(np.stack([flags[name] for name in SLICE_NAMES], axis=-1)).long()
        return batch


MOST_HISTORY = 200
_WHOLE = 0.9


def history_length(train: Dataset) -> int:
    """Events that a model reads of a history where `max_history` is not given: all of them for nine users in ten.

    It is the configuration's default at least, and `MOST_HISTORY` at most: what a customer of a grocer comes back to
    was as a rule bought within so many events, and attention costs the square of their number.

    Args:
        train: Rows with the list column `items`.
    """
    lengths = pc.list_value_length(train.data["items"]).to_numpy()
    return int(np.clip(np.ceil(np.quantile(lengths, _WHOLE)), XCatConfig.max_history, MOST_HISTORY))


def count_labels(train: Dataset, max_history: int, max_events: int | None = None) -> tuple[int, int]:
    """Events to predict, and windows that `training_windows` cuts with any of them.

    Args:
        train: Rows with the list column `items`.
        max_history: Events that a model reads.
        max_events: Events used of a user, the latest; None for all.
    """
    labels = pc.list_value_length(train.data["items"]).to_numpy() - 1
    labels = np.clip(labels, 0, None if max_events is None else max(0, max_events - 1))
    return int(labels.sum()), int((-(-labels // max_history)).sum())


def size_training(
    arguments: XCatTrainingArguments,
    given: Collection[str],
    train: Dataset,
    config: XCatConfig,
) -> None:
    """Set what `sized_for` says of a shop, but for fields that were given.

    Args:
        arguments: Changed in place; rate, epochs and patience are those of a shop that is neither large nor long nor
            dense.
        given: Names of fields that stay.
        train: Training sequences.
        config: Configuration of the model that is trained on them.
    """
    labels, windows = count_labels(train, config.max_history, arguments.max_train_events)
    own = (arguments.learning_rate, arguments.num_train_epochs, arguments.early_stopping_patience)
    for name, value in sized_for(config.num_items, labels / max(1, windows), labels, *own).items():
        if name not in given:
            setattr(arguments, name, value)


def training_windows(dataset: Dataset, max_history: int, max_events: int | None = None) -> Dataset:
    """Cut training sequences into windows that a model can read whole, losing no event.

    Windows are cut from the end, so that the latest one is full; neighbours share one event, which is the label of
    one and the first input of the other.

    Args:
        dataset: Rows with the list columns `items`, `event_types`, `ratings`, `timestamps`.
        max_history: Events that a model reads; a window holds one more, for the last label.
        max_events: Events used of a user, the latest; None for all.
    """

    def cut(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        windows: dict[str, list[Any]] = {name: [] for name in batch}
        for i, items in enumerate(batch["items"]):
            end = len(items)
            first = 0 if max_events is None else max(0, end - max_events)
            while end > first + 1:
                start = max(first, end - max_history - 1)
                for name, values in batch.items():
                    value = values[i]
                    windows[name].append(value[start:end] if isinstance(value, list) else value)
                end = start + 1
        return windows

    longest = max(map(len, dataset["items"]), default=0)
    if longest <= min(max_history + 1, max_events or longest):
        return dataset
    return dataset.map(cut, batched=True, desc="Cutting windows")


def weigh_new_categories(dataset: Dataset, category_codes: np.ndarray, weight: float) -> Dataset:
    """Add the column `label_weights`: `weight` for each event that is its row's first in a category, 1 for others.

    What users take up anew is drowned in training by what they come back for; the weight brings it up.

    Args:
        dataset: Rows with the list column `items`, cut into windows: new is what the model has not seen.
        category_codes: (rows of the vocabulary,) category of every item, -1 for none.
        weight: The weight.
    """

    def weigh(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        weights = []
        for items in batch["items"]:
            codes = category_codes[np.asarray(items)]
            first = np.zeros(len(codes), dtype=bool)
            first[np.unique(codes, return_index=True)[1]] = True
            weights.append(np.where(first & (codes >= 0), weight, 1.0).astype(np.float32))
        return {"label_weights": weights}

    return dataset.map(weigh, batched=True, desc="Weighing categories")
