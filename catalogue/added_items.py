"""Add items to a trained checkpoint, or replace its catalogue, without training."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from ..counting import counted
from ..modeling_xcat.arguments_xcat import finite_number
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..tokenization.images.item_images import ItemImages
from ..tokenization.processing_xcat import XCatProcessor
from ..tokenization.sources.generic import load_table
from ..tokenization.tables.problems import TableReport
from ..tokenization.tables.schema import TableColumns, validate_items
from ..tokenization.tables.table_columns import saved_columns, table_formats
from ..tokenization.text.item_text import check_text_fields
from ..tokenization.text.vocabulary_texts import items_table, text_vocabulary
from ..tokenization.vocabulary import UNKNOWN_ROW, ItemVocabulary
from .change import change_catalogue, ordered_after

if TYPE_CHECKING:
    from ..tokenization.sources.generic import TableSource


@dataclass(frozen=True)
class AddedItems:
    """Result of `add_items`.

    Args:
        items: Items in the catalogue now.
        new: Items added.
        named_again: Items that the catalogue had already and that the table lists again.
        dropped: Items removed.
        changed: Items among `named_again` that got a new value from the table.
        untitled: Items among `new` without a title.
        pictured: Items of the table with an image that the model read.
        notes: Repairs of the table, such as a price that is not a number, and columns that the catalogue lacked.
    """

    items: int
    new: int
    named_again: int
    dropped: int
    changed: int = 0
    untitled: int = 0
    pictured: int = 0
    notes: tuple[str, ...] = ()

    @property
    def kept(self) -> int:
        """Items with the same values as before."""
        return self.items - self.new - self.changed

    def __str__(self) -> str:
        untitled = f" ({self.untitled:,} without a title)" if self.untitled else ""
        return (
            f"{counted(self.items, 'item')}: {self.new:,} new{untitled}, {self.changed:,} changed, "
            f"{self.kept:,} kept unchanged, {self.dropped:,} dropped"
        )


def read_items(
    items: TableSource, processor: XCatProcessor, columns: TableColumns | None = None, encoding: str | None = None
) -> tuple[pl.DataFrame, TableReport]:
    """Read and check a table of items for a checkpoint.

    Args:
        items: Items table: a file or a data frame.
        processor: The checkpoint's processor.
        columns: Column names; None for the names in the checkpoint's training.
        encoding: Encoding of a text file; None for the encoding in the checkpoint's training, or to detect it.

    Returns:
        The table, and its repairs and warnings.

    Raises:
        ValueError: If the table cannot be used.
    """
    formats = table_formats(processor.event_settings, encoding=encoding)
    table, found = load_table(items, "items", encoding=formats["encoding"])
    label = Path(items).name if isinstance(items, str | os.PathLike) else "items"
    return validate_items(table, columns or saved_columns(processor.event_settings), label, found)


def add_items(
    model: XCatForNextItem,
    processor: XCatProcessor,
    items: pl.DataFrame,
    *,
    replace: bool = False,
    cold_boost: float | None = None,
    cache_dir: Path | None = None,
    images: ItemImages | None = None,
) -> tuple[XCatProcessor, AddedItems]:
    """Add items to a trained model's catalogue by their texts and images; `change_catalogue` describes the result.

    An item that is in the catalogue already takes the values that the table gives. It keeps its other values, those
    of columns that the table lacks and those of empty cells, and what the model learned about it.

    Args:
        model: The model. Its catalogue is changed in place; create its recommenders again afterwards.
        processor: Its processor.
        items: The items table, as `validate_items` returns it.
        replace: Whether to drop items that the table lacks.
        cold_boost: New cold-item boost (`untrained_bonus` in the configuration): it is added to the scores of cold
            items (no training events), for both purposes. None keeps the current values.
        cache_dir: Where text states are cached; None for the user's cache.
        images: Images of the items, encoded by the model's vision encoder (`image_encoder_of`); None for none.

    Returns:
        A processor with the new catalogue, and the counts of changes.

    Raises:
        ValueError: If `cold_boost` is not a finite number; if the table is empty, or has new items and lacks a text
            field of the model; if a column has another type than in the model's catalogue; or if there are new texts
            and the model has no text encoder.
    """
    old = processor.catalogue
    boost = None if cold_boost is None else finite_number("cold_boost", cold_boost)
    if not items.height:
        raise ValueError("the items table has no rows; give at least one item")
    known = pl.Series(old.encode(items["item_id"].to_arrow()) != UNKNOWN_ROW)
    if not known.all():
        check_text_fields(items, processor.text_fields)
    if known.any() or not replace:
        items = _typed(items, old.table)
        _check_types(items_table(items.head(0)).schema, old.table.schema)
    filled, changed = _filled(items, known, old.table, processor.text_fields)
    given = text_vocabulary(filled.filter(changed | ~known), processor.text_fields).table
    ids = old.table["item_id"]
    kept = pc.invert(pc.is_in(ids, value_set=_ids(given)))
    rest = old.table.filter(pc.and_(kept, pc.is_in(ids, value_set=_ids(items_table(items)))) if replace else kept)
    joined = ItemVocabulary(rest).extended(given) if rest.num_rows else ItemVocabulary(given)
    grown = change_catalogue(model, processor, ordered_after(old, joined), cache_dir=cache_dir, images=images)
    if boost is not None:
        model.config.use_cold_boost(boost)
    untitled = ~known & _empty(items["title"])
    new_columns = sorted(set(items.columns) - set(old.table.column_names)) if rest.num_rows else []
    notes = tuple(
        f"items, column {name}: it is new, and other items have no value in it; check its name, or leave it out"
        for name in new_columns
    )
    return grown, AddedItems(
        joined.num_items, new=int((~known).sum()), named_again=int(known.sum()),
        dropped=old.num_items - int(known.sum()) if replace else 0, changed=int(changed.sum()),
        untitled=int(untitled.sum()), pictured=0 if images is None else images.num_items, notes=notes,
    )  # fmt: skip


def _filled(
    items: pl.DataFrame, known: pl.Series, catalogue: pa.Table, text_fields: Sequence[str]
) -> tuple[pl.DataFrame, pl.Series]:
    """The items with the catalogue's values where the table gives none, and which known items have a new value.

    Args:
        items: The items table.
        known: (items,) True for items of the catalogue.
        catalogue: Its table.
        text_fields: Columns of the items' texts.
    """
    before = pl.DataFrame(pl.from_arrow(catalogue))
    if tuple(text_fields) != ("text",):  # else it is made from the other columns
        before, items = (
            before.drop("text", strict=False),
            items if "text" in text_fields else items.drop("text", strict=False),
        )
    before = items.select("item_id").join(before, on="item_id", how="left", maintain_order="left")
    changed = pl.repeat(False, items.height, dtype=pl.Boolean, eager=True)
    for name in before.columns[1:]:
        if name not in items.columns:
            items = items.with_columns(before[name])
            continue
        both = pl.DataFrame(
            [items[name].rename("now"), before[name].rename("before"), _empty(items[name]).rename("empty")]
        )
        changed |= both.select(~pl.col("empty") & pl.col("now").ne_missing(pl.col("before"))).to_series()
        kept = pl.when(pl.col("empty")).then(pl.coalesce("before", "now")).otherwise("now")
        items = items.with_columns(both.select(kept.alias(name)).to_series())
    for name in set(items.columns) - set(before.columns):
        changed |= ~_empty(items[name])
    return items, changed & known


def _empty(values: pl.Series) -> pl.Series:
    """Cells without a value; a missing title is an empty text."""
    return values.is_null() | (values == "" if values.dtype == pl.String else False)


def _ids(table: pa.Table) -> pa.Array:
    return table["item_id"].combine_chunks()


def _typed(items: pl.DataFrame, catalogue: pa.Table) -> pl.DataFrame:
    """The items with numbers as texts, or texts as numbers, where the catalogue has them so, as after a CSV file."""
    kinds = pl.DataFrame(pl.from_arrow(catalogue.slice(0, 0))).schema
    for name in set(kinds) & set(items.columns):
        given, kind = items[name], kinds[name]
        if kind == pl.String and (given.dtype.is_numeric() or given.dtype == pl.Boolean):
            items = items.with_columns(given.cast(pl.String))
        elif kind.is_numeric() and given.dtype == pl.String:
            filled = given.set(given == "", None)
            numbers = filled.cast(kind, strict=False)
            items = items.with_columns(numbers) if numbers.null_count() == filled.null_count() else items
    return items


def _check_types(given: pa.Schema, catalogue: pa.Schema) -> None:
    """Refuse a column that has other values than in the catalogue, such as texts for numbers."""
    for name in set(catalogue.names) & set(given.names):
        fields = [schema.field(name) for schema in (given, catalogue)]
        try:
            pa.unify_schemas([pa.schema([one]) for one in fields], promote_options="permissive")
        except (pa.ArrowTypeError, pa.ArrowInvalid) as error:
            raise ValueError(
                f"items, column {name}: {fields[0].type} in the table and {fields[1].type} in the checkpoint's "
                "catalogue; give one type, or leave the column out"
            ) from error
