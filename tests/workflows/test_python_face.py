"""The functions of the Python face: fit, evaluate, bench, prepare, inspect, push, add_items, load."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import xcat_rec
from xcat_rec.cli.app import main
from xcat_rec.evaluation import METRICS
from xcat_rec.model_cards.results import overall_limits
from xcat_rec.modeling_xcat.saving_xcat import CARD_FILE
from xcat_rec.workflows.output_folders import PAGE

from ..tiny_shop import QUICK, SMALL, save_text_encoder, shop, write_shop

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("face")
    return write_shop(folder / "shop"), str(save_text_encoder(folder / "encoder"))


@pytest.fixture(scope="module")
def fitted(places: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> xcat_rec.FitResult:
    output = tmp_path_factory.mktemp("fitted") / "checkpoint"
    fields: dict[str, Any] = {**SMALL, **QUICK, "num_train_epochs": 2, "text_encoder": places[1]}
    return xcat_rec.fit(shop(), output, card={"license": "mit"}, **fields)


def test_fit_saves_what_it_returns(fitted, capsys):
    metrics = fitted.reports["XCat"].metrics
    again = xcat_rec.evaluate(fitted.output, shop())
    assert again.report.metrics["ndcg@10"] == pytest.approx(metrics["ndcg@10"])
    assert set(again.baselines) < set(fitted.reports)
    card = (fitted.output / "README.md").read_text()
    assert "license: mit" in card and "language: en\n" in card and "| Language of the texts | en |" in card
    capsys.readouterr()
    loaded = xcat_rec.load(fitted.output)
    assert not any(capsys.readouterr())
    found = [item.item_id for item in loaded.recommend(["item-01", "item-08"], k=3)]
    assert found == [item.item_id for item in fitted.recommender.recommend(["item-01", "item-08"], k=3)]


def test_results_are_printed_as_tables(fitted):
    ndcg = fitted.reports["XCat"].metrics["ndcg@10"]
    shown = str(fitted)
    assert "| model | recall@10 | ndcg@10 | mrr@10 | coverage@10 |" in shown and f"| {ndcg:.4f} |" in shown
    assert shown.endswith(f"checkpoint: {fitted.output}") and repr(fitted) == shown
    again = str(xcat_rec.evaluate(fitted.output, shop()))
    assert f"| {ndcg:.4f} |" in again and "| popularity |" in again and len(again) < 3000
    audited = xcat_rec.audit(fitted.output, shop(), draws=0)
    assert f"| XCat | {audited.purposes['next'].models['XCat'].quality.mean:.4f} |" in str(audited)
    assert all(one.text in str(audited) for one in audited.findings)
    inspected = str(xcat_rec.inspect(shop()))
    assert "Sizes:\n  " in inspected and len(inspected) < 5000


def test_progress_goes_to_the_caller_alone(places, tmp_path, capsys):
    told: list[str] = []
    fields = {**SMALL, **QUICK, "max_steps": 1, "text_encoder": places[1]}
    xcat_rec.fit(str(places[0]), tmp_path / "out", card=None, tell=told.append, **fields)
    assert told[0] == "preparing shop ..." and any("parameters" in line for line in told)
    assert not any(capsys.readouterr()) and not (tmp_path / "out" / "README.md").exists()


def test_a_model_that_is_no_better_than_a_baseline_is_named(places, tmp_path):
    told: list[str] = []
    fields = {**SMALL, **QUICK, "max_steps": 1, "text_encoder": places[1], "num_neighbors": 0}
    result = xcat_rec.fit(str(places[0]), tmp_path / "out", card=None, tell=told.append, **fields)
    limits = overall_limits(result.reports, "XCat")
    assert limits and all("item-knn" in limit for limit in limits)
    start = "note: the trained model was compared with baselines on the test split. "
    assert [line.removeprefix(start) for line in told if line.startswith(start)] == limits


def test_add_items_writes_another_checkpoint(fitted, tmp_path, capsys):
    new = pl.DataFrame({"item_id": ["new"], "title": ["tents number 3"], "brand": ["brand 1"], "category": ["tents"]})
    grown = xcat_rec.add_items(fitted.output, new, tmp_path / "grown", cold_boost=0.5)
    assert not any(capsys.readouterr())
    assert (grown.added.new, grown.added.items, grown.cold_boost) == (1, 41, 0.5)
    assert "new" in xcat_rec.load(tmp_path / "grown").vocabulary.table["item_id"].to_pylist()


def test_a_base_is_a_text_or_a_path(fitted, tmp_path):
    options = {**QUICK, "max_steps": 1, "card": None, "base": fitted.output}
    assert xcat_rec.fit(shop(), tmp_path / "tuned", **options).output == tmp_path / "tuned"
    with pytest.raises(ValueError, match="is the base itself"):
        xcat_rec.fit(shop(), fitted.output, overwrite=True, **options)


def test_the_log_of_the_review_goes_with_the_decisions(fitted, tmp_path):
    before = xcat_rec.load(fitted.output).policy
    own = xcat_rec.review(fitted.output)
    own.apply("standard")
    own.block("item-01", by="Ada", reason="recalled")
    try:
        xcat_rec.add_items(fitted.output, {"item_id": ["new"], "title": ["t"], "brand": ["b"]}, tmp_path / "grown")
        assert [one.item_id for one in xcat_rec.review(tmp_path / "grown").verify()] == ["item-01"]
    finally:
        own.apply("off")
        (fitted.output / "review.jsonl").unlink()
    assert before is None


def test_prepare_and_inspect_read_the_same_tables(places, tmp_path, capsys):
    prepared = xcat_rec.prepare(places[0], tmp_path / "prepared", min_user_events=7)
    counted = xcat_rec.inspect(places[0], tmp_path / "report")
    assert prepared.manifest["users"] < counted.users == 60
    assert xcat_rec.inspect(places[0], tmp_path / "report").users == 60, "an earlier report is replaced"
    assert (tmp_path / "report" / PAGE).is_file() and (tmp_path / "report" / CARD_FILE).is_file()
    assert not any(capsys.readouterr())


def test_bench_gives_runs_and_means(places, tmp_path, capfd):
    told: list[str] = []
    file = tmp_path / "bench.json"
    file.write_text("of an earlier run")
    with pytest.raises(ValueError, match="holds an earlier result; give resume=True to continue it, overwrite=True"):
        xcat_rec.bench(places[0], ["popularity"], output=file)
    result = xcat_rec.bench(places[0], ["popularity"], output=file, overwrite=True, tell=told.append)
    assert json.loads(file.read_text()) == [run.row for run in result.runs]
    assert told == ["popularity, seed 0 (1 of 1) ..."] and not result.comparisons
    assert not any(capfd.readouterr())
    recall = result.runs[0].row["metrics"]["recall@10"]
    assert result.mean("recall@10") == {"popularity": recall}
    assert str(result).splitlines()[2].startswith(f"| popularity | 1 | {recall:.4f} | ")


@pytest.mark.usefixtures("runs_here")
def test_bench_writes_the_file_of_the_command(places, tmp_path):
    data = str(places[0])
    python, command = tmp_path / "python.json", tmp_path / "command.json"
    models, columns = "popularity, repeat-purchase", {"category": "brand"}
    result = xcat_rec.bench(data, models, output=python, columns=columns)
    with pytest.raises(SystemExit) as stop:
        main(["bench", data, "--models", models, "--output", str(command), "--columns", "category=brand"])
    assert not stop.value.code and sorted(path.name for path in tmp_path.iterdir()) == [
        "command.json", "command.users.npz", "python.json", "python.users.npz",
    ]  # fmt: skip
    rows, other = json.loads(python.read_text()), json.loads(command.read_text())
    measured = {"fit_seconds", "prepare_seconds", "evaluate_seconds", "peak_memory_mb"}
    assert [list(row) for row in rows] == [list(row) for row in other]
    for row, same in zip(rows, other, strict=True):
        assert {k: v for k, v in row.items() if k not in measured} == {
            k: v for k, v in same.items() if k not in measured
        }
    with np.load(tmp_path / "python.users.npz") as ours, np.load(tmp_path / "command.users.npz") as theirs:
        assert ours.files == theirs.files
        for name in ours.files:
            np.testing.assert_array_equal(ours[name], theirs[name])
    told: list[str] = []
    again = xcat_rec.bench(data, models, output=python, resume=True, columns=columns, tell=told.append)
    assert all("already in the file" in line for line in told) and len(told) == 2
    assert again.to_dict() == result.to_dict()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda folder: xcat_rec.fit(shop(), folder / "x", hiden_size=3),
            "hiden_size is not a field of .*did you mean hidden_size",
        ),
        (lambda folder: xcat_rec.fit(shop(), folder / "x", epoch=3), "; did you mean num_train_epochs\\?"),
        (lambda folder: xcat_rec.fit(shop(), folder / "x", lr=3), "; did you mean learning_rate\\?"),
        (
            lambda folder: xcat_rec.fit(shop(), folder / "x", on_missing_users="drop"),
            "; did you mean missing_users\\?",
        ),
        (lambda folder: xcat_rec.fit(shop(), folder / "x", colums={}), "; did you mean columns"),
        (lambda folder: xcat_rec.bench(folder, epochs=3), "; did you mean num_train_epochs\\?"),
        (lambda folder: xcat_rec.bench(folder, sed=1), "; did you mean .*seed"),
        (
            lambda folder: xcat_rec.evaluate(folder, shop(), splitt="auto"),
            "evaluate has no argument 'splitt'; did you mean split",
        ),
        (
            lambda folder: xcat_rec.inspect(shop(), tie_polcy="file"),
            "inspect has no argument 'tie_polcy'; did you mean tie_policy",
        ),
        (
            lambda folder: xcat_rec.prepare(shop(), min_user_event=5),
            "prepare has no argument .*did you mean min_user_events",
        ),
        (lambda folder: xcat_rec.prepare(shop(), overwrit=True), "; did you mean overwrite\\?"),
        (lambda folder: xcat_rec.fit(shop(), folder / "x", columns="item_id=sku"), "give columns= to load_shop"),
        (lambda folder: xcat_rec.fit(folder, folder / "x", columns=1), "columns has the type int; give a mapping"),
        (lambda folder: xcat_rec.inspect(shop(), encoding="cp1252"), "give encoding= to load_shop"),
        (lambda folder: xcat_rec.prepare(shop(), folder / "x", items=pl.DataFrame()), "give items= to load_shop"),
        (lambda folder: xcat_rec.fit(shop(), folder / "x", peft="lora"), "peft='lora' .* base="),
        (lambda folder: xcat_rec.fit(shop(), folder / "x", resume=True), "resume=True: .* no unfinished training"),
        (lambda folder: xcat_rec.fit(shop(), folder / "x", card_baselines=["xcat"]), "card_baselines has 'xcat'"),
        (lambda folder: xcat_rec.fit(shop(), folder / "x", push_to_hub=True), "hub_model_id="),
        (lambda folder: xcat_rec.fit(shop(), folder), "output=.* is not empty"),
        (lambda folder: xcat_rec.bench(folder, ["xcat-zero-shot"]), "starts from a checkpoint; give base="),
        (lambda folder: xcat_rec.bench(folder, ["sasrec"], seeds=0), "seeds is 0"),
        (lambda folder: xcat_rec.bench(folder, ["sasrec"], seed=3), "seed is 3; give seeds="),
        (lambda folder: xcat_rec.bench(folder, ["sasrec"], resume=True), "name it: output='bench.json'"),
        (lambda folder: xcat_rec.bench(shop()), "already loaded, and each run reads the tables in its own process"),
        (lambda folder: xcat_rec.bench(folder, columns=3), "columns has the type int; give a mapping"),
        (lambda folder: xcat_rec.load_shop(folder, columns=["sku"]), "columns has the type list; give a mapping"),
        (lambda folder: xcat_rec.load_shop(folder, columns={"item": "sku"}), "columns has 'item'; names are item_id"),
        (lambda folder: xcat_rec.load_shop(folder, columns={"item_id": 3}), "columns has 3 for item_id; give the"),
        (lambda folder: xcat_rec.inspect(shop(), folder / "file"), "output=.* is a file"),
        (lambda folder: xcat_rec.push(folder, "name"), "give NAMESPACE/NAME"),
    ],
)
def test_errors_name_arguments_not_options(call, words, tmp_path):
    (tmp_path / "file").write_text("something else")
    with pytest.raises(ValueError, match=words) as refused:
        call(tmp_path)
    assert not re.search(r"(?<!\w)--\w", str(refused.value))


def test_no_error_of_a_workflow_names_an_option():
    for path in (ROOT / "workflows").glob("*.py"):
        for error in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Raise)):
            assert not re.search(r"(?<!\w)--\w", ast.unparse(error)), f"{path.name}: {ast.unparse(error)}"


def test_evaluate_names_the_folder_that_is_not_a_checkpoint(fitted, tmp_path):
    with pytest.raises(OSError, match=f"{tmp_path} is not a checkpoint: it has no config.json; give a folder"):
        xcat_rec.evaluate(tmp_path)
    (tmp_path / "training" / "checkpoint-4").mkdir(parents=True)
    (tmp_path / "training" / "checkpoint-4" / "trainer_state.json").write_text("{}")
    with pytest.raises(OSError, match=r"not a checkpoint yet: it holds an unfinished training; .*, and resume=True$"):
        xcat_rec.evaluate(tmp_path)
    with pytest.raises(ValueError, match="no events table was given; give data="):
        xcat_rec.evaluate(fitted.output)


@pytest.mark.parametrize(
    ("page", "words"), [("docs/design.md", "precision@10"), ("docs/python.md", "export = events")]
)
def test_examples_of_the_pages_run(page, words, places, fitted, tmp_path, monkeypatch, capsys):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    (code,) = [block for block in blocks if words in block]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my-shop").symlink_to(places[0])
    (tmp_path / "CKPT").symlink_to(fitted.output)
    try:
        exec(compile(code, page, "exec"), {"__name__": "example"})
    finally:
        METRICS.pop("precision", None)
    assert capsys.readouterr().out
