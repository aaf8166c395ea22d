"""Rows with what a customer asks for, made of the targets of a split."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import torch
from datasets import Dataset

from ...tokenization.processing_xcat import XCatProcessor
from ...tokenization.text.asks import FITTED_KINDS, AskWriter, ItemWords
from ...tokenization.vocabulary import NUM_SPECIAL_ROWS, UNKNOWN_ROW
from .user_samples import spread_users

_NEW_CUSTOMERS = 0.15
"""Share of asks without a history, as of a new customer."""


def asks_per_user(users: int, most: int) -> int:
    """Asks per user: two, if this is not more than the most asks."""
    return max(1, min(2, most // max(1, users)))


def asked_rows(
    processor: XCatProcessor, dataset: Dataset, most: int, seed: int
) -> tuple[list[dict[str, Any]], list[str], torch.Tensor]:
    """Rows with an ask each.

    Args:
        processor: The processor with the catalogue.
        dataset: Rows with `items` and `targets`, and perhaps `asks` and `reviews`, one text per target (`add_asks`).
        most: Maximum asks.
        seed: Seed.

    Returns:
        Rows, their asks, and their (rows,) targets as item indices; asks of similar length are neighbours, because the
        text encoder reads them in batches.
    """
    random = np.random.default_rng(seed)
    table: Any = pl.from_arrow(processor.catalogue.table)
    chosen = spread_users(dataset, most)
    chosen = np.concatenate([random.permutation(chosen) for _ in range(asks_per_user(len(chosen), most))])
    rows, asks, targets = [], [], []
    picked = [dataset[int(i)] for i in chosen]
    writer = AskWriter(ItemWords.of_table(table), item_reviews(picked, table.height))
    wanted = [int(random.choice(row["targets"])) for row in picked]
    kinds = random.choice(FITTED_KINDS, len(picked))
    made = writer.write([max(0, item - NUM_SPECIAL_ROWS) for item in wanted], kinds.tolist(), seed)
    for row, item, ask in zip(picked, wanted, made, strict=True):
        own = dict(zip(row["targets"], row.get("asks") or [], strict=False)).get(item)
        ask = own if own and random.random() < 0.5 else ask
        if not ask or item < NUM_SPECIAL_ROWS:
            continue
        new = random.random() < _NEW_CUSTOMERS
        rows.append(new_customer(row) if new else row)
        asks.append(ask)
        targets.append(item)
    order = sorted(range(len(asks)), key=lambda place: len(asks[place]))
    return [rows[i] for i in order], [asks[i] for i in order], torch.tensor([targets[i] for i in order]).long()


def item_reviews(rows: list[dict[str, Any]], items: int) -> list[list[str]]:
    """Reviews of each item in the column `reviews` of some rows."""
    found: list[list[str]] = [[] for _ in range(items)]
    for row in rows:
        for item, text in zip(row["targets"], row.get("reviews") or [], strict=False):
            if text and item >= NUM_SPECIAL_ROWS and text not in found[item - NUM_SPECIAL_ROWS]:
                found[item - NUM_SPECIAL_ROWS].append(text)
    return found


def new_customer(row: dict[str, Any]) -> dict[str, Any]:
    """The row with a history of one unknown item, as of a customer without one."""
    per_event = ("event_types", "ratings", "timestamps")
    return {
        **row, "items": [UNKNOWN_ROW], **{name: list(row[name][-1:]) for name in per_event if name in row},
    }  # fmt: skip
