from __future__ import annotations

import pytest

from xcat_rec import pipeline


def test_a_model_is_needed():
    with pytest.raises(ValueError, match="pass model="):
        pipeline("item-recommendation")


def test_other_tasks_are_those_of_transformers():
    with pytest.raises(KeyError, match="Unknown task item-recommendations"):
        pipeline("item-recommendations")
