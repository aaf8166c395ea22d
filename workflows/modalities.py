"""Measures what texts and images bring to a checkpoint's lists."""

from __future__ import annotations

import numpy as np
from datasets import Dataset

from ..catalogue.modalities import NO_IMAGES, SHUFFLED, changed_content, conditions_of
from ..evaluation.modalities import ModalityReport
from ..evaluation.ranker_evaluation import evaluate_ranker
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..ranking.recommender import XCatRecommender
from ..tokenization.processing_xcat import XCatProcessor
from ..tokenization.progress import stage

CARD_USERS = 1000
"""Users of the test split that a card measures, at most."""


def measure_modalities(
    model: XCatForNextItem, processor: XCatProcessor, rows: Dataset, *, most_users: int | None = None, seed: int = 0
) -> ModalityReport:
    """Rank the targets of the same users with the texts, the images or both left out, and with images of other items.

    Nothing is trained again. The lists may have items of the history, as those of purpose `next`.

    Args:
        model: The model.
        processor: Its processor.
        rows: Validation or test rows.
        most_users: Users to measure, drawn with the seed; None for all.
        seed: Seed of this draw, and of the images of other items.

    Returns:
        Reports by condition.
    """
    chosen = rows
    if most_users is not None and len(rows) > most_users:
        drawn = np.random.default_rng(seed).choice(len(rows), most_users, replace=False)
        chosen = rows.select(np.sort(drawn))
    conditions = conditions_of(model)
    trained = (model.model.items.item_counts > 0).cpu().numpy()
    reports = {}
    with stage("measuring texts and images", len(conditions), "conditions") as running:
        for condition in conditions:
            with changed_content(model, condition, seed):
                ranker = XCatRecommender(model, processor)
                reports[condition] = evaluate_ranker(
                    ranker, chosen, processor.catalogue, trained=trained, progress=False, name=condition
                )
            running.advance()
    pictured = SHUFFLED in conditions
    return ModalityReport(
        reports, NO_IMAGES if pictured else "", SHUFFLED if pictured else "", num_all_users=len(rows)
    )  # fmt: skip
