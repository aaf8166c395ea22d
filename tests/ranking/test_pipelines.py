"""The pipeline: its requirements, and its options."""

from __future__ import annotations

import numpy as np
import pytest

from xcat_rec import pipeline
from xcat_rec.modeling_xcat.pipeline_xcat import XCatPipeline

from ..tiny_shop import COLD
from .test_recommender import HISTORIES, prepared, recommender


def test_a_model_is_needed():
    with pytest.raises(ValueError, match="pass model="):
        pipeline("item-recommendation")


def test_a_model_in_memory_needs_its_processor():
    start = prepared("transformer")
    with pytest.raises(ValueError, match="pass processor=, its XCatProcessor"):
        pipeline("item-recommendation", model=start.model)
    using = pipeline("item-recommendation", model=start.model, processor=start.processor)
    expected = [found.to_dict() for found in recommender().recommend(HISTORIES[0], 3)]
    assert using(HISTORIES[0], k=3) == using(np.array(HISTORIES[0]), k=3) == expected


def test_other_tasks_are_those_of_transformers():
    with pytest.raises(KeyError, match="Unknown task item-recommendations"):
        pipeline("item-recommendations")


def using():
    start = prepared("transformer")
    return pipeline("item-recommendation", model=start.model, processor=start.processor, batch_size=2)


def test_requests_may_be_mappings_with_what_belongs_to_a_history():
    kinds = [["buy"] * len(history) for history in HISTORIES]
    plain = using()(HISTORIES, k=3, event_types=kinds)
    requests = [{"history": history, "event_types": kind} for history, kind in zip(HISTORIES, kinds, strict=True)]
    assert using()(requests, k=3) == list(using()(iter(requests), k=3)) == plain
    alone = using()(requests[0], k=3)
    assert alone == using()(HISTORIES[0], k=3, event_types=kinds[0])
    for one, other in zip(alone, plain[0], strict=True):  # sums of floats depend on the size of a batch
        assert one == {**other, "score": pytest.approx(other["score"], abs=1e-4), "because": one["because"]}
        assert [reason["item_id"] for reason in one["because"]] == [reason["item_id"] for reason in other["because"]]
    mixed = using()([requests[0], HISTORIES[1]], k=3)
    wanted = [plain[0], using()(HISTORIES[1], k=3)]
    assert [[one["item_id"] for one in user] for user in mixed] == [
        [one["item_id"] for one in user] for user in wanted
    ]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        ((["item-03"], {"k": 2, "top_k": 3}), ValueError, "k and top_k mean the same"),
        ((["item-03"], {"top_k": 2.5}), ValueError, "k is 2.5; give a whole number"),
        ((["item-03"], {"k": True}), ValueError, "k is True"),
        ((["item-03"], {"exclude_sen": True}), TypeError, "no option 'exclude_sen'.*exclude_seen"),
        (("item-03", {}), ValueError, "got a plain string"),
        (([{"items": ["item-03"]}], {}), ValueError, "it has 'items'"),
        (
            ([["item-03"]], {"ratings": [[1.0], [2.0]]}),
            ValueError,
            "ratings must have one entry per history: 1, got 2",
        ),
        ((iter([["item-03"]]), {"ratings": [[1.0]]}), ValueError, "ratings cannot be given with an iterator"),
        (([["item-03"], 7], {}), ValueError, "a history is a list of item ids; got a int"),
    ],
)
def test_invalid_arguments_are_refused_by_name(call, error, words):
    with pytest.raises(error, match=words):
        using()(call[0], **call[1])


def test_unknown_and_new_customers_get_popular_items_with_and_without_the_package():
    start = prepared("transformer")
    alone = XCatPipeline(start.model, start.processor, device="cpu")
    histories = [["kite"], HISTORIES[0], [], ["rope", "item-22"]]
    popular = [item.to_dict() for item in recommender().recommend([], 4)]
    for one in (alone, using()):
        found = one(histories, k=np.int64(4), event_types=[["buy"] * len(history) for history in histories])
        assert found[0] == found[2] == one([], k=4) == popular
        assert [item["because"] for item in found[1]] != [[]] * 4
        assert one(histories, k=4, on_unknown="skip")[0] == []
        with pytest.raises(ValueError, match=r"of \d users (has|have) no item of the catalogue"):
            one(histories, on_unknown="error")
        assert one(HISTORIES[0], k=1, cold_boost=100)[0]["item_id"] == f"item-{COLD}"
