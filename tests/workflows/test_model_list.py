"""The list of models: every model of bench once, with a description, and a source for every model of the field."""

from __future__ import annotations

import pytest

from xcat_rec import list_models, register_baseline
from xcat_rec.training.recipes import RECIPES, is_own
from xcat_rec.workflows.baseline_registry import BASELINES
from xcat_rec.workflows.baselines import FROM_BASE, runs_once
from xcat_rec.workflows.click_models import CLICK_BASELINES, CLICK_OWN, FLOORS, RANKING_BASELINES
from xcat_rec.workflows.model_list import NEXT_ITEM

OWN_METHODS = ("popularity", "text-search", "text-knn", "text-knn-unseen", *FROM_BASE)
"""Models without a publication that they follow."""


def test_every_model_of_the_next_item_is_listed_once():
    models = list_models(NEXT_ITEM)
    assert sorted(model.name for model in models) == sorted([*BASELINES, *RANKING_BASELINES, *RECIPES, *FROM_BASE])
    assert {model.purpose for model in models} == {NEXT_ITEM}
    for model in models:
        assert model.description and model.trained != runs_once(model.name)
        assert bool(model.reference) != (is_own(model.name) or model.name in OWN_METHODS), model.name


def test_every_model_of_clicks_is_listed_once():
    models = list_models("click")
    assert [model.name for model in models] == [*CLICK_BASELINES, *CLICK_OWN]
    assert {model.name for model in models if not model.trained} == {*FLOORS, "item-knn"}
    unpublished = {model.name for model in models if not model.reference}
    assert unpublished == {*FLOORS, *CLICK_OWN} and all(model.description for model in models)
    assert list_models() == [*list_models(NEXT_ITEM), *models]


def test_a_baseline_of_one_s_own_is_described_by_its_docstring():
    @register_baseline("tests:first")
    def first(data):
        """The first item.

        For every user.
        """

    try:
        assert next(model for model in list_models() if model.name == "tests:first").description == "The first item."
    finally:
        del BASELINES["tests:first"]


def test_an_unknown_purpose():
    with pytest.raises(ValueError, match="purpose is 'rating'; give one of next-item, click"):
        list_models("rating")
