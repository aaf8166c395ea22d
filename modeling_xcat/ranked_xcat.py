"""Best items of queries over a catalogue: search, re-ranking, and scores of the same items for other asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from .ask_words_xcat import Rescore
from .asks_xcat import Asks
from .first_stage_xcat import FirstStage
from .ranking_xcat import Adjust, ItemIndex
from .recent_events_xcat import RecentEvents

Changed = Callable[[torch.Tensor, RecentEvents, torch.Tensor], torch.Tensor]
"""Takes (histories, hidden) states, their latest events, and the number of the query whose history each replaces:
returns (histories, candidates) scores of that query's candidates."""


@dataclass(frozen=True)
class Ranked:
    """The best items of some queries.

    Args:
        scores: (queries, k) scores, best first.
        rows: (queries, k) their item indices.
        candidates: (queries, candidates) item indices that were ranked, in another order.
        rescore: Scores `candidates` for other asks.
        changed: Scores `candidates` for other histories; see `Changed`.
    """

    scores: torch.Tensor
    rows: torch.Tensor
    candidates: torch.Tensor
    rescore: Rescore
    changed: Changed


def ranked_items(
    base: Any,
    index: ItemIndex,
    states: torch.Tensor,
    recent: RecentEvents,
    k: int,
    hide: Adjust,
    cold_boost: float | None,
    asks: Asks | None,
) -> Ranked:
    """Rank the catalogue.

    Args:
        base: The `XCatModel`.
        index: Its item embeddings.
        states: (queries, hidden) states.
        recent: The events before them.
        k: Number of items.
        hide: The filters.
        cold_boost: See `XCatModel.first_stage`.
        asks: What the users ask for, or None.
    """
    if scores_of_its_own(base):
        return _by_scores(base, index, states, recent, k, hide, cold_boost, asks)
    first = base.first_stage(states, recent, cold_boost, asks)

    def adjust(products: torch.Tensor, start: int) -> None:
        first.add_to(products, start)
        hide(products, start)

    candidates = base.candidate_count(first)
    scores, rows = index.search(first.queries, max(k, candidates), adjust)

    def second(stage: FirstStage, events: RecentEvents, own: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
        if not candidates:
            return given
        again, _ = base.second_stage(stage, events, own[:, :candidates], given[:, :candidates], index.items)
        return torch.cat([again, given[:, candidates:]], 1)

    def rescore(queries: torch.Tensor, other: Asks) -> torch.Tensor:
        stage = FirstStage(first.queries[queries], (), first.boosts, base.asks.scores(other, base.items))
        own = rows[queries]
        given: torch.Tensor = scores[queries] - first.given(rows)[queries] + stage.given(own)
        return second(stage, recent[queries], own, given)

    def changed(other: torch.Tensor, events: RecentEvents, queries: torch.Tensor) -> torch.Tensor:
        events = events.for_purpose_of(recent[queries])
        stage = base.first_stage(other, events, cold_boost, None if asks is None else asks[queries])
        given = stage.scores_of(rows[queries], index.items)
        return second(stage, events, rows[queries], given.masked_fill(torch.isneginf(scores[queries]), -torch.inf))

    rescored = second(first, recent, rows, scores)
    order = torch.arange(rows.shape[1], device=rows.device).repeat(len(rows), 1)
    order[:, :candidates] = rescored[:, :candidates].sort(dim=1, descending=True, stable=True).indices
    order = order[:, :k]
    return Ranked(rescored.gather(1, order), rows.gather(1, order), rows, rescore, changed)


def _by_scores(
    base: Any,
    index: ItemIndex,
    states: torch.Tensor,
    recent: RecentEvents,
    k: int,
    hide: Adjust,
    cold_boost: float | None,
    asks: Asks | None,
) -> Ranked:
    """Rank by `score_states` of a subclass, which has no stages of ours."""

    def scored(events: RecentEvents, own: torch.Tensor, own_asks: Asks | None) -> torch.Tensor:
        scores = catalogue_scores(base, own, events, index.items, own_asks)
        if cold_boost is not None:
            scores += (cold_boost - base.config.cold_boost(events.discovers)) * (base.items.item_counts == 0).float()
        return scores

    scores = scored(recent, states, asks)
    hide(scores, 0)
    best = scores.topk(min(k, scores.shape[1]), dim=1)
    everything = torch.arange(scores.shape[1], device=scores.device).expand_as(scores)
    return Ranked(
        best.values,
        best.indices,
        everything,
        lambda queries, other: scored(recent[queries], states[queries], other),
        lambda other, events, queries: scored(
            events.for_purpose_of(recent[queries]), other, None if asks is None else asks[queries]
        ),
    )


def catalogue_scores(
    base: Any, states: torch.Tensor, recent: RecentEvents, item_side: torch.Tensor, asks: Asks | None = None
) -> torch.Tensor:
    """Score the whole catalogue, also by a subclass that overrides `score_states`; see there for the arguments.

    Returns:
        (queries, item rows) scores; -inf for items that discovery leaves out.
    """
    scores: torch.Tensor = base.score_states(states, recent, item_side, **({} if asks is None else {"asks": asks}))
    return scores if recent.seen is None else scores.scatter_(1, recent.seen, -torch.inf)


def scores_of_its_own(model: Any) -> bool:
    """Whether a subclass overrides `score_states`; compares names, because code from the hub has separate classes."""
    defining = next(cls for cls in type(model).__mro__ if "score_states" in vars(cls))
    return defining.__name__ != "XCatScoring"
