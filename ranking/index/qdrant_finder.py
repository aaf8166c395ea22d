"""A finder that asks a Qdrant server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...tokenization.extras import check_packages

KEY = "QDRANT_API_KEY"
"""Environment variable with the key of the server, if it needs one."""
COLLECTION = "xcat-items"
MOST_NAMED = 10_000
"""Maximum number of items that a request to the server names, to leave them out."""
_POINTS_AT_ONCE = 1_000


class QdrantFinder:
    """A finder whose vectors are in a collection of a Qdrant server; see `Finder`.

    A point has the item index as its id. A filter that leaves out at most `MOST_NAMED` items is applied by the server.
    For a wider one more items are requested, and those that are left out are dropped from the answer.

    Args:
        client: A client of `qdrant_client`.
        url: Address of the server.
        collection: Name of the collection.
        rows: (entries,) int64 item index of each point.
    """

    efforts: tuple[int, ...] = (64, 128, 256, 512, 1024)
    oversampling: int = 2

    def __init__(self, client: Any, url: str, collection: str, rows: np.ndarray) -> None:
        self.client, self.url, self.collection, self.rows = client, url, collection, rows

    @classmethod
    def connected(cls, url: str, collection: str, rows: np.ndarray) -> QdrantFinder:
        """The finder of a collection that is filled already.

        Raises:
            ValueError: If the address is not of a server.
            ImportError: If `qdrant_client` is not installed.
        """
        return cls(connect(url), url, collection, rows)

    @classmethod
    def build(cls, client: Any, url: str, collection: str, rows: np.ndarray, vectors: np.ndarray) -> QdrantFinder:
        """Fill a collection; an existing one of this name is replaced.

        Args:
            client: A client of `qdrant_client`.
            url: Address of the server.
            collection: Name of the collection.
            rows: (items,) int64 item indices.
            vectors: (items, width) float32 vectors.
        """
        from qdrant_client import models

        if client.collection_exists(collection):
            client.delete_collection(collection)
        sized = models.VectorParams(size=vectors.shape[1], distance=models.Distance.DOT)
        client.create_collection(collection, vectors_config=sized)
        finder = cls(client, url, collection, rows.astype(np.int64))
        finder._upsert(finder.rows, vectors)
        return finder

    def find(self, queries: np.ndarray, count: int, effort: int, allowed: np.ndarray | None) -> np.ndarray:
        """Find items; see `Finder`."""
        from qdrant_client import models

        left_out = np.zeros(0, dtype=np.int64) if allowed is None else self.rows[~allowed[self.rows]]
        condition, wanted = None, count
        if 0 < len(left_out) <= MOST_NAMED:
            condition = models.Filter(must_not=[models.HasIdCondition(has_id=left_out.tolist())])
        elif len(left_out):
            wanted = round(count * len(self.rows) / max(1, len(self.rows) - len(left_out)))
        requests = [
            models.QueryRequest(
                query=query.tolist(), limit=min(wanted, len(self.rows)), filter=condition,
                params=models.SearchParams(hnsw_ef=max(effort, wanted)), with_payload=False,
            )
            for query in queries
        ]  # fmt: skip
        answers = self.client.query_batch_points(self.collection, requests=requests)
        found = np.zeros((len(queries), wanted), dtype=np.int64)
        for place, answer in enumerate(answers):
            ids = [int(point.id) for point in answer.points]
            found[place, : len(ids)] = ids
        return found

    def added(self, rows: np.ndarray, vectors: np.ndarray) -> QdrantFinder:
        """Store more vectors on the server; see `Finder`. A point of an item that has one is replaced."""
        self._upsert(rows, vectors)
        return QdrantFinder(self.client, self.url, self.collection, np.union1d(self.rows, rows))

    def _upsert(self, rows: np.ndarray, vectors: np.ndarray) -> None:
        from qdrant_client import models

        for part in _parts(len(rows)):
            points = models.Batch(ids=rows[part].tolist(), vectors=vectors[part].tolist())
            self.client.upsert(self.collection, points=points, wait=True)


def connect(url: str | None) -> Any:
    """A client of a Qdrant server; the key of the server is read from the environment variable `KEY`.

    Args:
        url: Address, such as http://localhost:6333.

    Raises:
        ValueError: If it is not the address of a server.
        ImportError: If `qdrant_client` is not installed.
    """
    if url is None or not url.startswith(("http://", "https://")):
        raise ValueError(f"url is {url!r}; give the address of a Qdrant server, such as http://localhost:6333")
    check_packages("an index of kind 'qdrant'", ["qdrant_client"], "qdrant")
    from qdrant_client import QdrantClient

    return QdrantClient(url=url, api_key=os.environ.get(KEY))


def _parts(count: int) -> Iterator[slice]:
    for start in range(0, count, _POINTS_AT_ONCE):
        yield slice(start, start + _POINTS_AT_ONCE)
