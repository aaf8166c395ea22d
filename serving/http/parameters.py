"""What lists go by, in words for customers, and how to change it (Digital Services Act, article 27)."""

from __future__ import annotations

from typing import Any

from ...ranking.recommender import XCatRecommender


def parameters(recommender: XCatRecommender) -> dict[str, Any]:
    """The inputs that decide on a list, and the fields of a request that change them.

    Args:
        recommender: The recommender; only what its model reads is named.

    Returns:
        For each input its name, a sentence, and the field that changes it or leaves it out.
    """
    config = recommender.model.config
    inputs = [
        (
            "history",
            "Items that you viewed or bought, the latest ones most.",
            "history or user_id; none for popular items",
        ),
        ("items others chose", "Items that customers with the same items chose next.", "history"),
    ]
    if recommender.model.model.fusion is not None:
        inputs.append(("texts of items", "Titles and descriptions that are like those of your items.", "history"))
    if recommender.model.model.asks is not None and recommender.model.model.asks.is_fitted:
        inputs.append(("your query", "What you ask for, by its words and its meaning.", "query"))
    if config.num_time_gap_buckets:
        inputs.append(("time", "How long ago your events were.", "timestamps"))
    inputs += [
        ("items you had", "They are left out, so that you see new ones.", "exclude_seen"),
        ("variety", "Whether the list is close to what you know or not.", "explore, rerank"),
        ("limits", "Price, brand, category, stock and other columns.", "filters, only_categories, exclude_categories"),
        ("hidden items", "Items that you hid.", "an event of the type hide"),
    ]
    return {
        "inputs": [{"name": name, "meaning": meaning, "change": change} for name, meaning, change in inputs],
        "not_used": "age, gender, origin, place and price that you paid are not inputs of the model",
        "delete": "DELETE /users/{user_id} deletes your events, hidden items and lists",
    }
