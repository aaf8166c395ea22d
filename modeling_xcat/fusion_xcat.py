"""Cross-attention from behaviour states to text states."""

from __future__ import annotations

import torch
from torch import nn

from .attention_xcat import XCatAttentionBlock
from .configuration_xcat import XCatConfig
from .limits_xcat import FUSION_BLOCKS as NAMES
from .memory_xcat import MEMORY_SOURCES, MemoryInputs
from .registry_xcat import Registry

FUSION_BLOCKS: Registry[type[nn.Module]] = Registry("XCatConfig.fusion_block", NAMES)
"""Modules made from the configuration. Inputs: (rows, length, hidden) states, (rows, tokens, hidden) normalised
memory, a (rows, 1, length, tokens) mask that is True where a state sees a token, and whether to return attention
weights. Outputs: the states, and the weights or None."""
FUSION_BLOCKS.register("attention")(XCatAttentionBlock)


class XCatFusion(nn.Module):
    """Gathers the memory tokens of all sources and runs the fusion layers over them.

    A learned null token comes first, so that a state can attend to no memory, and a history without text still has a
    token to attend to.
    """

    def __init__(self, config: XCatConfig) -> None:
        super().__init__()
        sources = {name: MEMORY_SOURCES.find(name) for name in config.memory_sources or []}
        self.sources = nn.ModuleDict(
            {name: source(config) for name, source in sources.items() if config.use_text or name != "item_text"}
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
