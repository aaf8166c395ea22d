"""The tiny data set with a picture per item, and a vision encoder for it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import torch
from PIL import Image
from transformers import ViTConfig, ViTModel

from .tiny_shop import ITEMS, events_table, items_table, save_text_encoder

SIDE = 16
NO_PICTURE, BROKEN = 3, 4
"""Numbers of an item without a picture, and of one whose file is no picture."""


def picture(number: int, side: int = SIDE) -> Image.Image:
    """A picture of two colours, other ones for each number."""
    generator = np.random.default_rng(number)
    upper, lower = generator.integers(0, 256, (2, 3))
    pixels = np.empty((side, side, 3), dtype=np.uint8)
    pixels[: side // 2], pixels[side // 2 :] = upper, lower
    return Image.fromarray(pixels)


def save_vision_encoder(folder: Path) -> Path:
    """A ViT of one layer with the settings of its image processor, as `from_pretrained` reads them."""
    torch.manual_seed(12)
    config = ViTConfig(
        hidden_size=24, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=SIDE,
        patch_size=8, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=0.3,
    )  # fmt: skip
    ViTModel(config).save_pretrained(folder)
    settings = {
        "image_processor_type": "ViTImageProcessor", "do_resize": True, "size": {"height": SIDE, "width": SIDE},
        "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def pictured_items(folder: Path) -> pl.DataFrame:
    """The items with a column `picture` of files in the folder; one item has two pictures, in a list in JSON."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    names: list[str | None] = []
    for number in range(ITEMS):
        name = f"pictures/{number:02d}.png"
        picture(number).save(folder / name)
        names.append(name)
    names[0] = json.dumps([names[0], names[1]])
    names[NO_PICTURE] = None
    (folder / str(names[BROKEN])).write_bytes(b"no picture")
    return items_table().with_columns(pl.Series("picture", names))


def write_picture_shop(folder: Path) -> Path:
    """The tables, pictures and encoders: `shop`, `encoder` and `vision` in the folder."""
    shop = folder / "shop"
    pictured_items(shop).write_csv(shop / "items.csv")
    events_table().write_csv(shop / "events.csv")
    save_text_encoder(folder / "encoder")
    save_vision_encoder(folder / "vision")
    return folder
