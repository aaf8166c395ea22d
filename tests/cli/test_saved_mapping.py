"""Names of columns, time format and encoding of a checkpoint hold for the commands that begin with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from xcat_rec import XCatProcessor, interests, load_shop, push
from xcat_rec.checkpoints.saved_tables import saved_event_settings, table_options
from xcat_rec.cli.app import main
from xcat_rec.cli.fit_command import fit_command
from xcat_rec.tokenization.saved_names import check_saved_names
from xcat_rec.tokenization.tables.schema import validate_tables
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import prepare_training
from xcat_rec.workflows.bench import run_model
from xcat_rec.workflows.bench_request import BenchRequest
from xcat_rec.workflows.fit import fit

from ..tiny_shop import QUICK, SMALL, events_table, items_table, save_text_encoder
from .commands import refused, run

NAMES = {"item_id": "StockCode", "title": "Description", "user_id": "Customer", "timestamp": "Day", "rating": "Stars"}
FORMATS = {"time_format": "day-first", "encoding": "cp1250"}
DAY = 86_400


def write_tables(folder: Path, users: int) -> Path:
    """The tiny shop under own names, with dates that can be read in two ways, and titles beyond ASCII."""
    folder.mkdir()
    items = items_table().with_columns(pl.col("title") + " dveří")
    hours = 1_260_000_000 + 3600 * pl.int_range(pl.len()).over("user_id")
    day = pl.from_epoch(hours // (40 * DAY) * (40 * DAY) + hours % DAY).dt.strftime("%d/%m/%Y %H:%M")
    events = events_table(users).with_columns(day.alias("timestamp"))
    for name, table in (("items", items), ("events", events)):
        table = table.rename({ours: own for ours, own in NAMES.items() if ours in table.columns})
        (folder / f"{name}.csv").write_bytes(table.write_csv().encode("cp1250"))
    return folder


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, str]:
    """Tables with other column names, a checkpoint of such tables without training, and its text encoder."""
    folder = tmp_path_factory.mktemp("mapping")
    encoder = str(save_text_encoder(folder / "encoder"))
    shop = validate_tables(items_table(), events_table(20))
    prepared = prepare_training(shop, PreparationOptions(text_encoder=encoder, config=SMALL))
    settings = prepared.processor.event_settings or {}
    prepared.processor.event_settings = {**settings, "columns": NAMES, **FORMATS}
    prepared.model.save_pretrained(folder / "base")
    prepared.processor.save_pretrained(folder / "base")
    return str(write_tables(folder / "shop", 20)), str(folder / "base"), encoder


def test_options_of_tables_are_those_given_else_those_of_the_checkpoint(places, tmp_path):
    shop, base, _ = places
    found = load_shop(shop, **table_options(base))
    assert found.items["title"][0].endswith("dveří") and found.events.height == events_table(20).height
    assert table_options(None) == {"columns": None, "time_format": None, "encoding": None}
    assert table_options(base, time_format="month-first")["time_format"] == "month-first"
    adapter = tmp_path / "adapter_config.json"
    for named, settings in ((base, saved_event_settings(base)), (str(tmp_path), {}), (None, {})):
        adapter.write_text(json.dumps({"base_model_name_or_path": named}))
        assert saved_event_settings(tmp_path) == settings


def test_fit_begins_with_the_mapping_of_its_base(places, tmp_path, capsys):
    shop, base, _ = places
    quick = ["--num-train-epochs", "1", "--per-device-train-batch-size", "16", "--precision", "fp32", "--use-cpu"]
    told = run(["fit", shop, "--base", base, "--output", str(tmp_path / "tuned"), *quick, "--json"], capsys)
    settings = saved_event_settings(tmp_path / "tuned")
    assert (settings["columns"], settings["time_format"], settings["encoding"]) == (NAMES, *FORMATS.values())
    fields = {**QUICK, "num_train_epochs": 1, "per_device_train_batch_size": 16}
    again = fit(shop, tmp_path / "again", base=base, card=None, **fields)
    assert again.reports["XCat"].num_targets == told["num_targets"] == 20
    refused(
        ["fit", shop, "--base", base, "--columns", "item_id=sku", "--output", str(tmp_path / "no")],
        capsys,
        ["column sku: the column is missing"],
    )


def test_every_run_of_bench_has_the_mapping_of_the_base(places, tmp_path):
    shop, base, _ = places
    fields = {"split": "leave-one-out", "precision": "fp32", "use_cpu": True}
    rows = [
        run_model(BenchRequest(model, data=shop, base=base, fields=fields), tmp_path).row
        for model in ("popularity", "xcat-zero-shot")
    ]
    assert rows[0]["data"]["judged"] == rows[1]["data"]["judged"] and rows[0]["data"]["test_users"] == 20


def test_interests_are_read_with_the_mapping(places, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("XCAT_CACHE", str(tmp_path / "cache"))
    shop, base, encoder = places
    asked = ["interests", shop, "--user", "user-01", "--text-encoder", encoder]
    saved = run([*asked, "--checkpoint", base, "--json"], capsys)["profiles"]
    columns = ",".join(f"{ours}={own}" for ours, own in NAMES.items())
    formats = ["--time-format", "day-first", "--encoding", "cp1250"]
    assert run([*asked, "--columns", columns, *formats, "--json"], capsys)["profiles"] == saved
    assert saved[0]["opinions"] > 0 and saved[0]["categories"]
    profile = interests(shop, ["user-01"], checkpoint=base, text_encoder=encoder)["user-01"]
    assert json.loads(json.dumps({"user_id": "user-01", **profile.to_dict()})) == saved[0]
    refused([*asked, "--encoding", "cp1250"], capsys, ["no column 'user_id'", "--columns 'user_id=its name there'"])
    named = columns.replace("item_id=StockCode,", "")
    refused([*asked, "--columns", named, *formats], capsys, ["items, column item_id", "--columns"])


def test_a_column_with_two_names_from_fit_to_catalogue(places, tmp_path, capsys):
    names = {"items.item_id": "asin", "events.item_id": "product_id"}
    mapping = ",".join(f"{name}={column}" for name, column in names.items())
    shop, checkpoint, encoder = tmp_path / "shop", str(tmp_path / "checkpoint"), places[2]
    shop.mkdir()
    items_table().rename({"item_id": "asin"}).write_csv(shop / "items.csv")
    events_table(20).rename({"item_id": "product_id"}).write_csv(shop / "events.csv")
    with pytest.raises(SystemExit):
        main(["fit", str(shop), "--guess-columns"])
    assert capsys.readouterr().out.strip() == f"--columns {mapping}"
    prepare = ["prepare", str(shop), "--columns", mapping, "--split", "leave-one-out"]
    run([*prepare, "--output", str(tmp_path / "ready"), "--json"], capsys)
    assert f"--columns {mapping} " in fit_command(str(tmp_path / "ready"), {})
    quick = ["--num-train-epochs", "1", "--per-device-train-batch-size", "16", "--precision", "fp32", "--use-cpu"]
    fitted = ["fit", str(shop), "--columns", mapping, "--text-encoder", encoder, "--hidden-size", "32", *quick]
    told = run([*fitted, "--num-attention-heads", "2", "--output", checkpoint, "--json"], capsys)
    assert f" --columns {mapping} " in (tmp_path / "checkpoint" / "README.md").read_text()
    assert saved_event_settings(checkpoint)["columns"] == {"by_table": names}
    judged = run(["evaluate", checkpoint, str(shop), "--json"], capsys)
    assert judged["metrics"] == {name: told["metrics"][name] for name in judged["metrics"]}
    users = ["recommend", checkpoint, "--users", str(shop / "events.csv"), "-k", "2"]
    assert len(run([*users, "--json"], capsys)["recommendations"]) == 2 * 20
    run([*users, "--output", str(tmp_path / "found.parquet"), "--json"], capsys)
    assert pl.read_parquet(tmp_path / "found.parquet")["user_id"].n_unique() == 20
    (tmp_path / "new.csv").write_text("asin,title\nnew,tents number 3\n")
    grown = ["catalogue", checkpoint, str(tmp_path / "new.csv"), "--output", str(tmp_path / "grown"), "--json"]
    assert run(grown, capsys)["num_new"] == 1


def test_personal_names_of_an_old_checkpoint_are_not_pushed(places, tmp_path):
    _, base, _ = places
    folder = tmp_path / "old"
    shutil.copytree(base, folder)
    config = folder / "processor_config.json"
    settings = json.loads(config.read_text())
    settings["event_settings"] |= {
        "columns": {"title": "ann@post.example"},
        "target_event_types": ["buy", "0170 555 1234"],
    }
    config.write_text(json.dumps(settings))
    message = r"event_settings\.columns\.title in processor_config.json: 2 stored names .*'xxx@.*rename the column"
    with pytest.raises(ValueError, match=message) as caught:
        push(folder, "me/old")
    assert "ann" not in str(caught.value) and "555" not in str(caught.value)
    with pytest.raises(ValueError, match=message):
        XCatProcessor.from_pretrained(folder)._upload_modified_files(folder, "me/old", {})
    check_saved_names(saved_event_settings(base))
