"""Best items of queries over a catalogue: search, re-ranking, and scores of the same items for other asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from .ask_words_xcat import Rescore
from .asks_xcat import Asks
from .first_stage_xcat import FirstStage
from .item_mask_xcat import ItemMask
from .past_xcat import overrides
from .ranking_xcat import ItemIndex
from .recent_events_xcat import RecentEvents

Changed = Callable[[torch.Tensor, RecentEvents, torch.Tensor, torch.Tensor], torch.Tensor]
"""Takes (histories, hidden) states, their latest events, the number of the query whose history each replaces, and the
item index that each lacks (0 for none): returns (histories, candidates) scores of that query's candidates."""


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
    hide: ItemMask,
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
    candidates = base.candidate_count(first)
    scores, rows = index.best(first, max(k, candidates), hide)

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

    def changed(
        other: torch.Tensor, events: RecentEvents, queries: torch.Tensor, removed: torch.Tensor
    ) -> torch.Tensor:
        events = events.for_purpose_of(recent[queries].without(removed))
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
    hide: ItemMask,
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
        lambda other, events, queries, removed: scored(
            events.for_purpose_of(recent[queries].without(removed)), other, None if asks is None else asks[queries]
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


def scores_of(
    base: Any,
    states: torch.Tensor,
    recent: RecentEvents,
    rows: torch.Tensor,
    item_side: torch.Tensor,
    asks: Asks | None = None,
) -> torch.Tensor:
    """Score some items as `ranked_items` scores its candidates.

    Args:
        base: The `XCatModel`.
        states: (queries, hidden) states.
        recent: The events before them.
        rows: (queries, n) item indices; of them the first are re-ranked, as many as the model re-ranks.
        item_side: (item rows, hidden) item embeddings.
        asks: What the users ask for, or None.

    Returns:
        (queries, n) scores; -inf for items that discovery leaves out.
    """
    if scores_of_its_own(base):
        return catalogue_scores(base, states, recent, item_side, asks).gather(1, rows)
    first = base.first_stage(states, recent, None, asks)
    scores: torch.Tensor = first.scores_of(rows, item_side)
    if recent.seen is not None:
        scores = scores.masked_fill((rows[:, :, None] == recent.seen[:, None]).any(2), -torch.inf)
    count = base.candidate_count(first)
    if not count:
        return scores
    again, _ = base.second_stage(first, recent, rows[:, :count], scores[:, :count], item_side)
    return torch.cat([again, scores[:, count:]], 1)


def add_pins(
    rows: torch.Tensor, scores: torch.Tensor, pins: torch.Tensor, pin_scores: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Add items to pools. An item that a pool has already is added as padding with score -inf.

    Args:
        rows: (users, n) item indices of the pools.
        scores: (users, n) their scores.
        pins: (pins,) item indices to add.
        pin_scores: (users, pins) their scores; -inf for an item that is filtered out.

    Returns:
        (users, n + pins) item indices and scores.
    """
    twice = (rows[:, :, None] == pins).any(1) | (pin_scores == -torch.inf)
    added = pins.expand_as(pin_scores).masked_fill(twice, 0)
    return torch.cat([rows, added], 1), torch.cat([scores, pin_scores.masked_fill(twice, -torch.inf)], 1)


class Reordered(NamedTuple):
    """The order of some items.

    Args:
        places: (users, n) positions in the items, in list order.
        propensities: (users, n) probability of each place's item, given the items above it; None for a deterministic
            order.
    """

    places: torch.Tensor
    propensities: torch.Tensor | None = None


@dataclass(frozen=True)
class Reordering:
    """An order of the best items in place of that of the scores.

    Args:
        order: Takes (users, n) item indices, best first, and their scores; the pinned items are the last ones.
        depth: Number of best items to reorder.
        pinned: (pins,) item indices that are added to the best ones.
    """

    order: Callable[[torch.Tensor, torch.Tensor], Reordered]
    depth: int
    pinned: torch.Tensor


def with_pinned(
    found: Ranked,
    pins: torch.Tensor,
    base: Any,
    index: ItemIndex,
    states: torch.Tensor,
    recent: RecentEvents,
    hide: ItemMask,
    cold_boost: float | None,
    asks: Asks | None,
) -> Ranked:
    """Add pinned items to the best ones, behind them; an item that the filters leave out is added as padding.

    Args:
        found: The best items.
        pins: (pins,) item indices.
        base: The `XCatModel`; this and the other arguments are those of `ranked_items`.
        index: Its item embeddings.
        states: (queries, hidden) states.
        recent: The events before them.
        hide: The filters.
        cold_boost: See `ranked_items`.
        asks: See `ranked_items`.
    """
    if not len(pins):
        return found
    pins = pins.to(found.rows.device)
    alone = ranked_items(base, index, states, recent, len(pins), hide.only(pins), cold_boost, asks)
    scores = torch.full((len(found.rows), len(pins)), -torch.inf, device=found.scores.device)
    for place, pin in enumerate(pins):
        scores[:, place] = alone.scores.masked_fill(alone.rows != pin, -torch.inf).amax(1)
    rows, every = add_pins(found.rows, found.scores, pins, scores)

    def rescore(queries: torch.Tensor, other: Asks) -> torch.Tensor:
        return torch.cat([found.rescore(queries, other), alone.rescore(queries, other)], 1)

    def changed(*history: Any) -> torch.Tensor:
        return torch.cat([found.changed(*history), alone.changed(*history)], 1)

    return Ranked(every, rows, torch.cat([found.candidates, alone.candidates], 1), rescore, changed)


def scores_of_its_own(model: Any) -> bool:
    """Whether a subclass overrides `score_states`."""
    return overrides(model, "score_states")
