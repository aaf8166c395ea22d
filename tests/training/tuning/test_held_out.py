"""Metrics of the users that the re-ranker was fitted on: weights of other users score them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from datasets import Dataset

from xcat_rec.evaluation.ranker_evaluation import evaluate_ranker
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.training.preparation.options import PreparedTraining
from xcat_rec.training.trainer import XCatTrainer
from xcat_rec.training.tuning import reranker as second_stage
from xcat_rec.training.tuning.held_out import HeldOutWeights, fingerprint
from xcat_rec.training.tuning.reranker import fit_second_stage
from xcat_rec.workflows.checkpoint_evaluation import VALIDATION, EvaluationData, evaluate_on, evaluation_data

from ...tiny_shop import shop
from ..test_trainer import prepared, trainer_of
from .test_reranker import by_the_brand, ndcg

CHANCE = sum(1 / torch.log2(torch.tensor(rank + 1.0)).item() for rank in range(1, 11)) / 40
"""NDCG@10 of one target among 40 items that is anywhere."""


def at_random(users: int = 50) -> Dataset:
    """Users whose next item nothing predicts."""
    draw, rows = random.Random(0), []
    for user in range(users):
        items = draw.sample(range(2, 42), 5)
        rows.append({"user_id": str(user), "items": items[:4], "targets": items[4:]})
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    for name, value in (("event_types", 1), ("ratings", None), ("timestamps", -1)):
        columns[name] = [[value] * 4] * users
    return Dataset.from_dict(columns)


def trained(folder: Path, rows: Dataset) -> tuple[PreparedTraining, XCatTrainer]:
    start = prepared(folder, num_candidates=40)
    trainer = trainer_of(start, folder, num_train_epochs=1, learning_rate=1e-5, tune_neighbor_weight=False)
    trainer.eval_dataset = rows
    trainer.train()
    return start, trainer


@pytest.mark.usefixtures("whole_fits")
def test_data_without_a_rule_is_at_chance_after_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_stage, "STANDARD_ERRORS", -torch.inf)  # the re-ranker is used though it does not pay
    rows = at_random()
    start, trainer = trained(tmp_path, rows)
    assert start.model.config.candidate_attention
    last = trainer.state.log_history[-1]
    honest = trainer.evaluate()["eval_ndcg@10"]
    assert ndcg(start, rows) > 3 * CHANCE, "the weights of the checkpoint have learnt these users by heart"
    assert honest < CHANCE + 0.1
    assert honest == pytest.approx(last["re_ranked_ndcg@10"], abs=1e-6)
    assert last["first_stage_ndcg@10"] < CHANCE + 0.1 and trainer.state.best_metric < CHANCE + 0.1
    assert trainer.predict(rows).metrics["test_ndcg@10"] == pytest.approx(honest, abs=1e-6)
    some = rows.shuffle(seed=1).select(range(20))
    assert trainer.evaluate(some)["eval_ndcg@10"] < ndcg(start, some) - 0.1, "these users in any data set"
    ranker = trainer.held_out_ranker(XCatRecommender(start.model, start.processor))
    found = evaluate_ranker(ranker, rows, start.processor.catalogue, trained=start.trained, ks=[10], progress=False)
    assert found.metrics["ndcg@10"] == pytest.approx(honest, abs=1e-6)


@pytest.mark.usefixtures("whole_fits")
def test_other_users_are_ranked_by_the_weights_of_the_checkpoint(tmp_path: Path) -> None:
    rows = by_the_brand(prepared(tmp_path), 240)
    start, trainer = trained(tmp_path, rows.select(range(160)))
    assert start.model.config.candidate_attention
    others = rows.select(range(160, 240))
    assert trainer.evaluate(others)["eval_ndcg@10"] == pytest.approx(ndcg(start, others), abs=1e-6)
    last = trainer.state.log_history[-2]
    assert trainer.evaluate()["eval_ndcg@10"] == pytest.approx(last["re_ranked_ndcg@10"], abs=1e-6)
    assert last["re_ranked_ndcg@10"] > 1.2 * last["first_stage_ndcg@10"]
    trainer.train()
    shown = [entry for entry in trainer.state.log_history if "epoch" in entry and "eval_ndcg@10" in entry]
    assert shown[-1]["eval_ndcg@10"] < 1.2 * last["first_stage_ndcg@10"], "epochs are without a re-ranker"


def test_rows_that_are_the_same_are_in_one_fold(tmp_path: Path) -> None:
    start = prepared(tmp_path, num_candidates=40)
    rows = by_the_brand(start, 30)
    twice = Dataset.from_list(list(rows) + list(rows))
    gain = fit_second_stage(start.model, start.processor, twice)
    assert gain.held_out is not None and len(gain.held_out.folds) == len({fingerprint(row) for row in rows})
    assert sorted(set(gain.held_out.folds.values())) == [0, 1, 2] and gain.users == 60
    one = Dataset.from_list([rows[0]] * 10)
    assert not fit_second_stage(start.model, start.processor, one).pays


def test_scores_keep_the_order_of_the_queries_and_the_weights_of_the_re_ranker(tmp_path: Path) -> None:
    reranker = prepared(tmp_path).model.model.candidates
    assert reranker is not None
    reranker.weight.fill_(9.0)
    weights = [{"weight": torch.full_like(reranker.weight, number)} for number in range(3)]
    held_out = HeldOutWeights({fingerprint({"items": [5], "targets": [6]}): 2}, weights)
    rows = [{"items": [5], "targets": [6]}, {"items": [5, 6], "targets": [6]}]
    assert held_out.folds_of(rows).tolist() == [2, -1]

    def scored(chosen: torch.Tensor) -> torch.Tensor:
        return torch.stack([chosen.float(), reranker.weight[0].expand(len(chosen))], 1)

    scores = held_out.scores(reranker, torch.tensor([2, -1, 0, 2]), scored)
    assert scores.tolist() == [[0, 2], [1, 9], [2, 0], [3, 2]] and reranker.weight.eq(9).all()


def test_a_checkpoint_is_evaluated_without_it_on_the_validation_split(tmp_path: Path) -> None:
    start = prepared(tmp_path, num_candidates=40)
    fit_second_stage(start.model, start.processor, by_the_brand(start))
    assert start.model.config.candidate_attention
    recommender = XCatRecommender(start.model, start.processor)
    data = evaluation_data(recommender, shop(), part=VALIDATION)
    assert any("without the re-ranker" in note for note in data.notes)
    found = evaluate_on(recommender, data, [10])["XCat"].metrics["ndcg@10"]
    assert start.model.config.candidate_attention
    start.model.config.candidate_attention = False
    assert found == pytest.approx(ndcg(start, data.splits[VALIDATION]), abs=1e-6)
    notes = evaluation_data(recommender, shop(), part=VALIDATION).notes
    assert not any("without the re-ranker" in note for note in notes)
    test = EvaluationData(data.data, "test", {})
    start.model.config.candidate_attention = True
    assert evaluate_on(recommender, test, [10])["XCat"].metrics["ndcg@10"] == ndcg(start, data.splits["test"])
