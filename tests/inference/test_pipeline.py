"""The pipeline: what it needs, and what it hands on."""

from __future__ import annotations

import numpy as np
import pytest

from xcat_rec import pipeline

from .test_recommender import HISTORIES, prepared, recommender


def test_a_model_is_needed():
    with pytest.raises(ValueError, match="pass model="):
        pipeline("item-recommendation")


def test_a_model_in_memory_needs_its_processor():
    start = prepared("transformer")
    with pytest.raises(ValueError, match="pass processor=, the XCatProcessor"):
        pipeline("item-recommendation", model=start.model)
    using = pipeline("item-recommendation", model=start.model, processor=start.processor)
    expected = [found.to_dict() for found in recommender().recommend(HISTORIES[0], 3)]
    assert using(HISTORIES[0], k=3) == using(np.array(HISTORIES[0]), k=3) == expected


def test_other_tasks_are_those_of_transformers():
    with pytest.raises(KeyError, match="Unknown task item-recommendations"):
        pipeline("item-recommendations")
