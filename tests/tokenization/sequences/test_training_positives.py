"""Positives of training and evaluation with sampled negatives: which are left out, and training without any."""

from __future__ import annotations

import datasets
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.tokenization.sequences.click_options import ClickOptions
from xcat_rec.tokenization.sequences.click_rows import split_clicks
from xcat_rec.tokenization.sequences.event_options import EventOptions
from xcat_rec.tokenization.sequences.negatives import NegativeSampler
from xcat_rec.tokenization.sequences.sampled_clicks import (
    TrainingPositives,
    count_positives,
    require_positives,
    with_negatives,
)
from xcat_rec.tokenization.sequences.showings import draw_showings
from xcat_rec.training.tasks.click_baseline import ClickBaselineTask, UserItemTask
from xcat_rec.workflows.click_evaluation import click_fit_notes

from ...tiny_shop import shop

SAMPLER = NegativeSampler("uniform", 8)
EVENTS = EventOptions(split="leave-one-out")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(1, 7), max_size=7), min_size=1, max_size=4), st.integers(1, 5), st.integers(0, 4))
def test_the_count_is_that_of_both_draws(items: list[list[int]], count: int, least: int) -> None:
    features = datasets.Features({"items": datasets.List(datasets.Value("int32"))})
    rows = datasets.Dataset.from_dict({"items": items}, features)
    found = count_positives(rows, SAMPLER, count, least)
    drawn = draw_showings([rows[n] for n in range(len(rows))], SAMPLER, count, min_history=least)
    shown = with_negatives(rows, SAMPLER, count, min_history=least)
    assert found.kept == int(drawn.labels.sum()) == sum(map(sum, shown["shown_labels"]))
    assert found.early == sum(item >= 2 and 0 < place < least for row in items for place, item in enumerate(row))
    crowded = sum(
        item >= 2 and place >= least and 6 - len({one for one in row if one >= 2}) < count
        for row in items
        for place, item in enumerate(row)
    )
    assert found.crowded == crowded


def test_rows_without_a_positive_are_refused_with_reasons() -> None:
    rows = datasets.Dataset.from_dict({"items": [[2, 3, 4], [5, 6]]})
    assert count_positives(rows, SAMPLER, 4, 2) == TrainingPositives(0, 2, 1)
    with pytest.raises(ValueError, match=r"^none of 3 target events of the training rows is a positive") as told:
        require_positives(rows, SAMPLER, 4, 2)
    assert "2 have fewer than 2 earlier events in their training window (give a smaller min_history=" in str(
        told.value
    )
    assert "1 have fewer than 4 possible negatives of the kind 'uniform' among 6 items" in str(told.value)
    require_positives(rows, SAMPLER, 3, 2)


def test_training_and_evaluation_keep_to_the_options() -> None:
    data = split_clicks(shop(), EVENTS, ClickOptions(min_history=3))
    assert data.sampler is not None and data.left_out["train"] == sum(
        min(len(row["items"]), 3) - 1 for row in data.train
    )
    for part in ("validation", "test"):
        rows = data.splits[part]
        early = np.array([len(row["items"]) < 3 for row in rows])
        assert [not row["shown_items"] for row in rows] == early.tolist() and data.left_out[part] == early.sum()
    (note,) = [one for one in click_fit_notes({}, {}, data) if "left out of train" in one]
    assert note.startswith(f"left out of train: {data.left_out['train']} labelled items; fewer than 1 items")
    assert note.endswith("or they have fewer earlier events than min_history, which is 3")
    assert split_clicks(shop(), EVENTS).left_out == {"train": 0, "validation": 0, "test": 0}
    for task in (ClickBaselineTask, UserItemTask):
        crowded = task().for_data(split_clicks(shop(), EVENTS, ClickOptions(train_negatives=1000)))
        with pytest.raises(
            ValueError, match=r"have fewer than 1,000 possible negatives .* a smaller train_negatives="
        ):
            crowded.check_rows(crowded.data.train)
    with pytest.raises(
        ValueError, match=r"min_history is 100, and none of \d+ targets of validation .* give a smaller"
    ):
        split_clicks(shop(), EVENTS, ClickOptions(min_history=100))
