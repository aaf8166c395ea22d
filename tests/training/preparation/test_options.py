"""`PreparationOptions` is made of groups: flat keywords, the checks of every group, each field declared once."""

from __future__ import annotations

from dataclasses import fields

import pytest

from xcat_rec.tokenization.images.image_options import ImageOptions
from xcat_rec.tokenization.policy.policy_options import PolicyOptions
from xcat_rec.tokenization.sequences import EventOptions
from xcat_rec.training.preparation import InterestOptions, ModelOptions, PreparationOptions, TextOptions

GROUPS = (EventOptions, TextOptions, ImageOptions, PolicyOptions, InterestOptions, ModelOptions)


def test_flat_keywords_reach_every_group() -> None:
    options = PreparationOptions(
        split="last-basket", text_fields="title", interest_columns="review", item_features="brand", cache_dir="cache"
    )
    assert all(isinstance(options, group) for group in GROUPS)
    assert (options.text_fields, options.interest_columns, options.item_features) == (
        ("title",),
        ("review",),
        ("brand",),
    )
    assert options.cache_dir is not None
    assert options.cache_dir.name == "cache"
    assert PreparationOptions(seed=3).event_seed == 3
    assert PreparationOptions(seed=3, split_seed=0).event_seed == 0
    with pytest.raises(ValueError, match="split is 'last'"):
        PreparationOptions(split="last")


def test_a_field_is_declared_once_and_fields_of_events_come_first() -> None:
    declared = [one.name for group in GROUPS for one in fields(group)]
    assert len(declared) == len(set(declared))
    assert [one.name for one in fields(PreparationOptions)] == [
        *declared,
        "cache_dir",
        "split_seed",
        "robust_training",
    ]
