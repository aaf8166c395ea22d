"""`xcat bench` on a small data set: rows, resuming, comparisons and errors."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import xcat_rec
from xcat_rec.cli.app import main
from xcat_rec.evaluation.ranker_evaluation import evaluate_ranker
from xcat_rec.evaluation.slices import HISTORY_SLICES
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.tokenization.sequences.build import trained_items
from xcat_rec.tokenization.sources import load_shop
from xcat_rec.training.preparation.from_base import prepare_from_base
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.provenance import cpu_name, source_commit
from xcat_rec.workflows import bench as benching
from xcat_rec.workflows import bench_models, bench_worker
from xcat_rec.workflows.baseline_registry import BASELINES, UNSEEN
from xcat_rec.workflows.bench import run_model
from xcat_rec.workflows.bench_request import BenchRequest
from xcat_rec.workflows.fit import fit
from xcat_rec.workflows.fit_result import MODEL_NAME
from xcat_rec.workflows.results import user_key

from ..tiny_shop import CATEGORIES, COLD, ITEMS, TWINS, USERS, events_table, items_table, save_text_encoder, write_shop
from .commands import refused
from .commands import run as run_command
from .widths import check_width

FIELDS = {
    "split": "leave-one-out", "num_train_epochs": 1, "per_device_train_batch_size": 10, "hidden_size": 32,
    "intermediate_size": 64, "num_attention_heads": 2, "max_history": 8, "precision": "fp32", "use_cpu": True,
}  # fmt: skip
OPTIONS = [
    part
    for name, value in FIELDS.items()
    for part in ([f"--{name.replace('_', '-')}"] if value is True else [f"--{name.replace('_', '-')}", str(value)])
]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("bench")
    return write_shop(folder / "shop"), save_text_encoder(folder / "encoder")


def arguments(places: tuple[Path, Path], output: Path, models: str) -> list[str]:
    fixed = ["bench", str(places[0]), "--output", str(output), "--text-encoder", str(places[1])]
    return [*fixed, "--models", models, "--by-category", *OPTIONS]


def run(given: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(given)
    shown = capsys.readouterr()
    return int(stop.value.code or 0), shown.out, " ".join(shown.err.split())


@pytest.fixture(scope="module")
def benched(places: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    output = tmp_path_factory.mktemp("results") / "bench.json"
    xcat = Path(sys.executable).with_name("xcat")
    command = [str(xcat), *arguments(places, output, "popularity,item-knn,xcat"), "--seeds", "1", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1, done.stdout
    return output, json.loads(done.stdout), done.stderr


def test_rows_state_the_measurement_and_its_settings(benched):
    output, answer, shown = benched
    rows = json.loads(output.read_text())
    assert rows == answer["runs"]
    assert [(row["model"], row["seed"]) for row in rows] == [("popularity", 0), ("item-knn", 0), ("xcat", 0)]
    for row in rows:
        assert 0 <= row["metrics"]["ndcg@10"] <= row["metrics"]["recall@10"] <= 1
        assert row["slices"]["cold"]["num_targets"] > 0 and 0 <= row["lost_to_untrained"]["ndcg@10"] < 1
        assert sum(row["slices"][name]["num_targets"] for name in HISTORY_SLICES) == row["data"]["test_targets"]
        new, unseen = row["discover"], row["slices"]["unseen"]
        assert new["num_targets"] == unseen["num_targets"] == new["num_users"] > 20
        assert new["metrics"]["recall@10"] >= unseen["recall@10"] and new["metrics"].keys() == row["metrics"].keys()
        assert new["slices"]["cold"]["num_targets"] > 0 and "unseen" not in new["slices"]
        by_target = [part for part in row["by_category"] if part["source"] is None]
        assert {part["target"] for part in by_target} == {*CATEGORIES, "no category"}
        assert sum(part["num_targets"] for part in by_target) == row["data"]["test_targets"]
        assert row["fit_seconds"] >= 0 and row["evaluate_seconds"] >= 0 and row["peak_memory_mb"] > 50
        data = row["data"]
        assert (data["users"], data["items"], data["split"]) == (USERS, ITEMS, "leave-one-out")
        assert (data["tie_policy"], data["split_seed"], data["duplicate_texts"]) == ("file", 0, len(TWINS))
        assert row["machine"]["cpu"] == cpu_name() and row["machine"]["precision"] == "fp32"
        assert row["versions"].keys() == {"xcat_rec", "torch", "transformers", "python"}
    popular, knn, xcat = rows
    assert xcat["fit_seconds"] > 0 and xcat["evaluate_seconds"] > 0
    assert popular["validation"] is popular["epochs"] is None
    assert knn["config"]["model"] == {"neighbours": 100, "shrink": 0, "window": 10, "decay": 0.8, "history": True}
    assert xcat["epochs"] == 1 and xcat["validation"]["ndcg@10"] is not None
    assert xcat["validation"]["discover.ndcg@10"] is not None
    assert xcat["config"]["model"]["hidden_size"] == 32 and "hidden_dropout" not in xcat["config"]["model"]
    assert xcat["config"]["training"]["per_device_train_batch_size"] == 10
    assert "NaN" not in output.read_text() and str(output.parent.parent) not in output.read_text()
    check_width(shown)
    for row in rows:
        lines = [line for line in shown.splitlines() if line.split()[:3] == ["switch", "ndcg@10", row["model"]]]
        for line, found in zip(lines, (row, row["discover"]), strict=True):
            assert f" {found['slices']['switch']['ndcg@10']:.4f} " in line and "-0." in line, line
    for word in ("item-knn", "seed 0 (3 of 3)", "switch", "cold", "95 % interval"):
        assert word in shown


def test_a_run_has_the_metrics_of_fit(places, tmp_path):
    """The evaluated recommender has the items after training, not before."""
    fields = {**FIELDS, "num_train_epochs": 3, "learning_rate": 0.01, "text_encoder": str(places[1])}
    row = run_model(BenchRequest("xcat", data=str(places[0]), fields=fields), tmp_path / "run").row
    fitted = fit(places[0], tmp_path / "checkpoint", card=None, **fields)
    report = fitted.reports[MODEL_NAME]
    assert row["metrics"] == pytest.approx(report.metrics)
    assert report.discover is not None and row["discover"]["metrics"] == pytest.approx(report.discover.metrics)


@pytest.mark.usefixtures("runs_here")
def test_roles_of_event_types_are_said_once(places, tmp_path, capsys):
    events = pl.read_csv(places[0] / "events.csv")
    kinds = pl.Series("event_type", ["buy", "buy", "view", "return"]).gather(pl.arange(events.height, eager=True) % 4)
    events.with_columns(kinds).write_csv(tmp_path / "events.csv")
    (tmp_path / "items.csv").write_bytes((places[0] / "items.csv").read_bytes())
    output = tmp_path / "bench.json"
    code, _, shown = run(
        ["bench", str(tmp_path), "--models", "popularity,repeat-purchase", "--output", str(output)], capsys
    )
    assert code == 0, shown
    assert shown.count("event types: buy (predicted); view (context only); return (negative, context only)") == 1
    for row in json.loads(output.read_text()):
        assert row["data"]["event_roles"] == {"buy": "target", "view": "context", "return": "negative"}


def test_values_of_single_users_lie_beside(benched):
    output, answer, _ = benched
    with np.load(output.with_suffix(".users.npz")) as arrays:
        users = {name: arrays[name] for name in arrays.files}
    for row in answer["runs"]:
        for name in ("recall@10", "ndcg@10"):
            values = users[user_key(row["model"], row["seed"], name)]
            assert len(values) == row["data"]["test_users"]
            assert np.nanmean(values) == pytest.approx(row["metrics"][name], abs=1e-6)
            new = users[user_key(row["model"], row["seed"], f"discover.{name}")]
            assert np.nanmean(new) == pytest.approx(row["discover"]["metrics"][name], abs=1e-6)
            cold = users[user_key(row["model"], row["seed"], f"slices.cold.{name}")]
            assert np.nanmean(cold) == pytest.approx(row["slices"]["cold"][name], abs=1e-6)
            lost = users[user_key(row["model"], row["seed"], f"lost_to_untrained.{name}")]
            assert not np.isnan(lost).all() and np.nanmin(lost) >= 0
    (one,) = answer["comparisons"]
    best = max(answer["runs"][:2], key=lambda row: row["metrics"]["ndcg@10"])
    assert (one["model"], one["baseline"], one["metric"]) == ("xcat", best["model"], "ndcg@10")
    difference = answer["runs"][2]["metrics"]["ndcg@10"] - best["metrics"]["ndcg@10"]
    assert one["difference"] == pytest.approx(difference, abs=1e-6)
    assert one["low"] <= one["difference"] <= one["high"]
    new = one["discover"]
    best = max(answer["runs"][:2], key=lambda row: row["discover"]["metrics"]["ndcg@10"])
    assert (new["model"], new["baseline"], new["metric"]) == ("xcat", best["model"], "discover.ndcg@10")
    difference = answer["runs"][2]["discover"]["metrics"]["ndcg@10"] - best["discover"]["metrics"]["ndcg@10"]
    assert new["difference"] == pytest.approx(difference, abs=1e-6) and new["users"] < one["users"] + 1


def test_resume_adds_missing_runs(benched, places, tmp_path, capsys):
    source = benched[0]
    output = tmp_path / "bench.json"
    rows = json.loads(source.read_text())
    rows[0]["fit_seconds"] = 123.0
    output.write_text(json.dumps([rows[0], rows[2]]))
    output.with_suffix(".users.npz").write_bytes(source.with_suffix(".users.npz").read_bytes())
    given = [*arguments(places, output, "popularity,item-knn,xcat"), "--seeds", "1"]
    code, _, shown = run(given, capsys)
    assert code == 2 and "give --resume to continue" in shown
    code, _, shown = run([*given, "--cold-items", "0.2", "--resume"], capsys)
    assert code == 2 and "popularity, seed 0" in shown and "another --cold-items, --cold-policy" in shown
    code, out, shown = run([*given, "--json", "--resume"], capsys)
    assert code == 0, shown
    assert "popularity, seed 0 (1 of 3): already in the file" in shown
    again = json.loads(output.read_text())
    assert [row["model"] for row in again] == ["popularity", "xcat", "item-knn"]
    assert again[0]["fit_seconds"] == 123.0 and again[2]["metrics"] == rows[1]["metrics"]
    assert json.loads(out.splitlines()[-1])["comparisons"] == benched[1]["comparisons"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bench.json", "bench.users.npz"]


@pytest.mark.usefixtures("runs_here")
def test_resume_refuses_another_test_split(places, tmp_path, capsys):
    data, output = write_shop(tmp_path / "shop"), tmp_path / "bench.json"
    given = [*arguments((data, places[1]), output, "popularity"), "--seeds", "1"]
    code, _, shown = run(given, capsys)
    assert code == 0, shown
    before = output.read_bytes()
    events = events_table()
    user = pl.col("user_id") == "user-07"
    other = pl.when(user & (pl.col("timestamp") == pl.col("timestamp").filter(user).max()))
    events.with_columns(other.then(pl.lit("item-05")).otherwise("item_id").alias("item_id")).write_csv(
        data / "events.csv"
    )
    more = [*arguments((data, places[1]), output, "popularity,item-knn"), "--seeds", "1", "--resume"]
    code, out, shown = run(more, capsys)
    assert code == 2 and not out
    words = ("the events table of shop differs from that of the other runs in the file", "another --output")
    assert all(word in shown for word in words), shown
    (row,) = json.loads(before)
    del row["data"]["hashes"]  # as rows were written before they had hashes of the tables
    output.write_text(json.dumps([row]))
    before = output.read_bytes()
    code, out, shown = run(more, capsys)
    assert code == 2 and not out
    digest = row["data"]["judged"]
    words = (
        "the test split of shop, 60 users, differs from the test split",
        f"{digest[:12]} in the file",
        "another --output",
    )
    assert all(word in shown for word in words), shown
    assert output.read_bytes() == before
    del row["data"]["judged"]  # as rows were written before they had a fingerprint
    output.write_text(json.dumps([row]))
    code, _, shown = run(more, capsys)
    assert code == 0, shown
    assert ["judged" in row["data"] for row in json.loads(output.read_text())] == [False, True]


REFUSED = {
    "no such model": (["--models", "popularity,bert5rec"], ["'bert5rec'", "item-knn", "sasrec", "xcat-no-id"]),
    "no model": (["--models", ","], ["--models", "popularity,"]),
    "no seeds": (["--seeds", "0"], ["--seeds is 0"]),
    "one seed": (["--seed", "3"], ["--seed 3", "--seeds N", "--split-seed S"]),
    "no such field": (["--hiden-size", "64"], ["--hiden-size", "--hidden-size"]),
    "sizes do not fit": (["--hidden-size", "30", "--models", "xcat"], ["--hidden-size", "30"]),
    "no epochs": (["--num-train-epochs", "0", "--models", "xcat"], ["--num-train-epochs", "0"]),
    "too cold": (["--cold-items", "0.7"], ["--cold-items is 0.7", "0 to 0.5"]),
    "no such policy": (["--cold-items", "0.1", "--cold-policy", "oldest"], ["'oldest'", "random, newest"]),
    "no JSON": (["--output", "bench.csv"], ["bench.csv", ".json"]),
    "nothing to begin with": (["--models", "xcat-zero-shot"], ["'xcat-zero-shot'", "--base CHECKPOINT"]),
    "nothing that begins": (["--base", "old"], ["--base old", "xcat-fine-tuned", "--models"]),
    "no such base": (["--models", "xcat-fine-tuned", "--base", "./old"], ["./old"]),
    "no such folder": (["--output", "nowhere/bench.json"], ["nowhere", "make it first"]),
}


@pytest.mark.parametrize(("options", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_bad_options_are_refused_before_any_run(options, words, places, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bench_models, "run_in_process", lambda request: pytest.fail("a run was begun"))
    models = [] if "--models" in options else ["--models", "popularity"]
    code, out, shown = run(["bench", str(places[0]), *models, *options], capsys)
    assert code == 2 and not out and "Traceback" not in shown
    assert all(word in shown for word in words), shown
    assert not list(tmp_path.iterdir())


def test_the_list_of_models_fits_a_terminal_and_needs_no_data(capsys):
    code, out, shown = run(["bench", "--list-models"], capsys)
    assert code == 0 and not shown
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80 and {"bert4rec", "lstm", "gru4rec", "popularity (one run)"} <= set(lines)
    code, out, shown = run(["bench", "--list-models", "--json"], capsys)
    assert code == 0 and not shown
    assert json.loads(out)["models"] == [model.to_dict() for model in xcat_rec.list_models()]


def test_no_such_data(tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, shown = run(["bench", "no-shop", "--models", "popularity"], capfd)
    assert code == 2 and not out
    assert "xcat: error: DATA no-shop does not exist" in shown and "Traceback" not in shown
    assert not list(tmp_path.iterdir())


def test_a_process_that_fails_ends_the_command(places, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "broken"))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "sitecustomize.py").write_text("import os\nos._exit(7)\n")
    code, out, shown = run(["bench", str(places[0]), "--models", "popularity"], capfd)
    assert code == 1 and not out
    assert "popularity, seed 0: its process ended with exit code 7" in shown
    assert not (tmp_path / "bench.json").exists()


def test_a_run_ends_with_its_parent(tmp_path):
    """A child exits when its standard input closes, whatever it is doing."""
    code = (
        "import sys, threading, time\nfrom pathlib import Path\nfrom xcat_rec.workflows import bench_worker\n"
        "watch = {'target': bench_worker._end_with_parent, 'args': (Path(sys.argv[1]),), 'daemon': True}\n"
        "threading.Thread(**watch).start()\ntime.sleep(60)\n"
    )
    folder = tmp_path / "run"
    folder.mkdir()
    child = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    begin = time.monotonic()
    assert child.stdin is not None
    child.stdin.close()
    assert child.wait(timeout=50) == bench_worker.FAILED
    assert child.stderr is not None and not child.stderr.read()
    assert time.monotonic() - begin < 50 and not folder.exists()


def request_of(places: tuple[Path, Path], model: str, **fields: Any) -> BenchRequest:
    encoder = {"text_encoder": str(places[1])}
    return BenchRequest(model, data=str(places[0]), fields={**FIELDS, **encoder, **fields})


def test_every_baseline_runs_and_cold_items_make_cold_targets(places, tmp_path):
    found = {}
    for name in BASELINES:
        warm, cold = (
            run_model(request_of(places, name, **fields), tmp_path).row
            for fields in ({}, {"cold_items": 0.4, "cold_policy": "random"})
        )
        assert (warm["data"]["cold_items"], cold["data"]["cold_items"]) == (0, 0.4)
        found[name] = cold
        assert cold["data"]["test_targets"] == warm["data"]["test_targets"]
        assert cold["slices"]["cold"]["num_targets"] > 2 * warm["slices"]["cold"]["num_targets"] > 0
    assert len({row["slices"]["cold"]["num_targets"] for row in found.values()}) == 1
    assert found["item-knn"]["slices"]["cold"]["recall@10"] == 0
    for name in ("item-knn", "item-regression", "text-knn"):
        unseen = found[name + UNSEEN]
        assert (found[name]["config"]["model"]["history"], unseen["config"]["model"]["history"]) == (True, False)
        assert unseen["slices"]["unseen"]["recall@10"] >= found[name]["slices"]["unseen"]["recall@10"]
        assert unseen["discover"] == found[name]["discover"], "the evaluation leaves the history out of every model"
    for row in found.values():
        assert row["discover"]["num_targets"] == row["slices"]["unseen"]["num_targets"]
    assert found["repeat-purchase"]["discover"] == found["popularity"]["discover"]
    assert found["popularity-recent"]["config"]["model"]["weeks"] >= 1
    assert not list(tmp_path.iterdir()), "only a trainer writes"


def test_a_split_seed_draws_other_cold_items_whatever_the_seed(places, tmp_path):
    def cold(seed: int, **fields: Any) -> dict[str, Any]:
        request = replace(request_of(places, "popularity", cold_items=0.4, **fields), seed=seed)
        row = run_model(request, tmp_path).row
        assert row["data"]["split_seed"] == fields.get("split_seed", 0)
        return row["slices"]["cold"]

    assert cold(0) == cold(5) == cold(0, split_seed=0)
    assert cold(0, split_seed=3) == cold(3, split_seed=3) != cold(0)


def test_item_features_that_are_asked_for_go_before_a_recipe_s_none(places, tmp_path):
    found = run_model(request_of(places, "sasrec", item_features="brand"), tmp_path).row
    assert found["config"]["model"]["item_features"] == {"brand": 4}
    assert "item_features" not in run_model(request_of(places, "sasrec"), tmp_path).row["config"]["model"]


@pytest.fixture(scope="module")
def old_and_new(places, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A checkpoint, and another data set with the same texts under other ids."""
    folder = tmp_path_factory.mktemp("transfer")
    base = folder / "old"
    with pytest.raises(SystemExit) as stop:
        main(["fit", str(places[0]), "--output", str(base), "--text-encoder", str(places[1]), "--no-card", *OPTIONS])
    assert not stop.value.code
    shop = folder / "new"
    shop.mkdir()
    items_table().with_columns(pl.col("item_id").str.replace("item", "new")).write_csv(shop / "items.csv")
    events_table(30, seed=1).with_columns(pl.col("item_id").str.replace("item", "new")).write_csv(shop / "events.csv")
    return base, shop


