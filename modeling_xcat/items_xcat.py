"""Representation of items: text, id embedding and attributes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from transformers.activations import ACT2FN

from .configuration_xcat import NETWORK_FROM, RETURNS_FROM, XCatConfig
from .export_xcat import is_exporting
from .images_xcat import XCatItemImages

TEXT, IMAGE = 1, 2
"""Modalities of items."""
_RETURNS_PRIOR = 10
"""Prior strength, in events or repurchases, of the catalogue mean in the statistics of an item."""


def share_of_modality(config: XCatConfig) -> float:
    """Share of training in which an item with text and image has its text; its image likewise.

    A quarter of the training has both if `modality_dropout` is .5.

    Example:
        >>> pictured = XCatConfig(image_dim=8, image_encoder_dim=8, modality_dropout=0.5)
        >>> share_of_modality(XCatConfig()), share_of_modality(pictured)
        (1.0, 0.625)
    """
    share = config.modality_dropout if config.image_dim and config.use_text else 0.0
    return share / 2 + (1 - share) * (1 - share / 2)


class XCatTextAdaptor(nn.Module):
    """Linear, activation, linear: from whitened text states (..., text_dim) to (..., hidden)."""

    def __init__(self, config: XCatConfig) -> None:
        super().__init__()
        self.expand = nn.Linear(config.text_dim, 2 * config.hidden_size)
        self.activation = ACT2FN[config.hidden_act]
        self.contract = nn.Linear(2 * config.hidden_size, config.hidden_size)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Project (..., text_dim) to (..., hidden)."""
        output: torch.Tensor = self.contract(self.activation(self.expand(states)))
        return output


