"""Embeddings of texts and images with a cache on disk, addressed by content and safe to interrupt."""

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

_SHARD_SIZE = 1024
"""States per file."""


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
    keys = {text: hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() for text in dict.fromkeys(texts)}
    text_of = {key: text for text, key in keys.items()}

    def compute(batch: list[str]) -> dict[str, np.ndarray]:
        given = [text_of[key] for key in batch]
        return dict(zip(batch, _checked(encode_batch(given), given), strict=True))

    ordered = sorted(text_of, key=lambda key: len(text_of[key]), reverse=True)
    folder = cache_folder(cache_key, cache_dir)
    known = cached_states(ordered, compute, folder, unit="texts", batch_size=batch_size, progress=progress)
    return np.stack([known[keys[text]] for text in texts])


def cached_states(
    keys: Sequence[str],
    compute: Callable[[list[str]], dict[str, np.ndarray]],
    folder: Path,
    *,
    unit: str,
    batch_size: int,
    shard_size: int | None = None,
    progress: bool = True,
) -> dict[str, np.ndarray]:
    """States by key: cached ones, and computed ones, which are then cached.

    Args:
        keys: Distinct keys, in the order in which missing states are computed.
        compute: States of a batch of keys, all of one shape; keys that it leaves out are not cached.
        folder: Folder of the cache, as `cache_folder` names it.
        unit: What is encoded, in the plural, such as "texts".
        batch_size: Keys per batch.
        shard_size: Keys per file, which is written when they are computed; None for 1,024.
        progress: Whether to report progress (`show_progress`).
    """
    wanted, shard_size = set(keys), shard_size or _SHARD_SIZE
    known = {key: states for key, states in _read_shards(folder) if key in wanted}
    missing = [key for key in keys if key not in known]
    with stage(f"encoding {unit}", len(missing), unit, shown=progress) as running:
        for start in range(0, len(missing), shard_size):
            shard: dict[str, np.ndarray] = {}
            for first in range(start, min(start + shard_size, len(missing)), batch_size):
                batch = missing[first : min(first + batch_size, start + shard_size)]
                shard.update(compute(batch))
                running.advance(len(batch))
            if shard:
                _write_shard(folder, list(shard), np.stack(list(shard.values())))
            known.update(shard)
    return known


def cache_folder(cache_key: str, cache_dir: Path | None = None) -> Path:
    """Folder with the states of one encoder.

    Args:
        cache_key: Identifies everything but the content that determines the states.
        cache_dir: Folder of the cache; None for `default_cache`.
    """
    return (cache_dir or default_cache()) / hashlib.sha256(cache_key.encode()).hexdigest()[:24]


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


def _read_shards(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    for file in sorted(folder.glob("*.npz")):
        try:
            with np.load(file, allow_pickle=False) as shard:
                keys, states = shard["keys"].tolist(), shard["states"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            logger.warning("states in %s cannot be read and are computed again: %s", file, error)
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
        logger.warning("states are not cached: %s; set XCAT_CACHE to a folder that can be written", error)
