"""Histories into rows of tensors, packed or padded: the one place where training, evaluation and serving do so.

Self-contained, because it travels with a checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
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
        rating_range: Lowest and highest rating, which the buckets divide; None for one bucket a whole number from 1.
    """

    num_rating_buckets: int = 0
    num_time_gap_buckets: int = 0
    use_event_types: bool = False
    rating_range: tuple[float, float] | None = None


def rating_buckets(ratings: np.ndarray, buckets: int, rating_range: tuple[float, float] | None = None) -> np.ndarray:
    """Ratings to the nearest bucket from 1 to buckets - 1; NaN gives 0.

    Args:
        ratings: (events,) ratings, NaN for none.
        buckets: Buckets, of which 0 is no rating.
        rating_range: Ratings of the first and of the last bucket, between which the others are evenly spread; None
            for 1 and buckets - 1, one bucket a whole number. A rating outside falls into the nearest.

    Example:
        >>> rating_buckets(np.array([4.6, np.nan, 9.0]), 6).tolist()
        [5, 0, 5]
        >>> rating_buckets(np.array([0.5, 3.0, 5.0]), 11, (0.5, 5.0)).tolist()
        [1, 6, 10]
    """
    low, high = rating_range or (1.0, buckets - 1.0)
    steps = (np.nan_to_num(ratings, nan=low) - low) * (max(buckets - 2, 0) / max(high - low, 1e-9))
    nearest = 1 + np.clip(np.floor(steps + 0.5), 0, max(buckets - 2, 0)).astype(np.int64)
    return np.where(np.isnan(ratings), 0, nearest)


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
    width: int | None = None,
) -> dict[str, torch.Tensor]:
    """Lay histories out in rows.

    Args:
        histories: One mapping a history with `items` (vocabulary rows) and, for the features in use, `event_types`,
            `ratings` and `timestamps` of the same length; and, if it has interest profiles, `interest_states`,
            `interest_kinds` and `interest_positions` (place in `items` of the first event that may know of it).
            With `event_roles`, only events of role 1 are labels.
        max_history: Events read of a history, the latest ones.
        features: Which features become codes.
        mode: As for `place`.
        with_labels: Whether the last event only serves as a label.
        width: Length of a row, no less than the longest history that is read; None for that length, or for
            `max_history` where packed rows have labels.

    Returns:
        `item_ids`, `attention_mask`, `position_ids` (rows, length), the feature codes in use, and `labels` or, without
        labels, `query_positions` (histories,): the place of each history's last event in the flattened rows; and
        `interest_*` (rows, tokens) where a history has any.

    Raises:
        ValueError: If a history is empty, or has only one event and labels are wanted.
    """
    extra = int(with_labels)
    if any(len(history["items"]) <= extra for history in histories):
        raise ValueError(f"a history needs at least {1 + extra} event(s) here; leave empty ones out")
    kept = max_history + extra
    lengths = np.array([min(len(history["items"]), kept) - extra for history in histories], dtype=np.int64)
    if width is None:
        width = int(max_history if mode == "packed" and with_labels else lengths.max(initial=1))
    rows, offsets, count = place(lengths, width, mode)  # type: ignore[arg-type]
    first = np.cumsum(lengths) - lengths
    position = np.arange(lengths.sum()) - np.repeat(first, lengths)
    address = np.repeat(rows * width + offsets, lengths) + position

    def spread(values: np.ndarray, empty: int = 0) -> torch.Tensor:
        laid = np.full(count * width, empty, dtype=values.dtype)
        laid[address] = values
        return torch.from_numpy(laid.reshape(count, width))

    def joined(name: str, dtype: type, shift: int = 0) -> np.ndarray:
        """A column of the events that are read, or with a shift of 1 of those that follow them."""
        parts: Iterator[np.ndarray] = (np.asarray(history[name][-kept:], dtype=dtype) for history in histories)
        return np.concatenate([part[shift : shift + int(n)] for part, n in zip(parts, lengths, strict=True)])

    batch = {
        "item_ids": spread(joined("items", np.int64)),
        "attention_mask": spread(np.ones(len(address), dtype=np.int64)),
        "position_ids": spread(position),
        **{name: spread(codes) for name, codes in _feature_codes(joined, position == 0, features)},
    }
    batch.update(_interest_tokens(histories, kept, rows * width + offsets, (count, width)))
    if not with_labels:
        batch["query_positions"] = torch.from_numpy(rows * width + offsets + lengths - 1)
        return batch
    labels = joined("items", np.int64, 1)
    if histories and "event_roles" in histories[0]:
        labels = np.where(joined("event_roles", np.int64, 1) == 1, labels, IGNORED_LABEL)
    batch["labels"] = spread(labels, IGNORED_LABEL)
    if histories and "loss_weights" in histories[0]:
        batch["loss_weights"] = spread(joined("loss_weights", np.float32, 1))
    return batch


