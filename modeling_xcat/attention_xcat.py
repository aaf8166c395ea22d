"""Multi-head attention through the attention interface of transformers, and the block used by all layers."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers.activations import ACT2FN
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from .configuration_xcat import XCatConfig


def eager_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Scaled dot-product attention in plain PyTorch (Vaswani et al. 2017, equation 1).

    Args:
        module: The calling layer.
        query: (rows, heads, length, width).
        key: (rows, heads, memory, width).
        value: (rows, heads, memory, width).
        attention_mask: Boolean, broadcastable to (rows, heads, length, memory), True where a query sees a key.
        scaling: Factor of the dot products.
        dropout: Dropout on the weights.
        **kwargs: Arguments of other implementations; unused.

    Returns:
        The output (rows, length, heads, width) and the weights (rows, heads, length, memory).
    """
    scores = torch.matmul(query, key.transpose(2, 3)) * scaling
    if attention_mask is not None:
        scores = scores.masked_fill(~attention_mask, torch.finfo(scores.dtype).min)
    weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
    output = torch.matmul(nn.functional.dropout(weights, dropout, module.training), value)
    return output.transpose(1, 2), weights


class XCatKeyValues:
    """Keys and values of tokens that an attention layer has read, for the queries of later steps.

    Attributes:
        keys: (rows, heads, tokens, width), or None before the first token.
        values: Likewise.
        passing: Number of the last tokens of the next step that are not kept for later steps.
    """

    def __init__(self) -> None:
        self.keys: torch.Tensor | None = None
        self.values: torch.Tensor | None = None
        self.passing = 0

    def extend(self, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Add (rows, heads, new, width) keys and values; returns those of all tokens."""
        if self.keys is not None and self.values is not None:
            keys, values = torch.cat([self.keys, keys], 2), torch.cat([self.values, values], 2)
        kept = keys.shape[2] - self.passing
        self.keys, self.values = keys[:, :, :kept], values[:, :, :kept]
        return keys, values

    def keep(self, tokens: torch.Tensor) -> None:
        """Keep the tokens where (tokens,) is True."""
        if self.keys is not None and self.values is not None:
            self.keys, self.values = self.keys[:, :, tokens], self.values[:, :, tokens]


class XCatAttention(nn.Module):
    """Attention of (rows, length, hidden) queries over (rows, memory, hidden) keys and values."""

    def __init__(self, config: XCatConfig) -> None:
        super().__init__()
        self.config = config
        self.head_dim = config.hidden_size // config.num_attention_heads
        self.scaling = self.head_dim**-0.5
        self.is_causal = False
        self.query = nn.Linear(config.hidden_size, config.hidden_size)
        self.key = nn.Linear(config.hidden_size, config.hidden_size)
        self.value = nn.Linear(config.hidden_size, config.hidden_size)
        self.output = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(
        self,
        states: torch.Tensor,
        memory: torch.Tensor,
        mask: torch.Tensor,
        output_attentions: bool = False,
        earlier: XCatKeyValues | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Attend.

        Args:
            states: (rows, length, hidden) queries.
            memory: (rows, memory, hidden) keys and values.
            mask: (rows, 1, length, memory) boolean, True where a query sees a key; earlier tokens come first.
            output_attentions: Whether to return the weights, which needs the eager implementation.
            earlier: Keys and values of earlier tokens, which `memory` follows; it is extended. None for none.

        Returns:
            (rows, length, hidden) and the weights or None.
        """
        query, key, value = (
            layer(source).unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
            for layer, source in ((self.query, states), (self.key, memory), (self.value, memory))
        )
        if earlier is not None:
            key, value = earlier.extend(key, value)
        name = "eager" if output_attentions else self.config._attn_implementation
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(name, eager_attention)
        dropout = self.config.attention_dropout if self.training else 0.0
        output, weights = attend(self, query, key, value, mask, scaling=self.scaling, dropout=dropout)
        return self.output(output.flatten(2)), weights


class XCatFeedForward(nn.Module):
    """Two linear layers with an activation between them, on (..., hidden)."""

    def __init__(self, config: XCatConfig) -> None:
        super().__init__()
        self.expand = nn.Linear(config.hidden_size, config.intermediate_size)
        self.activation = ACT2FN[config.hidden_act]
        self.dropout = nn.Dropout(config.hidden_dropout)
        self.contract = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Transform (..., hidden) states position by position."""
        output: torch.Tensor = self.contract(self.dropout(self.activation(self.expand(states))))
        return output


class XCatAttentionBlock(GradientCheckpointingLayer):
    """A pre-norm transformer block (Vaswani et al. 2017; Xiong et al. 2020) with self- or cross-attention."""

    def __init__(self, config: XCatConfig) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.attention = XCatAttention(config)
        self.feed_forward_norm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.feed_forward = XCatFeedForward(config)
        self.dropout = nn.Dropout(config.hidden_dropout)

    def forward(
        self,
        states: torch.Tensor,
        memory: torch.Tensor | None,
        mask: torch.Tensor,
        output_attentions: bool = False,
        earlier: XCatKeyValues | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Transform states.

        Args:
            states: (rows, length, hidden).
            memory: (rows, tokens, hidden) normalised memory to attend to; None for the states themselves.
            mask: (rows, 1, length, tokens) boolean, True where a state sees a token.
            output_attentions: Whether to return the weights.
            earlier: As for `XCatAttention`.

        Returns:
            (rows, length, hidden) and the weights or None.
        """
        normed = self.attention_norm(states)
        memory = normed if memory is None else memory
        attended, weights = self.attention(normed, memory, mask, output_attentions, earlier)
        states = states + self.dropout(attended)
        return states + self.dropout(self.feed_forward(self.feed_forward_norm(states))), weights
