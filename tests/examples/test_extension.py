"""`examples/extension`: custom parts through public names alone, in training, evaluation, serving and saving."""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from xcat_rec import (
    PreparationOptions,
    XCatConfig,
    XCatRecommender,
    XCatTrainer,
    XCatTrainingArguments,
    evaluate,
    evaluate_ranker,
    fit,
    prepare,
    prepare_training,
)
from xcat_rec.cli.app import main
from xcat_rec.evaluation import METRICS
from xcat_rec.modeling_xcat import FUSION_BLOCKS, MEMORY_SOURCES
from xcat_rec.tokenization.sequences import SPLITS, EventOptions, Split, register_split
from xcat_rec.tokenization.sources import load_shop

from ..cli.commands import run
from ..fresh_processes import run_program
from ..tiny_shop import QUICK, SMALL, save_text_encoder, shop, write_shop

FOLDER = Path(__file__).parents[2] / "examples" / "extension"
CODE = FOLDER / "xcat_extension" / "__init__.py"
SPLIT, METRIC, MONTH = "xcat_extension:last-days", "xcat_extension:precision", 30 * 86_400


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch):
    """The package can be imported, here and in other processes; its parts leave the registries afterwards."""
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(FOLDER), *filter(None, [os.environ.get("PYTHONPATH")])]))
    kept = [(registry, dict(registry)) for registry in (FUSION_BLOCKS, MEMORY_SOURCES, METRICS, SPLITS)]
    names = list(FUSION_BLOCKS.names), list(MEMORY_SOURCES.names)
    yield
    sys.modules.pop("xcat_extension", None)
    for registry, before in kept:
        registry.clear()
        registry.update(before)
    FUSION_BLOCKS.names[:], MEMORY_SOURCES.names[:] = names


@pytest.fixture
def extension(importable):
    """The package as its user imports it."""
    import xcat_extension

    return xcat_extension


