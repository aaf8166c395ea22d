"""Load: a checkpoint, ready to recommend."""

from __future__ import annotations

import os
from typing import Any

from ..ranking.recommender import XCatRecommender


def load(checkpoint: str | os.PathLike[str], *, revision: str | None = None, **kwargs: Any) -> XCatRecommender:
    """Load a checkpoint or an adapter for recommending; `XCatRecommender.from_pretrained` as a function.

    Args:
        checkpoint: A folder, or NAMESPACE/NAME on the hub.
        revision: Branch, tag or commit of a hub repository.
        **kwargs: More arguments of `XCatRecommender.from_pretrained`, such as `base=` for an adapter.

    Raises:
        OSError: If there is no such checkpoint.
        ValueError: If it is not a checkpoint of this library.

    Example (not run: it needs a checkpoint):
        load("CKPT").recommend(["1082185", "995242"], k=10)
    """
    return XCatRecommender.from_pretrained(checkpoint, revision=revision, **kwargs)
