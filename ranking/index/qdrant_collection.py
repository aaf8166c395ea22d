"""An index in a collection of a Qdrant server that a URL names; processes and machines share it."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from .approximate import product_items
from .build import live_rows, measured
from .catalogue_index import CatalogueIndex
from .collection_urls import collection_of
from .qdrant_finder import QdrantFinder, connect

if TYPE_CHECKING:
    from ..recommender import XCatRecommender


def collection_index(recommender: XCatRecommender, url: str, recall: float = 0.95) -> CatalogueIndex:
    """The index of a recommender in a collection, which is filled unless it is there already.

    A hash of the vectors is part of the collection's name, so checkpoints never share one. Collections of earlier
    checkpoints stay on the server.

    Args:
        recommender: The recommender.
        url: See `collection_of`.
        recall: Wanted recall at 100.

    Raises:
        ValueError: If the URL is wrong.
        ConnectionError: If no server answers.
        ImportError: If `qdrant_client` is not installed.
    """
    address, collection = collection_of(url)
    start, now = time.perf_counter(), recommender.index
    rows = live_rows(now)
    vectors = product_items(recommender.model.model, now.items, rows)
    numbers = rows.cpu().numpy()
    digest = hashlib.sha256(numbers.tobytes() + vectors.tobytes()).hexdigest()[:12]
    finder = QdrantFinder.filled(connect(address), address, f"{collection}-{digest}", numbers, vectors)
    return measured(recommender, finder, "qdrant", time.perf_counter() - start, recall)
