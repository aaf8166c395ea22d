"""Reasons by leaving items of the history out: exact values on models whose scores are known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from xcat_rec.modeling_xcat.explanation_xcat import (
    LATEST,
    LEAST_WEIGHT,
    Influences,
    influences,
    log_odds,
    without_items,
)
from xcat_rec.tokenization.processing_xcat import XCatProcessor
from xcat_rec.tokenization.vocabulary import UNKNOWN_ROW, ItemVocabulary

from ..neighbor_shop import ITEMS, WEIGHT, lost, reasons, shop


def test_an_event_is_the_reason_of_the_item_that_it_carries_and_of_no_other():
    using = shop({("tent", "pegs"): 0.5, ("pizza", "cola"): 0.2})
    found = using.recommend(["tent", "pizza"])
    assert [item.item_id for item in found][:3] == ["best seller", "pegs", "cola"] and len(found) == 5
    assert reasons(found) == {"pegs": [("tent", lost(0.5 * WEIGHT))], "cola": [("pizza", lost(0.2 * WEIGHT))]}
    without = using.recommend(["pizza"], exclude_seen=False)
    before, after = ({item.item_id: item.score for item in items} for items in (found, without))
    assert before["pegs"] - after["pegs"] == pytest.approx(0.5 * WEIGHT) and before["cola"] == after["cola"]
    assert all(item.because == () for item in using.recommend(["tent", "pizza"], explain=False))


def test_a_reason_that_all_items_share_is_dropped():
    every = {("tent", item): 0.5 for item in ITEMS if item != "tent"}
    found = shop(every).recommend(["tent"])
    assert len(found) == 6 and reasons(found) == {}
    more = shop({**every, ("tent", "pegs"): 0.7}).recommend(["tent"])
    assert reasons(more) == {"pegs": [("tent", lost(0.2 * WEIGHT))]}, "by how much more it falls than the others"
    only = shop(every).recommend(["tent"], 1, only_items=["pegs"])
    assert reasons(only) == {"pegs": [("tent", lost(0.5 * WEIGHT))]}, "a single item has nothing to be compared with"


@pytest.mark.parametrize("rule", [False, True], ids=["model", "rule"])
def test_reasons_do_not_depend_on_the_length_of_the_list(rule: bool) -> None:
    every = {("tent", item): 0.5 for item in ITEMS if item != "tent"}
    using = shop({**every, ("tent", "pegs"): 0.7, ("pizza", "cola"): 0.4})
    if rule:
        using.rerankers = [lambda candidates: -candidates.scores]
    whole = using.recommend(["tent", "pizza"], 5)
    assert any(item.because for item in whole)
    for k in (1, 2, 3, 4):
        assert list(using.recommend(["tent", "pizza"], k)) == list(whole)[:k]
    alone = shop(every).recommend(["tent"], 1)
    assert len(alone) == 1 and not alone[0].because, "the items that are not listed fall alike"


def test_odds_are_those_of_the_softmax():
    scores, listed, compared = torch.randn(3, 6), torch.tensor([0, 5]), torch.tensor([0, 1, 2, 4])
    for place, odds in zip(listed.tolist(), log_odds(scores, listed, compared).T, strict=True):
        others = [other for other in compared.tolist() if other != place]
        shares = torch.softmax(scores[:, [place, *others]], 1)[:, 0]
        torch.testing.assert_close(odds, (shares / (1 - shares)).log())
    alone = torch.tensor([[2.0, -torch.inf]])
    assert log_odds(alone, torch.tensor([0]), torch.tensor([0, 1])).tolist() == [[2.0]], "no other has a score"


def test_all_events_of_an_item_count_and_make_one_reason():
    using = shop({("tent", "pegs"): 0.1, ("pizza", "pegs"): 0.15})
    found = using.recommend(["tent", "pizza", "soap", "tent"])
    assert reasons(found) == {"pegs": [("tent", lost(0.2 * WEIGHT)), ("pizza", lost(0.15 * WEIGHT))]}
    assert reasons(using.recommend(["tent"])) == {"pegs": [("tent", lost(0.1 * WEIGHT))]}, "an empty history is left"


def test_a_small_influence_and_an_empty_history_give_no_reason():
    small = -math.log(1 - LEAST_WEIGHT) / WEIGHT
    using = shop({("tent", "pegs"): 0.9 * small, ("tent", "map"): 1.1 * small})
    assert set(reasons(using.recommend(["tent"]))) == {"map"}
    for history in ([], ["kite"]):
        found = using.recommend(history)
        assert len(found) == 7 and reasons(found) == {}
    assert set(reasons(using.recommend(["kite", "tent"]))) == {"map"}


def test_users_of_a_batch_have_their_own_reasons_and_filters():
    using = shop({("tent", "pegs"): 0.5, ("pizza", "cola"): 0.2, ("soap", "map"): 0.3})
    histories = [["tent"], [], ["pizza", "tent", "kite"], ["soap"], ["map", "map"]]
    together = using.recommend_many(histories, 4)
    assert [reasons(found) for found in together] == [reasons(using.recommend(history, 4)) for history in histories]
    assert [set(reasons(found)) for found in together] == [{"pegs"}, set(), {"pegs", "cola"}, {"map"}, set()]
    assert reasons(using.recommend(["tent", "pizza"], only_items=["cola", "soap"])).keys() == {"cola"}


def test_the_latest_items_are_examined():
    using = shop({("tent", "pegs"): 0.5})
    assert using.model.config.max_history > LATEST
    near, far = (["tent"] + ["soap", "map"] * n for n in (2, 25))
    assert reasons(using.recommend(near)) and not reasons(using.recommend(far)), "beyond what the model reads"


def test_the_weight_is_the_smaller_of_the_falls_of_score_and_odds():
    scores = torch.tensor([4.0, 3.0, 2.0, 1.0])
    without = torch.tensor(
        [
            [4.0, 4.0, 3.0, 2.0],  # the others rise, the first stays: no reason
            [3.0, 1.0, 1.0, 0.0],  # all fall by 1, the second by 2
            [4.0, 3.0, 2.0, -torch.inf],
        ]
    )
    every = torch.arange(4)
    inputs = {"item_ids": torch.tensor([[4, 3, 2]]), "attention_mask": torch.ones(1, 3), "query_positions": every[2:3]}
    asked = []

    def score(_: dict[str, torch.Tensor], users: torch.Tensor, removed: torch.Tensor) -> torch.Tensor:
        asked.append((users.tolist(), removed.tolist()))
        return torch.cat([scores[None], without])

    (found,) = influences(inputs, [every], [every], score)
    assert asked == [([0] * 4, [0, 2, 3, 4])], "the latest item first"
    odds = log_odds(torch.cat([scores[None], without]), every, every)
    assert found.support[:3].tolist() == (odds[0] - odds[1:]).T[:3].tolist() and found.support[3, 2] == torch.inf
    weights = found.weights
    assert weights[:, 0].tolist() == [0.0] * 4, "no score falls"
    assert weights[[0, 2, 3], 1].tolist() == [0.0] * 3, "the others fall by more"
    assert weights[1, 1] == pytest.approx(1 - math.exp(-float(odds[0, 1] - odds[2, 1]))) and weights[3, 2] == 1
    assert found.reasons(1)[3] == [(4, 1.0)]
    assert Influences(every[:0], torch.zeros(1, 0), torch.zeros(1, 0)).reasons(3) == [[]]


def test_inputs_without_an_item_are_those_of_the_history_without_it():
    table = ItemVocabulary(pa.table({"item_id": ["a", "b", "c"]}))
    words = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    processor = XCatProcessor(
        PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]"), table, max_history=6,
        event_types=["view", "purchase"], num_rating_buckets=6, num_time_gap_buckets=20,
    )  # fmt: skip
    minute, day = 60, 86_400
    events = [("b", "view", 1.0, 0), ("a", "purchase", 2.0, minute), ("b", "view", None, day),
              ("c", "purchase", 4.0, 3 * day), ("a", "view", 5.0, 3 * day + minute)]  # fmt: skip

    def inputs(kept: list[Any]) -> dict[str, torch.Tensor]:
        items, kinds, ratings, times = ([list(column)] for column in zip(*kept, strict=True))
        rows = processor.history_rows(items, event_types=kinds, ratings=ratings, timestamps=times)
        other = processor.history_rows([["c"] * 6])
        return processor.inputs_of([*rows, *other], layout="right")

    given = inputs(events)
    users, removed = torch.tensor([0, 0, 0, 1, 1]), torch.tensor([0, 2, 3, 0, 4])
    found = without_items(given, users, removed, 20)
    assert found.keys() == given.keys()
    for number, item in ((0, ""), (1, "a"), (2, "b")):
        expected = inputs([event for event in events if event[0] != item])
        width = expected["item_ids"].shape[1]
        for name, values in found.items():
            if name == "query_positions":
                assert int(values[number]) % 6 == int(expected[name][0]) % width
            else:
                assert values[number].tolist() == expected[name][0].tolist(), (name, item)
    assert all((found[name][3] == given[name][1]).all() for name in found if name != "query_positions")
    assert found["item_ids"][4].tolist() == [UNKNOWN_ROW, 0, 0, 0, 0, 0] and int(found["query_positions"][4]) == 24
    assert found["attention_mask"][4].tolist() == [1, 0, 0, 0, 0, 0]
    unknown = inputs([(*event[:3], None if place == 3 else event[3]) for place, event in enumerate(events)])
    assert without_items(unknown, torch.tensor([0]), torch.tensor([4]), 20)["time_gap_ids"][0].tolist()[3] == 0
    assert np.all(found["time_gap_ids"].numpy() < 20)
