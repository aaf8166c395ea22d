"""Interest profiles along a history: each is made of what came before its event, and known from that event on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import datasets
import numpy as np

from .interests import Opinions, ProfileOptions, build_profile

NO_INTERESTS: dict[str, list[Any]] = {"interest_states": [], "interest_kinds": [], "interest_positions": []}


def snapshot_interests(
    opinions: Opinions, timestamps: np.ndarray, every: int = 8, options: ProfileOptions | None = None
) -> dict[str, list[Any]]:
    """Profiles of a user at events 0, `every`, 2 x `every`, ... of a history.

    The profile at an event is made of opinions from before its second, so that neither the event's own review nor a
    later one is in it. A position whose profile is that of the one before adds nothing.

    Args:
        opinions: The user's opinions.
        timestamps: (events,) seconds since 1970, in order; negative where unknown: no profile is made there.
        every: Events from one profile to the next.
        options: How opinions become a profile.

    Returns:
        `interest_states`, `interest_kinds` and `interest_positions`, an entry a token, as `pack_histories` reads them.

    Raises:
        ValueError: If `every` is less than 1.
    """
    if every < 1:
        raise ValueError(f"every is {every}; give at least 1 event")
    found: dict[str, list[Any]] = {name: [] for name in NO_INTERESTS}
    read = 0
    for position in range(0, len(timestamps), every):
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
) -> datasets.Dataset:
    """Add the profiles of their users to the rows of a data set, for a model with the memory source "interests".

    Args:
        dataset: Rows with `user_id` and `timestamps`; training sequences cut into windows already.
        opinions: Opinions of each user, with vectors that the model has whitened; a user may be missing.
        every: Events from one profile to the next.
        options: How opinions become a profile.
    """
    width = next((one.vectors.shape[1] for one in opinions.values() if len(one.vectors)), 0)

    def add(row: dict[str, Any]) -> dict[str, Any]:
        told = opinions.get(row["user_id"])
        if told is None:
            return NO_INTERESTS
        return snapshot_interests(told, np.asarray(row["timestamps"], dtype=np.int64), every, options)

    columns = {
        "interest_states": datasets.List(datasets.List(datasets.Value("float32"), length=width or -1)),
        "interest_kinds": datasets.List(datasets.Value("int64")),
        "interest_positions": datasets.List(datasets.Value("int32")),
    }
    schema = datasets.Features({**dataset.features, **columns})
    return dataset.map(add, features=schema, desc="Adding interests")
