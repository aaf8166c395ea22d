"""Behavior sequence transformer (BST).

Chen et al., "Behavior Sequence Transformer for E-commerce Recommendation in Alibaba", DLP-KDD 2019. It imports only
its neighbours here, because `transformers` copies these files next to a checkpoint's weights.
"""

from typing import Any

import torch
from huggingface_hub.dataclasses import strict
from torch import nn

from .click_inputs import ClickInputs
from .deep_click import DeepClickConfig, DeepClickModel
from .self_attention import LengthGroups, SelfAttention

SECONDS_PER_HOUR = 3600


@strict
class BSTConfig(DeepClickConfig):
    """Configuration of `BSTModel`: the fields of `DeepClickConfig`, and three more.

    Args:
        activation: As in `DeepClickConfig`; the paper has a leaky ReLU, and "prelu" trains its slope.
        num_heads: Heads of the self-attention; a divisor of the width of an item.
        num_layers: Transformer blocks; the paper finds one best.
        num_age_buckets: Positions are the time from an event to the impression, in this many buckets: the first is
            an unknown time, the second less than an hour, and each further one doubles. 0 for positions by order.

    Raises:
        ValueError: If a value is out of range.
    """

    model_type = "xcat_bst"

    activation: str = "prelu"
    num_heads: int = 8
    num_layers: int = 1
    num_age_buckets: int = 0

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        self._check_heads(self.num_heads)
        self._check_at_least({"num_layers": 1, "num_age_buckets": 0})
        if 0 < self.num_age_buckets < 3:
            raise ValueError(
                f"BSTConfig.num_age_buckets is {self.num_age_buckets}; give 3 or more, such as 20, or 0 for positions "
                "by order."
            )


class TransformerBlock(nn.Module):
    """Self-attention and feed-forward layer, each with residual connection and layer normalisation.

    S = LN(x + MH(x)), F = LN(S + W_2 leaky_relu(W_1 S)); the paper's section "Transformer layer".
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads, causal=False)
        self.projection = nn.Linear(width, width)
        self.first_norm, self.second_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.inner, self.outer = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: torch.Tensor, groups: LengthGroups) -> torch.Tensor:
        """(elements, width) states of (elements, width) states of the sequences in `groups`."""
        read = self.attention(states, groups).flatten(1)
        states = self.first_norm(states + self.dropout(self.projection(read)))
        hidden = nn.functional.leaky_relu(self.inner(states))
        output: torch.Tensor = self.second_norm(states + self.dropout(self.outer(hidden)))
        return output


class BSTModel(DeepClickModel):
    """Transformer over the events and the candidate, which is the last element of the sequence.

    * The position of an element is its distance to the candidate: the time t(candidate) - t(event), as in the paper's
      pos(v) (section "Embedding layer"), if `num_age_buckets` is set, otherwise the number of events. Its embedding
      is added.
    * `TransformerBlock` over events and candidate (section "Transformer layer").

    The paper gives the outputs at all positions to the tower, in a row. Here the tower gets the output at the
    candidate and the mean output of the events, so its size does not depend on `max_history`.
    """

    config_class = BSTConfig

    def __init__(self, config: BSTConfig) -> None:
        super().__init__(config)
        width = config.item_width
        positions = config.num_age_buckets or config.max_history
        self.positions = nn.Embedding(positions + 1, width)  # row 0 is the candidate's
        self.blocks = nn.ModuleList(
            TransformerBlock(width, config.num_heads, config.dropout) for _ in range(config.num_layers)
        )
        self.make_tower(2 * width)

    def event_positions(self, inputs: ClickInputs) -> torch.Tensor:
        """(rows, events) rows of the position table; 1 is the last event, or an unknown time."""
        if not self.config.num_age_buckets:
            return inputs.recency.clamp(min=0)
        hours = inputs.ages.float() / SECONDS_PER_HOUR
        buckets = 2 + torch.log2(hours.clamp(min=1)).long() + (hours >= 1)
        return torch.where(hours < 0, 1, buckets.clamp(max=self.config.num_age_buckets))

    def interests(
        self, inputs: ClickInputs, events: torch.Tensor, candidate: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Compute the features of a history; see `DeepClickModel.interests`."""
        events = events + self.positions(self.event_positions(inputs)[inputs.mask])
        # Sequences without padding: the events of a row, then its candidate.
        ends = inputs.lengths.cumsum(0) + torch.arange(len(candidate), device=candidate.device)
        places = torch.cat([torch.arange(len(events), device=ends.device) + inputs.owners, ends])
        states = torch.cat([events, candidate + self.positions.weight[0]]).index_select(0, places.argsort())
        groups = LengthGroups.of(inputs.lengths + 1)
        for block in self.blocks:
            states = block(states, groups)
        return torch.cat([states[ends], inputs.mean_of(states[places[: len(events)]])], dim=-1), None


BSTConfig.register_for_auto_class()
BSTModel.register_for_auto_class("AutoModel")
