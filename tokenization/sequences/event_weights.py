"""Weights of the events of training sequences."""

from __future__ import annotations

from collections.abc import Mapping

import datasets
import numpy as np
import torch

from ..vocabulary import ItemVocabulary
from .build import target_items

EVENT_WEIGHTS = "event_weights"
"""Column of training sequences with a weight from 0 to 1 per event: factor of its loss and of its counts."""


def add_event_weights(
    train: datasets.Dataset, vocabulary: ItemVocabulary, weights: Mapping[tuple[str, str], float]
) -> datasets.Dataset:
    """Training sequences with the column `EVENT_WEIGHTS`.

    Args:
        train: Training sequences with the column `user_id`.
        vocabulary: The vocabulary of their item indices.
        weights: Weights by the ids of user and item; other events have 1.

    Example:
        >>> train = datasets.Dataset.from_dict({"user_id": ["u", "v"], "items": [[2, 3], [3, 2, 3]]})
        >>> import pyarrow as pa
        >>> vocabulary = ItemVocabulary(pa.table({"item_id": ["a", "b"]}))
        >>> add_event_weights(train, vocabulary, {("v", "b"): 0.25})["event_weights"][:]
        [[1.0, 1.0], [0.25, 1.0, 0.25]]
    """
    rows = vocabulary.encode([item for _, item in weights]).tolist()
    known = {(user, row): weight for ((user, _), weight), row in zip(weights.items(), rows, strict=True)}
    plain = train.with_format(None)
    found = [
        [known.get((user, item), 1.0) for item in items]
        for user, items in zip(plain["user_id"], plain["items"], strict=True)
    ]
    return train.add_column(EVENT_WEIGHTS, found, feature=datasets.List(datasets.Value("float32")))


def target_weights(train: datasets.Dataset) -> torch.Tensor | None:
    """(events,) weights of the target events, user after user; None for rows without weights.

    Args:
        train: Training sequences.

    Example:
        >>> row = {"items": [[2, 3, 2]], "event_roles": [[1, 0, 1]], "event_weights": [[0.5, 1.0, 0.25]]}
        >>> target_weights(datasets.Dataset.from_dict(row)).tolist()
        [0.5, 0.25]
    """
    if EVENT_WEIGHTS not in train.column_names:
        return None
    flat = target_items(train, EVENT_WEIGHTS).combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return torch.from_numpy(flat.astype(np.float32))
