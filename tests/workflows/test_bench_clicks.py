"""Benchmark of clicks on the tiny shop: rows, floors, intervals, calibration, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xcat_rec
from xcat_rec.evaluation.click_prediction.click_metrics import CLICK_METRICS, Predictions
from xcat_rec.workflows.bench_request import LABEL, PROBABILITY, USER, stored_arrays
from xcat_rec.workflows.bench_results import BenchResults
from xcat_rec.workflows.click_comparison import compare_click_models
from xcat_rec.workflows.click_models import CLICK_BASELINES, FLOORS
from xcat_rec.workflows.task_runs import plan_click_runs, plan_task_runs

from ..tiny_shop import save_text_encoder, write_shop

QUICK: dict[str, Any] = {
    "split": "leave-one-out", "num_train_epochs": 2, "precision": "fp32", "use_cpu": True, "disable_tqdm": True,
}  # fmt: skip
MODEL: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "max_history": 8}


def bench(folder: Path, models: str, **options: Any) -> xcat_rec.BenchResult:
    shop = folder / "shop" if (folder / "shop").exists() else write_shop(folder / "shop")
    return xcat_rec.bench(shop, models, task="click", **{**QUICK, **options})


@pytest.mark.slow
def test_all_models_on_one_test_split(tmp_path, runs_here):
    encoder, output = str(save_text_encoder(tmp_path / "encoder")), tmp_path / "clicks.json"
    result = bench(
        tmp_path, ",".join([*CLICK_BASELINES, "xcat"]), seeds=1, output=output, negatives="category",
        text_encoder=encoder, **MODEL,
    )  # fmt: skip
    rows = json.loads(output.read_text())
    assert [row["model"] for row in rows] == list(dict.fromkeys([*FLOORS, *CLICK_BASELINES, "xcat"]))
    assert {row["negatives"] for row in rows} == {row["labels"] for row in rows} == {"category"}
    assert len({row["data"]["judged"] for row in rows}) == 1 and len({row["num_left_out"] for row in rows}) == 1
    for row in rows:
        assert {"auc", "gauc", "log_loss", "ece"} <= row["metrics"].keys()
        assert 0 < row["metrics"]["log_loss"] < 1 and row["task"] == "click"
        assert (row["epochs"] is None) == (row["model"] in (*FLOORS, "item-knn"))
        assert set(row["validation"]) >= {"auc", "log_loss"}
    stored = BenchResults(output)
    stored.open(True, rows[0]["options"])
    for run in stored.runs:
        found = Predictions(run.per_user[PROBABILITY], run.per_user[LABEL], run.per_user[USER])
        for name in ("auc", "log_loss"):
            value = CLICK_METRICS[name](found, found.weights)
            assert run.row["metrics"][name] == pytest.approx(value, abs=1e-5)
    best = {one["metric"]: one["model"] for one in reversed(result.intervals)}
    assert best["auc"] == max(result.mean("auc"), key=lambda model: result.mean("auc")[model])
    assert best["log_loss"] == min(result.mean("log_loss"), key=lambda model: result.mean("log_loss")[model])
    assert len(result.comparisons) == 4 * (len(rows) - 1)
    answer = result.to_dict()
    assert answer["intervals"] and "ask_comparisons" not in answer
    again = bench(
        tmp_path, "din", seeds=1, output=output, negatives="category", text_encoder=encoder, resume=True, **MODEL
    )  # fmt: skip
    assert len(again.runs) == len(rows), "floors and din are in the file"
    with pytest.raises(ValueError, match="another negatives"):
        bench(tmp_path, "din", seeds=1, output=output, text_encoder=encoder, resume=True, **MODEL)


def test_each_seed_is_one_run_with_the_same_negatives_of_test(tmp_path, runs_here):
    result = bench(tmp_path, ["mf"], seeds=2, negatives="popularity", num_train_epochs=1)
    runs = {(run.row["model"], run.row["seed"]): run for run in result.runs}
    assert list(runs) == [("candidate-popularity", 0), ("category-match", 0), ("mf", 0), ("mf", 1)]
    first, second = runs["mf", 0], runs["mf", 1]
    assert first.row["data"]["judged"] == second.row["data"]["judged"]
    assert not np.array_equal(first.per_user[PROBABILITY], second.per_user[PROBABILITY])
    stored = stored_arrays(first.per_user)
    found = Predictions(stored[PROBABILITY], stored[LABEL], stored[USER].astype(int))
    again = {name: CLICK_METRICS[name](found, found.weights) for name in ("auc", "ece", "log_loss")}
    assert again == {name: first.row["metrics"][name] for name in again}, "metrics of the stored values are exact"
    assert first.row["calibration"] in ("identity", "temperature", "platt", "isotonic")
    assert first.row["config"]["training"]["lr_scheduler_type"] == "reduce_lr_on_plateau"


def test_models_of_users_rank_the_next_item_as_others_do(tmp_path, runs_here):
    shop = write_shop(tmp_path / "shop")
    models = ["popularity", "mf", "neumf"]
    result = xcat_rec.bench(shop, models, seeds=1, **{**QUICK, "num_train_epochs": 15})
    rows = {run.row["model"]: run.row for run in result.runs}
    assert len({row["data"]["judged"] for row in rows.values()}) == 1
    for name in ("mf", "neumf"):
        assert rows[name]["metrics"]["recall@50"] == 1, "40 items"
        assert 0 < rows[name]["metrics"]["recall@20"] < 1 and rows[name]["discover"]["num_targets"] > 0
        assert rows[name]["epochs"] <= 15 and rows[name]["validation"]["ndcg@10"] > 0
    assert {one["model"] for one in result.comparisons} == {"mf", "neumf"}


def test_models_of_users_draw_fewer_negatives_from_few_items(tmp_path, runs_here):
    import polars as pl

    shop = write_shop(tmp_path / "shop")
    events = pl.read_csv(shop / "events.csv").with_columns(
        item_id=pl.format("item-0{}", pl.col("item_id").str.slice(5).cast(int) * 7 % 10)
    )
    result = xcat_rec.bench({"events": events}, ["mf"], seeds=1, **{**QUICK, "num_train_epochs": 1})
    had = events.group_by("user_id").agg(pl.col("item_id").n_unique())["item_id"].median()
    assert 6 < had < 10
    told = f"mf: {int(10 - had)} sampled negatives per positive in place of 4, because half of the users have an event"
    assert any(note.startswith(told) for run in result.runs for note in run.notes)


def test_labelled_impressions_have_no_negatives(tmp_path, runs_here):
    import polars as pl

    shop = write_shop(tmp_path / "shop")
    events = pl.read_csv(shop / "events.csv")
    shown = events.with_columns(event_type=pl.lit("impression"), timestamp=pl.col("timestamp") - 5)
    missed = shown.with_columns(item_id=pl.format("item-{}", pl.col("item_id").str.slice(5).cast(int) * 3 % 9 + 10))
    pl.concat([shown, missed, events]).write_csv(shop / "events.csv")
    result = bench(tmp_path, "lr", seeds=1, split="auto")
    row = result.runs[-1].row
    assert (row["labels"], row["negatives"], row["data"]["split"]) == ("impression", None, "global-time")
    assert row["metrics"]["auc"] > 0.5
    assert row["config"]["training"]["metric_for_best_model"] == "log_loss"


def test_intervals_by_hand():
    def row(model: str, seed: int) -> dict[str, Any]:
        return {"model": model, "seed": seed}

    labels, users = np.array([1, 0, 1, 0]), np.array([0, 0, 1, 1])
    predictions = {"right/0": [0.9, 0.1, 0.8, 0.2], "half/0": [0.9, 0.1, 0.2, 0.8], "half/1": [0.9, 0.1, 0.8, 0.2]}
    arrays = {
        f"{key}/{name}": values
        for key, found in predictions.items()
        for name, values in ((PROBABILITY, np.array(found)), (LABEL, labels), (USER, users))
    }
    rows = [row("half", 0), row("half", 1), row("right", 0)]
    intervals, differences = compare_click_models(rows, arrays, samples=200)
    gauc = {one["model"]: one for one in intervals if one["metric"] == "gauc"}
    assert list(gauc) == ["right", "half"], "best first"
    assert (gauc["right"]["value"], gauc["right"]["low"], gauc["right"]["high"]) == (1, 1, 1)
    assert (gauc["half"]["value"], gauc["half"]["low"], gauc["half"]["high"]) == (0.75, 0.5, 1)
    (gap,) = [one for one in differences if one["metric"] == "gauc"]
    assert (gap["model"], gap["best"], gap["difference"], gap["low"], gap["high"]) == ("half", "right", -0.25, -0.5, 0)
    loss = [one for one in intervals if one["metric"] == "log_loss"]
    assert loss[0]["model"] == "right"
    assert loss[0]["value"] == pytest.approx(-(np.log(0.9) + np.log(0.8)) / 2)
    arrays[f"right/0/{LABEL}"] = np.array([1, 0, 0, 1])
    with pytest.raises(ValueError, match="right, seed 0 has other impressions than half, seed 0"):
        compare_click_models(rows, arrays)


def test_runs_on_other_tables_are_not_added_to_a_file(tmp_path, runs_here):
    import polars as pl

    output, items = tmp_path / "runs.json", tmp_path / "shop" / "items.csv"
    bench(tmp_path, "item-knn", seeds=1, output=output)
    row = json.loads(output.read_text())[0]
    assert {"items", "events", "polars"} == row["data"]["hashes"].keys()
    pl.read_csv(items).with_columns(price=pl.lit(3.5)).write_csv(items)
    with pytest.raises(ValueError, match=r"the items table of shop differs from that of the other runs in the file"):
        bench(tmp_path, "mf", seeds=1, output=output, resume=True)
    rows = json.loads(output.read_text())
    for row in rows:
        row["data"]["hashes"]["polars"] = "0"
    output.write_text(json.dumps(rows))
    assert len(bench(tmp_path, "item-knn", seeds=1, output=output, resume=True).runs) == 3, "another polars"


def test_planned_runs():
    assert plan_click_runs(["din", " din", "item-knn"], 2) == [
        ("candidate-popularity", 0), ("category-match", 0), ("din", 0), ("din", 1), ("item-knn", 0)
    ]  # fmt: skip
    assert plan_task_runs(None, 1, None, "click")[-1] == ("xcat", 0)
    assert plan_task_runs("sasrec", 1, None, None) == [("sasrec", 0)]
    with pytest.raises(ValueError, match="task is 'foo'; give one of next-item, click"):
        plan_task_runs("lr", 1, None, "foo")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"models": "sasrec"}, "models has 'sasrec', which is not a click model; give some of candidate-popularity"),
        ({"models": "din", "seeds": 0}, "seeds is 0"),
        ({"models": " , "}, "models is empty"),
        ({"models": "din", "base": "some/checkpoint"}, "base is 'some/checkpoint', and a benchmark of clicks"),
        ({"models": "din", "asks": "title"}, "asks is 'title', and a benchmark of clicks"),
        ({"models": "din", "negatives": "hard"}, "negatives is 'hard'; give one of uniform, popularity, category"),
    ],
)
def test_what_a_benchmark_of_clicks_refuses(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        xcat_rec.bench(tmp_path, task="click", **options)


def test_negatives_belong_to_clicks(tmp_path):
    with pytest.raises(ValueError, match="negatives is an option of click prediction; give task='click' too"):
        xcat_rec.bench(tmp_path, "sasrec", negatives="category")
