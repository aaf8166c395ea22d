"""Click prediction on the tiny shop: batches, training, evaluation, and labelled impressions with context."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from xcat_rec.evaluation.click_prediction.click_metrics import CLICK_METRICS, Predictions
from xcat_rec.modeling_xcat.modeling_click_xcat import XCatForClickPrediction
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.tokenization.sequences.click_options import ClickOptions
from xcat_rec.tokenization.sequences.click_pairs import as_pairs
from xcat_rec.tokenization.sequences.click_rows import split_clicks
from xcat_rec.tokenization.sequences.next_item_rows import next_item_rows
from xcat_rec.tokenization.sequences.sampled_clicks import with_negatives
from xcat_rec.tokenization.sequences.showings import read_showings
from xcat_rec.tokenization.tables.schema import ShopTables, validate_tables
from xcat_rec.training.arguments import XCatTrainingArguments
from xcat_rec.training.preparation.options import PreparationOptions, PreparedTraining
from xcat_rec.training.preparation.prepare import prepare_training
from xcat_rec.training.tasks import ClickTask, find_task
from xcat_rec.training.trainer import XCatTrainer

from ...tiny_shop import QUICK, SMALL, events_table, items_table, save_text_encoder, shop


def prepared(
    folder: Path, clicks: ClickOptions, tables: ShopTables | None = None, **config: Any
) -> tuple[ClickTask, PreparedTraining]:
    encoder = folder / "encoder"
    if not encoder.exists():
        save_text_encoder(encoder)
    options = PreparationOptions(
        text_encoder=str(encoder), config={**SMALL, **config}, cache_dir=folder / "cache"
    )  # fmt: skip
    task = ClickTask(clicks)
    start = prepare_training(tables or shop(), options, split=task.split)
    return task.for_data(start.data), start


def trainer_of(task: ClickTask, start: PreparedTraining, folder: Path, **arguments: Any) -> XCatTrainer:
    args = XCatTrainingArguments(output_dir=str(folder / "out"), **{**QUICK, **arguments})
    model = task.new_model(start.model)
    return XCatTrainer(
        model, args, start.splits["train"], start.splits["validation"], start.processor, task=task
    )  # fmt: skip


def impressions(users: int = 60, seed: int = 0) -> ShopTables:
    """Purchases of the tiny shop, and impressions that are clicked if they are cheap and shown on a phone."""
    generator = np.random.default_rng(seed)
    bought = events_table(users).select("user_id", "item_id", "timestamp").with_columns(
        clicked=pl.lit(None, pl.Boolean), price=pl.lit(None, pl.Float64), device=pl.lit(None, pl.String)
    )  # fmt: skip
    start, end = bought["timestamp"].min(), bought["timestamp"].max()
    count = 12 * users
    price, phone = generator.normal(20, 5, count), generator.random(count) < 0.5
    liked = 1 / (1 + np.exp(0.4 * (price - 20) - np.where(phone, 1.5, -1.5)))
    shown = pl.DataFrame({
        "user_id": [f"user-{n:02d}" for n in generator.integers(0, users, count)],
        "item_id": [f"item-{n:02d}" for n in generator.integers(0, 38, count)],
        "timestamp": generator.integers(start, end + 1, count), "clicked": generator.random(count) < liked,
        "price": price, "device": np.where(phone, "phone", "desk"),
    })  # fmt: skip
    return validate_tables(items_table(), pl.concat([bought, shown]).sort("user_id", "timestamp"), name="shown")


def read_histories(batch: dict[str, torch.Tensor]) -> list[list[int]]:
    """Items of the history that each showing may read, from the layout of the batch."""
    items, positions = batch["item_ids"].flatten().tolist(), batch["position_ids"].flatten().tolist()
    found = []
    for place in batch["click_positions"].tolist():
        history = [] if place < 0 else items[place - positions[place] : place + 1]
        found.append(history)
    return found


def test_a_training_batch_shows_every_event_with_its_negatives(tmp_path: Path) -> None:
    task, start = prepared(tmp_path, ClickOptions(train_negatives=2))
    rows = [start.splits["train"][i] for i in range(5)]
    batch = task.collator(start.processor)(rows)
    positive = batch["click_labels"] == 1
    assert int(positive.sum()) == sum(len(row["items"]) - 1 for row in rows) and len(positive) == 3 * positive.sum()
    followed = {}
    for history, item in zip(
        [h for h, one in zip(read_histories(batch), positive, strict=True) if one],
        batch["click_items"][positive].tolist(), strict=True,
    ):  # fmt: skip
        followed[tuple(history)] = item
    wanted = {tuple(row["items"][:n][-8:]): row["items"][n] for row in rows for n in range(1, len(row["items"]))}
    assert followed == wanted
    labels, items = batch["labels"], batch["item_ids"]
    pairs = {
        (int(items.flatten()[i]), int(labels.flatten()[i])) for i in (labels.flatten() >= 0).nonzero().flatten()
    }  # fmt: skip
    assert pairs == {pair for row in rows for pair in zip(row["items"], row["items"][1:], strict=False)}
    again = task.collator(start.processor)(rows)
    assert all(torch.equal(batch[name], again[name]) for name in batch)
    other = task.collator(start.processor)(rows[::-1])
    assert sorted(other["click_items"].tolist()) != sorted(batch["click_items"].tolist())


def test_workers_draw_the_same_negatives(tmp_path: Path) -> None:
    task, start = prepared(tmp_path, ClickOptions())
    batches = []
    for workers in (0, 2):
        trainer = trainer_of(task, start, tmp_path, dataloader_num_workers=workers)
        batches.append(list(trainer.get_train_dataloader()))
    for one, other in zip(*batches, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("negatives", ["uniform", "category"])
def test_clicks_are_learnt_and_evaluated_as_everywhere(tmp_path: Path, negatives: str) -> None:
    task, start = prepared(tmp_path, ClickOptions(negatives=negatives, train_negatives=3, eval_negatives=2))
    trainer = trainer_of(task, start, tmp_path, num_train_epochs=10)
    assert trainer.args.metric_for_best_model == "log_loss" and trainer.args.greater_is_better is False
    before = trainer.evaluate()
    trainer.train()
    trained = [entry for entry in trainer.state.log_history if "loss" in entry]
    assert trained and all({"click_loss", "next_item_loss"} <= set(entry) for entry in trained)
    seen = [entry["eval_log_loss"] for entry in trainer.state.log_history if "eval_log_loss" in entry]
    assert trainer.state.best_metric == min(seen[1:]) < 0.7 * before["eval_log_loss"]
    model: Any = trainer.model
    assert model.calibration.shift != 0 or model.config.click_attention, "1 of 4 in training, 1 of 3 in validation"
    rows = start.splits["test"]
    report = task.report(trainer, rows, start.trained)
    assert report.kind == negatives and report.metrics["gauc"] > 0.85
    recommender = XCatRecommender(model, start.processor)
    found = recommender.click_probabilities(rows)
    np.testing.assert_allclose(found, task.probabilities(trainer, rows), atol=1e-6)
    pairs = as_pairs(rows)
    predictions = Predictions(found, pairs["label"][:], pairs["user_id"][:])
    measured = trainer.evaluate(rows)
    for name, metric in CLICK_METRICS.items():
        if name != "reliability_slope":
            assert measured[f"eval_{name}"] == pytest.approx(metric(predictions, predictions.weights), abs=1e-5), name
    assert measured["eval_loss"] == pytest.approx(measured["eval_log_loss"], abs=1e-5)
    listed = recommender.recommend(["item-01", "item-08"], 3)
    assert len(listed) == 3, "next items are still ranked"


@pytest.mark.parametrize(("train", "shown"), [(1, 1), (4, 1), (1, 4)])
def test_the_mean_prediction_is_the_share_of_positives_whatever_the_negatives(
    tmp_path: Path, train: int, shown: int
) -> None:
    clicks = ClickOptions(train_negatives=train, eval_negatives=shown)
    task, start = prepared(tmp_path, clicks, shop(users=300))
    trainer = trainer_of(task, start, tmp_path, num_train_epochs=3, tune_second_stage=False)
    trainer.train()
    report = task.report(trainer, start.splits["test"], start.trained)
    assert report.metrics["prediction_ratio"] == pytest.approx(1, abs=0.05)
    assert trainer.model.calibration.shift == pytest.approx(math.log(train / shown), abs=1e-6)


def test_without_tuned_lists_the_probabilities_are_the_same(tmp_path: Path) -> None:
    found = []
    for lists in (True, False):
        task, start = prepared(tmp_path, ClickOptions())
        trainer = trainer_of(task, start, tmp_path, num_train_epochs=2, tune_lists=lists, quick=True)
        trainer.train()
        logged = [name for entry in trainer.state.log_history for name in entry]
        assert ("re_ranked_ndcg@10" in logged) is lists and "click_log_loss_with_evidence" in logged
        found.append(task.probabilities(trainer, start.splits["test"]))
    np.testing.assert_array_equal(*found)


def test_a_training_in_bf16_is_evaluated_in_float32_as_its_checkpoint(tmp_path: Path) -> None:
    task, start = prepared(tmp_path, ClickOptions())
    trainer = trainer_of(task, start, tmp_path, num_train_epochs=1, precision="bf16", tune_lists=False, quick=True)
    rows, new = start.splits["test"], copy.deepcopy(trainer.model)
    expected = XCatRecommender(new, start.processor).click_probabilities(rows)
    np.testing.assert_allclose(task.probabilities(trainer, rows), expected, atol=1e-6)
    trainer.train()
    trainer.save_model(str(tmp_path / "model"))
    start.processor.save_pretrained(tmp_path / "model")
    expected = XCatRecommender.from_pretrained(tmp_path / "model").click_probabilities(rows)
    np.testing.assert_allclose(task.probabilities(trainer, rows), expected, atol=1e-6)
    own = XCatRecommender(trainer.model, start.processor)
    np.testing.assert_array_equal(own.click_probabilities(rows), expected)
    trainer.train()  # Accelerate prepares the model again
    assert np.isfinite(task.probabilities(trainer, rows)).all()


def test_labelled_impressions_are_learnt_from_their_context(tmp_path: Path) -> None:
    clicks = ClickOptions(dense=("price",), categorical=("device",))
    task, start = prepared(tmp_path, clicks, impressions())
    assert task.data.kind == "impression" and start.data.split == "global-time"
    trainer = trainer_of(task, start, tmp_path, num_train_epochs=12)
    model: Any = trainer.model
    assert isinstance(model, XCatForClickPrediction) and model.config.click_categorical_sizes == [3]
    rows = trainer.train_dataset
    batch = task.collator(start.processor)([rows[i] for i in range(len(rows))])
    shown = read_showings([start.splits["train"][i] for i in range(len(start.splits["train"]))])
    assert len(batch["click_items"]) == len(shown), "no impression is lost by windows"
    trainer.train()
    report = task.report(trainer, start.splits["test"], start.trained)
    assert report.kind == "impression" and report.metrics["auc"] > 0.75
    recommender = XCatRecommender(model, start.processor)
    history, items = ["item-01", "item-08"], ["item-15", "item-15"]
    cheap, dear = recommender.click_probability(
        history, items, context={"price": [12, 28], "device": "phone"}
    )  # fmt: skip
    desk = recommender.click_probability(history, items[:1], context={"price": [12.0], "device": [None]})
    assert cheap > dear + 0.1 and desk.shape == (1,)
    with pytest.raises(ValueError, match=r"context lacks 'price', which the model was trained with"):
        recommender.click_probability(history, items, context={"device": "phone"})
    with pytest.raises(ValueError, match=r"context has 'place', .* it has price, device"):
        recommender.click_probability(history, items, context={"place": 1})
    with pytest.raises(ValueError, match=r"context\['price'\] has 3 values for 2 items"):
        recommender.click_probability(history, items, context={"price": [1, 2, 3], "device": "phone"})
    with pytest.raises(ValueError, match=r"context\['price'\] holds .* give numbers"):
        recommender.click_probability(history, items, context={"price": ["a", 1], "device": "phone"})


def test_clicks_alone_train_on_windows_with_showings_only(tmp_path: Path) -> None:
    shop = impressions()
    first = pl.col("timestamp") < shop.events["timestamp"].quantile(0.4)
    shown = replace(shop, events=shop.events.with_columns(clicked=pl.when(~first).then(pl.col("clicked"))))
    task, start = prepared(tmp_path, ClickOptions(), shown)
    both = trainer_of(task, start, tmp_path / "both").train_dataset
    start.model.config.next_item_weight = 0
    alone = trainer_of(task, start, tmp_path / "alone").train_dataset
    counts = [len(items) for items in both["shown_items"][:]]
    assert 0 in counts and [n for n in counts if n] == [len(items) for items in alone["shown_items"][:]]


def test_next_items_of_impressions_follow_the_history(tmp_path: Path) -> None:
    data = split_clicks(impressions(), clicks=ClickOptions())
    rows, found = data.validation, next_item_rows(data.validation)
    by_user = {row["user_id"]: row for row in rows}
    assert 0 < len(found) <= len(rows)
    for row in found:
        whole = by_user[row["user_id"]]
        clicked = [
            (after, item)
            for after, item, label in zip(
                whole["shown_after"], whole["shown_items"], whole["shown_labels"], strict=True
            )
            if label
        ]
        first = min(after for after, _ in clicked)
        assert row["items"] == whole["items"][:first] and len(row["ratings"]) == first
        assert set(row["targets"]) == {item for after, item in clicked if after == first}
    sampled = split_clicks(shop(), clicks=ClickOptions()).validation
    assert next_item_rows(sampled) is sampled


def test_the_task_needs_its_data_and_takes_options(tmp_path: Path) -> None:
    task, start = prepared(tmp_path, ClickOptions())
    args = XCatTrainingArguments(output_dir=str(tmp_path / "out"), **QUICK)
    parts = start.splits["train"], start.splits["validation"], start.processor
    with pytest.raises(ValueError, match="ClickTask has no data for labels and negatives"):
        XCatTrainer(task.new_model(start.model), args, *parts, task="click")
    with pytest.raises(TypeError, match="ClickTask trains XCatForClickPrediction"):
        XCatTrainer(XCatForNextItem(start.model.config), args, *parts, task=task)
    with pytest.raises(TypeError, match="data is SplitData; give the result of split_clicks"):
        ClickTask().for_data(shop().split())
    with pytest.raises(ValueError, match="metric_for_best_model is 'ece'; give one of log_loss, auc"):
        XCatTrainer(
            task.new_model(start.model),
            XCatTrainingArguments(output_dir=str(tmp_path / "out"), **{**QUICK, "metric_for_best_model": "ece"}),
            *parts, task=task,
        )  # fmt: skip
    chosen = find_task("click").with_options(negatives="popularity", train_negatives=3)
    assert isinstance(chosen, ClickTask) and chosen.clicks.train_negatives == 3
    assert find_task("click").clicks == ClickOptions()
    with pytest.raises(ValueError, match="NextItemTask has no option 'negatives'"):
        find_task("next-item").with_options(negatives="uniform")


def test_given_negatives_of_rows_are_used(tmp_path: Path) -> None:
    task, start = prepared(tmp_path, ClickOptions(train_negatives=2))
    sampler = task.data.sampler
    assert sampler is not None
    rows = with_negatives(start.splits["train"], sampler, 2, seed=1)
    assert task.training_showings([rows[0]]).items.tolist() == rows[0]["shown_items"]
