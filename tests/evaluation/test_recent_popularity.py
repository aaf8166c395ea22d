"""Popularity of the last weeks, and the choice of its window."""

from __future__ import annotations

import math

import numpy as np
import pytest
from datasets import Dataset

from xcat_rec.evaluation.ranker_evaluation import evaluate_ranker
from xcat_rec.evaluation.recent_popularity import fit_recent_popularity, new_target_ndcg
from xcat_rec.modeling_baselines.popularity import SECONDS_PER_WEEK, RecentPopularityConfig, RecentPopularityModel
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import split_shop

from ..tiny_shop import shop
from .test_ranker_evaluation import BOOTS, DOME, KITE, LAMP, TENT

WEEK, ROWS = SECONDS_PER_WEEK, 7


def training(*events: tuple[int, float]) -> Dataset:
    """One sequence of (item, week) events per user and event, so that order within users does not matter."""
    rows = {"items": [[item] for item, _ in events], "timestamps": [[int(week * WEEK)] for _, week in events]}
    return Dataset.from_dict(rows)


def queries(*targets: int, history: tuple[int, ...] = ()) -> Dataset:
    return Dataset.from_dict({"items": [list(history)] * len(targets), "targets": [[target] for target in targets]})


def test_recent_events_count_first_then_all_events() -> None:
    model = RecentPopularityModel(RecentPopularityConfig(num_item_rows=ROWS, weeks=2))
    rows = [[TENT, TENT, TENT, DOME], [BOOTS, BOOTS, LAMP]]
    times = [[0, 0, 0, 10 * WEEK], [9 * WEEK, 10 * WEEK, 8 * WEEK]]  # the lamp is exactly two weeks old
    scores = model.fit(rows, times).score_rows([{"items": []}, {"items": [TENT]}])
    assert scores[0, :2].isneginf().all() and scores[0].equal(scores[1])
    assert scores[0].argsort(descending=True).tolist()[:3] == [BOOTS, DOME, TENT]
    assert scores[0, LAMP] < scores[0, TENT] and scores[0, KITE] < scores[0, LAMP]
    assert model.recent.tolist() == [0, 0, 0, 1, 2, 0, 0] and model.counts.tolist() == [0, 0, 3, 1, 2, 1, 0]


def test_without_times_every_event_is_recent() -> None:
    config = RecentPopularityConfig(num_item_rows=ROWS)
    for times in ((), [[-1, -1], [-1]]):
        model = RecentPopularityModel(config).fit([[TENT, TENT], [DOME]], times)
        assert model.recent.tolist() == model.counts.tolist() == [0, 0, 2, 1, 0, 0, 0]
    with pytest.raises(ValueError, match=r"RecentPopularityConfig.weeks is 0; give a number of weeks"):
        RecentPopularityConfig(num_item_rows=ROWS, weeks=0)


def test_the_window_is_chosen_on_new_targets_of_validation() -> None:
    train = training(*[(TENT, 0)] * 9, *[(DOME, 18)] * 3, (BOOTS, 20), (BOOTS, 20))
    chosen = {
        target: fit_recent_popularity(train, queries(target), ROWS).config.weeks for target in (TENT, DOME, BOOTS)
    }
    # The dome is too old for two weeks, which puts the tent second. Of equally good windows the longest is taken.
    assert chosen == {TENT: 2, DOME: 16, BOOTS: 2}
    had = queries(BOOTS, DOME, history=(BOOTS,))
    assert fit_recent_popularity(train, had, ROWS).config.weeks == 16, "boots are in the history and do not count"
    for none in (None, queries(), queries(BOOTS, history=(BOOTS,))):
        assert fit_recent_popularity(train, none, ROWS).config.weeks == 4
    assert fit_recent_popularity(training((TENT, 0), (DOME, 0.5)), queries(TENT), ROWS).config.weeks == 4


def test_its_value_is_that_of_the_evaluation() -> None:
    data = split_shop(shop(), PreparationOptions(split="leave-one-out"))
    rows = len(data.vocabulary)
    model = fit_recent_popularity(data.train, data.validation, rows, weeks=(2,))
    report = evaluate_ranker(model, data.validation, data.vocabulary, trained=np.ones(rows, dtype=bool), ks=[10])
    assert report.discover is not None and report.discover.num_users > 20
    assert new_target_ndcg(model, data.validation) == pytest.approx(report.discover.metrics["ndcg@10"])
    assert math.isnan(new_target_ndcg(model, data.validation.select([])))
