"""A small shop where customers buy again and follow fashions: discovery has values of its own in its checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from .tiny_shop import DAY, QUICK, SMALL, items_table, save_text_encoder

CUSTOMERS = 360
BASKETS = 8
FASHION: dict[str, Any] = {
    **SMALL, **QUICK, "split": "last-basket", "num_train_epochs": 2, "per_device_train_batch_size": 64,
    "per_device_eval_batch_size": 128, "num_segments": 2, "segment_width": 4, "max_history": 12,
}  # fmt: skip


def fashion_events(customers: int = CUSTOMERS) -> pl.DataFrame:
    """Baskets of a few staples and the item in fashion, which changes with every basket.

    Next in fashion is what every tenth customer has bought in the two baskets before.
    """
    rows = []
    for customer in range(customers):
        for number in range(BASKETS):
            basket = [0, 8 + number] if number % 2 else [0, 1, 2 + customer % 3, 8 + number]
            basket += [9 + number, 10 + number] if customer % 10 == 0 else []
            rows += [
                {"user_id": f"user-{customer:03d}", "item_id": f"item-{item:02d}", "timestamp": (number + 1) * DAY}
                for item in dict.fromkeys(basket)
            ]
    return pl.DataFrame(rows)


def write_fashion_shop(folder: Path) -> Path:
    """The tables and a text encoder: `shop` and `encoder` in the folder."""
    (folder / "shop").mkdir(parents=True)
    items_table().write_csv(folder / "shop" / "items.csv")
    fashion_events().write_csv(folder / "shop" / "events.csv")
    save_text_encoder(folder / "encoder")
    return folder
