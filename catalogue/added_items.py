"""Add items to a trained checkpoint, or replace its catalogue, without training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from ..modeling_xcat.arguments_xcat import finite_number
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..tokenization.processing_xcat import XCatProcessor
from ..tokenization.text.vocabulary_texts import text_vocabulary
from ..tokenization.vocabulary import UNKNOWN_ROW, ItemVocabulary
from .change import change_catalogue, ordered_after


@dataclass(frozen=True)
class AddedItems:
    """Result of `add_items`.

    Args:
        items: Items in the catalogue now.
        new: Items added.
        named_again: Items that the catalogue had already and that the table lists again.
        dropped: Items removed.
    """

    items: int
    new: int
    named_again: int
    dropped: int

    def __str__(self) -> str:
        return (
            f"{self.items:,} items: {self.new:,} are new, {self.named_again:,} were in the catalogue already and now "
            f"have the table's texts, {self.dropped:,} are dropped"
        )


def add_items(
    model: XCatForNextItem,
    processor: XCatProcessor,
    items: pl.DataFrame,
    *,
    replace: bool = False,
    cold_boost: float | None = None,
    cache_dir: Path | None = None,
) -> tuple[XCatProcessor, AddedItems]:
    """Add items to a trained model's catalogue by their texts alone; `change_catalogue` describes the result.

    An item that is in the catalogue already takes the table's texts and features. It keeps what the model learned
    about it.

    Args:
        model: The model. Its catalogue is changed in place; create its recommenders again afterwards.
        processor: Its processor.
        items: The items table, as `validate_items` returns it.
        replace: Whether to drop items that the table lacks.
        cold_boost: New cold-item boost (`untrained_bonus` in the configuration): it is added to the scores of cold
            items (no training events). None keeps the current value.
        cache_dir: Where text states are cached; None for the user's cache.

    Returns:
        A processor with the new catalogue, and the counts of changes.

    Raises:
        ValueError: If `cold_boost` is not a finite number; if the table is empty or lacks a text field of the model;
            if a column has another type than in the model's catalogue; or if there are new texts and the model has no
            text encoder.
    """
    old = processor.catalogue
    boost = model.config.untrained_bonus if cold_boost is None else finite_number("cold_boost", cold_boost)
    if not items.height:
        raise ValueError("the items table has no rows; give at least one item")
    given = text_vocabulary(items, processor.text_fields).table
    ids = given["item_id"].combine_chunks()
    rest = old.table.filter(pc.invert(pc.is_in(old.table["item_id"], value_set=ids)))
    known = int((old.encode(ids) != UNKNOWN_ROW).sum())
    joined = ItemVocabulary(given) if replace else _joined(rest, given)
    changed = change_catalogue(model, processor, ordered_after(old, joined), cache_dir=cache_dir)
    model.config.untrained_bonus = boost
    dropped = rest.num_rows if replace else 0
    return changed, AddedItems(joined.num_items, items.height - known, known, dropped)


def _joined(rest: pa.Table, given: pa.Table) -> ItemVocabulary:
    for name in set(rest.column_names) & set(given.column_names):
        fields = [table.schema.field(name) for table in (given, rest)]
        try:
            pa.unify_schemas([pa.schema([one]) for one in fields], promote_options="permissive")
        except (pa.ArrowTypeError, pa.ArrowInvalid) as error:
            raise ValueError(
                f"items, column {name}: {fields[0].type} in the table and {fields[1].type} in the checkpoint's "
                "catalogue; give one type, or leave the column out"
            ) from error
    return ItemVocabulary(rest).extended(given)
