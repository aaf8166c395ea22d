"""Influence of history events on a recommendation."""

from __future__ import annotations

import torch

from .outputs_xcat import XCatModelOutput


def event_attention(output: XCatModelOutput, query_positions: torch.Tensor, max_history: int) -> torch.Tensor | None:
    """Attention of each query over the events of its history.

    The mean over heads and layers of the cross-attention, summed over the text tokens of an event; for a model
    without fusion, of the last layer of self-attention.

    Args:
        output: Output with attentions, one history per row, padded on the right.
        query_positions: (queries,) positions in the flattened rows, one per row.
        max_history: Events of the longest history.

    Returns:
        (queries, max_history) weights by event position, or None if the model has no attention.
    """
    if output.cross_attentions and output.memory_positions is not None:
        weights = torch.stack(output.cross_attentions).mean((0, 2)).flatten(0, 1)[query_positions]
        positions = output.memory_positions
    elif output.attentions:
        weights = output.attentions[-1].mean(1).flatten(0, 1)[query_positions]
        positions = torch.arange(weights.shape[1], device=weights.device).expand_as(weights)
    else:
        return None
    result = weights.new_zeros(len(weights), max_history + 1)
    result.scatter_add_(1, torch.where(positions < 0, max_history, positions), weights)
    return result[:, :max_history]


def by_position(attention: torch.Tensor, length: int) -> torch.Tensor:
    """Attention to the latest events, in order of time.

    Args:
        attention: (items, events) weights, the latest event first; 0 beyond the history.
        length: Events of the history.

    Returns:
        (items, length) weights, the latest event last; 0 for events that were not attended to.

    Example:
        >>> by_position(torch.tensor([[0.75, 0.25]]), 3).tolist()
        [[0.0, 0.25, 0.75]]
    """
    latest = attention[:, :length].flip(1)
    return torch.nn.functional.pad(latest, (length - latest.shape[1], 0))


def event_shares(attention: torch.Tensor | None, history: torch.Tensor, candidates: torch.Tensor) -> torch.Tensor:
    """Share of each event of one history in each recommendation.

    The share is proportional to the event's attention times its similarity to the recommended item in the model's
    space, so two recommendations from one history can have different reasons.

    Args:
        attention: (events,) or (items, events) attention weights, or None.
        history: (events, hidden) item embeddings of the events.
        candidates: (items, hidden) item embeddings of the recommendations.

    Returns:
        (items, events) non-negative shares; each row sums to 1.
    """
    likeness = torch.nn.functional.cosine_similarity(candidates[:, None], history[None], dim=-1).clamp(min=0)
    weights = likeness.new_ones(len(history)) if attention is None else attention
    shares = likeness * weights
    nothing = shares.sum(1, keepdim=True) <= 0
    shares = torch.where(nothing, weights.expand_as(shares) + 1e-12, shares)
    return shares / shares.sum(1, keepdim=True)
