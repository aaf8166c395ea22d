"""Cache of splits: sequences of the same events and options are memory-mapped from disk."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import datasets
import polars as pl
from datasets.arrow_writer import ArrowWriter

from ..digests import catalogue_digest
from ..tables.schema import ShopTables
from ..vocabulary import ItemVocabulary

_FORMAT = 1
"""Version of the splits; raised if the same events would give other splits."""
_FOLDER = "xcat-splits"


def cached_splits(
    make: Callable[[], datasets.DatasetDict],
    shop: ShopTables,
    vocabulary: ItemVocabulary,
    settings: Mapping[str, Any],
    cache_dir: Path | None = None,
) -> datasets.DatasetDict:
    """Create splits, or load them from the cache.

    They are in the cache of `datasets`, memory-mapped, so results of `map` are cached beside them.
    `datasets.disable_caching()` switches the cache off.

    Args:
        make: Function that creates the splits.
        shop: The tables, with the selected events.
        vocabulary: The item vocabulary.
        settings: All other inputs of the splits, as JSON values.
        cache_dir: Folder of the cache; None for the cache of `datasets` (`HF_DATASETS_CACHE`).
    """
    if not datasets.is_caching_enabled():
        return make()
    root = Path(datasets.config.HF_DATASETS_CACHE) if cache_dir is None else cache_dir
    folder = root / _FOLDER / _fingerprint(shop, vocabulary, settings)
    if not folder.is_dir():
        _write(make(), folder)
    return _read(folder)


def _fingerprint(shop: ShopTables, vocabulary: ItemVocabulary, settings: Mapping[str, Any]) -> str:
    events = shop.events
    # Hashes of rows are stable only within a version of polars.
    names = [
        _FORMAT,
        pl.__version__,
        [(name, str(kind)) for name, kind in events.schema.items()],
        str(shop.made_split),
    ]
    told = json.dumps([*names, catalogue_digest(vocabulary), dict(settings)], sort_keys=True, default=str)
    digest = hashlib.sha256(told.encode())
    digest.update(events.hash_rows(seed=0).to_numpy().data)
    return digest.hexdigest()[:32]


def _write(splits: datasets.DatasetDict, folder: Path) -> None:
    """Write all splits or none; another process may do the same at this time."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = folder.with_name(f".unfinished-{uuid4().hex}")
    unfinished.mkdir()
    try:
        for name, rows in splits.items():
            with ArrowWriter(features=rows.features, path=str(unfinished / f"{name}.arrow")) as to:
                for batch in rows.with_format("arrow").iter(batch_size=10_000):
                    to.write_table(batch)
                to.finalize()
        os.rename(unfinished, folder)
    except OSError:
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _read(folder: Path) -> datasets.DatasetDict:
    return datasets.DatasetDict({
        name: datasets.Dataset.from_file(str(folder / f"{name}.arrow")) for name in ("train", "validation", "test")
    })  # fmt: skip
