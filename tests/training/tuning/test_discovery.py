"""What is chosen on validation is chosen for discovery too: on targets that are new to their users."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from datasets import Dataset

from xcat_rec.evaluation.ranks import pad_targets, target_ranks
from xcat_rec.evaluation.recommendation_ranking.ranking_metrics import per_user_metrics
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.training.preparation.options import PreparedTraining
from xcat_rec.training.tuning import novel_targets as novel
from xcat_rec.training.tuning import reranker as second_stage
from xcat_rec.training.tuning.neighbor_weight import neighbor_weight_scores
from xcat_rec.training.tuning.novel_targets import discovery_differs, novel_targets, with_novel_targets
from xcat_rec.training.tuning.reranker import fit_second_stage

from ..test_trainer import prepared, trainer_of
from .test_reranker import by_the_brand


def half_repeated(start: PreparedTraining, users: int = 240) -> Dataset:
    """Users who take an item with the brand of their latest one; every second also takes that item again."""
    rows = by_the_brand(start, users)
    targets = [
        [row["items"][-1], *row["targets"]] if user % 2 else list(row["targets"]) for user, row in enumerate(rows)
    ]
    return rows.remove_columns("targets").add_column("targets", targets)


def discovery_ndcg(ranker: object, rows: Dataset) -> float:
    """NDCG@10 of the targets that a history lacks, with the history left out."""
    chosen = [row for row in rows if novel_targets(row)]
    targets = torch.from_numpy(pad_targets([novel_targets(row) for row in chosen]))
    ranks = target_ranks(ranker.discover_rows(chosen), targets)  # type: ignore[attr-defined]
    return float(per_user_metrics(ranks.numpy(), [10])["ndcg@10"].mean())


def test_targets_that_the_history_has_are_no_targets() -> None:
    rows = [
        {"items": [4, 5, 4], "targets": [5, 6, 6]},
        {"items": [7], "targets": [7]},
        {"items": [2, 3], "targets": [1, 8]},
    ]
    assert [novel_targets(row) for row in rows] == [[6, 6], [], [8]]
    kept = with_novel_targets(Dataset.from_list(rows))
    assert kept["items"][:] == [[4, 5, 4], [2, 3]] and kept["targets"][:] == [[5, 6, 6], [1, 8]]


def test_discovery_differs_where_enough_targets_are_new_and_enough_are_not(tmp_path: Path) -> None:
    model = prepared(tmp_path).model
    new, old, mixed = ({"items": [2, 3], "targets": targets} for targets in ([4], [3], [3, 4]))
    for rows, differs in (
        ([new] * 400, False), ([new] * 396 + [old] * 4, True), ([new] * 398 + [old] * 2, False),
        ([old] * 400, False), ([old] * 400 + [mixed] * 299, False), ([old] * 400 + [mixed] * 300, True),
    ):  # fmt: skip
        assert discovery_differs(model, Dataset.from_list(rows)) == differs
    older = prepared(tmp_path, format_version=10).model
    assert not discovery_differs(older, Dataset.from_list([mixed] * 400))


def test_every_weight_is_evaluated_as_discovery_is(tmp_path: Path) -> None:
    start = prepared(tmp_path)
    rows, model = half_repeated(start, 120), start.model
    found = neighbor_weight_scores(model, start.processor, rows, weights=(0.0, 1.0, 30.0), discover=True)
    assert len(set(found.values())) == 3
    for model.config.discover_neighbor_weight, score in found.items():
        ranker = XCatRecommender(model, start.processor)
        assert discovery_ndcg(ranker, rows) == pytest.approx(score, abs=1e-6)
    assert model.config.discover_neighbor_weight == 30.0


def test_the_re_ranker_is_fitted_to_candidates_that_are_new(tmp_path: Path) -> None:
    start = prepared(tmp_path, num_candidates=12)
    rows, model, config = half_repeated(start), start.model, start.model.config
    learnt, judged = rows.select(range(180)), rows.select(range(180, 240))
    ranker = XCatRecommender(model, start.processor)
    first, first_learnt = discovery_ndcg(ranker, judged), discovery_ndcg(ranker, learnt)
    before = {name: value.clone() for name, value in model.model.candidates.named_buffers()}
    gain = fit_second_stage(model, start.processor, learnt, discover=True)
    assert gain.users == len(with_novel_targets(learnt)) and gain.pays
    assert gain.before == pytest.approx(first_learnt, abs=1e-6)
    assert config.discover_candidate_attention and not config.candidate_attention
    assert all(value.equal(before[name]) for name, value in model.model.candidates.named_buffers())
    assert all(not value.isnan().any() for value in model.model.discover_candidates.buffers())
    assert discovery_ndcg(ranker, judged) > 1.2 * first
    with pytest.raises(ValueError, match="at least 3 users with targets, and there are 0"):
        repeated = [[row["items"][0]] for row in learnt]
        fit_second_stage(
            model, start.processor, learnt.remove_columns("targets").add_column("targets", repeated), discover=True
        )


def test_a_fit_with_fewer_items_left_than_candidates(tmp_path: Path) -> None:
    start = prepared(tmp_path, num_candidates=40)
    rows = half_repeated(start)
    gain = fit_second_stage(start.model, start.processor, rows, discover=True)
    reranker = start.model.model.discover_candidates
    assert reranker is not None and all(not value.isnan().any() for value in reranker.buffers())
    assert gain.pays and gain.after == gain.after


def test_training_chooses_for_both_purposes_where_they_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(novel, "LEAST_USERS", 20)
    start = prepared(tmp_path, num_candidates=40)
    rows, config = half_repeated(start), start.model.config
    trainer = trainer_of(start, tmp_path, num_train_epochs=1, learning_rate=1e-5)
    trainer.eval_dataset = rows
    trainer.train()
    found = neighbor_weight_scores(start.model, start.processor, rows, discover=True)
    assert config.discover_neighbor_weight == max(found, key=lambda weight: found[weight])
    assert config.discover_candidate_attention
    last = next(entry for entry in reversed(trainer.state.log_history) if "discover_re_ranked_ndcg@10" in entry)
    using = XCatRecommender(start.model, start.processor)
    held_out = trainer.held_out_ranker(using)
    # Features are fitted in half precision, so a rank or two may differ.
    assert discovery_ndcg(held_out, rows) == pytest.approx(last["discover_re_ranked_ndcg@10"], abs=1e-3)
    evaluated = trainer.evaluate()["eval_discover_ndcg@10"]
    assert evaluated == pytest.approx(discovery_ndcg(held_out, rows), abs=1e-6)
    assert last["discover_re_ranked_ndcg@10"] > 1.2 * last["discover_first_stage_ndcg@10"]
    assert discovery_ndcg(using, rows) != pytest.approx(last["discover_re_ranked_ndcg@10"], abs=5e-3)

    monkeypatch.setattr(novel, "LEAST_USERS", 1000)
    trainer.train()
    assert config.discover_neighbor_weight is None and config.discover_candidate_attention is None
    assert config.candidate_attention, "which discovery then uses"
    held_out = trainer.held_out_ranker(using)
    with torch.no_grad():
        following, new = held_out.score_rows(list(rows)), held_out.discover_rows(list(rows))
    seen = torch.zeros_like(new, dtype=torch.bool).scatter(1, torch.tensor([row["items"] for row in rows]), True)
    assert new[seen].isneginf().all() and new[~seen].isfinite().sum() == following[~seen].isfinite().sum()


def test_a_re_ranker_that_does_not_pay_is_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = prepared(tmp_path)
    rows = half_repeated(start, 60)
    monkeypatch.setattr(second_stage, "STANDARD_ERRORS", torch.inf)
    start.model.config.candidate_attention = True
    gain = fit_second_stage(start.model, start.processor, rows, discover=True)
    assert start.model.config.discover_candidate_attention is False and start.model.config.candidate_attention
    assert start.model.model.reranker(discovers=True) is None
    assert dataclasses.replace(gain, held_out=None) == fit_second_stage(
        start.model, start.processor, rows, discover=True
    )
