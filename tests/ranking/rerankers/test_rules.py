"""Re-ranking rules by hand, on four items."""

from __future__ import annotations

import math
from datetime import date

import pyarrow as pa
import pytest
import torch

from xcat_rec.ranking.item_data import ItemData
from xcat_rec.ranking.rerank import Candidates, pool_size, rerank, rerank_order, rerank_scores
from xcat_rec.ranking.rerankers import (
    DPP,
    MMR,
    AtLeast,
    Boost,
    Bury,
    Calibrate,
    Freshness,
    LogitAdjustment,
    MaxPer,
    MaxPerCategory,
    OnePerProduct,
    Pin,
    PlackettLuce,
    PopularityDiscount,
    Share,
    Unexpectedness,
)
from xcat_rec.tokenization.vocabulary import ItemVocabulary

TENT, TENT_2, BOOTS, MAP = 2, 3, 4, 5
CATALOGUE = ItemVocabulary(
    pa.table(
        {
            "item_id": ["tent", "tent-2", "boots", "map"],
            "title": ["A Tent", "a  tent", "Boots", None],
            "category": ["tents", "tents", "boots", None],
            "brand": ["Acme", "Acme", "Acme", "Ajax"],
            "price": [90.0, 95.0, 40.0, 5.0],
            "released": [date(2024, 1, 1), date(2024, 1, 31), None, date(2024, 1, 21)],
        }
    )
)
STATES = torch.tensor([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
DATA = ItemData(CATALOGUE, torch.tensor([0, 0, 99, 9, 0, 0]), STATES)
ROWS = [TENT, TENT_2, BOOTS, MAP]


def pool(history: tuple[int, ...] = (TENT,), scores: tuple[float, ...] = (4.0, 3.0, 2.0, 0.0)) -> Candidates:
    """Relevance 1, .75, .5 and 0."""
    return Candidates(torch.tensor([ROWS]), torch.tensor([scores]), [history], CATALOGUE, DATA)


def listed(*rules, candidates: Candidates | None = None) -> list[int]:
    candidates = candidates or pool()
    return candidates.rows[0, rerank_order(candidates, rules)[0]].tolist()


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (MMR(0.0), ROWS),
        (MMR(0.3), [TENT, BOOTS, TENT_2, MAP]),  # .35 for the boots, .225 for the tent
        (MMR(1.0), [TENT, BOOTS, MAP, TENT_2]),
        (DPP(0.0), ROWS),
        (DPP(0.1), [TENT, BOOTS, TENT_2, MAP]),  # the others are combinations of the two picked ones
        (Unexpectedness(1.0), [BOOTS, TENT, TENT_2, MAP]),  # 1.5, 1, .75 and .4
        (Unexpectedness(-1.0), [TENT, TENT_2, MAP, BOOTS]),  # 1, .75, -.4 and -.5
        (MaxPer("brand", 1), [TENT, MAP, TENT_2, BOOTS]),
        (OnePerProduct(), [TENT, BOOTS, MAP, TENT_2]),
        (OnePerProduct("brand"), [TENT, MAP, TENT_2, BOOTS]),
        (AtLeast("brand=Ajax", 1, within=2), [TENT, MAP, TENT_2, BOOTS]),
        (AtLeast("brand=Acme", 2, within=2), ROWS),
        (Boost("category=boots", 0.3), [TENT, BOOTS, TENT_2, MAP]),
        (Boost("category=boots", -0.6), [TENT, TENT_2, MAP, BOOTS]),
        (Bury("price>50"), [BOOTS, MAP, TENT, TENT_2]),
        (Pin(["map", "boots"]), [MAP, BOOTS, TENT, TENT_2]),
        (PopularityDiscount(0.6), [BOOTS, TENT_2, TENT, MAP]),  # .5, .75 - .3, 1 - .6 and 0
        (Freshness("released", 0.7, half_life=10), [TENT_2, TENT, BOOTS, MAP]),  # 1.0875, 1.45, .5 and .35
        (Freshness("released", 0.7, half_life=10, today="2024-01-01"), [TENT, TENT_2, MAP, BOOTS]),
    ],
    ids=str,
)
def test_order(rule, expected):
    assert listed(rule) == expected


def test_calibration_fills_the_places_after_the_first_ones():
    history = (TENT, BOOTS)
    assert listed(Calibrate(0.5, after=0), candidates=pool(history)) == [TENT, BOOTS, TENT_2, MAP]
    assert listed(Calibrate(0.5, after=2), candidates=pool(history)) == [TENT, TENT_2, BOOTS, MAP]
    assert listed(Calibrate(0.5, after=0), candidates=pool(())) == ROWS
    assert listed(Calibrate(0.9, after=0, column="brand"), candidates=pool((MAP,)))[:1] == [MAP]


def test_items_exchange_their_relevance():
    seen = []

    def reversing(candidates: Candidates) -> torch.Tensor:
        seen.append(candidates.relevance.tolist())
        return -candidates.relevance

    assert listed(reversing, reversing) == ROWS
    assert seen == [[[1.0, 0.75, 0.5, 0.0]]] * 2


