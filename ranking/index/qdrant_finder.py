"""A finder that asks a Qdrant server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ...tokenization.extras import check_packages

KEY = "QDRANT_API_KEY"
"""Environment variable with the key of the server, if it needs one."""
COLLECTION = "xcat-items"
MOST_NAMED = 10_000
"""Maximum number of items that a request to the server names, to leave them out."""
_POINTS_AT_ONCE = 1_000
_WHOLE = 0
"""Point of a collection that is filled to its end; the index of no item, so requests ignore it."""


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
        with _answering(url):
            if client.collection_exists(collection):
                client.delete_collection(collection)
        return cls.filled(client, url, collection, rows, vectors)

    @classmethod
    def filled(cls, client: Any, url: str, collection: str, rows: np.ndarray, vectors: np.ndarray) -> QdrantFinder:
        """As `build`, with a collection that is kept if it was filled to its end; processes may call it at once.

        Args:
            client: A client of `qdrant_client`.
            url: Address of the server.
            collection: Name of the collection, which no other vectors have.
            rows: (items,) int64 item indices.
            vectors: (items, width) float32 vectors.

        Raises:
            ConnectionError: If no server answers.
        """
        from qdrant_client import models

        finder = cls(client, url, collection, rows.astype(np.int64))
        sized = models.VectorParams(size=vectors.shape[1], distance=models.Distance.DOT)
        with _answering(url):
            if not client.collection_exists(collection):
                try:
                    client.create_collection(collection, vectors_config=sized)
                except Exception:  # of the server, or of the local mode: another process was faster
                    if not client.collection_exists(collection):
                        raise
            if not client.retrieve(collection, [_WHOLE], with_payload=False):
                finder._upsert(finder.rows, vectors)
                finder._upsert(np.array([_WHOLE]), np.zeros_like(vectors[:1]))
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
        with _answering(self.url):
            answers = self.client.query_batch_points(self.collection, requests=requests)
        found, last = np.zeros((len(queries), wanted), dtype=np.int64), int(self.rows.max(initial=0))
        for place, answer in enumerate(answers):
            ids = [int(point.id) for point in answer.points if int(point.id) <= last]  # others added the later ones
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
            with _answering(self.url):
                self.client.upsert(self.collection, points=points, wait=True)


@contextmanager
def _answering(url: str) -> Iterator[None]:
    """Errors of the client, when the server does not answer, as errors of the standard library."""
    from qdrant_client.http.exceptions import ApiException

    try:
        yield
    except ApiException as error:
        raise ConnectionError(f"index {url}: Qdrant does not answer as it should: {error}") from error


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

    return QdrantClient(url=url, api_key=os.environ.get(KEY), check_compatibility=False)


def _parts(count: int) -> Iterator[slice]:
    for start in range(0, count, _POINTS_AT_ONCE):
        yield slice(start, start + _POINTS_AT_ONCE)
