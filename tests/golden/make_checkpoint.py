"""Makes the golden checkpoint of the present format: `python -m tests.golden.make_checkpoint` in the root folder.

It is made once for each format version, by the code of that version, and never again: that later code loads it and
gives these scores is what the tests show.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from xcat_rec.catalogue.item_table import add_repurchases
from xcat_rec.modeling_xcat.configuration_xcat import FORMAT_VERSION
from xcat_rec.modeling_xcat.filters_xcat import Filters
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import prepare_training

from ..picture_shop import pictured_items, save_vision_encoder
from ..tiny_shop import SMALL, save_text_encoder, shop

HERE = Path(__file__).parent
HISTORIES = [["item-03", "item-10"], ["item-22"], ["item-01", "kite", "item-15"]]
QUERIES = ["maps number", None, "blue tents"]
TEXTS = ["tents number 7", None, "maps"]
EXPECTED = "expected.json"


def main() -> None:
    """Write the checkpoint and what it answers."""
    folder = HERE / f"format-{FORMAT_VERSION}"
    if folder.exists():
        sys.exit(f"{folder} exists; a golden checkpoint is made once")
    torch.manual_seed(FORMAT_VERSION)
    with tempfile.TemporaryDirectory() as place:
        encoder, vision = save_text_encoder(Path(place) / "encoder"), save_vision_encoder(Path(place) / "vision")
        sources = ["item_text", "user_text", "item_image"]
        changes = {**SMALL, "memory_sources": sources, "num_segments": 3, "segment_width": 4}
        tables = replace(shop(20), folder=Path(place), items=pictured_items(Path(place)))
        options = PreparationOptions(
            text_encoder=str(encoder), images="picture", image_encoder=str(vision), config=changes
        )  # fmt: skip
        made = prepare_training(tables, options)
    add_repurchases(made.model, [[5, 12, 5, 24, 12, 5]])  # the shop has none
    for reranker in (made.model.model.candidates, made.model.model.discover_candidates):
        for name, buffer in reranker.named_buffers():
            drawn = torch.randn(buffer.shape)
            buffer.copy_(drawn.abs() + 0.5 if name.endswith("scale") else drawn)
    config = made.model.config
    config.candidate_attention = config.discover_candidate_attention = config.ask_attention = True
    config.discover_neighbor_weight, config.discover_product_weight = 5.0, 0.5
    config.discover_trends = True
    for part in (made.model.model.segments, made.model.model.discovery_ranker):
        for buffer in part.buffers():
            buffer.normal_()
    made.model.model.discovery_ranker.scale.abs_().add_(0.5)
    for name in ("view", "key", "weight", "expand", "expand_bias", "contract"):
        getattr(made.model.model.asks, name).normal_()
    made.model.model.asks.scale.fill_(1.0)
    made.model.save_pretrained(folder)
    made.processor.save_pretrained(folder)
    for code in folder.glob("*.py"):
        code.unlink()
    recommender = XCatRecommender.from_pretrained(folder)
    found = recommender.recommend_many(HISTORIES, 5, texts=TEXTS)
    alike = recommender.recommend_many(HISTORIES, 5, texts=TEXTS, filters=Filters(exclude_seen=False))
    scores = recommender.model.score_catalogue(**recommender.processor(HISTORIES, texts=TEXTS))[:, 2:]
    answers = {
        "scores": [[round(score, 5) for score in user] for user in scores.tolist()],
        "recommended": [[item.item_id for item in user] for user in found],
        "discovered": [[[item.item_id, item.score] for item in user] for user in found],
        "next": [[[item.item_id, item.score] for item in user] for user in alike],
        "asked": [
            [[item.item_id, item.score, *item.words] for item in user]
            for user in recommender.recommend_many(HISTORIES, 5, texts=TEXTS, queries=QUERIES)
        ],
    }
    (folder / EXPECTED).write_text(json.dumps(answers, indent=1) + "\n")
    if sum(file.stat().st_size for file in folder.iterdir()) > 400_000:
        shutil.rmtree(folder)
        sys.exit("the checkpoint is larger than 400 kB")


if __name__ == "__main__":
    main()
