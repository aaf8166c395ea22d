"""What lists go by, in words for customers, and how to change it (Digital Services Act, article 27)."""

from __future__ import annotations

from typing import Any

from ...ranking.list_inputs import NOT_USED, OFF, list_inputs
from ...ranking.recommender import XCatRecommender


def parameters(recommender: XCatRecommender) -> dict[str, Any]:
    """The inputs that decide on a list, and the fields of a request that change them.

    Args:
        recommender: The recommender; only what its model reads is named.

    Returns:
        For each input its name, a sentence, and the field that changes it or leaves it out.
    """
    asks = recommender.model.model.asks
    inputs = list_inputs(
        recommender.model.config, reads_queries=asks is not None and asks.is_fitted,
        policy=recommender.policy is not None,
    )  # fmt: skip
    return {
        "inputs": [one._asdict() for one in inputs],
        "profile_off": OFF,
        "not_used": NOT_USED,
        "delete": "DELETE /users/{user_id} deletes your events, hidden items and lists",
    }
