"""Cross-attention from behaviour states to text states."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import nn

from .attention_xcat import XCatAttentionBlock, XCatKeyValues
from .configuration_xcat import XCatConfig
from .limits_xcat import FUSION_BLOCKS as NAMES
from .memory_xcat import MEMORY_SOURCES, MemoryInputs, MemoryTokens
from .registry_xcat import Registry

FUSION_BLOCKS: Registry[type[nn.Module]] = Registry("XCatConfig.fusion_block", NAMES)
"""Modules made from the configuration. Inputs: (rows, length, hidden) states, (rows, tokens, hidden) normalised
memory, a (rows, 1, length, tokens) mask that is True where a state sees a token, and whether to return attention
weights. Outputs: the states, and the weights or None."""
FUSION_BLOCKS.register("attention")(XCatAttentionBlock)


@dataclass
class ReadMemory:
    """Memory tokens of the events of one history that the fusion layers have read.

    Args:
        layers: Keys and values of each layer.
        visible: (tokens,) False for tokens without text.
        events: (tokens,) position of each token's event, -1 for the null token.
    """

    layers: list[XCatKeyValues]
    visible: torch.Tensor
    events: torch.Tensor

    def forget_after(self, events: int) -> None:
        """Leave out the tokens of all but the first events."""
        kept = self.events < events
        self.visible, self.events = self.visible[kept], self.events[kept]
        for known in self.layers:
            known.keep(kept)


class XCatFusion(nn.Module):
    """Gathers the memory tokens of all sources and runs the fusion layers over them.

    A learned null token comes first, so that a state can attend to no memory, and a history without text still has a
    token to attend to.
    """

    def __init__(self, config: XCatConfig) -> None:
        super().__init__()
        sources = {name: MEMORY_SOURCES.find(name) for name in config.memory_sources or []}
        available = {"item_text": config.use_text, "item_image": config.image_dim > 0}
        self.sources = nn.ModuleDict(
            {name: source(config) for name, source in sources.items() if available.get(name, True)}
        )
        self.null_token = nn.Parameter(torch.zeros(config.hidden_size))
        self.memory_norm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        block = FUSION_BLOCKS.find(config.fusion_block)
        self.layers = nn.ModuleList(block(config) for _ in range(config.num_fusion_layers))
        self._freeze_unreached()

    def _freeze_unreached(self) -> None:
        """Exclude parameters from training that no training row uses."""
        for name, source in self.sources.items():
            source.requires_grad_(MEMORY_SOURCES[name].trained)
        if not any(MEMORY_SOURCES[name].trained for name in self.sources):
            # With the null token alone its weight is always 1, whatever the query and key.
            for name, parameter in self.layers.named_parameters():
                if any(part in name for part in ("attention_norm", "attention.query", "attention.key")):
                    parameter.requires_grad_(False)

    def forward(
        self, states: torch.Tensor, inputs: MemoryInputs, output_attentions: bool = False
    ) -> tuple[tuple[torch.Tensor, ...], tuple[torch.Tensor, ...], torch.Tensor]:
        """Fuse.

        Args:
            states: (rows, length, hidden) behaviour states.
            inputs: Inputs of the memory sources.
            output_attentions: Whether to return attention weights.

        Returns:
            (rows, length, hidden) states after each layer, the weights of each layer, and the (rows, tokens) event
            positions of the memory tokens, -1 for the null token and for texts of the user.
        """
        rows, length = inputs.item_ids.shape
        tokens = [part for part in (source(inputs) for source in self.sources.values()) if part is not None]
        null = self.null_token.expand(rows, 1, -1)
        memory = self.memory_norm(torch.cat([null, *(part.states for part in tokens)], dim=1))
        sees_null = torch.ones(rows, 1, length, 1, dtype=torch.bool, device=states.device)
        masks = [inputs.layout.memory_mask(part.document_ids, part.positions) for part in tokens]
        mask = torch.cat([sees_null, *masks], dim=-1)
        nowhere = torch.full((rows, 1), -1, device=states.device)
        event_positions = torch.cat([nowhere, *(part.event_positions for part in tokens)], dim=1)
        hidden, attentions = [], []
        for layer in self.layers:
            states, weights = layer(states, memory, mask, output_attentions)
            hidden.append(states)
            if output_attentions:
                attentions.append(weights)
        return tuple(hidden), tuple(attentions), event_positions

    @property
    def reads_next(self) -> bool:
        """Whether `read_next` gives the same states as `forward`; other blocks may compare states with each other."""
        return all(type(layer) is XCatAttentionBlock for layer in self.layers)

    def read_next(
        self, states: torch.Tensor, inputs: MemoryInputs, new: int, known: ReadMemory | None
    ) -> tuple[torch.Tensor, ReadMemory]:
        """Fuse the last event of one history, with the memory tokens of earlier events as they were read.

        Args:
            states: (1, 1, hidden) behaviour state of the last event.
            inputs: Inputs of the memory sources for the whole history, without padding.
            new: Number of its last events whose tokens are not in `known`.
            known: Tokens of the events before them, which are extended; None before the first event.

        Returns:
            (1, 1, hidden) state, and the tokens of all events.
        """
        length = inputs.item_ids.shape[1]
        last = replace(
            inputs, item_ids=inputs.item_ids[:, length - new :], layout=inputs.layout.last(new),
            position_states=inputs.position_states[:, length - new :],
        )  # fmt: skip
        kept, passing = list[MemoryTokens](), list[MemoryTokens]()
        for source in self.sources.values():
            if not source.of_events:
                passing += [part for part in (source(inputs),) if part is not None]
            elif new:
                kept += [part for part in (source(last),) if part is not None]
        parts = [part.states for part in (*kept, *passing)]
        if known is None:
            parts.insert(0, self.null_token.expand(1, 1, -1))
            alone = torch.full((1,), -1, device=states.device)
            known = ReadMemory([XCatKeyValues() for _ in self.layers], alone < 0, alone)
        known.visible = torch.cat([known.visible, *(part.document_ids[0] >= 0 for part in kept)])
        known.events = torch.cat([known.events, *(part.event_positions[0] for part in kept)])
        memory = self.memory_norm(torch.cat(parts, 1)) if parts else states[:, :0]
        masks = [inputs.layout.memory_mask(part.document_ids, part.positions)[:, :, -1:] for part in passing]
        mask = torch.cat([known.visible[None, None, None], *masks], -1)
        for layer, earlier in zip(self.layers, known.layers, strict=True):
            earlier.passing = mask.shape[-1] - len(known.visible)
            states, _ = layer(states, memory, mask, False, earlier)
        return states, known
