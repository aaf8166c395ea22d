"""Reports of click predictions: slices against a plain loop, paired intervals, and what is written."""

from __future__ import annotations

import dataclasses
import json
import math

import datasets
import numpy as np
import pyarrow as pa
import pytest

from xcat_rec.evaluation.click_evaluation import ClickReport, click_report, click_table
from xcat_rec.evaluation.click_prediction.click_metrics import Predictions, log_loss
from xcat_rec.tokenization.vocabulary import ItemVocabulary

CATEGORIES = ["a", "a", "b", "b", None]
VOCABULARY = ItemVocabulary(pa.table({"item_id": [f"i{n}" for n in range(5)], "category": CATEGORIES}))
TRAINED = np.array([False, False, True, True, True, True, False])


def rows(users: int = 30) -> datasets.Dataset:
    generator = np.random.default_rng(0)
    made = []
    for user in range(users):
        items = generator.integers(2, 7, size=generator.integers(1, 30)).tolist()
        after = sorted(generator.integers(0, len(items) + 1, size=6).tolist())
        made.append({
            "user_id": f"u{user}", "items": items, "shown_items": generator.integers(2, 7, size=6).tolist(),
            "shown_labels": [0, 1, 0, 1, 0, int(user % 2)] if user % 5 else [0] * 6, "shown_after": after,
        })  # fmt: skip
    return datasets.Dataset.from_list(made)


def report(noise: float = 0.3, seed: int = 1) -> ClickReport:
    split = rows()
    labels = np.concatenate(split["shown_labels"])
    guess = np.clip(0.3 + 0.3 * labels + noise * np.random.default_rng(seed).normal(size=len(labels)), 0.01, 0.99)
    return click_report(guess, split, VOCABULARY, TRAINED, kind="impression")


def test_slices_are_of_the_history_before_each_showing() -> None:
    found = report()
    counts = dict.fromkeys(("switch", "unseen", "cold", "history_0_5", "history_6_10"), 0)
    by_category: dict[str, int] = {}
    for row in rows():
        for item, after in zip(row["shown_items"], row["shown_after"], strict=True):
            before = row["items"][:after]
            name = CATEGORIES[item - 2]
            last = CATEGORIES[before[-1] - 2] if before else None
            counts["switch"] += name is not None and last is not None and name != last
            counts["unseen"] += item not in before
            counts["cold"] += item == 6
            counts["history_0_5"] += len(before) <= 5
            counts["history_6_10"] += 6 <= len(before) <= 10
            by_category[name or "no category"] = by_category.get(name or "no category", 0) + 1
    assert {name: found.slices[name]["num_rows"] for name in counts} == counts
    assert {name: values["num_rows"] for name, values in found.categories.items()} == by_category
    assert (found.num_rows, found.num_users, found.num_left_out) == (180, 30, 6)
    assert all(0 <= found.value(name) <= 1 for name in ("auc", "gauc", "ece"))


def test_paired_intervals_are_narrower_than_single_ones() -> None:
    one, other = report(0.2), report(0.25)
    for metric in ("auc", "gauc", "log_loss", "ece"):
        single, paired = one.interval(metric), one.difference(other, metric)
        assert single is not None and paired is not None
        assert single.low <= one.value(metric) <= single.high or metric == "ece"
        assert paired.mean == pytest.approx(one.value(metric) - other.value(metric))
    same = one.difference(report(0.2), "auc")
    assert same is not None and (same.low, same.high) == (0, 0)
    worse = one.difference(report(2.0), "log_loss")
    assert worse is not None and worse.high < 0 and worse.excludes_zero


def test_reports_of_other_rows_are_refused() -> None:
    split = rows(20)
    guess = np.full(120, 0.5)
    other = click_report(guess, split, VOCABULARY, TRAINED)
    with pytest.raises(ValueError, match="the reports have other impressions"):
        report().difference(other, "auc")
    with pytest.raises(ValueError, match=r"probabilities have shape \(3,\), and the rows 120 showings"):
        click_report([0.1, 0.2, 0.3], split, VOCABULARY, TRAINED)


def test_ece_by_chance_is_that_of_labels_drawn_from_the_predictions() -> None:
    split = rows(200)
    labels = np.concatenate(split["shown_labels"])
    half = click_report(np.full(len(labels), 0.5), split, VOCABULARY, TRAINED)
    assert half.ece_by_chance == pytest.approx(math.sqrt(2 / math.pi) * 0.5 / math.sqrt(len(labels)), rel=0.25), (
        "one bin, because all predictions are equal"
    )
    certain = click_report(labels, split, VOCABULARY, TRAINED)
    assert certain.ece_by_chance == 0 and json.loads(certain.to_json())["ece_by_chance"] == 0
    assert math.isnan(dataclasses.replace(half, predictions=None).ece_by_chance)


def test_text_and_json_have_the_metrics_and_no_user() -> None:
    found = report()
    text = click_table({"din": found, "xcat": report(0.1)})
    assert text.startswith("impression labels: 180 rows, 60 positive; 24 of 30 users have both labels, for gauc")
    assert "| model | auc | gauc | log_loss | ece |" in text and f"| din | {found.value('auc'):.4f} |" in text
    written = json.loads(found.to_json())
    assert written["metrics"]["auc"] == found.value("auc") and written["num_left_out"] == 6
    assert set(written["slices"]) >= {"switch", "history_0_5"} and written["kind"] == "impression"
    assert "u1" not in found.to_json() and "u1" not in text and "predictions" not in repr(found)
    assert math.isnan(found.value("auc", "no slice"))


def test_log_loss_of_slices_averages_to_the_whole() -> None:
    found = report()
    parts = [found.slices[name] for name in found.slices if name.startswith("history_")]
    whole = sum(part["num_rows"] * part["log_loss"] for part in parts if part["num_rows"]) / found.num_rows
    assert whole == pytest.approx(found.value("log_loss"))
    assert isinstance(found.predictions, Predictions)
    assert log_loss(found.predictions, found.predictions.weights) == found.value("log_loss")
