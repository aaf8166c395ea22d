"""Lists of the demonstration: two per household, of items that it had and of items that it did not have."""

from __future__ import annotations

from pathlib import Path

from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import prepare_training
from xcat_rec.workflows.demo import BUY_AGAIN, NEW_FOR_YOU, household_lists

from ..tiny_shop import SMALL, save_text_encoder, shop


def test_lists_of_households(tmp_path: Path) -> None:
    options = PreparationOptions(
        text_encoder=str(save_text_encoder(tmp_path / "encoder")), split="leave-one-out", config=SMALL
    )
    start = prepare_training(shop(), options)
    recommender, rows = XCatRecommender(start.model, start.processor), start.splits["test"]
    found = household_lists(recommender, rows)
    assert [one.name for one in found] == ["Household 1", "Household 2", "Household 3"]
    for one, row in zip(found, rows, strict=False):
        had = set(recommender.vocabulary.decode(row["items"]))
        assert one.events == len(row["items"]) and list(one.lists) == [BUY_AGAIN, NEW_FOR_YOU]
        assert {item.item_id for item in one.lists[BUY_AGAIN]} <= had and len(one.lists[BUY_AGAIN]) == 5
        assert not {item.item_id for item in one.lists[NEW_FOR_YOU]} & had and len(one.lists[NEW_FOR_YOU]) == 5
        plain = [item.category for item in recommender.recommend(recommender.vocabulary.decode(row["items"]), 100)]
        first = [item.category for item in one.lists[NEW_FOR_YOU]][: len(set(plain))]
        assert first == list(dict.fromkeys(plain))[:5], "the best item of each category, the best category first"
        scores = recommender.score_rows([row])[0]
        best = max(had, key=lambda item: float(scores[int(recommender.vocabulary.encode([item])[0])]))
        assert one.lists[BUY_AGAIN][0].item_id == best
    assert len(household_lists(recommender, rows, 1)) == 1
