"""A fusion block, a memory source, a metric, a split and a re-ranking rule, added to xcat-rec from outside.

    import xcat_extension  # registers the parts
    from xcat_rec import PreparationOptions, XCatRecommender, evaluate_ranker

    config = {"fusion_block": "gated", "memory_sources": ["item_text", "event_items"]}
    options = PreparationOptions(split="xcat_extension:last-days", config=config)
    ...
    recommender = XCatRecommender(model, processor, rerankers=[xcat_extension.PriceCap(20)])
    evaluate_ranker(recommender, splits["test"], ..., metrics=["recall", "precision"])

A checkpoint stores only the names, so import this package before you load a checkpoint with its parts.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from xcat_rec.evaluation import RankedTargets, register_metric
from xcat_rec.modeling_xcat import (
    FUSION_BLOCKS,
    MEMORY_SOURCES,
    MemoryInputs,
    MemorySource,
    MemoryTokens,
    XCatAttentionBlock,
    XCatConfig,
)
from xcat_rec.ranking import Candidates
from xcat_rec.tokenization.sequences import Cut, Split, hold, no_times, register_split

MONTH = 30 * 86_400_000_000  # in microseconds, as times of a timeline


@FUSION_BLOCKS.register("gated")
class GatedBlock(nn.Module):
    """Cross-attention with a gate per state and dimension."""

    def __init__(self, config: XCatConfig) -> None:
        super().__init__()
        self.block = XCatAttentionBlock(config)
        self.gate = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, states, memory, mask, output_attentions=False):
        """Fuse (rows, length, hidden) states with (rows, tokens, hidden) memory."""
        fused, weights = self.block(states, memory, mask, output_attentions)
        return states + self.gate(states).sigmoid() * (fused - states), weights


@MEMORY_SOURCES.register("event_items")
class ItemMemory(MemorySource):
    """One memory token per event: the representation of its item from the item table."""

    def __init__(self, config: XCatConfig) -> None:
        super().__init__(config)
        self.projection = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, inputs: MemoryInputs) -> MemoryTokens:
        """Make (rows, length, hidden) states, each visible from its event on."""
        items = inputs.items(inputs.item_ids.flatten()).view(*inputs.item_ids.shape, -1)
        positions = inputs.layout.position_ids
        states = self.projection(items) + inputs.position_states
        return MemoryTokens(states, inputs.layout.document_ids, positions, positions)


@register_metric("precision")
def precision(targets: RankedTargets, k: int) -> np.ndarray:
    """Share of the k best recommendations that are targets."""
    return targets.hits(k).sum(1) / k


@register_split("xcat_extension:last-days")
class LastDays(Split):
    """Events of the last 30 days are test targets, those of the 30 days before validation targets."""

    needs = "users need events in the last 60 days, and before"
    out_of_core = True  # a user's result depends on no other user, only on the end

    def shared(self, events) -> int:
        """Compute the last period of 30 days of all events."""
        if events.no_time:
            raise no_times(events, self.name, "use leave-one-out")
        return int(events.times().max()) // MONTH

    def cut(self, timeline, shared: int) -> Cut:
        """Hold out the targets of the last two periods."""
        month = timeline.unit_time // MONTH
        validation, test = (hold(timeline, timeline.predictable & (month == end)) for end in (shared - 1, shared))
        return Cut(month < shared - 1, validation, test)


@dataclass(frozen=True)
class PriceCap:
    """Moves items above a price behind the others; items without a price are not moved.

    Args:
        most: Maximum price at the front.
    """

    most: float

    def __call__(self, candidates: Candidates) -> torch.Tensor:
        """(users, n) 1 for items up to the price, 0 for more expensive ones."""
        first_item = len(candidates.vocabulary) - candidates.vocabulary.num_items
        prices = np.full(len(candidates.vocabulary), np.nan)
        prices[first_item:] = candidates.vocabulary.column("price").to_numpy()
        return torch.from_numpy(~(prices > self.most))[candidates.rows].float()