def test_it_is_short_and_uses_public_names() -> None:
    assert (
        sum(len(path.read_text().splitlines()) for path in FOLDER.rglob("*") if path.suffix in (".py", ".toml")) < 120
    )
    for node in ast.walk(ast.parse(CODE.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("xcat_rec"):
            room = sys.modules.get(node.module) or __import__(node.module, fromlist=["__all__"])
            assert {alias.name for alias in node.names} <= set(room.__all__), f"{node.module} does not export these"


def test_its_parts_are_trained_evaluated_served_and_saved(extension, tmp_path: Path) -> None:
    config = {**SMALL, "fusion_block": "gated", "memory_sources": ["item_text", "event_items"]}
    encoder = str(save_text_encoder(tmp_path / "encoder"))
    prepared = prepare_training(shop(), PreparationOptions(text_encoder=encoder, config=config))
    model, processor, splits = prepared.model, prepared.processor, prepared.splits
    fusion = model.model.fusion
    before = [
        fusion.layers[0].gate.weight.detach().clone(),
        fusion.sources["event_items"].projection.weight.detach().clone(),
    ]
    args = XCatTrainingArguments(output_dir=str(tmp_path / "run"), **{**QUICK, "num_train_epochs": 1})
    XCatTrainer(model, args, splits["train"], splits["validation"], processor).train()
    assert not torch.equal(fusion.layers[0].gate.weight, before[0])
    assert not torch.equal(fusion.sources["event_items"].projection.weight, before[1])

    capped = XCatRecommender(model, processor, rerankers=[extension.PriceCap(20.0)])
    measured = [
        evaluate_ranker(
            ranker,
            splits["test"],
            processor.catalogue,
            trained=prepared.trained,
            ks=[5],
            metrics=["recall", "precision"],
        )
        for ranker in (XCatRecommender(model, processor), capped)
    ]
    for report in measured:
        assert report.metrics["precision@5"] == pytest.approx(report.metrics["recall@5"] / 5), "one target per user"
        assert "slices.switch.precision@5" in report.flat()
    assert measured[0].ranks is not None and not np.array_equal(measured[0].ranks, measured[1].ranks)

    columns = [processor.catalogue.column(name).to_pylist() for name in ("item_id", "price")]
    prices = dict(zip(*columns, strict=True))
    found = [prices[item.item_id] for item in capped.recommend(["item-20"], 30)]
    dear = [price > 20 for price in found]
    assert dear == sorted(dear) and any(dear) and not all(dear)

    model.save_pretrained(tmp_path / "checkpoint")
    processor.save_pretrained(tmp_path / "checkpoint")
    again = XCatRecommender.from_pretrained(tmp_path / "checkpoint")
    assert [i.item_id for i in again.recommend(["item-20"], 5)] == [
        i.item_id for i in XCatRecommender(model, processor).recommend(["item-20"], 5)
    ]
    load = f"from xcat_rec import XCatRecommender; XCatRecommender.from_pretrained({str(tmp_path / 'checkpoint')!r})"
    done = run_program(load)
    assert done.returncode and "import the package that registers it" in done.stderr


def test_an_unknown_part_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"fusion_block is 'gated'; give one of attention"):
        XCatConfig(fusion_block="gated")


def test_a_name_is_taken_once(extension) -> None:
    with pytest.raises(ValueError, match=r"'gated' is xcat_extension\.GatedBlock already"):
        FUSION_BLOCKS.register("gated")(torch.nn.Identity)


def test_its_split_works_in_python_and_out_of_core(extension, tmp_path: Path) -> None:
    made = load_shop(str(write_shop(tmp_path / "shop"))).split(EventOptions(split=SPLIT)).splits
    ends = {name: [max(times[1:]) for times in made[name]["timestamps"]] for name in made}
    last = max(shop().events["timestamp"]) // MONTH
    assert len(made["test"]) and len(made["validation"]) and max(ends["train"]) // MONTH < last - 1
    folder = prepare(tmp_path / "shop", tmp_path / "prepared", split=SPLIT).folder
    stored = load_shop(str(folder)).split().splits
    for name in made:
        columns = [column for column in made[name].column_names if column != "ratings"]  # NaN differs from NaN
        assert made[name].select_columns(columns).to_dict() == stored[name].select_columns(columns).to_dict()


def test_its_split_and_metric_are_named_in_every_command(importable, tmp_path: Path, capsys) -> None:
    data, encoder = str(write_shop(tmp_path / "shop")), str(save_text_encoder(tmp_path / "encoder"))
    model, prepared, chosen = str(tmp_path / "model"), str(tmp_path / "prepared"), ["--json", "--split", SPLIT]
    small = ["--hidden-size", "32", "--num-attention-heads", "2", "--num-train-epochs", "1"]
    measured = ["--metrics", f"hit_rate,{METRIC}"]
    run(["prepare", data, "--output", prepared, *chosen], capsys)
    for place in (data, prepared):
        command = ["fit", place, "--output", model, "--overwrite", "--text-encoder", encoder]
        fitted = run([*command, *small, *measured, *chosen], capsys)
        assert fitted["split"] == SPLIT
    evaluated = run(["evaluate", model, data, *measured, "--json"], capsys)
    assert evaluated == run(["evaluate", model, data, *measured, *chosen], capsys), "the split of the training"
    assert run(["inspect", data, "--output", str(tmp_path / "inspection"), *chosen], capsys)["split"] == SPLIT
    page = tmp_path / "bench.html"
    places = ["--output", str(tmp_path / "bench.json"), "--report", str(page)]
    rows = run(["bench", data, "--models", "popularity", *places, *measured, *chosen], capsys)["runs"]
    assert [row["data"]["split"] for row in rows] == [SPLIT]

    (row,) = rows
    for report in (fitted, evaluated, *evaluated["baselines"].values(), row):
        assert 0 < report["metrics"]["hit_rate@10"] <= 10 * report["metrics"]["precision@10"], "several targets"
        assert "precision@10" in report["slices"]["switch"]
    assert "precision@10" in evaluated["intervals"] and "Share of the k best" in page.read_text()
    with np.load(tmp_path / "bench.users.npz") as values:
        assert "popularity/0/precision@10" in values.files
    card = (tmp_path / "model" / "README.md").read_text()
    assert "| Precision@10 |" in card and "- precision\n" in card and f"--metrics hit_rate,{METRIC}" in card


def test_its_metric_chooses_the_best_epoch_and_is_shown(importable, tmp_path: Path, capsys) -> None:
    data, encoder = str(write_shop(tmp_path / "shop")), str(save_text_encoder(tmp_path / "encoder"))
    fields = {**SMALL, **QUICK, "num_train_epochs": 2, "text_encoder": encoder, "metric_for_best_model": "precision@5"}
    with pytest.raises(ValueError, match="metric_for_best_model is 'precision@5'; give recall, ndcg, mrr or coverage"):
        fit(data, tmp_path / "refused", **fields)
    fitted = fit(data, tmp_path / "model", metrics=[METRIC], **fields)
    assert fitted.reports["popularity"].metrics["precision@5"] > 0
    assert [entry for entry in fitted.card.training.log if "eval_precision@5" in entry]
    found = evaluate(tmp_path / "model", data, metrics=[METRIC])
    assert found.report.metrics["precision@10"] == pytest.approx(fitted.reports["XCat"].metrics["precision@10"])
    with pytest.raises(SystemExit):
        main(["evaluate", str(tmp_path / "model"), data, "--metrics", METRIC])
    assert "precision@10" in capsys.readouterr().out
    for name, words in (("no_such:part", "there is no module no_such"), ("xcat_extension:none", "does not register")):
        with pytest.raises(ValueError, match=f"metrics .*'{name}'.*{words}"):
            evaluate(tmp_path / "model", data, metrics=[name])
    with pytest.raises(ValueError, match=r"metrics is 'precision'; give a list of names"):
        evaluate(tmp_path / "model", data, metrics="precision")


def test_a_checkpoint_s_split_is_imported_only_if_a_person_names_it(tmp_path: Path, monkeypatch) -> None:
    shop_of_checkpoint = shop()
    with pytest.raises(ValueError, match=f"split is '{SPLIT}'.*import the package that registers it"):
        shop_of_checkpoint.options_of_training({"split": SPLIT}, {})
    assert "xcat_extension" not in sys.modules
    assert "split" not in shop_of_checkpoint.options_of_training({"split": SPLIT}, {"split": "leave-one-out"})
    with pytest.raises(ValueError, match="split is 'no_such:part', and there is no module no_such"):
        prepare(write_shop(tmp_path / "shop"), tmp_path / "prepared", split="no_such:part")


def test_a_split_that_needs_all_users_is_refused_out_of_core(tmp_path: Path) -> None:
    @register_split("whole-table")
    class WholeTable(Split):
        def cut(self, timeline, shared):
            return SPLITS["leave-one-out"].cut(timeline, shared)

    try:
        assert len(shop().split(EventOptions(split="whole-table")).test)
        with pytest.raises(ValueError, match="split 'whole-table' needs the events of all users at once"):
            prepare(write_shop(tmp_path / "shop"), tmp_path / "prepared", split="whole-table")
        with pytest.raises(ValueError, match=r"split 'leave-one-out' is .*LeaveOneOut already; give another name"):
            register_split("leave-one-out")(WholeTable)
    finally:
        del SPLITS["whole-table"]
