"""Items added, changed and deleted while requests are answered."""

from __future__ import annotations

import threading
from pathlib import Path

import polars as pl
import pytest
import torch

from xcat_rec.catalogue.added_items import add_items
from xcat_rec.catalogue.item_words import place_words
from xcat_rec.modeling_xcat.filters_xcat import Filters
from xcat_rec.ranking.index import approximate
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.ranking.rerankers import Pin
from xcat_rec.tokenization.tables.schema import validate_items

from .index.indexed_shop import HISTORIES, ids, indexed, prepared, recommender

NEW = pl.DataFrame({
    "item_id": ["new-1", "new-2", "i10"], "title": ["tents number 3 3", "maps number 5 9", "boots number 38 38"],
    "category": ["tents", "maps", "boots"], "brand": ["brand 1", "brand 9", None], "price": [5.0, 7.0, 3.0],
})  # fmt: skip
KINDS = ("exact", "hnsw", "ivfpq", "int8")


@pytest.mark.parametrize("kind", KINDS)
def test_added_items_are_those_of_a_grown_checkpoint(kind: str) -> None:
    """The next lists have the scores of `add_items` and a new recommender; the given model does not change."""
    found, start = indexed(kind), prepared()
    rows = len(start.processor.catalogue)
    added = found.add_items(NEW)
    assert (added.new, added.changed, found.index.num_items) == (2, 1, rows)
    assert len(start.processor.catalogue) == rows == len(start.model.model.items.item_counts)
    other = recommender()
    table = validate_items(NEW)[0]
    model, processor = other.snapshot()._grown(other.vocabulary)
    processor, _ = add_items(model, processor, table)
    grown = XCatRecommender(model, processor)
    for filters in (Filters(), Filters(exclude_seen=False), Filters(only_items=["new-1", "new-2", "i10"])):
        expected = grown.recommend_many(HISTORIES, 20, filters=filters, cold_boost=3.0)
        lists = found.recommend_many(HISTORIES, 20, filters=filters, cold_boost=3.0)
        for own, best in zip(lists, expected, strict=True):
            scores = {item.item_id: item.score for item in best}
            if kind == "exact" or filters.only_items is not None:
                assert set(ids(own)) == set(scores)
            assert all(abs(item.score - scores.get(item.item_id, item.score)) < 1e-4 for item in own)
    one = found.recommend(["new-1"], 5, filters=["brand=brand 9"], exclude_seen=False)
    assert ids(one) == ["new-2"] and one.basis == "history" and one[0].price == 7.0
    assert found.vocabulary.item(int(found.vocabulary.encode(["i10"])[0]))["title"] == "boots number 38 38"


def test_the_given_model_keeps_every_number() -> None:
    """Tables of the copy are new tensors; words of texts are those of a computation from the start."""
    found, start = indexed("exact"), prepared()
    before = {name: tensor.clone() for name, tensor in start.model.state_dict().items()}
    found.add_items(NEW)
    found.add_items({"item_id": ["i11", "i12"], "brand": ["brand 99", "brand 98"], "title": ["maps number 1 1", None]})
    assert all(torch.equal(tensor, before[name]) for name, tensor in start.model.state_dict().items())
    asks = found.model.model.asks
    words, rarity = asks.words, asks.rarity
    place_words(found.model, found.processor)
    assert torch.equal(asks.words, words) and torch.equal(asks.rarity, rarity)


@pytest.mark.parametrize("kind", KINDS)
def test_deleted_items_are_in_no_list(kind: str) -> None:
    found = indexed(kind)
    before = found.recommend_many([*HISTORIES, []], 10)
    gone = sorted({item for items in before for item in ids(items)[:5]})
    assert found.delete_items(gone) == len(gone) and found.delete_items(gone[:2]) == 0
    for filters in (Filters(), Filters(exclude_seen=False), Filters(conditions="price>=0")):
        lists = found.recommend_many([*HISTORIES, []], 10, filters=filters, explain=False)
        assert not {item for items in lists for item in ids(items)} & set(gone)
        assert all(len(items) == 10 for items in lists)
    pinned = found.recommend(HISTORIES[0], 3, rerank=[Pin([gone[0]])])
    assert gone[0] not in ids(pinned)
    only = found.recommend(HISTORIES[0], 3, only_items=[gone[0], "i1400"])
    assert ids(only) == ["i1400"] and "the catalogue has" in only.notes[0]
    targets = found.recommend_targets(HISTORIES[0], "brand", 3)
    assert not {item.item_id for target in targets for item in target.items} & set(gone)
    assert found.recommend([gone[0]], 3).basis == "history", "histories may have deleted items"
    found.add_items({"item_id": [gone[0]], "price": [1.0]})
    assert ids(found.recommend(HISTORIES[0], 3, only_items=gone)) == [gone[0]]


