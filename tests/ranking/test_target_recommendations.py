"""Recommendations of brands, categories and campaigns by summing items."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import polars as pl
import pytest
import torch

from xcat_rec.modeling_xcat.filters_xcat import Filters
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.ranking.rerankers.limits import MaxPerCategory
from xcat_rec.tokenization.tables.schema import validate_tables
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import prepare_training

from ..tiny_shop import ITEMS, SMALL, events_table, items_table
from .test_recommender import encoder

HISTORY = ["item-03", "item-10"]
"""Brands 0 and 1, categories tents and boots."""


@cache
def recommender() -> XCatRecommender:
    """A model without training, whose items are in no, one or two campaigns."""
    campaigns = [[["spring"], ["spring", "autumn"], None][number % 3] for number in range(ITEMS)]
    items = items_table().with_columns(pl.Series("campaign", campaigns, dtype=pl.List(pl.String)))
    options = PreparationOptions(text_encoder=encoder(), split="leave-one-out", config=SMALL)
    prepared = prepare_training(validate_tables(items, events_table(), name="tiny shop"), options)
    return XCatRecommender(prepared.model, prepared.processor)


def item_shares(exclude_seen: bool = False) -> torch.Tensor:
    """(rows,) probabilities of the items after `HISTORY`."""
    row = recommender().processor.history_rows([HISTORY])[0]
    scores = recommender().score_rows([row], discover=exclude_seen)[0]
    if exclude_seen:
        scores[recommender().vocabulary.encode(HISTORY)] = -torch.inf
    return torch.softmax(scores, 0)


def test_probabilities_are_sums_of_items_and_sum_to_one() -> None:
    keep = Filters(exclude_seen=False)
    found = recommender().recommend_targets(HISTORY, "brand", 5, filters=keep)
    assert sum(one.probability for one in found) == pytest.approx(1, abs=1e-5)
    codes, names = recommender().vocabulary.codes("brand")
    shares = item_shares()
    expected = {name: float(shares[codes == code].sum()) for code, name in enumerate(names)}
    assert {one.name: one.probability for one in found} == pytest.approx(expected, abs=1e-5)
    assert [one.probability for one in found] == sorted((one.probability for one in found), reverse=True)
    assert {one.name for one in found if one.known} == {"brand 0", "brand 1"}


def test_by_default_brands_of_the_history_are_left_out() -> None:
    found = recommender().recommend_targets(HISTORY, "brand", 5)
    assert [one.name for one in found] == ["brand 2"]
    assert sorted(found.left_out) == ["brand 0", "brand 1"]
    codes, names = recommender().vocabulary.codes("brand")
    shares = item_shares(exclude_seen=True)
    assert found[0].probability == pytest.approx(float(shares[codes == names.index("brand 2")].sum()), abs=1e-5)
    others = [float(shares[codes == names.index(name)].sum()) for name in found.left_out]
    assert min(others) > 0 and found[0].probability + sum(others) == pytest.approx(1, abs=1e-5), "others have the rest"
    assert found.notes[:1] == [
        "only 1 value of brand: the history has 2 of its 3; give exclude_seen=False to list them"
    ]


def test_probabilities_of_scores_that_only_order_items_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    keep, config = Filters(exclude_seen=False), recommender().model.config
    assert config.neighbor_weight > 0 and not config.candidate_attention, "no re-ranker is fitted to the weight"
    found = [recommender().recommend_targets(HISTORY, "brand", 1, filters=filters) for filters in (None, keep)]
    for purpose, one in zip(("discovery", "next items"), found, strict=True):
        assert f"only their order holds: the model uses no re-ranker for {purpose}, and the item" in one.notes[-1]
        assert "tune_" not in one.notes[-1], "these are on by default"
    monkeypatch.setattr(config, "discover_neighbor_weight", 0.0)
    assert not recommender().recommend_targets(HISTORY, "brand", 1).notes
    assert recommender().recommend_targets(HISTORY, "brand", 1, filters=keep).notes == found[1].notes
    monkeypatch.setattr(config, "candidate_attention", True)
    assert not recommender().recommend_targets(HISTORY, "brand", 1, filters=keep).notes
    assert not recommender().recommend_targets([], "brand", 1, filters=keep).notes[1:], "popular values are shares"


def test_an_item_of_several_campaigns_counts_in_each() -> None:
    found = recommender().recommend_targets(HISTORY, "campaign", 5, filters=Filters(exclude_seen=False))
    shares = item_shares()[2:]
    number = torch.arange(ITEMS) % 3
    assert {one.name: one.probability for one in found} == pytest.approx(
        {"spring": float(shares[number < 2].sum()), "autumn": float(shares[number == 1].sum())}, abs=1e-5
    )


def test_items_and_reasons_of_a_value() -> None:
    keep = Filters(exclude_seen=False)
    found = recommender().recommend_targets(HISTORY, "category", 2, filters=keep)
    best = found[0]
    shares, vocabulary = item_shares(), recommender().vocabulary
    ids = vocabulary.column("item_id").to_pylist()
    for item in best.items:
        assert vocabulary.item(2 + ids.index(item.item_id))["category"] == best.name
        assert item.probability == pytest.approx(float(shares[2 + ids.index(item.item_id)]), abs=1e-5)
    firsts = [one.items[0].item_id for one in found]
    listed = recommender().recommend(HISTORY, 2, exclude_seen=False, only_items=firsts)
    assert {item.item_id: item.because for item in listed} == dict(
        zip(firsts, [one.because for one in found], strict=True)
    )
    assert any(one.because for one in found)
    assert {reason.item_id for reason in best.because} <= set(HISTORY)
    plain = recommender().recommend_targets(HISTORY, "category", 2, filters=keep, explain=False)[0]
    assert (plain.items, plain.because, plain.probability) == ((), (), best.probability)
    assert json.loads(json.dumps(best.to_dict()))["items"][0]["item_id"] == best.items[0].item_id


def test_many_users_get_the_lists_of_each_and_new_customers_the_popular_values() -> None:
    lists = recommender().recommend_targets_many([HISTORY, [], ["kite", "item-03"]], "brand", 3)
    assert lists[0].to_dict() == recommender().recommend_targets(HISTORY, "brand", 3).to_dict()
    assert (lists[1].basis, len(lists[1])) == ("popular", 3)
    assert sum(one.probability for one in lists[1]) == pytest.approx(1, abs=1e-5)
    assert "popular values of brand" in lists[1].notes[0]
    assert lists[2].unknown_items == 1
    assert "1 of 2 events has an item that is not in the catalogue" in lists[2].notes
    for history in ([], ["kite"]):
        skipped = recommender().recommend_targets(history, "brand", on_unknown="skip")
        of_items = recommender().recommend(history, on_unknown="skip").notes
        assert (list(skipped), skipped.basis) == ([], "none")
        assert skipped.notes == [note.replace("popular items", "popular values") for note in of_items] != []
    with pytest.raises(ValueError, match="1 of 1 user has no item of the catalogue"):
        recommender().recommend_targets([], "brand", on_unknown="error")


def test_filters_and_rules_apply_to_the_summed_items() -> None:
    keep = Filters(exclude_seen=False, only_categories="tents")
    found = recommender().recommend_targets(HISTORY, "category", 5, filters=keep)
    assert [(one.name, one.probability) for one in found] == [("tents", pytest.approx(1, abs=1e-5))]
    ruled = XCatRecommender(recommender().model, recommender().processor, [MaxPerCategory(1)])
    values = [one.recommend_targets(HISTORY, "category", 4, filters=Filters(False)) for one in (ruled, recommender())]
    assert values[0][0].probability < values[1][0].probability, "one item per category has the highest scores"


def test_notes_on_short_lists_name_their_cause() -> None:
    def notes(history: list[str], k: int = 10, **filters: Any) -> list[str]:
        found = recommender().recommend_targets(history, "brand", k, filters=Filters(**filters))
        return [note for note in found.notes if " of brand: " in note and "popular" not in note]

    assert notes(HISTORY, exclude_seen=False) == [], "all values are listed"
    assert notes(HISTORY, 1) == notes([]) == []
    every = [*HISTORY, "item-02"]
    assert len(recommender().recommend_targets(every, "brand")) == 0
    told = "no other value of brand: the history has all 3; give exclude_seen=False to list them"
    assert notes(every) == recommender().recommend_targets(every, "brand").notes == [told]
    only = {"only_items": ["item-10"], "exclude_seen": False}
    lacking = "only 1 value of brand: the other 2 have no item {}that may be recommended; loosen the filters"
    assert notes(HISTORY, **only) == [lacking.format("")]
    assert notes([], **only) == [lacking.format("with training events ")]
    assert notes(HISTORY, only_items=["item-03"]) == [
        "no value of brand: the history has 2 of its 3, and the other one has no item that may be recommended; loosen "
        "the filters or give exclude_seen=False to list them"
    ]


def test_a_value_with_a_probability_of_zero_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    codes, names = recommender().vocabulary.codes("brand")
    far = 1e4 * torch.as_tensor(codes == names.index("brand 2"))
    monkeypatch.setattr(recommender(), "reranked", lambda scores, _: scores - far)
    found = recommender().recommend_targets(HISTORY, "brand", filters=Filters(exclude_seen=False))
    assert len(found) == 3 and (found[2].name, found[2].probability) == ("brand 2", 0.0)
    assert found[2].items and {item.probability for item in found[2].items} == {0.0}
    assert not any("of brand: " in note for note in found.notes)


def test_unknown_columns_and_strings_are_refused() -> None:
    with pytest.raises(ValueError, match="target is 'colour': the items have no column 'colour'; give one of"):
        recommender().recommend_targets(HISTORY, "colour")
    with pytest.raises(ValueError, match="put it into a list"):
        recommender().recommend_targets("item-03", "brand")
    with pytest.raises(ValueError, match="k is 0"):
        recommender().recommend_targets(HISTORY, "brand", 0)
