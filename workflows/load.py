"""Load: a checkpoint, ready to recommend."""

from __future__ import annotations

import os
from typing import Any

from ..ranking.recommender import XCatRecommender
from ..ranking.sessions.session import Sessions
from ..serving.state.urls import MEMORY, open_state


def load(
    checkpoint: str | os.PathLike[str],
    *,
    revision: str | None = None,
    state: str = MEMORY,
    expire_after: float | None = None,
    slack: int = 0,
    **kwargs: Any,
) -> XCatRecommender:
    """Load a checkpoint or an adapter for recommending; `XCatRecommender.from_pretrained` as a function.

    Args:
        checkpoint: A folder, or NAMESPACE/NAME on the hub.
        revision: Branch, tag or commit of a hub repository.
        state: Where the events of sessions are kept: "memory:", "sqlite:///state.db" or "redis://HOST:PORT/NUMBER";
            see `open_state`.
        expire_after: Seconds after a user's last event until the events are deleted; None for never.
        slack: See `XCatPast`.
        **kwargs: More arguments of `XCatRecommender.from_pretrained`, such as `base=` for an adapter.

    Raises:
        OSError: If there is no such checkpoint, or the state cannot be opened.
        ValueError: If it is not a checkpoint of this library, or an argument is invalid.
        MissingExtraError: If the state is in Redis, and redis is not installed.

    Example (not run: it needs a checkpoint):
        load("CKPT").recommend(["1082185", "995242"], k=10)
    """
    log = open_state(state, expire_after)
    recommender = XCatRecommender.from_pretrained(checkpoint, revision=revision, **kwargs)
    recommender.sessions = Sessions(recommender, log, slack=slack)
    return recommender
