"""Explanations: the reasons of `recommend`, places that new requests confirm, words, and clear errors."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pyarrow as pa
import pytest
import torch

from xcat_rec.catalogue.change import change_catalogue
from xcat_rec.checkpoints.adapters import add_adapter
from xcat_rec.checkpoints.load import bare_model
from xcat_rec.modeling_xcat.recommending_xcat import Reason
from xcat_rec.ranking.explanation import METHODS, Counterfactual, EventInfluence, Explanation
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.tokenization.sequences.click_options import ClickOptions
from xcat_rec.tokenization.vocabulary import ItemVocabulary

from ...neighbor_shop import ITEMS, WEIGHT, lost, shop
from ...training.tasks.test_click import prepared as prepared_clicks
from ..test_discovery import prepared
from ..test_recommender import recommender

HISTORY = ["item-03", "item-10", "item-17"]


def rank_of(using: XCatRecommender, history: list[str], item: str, **given: object) -> int:
    """Place of an item in a list of all items, as `recommend` gives it."""
    found = using.recommend(history, using.vocabulary.num_items, explain=False, **given)  # type: ignore[arg-type]
    score = next(one.score for one in found if one.item_id == item)
    return 1 + sum(one.score > score + 1e-6 for one in found)


@pytest.mark.parametrize("name", ["transformer", "gru", "lstm without fusion", "no text", "no ids", "dot"])
def test_an_explanation_has_the_reasons_and_the_place_of_the_list(name: str) -> None:
    using, number = recommender(name), 0
    for history in (HISTORY, ["item-22"], ["item-05", "item-12", "item-05", "item-19", "kite"]):
        listed = using.recommend(history, 3)
        for item in listed:
            found = using.explain(history, item.item_id, words=False)
            assert found.because == item.because and found.score == pytest.approx(item.score, abs=1e-4)
            assert found.rank == rank_of(using, history, item.item_id) and found.basis == "history"
            assert [one.item_id for one in found.events] == list(dict.fromkeys(reversed(
                [one for one in history if one != "kite"]
            )))  # fmt: skip
            for reason, other in zip(found.because, found.counterfactuals, strict=True):
                left = [one for one in history if one != reason.item_id]
                assert other.item_id == reason.item_id
                if other.basis == "popular":
                    popular = [one.item_id for one in using.recommend(left, other.rank)]
                    assert (popular[-1], len(popular), other.score) == (item.item_id, other.rank, None)
                else:
                    assert other.rank == rank_of(using, left, item.item_id)
                    number += 1
                    assert other.score < found.score
            assert found.notes == (["1 of 5 events has an item that is not in the catalogue"] if len(history) == 5
                                   else [])  # fmt: skip
    assert number, "places were compared"


def test_exact_influences_of_item_to_item_weights() -> None:
    using = shop({("tent", "pegs"): 0.5, ("pizza", "pegs"): 0.1, ("pizza", "cola"): 0.2})
    found = using.explain(["tent", "soap", "pizza"], "pegs")
    assert (found.rank, found.score, found.basis) == (2, pytest.approx(0.6 * WEIGHT), "history")
    assert found.counterfactuals[0] == Counterfactual("tent", "tent", 3, pytest.approx(0.1 * WEIGHT), "history")
    others = [math.exp(5.0), math.exp(0.2 * WEIGHT), 1.0]  # best seller, cola, map
    rise = math.log(sum(others)) - math.log(sum(others) - others[1] + 1)
    expected = {"pizza": 0.1 * WEIGHT - rise, "soap": 0.0, "tent": 0.5 * WEIGHT}
    assert found.because == (
        Reason("tent", "tent", lost(0.5 * WEIGHT)), Reason("pizza", "pizza", lost(0.1 * WEIGHT - rise))
    )  # fmt: skip
    assert [one.item_id for one in found.events] == ["pizza", "soap", "tent"]
    for one in found.events:
        assert one.influence == pytest.approx(expected[one.item_id], abs=1e-3)
    of_parts = using.explain(["tent", "soap", "pizza"], "pegs", method="additive")
    assert [one.influence for one in of_parts.events] == pytest.approx([0.1 * WEIGHT, 0.0, 0.5 * WEIGHT], abs=1e-4)
    assert of_parts.because == found.because and found.known_categories == 3 and found.category_path == ("all",)
    only = using.explain(["tent"], "pegs")
    place = [one.item_id for one in using.recommend([], len(ITEMS))].index("pegs") + 1
    assert only.counterfactuals == (Counterfactual("tent", "tent", place, None, "popular"),)


def test_new_customers_and_what_cannot_be_explained() -> None:
    using = shop({("tent", "pegs"): 0.5})
    popular = using.explain([], "soap")
    assert (popular.basis, popular.because, popular.events, popular.nearest) == ("popular", (), (), None)
    assert popular.rank == [one.item_id for one in using.recommend([], len(ITEMS))].index("soap") + 1
    assert using.explain(["kite"], "soap").basis == "popular"
    again = using.explain(["tent", "soap"], "soap", exclude_seen=False)
    assert again.rank == rank_of(using, ["tent", "soap"], "soap", exclude_seen=False)
    refused = {
        "item is 'kite', which is not in the catalogue": {"item": "kite"},
        "item is 'tent', which is in the history, .* exclude_seen=False": {"item": "tent"},
        "method is 'shap'; give one of leave-one-out": {"item": "pegs", "method": "shap"},
        "language is 'fr'; give one of en, zh": {"item": "pegs", "language": "fr"},
        "method is 'attention', and this model has no attention weights": {"item": "pegs", "method": "attention"},
        "method is 'candidate-attention', and this model has no re-ranker": {
            "item": "pegs", "method": "candidate-attention"
        },
        "this model predicts no clicks": {"item": "pegs", "click": True},
        "context is for the probability of a click": {"item": "pegs", "context": {"price": 1}},
        "does not read queries": {"item": "pegs", "query": "warm"},
        "does not read texts of users": {"item": "pegs", "texts": ["warm"]},
        "item is None; give the id of an item": {"item": None},
    }  # fmt: skip
    for message, given in refused.items():
        with pytest.raises(ValueError, match=message):
            using.explain(["tent"], **given)
    with pytest.raises(ValueError, match="history is a list of item ids; got None"):
        using.explain(None, "pegs")
    once = (one for one in ["tent", "soap"])
    assert using.explain(once, "soap", exclude_seen=False).to_dict() == again.to_dict(), "read once"


def test_a_deleted_item_has_no_place_and_takes_none() -> None:
    whole = shop({("tent", "pegs"): 0.5})
    using = XCatRecommender(whole.model, whole.processor)
    gone = using.recommend(["tent"], 1)[0].item_id
    popular = using.recommend([], 1)[0].item_id
    using.delete_items([gone, popular])
    for history in (["tent"], []):
        with pytest.raises(ValueError, match=f"item is '{gone}', which is deleted, .* add it again with add_items"):
            using.explain(history, gone)
        listed = [one.item_id for one in using.recommend(history, len(ITEMS))]
        if not history:
            assert [using.explain([], item).rank for item in listed] == list(range(1, len(listed) + 1))
        assert using.explain(history, listed[0]).rank == 1
    using.add_items({"item_id": [gone], "title": [gone]})
    assert using.explain(["tent"], gone).rank == rank_of(using, ["tent"], gone)


def test_words_of_the_item_of_the_reason_and_of_the_query() -> None:
    made = prepared()
    made.model.model.asks.view.fill_(5.0)
    using = XCatRecommender(made.model, made.processor)
    stored = made.model.model.items.text_states.clone()
    item = using.recommend(HISTORY, 1, query="tents 3").pop()
    found = using.explain(HISTORY, item.item_id, query="tents 3")
    title = set(re.findall(r"\w+", using.vocabulary.item(int(using.vocabulary.encode([item.item_id])[0]))["text"]))
    assert {one.word for one in found.item_words} and {one.word for one in found.item_words} <= title
    assert [one.word for one in found.query_words] == ["tents", "3"]
    assert any(one.influence > 0 for one in found.query_words)
    assert all(one.influence == 0 for one in using.explain(HISTORY, item.item_id, words=False).item_words)
    if found.because:
        assert found.event_words
    assert made.model.model.items.text_states.equal(stored), "the model stays as it is"
    alone = using.explain([], item.item_id, query="tents 3")
    assert (alone.basis, alone.events, alone.because) == ("query", (), ()) and alone.query_words
    assert alone.rank == rank_of(using, [], item.item_id, query="tents 3")


def test_a_click_is_explained_by_its_log_odds(tmp_path: Path) -> None:
    task, start = prepared_clicks(tmp_path, ClickOptions())
    using = XCatRecommender(task.new_model(start.model), start.processor)
    history = ["item-03", "item-10", "item-03"]
    found = using.explain(history, "item-10", click=True)
    whole = float(using.click_probability(history, ["item-10"])[0])
    assert found.probability == pytest.approx(whole) and found.rank is None and not found.item_words
    for one in found.events:
        left = [item for item in history if item != one.item_id]
        other = float(using.click_probability(left, ["item-10"])[0])
        fall = math.log(whole / (1 - whole)) - math.log(other / (1 - other))
        assert one.influence == pytest.approx(fall, abs=1e-3)
        assert one.weight == pytest.approx(1 - math.exp(-max(0.0, fall)), abs=1e-3)
    assert len(found.events) == 2 and f"{whole:.1%}" in found.sentence
    with pytest.raises(ValueError, match="method has no effect on the probability of a click"):
        using.explain(history, "item-10", click=True, method="attention")
    listed = using.recommend(history, 1)[0]
    assert using.explain(history, listed.item_id, words=False).rank == 1, "the checkpoint also ranks items"


def test_json_has_everything() -> None:
    using = recommender()
    item = using.recommend(HISTORY, 1)[0].item_id
    for method in METHODS:
        if method != "candidate-attention":
            found = using.explain(HISTORY, item, method=method, words=False)
            plain = json.loads(json.dumps(found.to_dict()))
            assert plain["events"] == [vars(one) for one in found.events] and plain["sentence"] == found.sentence
            assert len(plain["events"]) == 3 and plain["method"] == method
    assert set(plain) == {*Explanation.__dataclass_fields__, "sentence"}
    assert plain["nearest"]["item_id"] in HISTORY and isinstance(found.events[0], EventInfluence)


MASKED = {"behavior_encoder": "bidirectional", "objective": "cloze", "num_fusion_layers": 0, "repeats": "off"}


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft calls it
@pytest.mark.parametrize("kind", ["bidirectional", "adapter", "bfloat16", "added item"])
def test_other_models_are_explained(kind: str) -> None:
    made = prepared(**(MASKED if kind == "bidirectional" else {}))
    model, processor, item = made.model, made.processor, "item-22"
    if kind == "adapter":
        model = bare_model(add_adapter(model, rank=2, groups=["behavior", "fusion", "text"]))
    if kind == "bfloat16":
        model = model.to(torch.bfloat16)
    if kind == "added item":
        table, item = processor.catalogue.table, "item-new"
        text = {"item_id": item, "title": "tents number 3", "text": "tents number 3"}
        new = pa.table(
            {name: pa.array([text.get(name)], table.schema.field(name).type) for name in table.column_names}
        )
        processor = change_catalogue(model, processor, ItemVocabulary(pa.concat_tables([table, new])))
    using = XCatRecommender(model, processor)
    for method in ("leave-one-out", "integrated-gradients", "attention"):
        found = using.explain(HISTORY, item, method=method)
        assert found.rank == rank_of(using, HISTORY, item) and len(found.events) == 3
        assert any(one.influence for one in found.events) and found.item_words
        assert all(math.isfinite(one.influence) for one in (*found.events, *found.item_words))
