"""Kinds of indexes, and the interface of a finder of nearest items."""

from __future__ import annotations

from typing import Protocol

import numpy as np

KINDS = {
    "exact": "every item is scored; the default, without a file or a build",
    "hnsw": "graph of near items (HNSW, faiss): fast requests, slow build, vectors in float32 beside the graph",
    "ivfpq": "inverted lists with product codes (IVF-PQ, faiss): the smallest, with the lowest recall",
    "int8": "inverted lists with 8 bits per number (IVF-SQ8, faiss): fast build, a quarter of the size",
    "qdrant": "collection of a Qdrant server, shared by several processes",
}
"""Kinds by name."""
FAISS_KINDS = ("hnsw", "ivfpq", "int8")


class Finder(Protocol):
    """Finds the items with the largest inner products, approximately.

    Attributes:
        rows: (entries,) int64 item index of each stored vector. An item can have several; the last one is its vector
            now, and the others only cost time.
        efforts: Search efforts, ascending: candidates of a graph search, or lists that are read.
        oversampling: Items to find per wanted item.
    """

    rows: np.ndarray
    efforts: tuple[int, ...]
    oversampling: int

    def find(self, queries: np.ndarray, count: int, effort: int, allowed: np.ndarray | None) -> np.ndarray:
        """Find items.

        Args:
            queries: (queries, width) float32 vectors.
            count: Items per query.
            effort: Effort of the search; a larger one finds more of the best items.
            allowed: (rows,) True for items that may be found; None for all.

        Returns:
            (queries, count) int64 item indices; 0 for none. An item can occur twice.
        """
        ...

    def added(self, rows: np.ndarray, vectors: np.ndarray) -> Finder:
        """A finder with more vectors; this one does not change, so that others can read it.

        Args:
            rows: (items,) int64 item indices.
            vectors: (items, width) float32.
        """
        ...


def check_kind(kind: str, among: tuple[str, ...] = tuple(KINDS)) -> str:
    """Refuse an unknown kind.

    Raises:
        ValueError: If `kind` is unknown.
    """
    if kind not in among:
        raise ValueError(f"kind is {kind!r}; give one of {', '.join(among)}")
    return kind
