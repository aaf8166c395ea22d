"""The item-to-item weight: its metrics equal an evaluation, and training chooses the best."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from xcat_rec.evaluation.ranker_evaluation import evaluate_ranker
from xcat_rec.evaluation.ranks import target_ranks
from xcat_rec.modeling_xcat.configuration_xcat import XCatConfig
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.training.tasks.next_item import tune_neighbor_weight
from xcat_rec.training.tuning import neighbor_weight
from xcat_rec.training.tuning.neighbor_weight import OLD_WEIGHTS, WEIGHTS, neighbor_weight_scores

from ..test_trainer import prepared, trainer_of


@pytest.mark.parametrize("version", [1, 3, 4])
def test_every_weight_is_evaluated_as_in_an_evaluation(version: int, tmp_path: Path) -> None:
    start = prepared(tmp_path, format_version=version)
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


def test_a_reranker_in_use_is_turned_off_and_on_again(tmp_path: Path) -> None:
    start = prepared(tmp_path)
    model, generator = start.model, torch.Generator().manual_seed(0)
    stage = model.model.candidates
    assert stage is not None
    for name, buffer in stage.named_buffers():
        buffer.copy_(torch.rand(buffer.shape, generator=generator) + 0.5 * name.endswith("scale"))
    without = neighbor_weight_scores(model, start.processor, start.splits["validation"])
    model.config.candidate_attention = True
    assert neighbor_weight_scores(model, start.processor, start.splits["validation"]) == without
    with pytest.raises(KeyError):
        neighbor_weight_scores(model, start.processor, start.splits["validation"].remove_columns("targets"))
    assert model.config.candidate_attention and model.config.neighbor_weight == XCatConfig().neighbor_weight


def test_candidate_weights_depend_on_the_kind_of_table(tmp_path: Path) -> None:
    for version, weights in ((2, OLD_WEIGHTS), (3, OLD_WEIGHTS), (4, WEIGHTS)):
        start = prepared(tmp_path, format_version=version)
        found = neighbor_weight_scores(start.model, start.processor, start.splits["validation"])
        assert tuple(found) == weights
        assert found == neighbor_weight_scores(
            start.model, start.processor, start.splits["validation"], weights=weights
        )
    assert {0.0, XCatConfig().neighbor_weight} < set(WEIGHTS)
    assert neighbor_weight_scores(start.model, start.processor, start.splits["validation"], weights=[]) == {}


@pytest.mark.parametrize("k", [1, 4, 40])
def test_many_targets_rank_as_with_the_bonus_in_place(k: int) -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randint(0, 9, (7, 30), generator=generator).float()  # with ties
    targets = torch.randint(-1, 30, (7, 5), generator=generator)
    queries, items = (torch.rand(7, 30, generator=generator) < 0.3).nonzero(as_tuple=True)
    values = torch.randint(1, 4, queries.shape, generator=generator).float()
    asked = neighbor_weight._TargetRanks(scores.clone(), targets, queries, items, values, k)
    for weight in (0.0, 1.0, 2.5):
        raised = scores.clone()
        raised[queries, items] += weight * values
        found, expected = asked.ranks(weight), target_ranks(raised, targets)
        assert torch.equal(found.clamp(max=k + 1), expected.clamp(max=k + 1))
    none = torch.zeros(0, dtype=torch.long)
    found = neighbor_weight._TargetRanks(scores.clone(), targets, none, none, torch.zeros(0), k).ranks(3.0)
    assert torch.equal(found.clamp(max=k + 1), target_ranks(scores, targets).clamp(max=k + 1))


@pytest.mark.parametrize(("version", "weights"), [(3, OLD_WEIGHTS), (4, WEIGHTS)])
def test_training_ends_with_the_best_weight(
    version: int, weights: tuple[float, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbor_weight, "_SCORES_AT_ONCE", 100)
    start = prepared(tmp_path, format_version=version)
    trainer = trainer_of(start, tmp_path, num_train_epochs=2, tune_second_stage=False)
    trainer.train()
    found = neighbor_weight_scores(start.model, start.processor, start.splits["validation"])
    assert tuple(found) == weights
    assert found[start.model.config.neighbor_weight] == max(found.values())
    assert trainer.evaluate()["eval_ndcg@10"] == pytest.approx(max(found.values()), abs=1e-6)
    start.model.config.neighbor_weight = 0.25
    trainer_of(start, tmp_path, num_train_epochs=1, tune_neighbor_weight=False, tune_second_stage=False).train()
    assert start.model.config.neighbor_weight == 0.25


@pytest.mark.parametrize("given", ["neighbor_weight", "discover_neighbor_weight"])
def test_a_given_weight_is_kept(given: str, tmp_path: Path) -> None:
    start = prepared(tmp_path, **{given: 0.0})
    trainer = trainer_of(start, tmp_path, num_train_epochs=1, tune_second_stage=False)
    trainer.train()
    config, task = start.model.config, trainer.task
    assert getattr(config, given) == 0.0
    found = neighbor_weight_scores(start.model, start.processor, start.splits["validation"])
    assert found[0.0] < max(found.values()), "training would have chosen another one"
    tune_neighbor_weight(trainer, start.model, start.splits["validation"], None, discover=True)
    kept = (0.0, None) if given == "neighbor_weight" else (config.neighbor_weight, 0.0)
    assert (config.neighbor_weight, config.discover_neighbor_weight) == kept
    task.begin(trainer, start.model)
    assert (config.neighbor_weight, config.discover_neighbor_weight) == kept


def test_every_epoch_is_evaluated_with_the_best_item_to_item_weight(tmp_path: Path) -> None:
    start = prepared(tmp_path)
    start.model.config.neighbor_weight = 1e4
    trainer = trainer_of(start, tmp_path, num_train_epochs=1, tune_second_stage=False)
    trainer.train()
    found = neighbor_weight_scores(start.model, start.processor, start.splits["validation"])
    judged = [entry["eval_ndcg@10"] for entry in trainer.state.log_history if "eval_ndcg@10" in entry]
    assert judged == pytest.approx([max(found.values())], abs=1e-6) and min(found.values()) < max(found.values())
    validation = start.splits["validation"]
    some = neighbor_weight_scores(start.model, start.processor, validation, most_users=2)
    ends = validation.select([0, len(validation) - 1])
    assert some == pytest.approx(neighbor_weight_scores(start.model, start.processor, ends))


def test_a_model_without_memory_is_refused(tmp_path: Path) -> None:
    start = prepared(tmp_path, num_neighbors=0)
    with pytest.raises(ValueError, match="no item-to-item weights; give a num_neighbors above 0"):
        neighbor_weight_scores(start.model, start.processor, start.splits["validation"])
