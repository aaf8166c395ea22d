"""Robust training: weights of events in the rows, in the loss and in the card, and nothing without the option."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import xcat_rec
from xcat_rec.evaluation.attacks import ProfileDetector, attack_shop
from xcat_rec.tokenization.sequences.event_weights import EVENT_WEIGHTS, add_event_weights
from xcat_rec.tokenization.tables.schema import ShopTables, validate_tables
from xcat_rec.training.arguments import XCatTrainingArguments
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.robust import training_events, weigh_events
from xcat_rec.training.preparation.windows import training_rows
from xcat_rec.training.tasks.click import ClickTask
from xcat_rec.training.trainer import XCatTrainer

from ...log_shop import EARLIER, Shoppers, events_table, items_table
from ...tiny_shop import QUICK, SMALL, save_text_encoder, shop

TARGETS = ["i50", "i57", "i48"]


@pytest.fixture(scope="module")
def attacked() -> ShopTables:
    tables = validate_tables(items_table(), events_table(Shoppers(0).users(300), EARLIER), name="log shop")
    return attack_shop(tables, "random", TARGETS, share=0.05, seed=2).shop


def test_rows_have_the_weights_of_the_detector_on_the_training_events(attacked: ShopTables) -> None:
    options = PreparationOptions(robust_training=True)
    data = attacked.split(options)
    events, before = training_events(data), data.train
    assert events.height == sum(map(len, before["items"])) < attacked.events.height
    (note,) = weigh_events(data, options)
    expected = ProfileDetector().detect(ShopTables(attacked.items, events)).weights
    flat = zip(
        events["user_id"], events["item_id"], (w for row in data.train[EVENT_WEIGHTS] for w in row), strict=True
    )
    found = {(user, item): weight for user, item, weight in flat if weight < 1}
    assert found == pytest.approx(dict(expected)) and len(found) > 5
    doubted = sum(weight < 0.5 for row in data.train[EVENT_WEIGHTS] for weight in row)
    assert note.startswith(f"robust training: {doubted} of {events.height:,} training events have a weight below 0.5")
    assert data.train["items"][:] == before["items"][:]


def test_the_loss_of_an_event_is_weighed(tmp_path: Path) -> None:
    data = shop().split(PreparationOptions())
    user, items = data.train[0]["user_id"], data.train[0]["items"]
    weights = {(user, data.vocabulary.decode(items[1:2])[0]): 0.25}
    train = add_event_weights(data.train, data.vocabulary, weights)
    codes = data.vocabulary.category_codes
    for new_category in (1.0, 3.0):
        arguments = XCatTrainingArguments(output_dir=str(tmp_path), use_cpu=True, new_category_weight=new_category)
        plain, found = (training_rows(rows, arguments, 16, codes) for rows in (data.train, train))
        assert (new_category == 1) == ("loss_weights" not in plain.column_names)
        stream = training_rows(train.to_iterable_dataset().map(dict), arguments, 16, codes)  # of unknown columns
        assert [list(row["loss_weights"]) for row in stream] == list(found["loss_weights"])
        for number, (row, weighed) in enumerate(zip(plain, found, strict=True)):
            expected = np.array(row.get("loss_weights", [1.0] * len(row["items"])))
            expected[1] *= 0.25 if number == 0 else 1
            assert weighed["loss_weights"] == pytest.approx(expected.tolist())


def test_without_doubted_events_training_is_the_same_to_the_last_bit(tmp_path: Path) -> None:
    encoder = save_text_encoder(tmp_path / "encoder")
    options = PreparationOptions(text_encoder=str(encoder), config=SMALL, cache_dir=tmp_path / "cache")
    states = []
    for weighed in (False, True):
        start = xcat_rec.prepare_training(shop(20), options)
        assert EVENT_WEIGHTS not in start.data.train.column_names
        train = add_event_weights(start.data.train, start.data.vocabulary, {}) if weighed else start.data.train
        arguments = XCatTrainingArguments(
            output_dir=str(tmp_path / "out"), eval_strategy="no", save_strategy="no", **{**QUICK, "max_steps": 3}
        )
        XCatTrainer(start.model, arguments, train, None, start.processor).train()
        states.append(start.model.state_dict())
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_a_fit_with_robust_training_says_so(attacked: ShopTables, tmp_path: Path) -> None:
    told: list[str] = []
    fields: dict[str, Any] = {**SMALL, **QUICK, "max_steps": 1, "tune_second_stage": False, "ask_length": 0}
    encoder = str(save_text_encoder(tmp_path / "encoder"))
    xcat_rec.fit(attacked, tmp_path / "out", robust_training=True, text_encoder=encoder, tell=told.append, **fields)
    (note,) = [line.removeprefix("note: ") for line in told if "robust training:" in line]
    card = (tmp_path / "out" / "README.md").read_text()
    assert "events have a weight below 0.5, for looking like a coordinated profile" in note and note in card


def test_clicks_have_no_robust_training(monkeypatch: pytest.MonkeyPatch) -> None:
    options = PreparationOptions(robust_training=True)
    data = ClickTask().with_options(negatives="uniform").split(shop(), options)
    with pytest.raises(ValueError, match="robust_training weighs the events of next-item training"):
        weigh_events(data, options)
    monkeypatch.setattr("xcat_rec.tokenization.extras.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="robust_training needs scipy"):
        weigh_events(shop().split(options), options)