@pytest.mark.usefixtures("runs_here")
def test_a_checkpoint_of_another_data_set_unchanged_and_fine_tuned(places, old_and_new, tmp_path, capfd):
    base, shop = old_and_new
    output = tmp_path / "bench.json"
    command = ["bench", str(shop), "--output", str(output), "--models", "xcat-zero-shot", "--seeds", "2"]
    code, _, shown = run([*command, "--base", str(base), "--text-encoder", str(places[1]), *OPTIONS], capfd)
    assert code == 0, shown
    assert "40 of 40 items are new to the base; 40 of the base's are dropped" in shown
    (zero,) = json.loads(output.read_text())
    assert zero["options"]["base"] == "old" and zero["config"]["base"] == {"name": "old", "commit": None}
    assert zero["config"]["training"] == {} and zero["config"]["model"]["hidden_size"] == 32
    assert (zero["epochs"], zero["seed"]) == (0, 0) and zero["fit_seconds"] < 0.1

    # The base with only the new catalogue: no counts or ids of the new data, item-to-item weights from its texts.
    prepared, _ = prepare_from_base(
        load_shop(str(shop)), PreparationOptions(split="leave-one-out"), str(base), recount=False
    )
    assert not prepared.model.model.items.item_counts.any()
    assert prepared.model.model.neighbors.similarities.any() and prepared.model.config.neighbor_history
    expected = evaluate_ranker(
        XCatRecommender(prepared.model, prepared.processor), prepared.splits["test"], prepared.processor.catalogue,
        trained=trained_items(prepared.splits["train"], ITEMS + 2),
    )  # fmt: skip
    assert zero["metrics"] == pytest.approx(expected.metrics, abs=1e-6)
    assert zero["slices"]["cold"]["num_targets"] == expected.slices["cold"]["num_targets"]

    request = BenchRequest("xcat-fine-tuned", data=str(shop), fields={**FIELDS, "num_train_epochs": 2}, base=str(base))
    tuned = run_model(request, tmp_path).row
    assert tuned["epochs"] == 2 and tuned["metrics"] != zero["metrics"]
    assert tuned["config"]["training"]["num_train_epochs"] == 2 and tuned["config"]["base"]["name"] == "old"


