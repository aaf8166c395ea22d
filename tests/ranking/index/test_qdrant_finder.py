"""Lists by a Qdrant collection; the client's local mode answers in place of a server."""

from __future__ import annotations

import numpy as np
import pytest
from qdrant_client import QdrantClient

from xcat_rec.modeling_xcat.filters_xcat import Filters
from xcat_rec.ranking.index import build_index
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
    assert client.count("items").count == 20 == len(again.rows)


def stage(found):
    from xcat_rec.ranking.index.build import stage_of

    return stage_of(found, [[2, 3]])


def mask(found):
    return found.ranker.filter.hide(Filters(), [[2, 3]])


@pytest.mark.parametrize("url", [None, ":memory:", "localhost:6333"])
def test_an_address_of_a_server_is_needed(url: str | None) -> None:
    with pytest.raises(ValueError, match="give the address of a Qdrant server, such as http://localhost:6333"):
        build_index(recommender(), "qdrant", url=url)
