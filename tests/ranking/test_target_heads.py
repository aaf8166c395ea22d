"""Recommendations of targets by summed items and a head, and where the head is left out."""

from __future__ import annotations

import copy
from functools import cache

import polars as pl
import pytest
import torch
from datasets import Dataset
from torch import nn

from xcat_rec.catalogue.added_items import add_items
from xcat_rec.evaluation.group_ranking import SummedItems, group_rows
from xcat_rec.evaluation.head_ranking import HeadRanker
from xcat_rec.modeling_xcat.filters_xcat import Filters
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.ranking.target_shares import target_head
from xcat_rec.tokenization.item_groups import read_groups
from xcat_rec.training.tuning.target_heads import FittedHead, place_heads

from .test_target_recommendations import HISTORY, recommender

KEEP = Filters(exclude_seen=False)
WEIGHTS = (0.5, 2.0)


def layer_of(groups: int) -> nn.Linear:
    torch.manual_seed(5)
    layer = nn.Linear(recommender().model.config.hidden_size, groups)
    with torch.no_grad():
        layer.bias += 2 * torch.randn(groups)
    return layer.requires_grad_(False)


@cache
def with_heads(weights: tuple[float, float] = WEIGHTS) -> XCatRecommender:
    """The recommender with a head of categories and one of campaigns."""
    model = copy.deepcopy(recommender().model)
    fitted = []
    for column in ("category", "campaign"):
        names = read_groups(recommender().vocabulary, column).names
        fitted.append(FittedHead(column, names, 1, [0.5], {}, weights, layer_of(len(names))))
    with torch.no_grad():
        place_heads(model, fitted)
    return XCatRecommender(model, recommender().processor)


def head_shares(column: str = "category") -> dict[str, float]:
    """Probabilities of the head after `HISTORY`."""
    names = read_groups(recommender().vocabulary, column).names
    states = recommender().row_states(recommender().processor.history_rows([HISTORY]))
    shares = torch.softmax(layer_of(len(names))(states), 1)[0].tolist()
    return dict(zip(names, shares, strict=True))


def listed(source: XCatRecommender, filters: Filters | None = None, column: str = "category", **given: object) -> dict:
    found = source.recommend_targets(HISTORY, column, 9, filters=filters, explain=False, **given)
    return {one.name: one.probability for one in found}


def test_probabilities_are_sums_times_the_head_to_the_power_of_its_weight() -> None:
    sums, shares = listed(recommender(), KEEP), head_shares()
    products = {name: sums[name] * shares[name] ** WEIGHTS[0] for name in sums}
    total = sum(sums.values()) / sum(products.values())
    found = listed(with_heads(), KEEP)
    assert found == pytest.approx({name: total * value for name, value in products.items()}, abs=2e-6)
    assert list(found) == sorted(found, key=found.get, reverse=True)
    assert sum(found.values()) == pytest.approx(sum(sums.values()), abs=1e-5)


def test_discovery_has_its_own_weight_among_the_values_that_the_history_lacks() -> None:
    sums, shares = listed(recommender()), head_shares()
    assert set(sums) == {"stoves", "maps"}, "tents and boots are in the history"
    products = {name: sums[name] * shares[name] ** WEIGHTS[1] for name in sums}
    total = sum(sums.values()) / sum(products.values())
    assert listed(with_heads()) == pytest.approx({name: total * value for name, value in products.items()}, abs=2e-6)


@pytest.mark.parametrize("discover", [False, True])
def test_evaluated_probabilities_are_those_of_lists(discover: bool) -> None:
    row, groups = recommender().processor.history_rows([HISTORY])[0], read_groups(recommender().vocabulary, "category")
    rows = Dataset.from_list([{**row, "targets": [12, 32]}])
    summed = SummedItems(with_heads(), groups, rows)
    head = target_head(with_heads().model.model, groups)
    ranker = HeadRanker(head, lambda _: with_heads().row_states([row]), summed, head.weights)
    own = group_rows(rows, groups).with_format(None).to_list()
    scores = (ranker.discover_rows(own) if discover else ranker.score_rows(own))[0, 2:].exp()
    found = dict(zip(groups.names, scores.tolist(), strict=True))
    served = listed(with_heads(), Filters(exclude_seen=discover))
    assert {name: found[name] for name in served} == pytest.approx(served, abs=2e-6)
    assert len(served) == (2 if discover else 4)


def test_values_of_shared_items_have_a_probability_of_at_most_one() -> None:
    found = listed(with_heads(), KEEP, "campaign")
    assert max(found.values()) <= 1
    assert found != listed(recommender(), KEEP, "campaign")


def test_the_head_is_left_out_where_its_weight_was_not_chosen() -> None:
    plain, headed = recommender(), with_heads()
    filtered = Filters(exclude_seen=False, conditions="price<30")
    assert listed(headed, filtered) == listed(plain, filtered)
    assert listed(headed, KEEP, profile=False) == listed(plain, KEEP, profile=False)
    rules = [XCatRecommender(one.model, one.processor, "mmr=0.3") for one in (headed, plain)]
    assert listed(rules[0], KEEP) == listed(rules[1], KEEP)
    assert listed(headed, KEEP, "brand") == listed(plain, KEEP, "brand"), "it has no head"
    assert listed(with_heads((0.0, 2.0)), KEEP) == listed(plain, KEEP), "its weight is 0"
    assert headed.recommend_targets([], "category").to_dict() == plain.recommend_targets([], "category").to_dict()


def test_users_of_one_batch_get_the_lists_of_each() -> None:
    histories = [HISTORY, [], ["item-20"], ["kite"]]
    lists = with_heads().recommend_targets_many(histories, "category", 3)
    for history, found in zip(histories, lists, strict=True):
        assert found.to_dict() == with_heads().recommend_targets(history, "category", 3).to_dict()


def test_a_new_value_keeps_its_sum_and_a_value_that_is_gone_is_ignored() -> None:
    headed, plain = (copy.deepcopy(one.model) for one in (with_heads(), recommender()))
    rows = [
        {"item_id": f"new-{n}", "title": f"kites number {n}", "category": "kites", "brand": "brand 0"}
        for n in range(2)
    ]
    grown = [add_items(model, recommender().processor, pl.DataFrame(rows))[0] for model in (headed, plain)]
    found, sums = (
        listed(XCatRecommender(model, processor), KEEP)
        for model, processor in zip((headed, plain), grown, strict=True)
    )
    assert found["kites"] == sums["kites"] > 0
    assert found["tents"] != sums["tents"]
    assert sum(found.values()) == pytest.approx(sum(sums.values()), abs=1e-5)
    vocabulary = recommender().vocabulary
    fewer = (
        pl.DataFrame(pl.from_arrow(vocabulary.table)).filter(pl.col("category") != "maps").drop("text", strict=False)
    )
    small, _ = add_items(headed, grown[0], fewer, replace=True)
    kept = listed(XCatRecommender(headed, small), KEEP)
    assert set(kept) == {"tents", "boots", "stoves"}
    assert headed.config.target_head_groups["category"] != sorted(kept), "the head still knows maps"


def test_a_mostly_new_catalogue_turns_the_weights_off() -> None:
    model = copy.deepcopy(with_heads().model)
    rows = [
        {"item_id": f"new-{n}", "title": f"kites number {n}", "category": "tents", "brand": "brand 0"}
        for n in range(60)
    ]
    add_items(model, recommender().processor, pl.DataFrame(rows))
    assert model.config.target_head_weights == {"category": [0.0, 0.0], "campaign": [0.0, 0.0]}