def test_a_base_with_its_items_first_is_evaluated_on_the_same_data(old_and_new, tmp_path):
    shop = write_shop(tmp_path / "shop", 20)
    items_table().reverse().write_csv(shop / "items.csv")
    counted = run_model(BenchRequest("popularity", data=str(shop), fields=FIELDS), tmp_path).row["data"]["judged"]
    request = BenchRequest("xcat-zero-shot", data=str(shop), fields=FIELDS, base=str(old_and_new[0]), judged=counted)
    assert run_model(request, tmp_path).row["data"]["judged"] == counted


def test_options_that_contradict_the_base_are_refused_before_any_run(old_and_new, tmp_path, capsys):
    base, shop = old_and_new
    command = ["bench", str(shop), "--models", "popularity,xcat-fine-tuned", "--base", str(base)]
    output = tmp_path / "bench.json"
    code, _, shown = run([*command, "--output", str(output), "--hidden-size", "64"], capsys)
    assert code == 2 and "--hidden-size is 64, but 32 in the base" in shown and not output.exists()


def test_a_category_column_of_lists_is_refused_before_training(places, tmp_path, monkeypatch):
    shop = write_shop(tmp_path / "shop", 10, "parquet")
    items_table().with_columns(pl.concat_list("brand", "category").alias("tags")).write_parquet(shop / "items.parquet")
    monkeypatch.setattr(benching, "split_shop", lambda *given: pytest.fail("there is work done"))
    request = BenchRequest("popularity", data=str(shop), fields=FIELDS, category_column="tags")
    with pytest.raises(ValueError, match=r"column tags contains .*list.*, not one value per item; choose one of"):
        run_model(request, tmp_path)


