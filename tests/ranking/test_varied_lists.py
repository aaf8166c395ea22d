"""Re-ranked and filtered lists of a recommender: the same in serving and evaluation."""

from __future__ import annotations

from pathlib import Path

import pytest

from xcat_rec.modeling_xcat.filters_xcat import Filters
from xcat_rec.ranking.pipelines import pipeline
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.ranking.rerankers import MMR, Calibrate, MaxPer, OnePerProduct, Pin, PlackettLuce
from xcat_rec.serving.batch import BatchRequest, histories_table, recommend_block
from xcat_rec.tokenization.sequences.histories import Histories
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import prepare_training
from xcat_rec.workflows.checkpoint_evaluation import evaluate_checkpoint

from ..tiny_shop import SMALL, save_text_encoder, shop

HISTORIES = [["item-03", "item-10", "item-17"], ["item-22"]]
RULES = [
    "mmr=0.3",
    "mmr=0.3,calibrate=0.5:1",
    "dpp=0.2",
    [Pin(["item-01", "item-39"]), MMR(0.5)],
    [OnePerProduct(), MaxPer("brand", 2)],
    "popularity-discount=0.5,boost=price<20:0.3,bury=category=maps",
    [PlackettLuce(0.2, seed=5)],
]


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory) -> XCatRecommender:
    encoder = str(save_text_encoder(tmp_path_factory.mktemp("encoder")))
    prepared = prepare_training(shop(20), PreparationOptions(text_encoder=encoder, config=SMALL))
    return XCatRecommender(prepared.model, prepared.processor)


def ids(lists) -> list[list[str]]:
    return [[item.item_id for item in items] for items in lists]


@pytest.mark.parametrize("exclude_seen", [True, False], ids=["discover", "next"])
@pytest.mark.parametrize("rules", RULES, ids=str)
def test_evaluation_ranks_the_lists_of_serving(recommender, rules, exclude_seen):
    found = recommender.recommend_many(HISTORIES, 12, rerank=rules, filters=Filters(exclude_seen=exclude_seen))
    ruled = XCatRecommender(recommender.model, recommender.processor, rules)
    scores = ruled.score_rows(ruled.processor.history_rows(HISTORIES), discover=exclude_seen)
    best = scores.argsort(dim=1, descending=True, stable=True)[:, :12]
    assert ids(found) == [ruled.vocabulary.decode(order) for order in best.numpy()]
    shorter = recommender.recommend_many(HISTORIES, 5, rerank=rules, filters=Filters(exclude_seen=exclude_seen))
    assert ids(shorter) == [items[:5] for items in ids(found)]


def test_lists_without_rules_are_unchanged(recommender):
    plain = recommender.recommend_many(HISTORIES, 10)
    assert recommender.recommend_many(HISTORIES, 10, rerank=[], filters=[]) == plain
    assert recommender.recommend_many(HISTORIES, 10, rerank=[MMR(0.0), Calibrate(0.0)]) == plain
    assert "propensity" not in plain[0][0].to_dict()


def test_the_knob_changes_lists_in_words_and_numbers(recommender):
    lists = {word: ids(recommender.recommend_many(HISTORIES, 10, explore=word)) for word in (0.0, 0.5, 1.0)}
    assert lists[0.0] != lists[1.0]
    for word, level in (("familiar", 0.0), ("balanced", 0.5), ("adventurous", 1.0)):
        assert ids([recommender.recommend(HISTORIES[0], 10, explore=word)]) == [lists[level][0]]
    titles = [item.title for item in recommender.recommend(["item-03"], 20, explore="balanced")]
    assert len(set(titles)) == len(titles), "the twins share a title"


