"""Vectors of the images of items, read from a column of the items table."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ...counting import counted, counted_of
from ..tables.values import columns_with_values
from ..text.embedding_cache import cache_folder, cached_states
from .decoding import decode_image
from .fetching import ImageError, ImageFetcher, is_address
from .image_encoder import ImageEncoder, load_image_encoder
from .image_options import ImageOptions
from .references import Reference, holds_vectors, references_of, spread, vectors_of

_BATCH, _SHARD, _DOWNLOADS = 16, 256, 8
_SHOWN, _LONGEST = 3, 80


@dataclass(frozen=True)
class UnreadImage:
    """An image that could not be read.

    Args:
        row: Row of the items table, from 1 without the header.
        item_id: The item.
        value: The file or address; empty for bytes.
        reason: Why, in a few words.
    """

    row: int
    item_id: str
    value: str
    reason: str

    def __str__(self) -> str:
        value = f"{self.value[:_LONGEST]}..." if len(self.value) > _LONGEST else self.value
        return f"row {self.row:,} ({self.item_id}) {value!r}: {self.reason}"


@dataclass(frozen=True)
class ItemImages:
    """Vectors of the images of items.

    Args:
        column: Column of the items table.
        item_ids: Ids of the items, one per line of `index`.
        vectors: (images, width) float32, one per distinct image, not whitened.
        index: (items, frames) places in `vectors` from 1, the first images first; 0 for none.
        unread: Images that could not be read, in the order of the table.
        encoder: The encoder; None for vectors of the column.
        notes: Notes that were made when the images were read earlier.
    """

    column: str
    item_ids: list[str]
    vectors: np.ndarray = field(repr=False)
    index: np.ndarray = field(repr=False)
    unread: tuple[UnreadImage, ...] = ()
    encoder: ImageEncoder | None = None
    notes: tuple[str, ...] = ()

    @property
    def num_items(self) -> int:
        """Number of items with an image."""
        return int((self.index > 0).any(1).sum())

    def describe(self) -> list[str]:
        """Counts and failures, in sentences for the user."""
        if self.notes:
            return list(self.notes)
        told = [
            f"{counted_of(self.num_items, len(self.index), 'item', 'have')} an image in the column {self.column} "
            f"({counted(len(self.vectors), 'distinct image')})"
        ]
        if self.unread:
            shown = "; ".join(map(str, self.unread[:_SHOWN]))
            more = f"; and {len(self.unread) - _SHOWN:,} more" if len(self.unread) > _SHOWN else ""
            noun = "image" if len(self.unread) == 1 else "images"
            told.append(f"{len(self.unread):,} {noun} could not be read and left out: {shown}{more}")
        return told

    def rows_of(self, item_ids: Sequence[str], frames: int) -> np.ndarray:
        """(items, frames) of `index` for other items in another order; 0 for items that are not among these.

        Args:
            item_ids: Ids of the items.
            frames: Images per item; of more, evenly spread ones.
        """
        line = {name: number for number, name in enumerate(self.item_ids)}
        found = np.zeros((len(item_ids), frames), dtype=np.int64)
        for row, name in enumerate(item_ids):
            numbers = [n for n in self.index[line[name]].tolist() if n] if name in line else []
            kept = spread(numbers, frames)
            found[row, : len(kept)] = kept
        return found


def check_image_column(items: pl.DataFrame, column: str) -> None:
    """Refuse a column of images that the items table lacks.

    Raises:
        ValueError: If it does.
    """
    if column not in items.columns:
        known = ", ".join(columns_with_values(items))
        raise ValueError(f"images is {column!r}, which is not a column of the items table; it has {known}")


def read_item_images(
    items: pl.DataFrame,
    options: ImageOptions,
    folder: Path | None = None,
    *,
    encoder: Callable[[], ImageEncoder] | None = None,
    cache_dir: Path | None = None,
) -> ItemImages:
    """Read and encode the images of items.

    Files and bytes are cached by their content and addresses by themselves, so that a second run decodes and downloads
    nothing again.

    Args:
        items: The items table.
        options: The column, the encoder and the limits.
        folder: Folder that files are relative to; None for the working folder.
        encoder: Gives the encoder, if the column has no vectors; None to load that of the options.
        cache_dir: Where vectors are cached; None for the user's cache.

    Raises:
        ValueError: If the table lacks the column, or no image could be read.
        MissingExtraError: If a package of the extra `images` is not installed.
        OSError: If there is no such encoder.
    """
    column = str(options.images)
    check_image_column(items, column)
    ids = items["item_id"].to_list()
    if holds_vectors(items[column]):
        named = encoder is None and options.image_encoder is not None
        loaded = load_image_encoder(options.image_encoder) if named else None
        return _of_vectors(column, ids, vectors_of(items[column]), options.image_frames, loaded)
    references = [spread(row, options.image_frames) for row in references_of(items[column])]
    if not any(references):
        raise ValueError(f"images is {column!r}, and no row of this column has an image; give another column")
    loaded = encoder() if encoder is not None else load_image_encoder(options.image_encoder)
    fetcher = ImageFetcher(folder or Path(), options.image_megabytes, options.image_timeout)
    found, reasons = _encoded([one for row in references for one in row], loaded, fetcher, cache_dir)
    unread = tuple(
        UnreadImage(row, ids[row - 1], one if isinstance(one, str) else "", reasons[one])
        for row, of_row in enumerate(references, start=1)
        for one in of_row
        if one in reasons
    )
    if not found:
        raise ValueError(
            f"images is {column!r}, and none of its {len(unread):,} images could be read: "
            f"{'; '.join(map(str, unread[:_SHOWN]))}"
        )
    images = _numbered(column, ids, [[one for one in row if one in found] for row in references], found, loaded)
    return ItemImages(column, ids, images.vectors, images.index, unread, loaded)


def _numbered(
    column: str,
    ids: list[str],
    references: list[list[Any]],
    vectors: Mapping[Any, np.ndarray],
    encoder: ImageEncoder | None,
) -> ItemImages:
    """Images numbered by the first row that has them."""
    number: dict[Any, int] = {}
    for one in (one for row in references for one in row):
        number.setdefault(one, len(number) + 1)
    index = np.zeros((len(ids), max([1, *map(len, references)])), dtype=np.int64)
    for row, of_row in enumerate(references):
        index[row, : len(of_row)] = [number[one] for one in of_row]
    return ItemImages(column, ids, np.stack([vectors[one] for one in number]), index, encoder=encoder)


def _of_vectors(
    column: str, ids: list[str], vectors: list[np.ndarray | None], frames: int, encoder: ImageEncoder | None
) -> ItemImages:
    found: dict[bytes, np.ndarray] = {}
    keys: list[list[bytes]] = []
    for of_row in vectors:
        kept = [] if of_row is None else spread(list(of_row), frames)
        keys.append([one.tobytes() for one in kept])
        found.update(zip(keys[-1], kept, strict=True))
    if not found:
        raise ValueError(f"images is {column!r}, and no row of this column has a vector; give another column")
    return _numbered(column, ids, keys, found, encoder)


def _encoded(
    references: list[Reference], encoder: ImageEncoder, fetcher: ImageFetcher, cache_dir: Path | None
) -> tuple[dict[Reference, np.ndarray], dict[Reference, str]]:
    """Vectors of the distinct references, and reasons of those that could not be read."""
    reasons: dict[Reference, str] = {}
    keys: dict[Reference, str] = {}
    for one in dict.fromkeys(references):
        try:
            keys[one] = _key(one, fetcher)
        except ImageError as error:
            reasons[one] = str(error)
    of_key: dict[str, Reference] = {}
    for one, key in keys.items():
        of_key.setdefault(key, one)

    def compute(batch: list[str]) -> dict[str, np.ndarray]:
        pictures = {}
        with ThreadPoolExecutor(_DOWNLOADS) as pool:
            contents = pool.map(lambda key: _content(of_key[key], fetcher), batch)
            for key, content in zip(batch, contents, strict=True):
                try:
                    if isinstance(content, ImageError):
                        raise content
                    pictures[key] = decode_image(content)
                except ImageError as error:
                    failed[key] = str(error)
        if not pictures:
            return {}
        return dict(zip(pictures, encoder.vectors(list(pictures.values())), strict=True))

    failed: dict[str, str] = {}
    folder = cache_folder(encoder.cache_key, cache_dir)
    found = cached_states(list(of_key), compute, folder, unit="images", batch_size=_BATCH, shard_size=_SHARD)
    reasons |= {one: failed[key] for one, key in keys.items() if key in failed}
    return {one: found[key] for one, key in keys.items() if key in found}, reasons


def _key(reference: Reference, fetcher: ImageFetcher) -> str:
    if isinstance(reference, str) and is_address(reference):
        return hashlib.sha256(f"address {reference}".encode()).hexdigest()
    return hashlib.sha256(fetcher.read(reference) if isinstance(reference, str) else reference).hexdigest()


def _content(reference: Reference, fetcher: ImageFetcher) -> bytes | ImageError:
    try:
        return fetcher.read(reference) if isinstance(reference, str) else reference
    except ImageError as error:
        return error
