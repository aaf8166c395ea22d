"""The re-ranker of rates and trends: fitted on earlier baskets without what came later, used if validation gains."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset

from xcat_rec.catalogue.segments import fill_from_events, fill_segments, target_events
from xcat_rec.modeling_xcat.configuration_xcat import XCatConfig
from xcat_rec.modeling_xcat.discovery_ranker_xcat import discovery_features
from xcat_rec.modeling_xcat.segments_xcat import XCatSegments
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.training.preparation.options import PreparedTraining
from xcat_rec.training.tasks.next_item import _fit_discovery_ranker
from xcat_rec.training.tuning import discovery_ranker as tuning
from xcat_rec.training.tuning import novel_targets as novel
from xcat_rec.training.tuning import reranker as second_stage
from xcat_rec.training.tuning.discovery_ranker import basket_sample, discovery_ranker_gain, fit_discovery_ranker
from xcat_rec.training.tuning.earlier_baskets import earlier_basket

from ..test_trainer import prepared, trainer_of
from .test_discovery import discovery_ndcg

DAY = 86_400
ROWS, CATEGORIES = 42, torch.tensor([0, 0, *(1 + item // 10 for item in range(40))])


def events(users: int = 60, baskets: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Users with baskets of three items each."""
    generator = np.random.default_rng(seed)
    numbers = np.repeat(np.arange(users), 3 * baskets)
    times = np.tile(np.repeat(np.arange(1, baskets + 1), 3), users) * DAY
    return numbers, generator.integers(2, ROWS, len(numbers)), times


def tables() -> XCatSegments:
    return XCatSegments(XCatConfig(num_item_rows=ROWS, num_segments=3, segment_width=4))


@pytest.mark.parametrize("back", [1, 2, 3])
def test_counts_before_a_basket_do_not_include_it_or_later_ones(back: int) -> None:
    users, items, times = events()
    later = times > (6 - back) * DAY
    changed = np.where(later, 2 + (items + 5) % (ROWS - 2), items)  # other items in the basket and after it
    splits = [earlier_basket(users, own, times, back) for own in (items, changed)]
    found = [basket_sample(split, tables(), CATEGORIES, ROWS, 10) for split in splits]
    both = [np.array([len(own) > 0 for own in split.targets]) for split in splits]
    shared = both[0] & both[1]
    features = [sample.features[torch.from_numpy(shared[of])] for sample, of in zip(found, both, strict=True)]
    assert len(features[0]) > 40 and features[0].equal(features[1])
    worth = [sample.worth[torch.from_numpy(shared[of])] for sample, of in zip(found, both, strict=True)]
    assert not worth[0].equal(worth[1])
    leaky = tables()
    fill_from_events(leaky, users, items, times)
    before = tables()
    fill_from_events(before, splits[0].users, splits[0].items, splits[0].times)
    assert not leaky.trends.equal(before.trends) and not leaky.rates.equal(before.rates), "or the test could not fail"


def test_features_and_weights_of_targets_by_hand() -> None:
    users, items, times = events(20, 4)
    split, segments = earlier_basket(users, items, times, 1), tables()
    found = basket_sample(split, segments, CATEGORIES, 8, 10)
    fill_from_events(segments, split.users, split.items, split.times)
    number = 0
    for history, targets in zip(split.histories, split.targets, strict=True):
        had = set(history.tolist())
        vector = sum(segments.tastes[item] for item in had)
        shares = torch.softmax(torch.nn.functional.cosine_similarity(vector, segments.centers) / 0.05, 0)
        rates = segments.rates @ shares
        best = sorted((item for item in range(2, ROWS) if item not in had), key=lambda item: -rates[item])[:8]
        if not set(best) & set(targets.tolist()):
            continue
        known = {int(CATEGORIES[item]) for item in had}
        new = [item for item in targets.tolist() if int(CATEGORIES[item]) not in known]
        ideal = np.cumsum(1 / np.log2(np.arange(2, 12)))
        for place, item in enumerate(best):
            similarity = torch.nn.functional.cosine_similarity(vector, segments.tastes[item], dim=0)
            expected = [rates[item], similarity, CATEGORIES[item].item() not in known, math.log1p(len(history))]
            assert found.features[number, place, :4].tolist() == pytest.approx([float(x) for x in expected], abs=1e-5)
            assert found.features[number, place, 4:].equal(segments.trends[item])
            worth = (item in targets) / ideal[len(targets) - 1] + (item in new) * 0.5 / ideal[max(len(new), 1) - 1]
            assert found.worth[number, place].item() == pytest.approx(worth)
        number += 1
    assert number == len(found.worth) > 5


def fads(users: int = 150) -> tuple[Dataset, Dataset]:
    """A log in which everyone buys a few staples, and in each basket an item that is in fashion; and the next baskets.

    Fashion changes every basket, and next in fashion is what a few users have just bought.
    """
    log, following = [], []
    for user in range(users):
        baskets = [[2, 3, 4 + user % 3], [2, 10], [2, 3, 11], [2, 12], [2, 3, 13], [2, 14]]
        if user % 10 == 0:
            baskets = [[*basket, 11 + number] for number, basket in enumerate(baskets)]
        items = [item for basket in baskets for item in basket]
        times = [day * DAY for day, basket in enumerate(baskets, start=1) for _ in basket]
        row = {"user_id": str(user), "items": items, "event_types": [1] * len(items)}
        log.append({**row, "ratings": [None] * len(items), "timestamps": times})
        following.append({**log[-1], "targets": [2, 17] if user % 10 == 0 else [2, 15]})
    return Dataset.from_list(log), Dataset.from_list(following)


