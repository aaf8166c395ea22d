"""A text encoder from any folder: an AutoModel, or a sentence-transformers model with its own pooling."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

from ...modeling_xcat.text_xcat import pool_tokens
from .embedding_cache import encode_texts

POOLINGS = ("mean", "cls", "max", "lasttoken")
_OLD_FLAGS = {
    "pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls", "pooling_mode_max_tokens": "max",
    "pooling_mode_lasttoken": "lasttoken", "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
}  # fmt: skip
_BATCH_TOKENS = 1024


@dataclass(frozen=True)
class PoolingSettings:
    """Pooling of token states, as configured in a model folder.

    Args:
        mode: One of `POOLINGS`.
        normalize: Whether states are normalised to unit length.
        max_tokens: Tokens read per text, or None if the folder has no limit.
        prompt: Text to prepend to each text.
    """

    mode: str = "mean"
    normalize: bool = False
    max_tokens: int | None = None
    prompt: str = ""


def read_pooling(folder: str | Path) -> PoolingSettings:
    """Pooling of a sentence-transformers folder (`modules.json`); mean pooling for other folders.

    Raises:
        ValueError: If the folder uses an unknown pooling or module.
    """
    root = Path(folder)
    modules = _json(root / "modules.json", [])
    if not modules:
        return PoolingSettings()
    mode, normalize, limit = "mean", False, None
    for module in modules:
        kind, path = str(module["type"]).rsplit(".", 1)[-1], root / module["path"]
        if kind == "Transformer":
            settings = _json(path / "sentence_bert_config.json", _json(root / "sentence_bert_config.json", {}))
            limit = settings.get("max_seq_length")
        elif kind == "Pooling":
            mode = _pooling_mode(path / "config.json")
        elif kind == "Normalize":
            normalize = True
        else:
            raise ValueError(f"{root}: module {kind} is not supported; use Transformer, Pooling and Normalize")
    prompts = _json(root / "config_sentence_transformers.json", {})
    named = (prompts.get("prompts") or {}).get(prompts.get("default_prompt_name") or "", "")
    return PoolingSettings(mode, normalize, limit, named)


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
        if self.pooling.mode not in POOLINGS:
            raise ValueError(f"pooling is {self.pooling.mode!r}; give one of {', '.join(POOLINGS)}")
        if tokens < 1:
            raise ValueError(f"tokens is {tokens}; give at least 1 state per text")
        self.name = name or _digest(model)
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
        pooled, _ = pool_tokens(states, mask, self.tokens)
        mode = self.pooling.mode
        if mode == "cls":
            pooled[:, 0] = states[:, 0]
        elif mode == "lasttoken":
            pooled[:, 0] = states[torch.arange(len(states)), mask.sum(1).clamp(min=1) - 1]
        elif mode == "max":
            pooled[:, 0] = states.masked_fill(mask[..., None] == 0, -torch.inf).amax(1)
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


def _pooling_mode(file: Path) -> str:
    settings = _json(file, {})
    named = settings.get("pooling_mode")
    modes = [named] if isinstance(named, str) else [m for flag, m in _OLD_FLAGS.items() if settings.get(flag)]
    if len(modes) != 1 or modes[0] not in POOLINGS:
        asked = ", ".join(map(str, modes)) or "none"
        raise ValueError(f"{file}: pooling {asked} is not supported; it must be one of {', '.join(POOLINGS)}")
    return str(modes[0])


def _json(file: Path, otherwise: Any) -> Any:
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else otherwise


def _digest(model: torch.nn.Module) -> str:
    digest = hashlib.sha256()
    for name, parameter in model.state_dict().items():
        digest.update(name.encode())
        digest.update(parameter.detach().float().cpu().flatten()[:4096].numpy().tobytes())
    return digest.hexdigest()[:16]
