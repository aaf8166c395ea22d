"""Groups of items are ranked by summed items and by counts, with the protocol of items."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from xcat_rec.evaluation.comparison import compare_groups
from xcat_rec.evaluation.group_ranking import GroupTransitions, SummedItems, group_rows, trained_groups
from xcat_rec.tokenization.item_groups import read_groups
from xcat_rec.tokenization.vocabulary import ItemVocabulary

INF = math.inf
TENT, DOME, BOOTS, LAMP, KITE = range(2, 7)
VOCABULARY = ItemVocabulary(
    pa.table({
        "item_id": ["tent", "dome", "boots", "lamp", "kite"],
        "brand": ["Arc", "Arc", "Bee", "Cat", None],
        "campaign": pa.array([["1"], ["1", "2"], ["2"], None, []]),
    })
)  # fmt: skip
BRAND, CAMPAIGN = read_groups(VOCABULARY, "brand"), read_groups(VOCABULARY, "campaign")
ARC, BEE, CAT = 2, 3, 4
TRAIN = Dataset.from_dict({"items": [[TENT, BOOTS, DOME], [BOOTS, KITE, LAMP]]})
TEST = Dataset.from_dict({
    "items": [[TENT, KITE], [BOOTS], [LAMP], []], "targets": [[DOME, BOOTS], [KITE], [LAMP], [TENT]],
})  # fmt: skip


class FixedRanker:
    """The same scores for every user: odds of 1, 2, 4, 5 and 6, from the tent to the kite."""

    def score_rows(self, rows: list[dict[str, Any]]) -> torch.Tensor:
        return torch.tensor([[-INF, -INF, *(math.log(odds) for odds in (1, 2, 4, 5, 6))]]).repeat(len(rows), 1)


def test_rows_of_groups_have_groups_as_items_and_targets() -> None:
    rows = group_rows(TEST, BRAND)
    assert rows["row"] == [0, 2, 3], "a target without a brand is not ranked"
    assert rows["items"] == [[ARC], [CAT], []]
    assert rows["last"] == [[ARC], [CAT], []], "the kite has no brand"
    assert rows["targets"] == [[ARC, BEE], [CAT], [ARC]]
    several = group_rows(TEST, CAMPAIGN)
    assert several["targets"] == [[2, 3], [2]], "the campaigns of the dome and of the boots, once each"


def test_event_roles_are_repeated_per_group() -> None:
    roles = Dataset.from_dict({"items": [[DOME, KITE, TENT]], "targets": [[TENT]], "event_roles": [[1, 1, 0]]})
    assert group_rows(roles, CAMPAIGN)["items"] == [[2, 3, 2]]
    assert group_rows(roles, CAMPAIGN)["event_roles"] == [[1, 1, 0]]


def test_summed_items_are_logarithms_of_probabilities_and_discovery_leaves_the_history_out() -> None:
    model, rows = SummedItems(FixedRanker(), BRAND, TEST), [{"row": 0}, {"row": 1}]
    assert model.score_rows(rows).exp().flatten().tolist() == pytest.approx([0, 0, 3 / 18, 4 / 18, 5 / 18] * 2)
    new = model.discover_rows(rows).exp()
    assert new[0].tolist() == pytest.approx([0, 0, 2 / 11, 4 / 11, 5 / 11]), "tent and kite are left out"
    assert new[1].tolist() == pytest.approx([0, 0, 3 / 14, 0, 5 / 14])


def test_transitions_count_from_the_last_group_and_fall_back_to_popularity() -> None:
    model = GroupTransitions([[TENT, BOOTS, DOME], [BOOTS, KITE, LAMP]], BRAND)
    scores = model.score_rows([{"last": [ARC]}, {"last": [BEE]}, {"last": []}])
    assert scores[0, 2:].floor().tolist() == [0, 1, 0]
    assert scores[1, 2:].floor().tolist() == [1, 0, 1], "the kite without a brand is skipped"
    assert scores[2].argsort(descending=True)[:2].sort().values.tolist() == [ARC, BEE], "two events each"


@given(st.lists(st.lists(st.sampled_from([TENT, DOME, BOOTS, LAMP, KITE]), max_size=6), min_size=1, max_size=4))
def test_transitions_are_those_of_a_loop(histories: list[list[int]]) -> None:
    of_item = {row: [int(code) + 2 for code in CAMPAIGN.of_histories([[row]])[0]] for row in range(2, 7)}
    expected = np.zeros((4, 4))
    for history in histories:
        named = [of_item[item] for item in history if of_item[item]]
        for before, after in pairwise(named):
            for one in before:
                for other in after:
                    expected[one, other] += 1
    model = GroupTransitions(histories, CAMPAIGN)
    counted = np.stack([model.score_rows([{"last": [group]}])[0].numpy() for group in (2, 3)])
    assert np.floor(counted[:, 2:]).tolist() == expected[2:, 2:].tolist()


def test_the_comparison_ranks_all_models_on_the_same_users() -> None:
    reports = compare_groups({"model": FixedRanker()}, TRAIN, TEST, BRAND, ks=[1, 2], progress=False)
    assert list(reports) == ["popularity", "repeat-purchase", "transitions", "model"]
    assert {(report.num_users, report.num_targets) for report in reports.values()} == {(3, 4)}
    assert reports["model"].ranks.tolist() == [[3, 2], [1, 0], [3, 0]]
    assert reports["model"].metrics["recall@1"] == pytest.approx(1 / 3)
    assert reports["repeat-purchase"].ranks[:2, 0].tolist() == [1, 1], "the brands that the users had"
    new = reports["model"].discover
    assert (new.num_users, new.num_targets) == (2, 2), "brands that the history lacks: Bee of user 0, Arc of user 3"
    assert reports["model"].interval("recall@2") is not None
    assert trained_groups(TRAIN, BRAND).tolist() == [False, False, True, True, True]


def test_targets_without_a_group_are_refused() -> None:
    with pytest.raises(ValueError, match="target is 'brand', and no target item of 1 users has a value"):
        compare_groups({}, TRAIN, TEST.select([1]), BRAND, progress=False)
