"""The factor of the products is chosen as discovery is evaluated."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.training.tuning.product_weight import product_weight_scores

from ..test_trainer import prepared, trainer_of
from .test_discovery import discovery_ndcg, half_repeated


def test_every_factor_is_evaluated_as_discovery_is(tmp_path: Path) -> None:
    start = prepared(tmp_path, num_segments=2, segment_width=4, discover_neighbor_weight=0.0)
    rows, model = half_repeated(start, 120), start.model
    generator = torch.Generator().manual_seed(0)
    for buffer in model.model.segments.buffers():
        buffer.copy_(torch.randn(buffer.shape, generator=generator))
    found = product_weight_scores(model, start.processor, rows, weights=(None, 1.0, 0.01))
    assert model.config.discover_product_weight is None and len(set(found.values())) == 3
    plain = XCatRecommender(model, start.processor).score_rows(list(rows))
    for model.config.discover_product_weight, score in found.items():
        ranker = XCatRecommender(model, start.processor)
        assert discovery_ndcg(ranker, rows) == pytest.approx(score, abs=1e-6)
        assert ranker.score_rows(list(rows)).equal(plain), "next items have no rates"


def test_the_trainer_evaluates_a_model_with_rates_alone_as_it_recommends(tmp_path: Path) -> None:
    """Without item-to-item weights and re-ranker the rates are all that makes discovery differ."""
    start = prepared(tmp_path, num_segments=2, segment_width=4, num_neighbors=0, num_candidates=0)
    rows, model = half_repeated(start, 120), start.model
    generator = torch.Generator().manual_seed(0)
    for buffer in model.model.segments.buffers():
        buffer.copy_(torch.randn(buffer.shape, generator=generator))
    trainer = trainer_of(start, tmp_path)
    found = []
    for model.config.discover_product_weight in (None, 0.01):
        found.append(trainer.evaluate(rows)["eval_discover_ndcg@10"])
        assert found[-1] == pytest.approx(discovery_ndcg(XCatRecommender(model, start.processor), rows), abs=1e-6)
    assert found[0] != found[1]


def test_a_model_without_segments_is_refused(tmp_path: Path) -> None:
    start = prepared(tmp_path, num_segments=0)
    with pytest.raises(ValueError, match="no segments; give a num_segments above 0"):
        product_weight_scores(start.model, start.processor, half_repeated(start, 4))
