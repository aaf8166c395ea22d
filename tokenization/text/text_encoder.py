"""A text encoder from any folder: an AutoModel, or a sentence-transformers model with its own pooling."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

from ...modeling_xcat.limits_xcat import TEXT_POOLINGS
from ...modeling_xcat.text_xcat import pool_tokens
from ..progress import quiet_transformers
from .embedding_cache import encode_texts
from .pooling import PoolingSettings, read_pooling

_BATCH_TOKENS = 1024


class TextEncoder:
    """Texts to (texts, tokens, width) float32 states.

    Texts of similar length share a batch of a constant number of tokens, so that hardly any arithmetic goes into
    padding.

    Args:
        model: A transformer with `last_hidden_state`.
        tokenizer: Its tokenizer.
        pooling: Pooling of token states.
        tokens: States per text: 1 is the pooled state; n > 1 adds n - 1 means over consecutive spans of its tokens.
        max_tokens: Tokens read per text; None for the folder's limit, else the model's.
        bf16: Whether products run in bfloat16, for machines where this is faster.
        name: Name of the weights in the cache; None for their hash.

    Raises:
        ValueError: If the pooling is unknown, or `tokens` is below 1.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        tokenizer: Any,
        pooling: PoolingSettings | None = None,
        *,
        tokens: int = 1,
        max_tokens: int | None = None,
        bf16: bool = False,
        name: str | None = None,
    ) -> None:
        self.pooling = pooling or PoolingSettings()
        if self.pooling.mode not in TEXT_POOLINGS:
            raise ValueError(f"pooling is {self.pooling.mode!r}; give one of {', '.join(TEXT_POOLINGS)}")
        if tokens < 1:
            raise ValueError(f"tokens is {tokens}; give at least 1 state per text")
        self.name = name or weights_digest(model)
        # Copied to bfloat16: autocast would cast every weight again for every batch.
        self.model = (copy.deepcopy(model).to(torch.bfloat16) if bf16 else model).eval()
        self.tokenizer, self.tokens, self.bf16 = tokenizer, tokens, bf16
        config: Any = model.config
        limits = (max_tokens or self.pooling.max_tokens, getattr(config, "max_position_embeddings", None), 512)
        self.max_tokens = next(int(limit) for limit in limits if limit)

    @classmethod
    def from_pretrained(cls, folder: str | Path, **options: Any) -> TextEncoder:
        """Load a folder or a cached hub id, with its own pooling.

        Args:
            folder: Argument of `AutoModel`; a sentence-transformers folder defines its own pooling.
            **options: As for the class.
        """
        pooling = options.pop("pooling", None) or read_pooling(folder)
        with quiet_transformers():
            model = AutoModel.from_pretrained(folder, dtype=torch.float32)
        return cls(model, AutoTokenizer.from_pretrained(folder), pooling, **options)

    @property
    def cache_key(self) -> str:
        """Key of everything besides the text that determines the states."""
        parts = (self.name, self.pooling, self.tokens, self.max_tokens, "bf16" if self.bf16 else "fp32")
        return "-".join(map(str, parts))

    def encode(self, texts: Sequence[str], cache_dir: Path | None = None, progress: bool = True) -> np.ndarray:
        """Encode with the cache on disk; see `encode_texts`."""
        return encode_texts(
            texts, self.encode_batch, cache_key=self.cache_key, cache_dir=cache_dir, batch_size=256, progress=progress
        )

    @torch.inference_mode()
    def encode_batch(self, texts: Sequence[str]) -> np.ndarray:
        """Encode any number of texts, without a cache: (texts, tokens, width) float32."""
        given = [self.pooling.prompt + text for text in texts]
        ids = self.tokenizer(
            given, truncation=True, max_length=self.max_tokens, return_attention_mask=False,
            return_token_type_ids=False, verbose=False,
        )["input_ids"]  # fmt: skip
        order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
        parts: list[torch.Tensor] = []
        device = next(self.model.parameters()).device
        for rows in _batches(order, [len(row) for row in ids]):
            tokens, mask = (part.to(device) for part in _padded([ids[row] for row in rows], self._padding))
            # Without padding no mask is needed, and attention has a faster kernel.
            states = self.model(input_ids=tokens, attention_mask=None if mask.all() else mask).last_hidden_state
            parts.append(self._pool(states.float(), mask).cpu())
        pooled = torch.cat(parts)
        found = torch.empty_like(pooled)
        found[torch.tensor(order)] = pooled
        return found.numpy()

    @property
    def _padding(self) -> int:
        return self.tokenizer.pad_token_id or 0

    def _pool(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        pooled, _ = pool_tokens(states, mask, self.tokens, self.pooling.mode)
        return torch.nn.functional.normalize(pooled, dim=-1) if self.pooling.normalize else pooled


def _batches(order: list[int], lengths: list[int]) -> Iterator[list[int]]:
    """Rows sorted by length, in batches of a constant number of tokens."""
    batch: list[int] = []
    for row in order:
        if batch and (len(batch) + 1) * lengths[row] > _BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _padded(rows: list[list[int]], padding: int) -> tuple[torch.Tensor, torch.Tensor]:
    lengths = np.array([len(row) for row in rows])
    mask = np.arange(max(1, lengths.max()))[None] < lengths[:, None]
    ids = np.full(mask.shape, padding, dtype=np.int64)
    ids[mask] = np.concatenate([np.asarray(row, dtype=np.int64) for row in rows])
    return torch.from_numpy(ids), torch.from_numpy(mask.astype(np.int64))


def weights_digest(model: torch.nn.Module) -> str:
    """A hash of the beginnings of all weights of an encoder."""
    digest = hashlib.sha256()
    for name, parameter in model.state_dict().items():
        digest.update(name.encode())
        digest.update(parameter.detach().float().cpu().flatten()[:4096].numpy().tobytes())
    return digest.hexdigest()[:16]
