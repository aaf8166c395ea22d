"""Counts of a log, added to those of a trained model."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.catalogue.added_counts import add_counts, blended
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import prepare_training

from ..tiny_shop import SMALL, save_text_encoder, shop


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> XCatForNextItem:
    encoder: Path = save_text_encoder(tmp_path_factory.mktemp("counts"))
    return prepare_training(shop(20), PreparationOptions(text_encoder=str(encoder), config=SMALL)).model


def test_counts_are_added_and_transitions_are_averaged_by_events(model: XCatForNextItem) -> None:
    new = deepcopy(model)
    before, table = model.model.items.item_counts, model.model.successors
    assert table is not None
    add_counts(new, Dataset.from_dict({"items": [[9, 5, 9], [9, 5]]}))
    added = new.model.items.item_counts - before
    assert added[9] == 3 and added[5] == 2 and added.sum() == 5
    old_share = float(table.similarities[9][(table.rows[9] == 5).nonzero()[:, 0]].sum())
    changed = new.model.successors
    assert changed is not None
    found = float(changed.similarities[9][(changed.rows[9] == 5).nonzero()[:, 0]].sum())
    in_log = 2 / 3  # item 5 directly follows two of the three events of item 9
    events = int(before[9])
    assert found == pytest.approx((events * old_share + 3 * in_log) / (events + 3), rel=1e-5)
    untouched = (added == 0).nonzero()[:, 0]
    assert torch.equal(changed.similarities[untouched], table.similarities[untouched])


def test_the_model_of_before_is_not_changed(model: XCatForNextItem) -> None:
    before = {name: value.clone() for name, value in model.named_buffers()}
    add_counts(deepcopy(model), Dataset.from_dict({"items": [[9, 5, 9], [9, 5]]}))
    assert all(torch.equal(value, before[name]) for name, value in model.named_buffers())


TABLES = st.dictionaries(st.integers(2, 7), st.integers(1, 8), max_size=3)


@settings(max_examples=60, deadline=None)
@given(one=TABLES, other=TABLES, share=st.integers(0, 4))
def test_blended_tables_are_averages(one: dict[int, int], other: dict[int, int], share: int) -> None:
    tables = []
    for table in (one, other):
        rows = [*table, *[0] * (3 - len(table))]
        tables += [torch.tensor([rows]), torch.tensor([[table.get(row, 0) / 8 for row in rows]])]
    rows, weights = blended(*tables, torch.tensor([share / 4]))
    exact = {row: ((4 - share) * one.get(row, 0) + share * other.get(row, 0)) / 32 for row in {*one, *other}}
    wanted = sorted((value for value in exact.values() if value), reverse=True)[:3]
    assert weights[0].tolist() == [*wanted, *[0.0] * (3 - len(wanted))]
    assert all(exact[int(row)] == float(weight) for row, weight in zip(rows[0], weights[0], strict=True) if weight)
    assert all(int(row) == 0 for row, weight in zip(rows[0], weights[0], strict=True) if not weight)
