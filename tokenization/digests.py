"""Fingerprint (hash) of a catalogue, which shows that a model and a processor fit. It is saved with a checkpoint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from transformers.utils import cached_file

from .vocabulary import VOCABULARY_FILE, ItemVocabulary

CONFIG_FILE = "config.json"


def catalogue_digest(vocabulary: ItemVocabulary) -> str:
    """SHA-256 of the item ids in their order, that is, of the meaning of a model's item indices.

    Example:
        >>> import pyarrow as pa
        >>> one, other = (ItemVocabulary(pa.table({"item_id": ids})) for ids in (["a", "bc"], ["ab", "c"]))
        >>> catalogue_digest(one)[:8], catalogue_digest(one) == catalogue_digest(other)
        ('2b13b349', False)
    """
    ids = vocabulary.column("item_id")
    chunks = []
    for chunk in ids.chunks:
        _, offsets, content = chunk.buffers()
        if len(chunk):
            ends = np.frombuffer(offsets, np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
            chunks.append((ends, content))
    digest = hashlib.sha256()
    for ends, _ in chunks:
        digest.update(np.diff(ends).astype("<i4").tobytes())
    for ends, content in chunks:
        if content is not None:
            digest.update(memoryview(content)[ends[0] : ends[-1]])
    return digest.hexdigest()


def check_digests(
    config: Mapping[str, Any], processor: Mapping[str, Any], vocabulary: ItemVocabulary, name: str
) -> None:
    """Refuse a model and a processor that were not saved together.

    Args:
        config: Content of config.json; empty if there is none, as for an adapter.
        processor: Content of processor_config.json.
        vocabulary: The catalogue.
        name: Name of the checkpoint in messages.

    Raises:
        ValueError: If one of them was saved with another catalogue. Checkpoints without a fingerprint pass.
    """
    found = catalogue_digest(vocabulary)
    for file, settings in ((CONFIG_FILE, config), ("processor_config.json", processor)):
        wanted = settings.get("catalogue_digest")
        if wanted is not None and wanted != found:
            raise ValueError(
                f"{name}: {file} was saved with another catalogue than {VOCABULARY_FILE}, so item indices would have "
                "other meanings; save model and processor of one training again, into a new folder or repository"
            )


def read_settings(name: str, file: str, hub: dict[str, Any]) -> dict[str, Any]:
    """Content of a settings file beside a processor; empty if there is none."""
    path = cached_file(
        name, file, _raise_exceptions_for_missing_entries=False, _raise_exceptions_for_connection_errors=False, **hub
    )
    if path is None:
        return {}
    settings: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return settings
