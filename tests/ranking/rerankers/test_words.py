"""Rules written as words, and the knob."""

from __future__ import annotations

import pytest

from xcat_rec.ranking.rerankers import (
    DPP,
    MMR,
    AtLeast,
    Boost,
    Bury,
    Calibrate,
    MaxPer,
    MaxPerCategory,
    OnePerProduct,
    Pin,
    PlackettLuce,
    Unexpectedness,
    exploration_rules,
    read_rerankers,
)
from xcat_rec.ranking.rerankers.words import rules_of_request


def test_words():
    assert read_rerankers("mmr=0.3,calibrate=0.5") == [MMR(0.3), Calibrate(0.5)]
    assert read_rerankers(["mmr", "calibrate=0.4:5", DPP(0.2)]) == [MMR(), Calibrate(0.4, 5), DPP(0.2)]
    assert read_rerankers("max-per=brand:2, max_per_category=3,one-per-product=brand") == [
        MaxPer("brand", 2), MaxPerCategory(3), OnePerProduct("brand"),
    ]  # fmt: skip
    assert read_rerankers("boost=brand!=Acme:0.2,bury=price>20,pin=a:b,at-least=category=tents:2:5") == [
        Boost("brand!=Acme", 0.2), Bury("price>20"), Pin(["a", "b"]), AtLeast("category=tents", 2, 5),
    ]  # fmt: skip
    assert read_rerankers("pin=995242: 007:1e5") == [Pin(["995242", "007", "1e5"])]
    assert read_rerankers("sample=0.5:7") == [PlackettLuce(0.5, 7)]
    assert read_rerankers("") == [] == read_rerankers([])
    assert read_rerankers('"bury=category in tents,maps",mmr=0.1') == [Bury("category in tents,maps"), MMR(0.1)]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("mrm=0.3", "'mrm' is not a rule; did you mean mmr"),
        ("mmr=much", "rerank: 'mmr=much': diversity is a value of type str"),
        ("mmr=2", "diversity is 2"),
        ("mmr=0.1:2:3", r"give mmr\[=DIVERSITY\]"),
        ("max-per", "give max-per=COLUMN"),
        ("share=long-tail", r"give share=GROUP:SHARE\[:WITHIN\]"),
        ("logit-adjustment=1e308", "strength is 1e\\+308; give a number from -100 to 100"),
        ("logit-adjustment=nan", "strength is nan"),
        ("max-per-category=1.5", "most is 1.5; give a whole number"),
        ("max-per-category=nan", "most is nan; give a whole number"),
        ("sample=1,mmr=0.3", "comes last"),
        ([3], "rerank holds a value of type int"),
    ],
)
def test_bad_words(given, message):
    with pytest.raises(ValueError, match=message):
        read_rerankers(given)


def test_the_knob():
    assert exploration_rules("familiar") == [Unexpectedness(-0.3), Calibrate(0.8), OnePerProduct()]
    assert exploration_rules("balanced") == [MMR(0.075), Calibrate(0.4), OnePerProduct()] == exploration_rules(0.5)
    assert (
        exploration_rules("adventurous") == [Unexpectedness(0.3), MMR(0.15), OnePerProduct()] == exploration_rules(1)
    )
    for wrong in ("wild", 1.1, None):
        with pytest.raises(ValueError, match="explore is"):
            exploration_rules(wrong)


def test_rules_of_a_request():
    own = [MMR(0.1)]
    assert rules_of_request(None, None, own) == own
    assert rules_of_request([], None, own) == []
    assert rules_of_request("dpp", "balanced", own) == [*exploration_rules("balanced"), DPP()]
    with pytest.raises(ValueError, match="comes last"):
        rules_of_request(None, 0.5, [PlackettLuce(), MMR()])
