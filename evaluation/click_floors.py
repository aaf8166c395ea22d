"""Floors of click prediction: popularity and category match of a shown item, as probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from datasets import Dataset

from ..modeling_baselines.click_floors import (
    CandidatePopularityConfig,
    CandidatePopularityModel,
    CategoryMatchConfig,
    CategoryMatchModel,
)
from ..modeling_baselines.click_model import ClickModel
from ..modeling_xcat.calibration_xcat import offset_to_mean
from ..tokenization.sequences.build import target_histories
from ..tokenization.sequences.click_pairs import as_pairs
from ..tokenization.vocabulary import ItemVocabulary
from .baseline_names import CANDIDATE_POPULARITY, CATEGORY_MATCH
from .click_prediction.click_metrics import logistic_fit

_SHOWINGS_AT_ONCE = 4096
_EVENTS = 50
"""Latest events of a history that category match reads."""


def click_floors(
    train: Dataset, fitted_on: Dataset, rows: Dataset, vocabulary: ItemVocabulary, *, rate: float | None = None
) -> dict[str, np.ndarray]:
    """Probabilities of the two floors, each a logistic regression of one number.

    Args:
        train: Training rows, whose events are counted.
        fitted_on: Validation rows, on which slope and intercept are fitted.
        rows: The rows to predict, with showings.
        vocabulary: The catalogue.
        rate: Mean prediction on `fitted_on`; None for its share of positives. See `ClickData.kept_rate`.

    Returns:
        (showings,) probabilities by name; without category match if no item has a category.
    """
    size = len(vocabulary)
    codes = torch.from_numpy(np.asarray(vocabulary.category_codes, dtype=np.int64)) + 1
    popularity = CandidatePopularityModel(CandidatePopularityConfig(num_item_rows=size, max_history=_EVENTS))
    models: dict[str, ClickModel] = {CANDIDATE_POPULARITY: popularity.fit(list(target_histories(train)))}
    if int(codes.max()) > 0:
        rows_of_categories = int(codes.max()) + 1
        config = CategoryMatchConfig(
            num_item_rows=size, num_category_rows=rows_of_categories, max_history=_EVENTS
        )  # fmt: skip
        models[CATEGORY_MATCH] = CategoryMatchModel(config)
    found = {}
    for name, model in models.items():
        scores = _scores(model.eval(), rows, codes)
        known, labels = _scores(model, fitted_on, codes), _labels(fitted_on)
        slope, intercept = logistic_fit(known, labels)
        if not np.isfinite(slope):  # all scores are equal, or they separate the labels
            slope, intercept = 1.0, 0.0
        if rate is not None:
            intercept += offset_to_mean(torch.from_numpy(slope * known + intercept), rate)
        found[name] = 1 / (1 + np.exp(-np.clip(slope * scores + intercept, -700, 700)))
    return found


def _labels(rows: Dataset) -> np.ndarray:
    labels: np.ndarray = np.asarray(as_pairs(rows, 1)["label"][:], dtype=np.float64)
    return labels


@torch.no_grad()
def _scores(model: ClickModel, rows: Dataset, codes: torch.Tensor) -> np.ndarray:
    """(showings,) scores of a model that reads items and categories."""
    pairs = as_pairs(rows, _EVENTS).select_columns(["items", "candidate"])
    parts = [np.zeros(0)]
    for start in range(0, len(pairs), _SHOWINGS_AT_ONCE):
        part = pairs[start : start + _SHOWINGS_AT_ONCE]
        items = _padded(part["items"])
        candidates = torch.as_tensor(part["candidate"]).long()
        inputs: dict[str, Any] = {"item_ids": items, "candidate_ids": candidates}
        inputs |= {"category_ids": codes[items] * (items > 0), "candidate_category_ids": codes[candidates]}
        parts.append(model(**inputs).logits.double().numpy())
    return np.concatenate(parts)


def _padded(histories: Sequence[Sequence[int]]) -> torch.Tensor:
    """(rows, events) item indices, padded with 0."""
    rows = [torch.as_tensor(items, dtype=torch.long) for items in histories]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
