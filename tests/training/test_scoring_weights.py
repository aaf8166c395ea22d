"""The weights of memories and second stage: what an evaluation with them finds, and what training chooses."""

from __future__ import annotations

from pathlib import Path

import pytest

from xcat_rec.evaluation.protocol import evaluate_ranker
from xcat_rec.inference.recommender import XCatRecommender
from xcat_rec.training import scoring_weights
from xcat_rec.training.scoring_weights import candidate_weight_scores, neighbor_weight_scores

from .test_trainer import prepared, trainer_of


def test_every_weight_is_judged_as_an_evaluation_would(tmp_path: Path) -> None:
    start = prepared(tmp_path)
    validation, memory = start.splits["validation"], start.model.model.neighbors
    assert memory is not None and (memory.similarities > 0).any()
    found = neighbor_weight_scores(start.model, start.processor, validation, weights=(0.0, 1.0, 30.0))
    assert len(set(found.values())) == 3
    for weight, score in found.items():
        start.model.config.neighbor_weight = weight
        recommender = XCatRecommender(start.model, start.processor)
        report = evaluate_ranker(
            recommender, validation, start.processor.catalogue, trained=start.trained, ks=[10], progress=False
        )
        assert report.metrics["ndcg@10"] == pytest.approx(score, abs=1e-6)


def test_training_ends_with_the_best_weight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring_weights, "_SCORES_AT_ONCE", 100)
    start = prepared(tmp_path)
    trainer = trainer_of(start, tmp_path, num_train_epochs=2)
    trainer.train()
    config, validation = start.model.config, start.splits["validation"]
    by_pair = candidate_weight_scores(start.model, start.processor, validation)
    assert by_pair[tuple(config.candidate_weights)] == max(by_pair.values())
    assert trainer.evaluate()["eval_ndcg@10"] == pytest.approx(max(by_pair.values()), abs=1e-6)
    config.candidate_weights = [0.0, 0.0]
    found = neighbor_weight_scores(start.model, start.processor, validation)
    assert found[config.neighbor_weight] == max(found.values())
    start.model.config.neighbor_weight = 0.25
    trainer_of(start, tmp_path, num_train_epochs=1, tune_scoring_weights=False).train()
    assert start.model.config.neighbor_weight == 0.25


def test_every_pair_is_judged_as_an_evaluation_would(tmp_path: Path) -> None:
    start = prepared(tmp_path)
    validation = start.splits["validation"]
    found = candidate_weight_scores(start.model, start.processor, validation, weights=(0.0, 30.0))
    assert len(found) == 4 and len(set(found.values())) > 1
    for pair, score in found.items():
        start.model.config.candidate_weights = list(pair)
        recommender = XCatRecommender(start.model, start.processor)
        report = evaluate_ranker(
            recommender, validation, start.processor.catalogue, trained=start.trained, ks=[10], progress=False
        )
        assert report.metrics["ndcg@10"] == pytest.approx(score, abs=1e-6)


def test_a_model_without_memory_is_refused(tmp_path: Path) -> None:
    start = prepared(tmp_path, num_neighbors=0, num_candidates=0)
    with pytest.raises(ValueError, match="no neighbour memory; give a num_neighbors above 0"):
        neighbor_weight_scores(start.model, start.processor, start.splits["validation"])
    with pytest.raises(ValueError, match="no second stage; give a num_candidates above 0"):
        candidate_weight_scores(start.model, start.processor, start.splits["validation"])
