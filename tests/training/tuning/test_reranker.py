"""Fitting the re-ranker: its gain, when it is used, and agreement with evaluation and serving."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from datasets import Dataset

from xcat_rec.evaluation.ranker_evaluation import evaluate_ranker
from xcat_rec.modeling_xcat.configuration_xcat import XCatConfig
from xcat_rec.modeling_xcat.reranker_xcat import CandidateFeatures, XCatCandidateAttention
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.tokenization.progress import Stage, listening
from xcat_rec.training.preparation.options import PreparedTraining
from xcat_rec.training.tuning import reranker
from xcat_rec.training.tuning.reranker import SecondStageGain, _steps, fit_second_stage, standardise

from ..test_trainer import prepared, trainer_of


class Stages:
    """Units done and total of each stage by name."""

    def __init__(self) -> None:
        self.ended_at: dict[str, tuple[int, int | None]] = {}

    def began(self, stage: Stage) -> None: ...

    def advanced(self, stage: Stage) -> None: ...

    def said(self, text: str) -> None: ...

    def ended(self, stage: Stage) -> None:
        assert stage.name not in self.ended_at, "every stage has a name of its own"
        self.ended_at[stage.name] = stage.done, stage.total


def by_the_brand(start: PreparedTraining, users: int = 240) -> Dataset:
    """Users who take items with the brand of their latest item, a rule that an untrained model cannot follow."""
    brands = start.model.model.items.feature_values[:, 0]
    generator = torch.Generator().manual_seed(0)
    rows = []
    for user in range(users):
        items = torch.randint(2, 42, (4,), generator=generator)
        same = (brands == brands[items[-1]]).nonzero().squeeze(1)
        target = same[torch.randint(len(same), (1,), generator=generator)]
        rows.append({"user_id": str(user), "items": items.tolist(), "targets": target.tolist()})
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    for name, value in (("event_types", 1), ("ratings", None), ("timestamps", -1)):
        columns[name] = [[value] * 4] * users
    return Dataset.from_dict(columns)


def ndcg(start: PreparedTraining, dataset: Dataset) -> float:
    report = evaluate_ranker(
        XCatRecommender(start.model, start.processor), dataset, start.processor.catalogue,
        trained=start.trained, ks=[10], progress=False,
    )  # fmt: skip
    return report.metrics["ndcg@10"]


@pytest.mark.usefixtures("whole_fits")
def test_what_candidates_share_with_the_history_is_found(tmp_path: Path) -> None:
    start = prepared(tmp_path)
    assert start.model.config.item_features == {"brand": 4}
    learnt, judged = (by_the_brand(start).select(range(*span)) for span in ((0, 180), (180, 240)))
    shown = Stages()
    with listening(shown):
        gain = fit_second_stage(start.model, start.processor, learnt)
    assert shown.ended_at == {
        "collecting candidates": (180, 180), "cross-validating the re-ranker": (900, 900),
        "fitting the re-ranker": (300, 300),
    }  # fmt: skip
    assert gain.users == 180 and gain.pays and gain.after > 1.3 * gain.before
    stage = start.model.model.candidates
    assert stage is not None and stage.expand.shape[1] == len(stage.key) + len(stage.weight)
    assert not stage.key.requires_grad and stage.pair_scale.gt(0).all()
    after = ndcg(start, judged)
    start.model.config.candidate_attention = False
    before = ndcg(start, judged)
    assert gain.before == pytest.approx(ndcg(start, learnt), abs=1e-6)
    assert after > 1.3 * before


@pytest.mark.usefixtures("whole_fits")
def test_how_often_and_how_long_ago_is_found(tmp_path: Path) -> None:
    generator, rows = torch.Generator().manual_seed(0), []
    for user in range(240):
        often, once, latest = (torch.randperm(40, generator=generator)[:3] + 2).tolist()
        rows.append({"user_id": str(user), "items": [once, often, often, often, once, latest], "targets": [often]})
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    for name, value in (("event_types", 1), ("ratings", None), ("timestamps", -1)):
        columns[name] = [[value] * 6] * len(rows)
    learnt, judged = (Dataset.from_dict(columns).select(range(*span)) for span in ((0, 180), (180, 240)))
    found = {}
    for version in (5, 6):
        start = prepared(tmp_path / str(version), format_version=version, candidate_window=0)
        assert fit_second_stage(start.model, start.processor, learnt).pays
        assert all(not buffer.isnan().any() for buffer in start.model.buffers())
        found[version] = ndcg(start, judged)
    assert found[6] > 0.95 > 0.9 > found[5]


def test_rare_features_do_not_count() -> None:
    stage = XCatCandidateAttention(XCatConfig(num_candidates=5, item_features={}))
    generator = torch.Generator().manual_seed(0)
    candidates = torch.rand(40, 5, len(stage.weight), generator=generator) + 0.5
    candidates[..., -2] *= torch.arange(200).view(40, 5) < 1
    candidates[..., -1] *= torch.arange(200).view(40, 5) < 2
    pairs = torch.rand(40, 5, 10, len(stage.key), generator=generator)
    standardise(stage, CandidateFeatures(pairs, candidates, torch.ones(40, 10, dtype=torch.bool)))
    assert stage.candidate_scale.isinf().tolist() == [False] * (len(stage.weight) - 2) + [True, False]
    for buffer in (stage.weight, stage.expand, stage.contract):
        buffer.normal_(generator=generator)
    assert stage(CandidateFeatures(pairs, candidates, pairs[:, 0, :, 0] > 0))[0].isfinite().all()


def test_it_is_the_same_again_and_left_off_where_there_is_nothing_to_find(tmp_path: Path) -> None:
    start = prepared(tmp_path)
    rows = by_the_brand(start, 90)
    gain = fit_second_stage(start.model, start.processor, rows)
    assert fit_second_stage(start.model, start.processor, rows) == gain
    assert fit_second_stage(start.model, start.processor, rows, seed=1) != gain
    start.model.config.candidate_attention = False
    best = XCatRecommender(start.model, start.processor).score_rows([rows[i] for i in range(90)]).topk(2).indices
    known = rows.remove_columns("targets").add_column("targets", best[:, :1].tolist())
    gain = fit_second_stage(start.model, start.processor, known)
    assert gain.before == pytest.approx(1.0) and not gain.pays and not start.model.config.candidate_attention


def test_the_cold_boost_is_not_evidence(tmp_path: Path) -> None:
    start = prepared(tmp_path, num_candidates=40)
    start.model.model.items.item_counts[5:25] = 0
    rows, stage = by_the_brand(start, 90), start.model.model.candidates
    assert stage is not None
    fitted = []
    for start.model.config.untrained_bonus in (0.0, 2.0):
        start.model.config.candidate_attention = False
        before = ndcg(start, rows)
        gain = fit_second_stage(start.model, start.processor, rows)
        assert gain.before == pytest.approx(before, abs=1e-6), "what is judged is what is served"
        fitted.append({name: buffer.clone() for name, buffer in stage.named_buffers()})
    torch.testing.assert_close(fitted[1], fitted[0], atol=1e-3, rtol=1e-3)


def test_a_gain_within_two_standard_errors_is_none() -> None:
    assert not SecondStageGain(10, 0.5, 0.519, 0.01).pays
    assert SecondStageGain(10, 0.5, 0.521, 0.01).pays
    assert not SecondStageGain(10, 0.5, 0.5, 0.0).pays


def test_several_targets_count_and_few_users_are_refused(tmp_path: Path) -> None:
    start = prepared(tmp_path, num_candidates=12)
    rows = by_the_brand(start, 60)
    several = [[*t, *((t[0] + 1,) if t[0] < 41 else ())] for t in rows["targets"]]
    rows = rows.remove_columns("targets").add_column("targets", several)
    gain = fit_second_stage(start.model, start.processor, rows)
    start.model.config.candidate_attention = False
    assert gain.before == pytest.approx(ndcg(start, rows), abs=1e-6)
    with pytest.raises(ValueError, match="needs at least 3 users"):
        fit_second_stage(start.model, start.processor, rows.select(range(2)))
    without = prepared(tmp_path, num_candidates=0)
    with pytest.raises(ValueError, match="no re-ranker"):
        fit_second_stage(without.model, without.processor, rows)


@pytest.mark.usefixtures("whole_fits")
def test_training_ends_with_it_where_it_pays(tmp_path: Path) -> None:
    start = prepared(tmp_path)
    trainer = trainer_of(start, tmp_path, num_train_epochs=1, learning_rate=1e-5)
    trainer.eval_dataset = by_the_brand(start)
    start.model.config.candidate_attention = True  # from an earlier training: off until it is fitted again
    trainer.train()
    assert start.model.config.candidate_attention
    shown = [entry["eval_ndcg@10"] for entry in trainer.state.log_history if "eval_ndcg@10" in entry]
    assert trainer.evaluate()["eval_ndcg@10"] > 1.2 * shown[-1]
    trainer_of(start, tmp_path, num_train_epochs=1, tune_second_stage=False).train()
    assert start.model.config.candidate_attention


def test_candidates_of_a_step_stand_for_all_and_hold_every_target() -> None:
    generator = torch.Generator().manual_seed(0)
    places = torch.tensor([[0, 150], [199, -1], [7, -2]])
    columns, stands_for, own = reranker._step_columns(places, 200, generator)
    assert columns.shape == stands_for.shape == (3, 40 + 60 + 2)
    # A drawn target is replaced by its own column, so the sum may miss the five other candidates that it represents.
    assert (stands_for.exp().sum(1) - 200).abs().max() <= 6
    for user, wanted in enumerate(places):
        kept = columns[user][~stands_for[user].isneginf()].tolist()
        assert len(kept) == len(set(kept)), "no candidate twice"
        for place, column in zip(wanted.tolist(), own[user].tolist(), strict=True):
            assert place < 0 or (columns[user, column] == place and stands_for[user, column] == 0)
            assert place >= 0 or stands_for[user, column].isneginf()
    everything, none, own = reranker._step_columns(places.clamp(max=39), 40, generator)
    assert everything.tolist() == [list(range(40))] * 3 and not none.any() and own[0].tolist() == [0, 39]


def test_where_no_target_is_a_candidate_nothing_is_fitted(tmp_path: Path) -> None:
    start = prepared(tmp_path, num_candidates=1)
    rows = by_the_brand(start, 30)
    best = XCatRecommender(start.model, start.processor).score_rows(list(rows)).argmax(1)
    others = [[2 + (int(row) - 1) % 40] for row in best]
    start.model.config.candidate_attention = True
    gain = fit_second_stage(start.model, start.processor, rows.remove_columns("targets").add_column("targets", others))
    assert (gain.users, gain.before, gain.after) == (30, 0.0, 0.0) and not start.model.config.candidate_attention


@pytest.mark.usefixtures("whole_fits")
def test_steps_follow_the_number_of_users():
    assert [_steps(users, False) for users in (0, 60, 4800, 6400, 9600, 30_000)] == [300, 300, 300, 400, 600, 600]
    assert [_steps(users, True) for users in (60, 30_000)] == [150, 150]
