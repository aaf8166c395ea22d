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

from xcat_rec.modeling_xcat.configuration_xcat import XCatConfig
from xcat_rec.modeling_xcat.explanation_xcat import LATEST, LEAST_WEIGHT, odds_lost, without_items
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem
from xcat_rec.modeling_xcat.recommending_xcat import Recommendation
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.tokenization.processing_xcat import XCatProcessor
from xcat_rec.tokenization.vocabulary import NUM_SPECIAL_ROWS, UNKNOWN_ROW, ItemVocabulary

ITEMS = ["tent", "pegs", "pizza", "cola", "map", "best seller", "soap"]
WEIGHT = 4.0


def shop(weights: dict[tuple[str, str], float], **changes: Any) -> XCatRecommender:
    """A model whose score is an item-to-item weight per pair of event and item, and 5 for the best seller."""
    config = XCatConfig(
        use_text=False, num_fusion_layers=0, num_behavior_layers=0, num_item_rows=len(ITEMS) + NUM_SPECIAL_ROWS,
        hidden_size=8, max_history=40, num_neighbors=6, neighbor_weight=WEIGHT, neighbor_decay=1.0, neighbor_window=40,
        repeats="off", num_candidates=0, scoring="dot", temperature=1.0, **changes,
    )  # fmt: skip
    model = XCatForNextItem(config)
    base, row = model.model, {item: number for number, item in enumerate(ITEMS, start=NUM_SPECIAL_ROWS)}
    with torch.no_grad():
        base.items.item_counts.fill_(1)
        for parameter in base.parameters():
            parameter.zero_()
        base.output_norm.bias[0] = 1.0  # the state of every history
        base.items.id_embeddings.weight[row["best seller"], 0] = 5.0
        base.input_norm.weight.fill_(1.0)
    for (event, item), weight in weights.items():
        place = int(base.neighbors.similarities[row[event]].count_nonzero())
        base.neighbors.rows[row[event], place] = row[item]
        base.neighbors.similarities[row[event], place] = weight
    words = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    table = ItemVocabulary(pa.table({"item_id": ITEMS, "category": ["all"] * len(ITEMS)}))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]")
    return XCatRecommender(model, XCatProcessor(tokenizer, table, max_history=40))


def reasons(found: list[Recommendation]) -> dict[str, list[tuple[str, float]]]:
    return {item.item_id: [(one.item_id, one.weight) for one in item.because] for item in found if item.because}


def lost(fall: float) -> float:
    return round(1 - math.exp(-fall), 4)


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


def test_a_long_list_is_compared_with_the_best_items():
    scores, without = torch.zeros(4), -torch.tensor([[1.0, 1.0, 1.0, 3.0], [2.0, 4.0, 0.0, 1.0]])
    listed, compared = torch.tensor([0, 3]), torch.tensor([0, 1, 2])
    expected = torch.tensor([[0.0, 2.0], [0.0, 0.0]])
    torch.testing.assert_close(odds_lost(scores, without, listed, compared), 1 - torch.exp(-expected))


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


def test_the_weight_is_the_smaller_of_the_fall_and_of_the_fall_beyond_the_others():
    scores = torch.tensor([4.0, 3.0, 2.0, 1.0])
    without = torch.tensor(
        [
            [4.0, 4.0, 3.0, 2.0],  # the others rise, the first stays: no reason
            [3.0, 1.0, 1.0, 0.0],  # all fall by 1, the second by 2
            [4.0, 3.0, 2.0, -torch.inf],
        ]
    )
    expected = torch.zeros(3, 4)
    expected[1, 1], expected[2, 3] = 1 - math.exp(-1), 1.0
    torch.testing.assert_close(odds_lost(scores, without), expected)
    torch.testing.assert_close(odds_lost(scores[:1], without[1:2, :1]), torch.tensor([[1 - math.exp(-1)]]))
    assert odds_lost(scores, without[:0]).shape == (0, 4) and odds_lost(scores[:0], without[:, :0]).shape == (3, 0)


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