class XCatItemEncoder(nn.Module):
    """The item table: stores the catalogue and computes item representations.

    Whitened text states are stored once per distinct text. A cold item (`item_counts` 0) is represented by text,
    images and attributes alone, because its id embedding is not trained.

    Attributes:
        images: Images of the items, or None.
        step_modality: Modality that all items lose in this training step: 0, `TEXT` or `IMAGE`.
        category_values: (rows,) category of every row, 0 for none; used by the re-rankers only.
        return_counts: (rows,) repurchases of every item in training: events of users who had it before; for the
            re-ranker.
        return_gaps: (rows,) sum over repurchases of the logarithm of the number of events since the previous one.
        kept_texts: (texts, hidden) projected texts of the last full update, without gradients, for the training steps
            in between; None if the next step has to compute them.
    """

    text_states: torch.Tensor
    text_token_mask: torch.Tensor
    text_index: torch.Tensor
    feature_values: torch.Tensor
    category_values: torch.Tensor
    return_counts: torch.Tensor
    return_gaps: torch.Tensor
    item_counts: torch.Tensor

    def __init__(self, config: XCatConfig) -> None:
        super().__init__()
        self.config = config
        rows, features = config.num_item_rows, config.item_features or {}
        self.register_buffer("item_counts", torch.zeros(rows, dtype=torch.long))
        self.register_buffer("feature_values", torch.zeros(rows, len(features), dtype=torch.long))
        if (config.num_candidates and config.format_version >= NETWORK_FROM) or config.has_discovery_ranker:
            self.register_buffer("category_values", torch.zeros(rows, dtype=torch.int32))
        if config.num_candidates and config.format_version >= RETURNS_FROM:
            self.register_buffer("return_counts", torch.zeros(rows, dtype=torch.long))
            self.register_buffer("return_gaps", torch.zeros(rows))
        if config.use_text:
            tokens = config.text_tokens_per_item
            self.register_buffer("text_states", torch.zeros(config.num_texts, tokens, config.text_dim))
            self.register_buffer("text_token_mask", torch.zeros(config.num_texts, tokens, dtype=torch.bool))
            self.register_buffer("text_index", torch.zeros(rows, dtype=torch.long))
            self.adaptor = XCatTextAdaptor(config)
        self.images = XCatItemImages(config) if config.image_dim else None
        self.step_modality = 0
        if config.use_item_ids:
            self.id_embeddings = nn.Embedding(rows, config.hidden_size, padding_idx=0)
        self._fresh: tuple[torch.Tensor, torch.Tensor] | None = None
        self.kept_texts: torch.Tensor | None = None
        self.feature_embeddings = nn.ModuleList(nn.Embedding(size, config.hidden_size) for size in features.values())

    @property
    def neftune_noise_alpha(self) -> float:
        """Not there: the noise of `Trainer` is for embeddings of tokens, and this module has the place of those."""
        raise AttributeError("neftune_noise_alpha")

    @neftune_noise_alpha.setter
    def neftune_noise_alpha(self, value: float) -> None:
        raise ValueError(
            f"neftune_noise_alpha is {value}; leave it out: this model embeds items and no tokens, and id_dropout of "
            "XCatConfig is its noise"
        )

    def forward(self, rows: torch.Tensor | None = None, learning: torch.Tensor | None = None) -> torch.Tensor:
        """Represent items.

        Args:
            rows: (items,) item indices; None for all.
            learning: (items,) item indices whose texts are projected again, while the others come from `kept_texts`,
                if it is set; None for all. Only for the whole table.

        Returns:
            (items, hidden) representations, before any normalisation.
        """
        parts = []
        dropped = self._dropped_modalities(rows)
        if self.config.use_text:
            index = self.text_index if rows is None else self.text_index[rows]
            if dropped is not None:
                index = index.masked_fill(dropped.eq(TEXT), 0)  # the empty text
            parts.append(self._text_part(rows, index) if learning is None else self._partly_kept(learning, index))
        if self.images is not None:
            image: torch.Tensor = self.images(rows)
            parts.append(image if dropped is None else image.masked_fill(dropped.eq(IMAGE)[:, None], 0))
        if self.config.use_item_ids:
            parts.append(self._id_part(rows))
        values = self.feature_values if rows is None else self.feature_values[rows]
        parts.extend(embed(values[:, i]) for i, embed in enumerate(self.feature_embeddings))
        total = parts[0].to(parts[-1].dtype)  # a sum of two dtypes is slow
        for part in parts[1:]:
            total = total + part
        return total

    def _dropped_modalities(self, rows: torch.Tensor | None) -> torch.Tensor | None:
        """(items,) modality that each item loses in this training step: 0, `TEXT` or `IMAGE`; None for no losses.

        Only items with both lose one.
        """
        share = self.config.modality_dropout
        if self.images is None or not (self.training and self.config.use_text and share):
            return None
        both = self.images.has_image(rows) & (self.text_index if rows is None else self.text_index[rows]).gt(0)
        if self.step_modality:
            return self.step_modality * both
        drawn = torch.rand(both.shape, device=both.device)
        return torch.where(drawn < share / 2, TEXT, torch.where(drawn < share, IMAGE, 0)) * both

    def draw_modality(self) -> None:
        """Choose the modality that all items lose in the next training step, if any; see `modality_dropout`."""
        share = self.config.modality_dropout if self.images is not None and self.training else 0.0
        drawn = float(torch.rand(())) if share else 1.0
        self.step_modality = TEXT if drawn < share / 2 else IMAGE if drawn < share else 0

    def keeps(self, item_ids: torch.Tensor, modality: int) -> torch.Tensor:
        """(rows, length) False for events whose memory tokens of a modality are dropped in this training step.

        Args:
            item_ids: (rows, length) item indices.
            modality: `TEXT` or `IMAGE`.
        """
        share = self.config.modality_dropout / 2 if self.training and self.images is not None else 0.0
        if share and self.step_modality:
            share = 1.0 if self.step_modality == modality else 0.0
        return torch.rand(item_ids.shape, device=item_ids.device) >= share

    def _text_part(self, rows: torch.Tensor | None, index: torch.Tensor) -> torch.Tensor:
        if rows is None:
            adapted: torch.Tensor = self.adaptor(self._states_of(None)[:, 0])
            return adapted.index_select(0, index)  # faster backward pass than indexing
        if is_exporting():
            alike: torch.Tensor = self.adaptor(self._states_of(index)[:, 0])
            return alike
        texts, inverse = torch.unique(index, return_inverse=True)
        adapted = self.adaptor(self._states_of(texts)[:, 0])
        return adapted[inverse]

    def _partly_kept(self, learning: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """The text part of the whole table, with gradients for the texts of some rows, or for all, stored."""
        if self.kept_texts is None:
            adapted: torch.Tensor = self.adaptor(self._states_of(None)[:, 0])
            self.kept_texts = adapted.detach()
        else:
            texts = torch.unique(self.text_index[learning])
            adapted = self.kept_texts.index_copy(0, texts, self.adaptor(self._states_of(texts)[:, 0]))
        return adapted.index_select(0, index)

    def _id_part(self, rows: torch.Tensor | None) -> torch.Tensor:
        embedded: torch.Tensor = self.id_embeddings.weight if rows is None else self.id_embeddings(rows)
        kept = (self.item_counts if rows is None else self.item_counts[rows]) > 0
        if self.training and self.config.id_dropout > 0:
            kept = kept & (torch.rand(kept.shape, device=kept.device) >= self.config.id_dropout)
        return embedded * kept[:, None].to(embedded.dtype)

    def user_counts(self) -> torch.Tensor:
        """(rows,) users with training events of each item; the number of events if repurchases are not counted."""
        counted = hasattr(self, "return_counts")
        return self.item_counts - self.return_counts if counted else self.item_counts.clone()

    def returns(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Repurchase share and gap of items.

        Args:
            rows: Item indices, of any shape.

        Returns:
            Share of an item's training events that were repurchases, and mean logarithm of the number of events until
            one, both shrunk towards the catalogue mean; shapes as of `rows`.
        """
        known, gaps = self.return_counts[rows].float(), self.return_gaps[rows].float()
        total = self.return_counts.sum().float()
        mean_share = total / self.item_counts.sum().clamp(min=1)
        mean_gap = self.return_gaps.sum(dtype=torch.float32) / total.clamp(min=1)
        share = (known + _RETURNS_PRIOR * mean_share) / (self.item_counts[rows] + _RETURNS_PRIOR)
        return share, (gaps + _RETURNS_PRIOR * mean_gap) / (known + _RETURNS_PRIOR)

    def history_text(self, item_ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Text states of the items of histories.

        Args:
            item_ids: (rows, length) item indices.

        Returns:
            (rows, length, tokens, text_dim) states and (rows, length, tokens) True for existing states.
        """
        index = self.text_index[item_ids]
        return self._states_of(index), self.text_token_mask[index]

    @contextmanager
    def fresh_texts(self, numbers: torch.Tensor, states: torch.Tensor) -> Iterator[None]:
        """Within it, newly encoded texts replace their stored states, with gradients; they are stored too.

        Args:
            numbers: (texts,) numbers of distinct texts, as in `text_index`.
            states: (texts, tokens, text_dim) whitened states.
        """
        states = states.to(self.text_states.dtype)
        self.text_states[numbers] = states.detach()
        self.kept_texts = None
        place = torch.full((len(self.text_states),), -1, device=numbers.device)
        place[numbers] = torch.arange(len(numbers), device=numbers.device)
        self._fresh = place, states
        try:
            yield
        finally:
            self._fresh = None

    def _states_of(self, texts: torch.Tensor | None) -> torch.Tensor:
        kept = self.text_states if texts is None else self.text_states[texts]
        if self._fresh is None:
            return kept
        place, states = self._fresh
        place = place if texts is None else place[texts]
        there = (place >= 0).nonzero(as_tuple=True)
        return kept.index_put(there, states[place[there]])


@dataclass(frozen=True)
class SomeItems:
    """Embeddings of some items, looked up by item index like a table of all.

    Args:
        rows: (items,) ascending item indices.
        values: (items, hidden) their embeddings.
        size: Number of item rows.
    """

    rows: torch.Tensor
    values: torch.Tensor
    size: int

    def __getitem__(self, index: torch.Tensor) -> torch.Tensor:
        """Embeddings of item indices of any shape; 0 for row 0 and for items that are not among them."""
        place = torch.searchsorted(self.rows, index.long().contiguous()).clamp(max=max(0, len(self.rows) - 1))
        found: torch.Tensor = self.values[place] * (self.rows[place] == index)[..., None]
        return found

    def __len__(self) -> int:
        return self.size
