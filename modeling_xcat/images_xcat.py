"""Images of items: a pretrained vision encoder with whitening, and the vectors of the catalogue's images."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import AutoModel
from transformers.activations import ACT2FN

from .configuration_xcat import XCatConfig
from .text_xcat import shrinkage


def pooled_image(output: Any) -> torch.Tensor:
    """One vector per image, (images, width), from the output of a vision encoder.

    Args:
        output: Output with `pooler_output`, or with a `last_hidden_state` whose mean is taken: (images, tokens, width)
            or, of a convolutional encoder, (images, width, rows, columns).

    Raises:
        ValueError: If it has neither.
    """
    pooled = getattr(output, "pooler_output", None)
    if pooled is not None:
        vectors: torch.Tensor = pooled.flatten(1)
        return vectors
    states: torch.Tensor | None = getattr(output, "last_hidden_state", None)
    if states is None:
        raise ValueError(
            f"the vision encoder returns {type(output).__name__}, which has neither pooler_output nor "
            "last_hidden_state; give another image_encoder, or a column of vectors"
        )
    return states.flatten(2).mean(2) if states.ndim == 4 else states.mean(1)


class XCatImageEncoder(nn.Module):
    """A pretrained vision encoder, which is never trained here, and whitening fitted to the catalogue's images.

    Whitening keeps the `image_dim` directions with the most variance among the catalogue's images.
    """

    mean: torch.Tensor
    whitening: torch.Tensor

    def __init__(self, config: XCatConfig) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(config.image_encoder_dim))
        self.register_buffer("whitening", torch.zeros(config.image_encoder_dim, config.image_dim))
        self.encoder = AutoModel.from_config(config.image_config) if config.image_config is not None else None
        self.freeze()

    def freeze(self) -> None:
        """Exclude the encoder from training."""
        if self.encoder is not None:
            self.encoder.requires_grad_(False)

    def train(self, mode: bool = True) -> XCatImageEncoder:
        """Set the mode; the encoder stays in evaluation mode."""
        super().train(mode)
        if self.encoder is not None:
            self.encoder.eval()
        return self

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Encode images, without whitening.

        Args:
            pixel_values: (images, channels, height, width), as the encoder's image processor makes them.

        Returns:
            (images, image_encoder_dim) vectors.

        Raises:
            ValueError: If the model has no vision encoder.
        """
        if self.encoder is None:
            raise ValueError("this model has no vision encoder (image_config is None); give vectors of images instead")
        return pooled_image(self.encoder(pixel_values=pixel_values))

    def whiten(self, vectors: torch.Tensor) -> torch.Tensor:
        """Whiten (images, image_encoder_dim) vectors to (images, image_dim)."""
        return (vectors - self.mean) @ self.whitening


class XCatItemImages(nn.Module):
    """The images of the catalogue: whitened vectors, stored once per distinct image, and their projection.

    Attributes:
        states: (num_images, image_dim) whitened vectors; number 0 is no image.
        index: (item rows, images_per_item) image numbers of every item, 0 for none.
    """

    states: torch.Tensor
    index: torch.Tensor

    def __init__(self, config: XCatConfig) -> None:
        super().__init__()
        self.register_buffer("states", torch.zeros(config.num_images, config.image_dim))
        self.register_buffer("index", torch.zeros(config.num_item_rows, config.images_per_item, dtype=torch.long))
        self.expand = nn.Linear(config.image_dim, 2 * config.hidden_size)
        self.activation = ACT2FN[config.hidden_act]
        self.contract = nn.Linear(2 * config.hidden_size, config.hidden_size)

    def has_image(self, rows: torch.Tensor | None = None) -> torch.Tensor:
        """(items,) True for items with an image; rows None for all."""
        return (self.index if rows is None else self.index[rows]).gt(0).any(-1)

    def pooled(self, rows: torch.Tensor | None = None) -> torch.Tensor:
        """(items, image_dim) means over the images of items, zeros for items without one; rows None for all."""
        index = self.index if rows is None else self.index[rows]
        if index.shape[-1] == 1:
            return self.states[index[:, 0]]  # number 0 is zeros
        counts = index.gt(0).sum(-1, keepdim=True).clamp(min=1)
        return self.states[index].sum(1) / counts

    def forward(self, rows: torch.Tensor | None = None) -> torch.Tensor:
        """Project the pooled images of items: (items, hidden), zeros for items without an image.

        Args:
            rows: (items,) item indices; None for all.
        """
        projected: torch.Tensor = self.contract(self.activation(self.expand(self.pooled(rows))))
        return projected * self.has_image(rows)[:, None].to(projected.dtype)


def fit_image_whitening(vectors: torch.Tensor, size: int, floor: float = 0.01) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and whitening matrix of the directions with the most variance; with all of them, as for texts.

    Args:
        vectors: (images, width), one per distinct image.
        size: Number of directions to keep, at most the width. Directions beyond the number of images are zeros.
        floor: As for `shrinkage`.

    Returns:
        (width,) mean and (width, size) matrix.

    Example:
        >>> mean, matrix = fit_image_whitening(torch.tensor([[0.0, 1.0], [8.0, 1.0]]), 1, floor=0.0)
        >>> mean.tolist(), round(float(((torch.tensor([[8.0, 1.0]]) - mean) @ matrix).abs()), 3)
        ([4.0, 1.0], 0.577)
    """
    mean = vectors.mean(0)
    centred = (vectors - mean).double()
    _, spreads, directions = torch.linalg.svd(centred, full_matrices=False)
    kept = min(size, int((spreads > spreads.max().clamp(min=1e-12) * 1e-6).sum())) if len(spreads) else 0
    matrix = torch.zeros(vectors.shape[1], size, dtype=torch.float64)
    if kept:
        variances = spreads**2 / max(1, len(vectors) - 1)
        width = vectors.shape[1]
        added = shrinkage(len(vectors), width, floor) * variances.sum() / width
        matrix[:, :kept] = directions[:kept].T / (variances[:kept] + added).sqrt()
    return mean, matrix.to(vectors.dtype)
