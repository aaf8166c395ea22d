"""Histories to rows of tensors, packed or padded: the same code for training, evaluation and serving.

Self-contained, because it travels with a checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import torch

IGNORED_LABEL = -100


@dataclass(frozen=True)
class EventFeatures:
    """Features of events that become codes.

    Args:
        num_rating_buckets: Buckets of ratings with 0 for none; 0 leaves ratings out.
        num_time_gap_buckets: Buckets of the time since the previous event, 0 for unknown; 0 leaves gaps out.
        use_event_types: Whether event types are coded.
        rating_range: Lowest and highest rating, divided into buckets; None for one bucket per integer from 1.
    """

    num_rating_buckets: int = 0
    num_time_gap_buckets: int = 0
    use_event_types: bool = False
    rating_range: tuple[float, float] | None = None


def rating_buckets(ratings: np.ndarray, buckets: int, rating_range: tuple[float, float] | None = None) -> np.ndarray:
    """Ratings to the nearest bucket from 1 to buckets - 1; NaN gives 0.

    Args:
        ratings: (events,) ratings, NaN for none.
        buckets: Number of buckets, including 0 for no rating.
        rating_range: Ratings of the first and of the last bucket; the others are evenly spaced between them. None for
            1 and buckets - 1, one bucket per integer. A rating outside the range gets the nearest bucket.

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
    """Logarithmic buckets of the seconds since the previous event: 1 up to a minute, then one per doubling.

    Args:
        timestamps: (events,) seconds, negative where unknown.
        starts: (events,) True at the first event of a history, whose gap is unknown.
        buckets: Number of buckets, including 0 for unknown; the last is open-ended.

    Example:
        >>> time_gap_buckets(np.array([0, 60, 60 + 86_400]), np.array([True, False, False]), 16).tolist()
        [0, 2, 11]
    """
    gaps = np.diff(timestamps, prepend=timestamps[:1])
    known = ~starts & (timestamps >= 0) & np.roll(timestamps >= 0, 1)
    codes = 1 + np.floor(np.log2(1 + np.maximum(gaps, 0) / 60)).astype(np.int64)
    return np.where(known, np.minimum(codes, buckets - 1), 0)


def place(lengths: Sequence[int], width: int, mode: str) -> tuple[np.ndarray, np.ndarray, int]:
    """Position of each history in the rows.

    Args:
        lengths: Events per history, at most the width.
        width: Length of a row.
        mode: "packed" (first fit, longest first: several histories per row), "right" or "left" (one per row, padded on
            that side).

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
    """Put histories into rows of tensors.

    Args:
        histories: One mapping per history with `items` (item indices) and, for the features in use, `event_types`,
            `ratings` and `timestamps` of the same length; and, if it has interest profiles, `interest_states`,
            `interest_kinds` and `interest_positions` (position in `items` of the first event that may read it).
            With `event_roles`, only events of role 1 are targets.
        max_history: Number of latest events to read per history.
        features: Features that become codes.
        mode: As for `place`.
        with_labels: Whether the last event is a target only.
        width: Row length, at least the longest history; None for that length, or for `max_history` if packed rows have
            targets.

    Returns:
        `item_ids`, `attention_mask`, `position_ids` (rows, length), the feature codes in use, and `labels` or, without
        labels, `query_positions` (histories,): the position of each history's last event in the flattened rows. Also
        `interest_*` (rows, tokens) if a history has any.

    Raises:
        ValueError: If a history is empty, or has only one event although labels are needed.
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
        """A column of the events that are read, or with shift 1 of their next events."""
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
    """Interest profiles for each row of histories; empty if no history has one."""
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
        # Earlier events are cut off; their profiles are valid from the first remaining event.
        gone = max(0, len(history["items"]) - kept)
        positions[slots] = np.maximum(np.asarray(history["interest_positions"]) - gone, 0)
        filled[place_row] += size
    named = {"states": states, "kinds": kinds, "document_ids": documents, "positions": positions}
    return {f"interest_{name}": torch.from_numpy(values) for name, values in named.items()}


def _feature_codes(
    joined: Callable[[str, type], np.ndarray], starts: np.ndarray, features: EventFeatures
) -> Iterator[tuple[str, np.ndarray]]:
    """Names and codes of the features in use, per event."""
    if features.use_event_types:
        yield "event_type_ids", joined("event_types", np.int64)
    if features.num_rating_buckets:
        ratings = joined("ratings", np.float64)
        yield "rating_ids", rating_buckets(ratings, features.num_rating_buckets, features.rating_range)
    if features.num_time_gap_buckets:
        timestamps = joined("timestamps", np.int64)
        yield "time_gap_ids", time_gap_buckets(timestamps, starts, features.num_time_gap_buckets)


_NO_SECONDS = 1e11
"""Larger numbers would be seconds after the year 5000, so they have another unit."""


def values_of(values: Sequence[Sequence[Any]] | None, user: int, size: int, name: str, empty: Any) -> Sequence[Any]:
    """Values of a user's events, or `empty` for each event; raises an error if their number differs."""
    if values is None:
        return [empty] * size
    if isinstance(values[user], str):
        raise ValueError(
            f"{name} of history {user} is a list of values, one per event; got a plain string, so put it into a list"
        )
    if len(values[user]) != size:
        raise ValueError(f"{name} of history {user} has {len(values[user])} entries for {size} events")
    return values[user]


def ratings_of(values: Sequence[Any], user: int) -> list[float | None]:
    """Ratings of the events of a user as numbers, None where an event has none.

    Raises:
        ValueError: If a value is something else.
    """
    return [_rating(value.item() if hasattr(value, "item") else value, user) for value in values]


def _rating(value: Any, user: int) -> float | None:
    if value is None or type(value).__name__ == "NAType" or (isinstance(value, Real) and value != value):
        return None
    try:
        number = float(value) if type(value) is not bool and isinstance(value, Real) else math.nan
    except OverflowError:  # a whole number beyond all floats
        number = math.inf
    if not math.isfinite(number):
        found = f"the rating {value}" if isinstance(value, float) else f"a value of type {type(value).__name__}"
        raise ValueError(f"ratings of history {user} holds {found}; give numbers, or None for none")
    return number


def seconds_of(times: Sequence[Any], user: int) -> list[float]:
    """Seconds since 1970, -1 for unknown times; refuses other units, which would silently give wrong gaps."""
    wrong = [t for t in times if t is not None and not (isinstance(t, Real) and t < _NO_SECONDS)]
    if wrong:
        raise ValueError(
            f"timestamps of history {user}: {len(wrong)} of {len(times)} are not seconds since 1970; give numbers "
            "such as 1700000000 (XCatRecommender.recommend reads milliseconds, datetimes and ISO 8601 texts, too)"
        )
    return [-1 if t is None else t for t in times]
