"""A model whose scores are known exactly: item-to-item weights alone."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
import torch
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from xcat_rec.modeling_xcat.configuration_xcat import XCatConfig
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem
from xcat_rec.modeling_xcat.recommending_xcat import Recommendation
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.tokenization.processing_xcat import XCatProcessor
from xcat_rec.tokenization.vocabulary import NUM_SPECIAL_ROWS, ItemVocabulary

ITEMS = ["tent", "pegs", "pizza", "cola", "map", "best seller", "soap"]
WEIGHT = 4.0


def shop(weights: dict[tuple[str, str], float], **changes: Any) -> XCatRecommender:
    """A model whose score is an item-to-item weight per pair of event and item, and 5 for the best seller."""
    config = XCatConfig(
        use_text=False, num_fusion_layers=0, num_behavior_layers=0, num_item_rows=len(ITEMS) + NUM_SPECIAL_ROWS,
        hidden_size=8, max_history=40, num_neighbors=6, neighbor_weight=WEIGHT, neighbor_decay=1.0, neighbor_window=40,
        repeats="off", num_candidates=0, scoring="dot", temperature=1.0, **changes,
    )  # fmt: skip
    model = XCatForNextItem(config)
    base, row = model.model, {item: number for number, item in enumerate(ITEMS, start=NUM_SPECIAL_ROWS)}
    with torch.no_grad():
        base.items.item_counts.fill_(1)
        for parameter in base.parameters():
            parameter.zero_()
        base.output_norm.bias[0] = 1.0  # the state of every history
        base.items.id_embeddings.weight[row["best seller"], 0] = 5.0
        base.input_norm.weight.fill_(1.0)
    for (event, item), weight in weights.items():
        place = int(base.neighbors.similarities[row[event]].count_nonzero())
        base.neighbors.rows[row[event], place] = row[item]
        base.neighbors.similarities[row[event], place] = weight
    words = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    table = ItemVocabulary(pa.table({"item_id": ITEMS, "category": ["all"] * len(ITEMS)}))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]")
    return XCatRecommender(model, XCatProcessor(tokenizer, table, max_history=40))


def reasons(found: list[Recommendation]) -> dict[str, list[tuple[str, float]]]:
    return {item.item_id: [(one.item_id, one.weight) for one in item.because] for item in found if item.because}


def lost(fall: float) -> float:
    return round(1 - math.exp(-fall), 4)
