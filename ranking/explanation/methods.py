"""Methods that attribute the score of an item to the items of a history."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from ...modeling_xcat.configuration_xcat import REGRESSION_FROM
from ...modeling_xcat.explanation_xcat import UNKNOWN_ROW, Influences
from ...modeling_xcat.recent_events_xcat import RecentEvents
from ...modeling_xcat.reranker_xcat import CandidateFeatures, XCatCandidateAttention

STEPS = 8
"""Steps of integrated gradients."""


@dataclass(frozen=True)
class Case:
    """One history and some items whose scores are explained.

    Args:
        base: The `XCatModel`.
        inputs: Inputs of the model for one history, padded on the right, with `query_positions`.
        recent: The events before the query, for the purpose of the list.
        items: (had,) distinct item indices of the history.
        rows: (n,) explained item indices.
        item_side: (item rows, hidden) item embeddings.
    """

    base: Any
    inputs: dict[str, torch.Tensor]
    recent: RecentEvents
    items: torch.Tensor
    rows: torch.Tensor
    item_side: torch.Tensor

    def per_item(self, events: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """(n, had) sums of (n, events) values by the item of (events,) item indices."""
        return events @ (ids[:, None] == self.items).to(events.dtype)


Method = Callable[[Case, Influences], torch.Tensor]
"""Takes a case and its leave-one-out influences: returns (n, had) values, larger for an item of the history that
supports the explained item more."""
LEAVE_ONE_OUT = "leave-one-out"


def leave_one_out(case: Case, influence: Influences) -> torch.Tensor:
    """Fall of the log odds without an item of the history, as of the reasons of `recommend`."""
    return influence.support


@torch.no_grad()
def attention(case: Case, influence: Influences) -> torch.Tensor:
    """Attention weights of the last event: self- and cross-attention, the mean of layers and heads.

    They do not depend on the explained item.

    Raises:
        ValueError: If the model has no attention weights.
    """
    found = case.base(**_without_queries(case), output_attentions=True, return_dict=True)
    ids, place = case.inputs["item_ids"][0], int(case.inputs["query_positions"][0])
    parts = [case.per_item(weights[0, :, place].mean(0)[None, : len(ids)], ids) for weights in found.attentions or ()]
    for weights in found.cross_attentions or ():
        positions = found.memory_positions[0]
        there, events = positions >= 0, weights.new_zeros(len(ids))
        events.index_add_(0, positions[there], weights[0, :, place].mean(0)[there])
        parts.append(case.per_item(events[None], ids))
    if not parts:
        raise ValueError(
            f"method is 'attention', and this model has no attention weights: behavior_encoder is "
            f"{case.base.config.behavior_encoder!r} without fusion; give method={LEAVE_ONE_OUT!r}"
        )
    return torch.stack(parts).mean(0).expand(len(case.rows), -1)


@torch.no_grad()
def candidate_attention(case: Case, influence: Influences) -> torch.Tensor:
    """Attention of the re-ranker from the explained item to the latest events.

    Raises:
        ValueError: If the model has no such re-ranker.
    """
    found = _reranker_features(case)
    if found is None:
        raise ValueError(
            "method is 'candidate-attention', and this model has no re-ranker that attends to the history; give "
            f"method={LEAVE_ONE_OUT!r}"
        )
    reranker, features = found
    _, weights = reranker(features)
    return case.per_item(weights[0], case.recent.items[0, : weights.shape[2]])


@torch.no_grad()
def additive(case: Case, influence: Influences) -> torch.Tensor:
    """Parts of the score that are sums over events: item-to-item weights, and the re-ranker without each item.

    The dot product of state and item is no sum over events, so it is left out.

    Raises:
        ValueError: If the score has no such part.
    """
    reranked = _reranker_features(case)
    if case.base.neighbors is None and reranked is None:
        raise ValueError(
            "method is 'additive', and no part of this model's score is a sum over events: it has no item-to-item "
            f"weights and no re-ranker that reads the history; give method={LEAVE_ONE_OUT!r}"
        )
    return _added(case, reranked)


def integrated_gradients(case: Case, influence: Influences) -> torch.Tensor:
    """Integrated gradients of the dot product (Sundararajan et al. 2017), and the parts of `additive`."""
    return gradients(case, STEPS) + _added(case, _reranker_features(case))


METHODS: dict[str, Method] = {
    LEAVE_ONE_OUT: leave_one_out,
    "integrated-gradients": integrated_gradients,
    "additive": additive,
    "candidate-attention": candidate_attention,
    "attention": attention,
}
"""Methods by name; the first is the default, chosen by deletion and insertion curves on validation users."""


def _without_queries(case: Case) -> dict[str, torch.Tensor]:
    return {name: value for name, value in case.inputs.items() if name != "query_positions"}


def gradients(case: Case, steps: int) -> torch.Tensor:
    """(n, had) integrated gradients of the dot product, by a gate per item of the history.

    A gate of 1 is the item, and 0 is an unknown item without text; memory tokens of images have no gate. The values
    sum to the difference of the dot products, up to the error of the steps (midpoint rule).

    Args:
        case: The history and the items.
        steps: Number of gradients.
    """
    count = len(case.rows)
    place = (torch.arange(steps, device=case.items.device) + 0.5) / steps
    gates = place.repeat_interleave(count)[:, None].expand(-1, len(case.items)).clone().requires_grad_()
    inputs = {name: value.expand(len(gates), *value.shape[1:]) for name, value in case.inputs.items()}
    length = case.inputs["item_ids"].shape[1]
    rows = torch.arange(len(gates), device=case.items.device)
    inputs["query_positions"] = rows * length + case.inputs["query_positions"]
    with torch.enable_grad():
        base = gated(case.base, case.items, gates)
        states, _, _ = base.encode_queries(**inputs)
        first = base.first_stage(states, case.recent[torch.zeros_like(rows)])
        products = (first.queries * case.item_side[case.rows].repeat(steps, 1)).sum()
        (found,) = torch.autograd.grad(products, gates)
    return found.view(steps, count, -1).mean(0)


def gated(base: Any, items: torch.Tensor, gates: torch.Tensor) -> Any:
    """A view of the model with a gate for some items of the histories.

    Args:
        base: The model, which stays as it is.
        items: (had,) item indices.
        gates: (histories, had) gates.
    """
    table = copy.copy(base.items)
    view = copy.copy(base)
    view._modules = {**base._modules, "items": table}

    def of_events(ids: torch.Tensor) -> torch.Tensor:
        same = ids[:, :, None] == items
        return (same * gates[:, None]).sum(-1) + ~same.any(-1)

    def embed_items(ids: torch.Tensor) -> torch.Tensor:
        rows, inverse = torch.unique(ids, return_inverse=True)
        own: torch.Tensor = base.items(rows)[inverse]
        unknown: torch.Tensor = base.items(torch.tensor([UNKNOWN_ROW], device=ids.device))[0]
        return unknown + of_events(ids).to(own.dtype)[..., None] * (own - unknown)

    def history_text(ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        states, valid = base.items.history_text(ids)
        return states * of_events(ids).to(states.dtype)[..., None, None], valid

    view.embed_items, table.history_text = embed_items, history_text
    return view


@torch.no_grad()
def _added(case: Case, reranked: tuple[XCatCandidateAttention, CandidateFeatures] | None) -> torch.Tensor:
    """(n, had) item-to-item weights of the history for the items, and parts of the re-ranker."""
    total = neighbor_parts(case)
    return total if reranked is None else total + reranker_parts(case, *reranked)


def _reranker_features(case: Case) -> tuple[XCatCandidateAttention, CandidateFeatures] | None:
    """The re-ranker of the case with the features of the items; None without a re-ranker that reads the history."""
    reranker = case.base.reranker(case.recent.discovers)
    if not isinstance(reranker, XCatCandidateAttention):
        return None
    with torch.no_grad():
        states, _, _ = case.base.encode_queries(**case.inputs)
        first = case.base.first_stage(states, case.recent)
        scores = first.scores_of(case.rows[None], case.item_side)
        sources = case.base.candidate_sources(case.item_side)
        return reranker, reranker.features(first.queries, case.recent, case.rows[None], scores, sources)


def neighbor_parts(case: Case) -> torch.Tensor:
    """(n, had) item-to-item weights, which are exactly additive."""
    table, config, events = case.base.neighbors, case.base.config, case.recent.items[0]
    if table is None:
        return torch.zeros(len(case.rows), len(case.items), device=events.device)
    latest = events[: config.neighbor_window]
    weight = config.neighbor_weight
    if case.recent.discovers and config.discover_neighbor_weight is not None:
        weight = config.discover_neighbor_weight
    decay = float(config.neighbor_decay) ** torch.arange(len(latest), device=latest.device)
    same = table.rows[latest][None] == case.rows[:, None, None]
    sums = (table.similarities[latest].float() * same).sum(2) * decay
    had = torch.isin(case.rows, events)
    if config.format_version < REGRESSION_FROM:
        total = sums.sum(1, keepdim=True).clamp(min=1e-12)
        sums = sums * total.sqrt() / total
    return case.per_item(float(weight) * sums.masked_fill(had[:, None], 0.0), latest)


def reranker_parts(case: Case, reranker: XCatCandidateAttention, found: CandidateFeatures) -> torch.Tensor:
    """(n, had) fall of the re-ranker's bonus if it does not read the events of each item."""
    events = case.recent.items[0, : found.events.shape[1]]
    every = torch.ones_like(found.events)
    left = torch.cat([every, events != case.items[:, None]]) & found.events
    count = len(left)
    features = CandidateFeatures(found.pairs.expand(count, -1, -1, -1), found.candidates.expand(count, -1, -1), left)
    bonus: torch.Tensor = reranker(features)[0]
    return (bonus[:1] - bonus[1:]).T
