"""Text encoding: a pretrained encoder, pooling to a few states per text, and whitening."""

from __future__ import annotations

import torch
from torch import nn
from transformers import AutoModel

from .configuration_xcat import XCatConfig


def pool_tokens(
    states: torch.Tensor, mask: torch.Tensor, tokens: int, pooling: str = "mean"
) -> tuple[torch.Tensor, torch.Tensor]:
    """Reduce token states to a fixed number of states per text.

    State 0 is pooled from all tokens. The others are means over consecutive spans of equal length; a text with fewer
    tokens than spans has one state per token.

    Args:
        states: (texts, length, width) token states.
        mask: (texts, length) 1 where there is a token; the tokens of a text are adjacent.
        tokens: States per text, 1 or more.
        pooling: Pooling of state 0: "mean", "cls" (first token), "max" or "lasttoken".

    Returns:
        (texts, tokens, width) states, zero where missing, and (texts, tokens) True for existing states.

    Example:
        >>> pooled, valid = pool_tokens(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([[1, 1, 0]]), 4)
        >>> pooled[0, :, 0].tolist(), valid[0].tolist()
        ([2.0, 1.0, 3.0, 0.0], [True, True, True, False])
    """
    mask = mask.bool()
    counts = mask.sum(1, keepdim=True)
    spans = tokens - 1
    slot = mask.long().cumsum(1) - 1
    slot = torch.where(counts > spans, slot * spans // counts.clamp(min=1), slot) + 1
    weights = torch.zeros(*mask.shape, tokens, dtype=states.dtype, device=states.device)
    if spans:
        weights.scatter_(2, (slot * mask)[..., None], 1.0)
    weights[..., 0] = 1.0
    weights = weights * mask[..., None].to(states.dtype)
    totals = weights.sum(1)
    pooled = torch.einsum("nlt,nlw->ntw", weights, states) / totals.clamp(min=1)[..., None]
    if pooling != "mean":
        pooled[:, 0] = torch.where(counts > 0, _one_state(states, mask, pooling), 0.0)
    return pooled, totals > 0


def _one_state(states: torch.Tensor, mask: torch.Tensor, pooling: str) -> torch.Tensor:
    """(texts, width) states by "cls", "lasttoken" or "max"; undefined for a text without tokens."""
    if pooling == "max":
        return states.masked_fill(~mask[..., None], -torch.inf).amax(1)
    place = mask.long().argmax(1)
    if pooling == "lasttoken":
        place = place + mask.sum(1).clamp(min=1) - 1
    return states[torch.arange(len(states), device=states.device), place]


class XCatTextEncoder(nn.Module):
    """A pretrained encoder with pooling, and whitening fitted to the catalogue.

    Whitening is (x - mean) @ whitening: PCA directions of the catalogue's texts, each brought to unit variance (Su et
    al. 2021), so that frequent topics do not hide the words that distinguish items.
    """

    mean: torch.Tensor
    whitening: torch.Tensor

    def __init__(self, config: XCatConfig) -> None:
        super().__init__()
        self.tokens, self.pooling = config.text_tokens_per_item, config.text_pooling
        self.frozen = config.freeze_text_encoder
        self.register_buffer("mean", torch.zeros(config.text_dim))
        self.register_buffer("whitening", torch.eye(config.text_dim))
        self.encoder = AutoModel.from_config(config.text_config) if config.text_config is not None else None
        self.freeze()

    def freeze(self) -> None:
        """Set whether the encoder's parameters are trained, by `frozen`; the unused pooler's never are."""
        if self.encoder is not None:
            self.encoder.requires_grad_(not self.frozen)
            if isinstance(pooler := getattr(self.encoder, "pooler", None), nn.Module):
                pooler.requires_grad_(False)

    def train(self, mode: bool = True) -> XCatTextEncoder:
        """Set the mode; the encoder stays in evaluation mode, because its output is combined with stored states."""
        super().train(mode)
        if self.encoder is not None:
            self.encoder.eval()
        return self

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode texts, without whitening.

        Args:
            input_ids: (texts, length) token ids.
            attention_mask: (texts, length) 1 where there is a token.

        Returns:
            (texts, tokens, text_dim) pooled states and (texts, tokens) True for existing states.

        Raises:
            ValueError: If the model has no text encoder.
        """
        if self.encoder is None:
            raise ValueError("this model has no text encoder (text_config is None); give text states instead")
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return pool_tokens(states, attention_mask, self.tokens, self.pooling)

    def whiten(self, states: torch.Tensor) -> torch.Tensor:
        """Whiten (..., text_dim) states."""
        return (states - self.mean) @ self.whitening


def shrinkage(count: int, width: int, floor: float) -> float:
    """What whitening adds to every variance, as a share of the mean variance of all directions.

    With few vectors the variance of a direction is mostly chance: with no more vectors than dimensions, plain
    whitening makes all of them equally dissimilar. So the covariance is shrunk towards a multiple of the identity
    (Ledoit and Wolf, 2004), by the floor plus (width / count) squared.

    Args:
        count: Vectors that the whitening is fitted to.
        width: Their width.
        floor: Least share, so that directions without information are not amplified.

    Example:
        >>> shrinkage(4000, 400, 0.01), shrinkage(200, 400, 0.01)
        (0.020000000000000004, 4.01)
    """
    return floor + (width / max(1, count)) ** 2


def fit_whitening(states: torch.Tensor, floor: float = 0.01) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and PCA-whitening matrix of text states.

    Args:
        states: (texts, text_dim), one per item or one per distinct text.
        floor: As for `shrinkage`.

    Returns:
        (text_dim,) mean and (text_dim, text_dim) matrix.
    """
    mean = states.mean(0)
    centred = (states - mean).double()
    covariance = centred.T @ centred / max(1, len(states) - 1)
    variances, directions = torch.linalg.eigh(covariance)
    floor = shrinkage(len(states), states.shape[1], floor)
    variances = variances.clamp(min=0) + floor * variances.clamp(min=0).mean() + 1e-12
    return mean, (directions / variances.sqrt()).to(states.dtype)
