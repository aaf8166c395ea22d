"""Ranks the candidates of a pool: by the uncertainty of a model of the labels, of a prior, or by diversity alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...tokenization.extras import MissingExtraError
from .label_pool import LabelPool, LabelSuggestion, check_candidates
from .selection import cover_picks, margin_uncertainty, uncertain_picks, unit_vectors

LEAST_LABELS = 20
"""Labels from which on a model of them is trained."""


def rank_pool(pool: LabelPool, n: int) -> list[LabelSuggestion]:
    """Choose the candidates whose labels would teach most, best first.

    With 20 labels of two kinds or more, a logistic regression over the vectors gives the uncertainty. Labels that
    occur once are left out. With fewer labels the prior gives it, and without a prior typical candidates are chosen
    (`cover_picks`).

    Args:
        pool: Candidates and labelled things.
        n: Number of suggestions; fewer if there are fewer candidates.

    Raises:
        ImportError: If a model is needed and the extra `text` is missing.
        ValueError: If n is below 1, or nothing is a candidate.
    """
    if n < 1:
        raise ValueError(f"n is {n}; give at least 1")
    labels = np.array(pool.labels, dtype=object)
    rows, labelled = np.flatnonzero(labels == ""), np.flatnonzero(labels != "")
    check_candidates(pool.key, pool.labels)
    vectors = unit_vectors(pool.vectors)
    known = vectors[labelled]
    names, counts = np.unique(labels[labelled].astype(str), return_counts=True)
    modelled = labelled[np.isin(labels[labelled].astype(str), names[counts > 1])]
    if len(modelled) >= LEAST_LABELS and (counts > 1).sum() > 1:
        model = label_model().fit(vectors[modelled], labels[modelled].astype(str))
        found = model.predict_proba(vectors[rows])
        return _uncertain(pool, rows, vectors, found, list(model.classes_), n, guessing=True)
    if pool.prior is not None:
        return _uncertain(pool, rows, vectors, pool.prior[rows], pool.values, n, guessing=False)
    picks = cover_picks(vectors[rows], n, known)
    closest = (vectors[rows] @ vectors[rows[picks]].T).argmax(axis=1)
    counts = np.bincount(closest, minlength=len(picks)) - 1
    return [
        LabelSuggestion(pool.ids[row], pool.shown[row], f"typical: most similar to {max(count, 0):,} other candidates")
        for row, count in zip(rows[picks].tolist(), counts.tolist(), strict=True)
    ]


def label_model() -> Any:
    """A logistic regression over vectors, whose labels count alike.

    Raises:
        ImportError: If the extra `text` is missing.
    """
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise MissingExtraError("a model of labels needs scikit-learn", "text") from error
    return LogisticRegression(C=10.0, max_iter=200, class_weight="balanced")


def _uncertain(
    pool: LabelPool, rows: np.ndarray, vectors: np.ndarray, probabilities: np.ndarray,
    values: list[str], n: int, *, guessing: bool,
) -> list[LabelSuggestion]:  # fmt: skip
    """Suggestions by uncertainty and diversity; `guessing` if the probabilities are those of labels."""
    uncertainty = margin_uncertainty(probabilities)
    about = "" if guessing else f"{pool.about} "
    found = []
    for pick in uncertain_picks(vectors[rows], uncertainty, n):
        best = np.argsort(-probabilities[pick], kind="stable")[:2]
        shares = ", ".join(f"{values[one]} {probabilities[pick][one]:.0%}" for one in best)
        found.append(
            LabelSuggestion(
                pool.ids[rows[pick]], pool.shown[rows[pick]], f"uncertain: {about}{shares}",
                round(float(uncertainty[pick]), 4), str(values[best[0]]) if guessing else "",
            )
        )  # fmt: skip
    return found
