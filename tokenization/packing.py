"""Histories into rows of tensors, packed or padded: the one place where training, evaluation and serving do so.

Self-contained, because it travels with a checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

IGNORED_LABEL = -100


@dataclass(frozen=True)
class EventFeatures:
    """Which features of an event become codes.

    Args:
        num_rating_buckets: Buckets of ratings with 0 for none; 0 leaves ratings out.
        num_time_gap_buckets: Buckets of the time since the previous event, 0 for unknown; 0 leaves gaps out.
        use_event_types: Whether kinds of event are coded.
    """

    num_rating_buckets: int = 0
    num_time_gap_buckets: int = 0
    use_event_types: bool = False


def rating_buckets(ratings: np.ndarray, buckets: int) -> np.ndarray:
    """Ratings to the nearest whole bucket from 1 to buckets - 1; NaN gives 0.

    Example:
        >>> rating_buckets(np.array([4.6, np.nan, 9.0]), 6).tolist()
        [5, 0, 5]
    """
    whole = np.clip(np.rint(np.nan_to_num(ratings, nan=1.0)), 1, max(1, buckets - 1)).astype(np.int64)
    return np.where(np.isnan(ratings), 0, whole)


def time_gap_buckets(timestamps: np.ndarray, starts: np.ndarray, buckets: int) -> np.ndarray:
    """Logarithmic buckets of the seconds since the previous event: 1 within a minute, then one each doubling.

    Args:
        timestamps: (events,) seconds, negative where unknown.
        starts: (events,) True at the first event of a history, whose gap is unknown.
        buckets: Buckets, of which 0 is unknown and the last is open.

    Example:
        >>> time_gap_buckets(np.array([0, 60, 60 + 86_400]), np.array([True, False, False]), 16).tolist()
        [0, 2, 11]
    """
    gaps = np.diff(timestamps, prepend=timestamps[:1])
    known = ~starts & (timestamps >= 0) & np.roll(timestamps >= 0, 1)
    codes = 1 + np.floor(np.log2(1 + np.maximum(gaps, 0) / 60)).astype(np.int64)
    return np.where(known, np.minimum(codes, buckets - 1), 0)


def next_basket_labels(items: np.ndarray, timestamps: np.ndarray) -> np.ndarray:
    """For every event an item drawn from the basket that follows its own: what a customer takes on the next visit.

    Args:
        items: (events,) rows of one history.
        timestamps: (events,) seconds; events at one time are one basket.

    Returns:
        (events,) rows, `IGNORED_LABEL` where no basket follows.

    Raises:
        ValueError: If a time is unknown.

    Example:
        >>> next_basket_labels(np.array([2, 3, 4]), np.array([0, 0, 9])).tolist()
        [4, 4, -100]
    """
    if (timestamps < 0).any():
        raise ValueError("labels from the next basket need the time of every event; use label_policy='next-event'")
    basket = np.cumsum(np.diff(timestamps, prepend=timestamps[:1]) != 0)
    starts, sizes = np.unique(basket, return_index=True, return_counts=True)[1:]
    following = np.minimum(basket + 1, basket[-1])
    drawn = starts[following] + (torch.rand(len(items)).numpy() * sizes[following]).astype(np.int64)
    return np.where(basket < basket[-1], items[drawn], IGNORED_LABEL)


def place(lengths: Sequence[int], width: int, mode: str) -> tuple[np.ndarray, np.ndarray, int]:
    """Where each history lies.

    Args:
        lengths: Events of each history, none longer than the width.
        width: Length of a row.
        mode: "packed" (first fit, longest first: several histories share a row), "right" or "left" (one a row, with
            the padding on that side).

    Returns:
        (histories,) rows, (histories,) offsets, and the number of rows.

    Example:
        >>> rows, offsets, count = place([2, 3, 1], 4, "packed")
        >>> rows.tolist(), offsets.tolist(), count
        ([1, 0, 0], [0, 0, 3], 2)
    """
    sizes = np.asarray(lengths, dtype=np.int64)
    if mode in ("left", "right"):
        offsets = width - sizes if mode == "left" else np.zeros_like(sizes)
        return np.arange(len(sizes)), offsets, len(sizes)
    if mode != "packed":
        raise ValueError(f"layout {mode!r} is not one of packed, left, right")
    rows, offsets, filled = np.zeros_like(sizes), np.zeros_like(sizes), list[int]()
    for history in np.argsort(-sizes, kind="stable"):
        size = int(sizes[history])
        row = next((i for i, used in enumerate(filled) if used + size <= width), len(filled))
        if row == len(filled):
            filled.append(0)
        rows[history], offsets[history] = row, filled[row]
        filled[row] += size
    return rows, offsets, len(filled)


def pack_histories(
    histories: Sequence[Mapping[str, Any]],
    *,
    max_history: int,
    features: EventFeatures,
    mode: str = "packed",
    with_labels: bool = False,
    label_policy: str = "next-event",
) -> dict[str, torch.Tensor]:
    """Lay histories out in rows.

    Args:
        histories: One mapping a history with `items` (vocabulary rows) and, for the features in use, `event_types`,
            `ratings` and `timestamps` of the same length.
        max_history: Events read of a history, the latest ones.
        features: Which features become codes.
        mode: As for `place`.
        with_labels: Whether the last event only serves as a label.
        label_policy: "next-event", or "next-basket": an item drawn from the basket after the event's own.

    Returns:
        `item_ids`, `attention_mask`, `position_ids` (rows, length), the feature codes in use, and `labels` or, without
        labels, `query_positions` (histories,): the place of each history's last event in the flattened rows.

    Raises:
        ValueError: If a history is empty, or has only one event and labels are wanted.
    """
    extra = int(with_labels)
    if any(len(history["items"]) <= extra for history in histories):
        raise ValueError(f"a history needs at least {1 + extra} event(s) here; leave empty ones out")
    kept = max_history + extra
    columns = {"items": [np.asarray(history["items"][-kept:], dtype=np.int64) for history in histories]}
    lengths = np.array([len(items) - extra for items in columns["items"]], dtype=np.int64)
    width = int(max_history if mode == "packed" and with_labels else lengths.max(initial=1))
    rows, offsets, count = place(lengths, width, mode)  # type: ignore[arg-type]
    history_of = np.repeat(np.arange(len(histories)), lengths)
    position = np.arange(len(history_of)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    address = rows[history_of] * width + offsets[history_of] + position

    def spread(values: np.ndarray, empty: int = 0) -> torch.Tensor:
        laid = np.full(count * width, empty, dtype=np.int64)
        laid[address] = values
        return torch.from_numpy(laid.reshape(count, width))

    def joined(name: str, dtype: type) -> np.ndarray:
        return np.concatenate([
            np.asarray(h[name][-kept:], dtype=dtype)[: int(n)] for h, n in zip(histories, lengths, strict=True)
        ])  # fmt: skip

    inputs = [items[: len(items) - extra] for items in columns["items"]]
    batch = {
        "item_ids": spread(np.concatenate(inputs)),
        "attention_mask": spread(np.ones(len(address), dtype=np.int64)),
        "position_ids": spread(position),
    }
    if features.use_event_types:
        batch["event_type_ids"] = spread(joined("event_types", np.int64))
    if features.num_rating_buckets:
        batch["rating_ids"] = spread(rating_buckets(joined("ratings", np.float64), features.num_rating_buckets))
    if features.num_time_gap_buckets:
        gaps = time_gap_buckets(joined("timestamps", np.int64), position == 0, features.num_time_gap_buckets)
        batch["time_gap_ids"] = spread(gaps)
    if with_labels:
        if label_policy == "next-basket":
            moments = (np.asarray(history["timestamps"][-kept:], dtype=np.int64) for history in histories)
            drawn = map(next_basket_labels, columns["items"], moments)
            labels = [label[: len(label) - 1] for label in drawn]
        else:
            labels = [items[1:] for items in columns["items"]]
        batch["labels"] = spread(np.concatenate(labels), IGNORED_LABEL)
    else:
        batch["query_positions"] = torch.from_numpy(rows * width + offsets + lengths - 1)
    return batch
