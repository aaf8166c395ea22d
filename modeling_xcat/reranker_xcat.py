"""The re-ranker: the best candidates attend to the history by cross-attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from .configuration_xcat import (
    NETWORK_FROM,
    NUM_SPECIAL_ROWS,
    REPEATS_FROM,
    RETURNS_FROM,
    UNKNOWN_COUNTS_FROM,
    UNTRAINED_FROM,
    XCatConfig,
)
from .export_xcat import is_exporting
from .first_stage_xcat import are_alike
from .items_xcat import SomeItems, XCatItemEncoder
from .neighbors_xcat import XCatItemTable, XCatNeighbors, XCatSuccessors
from .recent_events_xcat import RecentEvents
from .segments_xcat import XCatSegments

_QUERIES_AT_ONCE = 128
_PAIR = ("text", "representation", "neighbour", "item")
_PAIR_OF_NETWORK = (*_PAIR, "near text", "category")
_CANDIDATE = {
    1: ("score", "product", "memories", "had", "count"),
    REPEATS_FROM: ("times", "age"),
    UNTRAINED_FROM: ("untrained",),
    RETURNS_FROM: ("returns", "gap", "overdue"),
}
"""Features of a candidate, by the first format version that has them."""
_CANDIDATE_OF_DISCOVERY = ("rate", "in category", "lift of category", "new category", "events")
"""Further features of a candidate for discovery, in models with segments."""
_COUNT = _CANDIDATE[1].index("count")
_LIFT_PRIOR = 20.0
"""Events with the usual shares of categories that are added to those of a history."""
_NEARNESS = 4
"""Power of a text cosine: high for variants of one product, almost 0 for other pairs."""


@dataclass(frozen=True)
class CandidateFeatures:
    """Features of candidates for the re-ranker.

    Args:
        pairs: (queries, candidates, events, features) of a candidate and an event: cosine of their texts; cosine of
            their representations; square root of the pair's item-to-item weight; whether both are the same item. From
            format version 4 on: the fourth power of a positive text cosine; whether they share their category. Square
            root of the transition share from the event's item to the candidate, if the model stores transitions. For
            every item feature, whether they share its value.
        candidates: (queries, candidates, features): score before re-ranking; its dot-product part; its bonus part;
            whether the history has the item; the logarithm of 1 + its training events. From format version 6 on: the
            logarithm of 1 + the item's events in the history; the logarithm of the number of events since the latest
            of them, itself included. From format version 7 on: whether the item has no training events. From format
            version 8 on: repurchase share; mean logarithm of the events until a repurchase; by how much the logarithm
            for this history exceeds that mean, 0 if the history lacks the item. For discovery, from format version 12
            on: the logarithm of the rate of first purchases; of 1 + the events of the whole history in the candidate's
            category; of the share of these events, over that of all training events; whether there are none; the
            logarithm of 1 + the events of the whole history.
        events: (queries, events) True where there is an event.
    """

    pairs: torch.Tensor
    candidates: torch.Tensor
    events: torch.Tensor

    @property
    def scores(self) -> torch.Tensor:
        """(queries, candidates) scores before re-ranking."""
        return self.candidates[..., 0]


@dataclass(frozen=True)
class CandidateSources:
    """Sources of candidate features.

    Args:
        items: The item table.
        item_side: (item rows, hidden) item embeddings, result of `XCatModel.item_side`.
        neighbors: Item-to-item weights, if there are any.
        successors: Item transitions, if stored.
        segments: Rates of first purchases, if stored.
    """

    items: XCatItemEncoder
    item_side: torch.Tensor | SomeItems
    neighbors: XCatNeighbors | None
    successors: XCatSuccessors | None
    segments: XCatSegments | None = None


class XCatCandidateAttention(nn.Module):
    """Scores the best candidates again, by cross-attention of each candidate to the history.

    A dot product compares a candidate with a summary of the history. Here the candidate is the query of a
    cross-attention, and the latest `candidate_window` events are its memory (target attention, as in DIN, Zhou et al.
    2018). Keys and values are features of the pair from texts, representations and the training log
    (`CandidateFeatures`), so a few hundred weights work for every catalogue. With standardised pair features x_j and
    standardised features z of the candidate,

        a = softmax_j(k x_j + b_age(j)),    y = sum_j a_j x_j,    bonus = v y + c z + o gelu(W (y, z) + u)

    Before format version 4 there is no network: the bonus is v y + c z. The weights are buffers. They are fitted after
    training, on users whose next item the model has not seen; `candidate_attention` of the configuration states
    whether they are used. The smallest bonus of a query is subtracted from all, so candidates stay ahead of all other
    items.
    """

    key: torch.Tensor
    value: torch.Tensor
    ages: torch.Tensor
    weight: torch.Tensor
    expand: torch.Tensor
    expand_bias: torch.Tensor
    contract: torch.Tensor
    pair_mean: torch.Tensor
    pair_scale: torch.Tensor
    candidate_mean: torch.Tensor
    candidate_scale: torch.Tensor

    def __init__(self, config: XCatConfig, discovers: bool = False) -> None:
        super().__init__()
        self.config = config
        self.reads_segments = discovers and config.num_segments > 0
        self.has_network = config.format_version >= NETWORK_FROM
        self.has_successors = config.num_successors > 0
        known = _PAIR_OF_NETWORK if self.has_network else _PAIR
        pairs = len(known) + self.has_successors + len(config.item_features or {})
        own = sum(len(names) for since, names in _CANDIDATE.items() if config.format_version >= since)
        own += self.reads_segments * len(_CANDIDATE_OF_DISCOVERY)
        sizes: dict[str, tuple[int, ...]] = {
            "key": (pairs,), "value": (pairs,), "ages": (config.candidate_window,), "weight": (own,),
            "pair_mean": (pairs,), "pair_scale": (pairs,), "candidate_mean": (own,), "candidate_scale": (own,),
        }  # fmt: skip
        if self.has_network:
            hidden = config.candidate_hidden
            sizes |= {"expand": (hidden, pairs + own), "expand_bias": (hidden,), "contract": (hidden,)}
        for name, size in sizes.items():
            self.register_buffer(name, torch.zeros(size))

    def features(
        self,
        queries: torch.Tensor,
        recent: RecentEvents,
        rows: torch.Tensor,
        scores: torch.Tensor,
        sources: CandidateSources,
    ) -> CandidateFeatures:
        """Compute the features of candidates.

        Args:
            queries: (queries, hidden) result of `XCatModel.query_side`.
            recent: The events before the queries.
            rows: (queries, candidates) item indices.
            scores: (queries, candidates) their scores before re-ranking.
            sources: Sources of the other features.
        """
        items, latest = sources.items, recent.items[:, : self.config.candidate_window]
        by_feature, vectors = self._pairs_of(rows, latest, sources)
        alone = is_exporting() or len(vectors) == len(rows)  # a graph does not compare its sizes
        product = (vectors @ queries[..., None]).squeeze(-1) if alone else queries @ vectors[0].T
        times, age = _repeats(recent, rows)
        had, counts = (times > 0).float(), items.item_counts[rows].float()
        of_candidate = [scores, product, scores - product, had, counts.log1p()]
        if self.config.format_version >= REPEATS_FROM:
            of_candidate += [times.float().log1p(), age.clamp(min=1).float().log()]
        if self.config.format_version >= UNTRAINED_FROM:
            of_candidate.append((counts == 0).float())
        if self.config.format_version >= RETURNS_FROM:
            returns, gap = items.returns(rows)
            of_candidate += [returns, gap, (age.clamp(min=1).float().log() - gap) * had]
        if self.reads_segments:
            of_candidate += _of_discovery(recent, rows, sources)
        return CandidateFeatures(by_feature.permute(1, 3, 2, 0), torch.stack(of_candidate, -1), latest > 0)

    def _pairs_of(
        self, rows: torch.Tensor, latest: torch.Tensor, sources: CandidateSources
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Features of pairs and representations of candidates.

        Args:
            rows: (queries, candidates) item indices. If all queries have the same, as histories without one of their
                items do, a candidate is compared once with every distinct item.
            latest: (queries, events) item indices of events.
            sources: Sources of the features.

        Returns:
            (features, queries, events, candidates), and (queries or 1, candidates, hidden).
        """
        if not are_alike(rows):
            return self._compared(rows, latest, sources)
        distinct, place = torch.unique(latest, return_inverse=True)
        compared, vectors = self._compared(rows[:1], distinct[None], sources)
        return compared[:, 0].index_select(1, place.flatten()).unflatten(1, place.shape), vectors

    def _compared(
        self, rows: torch.Tensor, latest: torch.Tensor, sources: CandidateSources
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Features of all pairs of (queries, candidates) and (queries, events) items; see `_pairs_of`."""
        items, vectors, of_events = sources.items, sources.item_side[rows].float(), sources.item_side[latest].float()
        # Shape (queries, events, candidates): sums over events then run over long rows of candidates.
        pairs = [
            _text_cosines(items, rows, latest),
            _cosines(of_events, vectors),
            _roots(sources.neighbors, rows, latest),
            (latest[:, :, None] == rows[:, None, :]).float(),
        ]
        if self.has_network:
            pairs.append(pairs[0].clamp(min=0) ** _NEARNESS)
            pairs.append(_shared(items.category_values[rows], items.category_values[latest]))
        if self.has_successors:
            pairs.append(_roots(sources.successors, rows, latest))
        values, of_event_values = items.feature_values[rows], items.feature_values[latest]
        for own, other in zip(values.unbind(-1), of_event_values.unbind(-1), strict=True):
            pairs.append(_shared(own, other))
        return torch.stack(pairs), vectors

    def forward(self, found: CandidateFeatures) -> tuple[torch.Tensor, torch.Tensor]:
        """Attend.

        Args:
            found: Features of candidates.

        Returns:
            (queries, candidates) bonuses, and (queries, candidates, events) attention; 0 without an event.
        """
        # As `features` lays them out: (features, queries, events, candidates).
        pairs = found.pairs.permute(3, 0, 2, 1).contiguous()
        # float32 for any dtype of the weights, because scores of candidates are close together.
        pair_scale, pair_mean = self.pair_scale.float(), self.pair_mean.float()
        candidate_scale = self.candidate_scale.float()
        # 0 for a re-ranker fitted without a window, or not fitted.
        scale, candidate_scale = (torch.where(s > 0, s, 1.0) for s in (pair_scale, candidate_scale))
        # Pair features are standardised after averaging, when there are only as many as candidates; in the logits the
        # mean is the same for all events.
        logits = torch.tensordot(self.key.float() / scale, pairs, 1) + self.ages[: pairs.shape[2], None].float()
        logits = logits.masked_fill(~found.events[:, :, None], -torch.inf)
        attention = torch.nan_to_num(torch.softmax(logits, 1)) if pairs.shape[2] else logits
        attended = (attention * pairs).sum(2) - pair_mean[:, None, None] * attention.sum(1)
        attended = attended.movedim(0, -1) / scale
        of_candidate = (found.candidates - self.candidate_mean.float()) / candidate_scale
        # Items that were filtered out have the score -inf, which would make their bonus NaN.
        of_candidate = of_candidate.masked_fill(found.scores[..., None] == -torch.inf, 0.0)
        if self.config.format_version >= UNKNOWN_COUNTS_FROM:
            of_candidate = of_candidate * self._counted(found.candidates)
        bonus = attended @ self.value.float() + of_candidate @ self.weight.float()
        if self.has_network:
            hidden = torch.cat([attended, of_candidate], -1) @ self.expand.float().mT + self.expand_bias.float()
            bonus = bonus + nn.functional.gelu(hidden) @ self.contract.float()
        return bonus, attention.mT

    def rescore(self, found: CandidateFeatures) -> tuple[torch.Tensor, torch.Tensor]:
        """Score candidates again.

        Args:
            found: Features of candidates.

        Returns:
            (queries, candidates) scores, -inf where the score before was -inf, and the attention of `forward`.
        """
        bonus, attention = self(found)
        there = found.scores > -torch.inf
        least = bonus.masked_fill(~there, torch.inf).amin(1, keepdim=True)
        return torch.where(there, found.scores + (bonus - least), found.scores), attention

    def _counted(self, candidates: torch.Tensor) -> torch.Tensor:
        """(queries, candidates, features) 0 for the number of training events of a cold item, 1 elsewhere.

        The count of a cold item is 0, far from the counts of the items in the fit, so the network's output for it is
        arbitrary: on one data set near duplicates of popular items fell by dozens of ranks, and on another new items
        displaced a tenth of the hits. So a cold item gets the mean of the candidates. The feature `untrained` is kept,
        for models fitted with cold candidates.
        """
        counted = torch.ones_like(candidates)
        counted[..., _COUNT] = (candidates[..., _COUNT] > 0).to(counted.dtype)
        return counted

    def rescored(
        self,
        queries: torch.Tensor,
        recent: RecentEvents,
        rows: torch.Tensor,
        scores: torch.Tensor,
        sources: CandidateSources,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Score candidates again; see `features` for the arguments.

        Returns:
            Scores and attention as of `rescore`; the latest event comes first.
        """
        changed, attentions = [], []
        parts: Sequence[Any] = (slice(None),)  # an exported graph cannot loop over an unknown number of queries
        if not is_exporting() and len(rows) > _QUERIES_AT_ONCE:
            parts = torch.arange(len(rows), device=rows.device).split(_QUERIES_AT_ONCE)
        for part in parts:
            found = self.features(queries[part], recent[part], rows[part], scores[part], sources)
            rescored, attention = self.rescore(found)
            changed.append(rescored)
            attentions.append(attention)
        return torch.cat(changed), torch.cat(attentions)


def _repeats(recent: RecentEvents, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(queries, candidates) number of the item's events in the history, and place of the latest, counted backwards."""
    latest = (rows[:, :, None] == recent.items[:, None, :]) & (recent.counts > 0)[:, None, :]
    there, place = latest.any(2), latest.int().argmax(2)
    return recent.counts.gather(1, place) * there, (place + 1) * there


def _of_discovery(recent: RecentEvents, rows: torch.Tensor, sources: CandidateSources) -> list[torch.Tensor]:
    """(queries, candidates) values of `_CANDIDATE_OF_DISCOVERY`."""
    assert recent.seen is not None and sources.segments is not None
    seen, items = recent.seen, sources.items
    rates = torch.einsum("qs,qcs->qc", sources.segments.shares(seen), sources.segments.rates[rows].float())
    categories, there = items.category_values.long(), (seen >= NUM_SPECIAL_ROWS).float()
    # A graph has one place per item, because the number of categories is a value.
    places = len(categories) if is_exporting() else int(categories.max()) + 1
    sold = there.new_zeros(places).index_add(0, categories, items.item_counts.float())
    counts = there.new_zeros(seen.shape[0], len(sold)).scatter_add_(1, categories[seen], there)
    usual = (sold / sold.sum().clamp(min=1)).clamp(min=1e-6)
    own, known = categories[rows], categories[rows] > 0
    events, total = counts.gather(1, own) * known, there.sum(1, keepdim=True)
    lift = (events + _LIFT_PRIOR * usual[own]).log() - (total + _LIFT_PRIOR).log() - usual[own].log()
    new = known & (events == 0)
    return [rates, events.log1p(), lift * known, new.float(), total.log1p().expand(rows.shape)]


def _shared(own: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """(queries, events, candidates) 1 where (queries, candidates) and (queries, events) values are equal and not 0."""
    return ((other[:, :, None] == own[:, None, :]) & (own > 0)[:, None, :]).float()


def _cosines(of_events: torch.Tensor, of_candidates: torch.Tensor) -> torch.Tensor:
    """(queries, events, candidates) cosines of (queries, n, width) vectors; 0 where either is 0."""
    products = of_events @ of_candidates.mT
    lengths = of_events.norm(dim=-1)[:, :, None] * of_candidates.norm(dim=-1)[:, None, :]
    cosines: torch.Tensor = products / lengths.clamp(min=1e-12)
    return cosines


def _text_cosines(items: XCatItemEncoder, rows: torch.Tensor, latest: torch.Tensor) -> torch.Tensor:
    """(queries, events, candidates) cosines of pooled texts; 0 if either has no text."""
    if not items.config.use_text:
        return torch.zeros(rows.shape[0], latest.shape[1], rows.shape[1], device=rows.device)
    own, other = (items.text_states[items.text_index[of], 0].float() for of in (rows, latest))
    return _cosines(other, own)


def _roots(table: XCatItemTable | None, rows: torch.Tensor, latest: torch.Tensor) -> torch.Tensor:
    """(queries, events, candidates) square roots of a table's values for an event's item and a candidate."""
    (queries, count), events = rows.shape, latest.shape[1]
    found = torch.zeros(queries, events, count, device=rows.device)
    if table is None or not (is_exporting() or (events and count)):
        return found
    if is_exporting():
        return _dense_roots(table, rows, latest)
    ordered, order = rows.sort(dim=1)
    similarities = table.similarities[latest].float().flatten(1)
    wanted = table.rows[latest].long().flatten(1)
    place = torch.searchsorted(ordered, wanted).clamp(max=count - 1)
    query, pair = ((ordered.gather(1, place) == wanted) & (similarities > 0)).nonzero(as_tuple=True)
    event = pair // table.rows.shape[1]
    found[query, event, order[query, place[query, pair]]] = similarities[query, pair].sqrt()
    return found


def _dense_roots(table: XCatItemTable, rows: torch.Tensor, latest: torch.Tensor) -> torch.Tensor:
    """The same without a shape that depends on values: a table of item rows has the place of each candidate."""
    queries, count = rows.shape
    numbers = torch.arange(1, count + 1, device=rows.device).expand(rows.shape)
    places = torch.zeros(queries, len(table.rows), dtype=torch.long, device=rows.device).scatter(1, rows, numbers)
    wanted = table.rows[latest].long()
    found = places.gather(1, wanted.flatten(1)).view(wanted.shape)
    roots = table.similarities[latest].float().clamp(min=0).sqrt()
    # Several values have place 0 alone, which is left out.
    return roots.new_zeros(*latest.shape, count + 1).scatter(2, found, roots)[..., 1:]
