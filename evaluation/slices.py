"""Slices of the targets: cross-category, cold, new to the user, and by length of the history."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from ..tokenization.vocabulary import NUM_SPECIAL_ROWS, ItemVocabulary

TARGET_SLICES = ("switch", "new_category", "cold", "unseen")
"""Slices by the relation of target and user."""
HISTORY_LIMITS = {"history_0_5": 5, "history_6_10": 10, "history_11_20": 20, "history_21_up": math.inf}
"""Slices by the number of events in the history, with their maximum; every target is in exactly one."""
HISTORY_SLICES = tuple(HISTORY_LIMITS)
SLICE_NAMES = TARGET_SLICES + HISTORY_SLICES
SLICE_MEANINGS = {
    "switch": "the category differs from that of the last event",
    "new_category": "the category is not in the user's history",
    "cold": "the item has no training events",
    "unseen": "the item is not in the user's history",
    "history_0_5": "the history has at most 5 events",
    "history_6_10": "the history has 6 to 10 events",
    "history_11_20": "the history has 11 to 20 events",
    "history_21_up": "the history has 21 events or more",
}
"""Endings of a sentence that begins with "targets where", for cards and reports."""


def target_slices(
    rows: Sequence[Mapping[str, Any]], vocabulary: ItemVocabulary, trained: np.ndarray
) -> dict[str, np.ndarray]:
    """Compute the slices of every target.

    * `switch`: its category differs from that of the last event.
    * `new_category`: its category is nowhere in the history.
    * `cold`: the item has no training events.
    * `unseen`: the item is nowhere in the history.
    * `history_0_5`, `history_6_10`, `history_11_20`, `history_21_up`: the number of events in the history. All events
      count, also events before the model's window.

    With missing categories a target is in fewer slices. A target without category is neither `switch` nor
    `new_category`; after a last event without category it is not `switch`; after a history without any category it is
    not `new_category`. A target outside the catalogue is `cold` and not `unseen`.

    Args:
        rows: Rows of a validation or test dataset, with `items` and `targets`.
        vocabulary: The catalogue of the rows' item indices.
        trained: (rows of the vocabulary,) bool, whether an item has training events.

    Returns:
        Name to (users, targets) bool; padding is in no slice.

    Raises:
        ValueError: If `trained` does not fit the vocabulary, or an item index is not in it.
    """
    codes = vocabulary.category_codes
    if trained.shape != codes.shape:
        raise ValueError(f"trained has shape {trained.shape} the vocabulary {len(codes)} rows; give one flag per row")
    from .ranks import pad_targets  # imports torch; the names of slices need no torch

    targets = pad_targets([row["targets"] for row in rows])
    lengths = np.fromiter((len(row["items"]) for row in rows), dtype=np.int64, count=len(rows))
    items = np.fromiter(chain.from_iterable(row["items"] for row in rows), np.int64, count=int(lengths.sum()))
    for name, values in (("items", items), ("targets", targets)):
        if values.max(initial=0) >= len(codes):
            raise ValueError(
                f"column {name} contains item index {values.max()}, and the vocabulary has {len(codes)} rows; "
                "the dataset was built with another vocabulary"
            )

    users = np.repeat(np.arange(len(rows)), lengths)
    valid = targets >= 0
    wanted = np.where(valid, codes[targets], -1)
    history_codes = codes[items]
    last = np.full(len(rows), -1, dtype=np.int64)
    last[lengths > 0] = history_codes[np.cumsum(lengths)[lengths > 0] - 1]
    has_category = np.zeros(len(rows), dtype=bool)
    has_category[users[history_codes >= 0]] = True
    by_length = np.searchsorted(list(HISTORY_LIMITS.values()), lengths)
    return {
        "switch": (wanted >= 0) & (last >= 0)[:, None] & (wanted != last[:, None]),
        "new_category": (wanted >= 0) & has_category[:, None] & ~_in_history(wanted, history_codes, users),
        "cold": valid & ~trained[targets],
        "unseen": (targets >= NUM_SPECIAL_ROWS) & ~_in_history(targets, items, users),
        **{name: valid & (by_length == i)[:, None] for i, name in enumerate(HISTORY_SLICES)},
    }


def _in_history(values: np.ndarray, history: np.ndarray, users: np.ndarray) -> np.ndarray:
    """Whether each of (users, targets) values is in the same user's flat history."""
    span = int(max(values.max(initial=0), history.max(initial=0))) + 2
    keys = np.arange(len(values))[:, None] * span + values + 1
    return np.isin(keys, users * span + history + 1)
