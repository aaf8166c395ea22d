"""Add items to a checkpoint that it was not trained on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from ..catalogue import added_items
from ..catalogue.added_items import AddedItems
from ..catalogue.item_images import image_encoder_of
from ..checkpoints.load import note_catalogue
from ..checkpoints.review import copy_review
from ..modeling_xcat.hub_xcat import locate_checkpoint
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..modeling_xcat.pushing_xcat import SHARED
from ..modeling_xcat.saving_xcat import CARD_FILE, written_whole
from ..tokenization.images.image_options import ImageOptions
from ..tokenization.images.item_images import ItemImages, read_item_images
from ..tokenization.images.references import has_images, holds_vectors
from ..tokenization.processing_xcat import XCatProcessor
from ..tokenization.progress import quiet_transformers
from ..tokenization.tables.problems import TableReport
from ..tokenization.tables.schema import TableColumns
from .output_folders import check_other_folder, check_output
from .whole_checkpoint import load_whole

if TYPE_CHECKING:
    from ..tokenization.sources.generic import TableSource


@dataclass(frozen=True)
class GrownCheckpoint:
    """A checkpoint with added items.

    Args:
        output: Its folder.
        added: Numbers of new, changed, kept and dropped items.
        tables: Repairs of the items table.
        cold_boost: Score added to cold items.
        images: Counts of images that were read and of those that could not be; empty for a model without images.
    """

    output: Path
    added: AddedItems
    tables: TableReport
    cold_boost: float
    images: tuple[str, ...] = ()


def add_items(
    checkpoint: str | os.PathLike[str],
    items: TableSource,
    output: str | os.PathLike[str],
    *,
    columns: TableColumns | None = None,
    encoding: str | None = None,
    replace: bool = False,
    cold_boost: float | None = None,
    images: str | None = None,
    overwrite: bool = False,
    revision: str | None = None,
) -> GrownCheckpoint:
    """Write a checkpoint with more items, scored by their texts and images; nothing is trained.

    A known item takes the values of the table. It keeps its values of columns that the table lacks and of empty cells.

    Args:
        checkpoint: A folder, or NAMESPACE/NAME on the hub.
        items: Items table: a file or a data frame.
        output: Folder of the new checkpoint.
        columns: Column names; None for the names in the checkpoint's training.
        encoding: Encoding of a text file; None for the encoding in the checkpoint's training, or to detect it.
        replace: Whether the checkpoint's items that the table lacks are dropped.
        cold_boost: Score added to cold items (no training events) from now on; None to keep its value.
        images: Column with images of the items, for a checkpoint that was trained with images; None for the column
            of its training, if the table has it. Files are relative to the folder of the table.
        overwrite: Whether a checkpoint in `output` may be replaced.
        revision: Branch, tag or commit of a hub repository.

    Raises:
        ValueError: If the checkpoint is an adapter, or the table cannot be used.
        OSError: If there is no such checkpoint.

    Example (not run: it needs a checkpoint):
        add_items("CKPT", "new-items.parquet", "GROWN").added.new
    """
    output, name = Path(output), os.fspath(checkpoint)
    check_other_folder(name, output)
    check_output(output, overwrite=overwrite)
    folder = locate_checkpoint(name, files=SHARED, revision=revision)
    model, processor = load_whole(folder, name)
    table, report = added_items.read_items(items, processor, columns, encoding)
    read = _images(model, processor, table, images, items)
    if read is not None and holds_vectors(table[read.column]):
        table = table.drop(read.column)
    processor, added = added_items.add_items(
        model, processor, table, replace=replace, cold_boost=cold_boost, images=read
    )  # fmt: skip
    note_catalogue(model, processor)
    with written_whole(output, replaced=(CARD_FILE,)) as unfinished, quiet_transformers():
        model.save_pretrained(unfinished)
        processor.save_pretrained(unfinished)
        _write_card(folder / CARD_FILE, unfinished / CARD_FILE, added)
    copy_review(folder, output)
    # A known item keeps its title if the table has none, so only `added` counts the items without a title.
    problems = tuple(problem for problem in report.problems if problem.kind != "no_title")
    report = TableReport(report.name, report.rows, problems)
    told = () if read is None else tuple(read.describe())
    return GrownCheckpoint(output, added, report, float(model.config.untrained_bonus), told)


def _images(
    model: XCatForNextItem, processor: XCatProcessor, table: pl.DataFrame, column: str | None, place: TableSource
) -> ItemImages | None:
    """Images of the table, encoded by the model; None for a table or a model without images.

    Raises:
        ValueError: If a column is given and the model has no images, or the table lacks it.
    """
    if processor.image_settings is None and column is None:
        return None
    if column is None:
        column = str((processor.image_settings or {})["column"])
        if column not in table.columns or not has_images(table[column]):
            return None
    return read_item_images(
        table,
        ImageOptions(column, image_frames=model.config.images_per_item),
        Path(place).expanduser().parent if isinstance(place, str | os.PathLike) else None,
        encoder=lambda: image_encoder_of(model, processor),
    )


def _write_card(source: Path, target: Path, added: AddedItems) -> None:
    """Write the old card with a notice that its metrics are for another catalogue, and without metrics for the hub."""
    if not source.is_file():
        return
    from huggingface_hub import ModelCard

    card = ModelCard.load(source, ignore_metadata_errors=True)
    card.data.eval_results = None
    card.text = (
        f"> **This catalogue differs from the training catalogue.** `xcat catalogue` changed it: {added}. New items "
        "are scored by their texts and images alone; nothing was trained. The metrics below are for the training "
        "catalogue.\n\n"
        f"{card.text.lstrip()}"
    )
    target.write_text(str(card), encoding="utf-8")
