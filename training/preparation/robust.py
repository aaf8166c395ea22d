"""Robust training: events count by the probability that they are real."""

from __future__ import annotations

import numpy as np
import polars as pl

from ...counting import counted_of
from ...evaluation.attacks.detection import ProfileDetector
from ...tokenization.extras import check_packages
from ...tokenization.sequences.click_rows import ClickData
from ...tokenization.sequences.event_weights import add_event_weights, target_weights
from ...tokenization.sequences.split_data import SplitData
from ...tokenization.tables.event_roles import ROLES, TARGET
from ...tokenization.tables.schema import ShopTables
from ...tokenization.vocabulary import NUM_SPECIAL_ROWS
from .options import PreparationOptions

DOUBTED = 0.5
"""Weight below which the note counts an event."""


def weigh_events(data: SplitData, options: PreparationOptions) -> list[str]:
    """Add the column `event_weights` to the training sequences, if `options.robust_training` is set.

    `ProfileDetector` sees the training events alone.

    Args:
        data: The split data, changed in place.
        options: Options of the preparation.

    Returns:
        A note for the user, or none.

    Raises:
        ImportError: If scipy is not installed.
        ValueError: If the data is for click prediction, or no user has enough training events.
    """
    if not options.robust_training:
        return []
    if isinstance(data, ClickData):
        raise ValueError("robust_training weighs the events of next-item training; leave it out with task='click'")
    check_packages("robust_training", ["scipy"], "attack")
    shop = ShopTables(data.shop.items, training_events(data))
    found = ProfileDetector(seed=options.event_seed).detect(shop)
    data.splits["train"] = add_event_weights(data.train, data.vocabulary, found.weights)
    weights = target_weights(data.train)
    assert weights is not None
    doubted = int((weights < DOUBTED).sum())
    return [
        f"robust training: {counted_of(doubted, len(weights), 'training event', 'have')} a weight below {DOUBTED:g}, "
        f"for looking like a coordinated profile; the mean weight is {float(weights.mean()):.4f}"
    ]


def training_events(data: SplitData) -> pl.DataFrame:
    """The target events of the training sequences as an events table.

    Args:
        data: The split data.
    """
    names = [name for name in ("user_id", "items", ROLES) if name in data.train.column_names]
    rows = pl.from_arrow(data.train.select_columns(names).with_format("arrow")[:])
    assert isinstance(rows, pl.DataFrame)
    flat = rows.explode(names[1:]).filter(pl.col("items") >= NUM_SPECIAL_ROWS)
    if ROLES in names:
        flat = flat.filter(pl.col(ROLES) == TARGET)
    ids = data.vocabulary.decode(flat["items"].to_numpy())
    return pl.DataFrame({
        "user_id": flat["user_id"], "item_id": ids, "order": np.arange(flat.height), "split": "train",
    })  # fmt: skip
