"""The part of a card about clicks: labels, metrics beside the floors, calibration, limits and usage."""

from __future__ import annotations

import re

import numpy as np
import pytest

from xcat_rec import XCatConfig
from xcat_rec.evaluation.click_evaluation import ClickReport, click_report
from xcat_rec.model_cards.card import build_card
from xcat_rec.model_cards.card_data import XCatModelCardData
from xcat_rec.model_cards.click_section import click_facts, click_limits
from xcat_rec.model_cards.method import losses_of_model
from xcat_rec.modeling_xcat.modeling_click_xcat import XCatForClickPrediction
from xcat_rec.tokenization.sequences.click_options import ClickOptions
from xcat_rec.tokenization.sequences.click_rows import ClickData, split_clicks

from ..tiny_shop import shop
from ..training.tasks.test_click import impressions
from .example_card import example_results


def model_of(data: ClickData, **changes: float) -> XCatForClickPrediction:
    config = XCatConfig(
        num_item_rows=len(data.vocabulary), hidden_size=16, intermediate_size=16, num_attention_heads=2, text_dim=8,
        click_dense=len(data.context.dense), click_categorical_sizes=data.context.sizes, **changes,
    )  # fmt: skip
    return XCatForClickPrediction(config)


def reports_of(data: ClickData) -> dict[str, ClickReport]:
    trained = np.ones(len(data.vocabulary), dtype=bool)
    count = sum(map(len, data.test["shown_items"]))
    drawn = np.random.default_rng(0).random((2, count))
    return {
        name: click_report(values, data.test, data.vocabulary, trained, kind=data.kind)
        for name, values in zip(("candidate-popularity", "XCat"), drawn, strict=True)
    }


def test_a_card_of_sampled_negatives_names_their_kind_and_its_limit() -> None:
    data = split_clicks(shop(), clicks=ClickOptions(negatives="category", eval_negatives=2, train_negatives=4))
    model, reports = model_of(data), reports_of(data)
    model.calibration.set_prior(0.25)
    card = build_card(XCatModelCardData(clicks=click_facts(model, data, reports), results=example_results()))
    evaluation = card.split("## Evaluation")[1].split("## Audit")[0]
    assert re.search(r"### Clicks \(\d+ shown items of \d+ users, \d+ positive\)", evaluation)
    assert "with 2 sampled negatives of the kind `category`" in evaluation
    values = [f"{reports['XCat'].value(name):.4f}" for name in ("auc", "gauc", "log_loss", "ece")]
    lines = evaluation.splitlines()
    assert lines.index(f"| XCat | {' | '.join(values)} |") < lines.index(
        next(line for line in lines if line.startswith("| candidate-popularity |"))
    )
    assert "| Share of positives | 0.2000 in training, 0.3333 where it is used |" in evaluation
    assert "log odds plus 0.250, times 1.000, plus 0.000, without an isotonic curve" in evaluation
    assert "| Evidence fitted on validation | not used |" in evaluation and "### All targets" in evaluation
    assert "not a click-through rate" in card.split("## Limitations")[1]
    assert "recommender.click_probability([" in card and "context=" not in card


def test_a_card_of_impressions_names_the_context() -> None:
    data = split_clicks(impressions(), clicks=ClickOptions(dense=("price",), categorical=("device",)))
    facts = click_facts(model_of(data), data, reports_of(data))
    card = build_card(XCatModelCardData(clicks=facts))
    assert "Labels are impressions of the events table" in card and "`price`, `device`" in card
    assert 'context={"price": [...], "device": [...]}' in card
    assert "the choices of the system that showed them" in card and "sampled negative" not in card
    assert "not evaluated" not in card.split("## Evaluation")[1].split("## Audit")[0]


def test_losses_of_clicks_come_first_and_alone_without_next_items() -> None:
    config = XCatConfig(num_item_rows=12, next_item_weight=0.5, pairwise_weight=2)
    names = [loss.name for loss in losses_of_model("XCatForClickPrediction", config)]
    assert names[:2] == ["Clicks", "Cross-entropy over the whole catalogue"]
    detail = losses_of_model("XCatForClickPrediction", config)[0].detail
    assert "2 times a loss over pairs" in detail and "0.5 times the next losses" in detail
    assert len(losses_of_model("XCatForClickPrediction", XCatConfig(num_item_rows=12, next_item_weight=0))) == 1
    assert losses_of_model("XCatForNextItem", config)[0].name == names[1]


@pytest.mark.parametrize("model_type", ["XCatForNextItem", "XCatForClickPrediction"])
def test_a_card_without_clicks_has_no_such_part(model_type: str) -> None:
    card = build_card(XCatModelCardData(model_type=model_type))
    assert "### Clicks" not in card and "click_probability" not in card


@pytest.mark.parametrize(
    ("own", "floor", "expected"),
    [
        (0.9, 0.5, []),
        (0.5, 0.9, ["the floor category-match has a lower log loss."]),
        (0.7, 0.7, ["its log loss is not significantly lower than that of the floor category-match."]),
    ],
)
def test_a_floor_that_is_better_or_as_good_is_a_limit(own: float, floor: float, expected: list[str]) -> None:
    data = split_clicks(shop(), clicks=ClickOptions())
    labels = np.concatenate(data.test["shown_labels"])
    reports = {
        name: click_report(
            np.where(labels == 1, right, 1 - right), data.test, data.vocabulary,
            np.ones(len(data.vocabulary), dtype=bool), kind=data.kind,
        )
        for name, right in (("XCat", own), ("category-match", floor), ("candidate-popularity", 0.4))
    }  # fmt: skip
    found = [f"For clicks on all shown items, {sentence}" for sentence in expected]
    assert click_limits(reports, "XCat") == found
    card = build_card(XCatModelCardData(clicks=click_facts(model_of(data), data, reports)))
    assert ("For clicks on all shown items" in card.split("## Limitations")[1]) is bool(found)
