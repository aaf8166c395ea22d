"""Interest profiles along a history; each uses feedback earlier than its event and is valid from this event on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from .profiles import Opinions, ProfileOptions, build_profile

if TYPE_CHECKING:
    import datasets

NO_INTERESTS: dict[str, list[Any]] = {"interest_states": [], "interest_kinds": [], "interest_positions": []}


def snapshot_positions(events: int, every: int, last: int | None = None) -> list[int]:
    """Events of a history at which profiles are computed.

    These are the first event read, then 1, 2, 4, ... events later up to `every`, then every `every`-th, and the last.
    So short histories have a profile too, and long ones have few.

    Args:
        events: Events of the history.
        every: Number of events between profiles.
        last: Number of latest events that are read; None for all.

    Raises:
        ValueError: If `every` is less than 1.

    Example:
        >>> snapshot_positions(20, 8), snapshot_positions(20, 8, last=4)
        ([0, 1, 2, 4, 8, 16, 19], [16, 17, 18, 19])
    """
    if every < 1:
        raise ValueError(f"every is {every}; give at least 1 event")
    start = 0 if last is None else max(0, events - last)
    count = events - start
    early = [1 << n for n in range(every.bit_length()) if 1 << n < every]
    steps = {0, *early, *range(every, count, every), count - 1}
    return [start + step for step in sorted(steps) if 0 <= step < count]


def snapshot_interests(
    opinions: Opinions,
    timestamps: np.ndarray,
    every: int = 8,
    options: ProfileOptions | None = None,
    last: int | None = None,
) -> dict[str, list[Any]]:
    """Profiles of a user at some events of a history; see `snapshot_positions`.

    The profile at an event uses feedback from earlier seconds, so it contains neither the event's own review nor a
    later one. A profile that equals the one at the previous position is left out.

    Args:
        opinions: The user's feedback.
        timestamps: (events,) seconds since 1970, in order; negative for unknown times, which get no profile.
        every: Number of events between profiles.
        options: Options of the conversion from feedback to a profile.
        last: Number of latest events that are read; None for all.

    Returns:
        `interest_states`, `interest_kinds` and `interest_positions`, one entry per token, for `pack_histories`.

    Raises:
        ValueError: If `every` is less than 1.
    """
    found: dict[str, list[Any]] = {name: [] for name in NO_INTERESTS}
    read = 0
    for position in snapshot_positions(len(timestamps), every, last):
        if timestamps[position] < 0:
            continue
        profile = build_profile(opinions, int(timestamps[position]), options)
        known = int((np.asarray(opinions.times) < profile.at).sum())
        if known == read:
            continue
        read = known
        vectors, kinds = profile.tokens()
        found["interest_states"] += vectors.tolist()
        found["interest_kinds"] += kinds.tolist()
        found["interest_positions"] += [position] * len(kinds)
    return found


def add_interests(
    dataset: datasets.Dataset,
    opinions: Mapping[str, Opinions],
    every: int = 8,
    options: ProfileOptions | None = None,
    last: int | None = None,
) -> datasets.Dataset:
    """Add user profiles to the rows of a dataset, for a model with the memory source "interests".

    Args:
        dataset: Rows with `user_id` and `timestamps`; training sequences are already cut into windows.
        opinions: Feedback of each user, with vectors that the model has whitened; users may be missing.
        every: Number of events between profiles.
        options: Options of the conversion from feedback to a profile.
        last: Number of latest events of a row that are read; None for all.
    """
    width = next((one.vectors.shape[1] for one in opinions.values() if len(one.vectors)), 0)

    def add(row: dict[str, Any]) -> dict[str, Any]:
        told = opinions.get(row["user_id"])
        if told is None:
            return NO_INTERESTS
        return snapshot_interests(told, np.asarray(row["timestamps"], dtype=np.int64), every, options, last)

    import datasets

    columns = {
        "interest_states": datasets.List(datasets.List(datasets.Value("float32"), length=width or -1)),
        "interest_kinds": datasets.List(datasets.Value("int64")),
        "interest_positions": datasets.List(datasets.Value("int32")),
    }
    schema = datasets.Features({**dataset.features, **columns})
    # A random cache name: hashing the feedback would take longer than the computation.
    return dataset.map(add, features=schema, desc="Adding interests", new_fingerprint=uuid4().hex)
