"""The part of a card about clicks: labels, metrics beside the floors, calibration, limits and usage."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
import yaml
from huggingface_hub import ModelCard

from xcat_rec import XCatConfig
from xcat_rec.evaluation.click_evaluation import TABLE_METRICS, ClickReport, click_report
from xcat_rec.model_cards.card import build_card
from xcat_rec.model_cards.card_data import XCatModelCardData
from xcat_rec.model_cards.click_section import HEADINGS, click_facts, click_limits
from xcat_rec.model_cards.click_words import calibration_words
from xcat_rec.model_cards.method import losses_of_model
from xcat_rec.modeling_xcat.calibration_xcat import ClickCalibration
from xcat_rec.modeling_xcat.modeling_click_xcat import XCatForClickPrediction
from xcat_rec.tokenization.sequences.click_options import ClickOptions
from xcat_rec.tokenization.sequences.click_rows import ClickData, split_clicks
from xcat_rec.tokenization.tables.schema import ShopTables, validate_tables
from xcat_rec.training.tuning.calibration import fit_calibration

from ..tiny_shop import events_table, items_table, shop
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


def rated() -> ShopTables:
    """The tiny shop's purchases with ratings from 1 to 5."""
    log = events_table()
    return validate_tables(items_table(), log.with_columns(rating=pl.int_range(log.height) % 5 + 1.0))


def test_a_card_of_sampled_negatives_names_their_kind_and_its_limit() -> None:
    data = split_clicks(shop(), clicks=ClickOptions(negatives="category", eval_negatives=2, train_negatives=4))
    model, reports = model_of(data), reports_of(data)
    model.calibration.set_prior(0.25)
    card = build_card(XCatModelCardData(clicks=click_facts(model, data, reports), results=example_results()))
    evaluation = card.split("## Evaluation")[1].split("## Audit")[0]
    assert re.search(r"### Events and sampled negatives \(\d+ items of \d+ users, \d+ positive\)", evaluation)
    assert "shown" not in evaluation and "One probability per item:" in card
    assert "with 2 sampled negatives of the kind `category`" in evaluation
    values = [f"{reports['XCat'].value(name):.4f}" for name in ("auc", "gauc", "log_loss", "ece")]
    lines = evaluation.splitlines()
    assert lines.index(f"| XCat | {' | '.join(values)} |") < lines.index(
        next(line for line in lines if line.startswith("| candidate-popularity |"))
    )
    assert "| Share of positives | 0.2000 in training, 0.3333 in validation and test |" in evaluation
    assert "+0.250 was added to the log odds, for another share of positives in training; no method" in evaluation
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


def test_a_card_of_ratings_speaks_of_ratings() -> None:
    data = split_clicks(rated(), clicks=ClickOptions(min_rating=4))
    facts = click_facts(model_of(data), data, reports_of(data))
    assert facts.words.use == "Probability that a user who rates an item rates it 4 or more."
    card = build_card(XCatModelCardData(clicks=facts))
    assert re.search(r"### Ratings of 4 or more \(\d+ rated items of \d+ users, \d+ positive\)", card)
    assert "items that users chose to rate" in card.split("## Limitations")[1]
    assert "One probability per rated item:" in card and "shown" not in card.split("## Evaluation")[1]
    reports = {name: replace(report, kind="rating") for name, report in facts.reports.items()}
    assert all(limit.startswith("For all rated items, ") for limit in click_limits(reports, "XCat"))


def test_the_metadata_have_clicks_before_lists() -> None:
    data = split_clicks(shop(), clicks=ClickOptions(negatives="category"))
    reports = reports_of(data)
    facts = click_facts(model_of(data), data, reports)
    card = ModelCard(build_card(XCatModelCardData(clicks=facts, results=example_results(), model_name="M")))
    assert card.data.metrics == ["roc_auc", "gauc", "log_loss", "ece", "recall", "ndcg", "mrr"]
    clicks, lists = yaml.safe_load(card.data.to_yaml())["model-index"][0]["results"]
    assert clicks["task"]["name"] == "Click prediction with sampled negatives"
    assert clicks["dataset"]["config"] == "category labels" and "config" not in lists["dataset"]
    found = [(metric["name"], metric["value"]) for metric in clicks["metrics"]]
    assert found == [(HEADINGS[name], round(reports["XCat"].value(name), 6)) for name in TABLE_METRICS]
    alone = XCatModelCardData(clicks=facts).to_dict()
    assert alone["metrics"] == ["roc_auc", "gauc", "log_loss", "ece"]


def calibrated(shift: float, slope: float, intercept: float, offset: float) -> ClickCalibration:
    found = ClickCalibration()
    found.set_prior(shift)
    found.set_line(slope, intercept)
    found.add(offset)
    return found


@pytest.mark.parametrize(
    ("values", "rate", "words"),
    [
        ((0, 1, 0, 0), None, "none: no method lowers the log loss on validation users"),
        ((-1.5, 1, 0, 0), None, "-1.500 was added to the log odds, for another share of positives in training; no "),
        ((0, 0.8, 0, 0), None, "temperature scaling: the log odds were divided by 1.250"),
        ((0, 0.8, -0.25, 0), None, "Platt scaling: the log odds were multiplied by 0.800, and -0.250 was added"),
        ((-1.5, 0.8, 0, 0), None, "in training; temperature scaling: the log odds were then divided by 1.250"),
        ((-1.5, 1, 0, 1.008), 0.07, "a constant, -0.492, was added to the log odds, so that the mean prediction on "),
        ((0, 1, 0, -0.492), 0.07, "validation is the share of positives in training, 0.0700"),
        ((0, 1, 0, -0.492), None, "a constant, -0.492, was added to the log odds"),
    ],
)
def test_a_calibration_in_words(values: tuple[float, float, float, float], rate: float | None, words: str) -> None:
    found = calibration_words(calibrated(*values), rate)
    assert words in found and "isotonic" not in found


@pytest.mark.parametrize("rate", [None, 0.07])
def test_an_isotonic_calibration_in_words(rate: float | None) -> None:
    calibration = ClickCalibration()
    calibration.set_curve(torch.tensor([-1.0, 0.0, 1.0]), torch.tensor([-2.0, 0.0, 0.5]))
    assert calibration.curved
    assert calibration_words(calibration, rate) == "isotonic regression: a curve that never falls maps the log odds"


def test_the_calibration_of_impressions_of_few_times_is_a_constant() -> None:
    table = impressions()
    time = pl.col("timestamp")
    step = (time.max() - time.min()) // 40
    coarse = table.events.with_columns(timestamp=time.min() + (time - time.min()) // step * step)
    data = split_clicks(validate_tables(table.items, coarse), clicks=ClickOptions())
    assert data.kept_rate == data.train_rate
    model, generator = model_of(data), np.random.default_rng(0)
    labels = (generator.random(400) < 0.5).astype(float)
    fit_calibration(model.calibration, generator.normal(size=400), labels, range(400), rate=data.kept_rate)
    words = click_facts(model, data, reports_of(data)).facts["Calibration fitted on validation"]
    constant = float(model.calibration.corrections[0])
    assert words.startswith(f"a constant, {constant:+.3f}, was added") and f"{data.train_rate:.4f}; vali" in words


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
    found = [f"For all events and sampled negatives, {sentence}" for sentence in expected]
    assert click_limits(reports, "XCat") == found
    card = build_card(XCatModelCardData(clicks=click_facts(model_of(data), data, reports)))
    assert ("For all events and sampled negatives" in card.split("## Limitations")[1]) is bool(found)
