"""A catalogue that is large enough for approximate indexes, with a model without training."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from xcat_rec.ranking.index import CatalogueIndex, build_index
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.tokenization.tables.schema import validate_tables
from xcat_rec.training.preparation.options import PreparationOptions, PreparedTraining
from xcat_rec.training.preparation.prepare import prepare_training

from ...tiny_shop import CATEGORIES, SMALL, save_text_encoder

ITEMS, WARM = 1_500, 300
HISTORIES = [["i3", "i10", "i17"], ["i222"], [f"i{n}" for n in range(0, 40, 3)], ["i5"] * 4]


def items_table() -> pl.DataFrame:
    """Items in 4 categories with different texts; some have no brand, stock or age limit."""
    numbers = range(ITEMS)
    return pl.DataFrame({
        "item_id": [f"i{n}" for n in numbers],
        "title": [f"{CATEGORIES[n % 4]} number {n % 40} {n // 40}" for n in numbers],
        "category": [None if n % 50 == 7 else CATEGORIES[n % 4] for n in numbers],
        "brand": [None if n % 9 == 0 else f"brand {n % 7}" for n in numbers],
        "price": [None if n % 31 == 0 else float(n % 100) for n in numbers],
        "stock": [None if n % 17 == 0 else n % 3 for n in numbers],
        "min_age": [None if n % 2 else (0, 12, 18)[n % 3] for n in numbers],
    })  # fmt: skip


def events_table() -> pl.DataFrame:
    """Users who walk through the warm items in steps of 7."""
    rows = [(f"u{user}", f"i{(11 * user + 7 * n) % WARM}", n) for user in range(60) for n in range(8)]
    return pl.DataFrame(rows, schema=["user_id", "item_id", "order"], orient="row")


@cache
def prepared(discovers: bool = False) -> PreparedTraining:
    """A model with its catalogue; `discovers` adds a cold-item boost and segments for discovery."""
    encoder = Path(os.environ["HF_HOME"]) / "encoder-of-indexes"
    config: dict[str, Any] = {**SMALL, "untrained_bonus": 0.25} if discovers else SMALL
    tables = validate_tables(items_table(), events_table(), name="indexed shop")
    options = PreparationOptions(text_encoder=str(save_text_encoder(encoder)), split="leave-one-out", config=config)
    found = prepare_training(tables, options)
    if discovers:
        found.model.config.discover_product_weight = 0.5
    return found


def recommender(discovers: bool = False) -> XCatRecommender:
    """A new recommender of the same model."""
    return XCatRecommender(prepared(discovers).model, prepared(discovers).processor)


@cache
def _index(kind: str, discovers: bool) -> CatalogueIndex:
    return build_index(recommender(discovers), kind, recall=0.98)


def indexed(kind: str, discovers: bool = False) -> XCatRecommender:
    """A new recommender with an index, which is built once."""
    found = recommender(discovers)
    found.index = _index(kind, discovers)
    return found


def ids(found: Any) -> list[str]:
    """Item ids of a list."""
    return [item.item_id for item in found]
