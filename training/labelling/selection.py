"""Choice of candidates for labels: by diversity alone, and by uncertainty with diversity. Both are deterministic."""

from __future__ import annotations

import numpy as np

from ...tokenization.extras import MissingExtraError

_POOL_RATIO = 10
"""Most uncertain candidates that are clustered, per pick."""
_SHARPNESS = 4
"""Power of a cosine; a candidate covers its near neighbours and hardly any others."""


def unit_vectors(vectors: np.ndarray) -> np.ndarray:
    """(n, width) float32 vectors without their mean, of length 1; 0 for a vector that equals the mean.

    Text states share a large common part, which would make all cosines alike.
    """
    centred = np.asarray(vectors, dtype=np.float32) - np.mean(vectors, axis=0, dtype=np.float64).astype(np.float32)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    found: np.ndarray = np.divide(centred, lengths, out=np.zeros_like(centred), where=lengths > 1e-6)
    return found


def margin_uncertainty(probabilities: np.ndarray) -> np.ndarray:
    """(n,) 1 less the difference of the two highest probabilities (Scheffer et al., IDA 2001).

    Args:
        probabilities: (n, values) probabilities.

    Example:
        >>> margin_uncertainty(np.array([[0.5, 0.5, 0.0], [0.25, 0.0, 0.75]])).tolist()
        [1.0, 0.5]
    """
    if probabilities.shape[1] < 2:
        return np.zeros(len(probabilities))
    highest = np.partition(probabilities, -2, axis=1)[:, -2:]
    found: np.ndarray = 1 - (highest[:, 1] - highest[:, 0])
    return found


def cover_picks(vectors: np.ndarray, length: int, known: np.ndarray | None = None) -> list[int]:
    """Pick candidates that are typical of many others and unlike each other.

    Greedy facility location (Wei, Iyer & Bilmes, ICML 2015): each pick raises the sum of all candidates' similarity
    to their most similar pick by most. The similarity is the fourth power of a positive cosine. Of equal gains the
    earlier candidate is picked.

    Args:
        vectors: (n, width) result of `unit_vectors`.
        length: Number of picks, at most n.
        known: (labelled, width) vectors that are covered already; None for none.

    Returns:
        Positions of the picks, best first.

    Example:
        >>> vectors = np.array([[1, 0], [0.8, 0.6], [0.6, 0.8], [-1, 0]], dtype=np.float32)
        >>> cover_picks(vectors, 2), cover_picks(vectors, 1, known=vectors[1:2])
        ([1, 3], [3])
    """
    similar = _similarities(vectors, vectors)
    covered = np.zeros(len(vectors), dtype=np.float32)
    if known is not None and len(known):
        covered = _similarities(vectors, known).max(axis=1)
    left = np.ones(len(vectors), dtype=bool)
    picks: list[int] = []
    for _ in range(min(length, len(vectors))):
        gains = np.maximum(similar - covered[:, None], 0).sum(axis=0)
        pick = int(np.where(left, gains, -1).argmax())
        picks.append(pick)
        left[pick] = False
        covered = np.maximum(covered, similar[:, pick])
    return picks


def uncertain_picks(vectors: np.ndarray, uncertainty: np.ndarray, length: int) -> list[int]:
    """Pick uncertain candidates that are unlike each other.

    Diverse mini-batch active learning (Zhdanov, arXiv:1901.05954, 2019): the most uncertain candidates, ten times as
    many as wanted, are clustered by k-means with the uncertainties as weights. The candidate nearest to the centre of
    each cluster is picked. Candidates with less than half of the highest uncertainty are clustered only if there are
    too few others.

    Args:
        vectors: (n, width) result of `unit_vectors`.
        uncertainty: (n,) from 0 to 1. Of equal ones the earlier candidate is more uncertain.
        length: Number of picks; fewer if there are fewer candidates.

    Returns:
        Positions of the picks, the most uncertain first.

    Raises:
        ImportError: If the extra `text` is missing.
    """
    try:
        from sklearn.cluster import KMeans
    except ImportError as error:
        raise MissingExtraError("a diverse choice needs scikit-learn", "text") from error
    order = np.argsort(-uncertainty, kind="stable")
    top = order[: _POOL_RATIO * length]
    # With few uncertain candidates the others would form clusters of their own.
    top = top[: max(length, int((uncertainty[top] >= uncertainty[top[:1]] / 2).sum()))]
    if len(top) <= length:
        return [int(one) for one in top]
    clusters = min(length, len(np.unique(vectors[top], axis=0)))
    weights = np.maximum(uncertainty[top], 1e-6)
    found = KMeans(clusters, n_init=1, random_state=0).fit(vectors[top], sample_weight=weights)
    far = ((vectors[top] - found.cluster_centers_[found.labels_]) ** 2).sum(axis=1)
    rank = np.lexsort((far, found.labels_))  # by cluster, the nearest to its centre first
    first = rank[np.unique(found.labels_[rank], return_index=True)[1]]
    rest = np.setdiff1d(np.arange(len(top)), first)[: length - len(first)]  # copies of the same vectors
    return [int(top[place]) for place in np.sort(np.concatenate([first, rest]))]


def _similarities(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.maximum(one @ other.T, 0) ** _SHARPNESS
    return found
