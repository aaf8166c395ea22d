"""Popularity bias, expected exposure, AWRF and gaps between users: by hand, by plain loops, and in a simulation."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.evaluation.audits.group_attention import awrf_per_user, group_exposure, price_bands
from xcat_rec.evaluation.audits.item_exposure import attention, expected_exposure, exposure_per_user
from xcat_rec.evaluation.audits.popularity import popularity_bias, tail_per_user, tail_rows
from xcat_rec.evaluation.audits.user_groups import ACTIVITY, quality_gaps
from xcat_rec.evaluation.bootstrap import confidence_interval
from xcat_rec.tokenization.vocabulary import ItemVocabulary

COUNTS = np.array([9, 9, 8, 4, 2, 1, 1, 0])  # 16 events; the first three items have 14 of them, the first two 12
LISTS = np.array([[2, 3, 4], [2, 6, 0], [0, 0, 0]])
EXACT = 1e-9


def test_popularity_bias_by_hand() -> None:
    assert tail_rows(COUNTS).tolist() == [False, False, False, False, False, True, True, True]
    ranks, targets = np.array([[1, 9], [2, 0], [0, 0]]), [[2, 7], [6], []]
    found = popularity_bias(LISTS, ranks, targets, COUNTS)
    assert found.arp.mean == pytest.approx((14 / 3 + 9 / 2) / 2, abs=EXACT)
    assert found.aplt.mean == pytest.approx((0 + 1 / 2) / 2, abs=EXACT)
    assert found.aclt.mean == pytest.approx((0 + 1) / 2, abs=EXACT)
    assert (found.arp.num_users, found.aclt.low, found.aclt.high) == (2, 0.0, 1.0)
    shares = [2 / 5, 1 / 5, 1 / 5, 1 / 5]
    assert found.entropy == pytest.approx(-sum(p * math.log(p) for p in shares) / math.log(6), abs=EXACT)
    assert found.gini == pytest.approx(sum(abs(a - b) for a in (2, 1, 1, 1, 0, 0) for b in (2, 1, 1, 1, 0, 0)) / 60)
    assert found.coverage == pytest.approx(4 / 6, abs=EXACT)
    assert found.targets == (1, 0, 0, 0, 0, 0, 1, 0, 1, 0)  # six items are in the tenths 1, 2, 4, 6, 7, 9
    assert [recall and recall.mean for recall in found.recall] == [1, None, None, None, None, None, 1, None, 0, None]


def test_expected_exposure_by_hand() -> None:
    """Two items of four are targets; attention is 1, .5 and .25."""
    assert attention(3, 0.5).tolist() == [1.0, 0.5, 0.25]
    fixed = np.array([[2, 4, 3]])
    exposure, ideal = [1, 0.25, 0.5, 0], [0.75, 0.75, 0.125, 0.125]
    loss = sum((a - b) ** 2 for a, b in zip(exposure, ideal, strict=True))
    relevance = 2 * sum(a * b for a, b in zip(exposure, ideal, strict=True))
    assert exposure_per_user([fixed], [[2, 3]], 4, 0.5)[0] == pytest.approx([loss, 1.3125, relevance], abs=EXACT)
    other = np.array([[3, 2, 5]])
    drawn = [0.75, 0.625, 0.25, 0.125]
    loss = sum((a - b) ** 2 for a, b in zip(drawn, ideal, strict=True))
    found = expected_exposure([fixed, other], [[2, 3]], 4, 0.5)
    assert (found.loss.mean, found.draws) == (pytest.approx(loss, abs=EXACT), 2)
    assert found.disparity.mean == pytest.approx(sum(a * a for a in drawn), abs=EXACT)
    assert np.isnan(exposure_per_user([fixed], [[]], 4)).all()
    with pytest.raises(ValueError, match="draws have the shapes"):
        exposure_per_user([fixed, other[:, :2]], [[2, 3]], 4)
    with pytest.raises(ValueError, match="patience 1"):
        attention(3, 1)


def slow_awrf(row: list[int], codes: list[int], wanted: list[float], patience: float) -> float:
    given = [0.0] * len(wanted)
    for place, item in enumerate(row):
        if item >= 2 and codes[item] >= 0:
            given[codes[item]] += patience**place
    total = sum(given)
    if not total or not sum(wanted):
        return math.nan
    divergence = 0.0
    for p, q in zip([value / total for value in given], wanted, strict=True):
        for one in (p, q):
            divergence += one * math.log2(one / ((p + q) / 2)) / 2 if one else 0.0
    return 1 - divergence


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_awrf_and_exposure_are_those_of_plain_loops(data: st.DataObject) -> None:
    codes = np.array([-1, -1, *data.draw(st.lists(st.integers(-1, 2), min_size=6, max_size=6)), 2])
    row = [*data.draw(st.lists(st.integers(2, 8), min_size=3, max_size=3, unique=True)), 0]
    history = data.draw(st.lists(st.integers(2, 8), max_size=5))
    known = [codes[item] for item in history if codes[item] >= 0]
    wanted = [known.count(group) / max(len(known), 1) for group in range(3)]
    expected = slow_awrf(row, codes.tolist(), wanted, 0.7)
    for given_shares in (np.array(wanted), [history]):
        found = awrf_per_user(np.array([row]), codes, given_shares, 0.7)[0]
        assert found == pytest.approx(expected, abs=EXACT, nan_ok=True)
    loss, disparity, relevance = exposure_per_user([np.array([row])], [[2, 5]], 7, 0.7)[0]
    weights = {item: 0.7**place for place, item in enumerate(row) if item >= 2}
    ideal = {item: 0.85 if item in (2, 5) else (0.49 + 0.343) / 5 for item in range(2, 9)}
    slow = sum((weights.get(item, 0) - ideal[item]) ** 2 for item in ideal)
    assert (loss, disparity) == pytest.approx((slow, 1 + 0.49 + 0.49**2), abs=EXACT)
    assert relevance == pytest.approx(2 * sum(weights[item] * ideal[item] for item in weights), abs=EXACT)


def test_groups_of_items() -> None:
    table = {"item_id": list("abcde"), "brand": ["x", "x", "y", "y", None], "price": [1.0, 2.0, 3.0, 4.0, None]}
    vocabulary = ItemVocabulary(pa.table(table))
    codes, names = price_bands(vocabulary, 2)
    assert (codes.tolist(), names) == ([-1, -1, 0, 0, 1, 1, -1], ["up to 2.5", "above 2.5"])
    brand, price = group_exposure(np.array([[2, 3], [2, 4]]), [[4, 4], [2]], vocabulary)
    assert (brand.shares.attribute, price.shares.attribute) == ("brand", "price band")
    assert brand.over is not None and brand.under is not None
    assert (brand.over[0], brand.over[1].mean) == ("x", pytest.approx((1 + (1 / 2 - 1)) / 2, abs=EXACT))
    assert (brand.under[0], brand.under[1].mean) == ("y", pytest.approx(-1 / 4, abs=EXACT))
    plain = ItemVocabulary(pa.table({"item_id": list("abcde")}))
    assert group_exposure(np.array([[2, 3]]), [[4]], plain) == ()


def test_gaps_between_users_by_hand() -> None:
    values = np.array([1.0] * 10 + [0.0] * 10 + [0.5] * 10 + [np.nan])
    lengths = np.array([1] * 10 + [5] * 10 + [9] * 10 + [9])
    people = pl.DataFrame({"plan": ["a"] * 15 + ["b"] * 13 + ["c"] * 2 + ["b"], "name": [str(n) for n in range(31)]})
    found = {(one.attribute, one.group): one for one in quality_gaps(values, lengths, people, samples=200)}
    assert {name for name, _ in found} == {ACTIVITY, "plan"}  # every name has too few users
    assert found[ACTIVITY, "1 events"].gap.mean == pytest.approx(1 - 0.25, abs=EXACT)
    assert found[ACTIVITY, "5 events"].gap.high < 0
    assert found["plan", "a"].gap.mean == pytest.approx(10 / 15 - (0 * 5 + 0.5 * 8) / 13, abs=EXACT)
    assert ("plan", "c") not in found


def test_intervals_of_the_long_tail_share_cover_the_truth() -> None:
    """400 samples of 80 users from a known mixture: 93 to 97 % of the intervals have the true share."""
    generator = np.random.default_rng(5)
    counts = np.array([0, 0, 90, 5, 5])
    tail = np.array([0.1, 0.3, 0.7])
    covered = 0
    for _ in range(400):
        chance = tail[generator.integers(3, size=80)]
        lists = np.where(generator.random((80, 10)) < chance[:, None], 3, 2)
        interval = confidence_interval(tail_per_user(lists, counts)[:, 1], samples=300)
        covered += interval.low <= tail.mean() <= interval.high
    assert 0.93 <= covered / 400 <= 0.97
