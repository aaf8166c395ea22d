"""Recommenders of tiny models without training, one per kind of encoder and input."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import torch

from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import prepare_training

from ...tiny_shop import SMALL, save_text_encoder, shop

MODELS: dict[str, dict[str, Any]] = {
    "transformer": {},
    "gru": {"behavior_encoder": "gru"},
    "lstm": {"behavior_encoder": "lstm"},
    "bidirectional": {
        "behavior_encoder": "bidirectional", "objective": "cloze", "num_fusion_layers": 0, "repeats": "off",
    },
    "texts of users": {"memory_sources": ["item_text", "user_text"], "text_tokens_per_item": 3},
}  # fmt: skip


@cache
def recommender(name: str) -> XCatRecommender:
    """A model with random weights and the real tables of the tiny shop; its re-ranker has random weights too."""
    encoder = save_text_encoder(Path(os.environ["HF_HOME"]) / "encoder-of-session-tests")
    config = {**SMALL, **MODELS[name]}
    options = PreparationOptions(text_encoder=str(encoder), split="leave-one-out", config=config)
    prepared = prepare_training(shop(), options)
    generator = torch.Generator().manual_seed(0)
    for part in (prepared.model.model.candidates, prepared.model.model.repeats):
        for tensor in (*part.buffers(), *part.parameters()) if part is not None else ():
            tensor.data.copy_(torch.rand(tensor.shape, generator=generator) * 0.1)
    prepared.model.config.candidate_attention = True
    return XCatRecommender(prepared.model, prepared.processor)
