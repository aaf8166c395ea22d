"""Outputs of the XCat models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from transformers.utils import ModelOutput


@dataclass
class XCatModelOutput(ModelOutput):
    """States of behaviour sequences.

    Args:
        last_hidden_state: (rows, length, hidden) states after the last fusion block, one per event.
        hidden_states: The states before the behaviour encoder and after each of its layers and each fusion block,
            (rows, length, hidden) each, if requested; the last one is `last_hidden_state`. A GRU or an LSTM counts as
            one layer.
        attentions: One (rows, heads, length, length) tensor per self-attention layer, if requested; none for a GRU or
            an LSTM.
        cross_attentions: One (rows, heads, length, memory tokens) tensor per fusion block, if requested. Memory
            token 0 is the null token.
        memory_positions: (rows, memory tokens) event position of each memory token, -1 for none; given with
            `cross_attentions`.
    """

    last_hidden_state: torch.Tensor | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None
    cross_attentions: tuple[torch.Tensor, ...] | None = None
    memory_positions: torch.Tensor | None = None


@dataclass
class XCatNextItemOutput(ModelOutput):
    """Loss and scores of next-item prediction.

    Args:
        loss: Scalar cross-entropy in nats per event, if labels were given.
        logits: (queries, item rows) scores of the catalogue, if `query_positions` were given; special rows are -inf.
        last_hidden_state, hidden_states, attentions, cross_attentions, memory_positions: As in `XCatModelOutput`.
    """

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    last_hidden_state: torch.Tensor | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None
    cross_attentions: tuple[torch.Tensor, ...] | None = None
    memory_positions: torch.Tensor | None = None

    def __getitem__(self, k: Any) -> Any:
        """As in `ModelOutput`; without logits the error names the argument of `Trainer` that reads them in training.

        Raises:
            KeyError: If there is no such value.
        """
        if k == "logits" and self.logits is None:
            raise KeyError(
                "this output has no logits: without query_positions they are the scores of every event and item. If "
                "label_smoothing_factor of TrainingArguments is set, leave it out and set soft_target_weight of "
                "XCatConfig; give query_positions to have the logits of these events"
            )
        return super().__getitem__(k)


@dataclass
class XCatClickOutput(ModelOutput):
    """Loss and log odds of click prediction.

    Args:
        loss: Weighted sum of the losses below, if `click_labels` were given.
        logits: (showings,) float32 log odds of a click.
        click_loss: Binary cross-entropy in nats per showing, with the pairwise loss if it has a weight.
        next_item_loss: Cross-entropy of next-item prediction, if `labels` were given and it has a weight.
        last_hidden_state, hidden_states, attentions, cross_attentions, memory_positions: As in `XCatModelOutput`.
    """

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    click_loss: torch.Tensor | None = None
    next_item_loss: torch.Tensor | None = None
    last_hidden_state: torch.Tensor | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None
    cross_attentions: tuple[torch.Tensor, ...] | None = None
    memory_positions: torch.Tensor | None = None


@dataclass
class XCatPreTrainingOutput(ModelOutput):
    """Losses of pretraining.

    Args:
        loss: Sum of the losses below, each times its weight in the configuration, if labels were given.
        next_item_loss: Cross-entropy of the next items, in nats per labelled event; None with weight 0.
        masked_item_loss: Cross-entropy of masked items, in nats per mask; None with weight 0.
        item_contrast_loss: Cross-entropy of the item after a shortened history, in nats per history; None with
            weight 0.
        sequence_contrast_loss: Cross-entropy of the pairs of whole and shortened histories, in nats per history; None
            with weight 0.
        last_hidden_state, hidden_states, attentions, cross_attentions, memory_positions: As in `XCatModelOutput`.
    """

    loss: torch.Tensor | None = None
    next_item_loss: torch.Tensor | None = None
    masked_item_loss: torch.Tensor | None = None
    item_contrast_loss: torch.Tensor | None = None
    sequence_contrast_loss: torch.Tensor | None = None
    last_hidden_state: torch.Tensor | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None
    cross_attentions: tuple[torch.Tensor, ...] | None = None
    memory_positions: torch.Tensor | None = None
