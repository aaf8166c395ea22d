"""Small checkpoints to push: one of the tiny data set, trained in a moment, and copies with other weights."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch

from xcat_rec.training.preparation.options import PreparationOptions, PreparedTraining
from xcat_rec.training.preparation.prepare import prepare_training

from ..tiny_shop import SMALL, save_text_encoder, shop

HISTORIES = [["item-03", "item-10"], ["item-22"], ["item-01", "kite", "item-15"]]


@cache
def prepared(encoder: Path) -> PreparedTraining:
    """Model and processor of the tiny data set, not trained."""
    return prepare_training(shop(20), PreparationOptions(text_encoder=str(encoder), config=SMALL))


def save_checkpoint(folder: Path, seed: int = 0, reads_queries: bool = False) -> Path:
    """A checkpoint whose weights differ by the seed; one that reads queries gives their words the weight 1."""
    encoder = folder.parent / f"{folder.name}-encoder"
    made = prepared(save_text_encoder(encoder))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        table = made.model.model.items.id_embeddings.weight
        table.copy_(torch.randn(table.shape, generator=generator))
        made.model.model.asks.view.fill_(float(reads_queries))
    made.model.save_pretrained(folder)
    made.processor.save_pretrained(folder)
    (folder / "README.md").write_text(f"---\nlibrary_name: xcat-rec\n---\n\n# Seed {seed}\n")
    return folder
