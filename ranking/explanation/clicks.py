"""Explanation of a click probability: every item of the history is left out in turn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from ...modeling_xcat.explanation_xcat import Influences, latest_items
from ...modeling_xcat.recommending_xcat import REASONS
from ..requests import Requests
from .explanation import Counterfactual, Explanation


def click_explanation(
    found: Explanation, recommender: Any, requests: Requests, context: Mapping[str, Any] | None
) -> tuple[Explanation, Influences]:
    """Explain the probability of a click.

    Args:
        found: The explanation so far, with item and basis.
        recommender: An `XCatRecommender` of a model that predicts clicks.
        requests: The request of one user.
        context: Column name to value, as in `click_probability`.

    Returns:
        The explanation with probability and reasons, and the influences of the items of the history on the log odds.
    """

    def probability(own: Requests) -> float:
        details = {
            name: getattr(own, name) for name in ("texts", "event_types", "ratings", "timestamps", "event_texts")
        }
        of_one = {name: None if value is None else value[0] for name, value in details.items()}
        return float(recommender.click_probability(own.histories[0], [found.item_id], context=context, **of_one)[0])

    vocabulary, ranker = recommender.vocabulary, recommender.ranker
    items = latest_items(torch.from_numpy(vocabulary.encode(requests.histories[0])))
    whole = probability(requests)
    without = [probability(requests.without_item(one)) for one in vocabulary.decode(items.numpy())]
    falls = torch.tensor([[_log_odds(whole) - _log_odds(other) for other in without]])
    influence = Influences(items, falls, falls)
    because = tuple(ranker.reason(*reason) for reason in ranker.filter.named(influence.reasons(REASONS)[0]))
    after = dict(zip(vocabulary.decode(items.numpy()), without, strict=True))
    counterfactuals = tuple(
        Counterfactual(one.item_id, one.title, None, round(_log_odds(after[one.item_id]), 6), "history",
                       after[one.item_id])
        for one in because
    )  # fmt: skip
    score = round(_log_odds(whole), 6)
    return (
        replace(found, score=score, probability=whole, because=because, counterfactuals=counterfactuals),
        influence,
    )


def _log_odds(probability: float) -> float:
    return math.log(max(probability, 1e-12)) - math.log(max(1 - probability, 1e-12))