def test_options_of_rows_name_no_folder(places):
    request = request_of(places, "xcat", cache_dir="/somewhere/states")
    assert request.options["data"] == "shop" and request.options["text_encoder"] == "encoder"
    assert str(places[0].parent) not in json.dumps(request.options) and "cache_dir" not in request.options


def test_the_commit_is_that_of_the_package_s_own_checkout(tmp_path):
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    assert source_commit(package) is None
    subprocess.run([*git, "init", "-q"], check=True)
    assert source_commit(package) is None, "it lies below a checkout that does not hold it"
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "one"], check=True)
    commit = source_commit(package)
    assert commit is not None and len(commit) == 40
    (package / "__init__.py").write_text("x = 1\n")
    assert source_commit(package) == f"{commit}-dirty"


def test_the_table_for_documents(benched, capsys, monkeypatch):
    script = Path(__file__).parent.parent.parent / "benchmarks" / "tables.py"

    def printed(*options: str) -> list[str]:
        monkeypatch.setattr(sys, "argv", [str(script), str(benched[0]), *options])
        runpy.run_path(str(script), run_name="__main__")
        return capsys.readouterr().out.splitlines()

    lines = printed()
    assert lines[0].startswith("**shop**, leave-one-out: 60 users, 40 items")
    assert lines[2].startswith("| model | seeds | Recall@10 | NDCG@10 | switch Recall@10")
    assert [line.split(" | ")[0] for line in lines[4:7]] == ["| popularity", "| item-knn", "| xcat"]
    assert lines[8].startswith("Discovery, ") and lines[10].startswith(
        "| model | seeds | Recall@10 | NDCG@10 | switch"
    )
    assert [line.split(" | ")[0] for line in lines[12:]] == ["| popularity", "| item-knn", "| xcat"]
    new = benched[1]["runs"][2]["discover"]["metrics"]["ndcg@10"]
    assert f"{new:.4f}" in lines[14] and "unseen" not in lines[10]
    ndcg = benched[1]["runs"][2]["metrics"]["ndcg@10"]
    assert f"{ndcg:.4f}" in lines[6] and len({line.count("|") for line in lines[2:7]}) == 1
    assert COLD == 39 and "cold NDCG@10" in lines[2] and "lost_to_untrained NDCG@10" in lines[2]
    assert "history" not in lines[2]
    title = printed("--by-history")[2]
    assert "| history_0_5 NDCG@10 |" in title and "| history_6_10 NDCG@10 |" in title
    assert "history_11_20" not in title and "switch" not in title


@pytest.mark.usefixtures("runs_here")
def test_fields_are_read_from_the_file_of_fit(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fit.yaml").write_text("split: leave-one-out\nmin_user_events: 3\ncard:\n  license: mit\n")
    asked = ["bench", str(write_shop(tmp_path / "shop", 10)), "--models", "popularity", "--config", "fit.yaml"]
    told = run_command([*asked, "--json"], capsys)
    assert told["runs"][0]["data"]["split"] == "leave-one-out" and told["runs"][0]["options"]["min_user_events"] == 3
    refused([*asked, "--min-user-events", "-1", "--output", "again.json"], capsys, ["--min-user-events is -1"])
    (tmp_path / "fit.yaml").write_text("hiden_size: 64\n")
    refused([*asked, "--output", "again.json"], capsys, ["--hiden-size", "--hidden-size"])
