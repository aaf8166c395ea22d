"""Lists by a Qdrant collection; the client's local mode answers in place of a server."""

from __future__ import annotations

import numpy as np
import pytest
from qdrant_client import QdrantClient

from xcat_rec.modeling_xcat.filters_xcat import Filters
from xcat_rec.ranking.index import build_index, qdrant_collection
from xcat_rec.ranking.index import qdrant_finder as qdrant
from xcat_rec.ranking.index.approximate import product_items
from xcat_rec.ranking.index.build import live_rows, measured

from .indexed_shop import HISTORIES, ids, recommender


def test_lists_are_the_exact_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Local mode scans all points, so that filters by the server, wide filters and added items give exact lists."""
    found, plain = recommender(), recommender()
    rows = live_rows(found.index)
    vectors = product_items(found.model.model, found.index.items, rows)
    client = QdrantClient(":memory:")
    finder = qdrant.QdrantFinder.build(client, "http://127.0.0.1:6333", "items", rows.numpy(), vectors)
    found.index = measured(found, finder, "qdrant", 0.0, 0.95)
    assert found.index.kind == "qdrant" and found.index.report.recall > 0.99
    for most in (10_000, 5):
        monkeypatch.setattr(qdrant, "MOST_NAMED", most)
        for filters in (Filters(), Filters(False), Filters(conditions="price<70"), Filters(cross_category=True)):
            lists = found.recommend_many(HISTORIES, 10, filters=filters, explain=False)
            expected = plain.recommend_many(HISTORIES, 10, filters=filters, explain=False)
            assert [ids(items) for items in lists] == [ids(items) for items in expected]
    assert finder.added(np.array([1_600]), 9 * vectors[:1]).find(vectors[:1], 1, 64, None).tolist() == [[1_600]]
    assert 1_600 not in found.index.search._pool(stage(found), 5, mask(found)).flatten().tolist()
    again = qdrant.QdrantFinder.build(client, "http://127.0.0.1:6333", "items", rows.numpy()[:20], vectors[:20])
    assert client.count("items").count == 1 + 20 == 1 + len(again.rows)


URL = "qdrant://127.0.0.1:6333/items"


def test_a_collection_of_a_url_is_filled_once_and_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two recommenders, as in two processes; the local mode of the client answers in place of a server."""
    client, asked = QdrantClient(":memory:"), list[str]()

    def connected(address: str) -> QdrantClient:
        asked.append(address)
        return client

    monkeypatch.setattr(qdrant_collection, "connect", connected)
    first, second = (recommender()._completed(URL, None, "CKPT") for _ in range(2))
    assert asked == ["http://127.0.0.1:6333"] * 2
    (collection,) = (one.name for one in client.get_collections().collections)
    assert collection.startswith("items-") and client.count(collection).count == 1 + first.index.num_items
    assert (first.index.kind, first.index.report.recall) == ("qdrant", second.index.report.recall)
    for found in (first, second):
        lists = found.recommend_many(HISTORIES, 10, explain=False)
        assert [ids(items) for items in lists] == [
            ids(items) for items in recommender().recommend_many(HISTORIES, 10, explain=False)
        ]
    last = len(first.index.items)
    far = 9 * np.ones((1, first.index.search.finder.client.get_collection(collection).config.params.vectors.size))
    first.index.search.finder.added(np.array([last]), far.astype(np.float32))
    found = second.index.search.finder.find(far.astype(np.float32), 1, 64, None)
    assert found.max() < last, "it is an item of another process"
    client.delete(collection, [0, 2])  # as if the process that filled it had been killed
    recommender()._completed(URL, None, "CKPT")
    assert client.retrieve(collection, [0, 2])[1].id == 2, "filled again"


def test_a_server_that_does_not_answer_is_named() -> None:
    with pytest.raises(ConnectionError, match=r"index http://127\.0\.0\.1:1: Qdrant does not answer"):
        recommender()._completed("qdrant://127.0.0.1:1/items", None, "CKPT")


@pytest.mark.parametrize(
    "url", ["qdrant://localhost:6333", "qdrant:///items", "qdrant://key@h/items", "qdrant://h/a/b"]
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="index is not the URL of a Qdrant collection; give, for example, 'qdrant://"):
        recommender()._completed(url, None, "CKPT")


def stage(found):
    from xcat_rec.ranking.index.build import stage_of

    return stage_of(found, [[2, 3]])


def mask(found):
    return found.ranker.filter.hide(Filters(), [[2, 3]])


@pytest.mark.parametrize("url", [None, ":memory:", "localhost:6333"])
def test_an_address_of_a_server_is_needed(url: str | None) -> None:
    with pytest.raises(ValueError, match="give the address of a Qdrant server, such as http://localhost:6333"):
        build_index(recommender(), "qdrant", url=url)
