"""Finders by faiss: graphs and inverted lists."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ...tokenization.extras import check_packages
from .kinds import FAISS_KINDS, check_kind

GRAPH_NEIGHBORS = 16
"""Links per item of a graph (twice as many on its lowest level)."""
GRAPH_EFFORT = 100
"""Candidates per item while a graph is built."""
LEAST_ITEMS = 1_000
"""Minimum number of items for product codes, which are trained on the items."""
_ITEMS_PER_LIST = 40
"""Items per list that the centres of lists are trained on."""
_DIMENSIONS_PER_CODE = 4
_WIDTH = 8
"""Vectors are filled up to a multiple of this."""
_EFFORTS = {"hnsw": (64, 128, 256, 512, 1024), "ivfpq": (4, 8, 16, 32, 64, 128, 256), "int8": (4, 8, 16, 32, 64, 128)}
_OVERSAMPLING = {"hnsw": 2, "ivfpq": 10, "int8": 2}
"""Product codes are coarse, so more items are found and scored exactly."""


class FaissFinder:
    """A finder by faiss; see `Finder`.

    Args:
        kind: One of `FAISS_KINDS`.
        index: The index of faiss.
        rows: (entries,) int64 item index of each stored vector.
    """

    def __init__(self, kind: str, index: Any, rows: np.ndarray) -> None:
        self.kind, self._index, self.rows = check_kind(kind, FAISS_KINDS), index, rows
        self.efforts, self.oversampling = _EFFORTS[kind], _OVERSAMPLING[kind]

    @classmethod
    def build(cls, kind: str, rows: np.ndarray, vectors: np.ndarray) -> FaissFinder:
        """Index vectors.

        Args:
            kind: One of `FAISS_KINDS`.
            rows: (items,) int64 item indices.
            vectors: (items, width) float32 vectors.

        Raises:
            ValueError: If there are too few items for the kind.
            ImportError: If faiss is not installed.
        """
        check_kind(kind, FAISS_KINDS)
        faiss = _faiss(kind)
        if len(rows) < LEAST_ITEMS and kind == "ivfpq":
            raise ValueError(
                f"kind 'ivfpq' needs at least {LEAST_ITEMS:,} items to train its codes, and there are {len(rows):,}; "
                "give kind='exact', which is faster for so few"
            )
        vectors = _filled(vectors)
        lists = 1 << max(0, round(float(np.log2(max(1, len(rows)))) / 2))
        made = {
            "hnsw": f"HNSW{GRAPH_NEIGHBORS}",
            "ivfpq": f"IVF{lists},PQ{vectors.shape[1] // _DIMENSIONS_PER_CODE}np",  # np: without polysemous training
            "int8": f"IVF{lists},SQ8",
        }
        index = faiss.index_factory(vectors.shape[1], made[kind], faiss.METRIC_INNER_PRODUCT)
        if kind == "hnsw":
            index.hnsw.efConstruction = GRAPH_EFFORT
        else:
            index.train(_sample(vectors, max(LEAST_ITEMS, _ITEMS_PER_LIST * lists)))
        index.add(vectors)
        return cls(kind, index, rows.astype(np.int64))

    def find(self, queries: np.ndarray, count: int, effort: int, allowed: np.ndarray | None) -> np.ndarray:
        """Find items; see `Finder`."""
        faiss = _faiss(self.kind)
        count = min(count, len(self.rows))
        given: dict[str, Any] = {}
        if allowed is not None:
            kept = np.packbits(allowed[self.rows], bitorder="little")
            given["sel"] = faiss.IDSelectorBitmap(len(kept), faiss.swig_ptr(kept))
        if self.kind == "hnsw":
            parameters = faiss.SearchParametersHNSW(efSearch=max(effort, count), **given)
        else:
            parameters = faiss.SearchParametersIVF(nprobe=min(effort, self._index.nlist), **given)
        places = self._index.search(_filled(queries), count, params=parameters)[1]
        found: np.ndarray = np.where(places < 0, 0, self.rows[places])
        return found

    def added(self, rows: np.ndarray, vectors: np.ndarray) -> FaissFinder:
        """A finder with more vectors; see `Finder`."""
        faiss = _faiss(self.kind)
        index = faiss.clone_index(self._index)
        index.add(_filled(vectors))
        return FaissFinder(self.kind, index, np.concatenate([self.rows, rows.astype(np.int64)]))

    def save(self, file: Path) -> None:
        """Write the index of faiss; `rows` are stored beside it."""
        _faiss(self.kind).write_index(self._index, str(file))

    @classmethod
    def load(cls, kind: str, file: Path, rows: np.ndarray) -> FaissFinder:
        """Read what `save` wrote.

        Raises:
            ImportError: If faiss is not installed.
        """
        return cls(kind, _faiss(kind).read_index(str(file)), rows)


def _faiss(kind: str) -> Any:
    """The module faiss, untyped, so that types are the same where it is not installed."""
    check_packages(f"an index of kind {kind!r}", ["faiss"], "faiss")
    return import_module("faiss")


def _filled(vectors: np.ndarray) -> np.ndarray:
    """(n, width) vectors with zeros up to a multiple of `_WIDTH`."""
    missing = -vectors.shape[1] % _WIDTH
    return np.ascontiguousarray(np.pad(vectors, ((0, 0), (0, missing))), dtype=np.float32)


def _sample(vectors: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of the vectors, the same ones in every run."""
    if len(vectors) <= count:
        return vectors
    return vectors[np.random.default_rng(0).choice(len(vectors), count, replace=False)]