def test_pinned_items_are_first_unless_filtered_out(recommender):
    rules = [Pin(["item-39", "item-03", "item-30"])]
    found = recommender.recommend(HISTORIES[0], 4, rerank=rules)
    assert ids([found])[0][:2] == ["item-39", "item-30"], "item-03 is in the history"
    assert all(item.because is not None for item in found) and len(found) == 4
    cheap = recommender.recommend(HISTORIES[0], 4, rerank=rules, filters="price<45")
    assert "item-30" not in ids([cheap])[0] and len(cheap) == 4
    with pytest.raises(ValueError, match="'kite' is not an item of the catalogue"):
        recommender.recommend(HISTORIES[0], 4, rerank=[Pin(["kite"])])


def test_filters_leave_full_lists(recommender):
    """Filtering the whole ranking afterwards gives the same list."""
    everything = recommender.recommend_many(HISTORIES, 40, filters=Filters())
    for conditions in (["price<30"], ["price>=15", "brand!=brand 1"], ["category in tents,maps", "price>9"]):
        found = recommender.recommend_many(HISTORIES, 5, filters=conditions)
        for whole, items in zip(everything, found, strict=True):
            kept = [item for item in whole if keeps(item, conditions)]
            assert [(item.item_id, item.score) for item in items] == [(i.item_id, i.score) for i in kept[:5]]
    assert all(float(item.price) < 9 for item in recommender.recommend([], 4, filters="price<9")), "popular items"
    with pytest.raises(ValueError, match="no column 'colour'"):
        recommender.recommend(HISTORIES[0], filters=["colour=red"])


def keeps(item, conditions: list[str]) -> bool:
    price, number = float(item.price), int(item.item_id[5:])
    checks = {
        "price<30": price < 30, "price>=15": price >= 15, "price>9": price > 9, "brand!=brand 1": number % 3 != 1,
        "category in tents,maps": item.category in ("tents", "maps"),
    }  # fmt: skip
    return all(checks[condition] for condition in conditions)


def test_draws_have_propensities(recommender):
    found = recommender.recommend(HISTORIES[0], 6, rerank="sample=0.5:3")
    assert all(0 < item.propensity < 1 for item in found) and "propensity" in found.to_dict()["recommendations"][0]
    assert recommender.recommend(HISTORIES[0], 6, rerank="sample=0.5:3") == found
    others = [ids([recommender.recommend(HISTORIES[0], 6, rerank=[PlackettLuce(0.5, seed)])])[0] for seed in range(5)]
    assert len(set(map(tuple, others))) > 1


def test_batches_and_pipelines_take_rules(recommender, tmp_path: Path):
    wanted = ids(recommender.recommend_many(HISTORIES, 4, rerank="mmr=0.5", filters="price<50"))
    table = histories_table(Histories(["u", "v"], HISTORIES))
    request = BatchRequest(4, Filters(conditions="price<50"), rerank="mmr=0.5")
    block = recommend_block(recommender, table, request).to_pydict()
    assert block["item_id"] == [item for items in wanted for item in items] and block["propensity"] == [None] * 8
    with pytest.raises(ValueError, match="'mrm' is not a rule"):
        BatchRequest(rerank="mrm=1")
    pipe = pipeline(
        "item-recommendation", model=recommender.model, processor=recommender.processor, rerankers="mmr=0.5"
    )
    assert [[item["item_id"] for item in items] for items in pipe(HISTORIES, k=4, conditions="price<50")] == wanted


def test_evaluation_with_rules(recommender):
    def metrics(of: XCatRecommender, **options) -> dict[str, float]:
        return evaluate_checkpoint(of, shop(20), ks=[5], **options).report.metrics

    plain, varied = metrics(recommender), metrics(recommender, rerank=[MMR(0.9)])
    assert plain != varied != metrics(recommender, explore="adventurous")
    assert recommender.rerankers == [] and recommender.pool is None
    assert metrics(recommender) == plain
    ruled = XCatRecommender(recommender.model, recommender.processor, [MMR(0.9)])
    assert metrics(ruled) == varied and metrics(ruled, rerank=[]) == plain
    with pytest.raises(ValueError, match="explore is 'wild'"):
        metrics(recommender, explore="wild")
