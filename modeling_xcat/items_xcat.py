"""What an item is: its text, an embedding of its own, its attributes."""

from __future__ import annotations

import torch
from torch import nn
from transformers.activations import ACT2FN

from .configuration_xcat import XCatConfig


class XCatTextAdaptor(nn.Module):
    """Linear, activation, linear: from whitened text states (..., text_dim) to (..., hidden)."""

    def __init__(self, config: XCatConfig) -> None:
        super().__init__()
        self.expand = nn.Linear(config.text_dim, 2 * config.hidden_size)
        self.activation = ACT2FN[config.hidden_act]
        self.contract = nn.Linear(2 * config.hidden_size, config.hidden_size)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Adapt (..., text_dim) to (..., hidden)."""
        output: torch.Tensor = self.contract(self.activation(self.expand(states)))
        return output


class XCatItemEncoder(nn.Module):
    """The item table, which holds the catalogue and turns rows of it into representations.

    Text states are kept once per distinct text, whitened. An item that no training event names (`item_counts` 0) is
    represented without its id embedding, which nothing has trained: by text and attributes alone.
    """

    text_states: torch.Tensor
    text_token_mask: torch.Tensor
    text_index: torch.Tensor
    feature_values: torch.Tensor
    item_counts: torch.Tensor

    def __init__(self, config: XCatConfig) -> None:
        super().__init__()
        self.config = config
        rows, features = config.num_item_rows, config.item_features or {}
        self.register_buffer("item_counts", torch.zeros(rows, dtype=torch.long))
        self.register_buffer("feature_values", torch.zeros(rows, len(features), dtype=torch.long))
        if config.use_text:
            tokens = config.text_tokens_per_item
            self.register_buffer("text_states", torch.zeros(config.num_texts, tokens, config.text_dim))
            self.register_buffer("text_token_mask", torch.zeros(config.num_texts, tokens, dtype=torch.bool))
            self.register_buffer("text_index", torch.zeros(rows, dtype=torch.long))
            self.adaptor = XCatTextAdaptor(config)
        if config.use_item_ids:
            self.id_embeddings = nn.Embedding(rows, config.hidden_size, padding_idx=0)
        self.feature_embeddings = nn.ModuleList(nn.Embedding(size, config.hidden_size) for size in features.values())

    def forward(self, rows: torch.Tensor | None = None) -> torch.Tensor:
        """Represent items.

        Args:
            rows: (items,) rows of the item table; None for all of it.

        Returns:
            (items, hidden) representations, before any normalisation.
        """
        parts = []
        if self.config.use_text:
            parts.append(self._text_part(rows))
        if self.config.use_item_ids:
            parts.append(self._id_part(rows))
        values = self.feature_values if rows is None else self.feature_values[rows]
        parts.extend(embed(values[:, i]) for i, embed in enumerate(self.feature_embeddings))
        return torch.stack(parts).sum(0) if len(parts) > 1 else parts[0]

    def _text_part(self, rows: torch.Tensor | None) -> torch.Tensor:
        if rows is None:
            adapted: torch.Tensor = self.adaptor(self.text_states[:, 0])
            return adapted[self.text_index]
        texts, inverse = torch.unique(self.text_index[rows], return_inverse=True)
        adapted = self.adaptor(self.text_states[texts, 0])
        return adapted[inverse]

    def _id_part(self, rows: torch.Tensor | None) -> torch.Tensor:
        embedded: torch.Tensor = self.id_embeddings.weight if rows is None else self.id_embeddings(rows)
        kept = (self.item_counts if rows is None else self.item_counts[rows]) > 0
        if self.training and self.config.id_dropout > 0:
            kept = kept & (torch.rand(kept.shape, device=kept.device) >= self.config.id_dropout)
        return embedded * kept[:, None].to(embedded.dtype)

    def history_text(self, item_ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Text states of the items of histories.

        Args:
            item_ids: (rows, length) item rows.

        Returns:
            (rows, length, tokens, text_dim) states and (rows, length, tokens) True where there is one.
        """
        index = self.text_index[item_ids]
        return self.text_states[index], self.text_token_mask[index]
