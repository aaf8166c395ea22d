"""Text embeddings with a cache on disk, addressed by content and safe to interrupt."""

from __future__ import annotations

import hashlib
import logging
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from ..masking import mask
from ..progress import stage

logger = logging.getLogger(__name__)

_SHARD_TEXTS = 1024


def encode_texts(
    texts: Sequence[str],
    encode_batch: Callable[[list[str]], np.ndarray],
    *,
    cache_key: str,
    cache_dir: Path | None = None,
    batch_size: int = 64,
    progress: bool = True,
) -> np.ndarray:
    """Encode texts: each distinct text once, and only texts that are not cached.

    Shards are written atomically, so an interrupted run resumes.

    Args:
        texts: Texts.
        encode_batch: Encodes a batch of texts to (batch, tokens, width) states.
        cache_key: Identifies everything else that determines the states: encoder, pooling, precision.
        cache_dir: Folder of the cache; None for `XCAT_CACHE`, or `xcat_rec/text-states` in the cache of the hub.
        batch_size: Texts per batch.
        progress: Whether to report progress (`show_progress`).

    Returns:
        (texts, tokens, width) float32 states.

    Raises:
        ValueError: If there are no texts, or the states of a batch are not finite or differ in shape.
    """
    if not texts:
        raise ValueError("there are no texts to encode; give at least one")
    folder = (cache_dir or default_cache()) / hashlib.sha256(cache_key.encode()).hexdigest()[:24]
    distinct = list(dict.fromkeys(texts))
    keys = {text: hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() for text in distinct}
    wanted = set(keys.values())
    known = {key: states for key, states in _cached_states(folder) if key in wanted}
    missing = sorted((text for text in distinct if keys[text] not in known), key=len, reverse=True)
    with stage("encoding texts", len(missing), "texts", shown=progress) as running:
        for start in range(0, len(missing), _SHARD_TEXTS):
            shard = missing[start : start + _SHARD_TEXTS]
            parts = []
            for first in range(0, len(shard), batch_size):
                batch = shard[first : first + batch_size]
                parts.append(_checked(encode_batch(batch), batch))
                running.advance(len(batch))
            states = np.concatenate(parts)
            _write_shard(folder, [keys[text] for text in shard], states)
            known.update(zip((keys[text] for text in shard), states, strict=True))
    return np.stack([known[keys[text]] for text in texts])


def default_cache() -> Path:
    """Default folder of cached text states."""
    from huggingface_hub import constants

    named = os.environ.get("XCAT_CACHE")
    return Path(named) if named else Path(constants.HF_HOME) / "xcat_rec" / "text-states"


def _checked(states: np.ndarray, batch: list[str]) -> np.ndarray:
    found = np.asarray(states, dtype=np.float32)
    if found.ndim != 3 or len(found) != len(batch):
        raise ValueError(f"{len(batch)} texts have states of shape {found.shape}; give (texts, tokens, width)")
    broken = ~np.isfinite(found).all(axis=(1, 2))
    if broken.any():
        example = mask(batch[int(broken.argmax())])  # it may be a review
        raise ValueError(f"{broken.sum()} of {len(batch)} texts have states that are not finite: {example!r} (masked)")
    return found


def _cached_states(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    for file in sorted(folder.glob("*.npz")):
        try:
            with np.load(file, allow_pickle=False) as shard:
                keys, states = shard["keys"].tolist(), shard["states"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            logger.warning("text states in %s cannot be read and are computed again: %s", file, error)
            continue
        yield from zip(keys, states, strict=True)


def _write_shard(folder: Path, keys: list[str], states: np.ndarray) -> None:
    name = hashlib.sha256("".join(keys).encode()).hexdigest()[:24]
    unfinished = folder / f"{name}.{os.getpid()}.unfinished"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as sink:
            np.savez(sink, keys=np.array(keys), states=states)
        os.replace(unfinished, folder / f"{name}.npz")
    except OSError as error:
        logger.warning("text states are not cached: %s; set XCAT_CACHE to a folder that can be written", error)
