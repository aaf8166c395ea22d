"""Training windows of an interaction log: their length, their number and the weights of their events."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset, IterableDataset, Value

from ...modeling_xcat.configuration_xcat import XCatConfig
from ...modeling_xcat.items_xcat import share_of_modality
from ...tokenization.interests.reader import UserInterests
from ...tokenization.progress import stage
from ...tokenization.sequences.event_weights import EVENT_WEIGHTS
from ...tokenization.tables.event_roles import ROLES, TARGET
from ..arguments import XCatTrainingArguments, sized_for
from ..data_defaults import SIZED, depends_on_data
from ..recipes import QUICK_SHARE

Rows = TypeVar("Rows", Dataset, IterableDataset)
MOST_HISTORY = 200
_WHOLE = 0.9
_BY_LENGTH = ("group_by_length", "batch_rebalance")
"""Sampling strategies for which `Trainer` needs row lengths."""


def history_length(train: Dataset) -> int:
    """Default `max_history`: it covers the whole history of 90 % of the users.

    It is between the configuration's default and `MOST_HISTORY`: most repurchases in groceries fall within that many
    events, and the cost of attention is quadratic in their number.

    Args:
        train: Rows with the list column `items`.
    """
    lengths = pc.list_value_length(train.data["items"]).to_numpy()
    return int(np.clip(np.ceil(np.quantile(lengths, _WHOLE)), XCatConfig.max_history, MOST_HISTORY))


def count_labels(train: Dataset, max_history: int, max_events: int | None = None) -> tuple[int, int]:
    """Count target events, and the windows of `training_windows` that contain any.

    Args:
        train: Rows with the list column `items`, and `event_roles` if some events are not predicted.
        max_history: Maximum events that a model reads.
        max_events: Latest events used per user; None for all.
    """
    lengths = pc.list_value_length(train.data["items"]).to_numpy()
    windows, labels = count_windows(lengths, max_history, max_events), _labels(lengths, max_events)
    if ROLES not in train.column_names:
        return int(labels.sum()), windows
    rows = zip(train.with_format("numpy")[ROLES], labels, strict=True)
    return sum(int((roles[len(roles) - count :] == TARGET).sum()) for roles, count in rows), windows


def count_windows(lengths: np.ndarray, max_history: int, max_events: int | None = None) -> int:
    """Number of windows that `training_windows` cuts from (users,) sequence lengths, each with at least one label."""
    return int((-(-_labels(lengths, max_events) // max_history)).sum())


def _labels(lengths: np.ndarray, max_events: int | None) -> np.ndarray:
    labels: np.ndarray = np.clip(lengths - 1, 0, None if max_events is None else max(0, max_events - 1))
    return labels


def resolve_sizes(
    arguments: XCatTrainingArguments, train: Dataset | IterableDataset, config: Any
) -> XCatTrainingArguments:
    """Choose batch size, learning rate, epochs and patience for the data, as `sized_for` computes them.

    A model with texts and images gets more epochs, so that it reads each of the two as often as a model with one.

    Args:
        arguments: Not changed. Given values take precedence; defaults are the starting values.
        train: Training sequences; for a stream of unknown length, the starting values are used.
        config: Configuration of the model, an `XCatConfig` or another one with `num_items` and `max_history`.

    Returns:
        Arguments with the chosen values; the same object if all values were given.
    """
    start = {name: value for name in SIZED if depends_on_data(value := getattr(arguments, name))}
    if not start:
        return arguments
    sized = _sizes(arguments, train, config) if isinstance(train, Dataset) else {}
    resolved = copy.copy(arguments)
    for name, value in start.items():
        plain = int if isinstance(value, int) else float
        setattr(resolved, name, plain(sized.get(name, value)))
    return resolved


def _sizes(arguments: XCatTrainingArguments, train: Dataset, config: Any) -> dict[str, Any]:
    """The values of `sized_for`, with the epochs of a quick training shortened."""
    labels, windows = count_labels(train, config.max_history, arguments.max_train_events)
    share = QUICK_SHARE if arguments.quick else 1.0
    own = (arguments.learning_rate, arguments.num_train_epochs / share, arguments.early_stopping_patience)
    sized = sized_for(config.num_items, labels / max(1, windows), labels, *own)
    present = share_of_modality(config) if isinstance(config, XCatConfig) else 1.0
    if present < 1:
        sized["num_train_epochs"] = round(sized.get("num_train_epochs", own[1]) / present)
    return {name: share * value if name == "num_train_epochs" else value for name, value in sized.items()}


def training_windows(dataset: Rows, max_history: int, max_events: int | None = None) -> Rows:
    """Cut training sequences into windows that fit the model, without losing events.

    Windows are cut from the end, so that the latest one is full. Adjacent windows share one event: the last label of
    one is the first input of the next. Windows without a label are left out.

    Args:
        dataset: Rows with the list columns `items`, `event_types`, `ratings`, `timestamps`.
        max_history: Events that a model reads; a window has one more, for the last label.
        max_events: Latest events used per user; None for all.
    """

    def cut(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        windows: dict[str, list[Any]] = {name: [] for name in batch}
        for i, items in enumerate(batch["items"]):
            end = len(items)
            first = 0 if max_events is None else max(0, end - max_events)
            while end > first + 1:
                start = max(first, end - max_history - 1)
                if ROLES in batch and TARGET not in batch[ROLES][i][start + 1 : end]:
                    end = start + 1
                    continue
                for name, values in batch.items():
                    value = values[i]
                    windows[name].append(value[start:end] if isinstance(value, list) else value)
                end = start + 1
        return windows

    if isinstance(dataset, Dataset):
        longest = max(map(len, dataset["items"]), default=0)
        if longest <= min(max_history + 1, max_events or longest):
            return dataset
    return map_rows(dataset, cut, "Cutting windows")


def weigh_new_categories(dataset: Rows, category_codes: np.ndarray, weight: float) -> Rows:
    """Add the column `loss_weights`: `weight` for the first event of a category in its row, 1 for others.

    Repeat consumption dominates training; the weight gives more influence to events in new categories.

    Args:
        dataset: Rows with the list column `items`, cut into windows; new means new in the window.
        category_codes: (rows of the vocabulary,) category code of every item, -1 for none.
        weight: The weight.
    """

    def weigh(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        weights = []
        for items in batch["items"]:
            codes = category_codes[np.asarray(items)]
            first = np.zeros(len(codes), dtype=bool)
            first[np.unique(codes, return_index=True)[1]] = True
            weights.append(np.where(first & (codes >= 0), weight, 1.0).astype(np.float32))
        return {"loss_weights": weights}

    return map_rows(dataset, weigh, "Weighing categories")


def weigh_losses(dataset: Rows) -> Rows:
    """Multiply the column `loss_weights`, or 1, by `event_weights`.

    Args:
        dataset: Rows with the list column `event_weights`.
    """

    def weigh(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        weights = [np.asarray(own, dtype=np.float32) for own in batch[EVENT_WEIGHTS]]
        if "loss_weights" in batch:
            weights = [own * np.asarray(other) for own, other in zip(weights, batch["loss_weights"], strict=True)]
        return {"loss_weights": weights}

    return map_rows(dataset, weigh, "Weighing events")


def map_rows(dataset: Rows, function: Callable[..., Any], shown: str) -> Rows:
    """Map a function over batches of rows; a stream shows no progress bar."""
    options = {"desc": shown} if isinstance(dataset, Dataset) else {}
    with stage(shown.lower()):
        mapped: Rows = dataset.map(function, batched=True, **options)
    return mapped


def training_rows(
    dataset: Rows,
    arguments: XCatTrainingArguments,
    max_history: int,
    category_codes: np.ndarray,
    interests: UserInterests | None = None,
) -> Rows:
    """Windows of training sequences, with users' interests and event weights.

    Args:
        dataset: Training sequences.
        arguments: Training arguments with `max_train_events` and `new_category_weight`.
        max_history: Maximum events that the model reads.
        category_codes: (rows of the vocabulary,) category code of every item, -1 for none.
        interests: Interests of the users; None for a model that reads none.

    Raises:
        TypeError: If interests are given for a stream.
    """
    if interests is not None and not isinstance(dataset, Dataset):
        raise TypeError(
            "train_dataset is a stream, and interests need rows in memory or on disk; give a datasets.Dataset"
        )
    rows = training_windows(dataset, max_history, arguments.max_train_events)
    if interests is not None:
        rows = interests.added(rows)
    if arguments.new_category_weight != 1 and (category_codes >= 0).any():
        rows = weigh_new_categories(rows, category_codes, arguments.new_category_weight)
    if _has_weights(dataset):
        rows = weigh_losses(rows)
    if arguments.train_sampling_strategy in _BY_LENGTH and isinstance(rows, Dataset):
        rows = _with_lengths(rows, str(arguments.length_column_name))
    return rows


def _has_weights(dataset: Dataset | IterableDataset) -> bool:
    """Whether rows have the column `event_weights`; the first row of a stream tells, if its columns are unknown."""
    names = dataset.column_names
    return EVENT_WEIGHTS in (next(iter(dataset.take(1)), {}) if names is None else names)


def _with_lengths(rows: Dataset, name: str) -> Dataset:
    """Add the number of events per row as a column, unless it exists."""
    if name not in rows.column_names:
        return rows.add_column(name, pc.list_value_length(rows.with_format(None).data["items"]).to_pylist())
    if not pa.types.is_integer(rows.features[name].pa_type if isinstance(rows.features[name], Value) else pa.null()):
        raise ValueError(
            f"length_column_name is {name!r}, a column of {rows.features[name]}; give the name of a column of whole "
            "numbers, or a new name, and lengths are counted"
        )
    return rows
