"""Re-ranking rules: the same order in recommendations and in evaluations, with the scores of the model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from xcat_rec.modeling_xcat.filters_xcat import Filters
from xcat_rec.ranking.pipelines import pipeline
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.ranking.rerank import Candidates, Reranker, rerank_order, rerank_scores
from xcat_rec.ranking.rerankers.limits import MaxPerCategory
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import prepare_training

from ..tiny_shop import SMALL, save_text_encoder, shop

HISTORIES = [["item-03", "item-10", "item-17"], ["item-22"]]


def backwards(candidates: Candidates) -> torch.Tensor:
    return -candidates.scores


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory) -> XCatRecommender:
    encoder = str(save_text_encoder(tmp_path_factory.mktemp("encoder")))
    prepared = prepare_training(shop(20), PreparationOptions(text_encoder=encoder, config=SMALL))
    return XCatRecommender(prepared.model, prepared.processor)


def with_rules(recommender: XCatRecommender, *rules: Reranker) -> XCatRecommender:
    return XCatRecommender(recommender.model, recommender.processor, rerankers=rules)


def test_a_rule_decides_the_order_and_scores_stay(recommender: XCatRecommender) -> None:
    plain = recommender.recommend_many(HISTORIES, 60)
    reversed_lists = with_rules(recommender, backwards).recommend_many(HISTORIES, 60)
    for before, after in zip(plain, reversed_lists, strict=True):
        assert [(i.item_id, i.score) for i in after] == [(i.item_id, i.score) for i in reversed(before)]
        assert {i.item_id: i.because for i in after} == {i.item_id: i.because for i in before}
    shorter = with_rules(recommender, backwards).recommend_many(HISTORIES, 3)
    assert [[i.item_id for i in user] for user in shorter] == [
        [i.item_id for i in user[:3]] for user in reversed_lists
    ]


@pytest.mark.parametrize(
    "rules", [[], [MaxPerCategory(2)], [backwards, MaxPerCategory(1)]], ids=["none", "one", "two"]
)
def test_evaluation_sees_the_order_of_serving(recommender: XCatRecommender, rules: list[Reranker]) -> None:
    ruled = with_rules(recommender, *rules)
    everything = Filters(exclude_seen=False)
    lists = ruled.recommend_many(HISTORIES, 60, filters=everything)
    best = ruled.score_rows(ruled.processor.history_rows(HISTORIES)).argsort(dim=1, descending=True)
    for found, order in zip(lists, best.numpy(), strict=True):
        assert [item.item_id for item in found] == ruled.vocabulary.decode(order)[: len(found)]


def test_a_pipeline_applies_the_rules(recommender: XCatRecommender, tmp_path: Path) -> None:
    expected = [item.to_dict() for item in with_rules(recommender, backwards).recommend(HISTORIES[0], 4)]
    recommender.model.save_pretrained(tmp_path)
    recommender.processor.save_pretrained(tmp_path)
    model, processor = recommender.model, recommender.processor
    for pipe in (
        pipeline("item-recommendation", model=model, processor=processor, rerankers=[backwards]),
        pipeline("item-recommendation", model=str(tmp_path), rerankers=[backwards], k=4),
    ):
        assert [item["item_id"] for item in pipe(HISTORIES[0], k=4)] == [item["item_id"] for item in expected]


def test_most_of_a_category(recommender: XCatRecommender) -> None:
    for found in with_rules(recommender, MaxPerCategory(2)).recommend_many(HISTORIES, 6):
        categories = [item.category for item in found]
        assert max(categories.count(name) for name in set(categories)) <= 2
    with pytest.raises(ValueError, match="most is 0"):
        MaxPerCategory(0)


def test_order_by_hand() -> None:
    class Catalogue:
        category_codes = torch.tensor([-1, -1, 0, 0, 0, 1, -1])

    rows, scores = torch.tensor([[2, 3, 6, 4, 5]]), torch.tensor([[5.0, 4.0, 3.0, 2.0, -torch.inf]])
    candidates = Candidates(rows, scores, [[2]], Catalogue())
    assert rerank_order(candidates, [MaxPerCategory(1)]).tolist() == [[0, 2, 1, 3, 4]]
    assert rerank_order(candidates, [backwards]).tolist() == [[3, 2, 1, 0, 4]], "what is no item stays behind"
    assert rerank_order(candidates, [backwards, MaxPerCategory(1)]).tolist() == [[3, 2, 1, 0, 4]]
    scattered = torch.full((1, 7), -torch.inf).scatter(1, rows[:, :4], scores[:, :4])
    again = rerank_scores(scattered, [[2]], Catalogue(), [backwards], depth=2)
    assert again[0, 2:5].tolist() == [4.0, 5.0, 2.0] and again[0, 6] == 3.0, "two items exchange scores"


@pytest.mark.parametrize(
    ("rule", "message"),
    [(lambda c: c.scores[:, :1], r"of shape \(1, 1\)"), (lambda c: c.scores * torch.nan, "NaN")],
    ids=["shape", "nan"],
)
def test_keys_that_are_no_order(rule: Reranker, message: str) -> None:
    candidates = Candidates(torch.tensor([[2, 3]]), torch.ones(1, 2), [[2]], None)
    with pytest.raises(ValueError, match=message):
        rerank_order(candidates, [rule])


def test_rules_of_a_loaded_checkpoint(recommender: XCatRecommender, tmp_path: Path) -> None:
    recommender.model.save_pretrained(tmp_path)
    recommender.processor.save_pretrained(tmp_path)
    loaded = XCatRecommender.from_pretrained(tmp_path, rerankers=[backwards])
    wanted = with_rules(recommender, backwards).recommend(HISTORIES[0], 5)
    assert [item.item_id for item in loaded.recommend(HISTORIES[0], 5)] == [item.item_id for item in wanted]
