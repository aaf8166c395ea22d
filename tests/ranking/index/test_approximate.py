"""Lists of every kind of index: exact scores, few misses, and filters as of a brute-force filter."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.modeling_xcat.filters_xcat import Filters
from xcat_rec.modeling_xcat.first_stage_xcat import FirstStage
from xcat_rec.modeling_xcat.item_mask_xcat import ItemMask
from xcat_rec.modeling_xcat.ranking_xcat import ItemIndex
from xcat_rec.modeling_xcat.segments_xcat import SegmentScores
from xcat_rec.ranking.index import KINDS, build_index
from xcat_rec.ranking.index.approximate import ApproximateIndex, product_queries
from xcat_rec.ranking.index.faiss_finder import FaissFinder
from xcat_rec.ranking.rerankers import Pin

from .indexed_shop import HISTORIES, ITEMS, ids, indexed, items_table, recommender

EVERY_KIND = tuple(kind for kind in KINDS if kind != "qdrant")
APPROXIMATE = EVERY_KIND[1:]


def test_an_exact_index_changes_no_bit() -> None:
    for filters in (Filters(), Filters(exclude_seen=False), Filters(conditions="price<20")):
        lists = indexed("exact").recommend_many(HISTORIES, 20, filters=filters)
        assert lists == recommender().recommend_many(HISTORIES, 20, filters=filters)
    assert indexed("exact").index.report.recall == 1 and indexed("exact").index.kind == "exact"


@pytest.mark.parametrize("discovers", [False, True], ids=["plain", "boost"])
@pytest.mark.parametrize("kind", APPROXIMATE)
def test_lists_have_exact_scores_and_few_misses(kind: str, discovers: bool) -> None:
    found = indexed(kind, discovers)
    assert found.index.report.recall > 0.9, str(found.index.report)
    for exclude_seen in (True, False):
        filters = Filters(exclude_seen=exclude_seen)
        exact = recommender(discovers).recommend_many(HISTORIES, 30, filters=filters)
        lists = found.recommend_many(HISTORIES, 30, filters=filters)
        for own, other in zip(lists, exact, strict=True):
            assert len(set(ids(own)) & set(ids(other))) >= 27
            scores = {item.item_id: item.score for item in other}
            assert all(abs(item.score - scores.get(item.item_id, item.score)) < 1e-4 for item in own)
            assert [item.score for item in own] == sorted((item.score for item in own), reverse=True)


@pytest.mark.parametrize("kind", APPROXIMATE)
def test_queries_in_words_and_pins_are_exact(kind: str) -> None:
    found, plain = indexed(kind), recommender()
    rules = [Pin(["i1400", "i77"])]
    assert ids(found.recommend(HISTORIES[0], 5, rerank=rules))[:2] == ["i1400", "i77"]
    assert found.recommend([], 10) == plain.recommend([], 10), "popular items"
    assert found.recommend(HISTORIES[0], ITEMS) == plain.recommend(HISTORIES[0], ITEMS), "the whole catalogue"


CONDITIONS = {
    "price<20": lambda item: item["price"] is not None and item["price"] < 20,
    "price>=5": lambda item: item["price"] is not None and item["price"] >= 5,
    "brand!=brand 3": lambda item: item["brand"] != "brand 3",
    "brand in brand 1,brand 2": lambda item: item["brand"] in ("brand 1", "brand 2"),
    "stock>0": lambda item: item["stock"] is not None and item["stock"] > 0,
    "min_age not > 12": lambda item: item["min_age"] is None or item["min_age"] <= 12,
    "item_id not in i1,i2,i3,gone": lambda item: item["item_id"] not in ("i1", "i2", "i3"),
    "category=tents": lambda item: item["category"] == "tents",
}
ROWS = items_table().to_dicts()


@pytest.mark.parametrize("kind", EVERY_KIND)
@settings(deadline=None, max_examples=25)
@given(
    conditions=st.lists(st.sampled_from(sorted(CONDITIONS)), max_size=3, unique=True), exclude_seen=st.booleans(),
    cross_category=st.booleans(), excluded=st.sampled_from(["", "boots"]), share=st.sampled_from([None, 0.01, 0.4]),
    history=st.sampled_from(HISTORIES),
)  # fmt: skip
def test_filters_against_brute_force(kind, conditions, exclude_seen, cross_category, excluded, share, history) -> None:
    """Scores of the whole catalogue, filtered in plain Python, give the list; approximate indexes may miss a few."""
    stock = None if share is None else [row["item_id"] for n, row in enumerate(ROWS) if (n * 7) % 100 < 100 * share]
    filters = Filters(exclude_seen, [excluded] if excluded else (), None, cross_category, stock, conditions)
    listed = indexed(kind).recommend_many([history], 20, filters=filters, explain=False)[0]
    known = {row["category"] for row in ROWS if row["item_id"] in history} - {None}

    def kept(item: dict) -> bool:
        return (
            all(CONDITIONS[name](item) for name in conditions)
            and not (exclude_seen and item["item_id"] in history)
            and not (cross_category and item["category"] in known)
            and not (excluded and item["category"] == excluded)
            and (stock is None or item["item_id"] in stock)
        )

    allowed = {item["item_id"] for item in ROWS if kept(item)}
    assert set(ids(listed)) <= allowed and len(listed) == min(20, len(allowed))
    whole = everything(exclude_seen, tuple(history))
    expected = [name for name in whole if name in allowed][:20]
    if kind == "exact":
        assert ids(listed) == expected
    assert len(set(ids(listed)) & set(expected)) >= 0.8 * len(expected)
    if len(allowed) < 0.5 * ITEMS:
        assert ids(listed) == expected, "a selective filter is exact"


@cache
def everything(exclude_seen: bool, history: tuple[str, ...]) -> list[str]:
    filters = Filters(exclude_seen=exclude_seen)
    return ids(recommender().recommend_many([list(history)], ITEMS, filters=filters, explain=False)[0])


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 9999), st.booleans(), st.booleans(), st.booleans())
def test_products_are_scores_without_bonuses_of_pairs(seed, segmented, boosted, cold) -> None:
    generator = torch.Generator().manual_seed(seed)
    items, rates = torch.randn(9, 4, generator=generator), torch.randn(9, 3, generator=generator)
    is_cold = torch.tensor([0, 0, 0, 1, 0, 1, 0, 0, 0]).float() * cold
    stage = FirstStage(
        torch.randn(2, 4, generator=generator), (), 0.7 * is_cold if boosted else None, None, None,
        SegmentScores(torch.rand(2, 3, generator=generator), rates) if segmented else None,
    )  # fmt: skip
    vectors = np.concatenate([items.numpy(), rates.numpy(), is_cold[:, None].numpy()], 1)
    products = product_queries(stage, 3 if cold else 0, 3) @ vectors.T
    np.testing.assert_allclose(products[:, 2:], stage.scores(items)[:, 2:], rtol=1e-4, atol=1e-5)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 9999), st.integers(1, 70), st.floats(0, 1), st.booleans())
def test_pools_hold_bonuses_and_leave_out_the_history(seed, queries, share, segmented) -> None:
    """With a finder that reads all lists, every list is the exact one."""
    generator = torch.Generator().manual_seed(seed)
    rows = 600
    items, rates = torch.randn(rows, 6, generator=generator), torch.randn(rows, 2, generator=generator)
    keys = torch.randperm(queries * rows, generator=generator)[: 5 * queries]
    bonuses = [(keys // rows, keys % rows, 4 * torch.randn(len(keys), generator=generator))]
    shares = torch.rand(queries, 2, generator=generator)
    stage = FirstStage(
        torch.randn(queries, 6, generator=generator), bonuses, None, None,
        torch.randint(rows, (queries, 4), generator=generator), SegmentScores(shares, rates) if segmented else None,
    )  # fmt: skip
    allowed = torch.rand(rows, generator=generator) < share
    mask = ItemMask(allowed, torch.full((rows,), -1))
    vectors = np.concatenate([items.numpy(), rates.numpy(), np.zeros((rows, 1), np.float32)], 1)
    old = np.where(np.arange(rows)[:, None] % 50 == 0, 0, vectors).astype(np.float32)  # 12 items changed since
    finder = FaissFinder.build("int8", np.arange(2, rows), old[2:])
    search = ApproximateIndex(items, finder, 1_000, torch.arange(0, rows, 50)[1:], 0, 2)
    scores, found = search.best(stage, 5, mask)
    expected, best = ItemIndex(items, first_row=2).best(stage, 5, mask)
    torch.testing.assert_close(scores, expected, rtol=1e-4, atol=1e-4)
    assert (found == best)[expected.isfinite()].float().mean() > 0.99 or not expected.isfinite().any()


def test_more_vectors_leave_a_finder_as_it_is() -> None:
    vectors = torch.nn.functional.normalize(torch.randn(1_200, 10, generator=torch.Generator().manual_seed(2)), dim=1)
    for kind in APPROXIMATE:
        finder = FaissFinder.build(kind, np.arange(1_100), vectors[:1_100].numpy())
        more = finder.added(np.arange(1_100, 1_200), vectors[1_100:].numpy())
        queries = vectors[1_190:1_191].numpy()
        assert more.find(queries, 3, 1_000, None)[0, 0] == 1_190
        assert finder.find(queries, 3, 1_000, None).max() < 1_100
        assert more.find(queries, 3, 1_000, np.arange(1_200) < 700).max() < 700


@pytest.mark.parametrize(
    ("kind", "recall", "message"),
    [
        ("graph", 0.9, "kind is 'graph'; give one of exact, hnsw, ivfpq, int8"),
        ("hnsw", 0, "recall is 0; give a share"),
    ],
)
def test_errors(kind: str, recall: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_index(recommender(), kind, recall=recall)
    with pytest.raises(ValueError, match="'ivfpq' needs at least 1,000 items"):
        FaissFinder.build("ivfpq", np.arange(50), np.zeros((50, 4), np.float32))
