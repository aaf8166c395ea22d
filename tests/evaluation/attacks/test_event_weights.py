"""Probabilities that events are real: Bayes' rule by hand, and the weights that the detector gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.evaluation.attacks import attack_shop, defend_shop
from xcat_rec.evaluation.attacks.event_weights import HIT, PROMOTED, TOP, WHOLE, event_weights, promotion_chances
from xcat_rec.evaluation.attacks.user_features import UserItems
from xcat_rec.tokenization.tables.schema import validate_tables

from ...log_shop import EARLIER, Shoppers, events_table, items_table

TWENTY = UserItems(
    [f"u{n}" for n in range(20)], list("abc"), np.array([19, *range(20), 0, 1]), np.array([0, *[1] * 20, 2, 2])
)
"""The user with the highest score has item a alone; all have b, and two with low scores have c."""


def test_chances_of_promotion_by_hand() -> None:
    found = promotion_chances(np.arange(20.0), TWENTY)

    def chance(highest: int, others: int) -> float:
        promoted = PROMOTED * HIT**highest * (1 - HIT) ** others
        chance_alone = (1 - PROMOTED) * TOP**highest * (1 - TOP) ** others
        return promoted / (promoted + chance_alone)

    assert found.tolist() == pytest.approx([chance(1, 0), chance(1, 19), chance(0, 2)])
    assert found[0] == pytest.approx(0.0018, abs=5e-5)  # 6 times .0003: one suspicious user is no evidence


def test_an_event_needs_a_suspicious_user_and_a_promoted_item_to_lose_weight() -> None:
    """Ten of 200 users have high scores; all of them have item a, and two have b, which 48 others have, too."""
    users, group = np.arange(200), np.arange(190, 200)
    pairs = UserItems(
        [f"u{n}" for n in users], list("abc"), np.concatenate([group, np.arange(144, 192), users]),
        np.repeat([0, 1, 2], [10, 48, 200]),
    )  # fmt: skip
    scores = np.where(users < 190, -5.0, 5.0)
    weights = event_weights(scores, pairs)
    odds = PROMOTED / (1 - PROMOTED) * (HIT / TOP) ** 10
    assert weights[:10].tolist() == pytest.approx([1 - odds / (1 + odds) * (1 - 1 / (1 + np.exp(10.0)))] * 10)
    assert weights[:10].max() < 0.01 and weights[10:].min() > WHOLE


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 4)), min_size=1, max_size=25), st.integers(0, 1000))
def test_weights_are_probabilities_and_fall_with_the_score(rows: list[tuple[int, int]], seed: int) -> None:
    user, item = (np.unique([row[place] for row in rows], return_inverse=True)[1] for place in (0, 1))
    pairs = UserItems([""] * (user.max() + 1), [""] * (item.max() + 1), user, item)
    scores = np.random.default_rng(seed).normal(scale=9, size=user.max() + 1)
    weights = event_weights(scores, pairs)
    assert ((weights >= 0) & (weights <= 1)).all()
    for one in range(len(user)):
        same = item == item[one]
        assert (weights[same & (scores[user] >= scores[user[one]])] <= weights[one] + 1e-12).all()


def test_promoting_events_of_an_unknown_kind_lose_their_weight_and_nothing_is_removed() -> None:
    tables = validate_tables(items_table(), events_table(Shoppers(0).users(300), EARLIER), name="log shop")
    attacked = attack_shop(tables, "random", ["i50", "i57", "i48"], share=0.05, seed=2)
    found = defend_shop(attacked.shop, "robust", unknown="random")
    assert found.shop is attacked.shop and not found.removed and not found.titles and not found.left_out
    events = attacked.shop.events.select("user_id", "item_id").unique().rows()
    fake = [user in attacked.fakes and item in attacked.targets for user, item in events]
    weights = np.array([found.weights.get(event, 1.0) for event in events])
    assert found.weights.keys() <= set(events) and all(0 <= weight < WHOLE for weight in found.weights.values())
    assert weights[fake].mean() < 0.5 and weights[np.logical_not(fake)].mean() > 0.98
