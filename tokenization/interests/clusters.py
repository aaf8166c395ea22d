"""Clusters of vectors, without a fixed number of clusters."""

from __future__ import annotations

import numpy as np

from ..extras import MissingExtraError


def interest_centres(vectors: np.ndarray, distance: float) -> np.ndarray:
    """Cluster vectors by average linkage of cosine distances; for some hundreds of vectors.

    Users have different numbers of interests, so the tree of merges is cut at a distance, not at a number of clusters,
    as in Pal et al. (PinnerSage, KDD 2020).

    Args:
        vectors: (vectors, width), none of them zero.
        distance: Cosine distance up to which two groups are merged.

    Returns:
        (vectors,) cluster number of each vector, from 0 in the order of first members.

    Raises:
        ImportError: If the extra `text` is missing.

    Example:
        >>> interest_centres(np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 0.1]]), 0.5).tolist()
        [0, 1, 0]
    """
    if len(vectors) < 2:
        return np.zeros(len(vectors), dtype=np.int64)
    try:
        from sklearn.cluster import AgglomerativeClustering
    except ImportError as error:
        raise MissingExtraError("interest clusters need scikit-learn", "text") from error
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    model = AgglomerativeClustering(None, metric="cosine", linkage="average", distance_threshold=distance)
    labels = model.fit_predict(unit)
    order = {label: number for number, label in enumerate(dict.fromkeys(labels.tolist()))}
    return np.array([order[label] for label in labels.tolist()], dtype=np.int64)
