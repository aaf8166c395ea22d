"""Vectors of the images of items in a prepared folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ..images.image_encoder import AUTO, ImageEncoder, load_image_encoder
from ..images.image_options import ImageOptions
from ..images.item_images import ItemImages, read_item_images
from ..images.lite0 import NAME
from ..vocabulary import ItemVocabulary

IMAGES_FILE = "images.parquet"


def prepare_images(output: Path, options: ImageOptions, folder: Path | None) -> dict[str, Any] | None:
    """Read, encode and write the images of a prepared folder's items.

    Args:
        output: The prepared folder, with its item vocabulary.
        options: The column, the encoder and the limits.
        folder: Folder that files are relative to; None for the working folder.

    Returns:
        Facts for the manifest; None without a column of images.

    Raises:
        ValueError: As `read_item_images`.
    """
    if options.images is None:
        return None
    items = pl.from_arrow(ItemVocabulary.load(output).table)
    assert isinstance(items, pl.DataFrame)
    images = read_item_images(items, options, folder)
    numbers = pl.Series("numbers", images.index.tolist(), dtype=pl.List(pl.Int64))
    vectors = pl.Series("vectors", images.vectors.tolist(), dtype=pl.List(pl.Float32))
    unfinished = output / f"{IMAGES_FILE}.unfinished"
    tables = [pl.DataFrame([pl.Series("item_id", images.item_ids), numbers]), pl.DataFrame([vectors])]
    pl.concat(tables, how="diagonal").write_parquet(unfinished)
    unfinished.replace(output / IMAGES_FILE)
    named = NAME if options.image_encoder in (None, AUTO) else options.image_encoder
    encoder = images.encoder
    return {
        "column": images.column, "notes": images.describe(), "image_encoder": None if encoder is None else named,
        "weights": None if encoder is None else encoder.name,
    }  # fmt: skip


def load_images(
    folder: Path | None,
    facts: Mapping[str, Any] | None,
    options: ImageOptions,
    encoder: Callable[[], ImageEncoder] | None = None,
) -> ItemImages | None:
    """The images of a prepared folder; None if it has none.

    Args:
        folder: The folder.
        facts: What `prepare_images` returned.
        options: Options of the training; they may name the column again.
        encoder: Gives the encoder of the checkpoint that training starts from.

    Raises:
        ValueError: If the options name another column, or the images were encoded by another encoder.
    """
    if facts is None or folder is None:
        if options.images is not None:
            raise ValueError(
                f"images is {options.images!r}, and the data were prepared without images; prepare the original "
                f"tables again with images={options.images!r}"
            )
        return None
    for name, made in (("images", facts["column"]), ("image_encoder", facts["image_encoder"])):
        if getattr(options, name) not in (None, AUTO, made):
            raise ValueError(f"{name} is {getattr(options, name)!r}, and the data were prepared with {made!r}")
    loaded = None
    if facts["image_encoder"] is not None:
        loaded = load_image_encoder(facts["image_encoder"]) if encoder is None else encoder()
        if loaded.name != facts["weights"]:
            raise ValueError(
                f"the images were prepared with image_encoder={facts['image_encoder']!r}, whose weights differ from "
                "those of the base or have changed; prepare the original tables again"
            )
    table = pl.read_parquet(folder / IMAGES_FILE)
    items, vectors = table.filter(pl.col("item_id").is_not_null()), table["vectors"].drop_nulls()
    return ItemImages(
        facts["column"], items["item_id"].to_list(), np.array(vectors.to_list(), dtype=np.float32),
        np.array(items["numbers"].to_list(), dtype=np.int64), encoder=loaded, notes=tuple(facts["notes"]),
    )  # fmt: skip