def test_limits_bind_the_rules_after_them():
    assert listed(OnePerProduct(), Boost("category=tents", 5.0)) == [TENT, BOOTS, MAP, TENT_2]
    assert listed(Boost("category=tents", 5.0), OnePerProduct()) == [TENT, BOOTS, MAP, TENT_2]
    assert listed(Pin(["map"]), MMR(1.0)) == [MAP, TENT, BOOTS, TENT_2]


def test_places_of_no_item_stay_last():
    candidates = pool(scores=(4.0, 3.0, -math.inf, -math.inf))
    for rule in (MMR(1.0), DPP(0.5), Calibrate(0.9, 0), Pin(["map"]), Bury("price>50"), PlackettLuce(5.0)):
        assert sorted(listed(rule, candidates=candidates)[:2]) == [TENT, TENT_2], rule


def test_draws_follow_the_propensities():
    """Over 4,000 seeds each first item is drawn as often as its probability says, within five standard errors."""
    first, chances = torch.zeros(6), torch.zeros(6)
    draws = 4000
    for seed in range(draws):
        candidates = pool()
        found = rerank(candidates, [PlackettLuce(0.5, seed)])
        row = candidates.rows[0, found.places[0, 0]]
        first[row] += 1
        chances[row] = found.propensities[0, 0]
        if seed == 0:  # the chances of a list are those of draws without replacement
            relevance = candidates.relevance[0, found.places[0]]
            odds = (relevance / 0.5).exp()
            rest = torch.stack([odds[place:].sum() for place in range(4)])
            assert torch.allclose(found.propensities[0], odds / rest)
    shares = first / draws
    errors = (chances * (1 - chances) / draws).sqrt()
    assert (shares - chances).abs().le(5 * errors).all()
    assert chances.sum() == pytest.approx(1)


def test_draws_keep_limits_and_repeat():
    orders = {tuple(listed(OnePerProduct(), Pin(["map"]), PlackettLuce(1.0, seed))) for seed in range(40)}
    assert {order[0] for order in orders} == {MAP} and {order[-1] for order in orders} <= {TENT_2, TENT}
    assert len(orders) > 1
    assert listed(PlackettLuce(1.0, 3)) == listed(PlackettLuce(1.0, 3))
    pinned = rerank(pool(), [Pin(["map"]), PlackettLuce(1.0)]).propensities
    assert pinned[0, 0] == 1.0


def test_a_pin_outside_the_pool_is_added():
    scores = torch.tensor(
        [[-math.inf, -math.inf, 4.0, 3.0, 2.0, 1.0], [-math.inf, -math.inf, 1.0, 2.0, 3.0, -math.inf]]
    )
    found = rerank_scores(scores, [[TENT], [TENT]], CATALOGUE, [Pin(["map"])], 2, DATA)
    assert found[0].argsort(descending=True, stable=True)[:2].tolist() == [MAP, TENT]
    assert found[1].tolist() == scores[1].tolist(), "filtered out"
    inside = rerank_scores(scores, [[TENT], [TENT]], CATALOGUE, [Pin(["boots"])], 3, DATA)
    assert inside[0].argsort(descending=True, stable=True)[:3].tolist() == [BOOTS, TENT, TENT_2]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MMR(1.5), "diversity is 1.5; give a number from 0 to 1"),
        (lambda: Calibrate(-0.1), "weight is -0.1"),
        (lambda: Unexpectedness(2), "from -1 to 1"),
        (lambda: MaxPer("brand", 0), "most is 0"),
        (lambda: MaxPer("brand", 2**64), f"most is {2**64}; give at most 2147483647"),
        (lambda: MaxPerCategory(2**31), "most is 2147483648; give at most"),
        (lambda: AtLeast("brand=a", 1, 2**64), f"within is {2**64}; give at most"),
        (lambda: Share("long-tail", 0.1, 2**64), f"within is {2**64}; give at most"),
        (lambda: LogitAdjustment(0.1, 2**64), f"after is {2**64}; give at most"),
        (lambda: Calibrate(0.1, after=2**64), f"after is {2**64}; give at most"),
        (lambda: AtLeast("brand=Acme", 3, within=2), "count is 3 and within 2"),
        (lambda: Freshness("released", half_life=0), "half_life is 0"),
        (lambda: listed(Freshness("price")), "column price has numbers that are no times; give a column of dates"),
        (lambda: listed(Freshness("brand")), "column brand has texts"),
        (lambda: PlackettLuce(0), "temperature is 0"),
        (lambda: Pin("map"), "put it into a list"),
        (lambda: listed(MaxPer("colour", 1)), "no column 'colour'; it has item_id"),
        (lambda: listed(OnePerProduct("parent")), "no column 'parent'"),
        (lambda: listed(Bury("brand=Acne")), "no item has brand 'Acne'"),
        (lambda: listed(PlackettLuce(1.0), MMR(0.3)), "draws at random, so it comes last"),
        (lambda: rerank_scores(torch.ones(1, 6), [[2]], CATALOGUE, [Pin(["kite"])], 2, DATA), "'kite' is not an item"),
        (lambda: rerank_order(Candidates(torch.tensor([ROWS]), torch.ones(1, 4), [[2]], CATALOGUE), [MMR()]), "data="),
    ],
)
def test_refusals(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_pool_is_ten_times_the_list():
    assert [pool_size(length) for length in (1, 20, 21, 100)] == [200, 200, 210, 1000]
