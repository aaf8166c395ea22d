"""A data set small enough for every test, with users who follow a learnable rule, and a text encoder for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from xcat_rec.tokenization.tables.schema import ShopTables, validate_tables

ITEMS, USERS, STEP = 40, 60, 7
CATEGORIES = ("tents", "boots", "stoves", "maps")
COLD, NO_CATEGORY, TWINS = 39, 38, (0, 20)
DAY = 86_400
SMALL: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "max_history": 8, "hidden_dropout": 0.1,
    "attention_dropout": 0.0, "soft_target_weight": 0.0, "temperature": 0.1,
}  # fmt: skip
"""A configuration that learns the rule in seconds."""
QUICK: dict[str, Any] = {
    "num_train_epochs": 8, "per_device_train_batch_size": 10, "per_device_eval_batch_size": 16, "learning_rate": 5e-3,
    "warmup_steps": 5, "metric_ks": [5, 10], "precision": "fp32", "use_cpu": True, "disable_tqdm": True,
}  # fmt: skip


def items_table() -> pl.DataFrame:
    """40 items in 4 categories; two share a text, one has no category and one is cold."""
    rows = [
        {
            "item_id": f"item-{i:02d}", "title": f"{CATEGORIES[i // 10]} number {i}", "brand": f"brand {i % 3}",
            "category": CATEGORIES[i // 10], "price": 1.5 * i,
        }
        for i in range(ITEMS)
    ]  # fmt: skip
    first, second = TWINS
    rows[second] |= {name: rows[first][name] for name in ("title", "brand", "category")}
    rows[NO_CATEGORY]["category"] = None
    return pl.DataFrame(rows)


def events_table(users: int = USERS, seed: int = 0) -> pl.DataFrame:
    """Users who walk through the items in steps of 7, from any start; the cold item is always a last event."""
    generator = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        length = int(generator.integers(6, 11))
        item = int(generator.integers(ITEMS - 1))
        for n in range(length):
            last = user % 15 == 0 and n == length - 1
            rows.append({
                "user_id": f"user-{user:02d}", "item_id": f"item-{COLD if last else item:02d}",
                "timestamp": 1_700_000_000 + user + DAY * n * int(generator.integers(1, 3)) + 40 * DAY * (n > 3),
                "event_type": ("buy", "purchase")[int(generator.integers(2))],
                "rating": float(generator.integers(1, 6)) if generator.random() < 0.5 else None,
            })  # fmt: skip
            item = (item + STEP) % (ITEMS - 1)
    return pl.DataFrame(rows).sort("user_id", "timestamp", maintain_order=True)


def shop(users: int = USERS) -> ShopTables:
    """The validated tables."""
    return validate_tables(items_table(), events_table(users), name="tiny shop")


def shop_of_returns(users: int = USERS) -> ShopTables:
    """The same items and times, with constant repeat consumption of five items."""
    number = pl.col("item_id").str.slice(5).cast(pl.Int64) % 5
    events = events_table(users).with_columns(pl.format("item-0{}", number).alias("item_id"))
    return validate_tables(items_table(), events, name="tiny shop of returns")


def write_shop(folder: Path, users: int = USERS, suffix: str = "csv") -> Path:
    """The tables as files in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in (("items", items_table()), ("events", events_table(users))):
        path = folder / f"{name}.{suffix}"
        table.write_csv(path) if suffix == "csv" else table.write_parquet(path)
    return folder


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Words of the item texts."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *CATEGORIES, "number", "brand", *map(str, range(ITEMS))]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, [("[CLS]", 2), ("[SEP]", 3)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
    )


def save_text_encoder(folder: Path, tokenizer: PreTrainedTokenizerFast | None = None) -> Path:
    """A BERT of one layer with its tokenizer, as `from_pretrained` reads it; None for `tiny_tokenizer`."""
    torch.manual_seed(11)
    tokenizer = tokenizer or tiny_tokenizer()
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=64, initializer_range=0.3,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
