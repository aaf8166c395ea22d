"""Hash of a catalogue, by which a model and a processor recognise each other. It travels with a checkpoint."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from .vocabulary import VOCABULARY_FILE, ItemVocabulary

CONFIG_FILE = "config.json"


def catalogue_digest(vocabulary: ItemVocabulary) -> str:
    """SHA-256 of the item ids in their order: what a model's rows mean.

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
        config: What config.json holds; nothing if there is none, as beside an adapter.
        processor: What processor_config.json holds.
        vocabulary: The catalogue.
        name: What to call the checkpoint.

    Raises:
        ValueError: If one of them was saved with another catalogue. Those that were saved without a digest pass.
    """
    found = catalogue_digest(vocabulary)
    for file, settings in ((CONFIG_FILE, config), ("processor_config.json", processor)):
        wanted = settings.get("catalogue_digest")
        if wanted is not None and wanted != found:
            raise ValueError(
                f"{name}: {file} was saved with another catalogue than {VOCABULARY_FILE}, so its items would be taken "
                "for others; save model and processor of one training again, into a new folder or repository"
            )
