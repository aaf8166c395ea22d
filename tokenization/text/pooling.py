"""Pooling and prompts of a text encoder: from its sentence-transformers files, else from its family."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers.utils import cached_file

from ...modeling_xcat.limits_xcat import TEXT_POOLINGS

_OLD_FLAGS = {
    "pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls", "pooling_mode_max_tokens": "max",
    "pooling_mode_lasttoken": "lasttoken", "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
}  # fmt: skip
_PROMPT_NAMES = {True: ("query",), False: ("document", "passage", "corpus")}
"""Names of prompts in sentence-transformers, for queries and for other texts."""


@dataclass(frozen=True)
class PoolingSettings:
    """Pooling of token states, as configured in a model folder.

    Args:
        mode: One of `TEXT_POOLINGS`.
        normalize: Whether states are normalised to unit length.
        max_tokens: Tokens read per text, or None if the folder has no limit.
        prompt: Text to prepend to each text.
    """

    mode: str = "mean"
    normalize: bool = False
    max_tokens: int | None = None
    prompt: str = ""


@dataclass(frozen=True)
class _Family:
    """Encoders that were trained alike, by a pattern of their names."""

    pattern: str
    mode: str
    query_prompt: str = ""
    prompt: str = ""


_FAMILIES = (
    _Family(r"\be5\b.*instruct", "mean", "Instruct: Retrieve products that match the query\nQuery: "),
    _Family(r"\be5\b", "mean", "query: ", "passage: "),
    _Family(r"\bbge-m3\b", "cls"),
    _Family(r"\bbge\b.*\bzh\b", "cls", "为这个句子生成表示以用于检索相关文章："),
    _Family(r"\bbge\b.*\ben\b", "cls", "Represent this sentence for searching relevant passages: "),
    _Family(r"\bgte\b.*(\bzh\b|\bv1\.5\b|\bmultilingual\b)", "cls"),
)
"""The first match counts. Other encoders, such as MiniLM and the first English gte, have mean pooling and no prompts.
The prompts are those of the authors' model cards.
"""


def read_pooling(encoder: str | Path, name: str | None = None, *, query: bool = False) -> PoolingSettings:
    """Pooling and prompt of a text encoder.

    Files of sentence-transformers (`modules.json`) take precedence over the encoder's family, and the family over mean
    pooling without a prompt. An empty prompt in a file counts as missing, because sentence-transformers writes empty
    prompts by default.

    Args:
        encoder: Folder or hub id.
        name: Hub id of an encoder that is read from a folder; None if there is none.
        query: Whether the prompt is for queries; otherwise it is for items and reviews.

    Raises:
        ValueError: If the encoder uses an unknown pooling or module.
    """
    family = _family_of(encoder, name)
    modules = _json(encoder, "modules.json", [])
    mode, normalize, limit = family.mode, False, None
    for module in modules:
        kind, path = str(module["type"]).rsplit(".", 1)[-1], str(module["path"])
        if kind == "Transformer":
            file = "sentence_bert_config.json"
            limit = _json(encoder, f"{path}/{file}" if path else file, {}).get("max_seq_length")
        elif kind == "Pooling":
            mode = _pooling_mode(encoder, f"{path}/config.json")
        elif kind == "Normalize":
            normalize = True
        else:
            raise ValueError(f"{encoder}: module {kind} is not supported; use Transformer, Pooling and Normalize")
    settings = _json(encoder, "config_sentence_transformers.json", {}) if modules else {}
    prompts = settings.get("prompts") or {}
    named = [prompts.get(role) for role in (*_PROMPT_NAMES[query], settings.get("default_prompt_name") or "")]
    prompt = next(filter(None, named), family.query_prompt if query else family.prompt)
    return PoolingSettings(mode, normalize, limit, prompt)


def _family_of(encoder: str | Path, name: str | None) -> _Family:
    """Family by name: the hub id, the folder's name, its repository in the hub's cache, or the encoder's origin."""
    parts = Path(encoder).parts
    cached = [part.rsplit("--", 1)[-1] for part in parts if part.startswith("models--")]
    origin = _json(encoder, "config.json", {}).get("_name_or_path") or ""
    for known in (*filter(None, [name]), *parts[-1:], *cached, origin):
        words = Path(known).name.lower().replace("_", "-")
        for family in _FAMILIES:
            if re.search(family.pattern, words):
                return family
    return _Family("", "mean")


def _pooling_mode(encoder: str | Path, file: str) -> str:
    settings = _json(encoder, file, {})
    named = settings.get("pooling_mode")
    modes = [named] if isinstance(named, str) else [m for flag, m in _OLD_FLAGS.items() if settings.get(flag)]
    if len(modes) != 1 or modes[0] not in TEXT_POOLINGS:
        asked = ", ".join(map(str, modes)) or "none"
        raise ValueError(
            f"{encoder}/{file}: pooling {asked} is not supported; it must be one of {', '.join(TEXT_POOLINGS)}"
        )
    return str(modes[0])


def _json(encoder: str | Path, file: str, otherwise: Any) -> Any:
    """Content of a JSON file of a folder or repository; a repository's comes from the cache or the hub."""
    path = cached_file(
        str(encoder), file, _raise_exceptions_for_gated_repo=False, _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )  # fmt: skip
    return otherwise if path is None else json.loads(Path(path).read_text(encoding="utf-8"))