def _interest_tokens(
    histories: Sequence[Mapping[str, Any]], kept: int, starts: np.ndarray, shape: tuple[int, int]
) -> dict[str, torch.Tensor]:
    """Interest profiles beside the rows that their histories lie in; nothing where no history has one."""
    counts = np.array([len(history.get("interest_kinds") or ()) for history in histories], dtype=np.int64)
    if not counts.any():
        return {}
    row = starts // shape[1]
    begun = np.zeros(shape, dtype=np.int64)
    begun.flat[starts] = 1
    document = (begun.cumsum(axis=1) - 1).flat[starts]
    width = max(int(counts[row == number].sum()) for number in np.unique(row))
    dim = len(next(history["interest_states"][0] for history, n in zip(histories, counts, strict=True) if n))
    states = np.zeros((shape[0], width, dim), dtype=np.float32)
    kinds, documents, positions = (np.full((shape[0], width), empty, dtype=np.int64) for empty in (0, -1, 0))
    filled = np.zeros(shape[0], dtype=np.int64)
    for history, size, place_row, number in zip(histories, counts, row, document, strict=True):
        if not size:
            continue
        slots = np.s_[place_row, filled[place_row] : filled[place_row] + size]
        states[slots] = np.asarray(history["interest_states"], dtype=np.float32)
        kinds[slots] = np.asarray(history["interest_kinds"])
        documents[slots] = number
        # Events before the ones that are kept are gone; what was known by then is known from the first one on.
        gone = max(0, len(history["items"]) - kept)
        positions[slots] = np.maximum(np.asarray(history["interest_positions"]) - gone, 0)
        filled[place_row] += size
    named = {"states": states, "kinds": kinds, "document_ids": documents, "positions": positions}
    return {f"interest_{name}": torch.from_numpy(values) for name, values in named.items()}


def _feature_codes(
    joined: Callable[[str, type], np.ndarray], starts: np.ndarray, features: EventFeatures
) -> Iterator[tuple[str, np.ndarray]]:
    """Names and codes of the features in use, event by event."""
    if features.use_event_types:
        yield "event_type_ids", joined("event_types", np.int64)
    if features.num_rating_buckets:
        ratings = joined("ratings", np.float64)
        yield "rating_ids", rating_buckets(ratings, features.num_rating_buckets, features.rating_range)
    if features.num_time_gap_buckets:
        timestamps = joined("timestamps", np.int64)
        yield "time_gap_ids", time_gap_buckets(timestamps, starts, features.num_time_gap_buckets)


_NO_SECONDS = 1e11
"""Numbers from here on would be seconds after the year 5000, so they are of another unit."""


def values_of(values: Sequence[Sequence[Any]] | None, user: int, size: int, name: str, empty: Any) -> Sequence[Any]:
    """Values of the events of a user, or `empty` for each event; an error if there are not as many as events."""
    if values is None:
        return [empty] * size
    if len(values[user]) != size:
        raise ValueError(f"{name} of history {user} has {len(values[user])} entries for {size} events")
    return values[user]


def seconds_of(times: Sequence[Any], user: int) -> list[float]:
    """Seconds since 1970, -1 where a time is unknown; other units would be other gaps, and nobody would see it."""
    wrong = [t for t in times if t is not None and not (isinstance(t, Real) and t < _NO_SECONDS)]
    if wrong:
        raise ValueError(
            f"timestamps of history {user}: {len(wrong)} of {len(times)} are no seconds since 1970; give numbers such "
            "as 1700000000 (XCatRecommender.recommend reads milliseconds, datetimes and ISO 8601 texts, too)"
        )
    return [-1 if t is None else t for t in times]
