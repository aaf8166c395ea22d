"""Sources of memory tokens of the fusion blocks: one class per source, and their registry."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from .configuration_xcat import XCatConfig
from .items_xcat import IMAGE, TEXT, XCatItemEncoder
from .layout_xcat import SequenceLayout
from .limits_xcat import MEMORY_SOURCES as NAMES
from .registry_xcat import Registry

NUM_INTEREST_KINDS = 4
"""Number of interest token kinds: none, liked, disliked, cluster."""


@dataclass(frozen=True)
class MemoryTokens:
    """Tokens that behaviour states may attend to.

    Args:
        states: (rows, tokens, hidden).
        document_ids: (rows, tokens) history of each token, -1 for none.
        positions: (rows, tokens) first event position that may see it.
        event_positions: (rows, tokens) position of the described event, -1 for none.
    """

    states: torch.Tensor
    document_ids: torch.Tensor
    positions: torch.Tensor
    event_positions: torch.Tensor


@dataclass(frozen=True)
class MemoryInputs:
    """Inputs of memory sources.

    Args:
        item_ids: (rows, length) item indices of the histories.
        layout: Mapping of events to histories.
        items: The item table.
        position_states: (rows, length, hidden) position embeddings of the events.
        user_text_states: (rows, texts, text_dim) pooled states of the user's own texts, or None.
        user_text_document_ids: (rows, texts) history of each text, -1 for none.
        user_text_positions: (rows, texts) first event position that may see each text.
        interest_states: (rows, tokens, text_dim) vectors of the users' interest profiles, or None.
        interest_kinds: (rows, tokens) kind of each vector: 1 liked, 2 disliked, 3 interest cluster; 0 is no token.
        interest_document_ids: (rows, tokens) history of each vector, -1 for none.
        interest_positions: (rows, tokens) first event position that may see each vector.
    """

    item_ids: torch.Tensor
    layout: SequenceLayout
    items: XCatItemEncoder
    position_states: torch.Tensor
    user_text_states: torch.Tensor | None = None
    user_text_document_ids: torch.Tensor | None = None
    user_text_positions: torch.Tensor | None = None
    interest_states: torch.Tensor | None = None
    interest_kinds: torch.Tensor | None = None
    interest_document_ids: torch.Tensor | None = None
    interest_positions: torch.Tensor | None = None


class MemorySource(nn.Module):
    """Base class: computes memory tokens from inputs, or None if a batch has none of its kind.

    To add a source, subclass it, register the class (`@MEMORY_SOURCES.register("name")`), and list the name in
    `XCatConfig.memory_sources`.

    Attributes:
        trained: Whether training rows have the inputs of the source; otherwise its parameters are not trained.
        of_events: Whether each token depends on its own event alone, so that the tokens of earlier events stay as they
            are when a history grows.
    """

    trained = True
    of_events = False

    def __init__(self, config: XCatConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, inputs: MemoryInputs) -> MemoryTokens | None:
        """Compute the tokens; every subclass overrides this."""
        raise TypeError(f"{type(self).__name__} must override MemorySource.forward")


MEMORY_SOURCES: Registry[type[MemorySource]] = Registry("XCatConfig.memory_sources", NAMES)
"""Sources by name."""


@MEMORY_SOURCES.register("item_text")
class ItemTextMemory(MemorySource):
    """Text states of the history's events, visible from their event on."""

    of_events = True

    def __init__(self, config: XCatConfig) -> None:
        super().__init__(config)
        self.projection = nn.Linear(config.text_dim, config.hidden_size)

    def forward(self, inputs: MemoryInputs) -> MemoryTokens | None:
        """Make (rows, length x tokens, hidden) states."""
        states, valid = inputs.items.history_text(inputs.item_ids)
        if inputs.items.images is not None:
            valid = valid & inputs.items.keeps(inputs.item_ids, TEXT)[..., None]
        projected = self.projection(states.to(self.projection.weight.dtype)) + inputs.position_states[:, :, None]
        documents = inputs.layout.document_ids[:, :, None].expand_as(valid)
        positions = inputs.layout.position_ids[:, :, None].expand_as(valid).flatten(1)
        documents = documents.masked_fill(~valid, -1).flatten(1)
        return MemoryTokens(projected.flatten(1, 2), documents, positions, positions)


@MEMORY_SOURCES.register("item_image")
class ItemImageMemory(MemorySource):
    """Images of the history's events, one token per image, visible from their event on."""

    of_events = True

    def __init__(self, config: XCatConfig) -> None:
        super().__init__(config)
        self.projection = nn.Linear(config.image_dim, config.hidden_size)

    def forward(self, inputs: MemoryInputs) -> MemoryTokens | None:
        """Make (rows, length x images, hidden) states."""
        images = inputs.items.images
        if images is None:
            raise ValueError("memory_sources has 'item_image', and the model has no images (image_dim is 0)")
        numbers = images.index[inputs.item_ids]
        valid = numbers.gt(0) & inputs.items.keeps(inputs.item_ids, IMAGE)[..., None]
        states = images.states[numbers].to(self.projection.weight.dtype)
        projected = self.projection(states) + inputs.position_states[:, :, None]
        documents = inputs.layout.document_ids[:, :, None].expand_as(valid).masked_fill(~valid, -1).flatten(1)
        positions = inputs.layout.position_ids[:, :, None].expand_as(valid).flatten(1)
        return MemoryTokens(projected.flatten(1, 2), documents, positions, positions)


@MEMORY_SOURCES.register("user_text")
class UserTextMemory(MemorySource):
    """The user's own texts: queries, reviews, chat."""

    trained = False

    def __init__(self, config: XCatConfig) -> None:
        super().__init__(config)
        self.projection = nn.Linear(config.text_dim, config.hidden_size)

    def forward(self, inputs: MemoryInputs) -> MemoryTokens | None:
        """Make (rows, texts, hidden) states, or None if the batch has no user texts."""
        if inputs.user_text_states is None:
            return None
        if inputs.user_text_document_ids is None or inputs.user_text_positions is None:
            raise ValueError("user texts need user_text_document_ids and user_text_positions besides their states")
        states = self.projection(inputs.user_text_states.to(self.projection.weight.dtype))
        nowhere = torch.full_like(inputs.user_text_positions, -1)
        return MemoryTokens(states, inputs.user_text_document_ids, inputs.user_text_positions, nowhere)


@MEMORY_SOURCES.register("interests")
class InterestMemory(MemorySource):
    """The user's interest profile: liked and disliked content by category, and interest clusters."""

    def __init__(self, config: XCatConfig) -> None:
        super().__init__(config)
        self.projection = nn.Linear(config.text_dim, config.hidden_size)
        self.kinds = nn.Embedding(NUM_INTEREST_KINDS, config.hidden_size)

    def forward(self, inputs: MemoryInputs) -> MemoryTokens | None:
        """Make (rows, tokens, hidden) states, or None if the batch has no profile."""
        if inputs.interest_states is None:
            return None
        kinds, documents, positions = inputs.interest_kinds, inputs.interest_document_ids, inputs.interest_positions
        if kinds is None or documents is None or positions is None:
            raise ValueError("interest_states need interest_kinds, interest_document_ids and interest_positions")
        states = self.projection(inputs.interest_states.to(self.projection.weight.dtype)) + self.kinds(kinds)
        documents = documents.masked_fill(kinds.eq(0), -1)
        return MemoryTokens(states, documents, positions, torch.full_like(positions, -1))
