"""The cold-item boost of discovery is chosen with known items in the place of added ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import xcat_rec
from xcat_rec.modeling_xcat.configuration_xcat import XCatConfig
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.training.preparation.options import PreparedTraining
from xcat_rec.training.tuning.cold_boost import BOOSTS, BoostTrial, BoostTrials, as_added, choose_cold_boost

from ..test_trainer import prepared, trainer_of
from .test_discovery import discovery_ndcg, half_repeated


def trials(buys_again: bool, **found: tuple[list[float], float]) -> BoostTrials:
    boosts = {float(name[1:]): BoostTrial(np.array(ndcg), share) for name, (ndcg, share) in found.items()}
    return BoostTrials(dict(sorted(boosts.items(), reverse=True)), 0.125, buys_again)


def test_of_boosts_that_cannot_be_told_apart_the_fair_one_is_chosen() -> None:
    noisy = {"b1": ([0.5, 0.3, 0.4, 0.4], 0.3), "b0": ([0.3, 0.5, 0.4, 0.39], 0.13), "b0.5": ([0.4] * 4, 0.2)}
    assert trials(True, **noisy).choice == 0.0
    assert trials(False, **noisy).choice is None, "where nobody buys again, it must be measurably better"
    better = {"b1": ([0.3, 0.3, 0.4, 0.4], 0.3), "b0": ([0.4, 0.4, 0.5, 0.5], 0.13)}
    assert trials(True, **better).choice == trials(False, **better).choice == 0.0
    worse = {"b1": ([0.4, 0.4, 0.5, 0.5], 0.9), "b0": ([0.3, 0.3, 0.4, 0.4], 0.125)}
    assert trials(True, **worse).choice is None, "a measurably worse boost is not chosen, however fair"


def buffers(start: PreparedTraining) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in start.model.state_dict().items()}


def test_items_treated_as_added_have_texts_alone_and_everything_is_restored(tmp_path: Path) -> None:
    start = prepared(tmp_path, num_segments=2, segment_width=4)
    base, before, part = start.model.model, buffers(start), torch.tensor([3, 9])
    base.segments.rates[part] = -9.0
    before = buffers(start)
    assert not base.items._id_part(part).eq(0).all()
    with as_added(start.model, part):
        assert base.items.item_counts[part].eq(0).all() and base.items._id_part(part).eq(0).all()
        assert base.segments.rates[part].gt(-8).all(), "those of similar items"
    assert all(value.equal(before[name]) for name, value in buffers(start).items())


def test_discovery_alone_has_the_boost_in_training_evaluation_and_serving(tmp_path: Path) -> None:
    start = prepared(tmp_path, num_candidates=0, untrained_bonus=0.25)
    assert start.model.config.discover_untrained_bonus == 0.25, "a given boost is for both purposes"
    rows, config = half_repeated(start, 60), start.model.config
    assert choose_cold_boost(start.model, start.processor, rows) is None, "and is kept"
    cold = int((start.model.model.items.item_counts[2:] == 0).nonzero()[0]) + 2
    trainer, found = trainer_of(start, tmp_path), []
    lists = XCatRecommender(start.model, start.processor)
    plain = lists.score_rows(list(rows))
    for config.discover_untrained_bonus in (None, -100.0, 100.0):
        assert lists.score_rows(list(rows)).equal(plain), "next is as before"
        found.append(float(lists.discover_rows([{**rows[0], "items": [2, 3]}])[0, cold]))
        ndcg = trainer.evaluate(rows)["eval_discover_ndcg@10"]
        assert ndcg == pytest.approx(discovery_ndcg(lists, rows), abs=1e-6)
    assert found[1:] == pytest.approx([found[0] - 100.25, found[0] + 99.75], abs=1e-3)
    start.model.save_pretrained(tmp_path / "saved")
    assert XCatConfig.from_pretrained(tmp_path / "saved").discover_untrained_bonus == 100
    lists.cold_boost = 0.5
    assert (config.untrained_bonus, config.discover_untrained_bonus) == (0.5, None)


def test_it_is_chosen_among_a_few_and_not_without_texts(tmp_path: Path) -> None:
    start = prepared(tmp_path, num_candidates=0)
    rows, config, before = half_repeated(start, 60), start.model.config, buffers(start)
    found = choose_cold_boost(start.model, start.processor, rows)
    assert found is not None and found.buys_again and list(found.trials) == [0.25, *BOOSTS]
    assert found.fair == pytest.approx(1 / 8, abs=0.02) and config.discover_untrained_bonus == found.choice
    assert all(value.equal(before[name]) for name, value in buffers(start).items())
    plain = prepared(tmp_path, use_text=False, num_candidates=0).model
    assert choose_cold_boost(plain, start.processor, rows) is None


def test_added_items_of_a_new_category_do_not_crowd_the_lists(tmp_path: Path) -> None:
    start = prepared(tmp_path, num_candidates=0)
    trainer_of(start, tmp_path, num_train_epochs=4).train()
    assert start.model.config.discover_untrained_bonus in (None, *BOOSTS)
    start.model.save_pretrained(tmp_path / "fitted")
    start.processor.save_pretrained(tmp_path / "fitted")
    new = pl.DataFrame([
        {"item_id": f"pet-{n}", "title": f"number {n} brand", "brand": f"brand {n}", "category": "pets", "price": 3.0}
        for n in range(5)
    ])  # fmt: skip
    grown = xcat_rec.load(xcat_rec.add_items(tmp_path / "fitted", new, tmp_path / "grown").output)
    items = [item for item in grown.vocabulary.column("item_id").to_pylist() if item.startswith("item")]
    shown = {}
    for name, boost in (("chosen", grown.model.config.discover_untrained_bonus), ("present", None)):
        grown.model.config.discover_untrained_bonus = boost
        lists = [grown.recommend([items[n], items[n + 7]], k=10) for n in range(30)]
        shown[name] = np.mean([one.item_id.startswith("pet") for found in lists for one in found])
    assert shown["chosen"] <= 2 * 5 / 45 and shown["chosen"] < shown["present"]
