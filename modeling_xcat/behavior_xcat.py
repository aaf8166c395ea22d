"""Behaviour encoders: transformer, GRU and LSTM over packed or padded histories, and their registry."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from .attention_xcat import XCatAttentionBlock, XCatKeyValues
from .configuration_xcat import XCatConfig
from .export_xcat import is_exporting
from .layout_xcat import SequenceLayout
from .limits_xcat import BEHAVIOR_ENCODERS as NAMES
from .registry_xcat import Registry

BEHAVIOR_ENCODERS: Registry[type[nn.Module]] = Registry("XCatConfig.behavior_encoder", NAMES)
"""Modules made from the configuration. Inputs: (rows, length, hidden) states, a `SequenceLayout`, and whether to
return attention weights. Outputs: the states after each layer and the attention weights of each layer. An encoder
that reads earlier events only can have `read_next` and `no_events`, and set `reads_next` to True, so that a session
need not encode its history again for a new event."""


@BEHAVIOR_ENCODERS.register("transformer")
class XCatTransformerEncoder(nn.Module):
    """Causal self-attention within each history (SASRec, Kang and McAuley 2018)."""

    reads_next = True

    def __init__(self, config: XCatConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(XCatAttentionBlock(config) for _ in range(config.num_behavior_layers))

    def attention_mask(self, layout: SequenceLayout) -> torch.Tensor:
        """(rows, 1, length, length) True where a query may see a key."""
        return layout.causal_mask()

    def forward(
        self, states: torch.Tensor, layout: SequenceLayout, output_attentions: bool = False
    ) -> tuple[tuple[torch.Tensor, ...], tuple[torch.Tensor, ...]]:
        """Encode (rows, length, hidden) states; returns states after each layer and, if requested, attention."""
        mask = self.attention_mask(layout)
        hidden, attentions = [], []
        for layer in self.layers:
            states, weights = layer(states, None, mask, output_attentions)
            hidden.append(states)
            if output_attentions:
                attentions.append(weights)
        return tuple(hidden), tuple(attentions)

    def no_events(self) -> list[XCatKeyValues]:
        """What `read_next` extends, before the first event."""
        return [XCatKeyValues() for _ in self.layers]

    def read_next(self, states: torch.Tensor, earlier: list[XCatKeyValues]) -> tuple[torch.Tensor, Any]:
        """Encode the next events of histories.

        Args:
            states: (rows, new, hidden) states of the events.
            earlier: Result of the previous call, which is extended, or of `no_events`.

        Returns:
            (rows, new, hidden) states after all layers, and what the next call takes.
        """
        for layer, known in zip(self.layers, earlier, strict=True):
            new, before = states.shape[1], 0 if known.keys is None else known.keys.shape[2]
            sees = torch.ones(new, before + new, dtype=torch.bool, device=states.device).tril(before)
            states, _ = layer(states, None, sees[None, None], False, known)
        return states, earlier

    def forget_after(self, earlier: list[XCatKeyValues], events: int) -> Any:
        """What `read_next` extends after the first events only; None if they have to be encoded again."""
        for known in earlier:
            if known.keys is not None:
                known.keep(torch.arange(known.keys.shape[2], device=known.keys.device) < events)
        return earlier


@BEHAVIOR_ENCODERS.register("gru")
@BEHAVIOR_ENCODERS.register("lstm")
class XCatRecurrentEncoder(nn.Module):
    """GRU or LSTM whose state is reset at every history (GRU4Rec, Hidasi et al. 2016)."""

    reads_next = True

    def __init__(self, config: XCatConfig) -> None:
        super().__init__()
        kind = {"gru": nn.GRU, "lstm": nn.LSTM}[config.behavior_encoder]
        layers = config.num_behavior_layers
        self.recurrent = kind(
            config.hidden_size,
            config.hidden_size,
            num_layers=layers,
            batch_first=True,
            dropout=float(config.hidden_dropout) if layers > 1 else 0.0,
        )
        self.norm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout)

    def forward(
        self, states: torch.Tensor, layout: SequenceLayout, output_attentions: bool = False
    ) -> tuple[tuple[torch.Tensor, ...], tuple[torch.Tensor, ...]]:
        """Encode (rows, length, hidden) states; returns the states after all layers and no attention weights."""
        normed = self.norm(states)
        if is_exporting():
            return (states + self.dropout(self._encode_rows(normed, layout.mask)),), ()
        flat, history, position = layout.unpack_index()
        if not len(flat):
            return (states,), ()
        shape = (int(history[-1]) + 1, int(position.max()) + 1, states.shape[-1])
        unpacked = normed.new_zeros(shape).index_put((history, position), normed.flatten(0, 1)[flat])
        output, _ = self.recurrent(unpacked)
        residual = (
            torch.zeros_like(states).flatten(0, 1).index_put((flat,), output[history, position].to(states.dtype))
        )
        return (states + self.dropout(residual.view_as(states)),), ()

    def no_events(self) -> None:
        """What `read_next` starts from."""
        return

    def read_next(self, states: torch.Tensor, earlier: Any) -> tuple[torch.Tensor, Any]:
        """Encode the next events of histories; see `XCatTransformerEncoder.read_next`."""
        output, after = self.recurrent(self.norm(states), earlier)
        return states + self.dropout(output), after

    def forget_after(self, earlier: Any, events: int) -> None:
        """None: the state after fewer events is not kept."""

    def _encode_rows(self, normed: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The same for one history per row; no shape depends on values, as an exported graph requires."""
        order = (~mask).long().argsort(dim=1, stable=True)[..., None].expand_as(normed)  # events first
        output, _ = self.recurrent(normed.gather(1, order))
        residual = torch.zeros_like(output).scatter(1, order, output)
        return residual * mask[..., None].to(residual.dtype)


def build_behavior_encoder(config: XCatConfig) -> nn.Module | None:
    """Make the encoder named by `config.behavior_encoder`; None without layers."""
    if config.num_behavior_layers == 0:
        return None
    return BEHAVIOR_ENCODERS.find(config.behavior_encoder)(config)