def test_values_change_without_texts() -> None:
    found = indexed("exact")
    before = found.recommend(HISTORIES[0], 5, filters="stock>0")
    found.add_items({"item_id": ids(before)[:2], "stock": [0, 0]})
    after = found.recommend(HISTORIES[0], 5, filters="stock>0")
    assert ids(after)[:3] == ids(before)[2:] and found.recommend(HISTORIES[0], 5) is not before


def test_numbers_are_those_of_the_catalogue_whether_they_are_texts_or_not() -> None:
    found = indexed("exact")
    found.add_items({"item_id": ["i1", "new-1"], "title": ["", "a tent"], "shelf": ["7", "12"], "stock": ["", "4"]})
    found.add_items({"item_id": ["i1", "i2", "i3"], "shelf": [8, 9, None], "stock": [0.0, float("nan"), None]})
    table = pl.DataFrame(pl.from_arrow(found.processor.catalogue.table))
    shelf = dict(table.select("item_id", "shelf").iter_rows())
    assert [shelf[item] for item in ("i1", "i2", "i3", "new-1")] == ["8", "9", None, "12"]
    assert not ids(found.recommend([], 1, filters=["item_id=i1", "stock>0"]))
    assert ids(found.recommend([], 1, filters=["item_id=new-1", "stock=4"])) == ["new-1"]
    with pytest.raises(ValueError, match="column stock: string in the table"):
        found.add_items({"item_id": ["i1"], "stock": ["many"]})


def test_prices_that_are_no_numbers_are_noted() -> None:
    found = indexed("exact")
    assert not found.add_items(NEW).notes
    for price in ("cheap", float("inf")):
        (note,) = found.add_items({"item_id": ["new-1"], "price": [price]}).notes
        assert note.startswith(f"items, column price: 1 row has no number, for example {price!r}")
    assert ids(found.recommend([], 1, filters=["item_id=new-1", "price=5"])) == ["new-1"], "the old price stays"


def test_unknown_ids_and_other_indexes_are_errors() -> None:
    found = indexed("exact")
    with pytest.raises(ValueError, match=r"ids: 1 of 2 are not items of the catalogue, for example 'kite'"):
        found.delete_items(["i1", "kite"])
    index = found.index
    found.add_items(NEW)
    with pytest.raises(ValueError, match="index has 1,500 items and the recommender 1,502"):
        found.index = index
    assert found.index.num_items == 1_502


@pytest.mark.parametrize("kind", ["exact", "hnsw", "int8"])
def test_requests_read_one_state_while_items_change(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers never fail, never see an item deleted before they began, and see an item that was added before."""
    monkeypatch.setattr(approximate, "FRESH_ITEMS", 4)  # so that the finder grows in this test
    found, torch_threads = indexed(kind), torch.get_num_threads()
    deleted: set[str] = set()
    errors: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                gone = set(deleted)
                lists = found.recommend_many(HISTORIES[:2], 10, explain=False)
                assert all(len(items) == 10 for items in lists)
                assert not {item for items in lists for item in ids(items)} & gone
        except BaseException as error:
            errors.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for number in range(8):
            best = ids(found.recommend(HISTORIES[0], 3, explain=False))
            found.delete_items(best)
            deleted.update(best)
            name = f"added-{number}"
            found.add_items({"item_id": [name], "title": [f"tents number {number} 7"], "category": ["tents"]})
            assert ids(found.recommend(HISTORIES[0], 3, only_items=[name], explain=False)) == [name]
    finally:
        done.set()
        for reader in readers:
            reader.join(timeout=60)
    assert not errors and torch.get_num_threads() == torch_threads
    if kind != "exact":
        assert len(found.index.search.finder.rows) > 1_500 and len(found.index.search.fresh) <= 4


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_index_has_the_same_lists(kind: str, tmp_path: Path) -> None:
    found = indexed(kind)
    found.add_items(NEW)
    found.delete_items(["i3", "new-2"])
    found.save_index(tmp_path / "index")
    same = recommender()
    same.load_index(tmp_path / "index")
    assert (same.index.kind, same.index.num_items) == (kind, 1_500)
    for own, other in zip(same.recommend_many(HISTORIES, 15), found.recommend_many(HISTORIES, 15), strict=True):
        assert ids(own) == ids(other), "the tables have other sizes, so products may differ in the last bit"
        assert [one.score for one in own] == pytest.approx([one.score for one in other], abs=1e-5)
        assert [one.because for one in own] == [one.because for one in other]
    again = same.add_items({"item_id": ["new-3"], "title": ["stoves number 1 1"]})
    assert again.new == 1
    same.save_index(tmp_path / "index")
    assert [path.name for path in (tmp_path / "index").glob("version-*")] == ["version-2"]
