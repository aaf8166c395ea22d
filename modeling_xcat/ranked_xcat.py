"""Best items of queries over a catalogue: search, re-ranking, and scores of the same items for other asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from .ask_words_xcat import Rescore
from .asks_xcat import Asks
from .first_stage_xcat import FirstStage
from .ranking_xcat import Adjust, ItemIndex
from .recent_events_xcat import RecentEvents


@dataclass(frozen=True)
class Ranked:
    """The best items of some queries.

    Args:
        scores: (queries, k) scores, best first.
        rows: (queries, k) their item indices.
        attention: (queries, k, events) attention of the re-ranker to events, or None without a re-ranker.
        candidates: (queries, candidates) item indices that were ranked, in another order.
        rescore: Scores `candidates` for other asks.
    """

    scores: torch.Tensor
    rows: torch.Tensor
    attention: torch.Tensor | None
    candidates: torch.Tensor
    rescore: Rescore


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

    candidates = min(base.config.num_candidates, base.config.num_items) if base.re_ranks(first) else 0
    scores, rows = index.search(first.queries, max(k, candidates), adjust)

    def second(
        stage: FirstStage, events: RecentEvents, own: torch.Tensor, given: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        found: tuple[torch.Tensor, torch.Tensor | None] = base.second_stage(
            stage, events, own[:, :candidates], given[:, :candidates], index.items
        )
        return found

    def rescore(queries: torch.Tensor, other: Asks) -> torch.Tensor:
        stage = FirstStage(first.queries[queries], (), first.boosts, base.asks.scores(other, base.items))
        own = rows[queries]
        given: torch.Tensor = scores[queries] - first.given(rows)[queries] + stage.given(own)
        if not candidates:
            return given
        return torch.cat([second(stage, recent[queries], own, given)[0], given[:, candidates:]], 1)

    if not candidates:
        return Ranked(scores, rows, None, rows, rescore)
    rescored, attention = second(first, recent, rows, scores)
    best, order = rescored.sort(dim=1, descending=True, stable=True)
    if attention is not None:
        attention = attention.gather(1, order[..., None].expand_as(attention))
        attention = torch.nn.functional.pad(attention, (0, 0, 0, rows.shape[1] - candidates))[:, :k]
    return Ranked(
        torch.cat([best, scores[:, candidates:]], 1)[:, :k],
        torch.cat([rows.gather(1, order), rows[:, candidates:]], 1)[:, :k],
        attention,
        rows,
        rescore,
    )


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
        scores: torch.Tensor = base.score_states(
            own, events, index.items, **({} if own_asks is None else {"asks": own_asks})
        )
        if cold_boost is not None:
            scores += (cold_boost - float(base.config.untrained_bonus)) * (base.items.item_counts == 0).float()
        return scores

    scores = scored(recent, states, asks)
    hide(scores, 0)
    best = scores.topk(min(k, scores.shape[1]), dim=1)
    everything = torch.arange(scores.shape[1], device=scores.device).expand_as(scores)
    return Ranked(
        best.values,
        best.indices,
        None,
        everything,
        lambda queries, other: scored(recent[queries], states[queries], other),
    )


def scores_of_its_own(model: Any) -> bool:
    """Whether a subclass overrides `score_states`; compares names, because code from the hub has separate classes."""
    defining = next(cls for cls in type(model).__mro__ if "score_states" in vars(cls))
    return defining.__name__ != "XCatModel"