def of_fads(folder: Path, **config: int) -> tuple[PreparedTraining, Dataset, Dataset]:
    start = prepared(folder, num_segments=2, segment_width=4, num_neighbors=0, discover_product_weight=0.01, **config)
    train, validation = fads()
    fill_segments(start.model, train)
    return start, train, validation


@pytest.mark.parametrize("candidates", [0, 200])
def test_it_learns_from_earlier_baskets_and_serves_what_it_evaluates(tmp_path: Path, candidates: int) -> None:
    start, train, validation = of_fads(tmp_path, num_candidates=candidates)
    model, ranker = start.model, XCatRecommender(start.model, start.processor)
    assert fit_discovery_ranker(model, train) > 300
    first = discovery_ndcg(ranker, validation)
    gain = discovery_ranker_gain(model, start.processor, validation)
    assert not model.config.discover_trends and gain.users == 150
    model.config.discover_trends = True
    served = discovery_ndcg(ranker, validation)
    assert (gain.before, gain.after) == pytest.approx((first, served), abs=1e-6)
    assert served > first + 0.05
    trainer = trainer_of(start, tmp_path)
    assert trainer.evaluate(validation)["eval_discover_ndcg@10"] == pytest.approx(served, abs=1e-6)
    history = [f"item-{item - 2:02d}" for item in validation[0]["items"]]
    listed = ranker.recommend_many([history], 5)[0]
    scores = ranker.discover_rows(start.processor.history_rows([history]))[0]
    assert [item.score for item in listed] == pytest.approx(scores.topk(5).values.tolist(), abs=1e-4)
    model.save_pretrained(tmp_path / "saved")
    start.processor.save_pretrained(tmp_path / "saved")
    loaded = XCatRecommender.from_pretrained(tmp_path / "saved")
    assert loaded.model.config.discover_trends and loaded.recommend_many([history], 5)[0] == listed


def test_scores_are_the_first_stage_plus_the_network(tmp_path: Path) -> None:
    start, train, validation = of_fads(tmp_path)
    base, config = start.model.model, start.model.config
    config.num_discovery_candidates, config.discover_trends = 7, True
    fit_discovery_ranker(start.model, train)
    row = validation[3]
    using = XCatRecommender(start.model, start.processor)
    found = using.discover_rows([row])[0]
    config.discover_trends = False
    first = using.discover_rows([row])[0]
    best = first.topk(7).indices
    network = base.discovery_ranker
    values = discovery_features(torch.tensor([row["items"]]), best[None], base.segments, base.items.category_values)[0]
    values = (values - network.mean) / network.scale
    hidden = torch.nn.functional.gelu(values @ network.expand.T + network.expand_bias)
    bonus = values @ network.weight + hidden @ network.contract
    expected = first.clone()
    expected[best] += bonus - bonus.min()
    assert found.tolist() == pytest.approx(expected.tolist(), abs=1e-5)


def test_training_uses_it_only_if_validation_gains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(novel, "LEAST_USERS", 20)
    monkeypatch.setattr(second_stage, "STANDARD_ERRORS", torch.inf)  # the other one learns any rule
    start, train, validation = of_fads(tmp_path)
    trainer = trainer_of(start, tmp_path, num_train_epochs=1, learning_rate=1e-5, tune_neighbor_weight=False)
    trainer._given_rows, trainer.eval_dataset = train, validation
    config = start.model.config
    trainer.train()
    assert config.discover_trends
    entries = [entry for entry in trainer.state.log_history if "discover_re_ranked_ndcg@10" in entry]
    assert len(entries) == 1, "a card states what is logged, once"
    last = entries[0]
    using = trainer.held_out_ranker(XCatRecommender(start.model, start.processor))
    assert discovery_ndcg(using, validation) == pytest.approx(last["discover_re_ranked_ndcg@10"], abs=1e-6)
    # Where the item that is first by rate is bought, any other order loses.
    favourites = XCatRecommender(start.model, start.processor)
    config.discover_trends = False
    best = favourites.discover_rows(list(validation)).argmax(1).tolist()
    trainer.eval_dataset = validation.remove_columns("targets").add_column("targets", [[2, item] for item in best])
    trainer.train()
    assert not config.discover_trends


def test_too_few_baskets_and_streams_change_nothing(tmp_path: Path) -> None:
    start, train, validation = of_fads(tmp_path)
    trainer = trainer_of(start, tmp_path)
    for rows in (train.select(range(30)), train.to_iterable_dataset(), None):
        trainer._given_rows = rows
        _fit_discovery_ranker(trainer, start.model, validation, None)
        assert not start.model.config.discover_trends
    assert fit_discovery_ranker(start.model, train.select(range(30))) < tuning.LEAST_USERS
    assert not start.model.model.discovery_ranker.weight.any()
    older = prepared(tmp_path, num_segments=2, format_version=12).model
    assert older.model.discovery_ranker is None and not hasattr(older.model.segments, "trends")
    with pytest.raises(ValueError, match="give num_segments and num_discovery_candidates above 0"):
        fit_discovery_ranker(older, train)
    assert target_events(train)[1].tolist()[:3] == [2, 3, 4]
