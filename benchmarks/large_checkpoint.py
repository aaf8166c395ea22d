"""A checkpoint with a large catalogue, made from a small one, to measure serving; its lists mean nothing.

    python benchmarks/large_checkpoint.py CKPT FOLDER --items 100000

Every item is a copy of an item of the checkpoint with noise on its embedding and its text states, a text of its own
with the same words, and item-to-item weights to copies. So all parts of a score have the cost of a real catalogue.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from torch import nn

from xcat_rec.checkpoints.load import load_model
from xcat_rec.modeling_xcat.configuration_xcat import NUM_SPECIAL_ROWS
from xcat_rec.tokenization.processing_xcat import XCatProcessor
from xcat_rec.tokenization.vocabulary import ItemVocabulary

NOISE = 0.3
"""Length of the noise, as a share of the length of the vector."""
_COLUMNS = ("item_id", "title", "category", "brand", "price", "text")


def noisy(vectors: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """(n, ..., width) vectors with noise, in place."""
    for part in vectors.split(100_000):
        noise = torch.randn(part.shape, generator=generator)
        part += noise * (NOISE * part.norm(dim=-1, keepdim=True) / part.shape[-1] ** 0.5)
    return vectors


def copied_items(old: ItemVocabulary, place: torch.Tensor, copies: torch.Tensor) -> ItemVocabulary:
    """The items at some places of a catalogue; copies have the number of the copy in id and texts."""
    table = old.table.select([name for name in _COLUMNS if name in old.table.column_names])
    table = table.take(pa.array(place.numpy())).combine_chunks()
    for name in ("item_id", "title", "text"):
        if name in table.column_names:
            numbered = [
                value if value is None or not copy else f"{value}-{copy}" if name == "item_id" else f"{value} {copy}"
                for value, copy in zip(table[name].to_pylist(), copies.tolist(), strict=True)
            ]
            table = table.set_column(table.column_names.index(name), name, pa.array(numbered, pa.string()))
    return ItemVocabulary(table)


def enlarge(model: Any, items: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Give a model a catalogue of copies, in place; returns (items,) places of the originals and numbers of copies."""
    config, table, base = model.config, model.model.items, model.model
    generator, number = torch.Generator().manual_seed(seed), torch.arange(items)
    place, copies = number % config.num_items, number // config.num_items
    rows = torch.cat([torch.arange(NUM_SPECIAL_ROWS), place + NUM_SPECIAL_ROWS])
    texts = torch.cat([torch.zeros(1, dtype=torch.long), table.text_index[rows[NUM_SPECIAL_ROWS:]]])
    own, shift = config.num_item_rows, torch.cat([torch.zeros(NUM_SPECIAL_ROWS), copies * config.num_items]).long()
    for module in list(base.modules()):
        for name, buffer in list(module.named_buffers(recurse=False)):
            if len(buffer) == own and module is not base.asks:
                setattr(module, name, buffer[rows])
    for links in (base.neighbors, base.successors):
        if links is not None:
            moved = links.rows.long() + shift[:, None]
            links.rows = torch.where((links.rows > 0) & (moved < len(rows)), moved, links.rows).int()
    if config.use_text:
        table.text_index = torch.cat([torch.zeros(NUM_SPECIAL_ROWS), number + 1]).long()
        table.text_states = noisy(table.text_states[texts], generator)
        table.text_token_mask = table.text_token_mask[texts]
        config.num_texts = len(texts)
    if base.asks is not None:
        base.asks.words = base.asks.words[texts]
    weight = noisy(table.id_embeddings.weight.detach()[rows], generator)
    table.id_embeddings = nn.Embedding(*weight.shape, padding_idx=0, _weight=weight)
    config.num_item_rows, config.soft_target_weight = len(rows), 0.0
    if hasattr(model, "soft_target_rows"):
        del model.soft_target_rows
    return place, copies


def save_large(checkpoint: str, folder: Path, items: int) -> Path:
    """Write a checkpoint with a number of items, made from another one."""
    model: Any = load_model(Path(checkpoint), checkpoint)
    processor = XCatProcessor.from_pretrained(checkpoint)
    place, copies = enlarge(model, items)
    processor.vocabulary = copied_items(processor.catalogue, place, copies)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def main() -> None:
    """Write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--items", type=int, default=100_000)
    options = parser.parse_args()
    print(save_large(options.checkpoint, options.folder, options.items))


if __name__ == "__main__":
    main()
